//===- OpsSelect.cpp - Results that hold what a condition selects ----------------------------===//
//
// How many elements are selected is counted and bound to a symbol; their places are a running
// count, by which they are scattered to where they belong.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/Strings.h"

#include <array>
#include <limits>

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
/// much. It is compared with the kept ones only, as many at once as a row of theirs has.
class Suppression {
public:
  explicit Suppression(Node &node) : node(node), s(node) {}
  LogicalResult run();

private:
  static constexpr int64_t kRow = 32; ///< some vectors
  enum Side { LowY, LowX, HighY, HighX, Area, Sides };
  using Corners = std::array<Value, Sides>;

  Value column(Value boxes, int64_t k);
  Corners corners(Value boxes);
  /// Whether the boxes x and y share too much.
  Value overlaps(const Corners &x, const Corners &y);
  Value scalarInput(size_t i, Type element, double otherwise);
  void sort();
  /// A scan over xs; `body` takes the states and slices, and gives the next states, then outputs.
  ValueRange scan(ValueRange states, ValueRange xs, ArrayRef<graph::TensorType> outputs,
                  llvm::function_ref<SmallVector<Value>(ValueRange)> body);
  /// Of one class: the next states from the ones before a candidate.
  SmallVector<Value> visit(ValueRange arguments);
  Value hasConflict(const Corners &box, ValueRange kept, Value taken);
  void keep();
  Value counter(DimAttr extent) {
    return node.create<graph::IotaOp>(graph::TensorType::get({extent}, si64(node)), 0);
  }
  Value spread(Value scalar) { return node.broadcast(scalar, {}, {node.dim(kRow)}); }
  Value number(int64_t value) { return node.scalar(si64(node), double(value)); }

  Node &node;
  ShapeScalars s;
  Value limit, overlap, threshold; ///< scalars; null without a threshold
  Value scores, order;             ///< [batch x classes, count], sorted
  Value firstBox;                  ///< of the batch of each class
  Corners boxes;                   ///< [batch x count]
  Value taken, kept;               ///< [batch x classes], [batch x classes, rows, kRow]
  DimAttr batch, classes, count, all, rows;
};
} // namespace

/// Column k of the last dim.
Value Suppression::column(Value boxes, int64_t k) {
  DimAttr one = node.dim(1);
  int64_t axis = graph::getTensorType(boxes).rank() - 1;
  Value slice = node.cut(boxes, axis, node.dim(k), one);
  return node.reshape(slice, {node.known(DimExpr(batch) * DimExpr(count))});
}

/// From any two opposite corners, or from the middle and the sides.
Suppression::Corners Suppression::corners(Value boxes) {
  Corners result;
  for (int64_t d = 0; d < 2; ++d) {
    Value first = column(boxes, d), second = column(boxes, 2 + d);
    if (node.getInt("center_point_box", 0)) {
      Value half = node.mul(second, 0.5);
      result[LowY + d] = node.sub(first, half);
      result[HighY + d] = node.add(first, half);
    } else {
      result[LowY + d] = node.min(first, second);
      result[HighY + d] = node.max(first, second);
    }
  }
  result[Area] =
      node.mul(node.sub(result[HighY], result[LowY]), node.sub(result[HighX], result[LowX]));
  return result;
}

/// Whether the shared area is above the share of the area that both cover.
Value Suppression::overlaps(const Corners &x, const Corners &y) {
  Value shared;
  for (int d = 0; d < 2; ++d) {
    Value side = node.max(
        node.sub(node.min(x[HighY + d], y[HighY + d]), node.max(x[LowY + d], y[LowY + d])), 0.0);
    shared = shared ? node.mul(shared, side) : side;
  }
  Value both = node.sub(node.add(x[Area], y[Area]), shared);
  Value isShared = node.compare(CompareKind::gt, shared, node.fillLike(shared, 0));
  Value share = node.div(shared, both);
  return node.create<graph::AndOp>(isShared, node.compare(CompareKind::gt, share, spread(overlap)));
}

Value Suppression::scalarInput(size_t i, Type element, double otherwise) {
  if (!node.input(i))
    return node.scalar(element, otherwise);
  return node.convert(node.reshape(node.input(i), {}), element);
}

/// Scores of every class in order. What is not above the threshold is all the same, so that there
/// is little to sort.
void Suppression::sort() {
  DimList dims{all, count};
  Value given = node.reshape(node.input(1), dims);
  if (threshold)
    given = choose(node, node.compare(CompareKind::gt, given, node.broadcast(threshold, {}, dims)),
                   given, node.fillLike(given, -std::numeric_limits<double>::infinity()));
  auto sorted = graph::SortOp::create(node.getBuilder(), node.getLoc(), given, /*axis=*/1,
                                      /*descending=*/true, /*first=*/nullptr);
  scores = sorted.getValues();
  order = sorted.getIndices();
  Value group = node.div(counter(all), node.broadcast(s.number(classes), {}, {all}));
  firstBox = node.mul(group, node.broadcast(s.number(count), {}, {all}));
}

ValueRange Suppression::scan(ValueRange states, ValueRange xs, ArrayRef<graph::TensorType> outputs,
                             llvm::function_ref<SmallVector<Value>(ValueRange)> body) {
  OpBuilder &builder = node.getBuilder();
  SmallVector<Type> results(states.getTypes());
  llvm::append_range(results, outputs);
  auto op = graph::ScanOp::create(builder, node.getLoc(), results, states, xs, /*axis=*/0,
                                  /*reverse=*/false);
  Block &block = op.getBody().emplaceBlock();
  for (Value state : states)
    block.addArgument(state.getType(), node.getLoc());
  for (Value x : xs)
    block.addArgument(op.getSliceType(x.getType()), node.getLoc());
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToEnd(&block);
  SmallVector<Value> next = body(block.getArguments());
  graph::YieldOp::create(builder, node.getLoc(), next);
  return op.getResults();
}

/// Of as many rows as there are kept boxes in. Boxes without an area share nothing: such are behind
/// the last one.
Value Suppression::hasConflict(const Corners &box, ValueRange kept, Value taken) {
  Corners own;
  for (int side = 0; side < Sides; ++side)
    own[side] = spread(box[side]);
  Value used = node.div(node.add(taken, number(kRow - 1)), number(kRow));
  Type flag = graph::getTensorType(box[Area]).getElementType();
  Value none = node.fill(graph::TensorType::get({node.dim(kRow)}, flag), 0);
  SmallVector<Value> xs(kept);
  xs.push_back(counter(rows));
  Value found = scan(none, xs, {}, [&](ValueRange arguments) {
    Corners other;
    for (int side = 0; side < Sides; ++side)
      other[side] = arguments[1 + side];
    Value conflict = node.convert(overlaps(other, own), flag);
    Value isUsed = node.compare(CompareKind::lt, spread(arguments[1 + Sides]), spread(used));
    Value next = choose(node, isUsed, node.max(arguments[0], conflict), arguments[0]);
    return SmallVector<Value>{next};
  })[0];
  Value most = node.reduce(graph::ReduceKind::max, found, {0});
  return node.compare(CompareKind::gt, most, node.fillLike(most, 0));
}

/// States: the sides of the kept boxes, their places, how many there are. Then a score, a place.
/// The next kept one goes behind the last one, an other one nowhere.
SmallVector<Value> Suppression::visit(ValueRange arguments) {
  ValueRange kept = arguments.take_front(Sides), states = arguments.take_front(Sides + 2);
  Value taken = states[Sides + 1];
  Value score = arguments[Sides + 2], place = arguments[Sides + 3], first = firstBox;
  Value isCandidate = node.compare(CompareKind::lt, taken, limit);
  if (threshold)
    isCandidate =
        node.create<graph::AndOp>(isCandidate, node.compare(CompareKind::gt, score, threshold));
  Corners box;
  for (int side = 0; side < Sides; ++side)
    box[side] = node.create<graph::GatherOp>(boxes[side], node.add(first, place), 0);
  Value isFree = node.create<graph::NotOp>(hasConflict(box, kept, taken));
  Value row = node.div(taken, number(kRow)), lane = node.create<graph::ModOp>(taken, number(kRow));
  Value target = choose(node, isFree, row, s.number(rows));
  Value isHere = node.compare(CompareKind::eq, counter(node.dim(kRow)), spread(lane));
  SmallVector<Value> next;
  for (int side = 0; side <= Sides; ++side) {
    Value own = spread(side < Sides ? box[side] : place);
    Value changed = choose(node, isHere, own, node.create<graph::GatherOp>(states[side], row, 0));
    next.push_back(node.create<graph::ScatterOp>(graph::ScatterKind::replace, states[side], target,
                                                 changed, 0));
  }
  next.push_back(node.add(taken, node.convert(isFree, si64(node))));
  for (auto [value, state] : llvm::zip(next, states)) {
    ArrayRef<DimAttr> dims = graph::getTensorType(state).getDims();
    value = choose(node, dims.empty() ? isCandidate : node.broadcast(isCandidate, {}, dims), value,
                   state);
  }
  return next;
}

/// One class after the other.
void Suppression::keep() {
  Type element = graph::getTensorType(node.input(0)).getElementType();
  graph::TensorType places = graph::TensorType::get({rows, node.dim(kRow)}, si64(node));
  graph::TensorType one = graph::TensorType::get(ArrayRef<DimAttr>(), si64(node));
  boxes = corners(node.input(0));
  Value firsts = firstBox;
  ValueRange results = scan(
      {}, {scores, order, firsts},
      {places.withDims({all, rows, node.dim(kRow)}), one.withDims({all})}, [&](ValueRange row) {
        firstBox = row[2];
        SmallVector<Value> states(Sides,
                                  node.fill(graph::TensorType::get(places.getDims(), element), 0));
        states.push_back(node.fill(places, 0));
        states.push_back(node.fill(one, 0));
        ValueRange last = scan(states, {row[0], row[1]}, {},
                               [&](ValueRange arguments) { return visit(arguments); });
        return SmallVector<Value>{last[Sides], last[Sides + 1]};
      });
  kept = results[0];
  taken = results[1];
}

LogicalResult Suppression::run() {
  if (!node.input(1) || node.type(0).rank() != 3 || node.type(1).rank() != 3 ||
      node.type(0).getDim(2).getConstant() != 4)
    return node.error(
        "needs boxes of shape [batch, boxes, 4] and scores of shape [batch, classes, boxes]");
  batch = node.type(0).getDim(0);
  count = node.type(0).getDim(1);
  classes = node.type(1).getDim(1);
  all = node.known(DimExpr(batch) * DimExpr(classes));
  rows = node.known(DimExpr(count).ceilDiv(DimExpr::constant(batch.getContext(), kRow)));
  node.inputs[1] = node.broadcastTo(node.input(1), DimList{batch, classes, count});
  Type element = node.type(0).getElementType();
  limit = scalarInput(2, si64(node), 0);
  overlap = scalarInput(3, element, 0);
  if (node.input(4))
    threshold = scalarInput(4, element, 0);
  sort();
  keep();
  // Those of a class follow those of the one before it; where some begin, the class changes.
  DimAttr total = s.bind(node.reduce(graph::ReduceKind::sum, taken, {0}),
                         "the number of boxes that are selected");
  graph::TensorType each = graph::TensorType::get({total}, si64(node));
  Value first = node.create<graph::CumulativeOp>(graph::CumulativeKind::sum, taken, 0,
                                                 /*exclusive=*/true, /*reverse=*/false);
  Value changes = node.create<graph::ScatterOp>(graph::ScatterKind::add, node.fill(each, 0), first,
                                                node.fillLike(first, 1), 0);
  Value passed = node.create<graph::CumulativeOp>(graph::CumulativeKind::sum, changes, 0,
                                                  /*exclusive=*/false, /*reverse=*/false);
  Value group = node.sub(passed, node.fill(each, 1));
  Value within = node.sub(counter(total), node.create<graph::GatherOp>(first, group, 0));
  FailureOr<Value> places = node.flatten(kept);
  if (failed(places))
    return failure();
  Value room = node.broadcast(s.number(node.known(DimExpr(rows) * kRow)), {}, {total});
  SmallVector<Value> columns = coordinatesOf(node, group, {batch, classes});
  columns.push_back(
      node.create<graph::GatherOp>(*places, node.add(node.mul(group, room), within), 0));
  for (Value &column : columns)
    column = node.reshape(column, {total, node.dim(1)});
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
