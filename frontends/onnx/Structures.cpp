//===- Structures.cpp - Sequences, maps and strings, while importing ----------------------===//

#include "frontends/onnx/Structures.h"

#include "dialects/graph/GraphBuilder.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

bool tessera::onnx::isStructure(Value value) {
  return value && llvm::isa<TupleType>(value.getType());
}

/// The type of an optional value begins with none, that of strings with index, that of a map with
/// a function, that of a stack with a complex number, that of what grows with a memref, that
/// of a ragged sequence with a tensor of no rank, and then a type of its elements' extents.
template <typename Mark> static bool isMarked(Value value) {
  auto type = value ? llvm::dyn_cast<TupleType>(value.getType()) : TupleType();
  return type && type.size() && llvm::isa<Mark>(type.getType(0));
}
bool tessera::onnx::isOptional(Value value) { return isMarked<NoneType>(value); }
bool tessera::onnx::isStrings(Value value) { return isMarked<IndexType>(value); }
bool tessera::onnx::isMap(Value value) { return isMarked<FunctionType>(value); }
bool tessera::onnx::isStack(Value value) { return isMarked<ComplexType>(value); }
bool tessera::onnx::isRagged(Value value) { return isMarked<UnrankedTensorType>(value); }
bool tessera::onnx::isOpenSequence(Value value) { return isStack(value) || isRagged(value); }
bool tessera::onnx::isGrowing(Value value) { return isMarked<UnrankedMemRefType>(value); }
bool tessera::onnx::isSequence(Value value) {
  return isStructure(value) && !isOptional(value) && !isStrings(value) && !isMap(value) &&
         !isOpenSequence(value) && !isGrowing(value);
}

static Value make(OpBuilder &builder, Location loc, ArrayRef<Type> types, ValueRange contents) {
  Type type = TupleType::get(builder.getContext(), types);
  return UnrealizedConversionCastOp::create(builder, loc, type, contents).getResult(0);
}

Value tessera::onnx::makeSequence(OpBuilder &builder, Location loc, ValueRange elements) {
  return make(builder, loc, llvm::to_vector(elements.getTypes()), elements);
}

Value tessera::onnx::makeStack(OpBuilder &builder, Location loc, Value elements) {
  Type types[] = {ComplexType::get(builder.getF32Type()), elements.getType()};
  return make(builder, loc, types, elements);
}

/// No name of a model's: those are not empty.
static constexpr StringRef kOwnExtent = "";

Value tessera::onnx::makeRagged(OpBuilder &builder, Location loc, Value values, Value shapes,
                                ArrayRef<graph::DimAttr> dims) {
  graph::DimList all(dims);
  for (graph::DimAttr &dim : all)
    dim = dim ? dim : graph::DimExpr::symbol(builder.getContext(), kOwnExtent).get();
  Type types[] = {UnrankedTensorType::get(builder.getF32Type()),
                  graph::TensorType::get(all, builder.getI1Type()), values.getType(),
                  shapes.getType()};
  return make(builder, loc, types, {values, shapes});
}

graph::DimList tessera::onnx::dimsOfElements(Value ragged) {
  auto tuple = llvm::cast<TupleType>(ragged.getType());
  graph::DimList dims(llvm::cast<graph::TensorType>(tuple.getType(1)).getDims());
  for (graph::DimAttr &dim : dims)
    if (dim == graph::DimExpr::symbol(dim.getContext(), kOwnExtent).get())
      dim = {};
  return dims;
}

Value tessera::onnx::makeGrowing(OpBuilder &builder, Location loc, ValueRange contents) {
  SmallVector<Type> types{UnrankedMemRefType::get(builder.getF32Type(), {})};
  llvm::append_range(types, contents.getTypes());
  return make(builder, loc, types, contents);
}

Value tessera::onnx::makeOptional(OpBuilder &builder, Location loc, Value content) {
  SmallVector<Type> types{builder.getNoneType()};
  if (!content)
    return make(builder, loc, types, {});
  types.push_back(content.getType());
  return make(builder, loc, types, content);
}

Value tessera::onnx::makeStrings(OpBuilder &builder, Location loc, Value bytes) {
  Type types[] = {builder.getIndexType(), bytes.getType()};
  return make(builder, loc, types, bytes);
}

Value tessera::onnx::makeMap(OpBuilder &builder, Location loc, Value keys, Value values) {
  Type types[] = {builder.getFunctionType({}, {}), keys.getType(), values.getType()};
  return make(builder, loc, types, {keys, values});
}

ValueRange tessera::onnx::contentsOf(Value structure) {
  return structure.getDefiningOp<UnrealizedConversionCastOp>().getInputs();
}

void tessera::onnx::flatten(Value value, SmallVectorImpl<Value> &tensors) {
  if (!isStructure(value))
    tensors.push_back(value);
  else
    for (Value content : contentsOf(value))
      flatten(content, tensors);
}

bool tessera::onnx::haveSameStructure(Value a, Value b) {
  if (!isStructure(a) || !isStructure(b))
    return !isStructure(a) && !isStructure(b);
  ValueRange x = contentsOf(a), y = contentsOf(b);
  if (isOptional(a) != isOptional(b) || isStrings(a) != isStrings(b) || isMap(a) != isMap(b) ||
      isStack(a) != isStack(b) || isRagged(a) != isRagged(b) || isGrowing(a) != isGrowing(b) ||
      x.size() != y.size())
    return false;
  if (isRagged(a) && dimsOfElements(a) != dimsOfElements(b))
    return false;
  return llvm::all_of(llvm::zip(x, y), [](auto pair) {
    return haveSameStructure(std::get<0>(pair), std::get<1>(pair));
  });
}

Value tessera::onnx::rebuild(OpBuilder &builder, Location loc, Value like,
                             ArrayRef<Value> &tensors) {
  if (!isStructure(like)) {
    Value first = tensors.front();
    tensors = tensors.drop_front();
    return first;
  }
  SmallVector<Value> contents;
  for (Value content : contentsOf(like))
    contents.push_back(rebuild(builder, loc, content, tensors));
  if (isStrings(like))
    return makeStrings(builder, loc, contents.front());
  if (isMap(like))
    return makeMap(builder, loc, contents[0], contents[1]);
  if (isStack(like))
    return makeStack(builder, loc, contents.front());
  if (isRagged(like))
    return makeRagged(builder, loc, contents[0], contents[1], dimsOfElements(like));
  if (isGrowing(like))
    return makeGrowing(builder, loc, contents);
  if (isSequence(like))
    return makeSequence(builder, loc, contents);
  return makeOptional(builder, loc, contents.empty() ? Value() : contents.front());
}

std::string tessera::onnx::describeStructure(Value value) {
  if (!isStructure(value))
    return "a tensor";
  if (isStrings(value))
    return "a tensor of strings";
  if (isMap(value))
    return "a map";
  if (isOptional(value))
    return contentsOf(value).empty() ? "an empty optional value" : "an optional value";
  if (isOpenSequence(value)) {
    SmallVector<Value> tensors; // The last one has a row, or an element, for each of the sequence.
    flatten(value, tensors);
    return "a sequence of " + graph::getTensorType(tensors.back()).getDim(0).str();
  }
  if (isGrowing(value))
    return "a sequence that a loop makes longer";
  return "a sequence of " + std::to_string(contentsOf(value).size());
}

void tessera::onnx::eraseStructures(Operation *function) {
  SmallVector<Operation *> casts;
  function->walk<WalkOrder::PreOrder>(
      [&](UnrealizedConversionCastOp cast) { casts.push_back(cast); });
  for (Operation *cast : llvm::reverse(casts))
    cast->erase();
}
