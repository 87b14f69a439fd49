//===- PartsOfStrings.cpp - Strings cut out of strings ------------------------------------===//

#include "frontends/onnx/PartsOfStrings.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::CompareKind;

void Parts::setCount(Value perRow) {
  count = perRow;
  DimAttr most = ShapeScalars(node).bind(
      node.max(node.reduce(graph::ReduceKind::max, count, {0}), 0.0), "the number of parts");
  dims = {rows.count, most};
}

Value Parts::find(Value isSet, Value number, Value value) {
  ShapeScalars s(node);
  DimList table{rows.count, rows.width};
  DimExpr all = node.known(DimExpr(dims[0]) * DimExpr(dims[1]));
  DimAttr flat = node.known(DimExpr(rows.count) * DimExpr(rows.width));
  auto scalar = [&](DimAttr dim) { return node.broadcast(s.number(dim), {}, table); };
  Value target = node.add(node.mul(node.iota(table, 0), scalar(dims[1])), node.add(number, -1));
  target = node.choose(isSet, target, scalar(all.get()));
  Value zeros = node.fill(graph::TensorType::get(DimList{all.get()}, node.si64()), 0);
  Value found = node.create<graph::ScatterOp>(
      graph::ScatterKind::replace, zeros, node.reshape(target, flat), node.reshape(value, flat), 0);
  return node.reshape(found, dims);
}

Value Parts::bytes() {
  // What a row does not have ends where it begins.
  Value isPart =
      node.compare(CompareKind::lt, node.iota(dims, 1), node.broadcast(count, {0}, dims));
  Value size = node.choose(isPart, node.sub(ends, begins), node.fillLike(ends, 0));
  DimAttr width = bindBytes(node, node.max(node.reduce(graph::ReduceKind::max, size, {0, 1}), 0.0),
                            rows.width, "the bytes of a part");
  DimList all{dims[0], dims[1], width};
  auto wide = [&](Value x) { return node.broadcast(x, {0, 1}, all); };
  Value at = node.iota(all, 2), part = bytesAt(node, rows.bytes, node.add(wide(begins), at));
  part = node.choose(node.compare(CompareKind::lt, at, wide(size)), part, node.fillLike(part, 0));
  return node.reshape(part, {node.known(DimExpr(dims[0]) * DimExpr(dims[1])), width});
}
