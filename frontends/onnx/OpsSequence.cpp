//===- OpsSequence.cpp - Operators on sequences and optional values ---------------------------===//

#include "frontends/onnx/OpenSequences.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

/// Elements are tensors: sequences of sequences could double at every node.
static LogicalResult setSequence(Node &node, ArrayRef<Value> elements) {
  for (Value element : elements)
    if (isStructure(element) && !isStrings(element))
      return node.error("makes a sequence of which an element is " + describeStructure(element) +
                        ", expected tensors");
  if (elements.size() > kMaxSequence)
    return node.error("gives " + Twine(elements.size()) + " elements, more than " +
                      Twine(kMaxSequence) + " (kMaxSequence)");
  node.setOutput(makeSequence(node.getBuilder(), node.getLoc(), elements));
  return success();
}

/// The elements of an input, which may be the content of an optional value.
static LogicalResult elementsOf(Node &node, size_t i, SmallVectorImpl<Value> &elements) {
  if (isGrowing(node.input(i)))
    return node.importer.needAllOf(node.input(i));
  if (!isSequence(node.input(i)))
    return node.error("needs a sequence as input " + Twine(i) + ", found " +
                      (node.input(i) ? describeStructure(node.input(i)) : "none"));
  llvm::append_range(elements, contentsOf(node.input(i)));
  return success();
}

/// A place that is known when compiling; negative ones count from the end.
static LogicalResult readPosition(Node &node, DimAttr given, int64_t count, int64_t &position) {
  position = given.getValue();
  if (position < -count || position >= count)
    return node.error("asks for position " + Twine(position) + " of " + Twine(count) + " elements");
  position += position < 0 ? count : 0;
  return success();
}

/// One number that an input holds, as an extent; null when it depends on data.
static FailureOr<DimAttr> knownPosition(Node &node, size_t i) {
  if (isStructure(node.input(i)) || node.type(i).getElementCount() != 1)
    return node.error("needs one number as its position");
  return graph::getShapeScalar(node.input(i));
}

static bool isKnownPlace(DimAttr given) { return given && given.isConstant(); }

/// An operator at a place that is not known, on a list.
static LogicalResult onOpenInput(Node &node, ArrayRef<Value> elements,
                                 LogicalResult (*run)(Node &, OpenSequence)) {
  if (elements.empty())
    return node.error("asks for a position in an empty sequence");
  FailureOr<OpenSequence> sequence = openSequenceOf(node, elements);
  return failed(sequence) ? failure() : run(node, *sequence);
}

//===----------------------------------------------------------------------===//
// Making sequences
//===----------------------------------------------------------------------===//

static LogicalResult importConstruct(Node &node) {
  if (failed(node.needInputs(node.inputCount())))
    return failure();
  return setSequence(node, node.inputs);
}

static LogicalResult importEmpty(Node &node) {
  (void)node.getInt("dtype", 1); // Nothing has a type yet.
  return setSequence(node, {});
}

static LogicalResult importInsert(Node &node) {
  SmallVector<Value> elements;
  if (failed(node.needInputs(2)))
    return failure();
  if (isGrowing(node.input(0)) && !node.input(2)) {
    llvm::append_range(elements, contentsOf(node.input(0)));
    elements.push_back(node.input(1));
    node.setOutput(makeGrowing(node.getBuilder(), node.getLoc(), elements));
    return success();
  }
  if (isOpenSequence(node.input(0)))
    return insertInto(node, takeApart(node.input(0)));
  if (failed(elementsOf(node, 0, elements)))
    return failure();
  int64_t place = elements.size();
  if (node.input(2)) {
    FailureOr<DimAttr> given = knownPosition(node, 2);
    if (failed(given))
      return failure();
    if (!isKnownPlace(*given))
      return onOpenInput(node, elements, insertInto);
    // One more place than there are elements: behind the last one.
    int64_t count = elements.size();
    if ((*given).isConstant() && (*given).getValue() == count)
      place = count;
    else if (failed(readPosition(node, *given, count, place)))
      return failure();
  }
  elements.insert(elements.begin() + place, node.input(1));
  return setSequence(node, elements);
}

static LogicalResult importErase(Node &node) {
  SmallVector<Value> elements;
  if (isOpenSequence(node.input(0)))
    return eraseFrom(node, takeApart(node.input(0)));
  if (failed(elementsOf(node, 0, elements)))
    return failure();
  int64_t place = int64_t(elements.size()) - 1;
  if (elements.empty())
    return node.error("removes an element of an empty sequence");
  if (node.input(1)) {
    FailureOr<DimAttr> given = knownPosition(node, 1);
    if (failed(given))
      return failure();
    if (!isKnownPlace(*given))
      return onOpenInput(node, elements, eraseFrom);
    if (failed(readPosition(node, *given, elements.size(), place)))
      return failure();
  }
  elements.erase(elements.begin() + place);
  return setSequence(node, elements);
}

//===----------------------------------------------------------------------===//
// Tensors to sequences and back
//===----------------------------------------------------------------------===//

/// Parts of an axis, whose number or lengths are not known when compiling.
static LogicalResult splitOpenly(Node &node, int64_t axis, bool keepsAxis) {
  DimAttr extent = node.type(0).getDim(axis);
  if (!node.input(1))
    return splitEvenly(node, axis, node.dim(1), keepsAxis);
  ShapeScalars s(node);
  graph::TensorType type = node.type(1);
  Value given = node.convert(node.input(1), node.si64());
  if (type.rank() == 0) {
    // One length; the last part may have less.
    DimAttr length = graph::getShapeScalar(node.input(1));
    if (length && length.isConstant() && length.getValue() < 1)
      return node.error("needs one positive length of parts");
    bool isKnown = length && length.isConstant();
    if (isKnown && graph::divideExactly(extent, length))
      return splitEvenly(node, axis, length, true);
    if (!isKnown) { // It is 1 at least.
      DimExpr more = s.bind(node.add(given, -1), "the length of parts without one element");
      length = node.known(more + node.dim(1));
    }
    DimAttr count = node.known(DimExpr(extent).ceilDiv(DimExpr(length)));
    Value start = node.mul(node.iota({count}, 0), node.broadcast(s.number(length), {}, {count}));
    Value left = node.sub(node.broadcast(s.number(extent), {}, {count}), start);
    return splitByLengths(node, axis,
                          node.min(left, node.broadcast(s.number(length), {}, {count})));
  }
  if (type.rank() != 1)
    return node.error("has lengths of rank " + Twine(type.rank()) +
                      ", expected a number or a list");
  // Lengths add up to the extent, and none is negative: the sum of what is not is no larger.
  Value sum = node.sum(node.max(given, 0.0), {0});
  Value isLength =
      node.reduce(graph::ReduceKind::and_,
                  node.compare(graph::CompareKind::ge, given, node.fillLike(given, 0)), {0});
  DimAttr total = s.bind(s.select(isLength, sum, s.number(-1)), "the sum of the lengths");
  DimList dims(node.type(0).getDims());
  dims[axis] = total;
  node.inputs[0] = node.reshape(node.input(0), dims);
  return splitByLengths(node, axis, given);
}

/// Extents of the parts: a list of them, or a number that all parts but the last have.
static LogicalResult readParts(Node &node, DimAttr extent, DimList &parts) {
  if (node.input(1) && node.type(1).rank() > 0)
    return node.sizesOf(1, "the list of lengths", parts);
  int64_t length = node.input(1) ? graph::getShapeScalar(node.input(1)).getValue() : 1;
  if (length < 1)
    return node.error("needs one positive length of parts");
  if (int64_t count = extent.getValue() / length; count > int64_t(kMaxSequence))
    return node.error("gives " + Twine(count) + " elements, more than " + Twine(kMaxSequence) +
                      " (kMaxSequence)");
  for (int64_t left = extent.getValue(); left > 0; left -= std::min(left, length))
    parts.push_back(node.dim(std::min(length, left)));
  return success();
}

/// Whether the number of parts is known when compiling: that of a list of lengths, or one length
/// and the extent.
static bool hasKnownParts(Node &node, DimAttr extent) {
  if (node.input(1) && node.type(1).rank() > 0)
    return node.type(1).rank() == 1 && node.type(1).hasStaticShape();
  DimAttr length = node.input(1) ? graph::getShapeScalar(node.input(1)) : node.dim(1);
  return extent.isConstant() && length && length.isConstant();
}

static LogicalResult importSplitToSequence(Node &node) {
  int64_t axis = node.getInt("axis", 0), keeps = node.getInt("keepdims", 1);
  graph::TensorType type = node.type(0);
  DimList parts;
  if (failed(node.normalizeAxis(axis, type.rank())))
    return failure();
  if (!hasKnownParts(node, type.getDim(axis)))
    return splitOpenly(node, axis, keeps);
  if (failed(readParts(node, type.getDim(axis), parts)))
    return failure();
  DimExpr sum = node.dim(0);
  for (DimAttr part : parts)
    sum = sum + DimExpr(part);
  if (!sum)
    return node.error("its extents overflow");
  std::optional<int64_t> known = sum.get().getConstant(), whole = type.getDim(axis).getConstant();
  if (known && whole && *known != *whole)
    return node.error("splits " + Twine(*whole) + " elements in parts of " + Twine(*known));
  // Where that cannot be compared it is checked when the model runs.
  DimList all(type.getDims());
  all[axis] = sum;
  Value x = node.reshape(node.input(0), all);
  SmallVector<Value> elements;
  DimExpr start = node.dim(0);
  for (DimAttr part : parts) {
    Value element = node.cut(x, axis, start, part);
    if (!node.input(1) && !keeps) {
      DimList dims(type.getDims());
      dims.erase(dims.begin() + axis);
      element = node.reshape(element, dims);
    }
    elements.push_back(element);
    start = start + DimExpr(part);
  }
  return setSequence(node, elements);
}

/// Elements as one tensor: side by side along an axis of theirs, or along a new one. What cannot be
/// compared is taken to be equal.
static FailureOr<Value> join(Node &node, ArrayRef<Value> elements, int64_t axis, bool isNew) {
  if (elements.empty())
    return node.error("joins the elements of an empty sequence");
  for (Value element : elements)
    if (isStructure(element))
      return node.error("joins elements of which one is " + describeStructure(element));
  graph::TensorType first = graph::getTensorType(elements.front());
  int64_t rank = first.rank() + isNew;
  if (failed(node.normalizeAxis(axis, rank)))
    return failure();
  SmallVector<Value> parts;
  for (Value element : elements) {
    graph::TensorType type = graph::getTensorType(element);
    if (type.rank() != first.rank() || type.getElementType() != first.getElementType())
      return node.error("joins elements of different ranks or types");
    DimList dims(first.getDims());
    if (isNew)
      dims.insert(dims.begin() + axis, node.dim(1));
    else
      dims[axis] = type.getDim(axis);
    for (int64_t d = 0; d < first.rank(); ++d)
      if ((isNew || d != axis) && graph::isKnownDifferent(type.getDim(d), first.getDim(d)))
        return node.error("joins elements with extents " + first.getDim(d).str() + " and " +
                          type.getDim(d).str());
    parts.push_back(node.reshape(element, dims));
  }
  return node.concat(parts, axis);
}

static LogicalResult importConcatFromSequence(Node &node) {
  SmallVector<Value> elements;
  if (!node.attribute("axis"))
    return node.error("has no axis");
  if (isOpenSequence(node.input(0)))
    return joinElements(node, takeApart(node.input(0)));
  if (failed(elementsOf(node, 0, elements)))
    return failure();
  FailureOr<Value> joined =
      join(node, elements, node.getInt("axis", 0), node.getInt("new_axis", 0));
  if (failed(joined))
    return failure();
  node.setOutput(*joined);
  return success();
}

/// Elements at a place that depends on data are read from all of them side by side.
static LogicalResult importAt(Node &node) {
  SmallVector<Value> elements;
  if (failed(node.needInputs(2)))
    return failure();
  if (isOpenSequence(node.input(0)))
    return readFrom(node, takeApart(node.input(0)));
  if (failed(elementsOf(node, 0, elements)))
    return failure();
  FailureOr<DimAttr> given = knownPosition(node, 1);
  if (failed(given))
    return failure();
  if (!isKnownPlace(*given))
    return onOpenInput(node, elements, readFrom);
  int64_t place = 0;
  if (failed(readPosition(node, *given, int64_t(elements.size()), place)))
    return failure();
  node.setOutput(elements[place]);
  return success();
}

static LogicalResult importLength(Node &node) {
  SmallVector<Value> elements;
  if (isOpenSequence(node.input(0))) {
    node.setOutput(ShapeScalars(node).number(takeApart(node.input(0)).length()));
    return success();
  }
  if (failed(elementsOf(node, 0, elements)))
    return failure();
  node.setOutput(node.scalar(node.si64(), double(elements.size())));
  return success();
}

/// The body for each element; other inputs are the same for all.
static LogicalResult importMap(Node &node) {
  const ::onnx::AttributeProto *body = node.attribute("body");
  SmallVector<Value> first;
  if (!body || failed(node.needInputs(node.inputCount())))
    return body ? failure() : node.error("has no body");
  for (Value input : node.inputs)
    if (isGrowing(input))
      return node.importer.needAllOf(input);
  if (llvm::any_of(node.inputs, isOpenSequence))
    return mapElements(node);
  if (failed(elementsOf(node, 0, first)))
    return failure();
  SmallVector<SmallVector<Value>> outputs(body->g().output_size());
  for (size_t i = 0; i < first.size(); ++i) {
    SmallVector<Value> arguments, results;
    for (Value input : node.inputs) {
      if (isSequence(input) && contentsOf(input).size() != first.size())
        return node.error("has sequences of " + Twine(first.size()) + " and " +
                          Twine(contentsOf(input).size()) + " elements");
      arguments.push_back(isSequence(input) ? contentsOf(input)[i] : input);
    }
    if (failed(node.importer.importUnrolled(node, body->g(), arguments, results)))
      return failure();
    for (auto [list, result] : llvm::zip(outputs, results))
      list.push_back(result);
  }
  for (const SmallVector<Value> &list : outputs)
    if (failed(setSequence(node, list)))
      return failure();
  return success();
}

//===----------------------------------------------------------------------===//
// Optional values
//===----------------------------------------------------------------------===//

static LogicalResult importOptional(Node &node) {
  if (isOptional(node.input(0)))
    return node.error("makes an optional value of an optional value");
  node.setOutput(makeOptional(node.getBuilder(), node.getLoc(), node.input(0)));
  return success();
}

/// What is no optional value is there.
static LogicalResult importHasElement(Node &node) {
  Value x = node.input(0);
  bool has = x && !(isOptional(x) && contentsOf(x).empty());
  node.setOutput(node.scalar(node.getBuilder().getI1Type(), has));
  return success();
}

static LogicalResult importGetElement(Node &node) {
  Value x = node.input(0);
  if (isOptional(x)) {
    if (contentsOf(x).empty())
      return node.error("takes the content of an optional value that is empty");
    x = contentsOf(x).front();
  }
  node.setOutput(x);
  return success();
}

ArrayRef<Operator> tessera::onnx::sequenceOperators() {
  static const Operator table[] = {
      {"ConcatFromSequence", 11, importConcatFromSequence, true},
      {"Optional", 15, importOptional, true},
      {"OptionalGetElement", 15, importGetElement, true},
      {"OptionalHasElement", 15, importHasElement, true},
      {"SequenceAt", 11, importAt, true},
      {"SequenceConstruct", 11, importConstruct, true},
      {"SequenceEmpty", 11, importEmpty, true},
      {"SequenceErase", 11, importErase, true},
      {"SequenceInsert", 11, importInsert, true},
      {"SequenceLength", 11, importLength, true},
      {"SequenceMap", 17, importMap, true},
      {"SplitToSequence", 11, importSplitToSequence},
  };
  return table;
}
