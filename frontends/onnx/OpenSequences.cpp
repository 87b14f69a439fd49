//===- OpenSequences.cpp - Sequences of open length -------------------------------------------===//

#include "frontends/onnx/OpenSequences.h"

#include "frontends/onnx/Strings.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::CompareKind;
using graph::ReduceKind;

//===----------------------------------------------------------------------===//
// Taking apart and putting together
//===----------------------------------------------------------------------===//

OpenSequence tessera::onnx::takeApart(Value sequence) {
  OpenSequence result;
  result.values = contentsOf(sequence).front();
  result.areStrings = isStrings(result.values);
  if (result.areStrings)
    result.values = contentsOf(result.values).front();
  if (isRagged(sequence)) {
    result.shapes = contentsOf(sequence).back();
    result.dims = dimsOfElements(sequence);
  } else {
    result.dims = result.valueDims(1);
    if (result.areStrings)
      result.dims.pop_back();
  }
  return result;
}

Value tessera::onnx::putTogether(Node &node, const OpenSequence &sequence) {
  OpBuilder &builder = node.getBuilder();
  Value values = sequence.values;
  if (sequence.areStrings)
    values = makeStrings(builder, node.getLoc(), values);
  return sequence.shapes
             ? makeRagged(builder, node.getLoc(), values, sequence.shapes, sequence.dims)
             : makeStack(builder, node.getLoc(), values);
}

DimList tessera::onnx::commonDims(ArrayRef<DimAttr> a, ArrayRef<DimAttr> b) {
  DimList common(a);
  for (auto [dim, other] : llvm::zip(common, b))
    dim = dim == other ? dim : DimAttr();
  return common;
}

/// A tensor, or strings, as a stack of one.
static OpenSequence stackOfOne(Node &node, Value element) {
  OpenSequence result;
  result.areStrings = isStrings(element);
  Value tensor = result.areStrings ? contentsOf(element).front() : element;
  DimList dims(graph::getTensorType(tensor).getDims());
  result.dims = DimList(ArrayRef(dims).drop_back(result.areStrings));
  dims.insert(dims.begin(), node.dim(1));
  result.values = node.reshape(tensor, dims);
  return result;
}

OpenSequence tessera::onnx::asRagged(Node &node, const OpenSequence &sequence,
                                     ArrayRef<DimAttr> common) {
  OpenSequence result = sequence;
  result.dims = DimList(common);
  if (sequence.shapes)
    return result;
  DimList flat{node.known(graph::multiplyDims(node.getBuilder().getContext(), sequence.dims) *
                          DimExpr(sequence.length()))};
  if (sequence.areStrings)
    flat.push_back(sequence.valueDims(1).back());
  result.values = node.reshape(sequence.values, flat);
  result.shapes = node.broadcast(node.extents(sequence.dims), {1},
                                 {sequence.length(), node.dim(int64_t(sequence.dims.size()))});
  return result;
}

FailureOr<OpenSequence> tessera::onnx::openSequenceOf(Node &node, ArrayRef<Value> parts) {
  SmallVector<OpenSequence> all;
  for (Value part : parts) {
    if (isOpenSequence(part))
      all.push_back(takeApart(part));
    else if (!isStructure(part) || isStrings(part))
      all.push_back(stackOfOne(node, part));
    else
      return node.error("makes a sequence of open length, of which an element is " +
                        describeStructure(part) + ", expected tensors");
  }
  if (all.empty())
    return node.error("makes a sequence of open length that nothing is put into, so what its "
                      "elements are is not known");
  const OpenSequence &first = all.front();
  DimList common = first.dims;
  DimExpr width = first.areStrings ? DimExpr(first.valueDims(0).back()) : DimExpr();
  bool areStacks = true;
  for (const OpenSequence &part : all) {
    if (part.areStrings != first.areStrings || part.dims.size() != first.dims.size() ||
        graph::getTensorType(part.values).getElementType() !=
            graph::getTensorType(first.values).getElementType())
      return node.error("makes a sequence of open length of elements of different ranks or types");
    common = commonDims(common, part.dims);
    areStacks &= !part.shapes;
    if (part.areStrings)
      width = DimExpr::max(width, part.valueDims(0).back());
  }
  areStacks &= llvm::all_of(common, [](DimAttr dim) { return bool(dim); });
  SmallVector<Value> values, shapes;
  for (OpenSequence &part : all) {
    if (part.areStrings)
      part.values = widen(node, part.values, node.known(width));
    if (!areStacks)
      part = asRagged(node, part, common);
    values.push_back(part.values);
    shapes.push_back(part.shapes);
  }
  OpenSequence result = all.front();
  result.values = node.concat(values, 0);
  if (!areStacks)
    result.shapes = node.concat(shapes, 0);
  return result;
}

FailureOr<OpenSequence> tessera::onnx::openInput(Node &node, size_t i) {
  if (isOpenSequence(node.input(i)))
    return takeApart(node.input(i));
  return openSequenceOf(node, llvm::to_vector(contentsOf(node.input(i))));
}

//===----------------------------------------------------------------------===//
// Places
//===----------------------------------------------------------------------===//

/// The same sequence, with its length written as another extent that is as large.
static void renameLength(Node &node, OpenSequence &sequence, DimExpr length) {
  Value &counted = sequence.shapes ? sequence.shapes : sequence.values;
  counted = node.cut(counted, 0, node.dim(0), node.known(length));
}

/// Input `i`, a place in a sequence, or behind it where that is allowed; negative ones count from
/// the end. What is not known now is checked when the model runs.
static FailureOr<DimExpr> positionIn(Node &node, size_t i, OpenSequence &sequence,
                                     bool mayBeBehind = false) {
  if (isStructure(node.input(i)) || node.type(i).getElementCount() != 1)
    return node.error("needs one number as its position");
  DimAttr given = graph::getShapeScalar(node.input(i)), count = sequence.length();
  const int64_t least = mayBeBehind ? 0 : 1; // what lies behind
  ShapeScalars s(node);
  if (given && given.isConstant()) {
    const int64_t place = given.getValue();
    if (count.isConstant()) {
      const int64_t from = place + (place < 0 ? count.getValue() : 0);
      if (from < 0 || from > count.getValue() - least)
        return node.error("asks for position " + given.str() + " of " + count.str() + " elements");
      return DimExpr(node.dim(from));
    }
    // How many lie before it, or behind it: what is computed of that is computed once it is known
    // to be a number of elements.
    DimExpr others = place < 0 ? DimExpr(count) + place : DimExpr(count) - node.dim(least) - place;
    DimExpr left =
        s.bind(s.number(others),
               place < 0 ? "the position" : "the number of elements behind the position");
    renameLength(node, sequence, place < 0 ? left - place : left + node.dim(least) + place);
    return place < 0 ? left : DimExpr(given);
  }
  Value at = node.convert(node.reshape(node.input(i), {}), node.si64());
  at = s.select(s.isNegative(at), node.add(at, s.number(count)), at);
  s.bind(at, "the position");
  // Neither is what lies behind it negative.
  Value behind = node.sub(node.sub(s.number(count), at), s.number(least));
  return DimExpr(count) - node.dim(least) -
         DimExpr(s.bind(behind, "the number of elements behind the position"));
}

/// How many values the elements before a place of a ragged sequence have.
static DimExpr valuesBefore(Node &node, const OpenSequence &sequence, DimExpr place) {
  DimAttr count = sequence.length();
  if (place == DimExpr(node.dim(0)))
    return place;
  if (place == DimExpr(count))
    return sequence.valueDims(0).front();
  ShapeScalars s(node);
  Value sizes = node.reduce(ReduceKind::prod, sequence.shapes, {1});
  Value isBefore = node.compare(CompareKind::lt, node.iota({count}, 0),
                                node.broadcast(s.number(node.known(place)), {}, {count}));
  sizes = node.choose(isBefore, sizes, node.fillLike(sizes, 0));
  return DimExpr(s.bind(node.sum(sizes, {0}), "the number of values before an element"));
}

static OpenSequence cutSequence(Node &node, const OpenSequence &sequence, DimExpr start,
                                DimExpr extent) {
  OpenSequence part = sequence;
  if (!sequence.shapes) {
    part.values = node.cut(sequence.values, 0, node.known(start), node.known(extent));
    return part;
  }
  DimExpr first = valuesBefore(node, sequence, start),
          last = valuesBefore(node, sequence, start + extent);
  part.values = node.cut(sequence.values, 0, node.known(first), node.known(last - first));
  part.shapes = node.cut(sequence.shapes, 0, node.known(start), node.known(extent));
  return part;
}

Value tessera::onnx::elementAt(Node &node, const OpenSequence &sequence, DimExpr place) {
  DimList dims = sequence.dims;
  DimExpr start = place, extent = node.dim(1);
  if (sequence.shapes) {
    ShapeScalars s(node);
    Value row = node.reshape(node.cut(sequence.shapes, 0, node.known(place), node.dim(1)),
                             {node.dim(int64_t(dims.size()))});
    for (auto [axis, dim] : llvm::enumerate(dims))
      if (!dim)
        dim = s.bind(s.element(row, int64_t(axis)),
                     "extent " + std::to_string(axis) + " of an element");
    start = valuesBefore(node, sequence, place);
    extent = graph::multiplyDims(node.getBuilder().getContext(), dims);
  }
  if (sequence.areStrings)
    dims.push_back(sequence.valueDims(0).back());
  Value element =
      node.reshape(node.cut(sequence.values, 0, node.known(start), node.known(extent)), dims);
  return sequence.areStrings ? makeStrings(node.getBuilder(), node.getLoc(), element) : element;
}

//===----------------------------------------------------------------------===//
// Operators
//===----------------------------------------------------------------------===//

LogicalResult tessera::onnx::insertInto(Node &node, OpenSequence sequence) {
  SmallVector<Value> parts;
  if (node.input(2)) {
    FailureOr<DimExpr> place = positionIn(node, 2, sequence, true);
    if (failed(place))
      return failure();
    auto part = [&](DimExpr start, DimExpr extent) {
      return putTogether(node, cutSequence(node, sequence, start, extent));
    };
    parts = {part(node.dim(0), *place), node.input(1),
             part(*place, DimExpr(sequence.length()) - *place)};
  } else {
    parts = {putTogether(node, sequence), node.input(1)};
  }
  FailureOr<OpenSequence> all = openSequenceOf(node, parts);
  if (succeeded(all))
    node.setOutput(putTogether(node, *all));
  return success(succeeded(all));
}

LogicalResult tessera::onnx::eraseFrom(Node &node, OpenSequence sequence) {
  if (!node.input(1)) { // The last one.
    node.inputs.resize(1);
    node.inputs.push_back(ShapeScalars(node).number(-1));
  }
  FailureOr<DimExpr> place = positionIn(node, 1, sequence);
  if (failed(place))
    return failure();
  DimExpr behind = *place + node.dim(1);
  Value parts[] = {
      putTogether(node, cutSequence(node, sequence, node.dim(0), *place)),
      putTogether(node, cutSequence(node, sequence, behind, DimExpr(sequence.length()) - behind))};
  FailureOr<OpenSequence> all = openSequenceOf(node, parts);
  if (succeeded(all))
    node.setOutput(putTogether(node, *all));
  return success(succeeded(all));
}

LogicalResult tessera::onnx::readFrom(Node &node, OpenSequence sequence) {
  FailureOr<DimExpr> place = positionIn(node, 1, sequence);
  if (failed(place))
    return failure();
  node.setOutput(elementAt(node, sequence, *place));
  return success();
}
