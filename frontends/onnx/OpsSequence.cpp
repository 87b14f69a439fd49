//===- OpsSequence.cpp - Operators on sequences and optional values ---------------------------===//

#include "frontends/onnx/Stacks.h"

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
    return node.error(
        "reads input " + Twine(i) +
        ", a sequence that a loop makes longer whose number of iterations is not known "
        "when compiling; such a loop may only add elements at its end");
  if (!isSequence(node.input(i)))
    return node.error("needs a sequence as input " + Twine(i) + ", found " +
                      (node.input(i) ? describeStructure(node.input(i)) : "none"));
  llvm::append_range(elements, contentsOf(node.input(i)));
  return success();
}

/// A place that is known when compiling; negative ones count from the end.
static LogicalResult readPosition(Node &node, DimAttr given, int64_t count, int64_t &position) {
  if (!given.isConstant())
    return node.error("has the position " + given.str() + ", which is not known when compiling");
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
  if (isStack(node.input(0)))
    return insertIntoStack(node);
  if (failed(elementsOf(node, 0, elements)))
    return failure();
  int64_t place = elements.size();
  if (node.input(2)) {
    FailureOr<DimAttr> given = knownPosition(node, 2);
    if (failed(given))
      return failure();
    if (!*given)
      return node.error("inserts at a position that is not known when compiling");
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
  if (isStack(node.input(0)))
    return eraseFromStack(node);
  if (failed(elementsOf(node, 0, elements)))
    return failure();
  int64_t place = int64_t(elements.size()) - 1;
  if (elements.empty())
    return node.error("removes an element of an empty sequence");
  if (node.input(1)) {
    FailureOr<DimAttr> given = knownPosition(node, 1);
    if (failed(given))
      return failure();
    if (!*given)
      return node.error("removes at a position that is not known when compiling");
    if (failed(readPosition(node, *given, elements.size(), place)))
      return failure();
  }
  elements.erase(elements.begin() + place);
  return setSequence(node, elements);
}

//===----------------------------------------------------------------------===//
// Tensors to sequences and back
//===----------------------------------------------------------------------===//

/// Extents of the parts: a list of them, or a number that all parts but the last have.
static LogicalResult readParts(Node &node, DimAttr extent, DimList &parts) {
  if (node.input(1) && node.type(1).rank() > 0)
    return node.sizesOf(1, "the list of lengths", parts);
  SmallVector<int64_t> length{1};
  if (node.input(1)) {
    length.clear();
    if (failed(node.constantInts(1, "the length of parts", length)))
      return failure();
  }
  if (length.size() != 1 || length[0] < 1)
    return node.error("needs one positive length of parts");
  if (!extent.isConstant())
    return node.error("splits an axis of extent " + extent.str() +
                      ": how many parts there are is not known when compiling");
  if (int64_t count = extent.getValue() / length[0]; count > int64_t(kMaxSequence))
    return node.error("gives " + Twine(count) + " elements, more than " + Twine(kMaxSequence) +
                      " (kMaxSequence)");
  for (int64_t left = extent.getValue(); left > 0; left -= std::min(left, length[0]))
    parts.push_back(node.dim(std::min(length[0], left)));
  return success();
}

/// A number that is 1.
static bool isOne(Value value) {
  DimAttr known = graph::getTensorType(value).rank() ? DimAttr() : graph::getShapeScalar(value);
  return known && known.isConstant() && known.getValue() == 1;
}

static LogicalResult importSplitToSequence(Node &node) {
  int64_t axis = node.getInt("axis", 0), keeps = node.getInt("keepdims", 1);
  graph::TensorType type = node.type(0);
  DimList parts;
  if (failed(node.normalizeAxis(axis, type.rank())))
    return failure();
  if (!type.getDim(axis).isConstant() && (!node.input(1) || isOne(node.input(1))))
    return splitToStack(node, axis, node.input(1) || keeps);
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
  if (isStack(node.input(0)))
    return joinStack(node);
  if (failed(elementsOf(node, 0, elements)))
    return failure();
  FailureOr<Value> joined =
      join(node, elements, node.getInt("axis", 0), node.getInt("new_axis", 0));
  if (failed(joined))
    return failure();
  node.setOutput(*joined);
  return success();
}

/// Elements of one type at a place that depends on data are read from all of them side by side.
static LogicalResult importAt(Node &node) {
  SmallVector<Value> elements;
  if (failed(node.needInputs(2)))
    return failure();
  if (isStack(node.input(0)))
    return readFromStack(node);
  if (failed(elementsOf(node, 0, elements)))
    return failure();
  FailureOr<DimAttr> given = knownPosition(node, 1);
  if (failed(given))
    return failure();
  int64_t count = elements.size(), place;
  if (*given && (*given).isConstant()) {
    if (failed(readPosition(node, *given, count, place)))
      return failure();
    node.setOutput(elements[place]);
    return success();
  }
  for (Value element : elements)
    if (isStructure(element) || element.getType() != elements.front().getType())
      return node.error("asks for a position that is not known when compiling, of elements of "
                        "different types");
  FailureOr<Value> all = join(node, elements, 0, true);
  if (failed(all))
    return failure();
  ShapeScalars s(node);
  Value at = node.convert(node.reshape(node.input(1), {}), node.si64());
  at = s.select(s.isNegative(at), node.add(at, s.number(count)), at);
  DimAttr start = node.importer.bindDim(node, at, "the position", count - 1);
  DimList dims(graph::getTensorType(elements.front()).getDims());
  node.setOutput(node.reshape(node.cut(*all, 0, start, node.dim(1)), dims));
  return success();
}

static LogicalResult importLength(Node &node) {
  SmallVector<Value> elements;
  if (isStack(node.input(0))) {
    node.setOutput(ShapeScalars(node).number(lengthOf(node.input(0))));
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
  if (llvm::any_of(node.inputs, isStack))
    return mapStacks(node);
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
