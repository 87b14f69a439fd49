//===- OpsRearrange.cpp - Elements change their places by a fixed rule -----------------------===//

#include "frontends/onnx/DataShapes.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::CompareKind;

static Type si64(Node &node) {
  return IntegerType::get(node.getBuilder().getContext(), 64, IntegerType::Signed);
}

//===----------------------------------------------------------------------===//
// Depth and space
//===----------------------------------------------------------------------===//

static LogicalResult readBlock(Node &node, int64_t &block, bool &columnsFirst) {
  block = node.getInt("blocksize", 0);
  std::string mode = node.getString("mode", "DCR");
  if (mode != "DCR" && mode != "CRD")
    return node.error("has mode '" + mode + "', expected DCR or CRD");
  columnsFirst = mode == "CRD";
  if (block < 1 || block > 1 << 15 || node.type(0).rank() != 4)
    return node.error("needs an input of rank 4 and a positive block size");
  return success();
}

static LogicalResult importDepthToSpace(Node &node) {
  int64_t block;
  bool columnsFirst;
  if (failed(readBlock(node, block, columnsFirst)))
    return failure();
  graph::TensorType type = node.type(0);
  DimAttr n = type.getDim(0), h = type.getDim(2), w = type.getDim(3), size = node.dim(block);
  if (!type.getDim(1).isConstant() || type.getDim(1).getValue() % (block * block))
    return node.error("needs a constant number of channels that blocks of " + Twine(block) + " x " +
                      Twine(block) + " divide, found " + type.getDim(1).str());
  DimAttr depth = node.dim(type.getDim(1).getValue() / (block * block));
  Value apart = node.reshape(node.input(0), columnsFirst ? DimList{n, depth, size, size, h, w}
                                                         : DimList{n, size, size, depth, h, w});
  SmallVector<int64_t> perm = columnsFirst ? SmallVector<int64_t>{0, 1, 4, 2, 5, 3}
                                           : SmallVector<int64_t>{0, 3, 4, 1, 5, 2};
  node.setOutput(node.reshape(node.transpose(apart, perm),
                              {n, depth, DimExpr(h) * block, DimExpr(w) * block}));
  return success();
}

static LogicalResult importSpaceToDepth(Node &node) {
  int64_t block;
  bool columnsFirst;
  if (failed(readBlock(node, block, columnsFirst)))
    return failure();
  graph::TensorType type = node.type(0);
  DimAttr n = type.getDim(0), depth = type.getDim(1), size = node.dim(block);
  DimExpr h = DimExpr(type.getDim(2)).floorDiv(block), w = DimExpr(type.getDim(3)).floorDiv(block);
  for (int i : {2, 3})
    if (type.getDim(i).isConstant() && type.getDim(i).getValue() % block)
      return node.error("needs extents that blocks of " + Twine(block) + " divide, found " +
                        type.getDim(i).str());
  Value apart = node.reshape(node.input(0), {n, depth, h, size, w, size});
  SmallVector<int64_t> perm = columnsFirst ? SmallVector<int64_t>{0, 1, 3, 5, 2, 4}
                                           : SmallVector<int64_t>{0, 3, 5, 1, 2, 4};
  node.setOutput(
      node.reshape(node.transpose(apart, perm), {n, DimExpr(depth) * (block * block), h, w}));
  return success();
}

//===----------------------------------------------------------------------===//
// EyeLike, ReverseSequence
//===----------------------------------------------------------------------===//

static LogicalResult importEyeLike(Node &node) {
  graph::TensorType type = node.type(0);
  if (type.rank() != 2)
    return node.error("needs an input of rank 2");
  Type element = type.getElementType();
  if (node.attribute("dtype"))
    element = getElementType(node.getBuilder().getContext(), node.getInt("dtype", 0));
  if (!element)
    return node.error("asks for an element type that is not supported");
  graph::TensorType places = type.withElementType(si64(node));
  ShapeScalars s(node);
  Value shift = node.broadcast(s.number(node.getInt("k", 0)), {}, type.getDims());
  Value isHere = node.compare(CompareKind::eq, node.create<graph::IotaOp>(places, 1),
                              node.add(node.create<graph::IotaOp>(places, 0), shift));
  node.setOutput(node.convert(isHere, element));
  return success();
}

/// The first elements of each sequence, as many as it is long, from the last one on.
static LogicalResult importReverseSequence(Node &node) {
  graph::TensorType type = node.type(0);
  int64_t batch = node.getInt("batch_axis", 1), time = node.getInt("time_axis", 0);
  if (type.rank() < 2 || batch < 0 || batch > 1 || time != 1 - batch)
    return node.error("needs an input of rank 2 or more, and axes 0 and 1 as time and batch");
  ArrayRef<DimAttr> sequences = type.getDims().slice(batch, 1);
  if (!node.input(1) || !mayBe(node.type(1).getDims(), sequences))
    return node.error("needs a length for each sequence");
  node.inputs[1] = node.reshape(node.input(1), sequences);
  DimList pair(type.getDims().take_front(2));
  graph::TensorType places = graph::TensorType::get(pair, si64(node));
  ShapeScalars s(node);
  Value at = node.create<graph::IotaOp>(places, time);
  Value length = node.broadcast(node.convert(node.input(1), si64(node)), {batch}, pair);
  Value mirrored = node.sub(node.sub(length, at), node.broadcast(s.number(1), {}, pair));
  Value from =
      node.create<graph::SelectOp>(node.compare(CompareKind::lt, at, length), mirrored, at);
  // Places in both axes as one.
  Value other = node.create<graph::IotaOp>(places, batch);
  Value row = time == 0 ? from : other, column = time == 0 ? other : from;
  Value place = node.add(node.mul(row, node.broadcast(s.number(pair[1]), {}, pair)), column);
  DimList joined{DimExpr(pair[0]) * DimExpr(pair[1])};
  llvm::append_range(joined, type.getDims().drop_front(2));
  node.setOutput(node.create<graph::GatherOp>(node.reshape(node.input(0), joined), place, 0));
  return success();
}

//===----------------------------------------------------------------------===//
// Pad
//===----------------------------------------------------------------------===//

namespace {
class PadImporter {
public:
  explicit PadImporter(Node &node)
      : node(node), scalars(node), rank(node.type(0).rank()), pads(2 * rank, node.dim(0)) {}
  LogicalResult run();

private:
  LogicalResult readLists();
  LogicalResult readKnownAxes();
  LogicalResult readDataAxes(int64_t count);
  void setEnds(int64_t axis, std::array<DimAttr, 2> known, std::array<Value, 2> found);
  Value cut(Value x);
  Value wrap(Value x);

  Node &node;
  ShapeScalars scalars;
  int64_t rank;
  DimList pads; ///< before each axis, then behind each; negative ones cut
};
} // namespace

/// Ends whose padding is not known (null) follow from what a run finds: extents, which are not
/// negative, of the axis with the padding before it, and with both. The result has one of these,
/// however often it is padded.
void PadImporter::setEnds(int64_t axis, std::array<DimAttr, 2> known, std::array<Value, 2> found) {
  DimExpr extent = node.type(0).getDim(axis);
  auto bind = [&](Value more, StringRef what) -> DimExpr {
    return scalars.bind(node.add(more, scalars.number(node.known(extent))),
                        (what + " axis " + Twine(axis)).str());
  };
  if (!known[0] && !known[1]) {
    known[0] = node.known(bind(found[0], "what the padding leaves before the end of") - extent);
    found[1] = node.add(found[0], found[1]);
    known[1] =
        node.known(bind(found[1], "what the padding leaves of") - extent - DimExpr(known[0]));
  } else if (!known[0] || !known[1]) {
    const int open = known[0] ? 1 : 0;
    Value all = node.add(found[open], scalars.number(known[1 - open]));
    known[open] =
        node.known(bind(all, "what the padding leaves of") - extent - DimExpr(known[1 - open]));
  }
  pads[axis] = known[0];
  pads[rank + axis] = known[1];
}

LogicalResult PadImporter::readKnownAxes() {
  SmallVector<int64_t> axes;
  if (node.input(3) && failed(node.constantInts(3, "the list of axes", axes)))
    return failure();
  if (axes.empty())
    axes = llvm::to_vector(llvm::seq<int64_t>(0, rank));
  const int64_t count = axes.size();
  DimAttr given = node.type(1).getDim(0);
  if (count > rank || !node.takesDims(1, {node.dim(2 * count)}))
    return node.error("has " + given.str() + " pads for " + Twine(count) + " axes");
  for (int64_t i = 0; i < count; ++i) {
    if (failed(node.normalizeAxis(axes[i], rank)))
      return failure();
    // Two axes of one extent that are padded by the same elements have one extent again.
    Value list = node.input(1);
    std::array<DimAttr, 2> known{scalars.known(list, i), scalars.known(list, count + i)};
    std::array<Value, 2> found;
    for (int64_t side : {0, 1})
      if (!known[side])
        found[side] = scalars.element(list, side * count + i);
    setEnds(axes[i], known, found);
    for (int64_t side : {0, 1})
      if (!known[side])
        node.importer.noteBound(list, side * count + i, pads[side * rank + axes[i]]);
  }
  return success();
}

/// Which axes they are is data: each axis gets the sum of what is meant for it.
LogicalResult PadImporter::readDataAxes(int64_t count) {
  DimAttr given = node.type(1).getDim(0);
  if (!node.takesDims(1, {node.dim(2 * count)}))
    return node.error("has " + given.str() + " pads for " + Twine(count) + " axes");
  for (int64_t axis = 0; axis < rank; ++axis) {
    std::array<Value, 2> found{scalars.number(0), scalars.number(0)};
    for (int64_t i = 0; i < count; ++i) {
      Value which = scalars.element(node.input(3), i);
      Value isIt = node.create<graph::OrOp>(scalars.isEqual(which, axis),
                                            scalars.isEqual(which, axis - rank));
      for (int64_t side : {0, 1}) {
        Value amount = scalars.element(node.input(1), side * count + i);
        found[side] = node.add(found[side], scalars.select(isIt, amount, scalars.number(0)));
      }
    }
    setEnds(axis, {}, found);
  }
  return success();
}

LogicalResult PadImporter::readLists() {
  if (!node.input(1))
    return node.error("the list of pads is absent");
  for (size_t i : {1, 3})
    if (node.input(i) && (node.type(i).rank() != 1 || !isInteger(node.type(i).getElementType())))
      return node.error("its input " + Twine(i) + " is no list of integers");
  if (!node.input(3) || graph::getShapeContents(node.input(3)))
    return readKnownAxes();
  // One of the lists says how long both are.
  DimAttr given = node.type(3).getDim(0);
  std::optional<int64_t> count = given.getConstant();
  if (std::optional<int64_t> all = node.type(1).getDim(0).getConstant(); !count && all)
    count = *all / 2;
  if (!count || *count > rank || !node.takesDims(3, {node.dim(*count)}))
    return node.error("pads along a list of " + given.str() + " axes, expected a known number, " +
                      Twine(rank) + " at most");
  return readDataAxes(*count);
}

/// What is known to be negative is cut off.
Value PadImporter::cut(Value x) {
  DimList starts(rank, node.dim(0)), steps(rank, node.dim(1)), dims(node.type(0).getDims());
  bool cuts = false;
  for (auto [k, pad] : llvm::enumerate(pads)) {
    if (!pad.isConstant() || pad.getValue() >= 0)
      continue;
    const size_t axis = k % size_t(rank);
    if (pad.getValue() < std::numeric_limits<int32_t>::min())
      pad = node.known({}); // More than any axis has.
    if (k < size_t(rank))
      starts[axis] = node.dim(-pad.getValue());
    dims[axis] = node.known(DimExpr(dims[axis]) + pad.getValue());
    pad = node.dim(0);
    cuts = true;
  }
  return cuts ? node.create<graph::SliceOp>(x, starts, steps, node.valid(dims)) : x;
}

/// What follows the last element is the first one again, as often as it takes: an axis whose
/// padding may be longer than itself, or negative, is gathered.
Value PadImporter::wrap(Value x) {
  for (int64_t axis = 0; axis < rank; ++axis) {
    DimAttr &lo = pads[axis], &hi = pads[rank + axis];
    DimAttr extent = graph::getTensorType(x).getDim(axis);
    auto fits = [&](DimAttr pad) {
      return graph::isKnownNonNegative(pad) && graph::isKnownLessEqual(pad, extent);
    };
    if (fits(lo) && fits(hi))
      continue;
    DimExpr zero = node.dim(0), one = node.dim(1);
    DimExpr first = DimExpr::max(zero - DimExpr(lo), zero); // that is not cut off
    DimExpr kept = DimExpr(extent) - first - DimExpr::max(zero - DimExpr(hi), zero);
    DimAttr whole = node.known(DimExpr(extent) + DimExpr(lo) + DimExpr(hi));
    auto number = [&](DimExpr value) {
      return node.broadcast(scalars.number(node.known(value)), {}, {whole});
    };
    Value at = node.sub(node.iota({whole}, 0), number(DimExpr::max(lo, zero)));
    at = node.create<graph::ModOp>(at, number(DimExpr::max(kept, one)));
    x = node.create<graph::GatherOp>(x, node.add(at, number(first)), axis);
    lo = hi = node.dim(0);
  }
  return x;
}

LogicalResult PadImporter::run() {
  graph::TensorType type = node.type(0);
  Value filler;
  if (node.opset < 11) {
    auto listed = node.getInts("pads");
    if (!listed)
      return node.error("has no pads");
    if (int64_t(listed->size()) != 2 * rank)
      return node.error("has " + Twine(listed->size()) + " pads for " + Twine(rank) + " axes");
    pads = graph::getDims(node.getBuilder().getContext(), *listed);
    filler = node.scalar(type.getElementType(), node.getFloat("value", 0));
  } else {
    if (failed(readLists()))
      return failure();
    filler =
        node.input(2) ? node.reshape(node.input(2), {}) : node.scalar(type.getElementType(), 0);
  }
  std::string name = node.getString("mode", "constant");
  std::optional<graph::PadMode> mode = graph::symbolizePadMode(name);
  if (!mode)
    return node.error("pads in mode '" + name + "', which is not known");
  Value x = cut(node.input(0));
  if (*mode == graph::PadMode::wrap)
    x = wrap(x);
  ArrayRef<DimAttr> all(pads);
  MLIRContext *context = node.getBuilder().getContext();
  node.setOutput(
      node.create<graph::PadOp>(*mode, x, *mode == graph::PadMode::constant ? filler : Value(),
                                graph::DimArrayAttr::get(context, all.take_front(rank)),
                                graph::DimArrayAttr::get(context, all.drop_front(rank))));
  return success();
}

static LogicalResult importPad(Node &node) { return PadImporter(node).run(); }

ArrayRef<Operator> tessera::onnx::rearrangeOperators() {
  static const Operator table[] = {
      {"DepthToSpace", 1, importDepthToSpace},        {"EyeLike", 9, importEyeLike},
      {"ReverseSequence", 10, importReverseSequence}, {"Pad", 2, importPad},
      {"SpaceToDepth", 1, importSpaceToDepth},
  };
  return table;
}
