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

ArrayRef<Operator> tessera::onnx::rearrangeOperators() {
  static const Operator table[] = {
      {"DepthToSpace", 1, importDepthToSpace},
      {"EyeLike", 9, importEyeLike},
      {"ReverseSequence", 10, importReverseSequence},
      {"SpaceToDepth", 1, importSpaceToDepth},
  };
  return table;
}
