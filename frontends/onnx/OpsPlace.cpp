//===- OpsPlace.cpp - Elements that go to places of their own ---------------------------------===//

#include "frontends/onnx/OpsMl.h"
#include "frontends/onnx/Strings.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::CompareKind;

//===----------------------------------------------------------------------===//
// Unique
//===----------------------------------------------------------------------===//

namespace {
/// Equal rows stand side by side once they are sorted; the first of each run is kept.
class UniqueImporter {
public:
  explicit UniqueImporter(Node &node) : node(node), scalars(node) {}
  LogicalResult run();

private:
  Value joinBytes(Value rows);
  Value sortRows(Value rows);
  Value isFirstOfRun(Value sorted);

  Node &node;
  ShapeScalars scalars;
  DimAttr total;
};
} // namespace

/// Eight bytes of each row as one number: numbers have the order of the bytes, which is that of
/// the strings.
Value UniqueImporter::joinBytes(Value rows) {
  constexpr int64_t kBytes = 8;
  Type ui64 = IntegerType::get(node.getBuilder().getContext(), 64, IntegerType::Unsigned);
  DimExpr columns = DimExpr(graph::getTensorType(rows).getDim(1)).ceilDiv(kBytes);
  DimList dims{total, columns.get(), node.dim(kBytes)};
  Value groups = node.reshape(widen(node, rows, columns * kBytes), dims);
  std::vector<int64_t> places;
  for (int64_t k = kBytes - 1; k >= 0; --k)
    places.push_back(int64_t(uint64_t(1) << (8 * k)));
  Value factors = node.convert(constantOf<int64_t>(node, places, kBytes), ui64);
  return node.sum(node.mul(node.convert(groups, ui64), node.broadcast(factors, {2}, dims)), {2});
}

/// The order of rows [count, width]: by the last column, then by the one before, ...
Value UniqueImporter::sortRows(Value rows) {
  OpBuilder &builder = node.getBuilder();
  Value start = node.iota({total}, 0);
  Value columns = node.transpose(rows, {1, 0});
  auto scan = graph::ScanOp::create(builder, node.getLoc(), TypeRange(start.getType()), start,
                                    columns, /*axis=*/0, /*reverse=*/true);
  Block &body = scan.getBody().emplaceBlock();
  body.addArgument(start.getType(), node.getLoc());
  body.addArgument(scan.getSliceType(columns.getType()), node.getLoc());
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToEnd(&body);
  Value order = body.getArgument(0);
  Value keys = node.create<graph::GatherOp>(body.getArgument(1), order, 0);
  auto sorted = graph::SortOp::create(builder, node.getLoc(), keys, /*axis=*/0,
                                      /*descending=*/false, /*first=*/nullptr);
  Value next = node.create<graph::GatherOp>(order, sorted.getIndices(), 0);
  graph::YieldOp::create(builder, node.getLoc(), next);
  return scan.getResult(0);
}

/// Of sorted rows [count, width]; one that is no number equals another.
Value UniqueImporter::isFirstOfRun(Value sorted) {
  graph::TensorType type = graph::getTensorType(sorted);
  Value index = node.iota({total}, 0), zero = node.fillLike(index, 0);
  Value before = node.create<graph::GatherOp>(sorted, node.max(node.add(index, -1), zero), 0);
  Value differs = node.compare(CompareKind::ne, sorted, before);
  if (llvm::isa<FloatType>(type.getElementType())) {
    Value bothNone = node.create<graph::AndOp>(node.create<graph::IsNanOp>(sorted),
                                               node.create<graph::IsNanOp>(before));
    differs = node.create<graph::AndOp>(differs, node.create<graph::NotOp>(bothNone));
  }
  Value any = node.reduce(graph::ReduceKind::or_, differs, {1});
  return node.create<graph::OrOp>(any, node.compare(CompareKind::eq, index, zero));
}

LogicalResult UniqueImporter::run() {
  int64_t axis = node.getInt("axis", 0);
  bool isAlong = node.attribute("axis"), areStrings = isStrings(node.input(0));
  if (isStructure(node.input(0)) && !areStrings)
    return node.error("needs a tensor");
  Value x = areStrings ? contentsOf(node.input(0)).front() : node.input(0);
  if (isAlong) {
    if (failed(node.normalizeAxis(axis, graph::getTensorType(x).rank() - areStrings)))
      return failure();
  } else if (areStrings) {
    FailureOr<Rows> flat = rowsOf(node, 0);
    if (failed(flat))
      return failure();
    x = flat->bytes;
  } else {
    FailureOr<Value> flat = node.flatten(x);
    if (failed(flat))
      return failure();
    x = *flat;
  }
  // The axis in front, everything else a row.
  graph::TensorType given = graph::getTensorType(x);
  SmallVector<int64_t> order{axis};
  for (int64_t d = 0; d < given.rank(); ++d)
    if (d != axis)
      order.push_back(d);
  Value front = node.transpose(x, order);
  DimList dims(graph::getTensorType(front).getDims());
  total = dims[0];
  DimExpr width =
      graph::multiplyDims(node.getBuilder().getContext(), ArrayRef<DimAttr>(dims).drop_front());
  if (!width)
    return node.error("its extents overflow");
  Value rows = node.reshape(front, {total, width.get()}), places;
  if (areStrings)
    rows = joinBytes(rows);
  if (graph::getTensorType(rows).getDim(1).getConstant() == 1) {
    auto sorted = graph::SortOp::create(node.getBuilder(), node.getLoc(),
                                        node.reshape(rows, {total}), 0, false, nullptr);
    places = sorted.getIndices();
  } else {
    places = sortRows(rows);
  }
  Value isFirst = isFirstOfRun(node.create<graph::GatherOp>(rows, places, 0));
  Value ones = node.convert(isFirst, node.si64());
  DimAttr count = scalars.bind(node.sum(ones, {0}), "the number of different elements");
  Value run = node.add(
      node.create<graph::CumulativeOp>(graph::CumulativeKind::sum, ones, 0, false, false), -1);
  graph::TensorType each = graph::TensorType::get({count}, node.si64());
  auto put = [&](graph::ScatterKind kind, graph::TensorType into, Value at, Value what) {
    return Value(node.create<graph::ScatterOp>(kind, node.fill(into, 0), at, what, 0));
  };
  // What is behind the end is left out.
  Value end = node.broadcast(scalars.number(total), {}, {total});
  Value first = put(graph::ScatterKind::replace, each, node.choose(isFirst, run, end), places);
  Value inverse =
      put(graph::ScatterKind::replace, graph::TensorType::get({total}, node.si64()), places, run);
  Value counts = put(graph::ScatterKind::add, each, run, node.fillLike(run, 1));
  if (!node.getInt("sorted", 1)) {
    auto sorted = graph::SortOp::create(node.getBuilder(), node.getLoc(), first, 0, false, nullptr);
    Value moved = sorted.getIndices();
    first = sorted.getValues();
    counts = node.create<graph::GatherOp>(counts, moved, 0);
    Value rank = put(graph::ScatterKind::replace, each, moved, node.iota({count}, 0));
    inverse = node.create<graph::GatherOp>(rank, inverse, 0);
  }
  Value kept = node.create<graph::GatherOp>(x, first, axis);
  node.setOutput(areStrings ? makeStrings(node.getBuilder(), node.getLoc(), kept) : kept);
  for (Value value : {first, inverse, counts})
    node.setOutput(value);
  return success();
}

static LogicalResult importUnique(Node &node) { return UniqueImporter(node).run(); }

//===----------------------------------------------------------------------===//
// Windows put back
//===----------------------------------------------------------------------===//

/// Blocks [samples, channels * taps, count] are added up where they overlap.
static LogicalResult importCol2Im(Node &node) {
  DimList image, block;
  if (failed(node.needInputs(3)) || failed(node.sizesOf(1, "the shape of the image", image)) ||
      failed(node.sizesOf(2, "the shape of a block", block)))
    return failure();
  size_t spatial = block.size();
  auto list = [&](StringRef name, size_t count, int64_t otherwise) {
    return node.getInts(name).value_or(SmallVector<int64_t>(count, otherwise));
  };
  SmallVector<int64_t> strides = list("strides", spatial, 1),
                       dilations = list("dilations", spatial, 1),
                       pads = list("pads", 2 * spatial, 0);
  if (node.type(0).rank() != 3 || image.size() != spatial || strides.size() != spatial ||
      dilations.size() != spatial || pads.size() != 2 * spatial || spatial == 0)
    return node.error("its image, block and window attributes do not have one entry for each axis");
  // Sums and products of two such numbers do not overflow.
  DimExpr product = node.dim(1);
  for (size_t d = 0; d < 2 * spatial; ++d) {
    constexpr int64_t kLargest = std::numeric_limits<int32_t>::max();
    auto isSize = [](int64_t size) { return size >= 1 && size <= kLargest; };
    if (d < spatial)
      product = product * DimExpr(block[d]);
    if (pads[d] < -kLargest || pads[d] > kLargest || !product ||
        (d < spatial && (!isSize(block[d].getConstant().value_or(1)) || !isSize(strides[d]) ||
                         !isSize(dilations[d]))))
      return node.error("its block and window attributes are no sizes from 1 to 2147483647");
  }
  const DimAttr samples = node.type(0).getDim(0), rows = node.type(0).getDim(1), taps = product;
  DimExpr channels = graph::divideExactly(rows, taps);
  if (!channels && rows.isConstant() && taps.isConstant())
    return node.error("has " + rows.str() + " rows for blocks of " + taps.str() + " elements");
  if (!channels) // The number of elements says whether nothing is left over.
    channels = node.known(DimExpr(rows).floorDiv(taps));
  // [taps, count of blocks along each axis ...]
  DimList each{taps};
  DimExpr blocks = node.dim(1), area = node.dim(1);
  for (size_t d = 0; d < spatial; ++d) {
    DimExpr room = DimExpr(image[d]) + (pads[d] + pads[spatial + d] - 1) -
                   (DimExpr(block[d]) - 1) * dilations[d];
    DimExpr count = room.floorDiv(strides[d]) + 1;
    each.push_back(node.known(count));
    blocks = blocks * count;
    area = area * DimExpr(image[d]);
  }
  DimExpr all = blocks * DimExpr(taps);
  if (!all || !area)
    return node.error("its extents overflow");
  ShapeScalars scalars(node);
  auto number = [&](DimAttr dim) { return node.broadcast(scalars.number(dim), {}, each); };
  Value place = node.fill(node.typeOf(each, node.si64()), 0), isInside;
  for (size_t d = 0; d < spatial; ++d) {
    DimAttr behind = node.known(graph::multiplyDims(node.getBuilder().getContext(),
                                                    ArrayRef<DimAttr>(block).drop_front(d + 1)));
    Value tap =
        node.create<graph::ModOp>(node.div(node.iota(each, 0), number(behind)), number(block[d]));
    Value at = node.add(node.mul(node.iota(each, 1 + d), double(strides[d])),
                        node.add(node.mul(tap, double(dilations[d])), -double(pads[d])));
    Value length = number(image[d]);
    Value inside =
        node.create<graph::AndOp>(node.compare(CompareKind::ge, at, node.fillLike(at, 0)),
                                  node.compare(CompareKind::lt, at, length));
    isInside = isInside ? node.create<graph::AndOp>(isInside, inside) : inside;
    place = node.add(node.mul(place, length), at);
  }
  place = node.choose(isInside, place, number(area.get()));
  DimList flat{samples, channels.get(), all.get()}, empty(flat);
  empty[2] = area;
  // Bools that meet are true where any is.
  const bool isBool = node.type(0).getElementType().isInteger(1);
  Value x = isBool ? bytesOfBools(node, node.input(0)) : node.input(0);
  Value result = node.create<graph::ScatterOp>(
      isBool ? graph::ScatterKind::max : graph::ScatterKind::add,
      node.fill(graph::getTensorType(x).withDims(empty), 0),
      node.reshape(place, DimAttr(all.get())), node.reshape(x, flat), 2);
  DimList dims{samples, channels.get()};
  llvm::append_range(dims, image);
  result = node.reshape(result, dims);
  node.setOutput(isBool ? boolsOfBytes(node, result) : result);
  return success();
}

/// Elements go to where the largest ones were.
static LogicalResult importMaxUnpool(Node &node) {
  graph::TensorType type = node.type(0);
  auto kernel = node.getInts("kernel_shape");
  int64_t spatial = type.rank() - 2;
  if (failed(node.needInputs(2)) || spatial < 1 || !kernel || int64_t(kernel->size()) != spatial ||
      !node.takesDims(1, type.getDims()))
    return node.error("needs an input of rank 3 or more, indices of its shape, and a kernel_shape");
  SmallVector<int64_t> strides = node.getInts("strides").value_or(SmallVector<int64_t>(spatial, 1)),
                       pads = node.getInts("pads").value_or(SmallVector<int64_t>(2 * spatial, 0));
  if (int64_t(strides.size()) != spatial || int64_t(pads.size()) != 2 * spatial)
    return node.error("its window attributes do not have one entry for each spatial axis");
  DimList dims(type.getDims());
  for (int64_t d = 0; d < spatial; ++d)
    dims[2 + d] = node.known((DimExpr(dims[2 + d]) - 1) * strides[d] + (*kernel)[d] - pads[d] -
                             pads[spatial + d]);
  dims = node.valid(dims);
  DimExpr all = graph::multiplyDims(node.getBuilder().getContext(), dims);
  FailureOr<Value> x = node.flatten(node.input(0)), places = node.flatten(node.input(1));
  if (failed(x) || failed(places) || !all)
    return node.error("its extents overflow");
  Value start = node.fill(type.withDims(DimAttr(all.get())), 0);
  Value result = node.create<graph::ScatterOp>(graph::ScatterKind::replace, start, *places, *x, 0);
  result = node.reshape(result, dims);
  if (node.input(2)) {
    DimList wanted;
    if (failed(node.sizesOf(2, "the shape of the result", wanted)))
      return failure();
    if (wanted.size() != dims.size())
      return node.error("has a shape of the result of another rank");
    DimList lo(dims.size(), node.dim(0)), hi(lo);
    for (size_t d = 0; d < dims.size(); ++d)
      hi[d] = node.known(DimExpr(wanted[d]) - DimExpr(dims[d]));
    MLIRContext *context = node.getBuilder().getContext();
    result = node.create<graph::PadOp>(graph::PadMode::constant, result,
                                       node.scalar(type.getElementType(), 0),
                                       graph::DimArrayAttr::get(context, ArrayRef<DimAttr>(lo)),
                                       graph::DimArrayAttr::get(context, ArrayRef<DimAttr>(hi)));
  }
  node.setOutput(result);
  return success();
}

/// Each axis is cut, or padded with zeros, on both sides.
static LogicalResult importCenterCropPad(Node &node) {
  graph::TensorType type = node.type(0);
  DimList wanted;
  if (failed(node.needInputs(2)) || failed(node.sizesOf(1, "the shape", wanted)))
    return failure();
  SmallVector<int64_t> axes =
      node.getInts("axes").value_or(llvm::to_vector(llvm::seq<int64_t>(0, type.rank())));
  if (axes.size() != wanted.size())
    return node.error("has " + Twine(wanted.size()) + " extents for " + Twine(axes.size()) +
                      " axes");
  DimList lo(type.rank(), node.dim(0)), hi(lo);
  Value x = node.input(0);
  for (auto [axis, dim] : llvm::zip(axes, wanted)) {
    if (failed(node.normalizeAxis(axis, type.rank())))
      return failure();
    DimExpr extent = type.getDim(axis), target = dim, zero = node.dim(0);
    DimExpr kept = DimExpr::min(extent, target);
    x = node.cut(x, axis, DimExpr::max(extent - target, zero).floorDiv(2), kept);
    DimExpr before = DimExpr::max(target - extent, zero).floorDiv(2);
    lo[axis] = node.known(before);
    hi[axis] = node.known(target - kept - before);
  }
  MLIRContext *context = node.getBuilder().getContext();
  node.setOutput(
      node.create<graph::PadOp>(graph::PadMode::constant, x, node.scalar(type.getElementType(), 0),
                                graph::DimArrayAttr::get(context, ArrayRef<DimAttr>(lo)),
                                graph::DimArrayAttr::get(context, ArrayRef<DimAttr>(hi))));
  return success();
}

//===----------------------------------------------------------------------===//
// Det
//===----------------------------------------------------------------------===//

/// Elimination with the largest element of a column as its pivot. A step sees the whole matrix: row
/// and column k are chosen by comparing indices.
static LogicalResult importDet(Node &node) {
  graph::TensorType type = node.type(0);
  if (type.rank() < 2)
    return node.error("needs an input of rank 2 or more");
  DimAttr n = type.getDims().back();
  DimExpr count = graph::multiplyDims(node.getBuilder().getContext(), type.getDims().drop_back(2));
  if (!count)
    return node.error("its extents overflow");
  DimList dims{count.get(), n, n}, rows{count.get(), n}, one{count.get()};
  Value x = node.reshape(node.input(0), dims), det = node.fill(type.withDims(one), 1);
  Value steps = node.iota({n}, 0);
  OpBuilder &builder = node.getBuilder();
  SmallVector<Value> starts{x, det};
  SmallVector<Type> types{x.getType(), det.getType()};
  auto scan = graph::ScanOp::create(builder, node.getLoc(), types, starts, steps, 0, false);
  Block &body = scan.getBody().emplaceBlock();
  for (Type state : types)
    body.addArgument(state, node.getLoc());
  body.addArgument(scan.getSliceType(steps.getType()), node.getLoc());
  {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToEnd(&body);
    Value a = body.getArgument(0), product = body.getArgument(1), k = body.getArgument(2);
    auto equal = [&](Value u, Value v) { return node.compare(CompareKind::eq, u, v); };
    // One row or column of each matrix.
    auto take = [&](Value isIt, int64_t axis) {
      Value only = node.choose(node.broadcast(isIt, {0, axis}, dims), a, node.fillLike(a, 0));
      return node.sum(only, {axis});
    };
    Value index = node.iota(rows, 1), step = node.broadcast(k, {}, rows),
          isStep = equal(index, step);
    Value column = take(isStep, 2), size = node.create<graph::AbsOp>(column);
    Value isLeft = node.compare(CompareKind::ge, index, step);
    size = node.choose(isLeft, size, node.fillLike(size, -1));
    Value best = node.create<graph::ArgReduceOp>(graph::getTensorType(node.iota(one, 0)),
                                                 graph::ArgReduceKind::max, size, 1, false);
    Value isBest = equal(index, node.broadcast(best, {0}, rows));
    Value pivotRow = take(isBest, 1), ownRow = take(isStep, 1);
    Value pivot = node.sum(node.choose(isBest, column, node.fillLike(column, 0)), {1});
    Value own = node.sum(node.choose(isStep, column, node.fillLike(column, 0)), {1});
    auto spread = [&](Value row) { return node.broadcast(row, {0, 2}, dims); };
    Value swapped = node.choose(node.broadcast(isBest, {0, 1}, dims), spread(ownRow), a);
    // Below the pivot: the column after the exchange, divided by it.
    Value below = node.choose(isBest, node.broadcast(own, {0}, rows), column);
    Value zero = node.fillLike(pivot, 0), hasPivot = node.compare(CompareKind::ne, pivot, zero);
    Value divisor = node.choose(hasPivot, pivot, node.fillLike(pivot, 1));
    Value factor = node.div(below, node.broadcast(divisor, {0}, rows));
    Value isBelow = node.compare(CompareKind::gt, index, step);
    factor = node.choose(isBelow, factor, node.fillLike(factor, 0));
    Value next =
        node.sub(swapped, node.mul(node.broadcast(factor, {0, 1}, dims), spread(pivotRow)));
    Value isMoved = node.compare(CompareKind::ne, best, node.broadcast(k, {}, one));
    Value sign = node.choose(isMoved, node.fillLike(pivot, -1), node.fillLike(pivot, 1));
    graph::YieldOp::create(builder, node.getLoc(),
                           ValueRange{next, node.mul(product, node.mul(pivot, sign))});
  }
  node.setOutput(node.reshape(scan.getResult(1), type.getDims().drop_back(2)));
  return success();
}

ArrayRef<Operator> tessera::onnx::placeOperators() {
  static const Operator table[] = {
      {"CenterCropPad", 18, importCenterCropPad},
      {"Col2Im", 18, importCol2Im},
      {"Det", 11, importDet},
      {"MaxUnpool", 9, importMaxUnpool},
      {"Unique", 11, importUnique, true},
  };
  return table;
}
