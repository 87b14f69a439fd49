//===- OpsSelect.cpp - Results that hold what a condition selects ----------------------------===//
//
// How many elements are selected is counted and bound to a symbol; their places are a running
// count, by which they are scattered to where they belong.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/Strings.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::CompareKind;

static Type si64(Node &node) {
  return IntegerType::get(node.getBuilder().getContext(), 64, IntegerType::Signed);
}

static Value choose(Node &node, Value condition, Value x, Value y) {
  return node.create<graph::SelectOp>(condition, x, y);
}

Value tessera::onnx::placesOf(Node &node, Value isSet, StringRef what) {
  ShapeScalars s(node);
  DimAttr total = graph::getTensorType(isSet).getDim(0);
  graph::TensorType each = graph::TensorType::get({total}, si64(node));
  Value ones = node.convert(isSet, si64(node));
  DimAttr count = s.bind(node.reduce(graph::ReduceKind::sum, ones, {0}), what);
  Value place = node.create<graph::CumulativeOp>(graph::CumulativeKind::sum, ones, 0,
                                                 /*exclusive=*/true, /*reverse=*/false);
  // The end is outside of what is selected: scatter leaves it out.
  Value target = choose(node, isSet, place, node.broadcast(s.number(total), {}, {total}));
  Value start = node.fill(graph::TensorType::get({count}, si64(node)), 0);
  return node.create<graph::ScatterOp>(graph::ScatterKind::replace, start, target,
                                       node.create<graph::IotaOp>(each, 0), 0);
}

/// Row-major places as one index for each of the dims.
static SmallVector<Value> coordinatesOf(Node &node, Value place, ArrayRef<DimAttr> dims) {
  ShapeScalars s(node);
  ArrayRef<DimAttr> all = graph::getTensorType(place).getDims();
  SmallVector<Value> result(dims.size());
  for (int64_t axis = int64_t(dims.size()) - 1; axis >= 0; --axis) {
    Value extent = node.broadcast(s.number(dims[axis]), {}, all);
    result[axis] = axis ? node.create<graph::ModOp>(place, extent) : place;
    if (axis)
      place = node.div(place, extent);
  }
  return result;
}

static Value isNotZero(Node &node, Value x) {
  bool isBool = graph::getTensorType(x).getElementType().isInteger(1);
  return isBool ? x : node.compare(CompareKind::ne, x, node.fillLike(x, 0));
}

/// Strings that are not empty count as not zero.
static LogicalResult importNonZero(Node &node) {
  if (isStrings(node.input(0))) {
    Value bytes = contentsOf(node.input(0)).front();
    node.inputs[0] = node.reduce(graph::ReduceKind::or_, isNotZero(node, bytes),
                                 {graph::getTensorType(bytes).rank() - 1});
  }
  if (isStructure(node.input(0)))
    return node.error("needs a tensor");
  graph::TensorType type = node.type(0);
  if (type.rank() == 0)
    return node.error("needs an input of rank 1 or more");
  FailureOr<Value> flat = node.flatten(node.input(0));
  if (failed(flat))
    return failure();
  Value places = placesOf(node, isNotZero(node, *flat), "the number of elements that are not zero");
  DimList row{node.dim(1), graph::getTensorType(places).getDim(0)};
  SmallVector<Value> rows;
  for (Value coordinate : coordinatesOf(node, places, type.getDims()))
    rows.push_back(node.reshape(coordinate, row));
  node.setOutput(rows.size() == 1 ? rows[0] : node.create<graph::ConcatOp>(rows, 0));
  return success();
}

static LogicalResult importCompress(Node &node) {
  Value x = node.input(0), condition = node.input(1);
  if (!condition || node.type(1).rank() != 1 || !node.type(1).getElementType().isInteger(1))
    return node.error("needs a condition of rank 1 and type bool");
  int64_t axis = 0;
  if (node.attribute("axis")) {
    axis = node.getInt("axis", 0);
    if (failed(node.normalizeAxis(axis, node.type(0).rank())))
      return failure();
  } else {
    FailureOr<Value> flat = node.flatten(x);
    if (failed(flat))
      return failure();
    x = *flat;
  }
  // A condition that is shorter selects nothing of the rest.
  if (graph::isKnownLess(graph::getTensorType(x).getDim(axis), node.type(1).getDim(0)))
    return node.error("has a condition for " + node.type(1).getDim(0).str() + " of " +
                      graph::getTensorType(x).getDim(axis).str() + " elements");
  Value places = placesOf(node, condition, "the number of elements that are selected");
  node.setOutput(node.create<graph::GatherOp>(x, places, axis));
  return success();
}

//===----------------------------------------------------------------------===//
// NonMaxSuppression
//===----------------------------------------------------------------------===//

namespace {
/// Boxes of every class are visited in the order of their scores. One is kept when its score is
/// above the threshold, fewer than the limit are kept of its class, and no kept one overlaps it too
/// much.
class Suppression {
public:
  explicit Suppression(Node &node) : node(node), s(node) {}
  LogicalResult run();

private:
  struct Corners {
    Value low[2], high[2], area;
  };
  /// Column k of the last dim.
  Value column(Value boxes, int64_t k);
  Corners corners(Value boxes);
  void sort();
  Value keep();
  Value overlaps(const Corners &x, const Corners &y);
  Value scalarInput(size_t i, Type element, double otherwise);

  Node &node;
  ShapeScalars s;
  Value limit, overlap, threshold; ///< scalars; null without a threshold
  Value scores, order, boxes;      // sorted
  DimAttr batch, classes, count;
};
} // namespace

Value Suppression::column(Value boxes, int64_t k) {
  graph::TensorType type = graph::getTensorType(boxes);
  DimList starts(type.rank(), node.dim(0)), steps(type.rank(), node.dim(1)), dims(type.getDims());
  starts.back() = node.dim(k);
  dims.back() = node.dim(1);
  Value slice = node.create<graph::SliceOp>(boxes, starts, steps, dims);
  return node.reshape(slice, type.getDims().drop_back());
}

/// From any two opposite corners, or from the middle and the sides.
Suppression::Corners Suppression::corners(Value boxes) {
  Corners result;
  for (int64_t d = 0; d < 2; ++d) {
    Value first = column(boxes, d), second = column(boxes, 2 + d);
    if (node.getInt("center_point_box", 0)) {
      Value half = node.mul(second, 0.5);
      result.low[d] = node.sub(first, half);
      result.high[d] = node.add(first, half);
    } else {
      result.low[d] = node.min(first, second);
      result.high[d] = node.max(first, second);
    }
  }
  result.area =
      node.mul(node.sub(result.high[0], result.low[0]), node.sub(result.high[1], result.low[1]));
  return result;
}

/// Whether the shared area is above the share of the area that both cover.
Value Suppression::overlaps(const Corners &x, const Corners &y) {
  Value shared;
  for (int d = 0; d < 2; ++d) {
    Value side =
        node.max(node.sub(node.min(x.high[d], y.high[d]), node.max(x.low[d], y.low[d])), 0.0);
    shared = shared ? node.mul(shared, side) : side;
  }
  Value both = node.sub(node.add(x.area, y.area), shared);
  Value isShared = node.compare(CompareKind::gt, shared, node.fillLike(shared, 0));
  Value share = node.div(shared, both);
  Value limit = node.broadcast(overlap, {}, graph::getTensorType(shared).getDims());
  return node.create<graph::AndOp>(isShared, node.compare(CompareKind::gt, share, limit));
}

Value Suppression::scalarInput(size_t i, Type element, double otherwise) {
  if (!node.input(i))
    return node.scalar(element, otherwise);
  return node.convert(node.reshape(node.input(i), {}), element);
}

/// Scores, and the boxes in their order: [count, batch, classes] and [count, batch, classes, 4].
void Suppression::sort() {
  Value turned = node.transpose(node.input(1), {2, 0, 1});
  auto sorted = graph::SortOp::create(node.getBuilder(), node.getLoc(), turned, /*axis=*/0,
                                      /*descending=*/true, /*first=*/nullptr);
  scores = sorted.getValues();
  order = sorted.getIndices();
  // Boxes of all batches side by side; those of a batch serve all of its classes.
  DimList dims{count, batch, classes};
  graph::TensorType places = graph::TensorType::get(dims, si64(node));
  Value first =
      node.mul(node.create<graph::IotaOp>(places, 1), node.broadcast(s.number(count), {}, dims));
  Value flat =
      node.reshape(node.input(0), {node.known(DimExpr(batch) * DimExpr(count)), node.dim(4)});
  boxes = node.create<graph::GatherOp>(flat, node.add(first, order), 0);
}

/// One bool for each sorted box. Boxes are the last axis of what a step compares, and what is kept
/// are numbers, 0 or 1: so they are vectors.
Value Suppression::keep() {
  Type flag = graph::getTensorType(boxes).getElementType();
  Type narrow = IntegerType::get(node.getBuilder().getContext(), 32, IntegerType::Signed);
  DimList all{batch, classes, count}, pair{batch, classes};
  Corners sorted = corners(node.transpose(boxes, {1, 2, 0, 3}));
  graph::TensorType kept = graph::TensorType::get(all, flag),
                    number = graph::TensorType::get(pair, si64(node));
  SmallVector<Value> inits{node.fill(kept, 0), node.fill(number, 0)};
  SmallVector<Value> xs{boxes, scores,
                        node.create<graph::IotaOp>(graph::TensorType::get({count}, narrow), 0)};
  SmallVector<Type> results{kept, number};
  auto scan =
      graph::ScanOp::create(node.getBuilder(), node.getLoc(), results, inits, xs, /*axis=*/0,
                            /*reverse=*/false);
  Block &body = scan.getBody().emplaceBlock();
  for (Value init : inits)
    body.addArgument(init.getType(), node.getLoc());
  for (Value x : xs) {
    graph::TensorType type = graph::getTensorType(x);
    body.addArgument(type.withDims(type.getDims().drop_front()), node.getLoc());
  }
  OpBuilder &builder = node.getBuilder();
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToEnd(&body);
  Value keptSoFar = body.getArgument(0), taken = body.getArgument(1), box = body.getArgument(2);
  Value score = body.getArgument(3), index = body.getArgument(4);
  Corners own = corners(box), spread;
  auto spreadOut = [&](Value x) { return node.broadcast(x, {0, 1}, all); };
  for (int d = 0; d < 2; ++d) {
    spread.low[d] = spreadOut(own.low[d]);
    spread.high[d] = spreadOut(own.high[d]);
  }
  spread.area = spreadOut(own.area);
  Value conflict = choose(node, overlaps(sorted, spread), keptSoFar, node.fillLike(keptSoFar, 0));
  Value most = node.reduce(graph::ReduceKind::max, conflict, {2});
  Value isFree = node.compare(CompareKind::le, most, node.fillLike(most, 0));
  Value hasRoom = node.compare(CompareKind::lt, taken, node.broadcast(limit, {}, pair));
  Value isKept = node.create<graph::AndOp>(isFree, hasRoom);
  if (threshold)
    isKept = node.create<graph::AndOp>(
        isKept, node.compare(CompareKind::gt, score, node.broadcast(threshold, {}, pair)));
  Value nowKept = spreadOut(node.convert(isKept, flag));
  // Right before what reads it: one sweep, without bools in memory.
  Value isHere = node.compare(CompareKind::eq,
                              node.create<graph::IotaOp>(graph::TensorType::get(all, narrow), 2),
                              node.broadcast(index, {}, all));
  Value next = choose(node, isHere, nowKept, keptSoFar);
  Value nextTaken = node.add(taken, node.convert(isKept, si64(node)));
  graph::YieldOp::create(builder, node.getLoc(), ValueRange{next, nextTaken});
  builder.setInsertionPointAfter(scan);
  Value result = scan.getResult(0);
  return node.compare(CompareKind::gt, result, node.fillLike(result, 0));
}

LogicalResult Suppression::run() {
  if (!node.input(1) || node.type(0).rank() != 3 || node.type(1).rank() != 3 ||
      node.type(0).getDim(2).getConstant() != 4)
    return node.error(
        "needs boxes of shape [batch, boxes, 4] and scores of shape [batch, classes, boxes]");
  batch = node.type(0).getDim(0);
  count = node.type(0).getDim(1);
  classes = node.type(1).getDim(1);
  node.inputs[1] = node.broadcastTo(node.input(1), DimList{batch, classes, count});
  Type element = node.type(0).getElementType();
  limit = scalarInput(2, si64(node), 0);
  overlap = scalarInput(3, element, 0);
  if (node.input(4))
    threshold = scalarInput(4, element, 0);
  sort();
  // Selected ones in the order of batch, class and score.
  Value kept = keep();
  DimList dims{batch, classes, count};
  FailureOr<Value> flat = node.flatten(kept),
                   places = node.flatten(node.transpose(order, {1, 2, 0}));
  if (failed(flat) || failed(places))
    return failure();
  Value selected = placesOf(node, *flat, "the number of boxes that are selected");
  SmallVector<Value> columns = coordinatesOf(node, selected, dims);
  columns[2] = node.create<graph::GatherOp>(*places, selected, 0);
  DimList one{graph::getTensorType(selected).getDim(0), node.dim(1)};
  for (Value &column : columns)
    column = node.reshape(column, one);
  node.setOutput(node.create<graph::ConcatOp>(columns, 1));
  return success();
}

static LogicalResult importNonMaxSuppression(Node &node) { return Suppression(node).run(); }

ArrayRef<Operator> tessera::onnx::selectOperators() {
  static const Operator table[] = {
      {"Compress", 9, importCompress},
      {"NonMaxSuppression", 10, importNonMaxSuppression},
      {"NonZero", 9, importNonZero, true},
  };
  return table;
}
