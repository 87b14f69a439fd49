//===- RaggedSequences.cpp - Tensors to sequences of open length, and back --------------------===//
//
// The values of a ragged sequence stand element by element; those of the tensor that is split, or
// joined of them, row by row, where rows are what lies behind the axis. Both have the rows in the
// same order where nothing lies before the axis; else a table says where each one is.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/OpenSequences.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::CompareKind;
using graph::CumulativeKind;
using graph::ReduceKind;

static DimExpr product(Node &node, ArrayRef<DimAttr> dims) {
  return graph::multiplyDims(node.getBuilder().getContext(), dims);
}

/// si64 [outer, sum of the lengths]: where the row of a tensor that is split by these lengths (si64
/// [parts]) stands among those of its parts.
static Value rowsOfParts(Node &node, Value lengths, DimAttr outer, DimAttr extent) {
  ShapeScalars s(node);
  Value begins = node.create<graph::CumulativeOp>(CumulativeKind::sum, lengths, 0,
                                                  /*exclusive=*/true, /*reverse=*/false);
  // The last of the parts that begin here, or before.
  Value none = node.fill(node.typeOf({extent}, node.si64()), 0);
  Value marks = node.create<graph::ScatterOp>(graph::ScatterKind::add, none, begins,
                                              node.fillLike(lengths, 1), 0);
  Value part = node.add(node.create<graph::CumulativeOp>(CumulativeKind::sum, marks, 0,
                                                         /*exclusive=*/false, /*reverse=*/false),
                        -1);
  Value begin = node.create<graph::GatherOp>(begins, part, 0);
  Value length = node.create<graph::GatherOp>(lengths, part, 0);
  DimList both{outer, extent};
  auto along = [&](Value x) { return node.broadcast(x, {1}, both); };
  Value before = node.mul(along(begin), node.broadcast(s.number(outer), {}, both));
  Value inside = node.sub(node.iota(both, 1), along(begin));
  return node.add(node.add(before, inside), node.mul(node.iota(both, 0), along(length)));
}

//===----------------------------------------------------------------------===//
// Joining
//===----------------------------------------------------------------------===//

static Value columnOf(Node &node, const OpenSequence &sequence, int64_t axis) {
  return node.reshape(node.cut(sequence.shapes, 1, node.dim(axis), node.dim(1)),
                      {sequence.length()});
}

/// The extent that all elements have along an axis, which a run checks; of no elements 0 where
/// there may be none.
static DimAttr agreedExtent(Node &node, const OpenSequence &sequence, int64_t axis,
                            bool mayBeEmpty) {
  if (sequence.dims[axis])
    return sequence.dims[axis];
  ShapeScalars s(node);
  Value column = columnOf(node, sequence, axis);
  Value least = node.reduce(ReduceKind::min, column, {0}),
        most = node.reduce(ReduceKind::max, column, {0});
  Value agreed = s.select(node.compare(CompareKind::eq, least, most), most, s.number(-1));
  if (mayBeEmpty)
    agreed = s.select(s.isEqual(s.number(sequence.length()), 0), s.number(0), agreed);
  return s.bind(agreed, "extent " + std::to_string(axis) +
                            ", which all elements have to have in common" +
                            (mayBeEmpty ? "" : " (one at least)"));
}

Value tessera::onnx::stackElements(Node &node, const OpenSequence &sequence) {
  DimList dims{sequence.length()};
  for (size_t d = 0; d < sequence.dims.size(); ++d)
    dims.push_back(agreedExtent(node, sequence, int64_t(d), true));
  if (sequence.areStrings)
    dims.push_back(sequence.valueDims(0).back());
  Value all = node.reshape(sequence.values, dims);
  return sequence.areStrings ? makeStrings(node.getBuilder(), node.getLoc(), all) : all;
}

LogicalResult tessera::onnx::joinElements(Node &node, const OpenSequence &sequence) {
  bool isNew = node.getInt("new_axis", 0);
  int64_t axis = node.getInt("axis", 0), rank = int64_t(sequence.dims.size());
  if (failed(node.normalizeAxis(axis, rank + isNew)))
    return failure();
  DimList dims = sequence.dims, width;
  if (sequence.areStrings)
    width.push_back(sequence.valueDims(0).back());
  for (int64_t d = 0; d < rank; ++d)
    if (isNew || d != axis)
      dims[d] = agreedExtent(node, sequence, d, false);
  Value joined;
  if (isNew || dims[axis]) {
    // Elements of one shape: what they are a stack of.
    DimList stacked{sequence.length()};
    llvm::append_range(stacked, dims);
    llvm::append_range(stacked, width);
    joined = node.moveAxis(node.reshape(sequence.values, stacked), 0, axis);
    if (!isNew)
      dims[axis] = node.known(DimExpr(dims[axis]) * DimExpr(sequence.length()));
    else
      dims.insert(dims.begin() + axis, sequence.length());
  } else {
    Value lengths = columnOf(node, sequence, axis);
    dims[axis] = ShapeScalars(node).bind(node.sum(lengths, {0}), "extent " + std::to_string(axis) +
                                                                     " of all elements together");
    DimAttr outer = node.known(product(node, ArrayRef(dims).take_front(axis)));
    DimAttr inner = node.known(product(node, ArrayRef(dims).drop_front(axis + 1)));
    DimList rows{node.known(DimExpr(outer) * DimExpr(dims[axis])), inner};
    llvm::append_range(rows, width);
    joined = node.reshape(sequence.values, rows);
    if (outer.getConstant() != 1)
      joined =
          node.create<graph::GatherOp>(joined, rowsOfParts(node, lengths, outer, dims[axis]), 0);
  }
  llvm::append_range(dims, width);
  joined = node.reshape(joined, dims);
  node.setOutput(sequence.areStrings ? makeStrings(node.getBuilder(), node.getLoc(), joined)
                                     : joined);
  return success();
}

//===----------------------------------------------------------------------===//
// Splitting
//===----------------------------------------------------------------------===//

LogicalResult tessera::onnx::splitEvenly(Node &node, int64_t axis, DimAttr length, bool keepsAxis) {
  DimList dims(node.type(0).getDims());
  OpenSequence parts;
  parts.dims = dims;
  parts.dims[axis] = length;
  dims[axis] = node.known(graph::divideExactly(dims[axis], length));
  dims.insert(dims.begin() + axis + 1, length);
  parts.values = node.moveAxis(node.reshape(node.input(0), dims), axis, 0);
  if (!keepsAxis) {
    parts.dims.erase(parts.dims.begin() + axis);
    DimList stacked{dims[axis]};
    llvm::append_range(stacked, parts.dims);
    parts.values = node.reshape(parts.values, stacked);
  }
  node.setOutput(putTogether(node, parts));
  return success();
}

LogicalResult tessera::onnx::splitByLengths(Node &node, int64_t axis, Value lengths) {
  Value x = node.input(0);
  DimList dims(graph::getTensorType(x).getDims());
  DimAttr count = graph::getTensorType(lengths).getDim(0);
  DimAttr outer = node.known(product(node, ArrayRef(dims).take_front(axis)));
  DimAttr inner = node.known(product(node, ArrayRef(dims).drop_front(axis + 1)));
  DimList rows{node.known(DimExpr(outer) * DimExpr(dims[axis])), inner};
  OpenSequence parts;
  parts.values = node.reshape(x, rows);
  if (outer.getConstant() != 1) {
    Value places = node.reshape(rowsOfParts(node, lengths, outer, dims[axis]), {rows[0]});
    Value none = node.fill(graph::getTensorType(parts.values), 0);
    parts.values =
        node.create<graph::ScatterOp>(graph::ScatterKind::replace, none, places, parts.values, 0);
  }
  parts.values = node.reshape(parts.values, {node.known(product(node, dims))});
  SmallVector<Value> columns;
  DimList column{count, node.dim(1)};
  for (auto [d, dim] : llvm::enumerate(dims))
    columns.push_back(int64_t(d) == axis
                          ? node.reshape(lengths, column)
                          : node.broadcast(ShapeScalars(node).number(dim), {}, column));
  parts.shapes = node.concat(columns, 1);
  dims[axis] = {};
  parts.dims = dims;
  node.setOutput(putTogether(node, parts));
  return success();
}
