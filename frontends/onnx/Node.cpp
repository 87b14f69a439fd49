//===- Node.cpp - One node while it is imported: attributes, inputs, broadcasting -------------===//

#include "frontends/onnx/DataShapes.h"
#include "frontends/onnx/Importer.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

//===----------------------------------------------------------------------===//
// Nodes
//===----------------------------------------------------------------------===//

Node::Node(Importer &importer, OpBuilder &builder, Location loc, const ::onnx::NodeProto &proto,
           int64_t opset)
    : GraphBuilder(builder, loc), importer(importer), proto(proto), opset(opset) {
  noteFailures(importer.misfit);
}

const ::onnx::AttributeProto *Node::attribute(StringRef name) const {
  for (const ::onnx::AttributeProto &attribute : proto.attribute())
    if (name == StringRef(attribute.name()))
      return &attribute;
  return nullptr;
}
/// A wrong type is not the same as absent: the first one is noted, and ends the node's import.
const ::onnx::AttributeProto *Node::typed(StringRef name,
                                          ::onnx::AttributeProto::AttributeType type) const {
  const ::onnx::AttributeProto *found = attribute(name);
  if (!found || found->type() == type)
    return found;
  if (wrongAttribute.empty())
    wrongAttribute = "attribute " + quoted(name) + " is " +
                     ::onnx::AttributeProto::AttributeType_Name(found->type()) + ", expected " +
                     ::onnx::AttributeProto::AttributeType_Name(type);
  return nullptr;
}
int64_t Node::getInt(StringRef name, int64_t otherwise) const {
  const ::onnx::AttributeProto *found = typed(name, ::onnx::AttributeProto::INT);
  return found ? found->i() : otherwise;
}
double Node::getFloat(StringRef name, double otherwise) const {
  const ::onnx::AttributeProto *found = typed(name, ::onnx::AttributeProto::FLOAT);
  return found ? found->f() : otherwise;
}
std::string Node::getString(StringRef name, StringRef otherwise) const {
  const ::onnx::AttributeProto *found = typed(name, ::onnx::AttributeProto::STRING);
  return found ? found->s() : otherwise.str();
}
std::optional<SmallVector<int64_t>> Node::getInts(StringRef name) const {
  const ::onnx::AttributeProto *found = typed(name, ::onnx::AttributeProto::INTS);
  if (!found)
    return std::nullopt;
  return SmallVector<int64_t>(found->ints().begin(), found->ints().end());
}
std::optional<SmallVector<float>> Node::getFloats(StringRef name) const {
  const ::onnx::AttributeProto *found = typed(name, ::onnx::AttributeProto::FLOATS);
  if (!found)
    return std::nullopt;
  return SmallVector<float>(found->floats().begin(), found->floats().end());
}
std::optional<SmallVector<std::string>> Node::getStrings(StringRef name) const {
  const ::onnx::AttributeProto *found = typed(name, ::onnx::AttributeProto::STRINGS);
  if (!found)
    return std::nullopt;
  return SmallVector<std::string>(found->strings().begin(), found->strings().end());
}
const ::onnx::TensorProto *Node::getTensor(StringRef name) const {
  const ::onnx::AttributeProto *found = typed(name, ::onnx::AttributeProto::TENSOR);
  return found ? &found->t() : nullptr;
}
LogicalResult Node::checkAttributes() {
  return wrongAttribute.empty() ? success() : error(wrongAttribute);
}

LogicalResult Node::error(const Twine &message) {
  return emitError(getLoc()) << placeOf(proto) << ": " << message;
}

LogicalResult Node::verify(Operation *first) {
  std::string why;
  for (Operation *op = first; op && why.empty(); op = op->getNextNode()) {
    ScopedDiagnosticHandler handler(op->getContext(), [&](Diagnostic &diagnostic) {
      if (why.empty())
        why = diagnostic.str();
    });
    if (succeeded(mlir::verify(op)))
      why.clear();
    else if (why.empty())
      why = "makes an operation that is not legal";
  }
  return why.empty() ? success() : error(why);
}

LogicalResult Node::normalizeAxis(int64_t &axis, int64_t rank) {
  if (axis < -rank || axis >= rank)
    return error("axis " + Twine(axis) + " is not below the rank, " + Twine(rank));
  axis += axis < 0 ? rank : 0;
  return success();
}

LogicalResult Node::normalizeAxes(SmallVectorImpl<int64_t> &axes, int64_t rank) {
  for (int64_t &axis : axes)
    if (failed(normalizeAxis(axis, rank)))
      return failure();
  llvm::sort(axes);
  if (std::adjacent_find(axes.begin(), axes.end()) != axes.end())
    return error("an axis is listed twice");
  return success();
}

LogicalResult Node::constantInts(size_t i, StringRef what, SmallVectorImpl<int64_t> &values) {
  DimList dims;
  if (failed(extentsOf(i, what, dims)))
    return failure();
  for (DimAttr dim : dims) {
    if (!dim.isConstant())
      return error(what + " is not constant: " + dim.str());
    values.push_back(dim.getValue());
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Broadcasting
//===----------------------------------------------------------------------===//

/// An open extent that is taken for 1 where it meets another; a run checks it.
static bool isOneAtMost(DimAttr extent) {
  return !extent.isConstant() &&
         graph::isKnownLessEqual(extent, graph::getDim(extent.getContext(), 1));
}

LogicalResult Node::broadcastDims(ArrayRef<DimAttr> a, ArrayRef<DimAttr> b, DimList &result) {
  if (a.size() < b.size())
    std::swap(a, b);
  DimList merged(a);
  size_t shift = a.size() - b.size();
  for (size_t i = 0; i < b.size(); ++i) {
    DimAttr x = a[shift + i], y = b[i];
    if (x == y || y.getConstant() == 1)
      continue;
    if (x.getConstant() == 1) {
      merged[shift + i] = y;
      continue;
    }
    // One element at most: x[-1:], one unless there is none of the other, too.
    if (isOneAtMost(y))
      continue;
    if (isOneAtMost(x)) {
      merged[shift + i] = y;
      continue;
    }
    if (graph::isKnownDifferent(x, y) && x.isConstant() && y.isConstant())
      return error("extents " + x.str() + " and " + y.str() + " do not broadcast");
    // A constant says more than an expression.
    merged[shift + i] = y.isConstant() ? y : x;
  }
  result = merged;
  return success();
}

Value Node::broadcastTo(Value x, ArrayRef<DimAttr> dims) {
  graph::TensorType type = graph::getTensorType(x);
  if (type.getDims() == dims)
    return x;
  DimList own(type.getDims());
  if (own.size() > dims.size()) {
    importer.misfit = "an operand of rank " + std::to_string(own.size()) +
                      " does not broadcast to rank " + std::to_string(dims.size());
    return fill(typeOf(dims, type.getElementType()), 0);
  }
  size_t shift = dims.size() - own.size();
  for (size_t i = 0; i < own.size(); ++i)
    if (own[i] != dims[shift + i] && own[i].getConstant() != 1)
      own[i] = isOneAtMost(own[i]) ? dim(1) : dims[shift + i];
  x = reshape(x, own);
  return own == DimList(dims) ? x : create<graph::BroadcastOp>(x, valid(dims));
}

bool Node::takesDims(size_t i, ArrayRef<DimAttr> dims) {
  if (!input(i) || !mayBe(type(i).getDims(), dims))
    return false;
  inputs[i] = reshape(input(i), dims);
  return true;
}

LogicalResult Node::needInputs(size_t count) {
  for (size_t i = 0; i < count; ++i)
    if (!input(i))
      return error("needs " + Twine(count) + " inputs, and input " + Twine(i) + " is absent");
  return success();
}

LogicalResult Node::broadcastAll(SmallVectorImpl<Value> &values) {
  for (auto [i, value] : llvm::enumerate(values))
    if (!value)
      return error("its input " + Twine(i) + " is absent");
  DimList dims(graph::getTensorType(values[0]).getDims());
  for (Value value : ArrayRef<Value>(values).drop_front())
    if (failed(broadcastDims(dims, graph::getTensorType(value).getDims(), dims)))
      return failure();
  for (Value &value : values)
    value = broadcastTo(value, dims);
  return success();
}

DimAttr Node::known(DimExpr extent) {
  if (extent)
    return extent.get();
  if (importer.misfit.empty())
    importer.misfit = "its extents overflow";
  return dim(1);
}

DimList Node::valid(ArrayRef<DimAttr> dims) {
  DimList result;
  for (DimAttr extent : dims) {
    result.push_back(known(extent));
    if (!result.back().isConstant() || result.back().getValue() >= 0)
      continue;
    if (importer.misfit.empty())
      importer.misfit = "has a tensor with an extent of " + result.back().str();
    result.back() = dim(1);
  }
  return result;
}

graph::TensorType Node::typeOf(ArrayRef<DimAttr> dims, Type element) {
  return graph::TensorType::get(valid(dims), element);
}

LogicalResult Node::sizesOf(size_t i, StringRef what, DimList &dims) {
  if (failed(extentsOf(i, what, dims)))
    return failure();
  for (DimAttr extent : dims)
    if (extent.isConstant() && extent.getValue() < 0)
      return error(what + " has a negative extent, " + extent.str());
  return success();
}

graph::GraphBuilder Node::at(OpBuilder &builder) {
  graph::GraphBuilder result(builder, getLoc());
  result.noteFailures(importer.misfit);
  return result;
}

Value Node::keepDims(Value reduced, Value x, ArrayRef<int64_t> axes) {
  DimList dims(graph::getTensorType(x).getDims());
  for (int64_t axis : axes)
    dims[axis] = dim(1);
  return reshape(reduced, dims);
}

//===----------------------------------------------------------------------===//
// Short ways to build
//===----------------------------------------------------------------------===//

Type Node::si64() { return IntegerType::get(getBuilder().getContext(), 64, IntegerType::Signed); }

Value Node::choose(Value condition, Value x, Value y) {
  return create<graph::SelectOp>(condition, x, y);
}

FailureOr<Value> Node::flatten(Value x) {
  DimExpr all = graph::multiplyDims(getBuilder().getContext(), graph::getTensorType(x).getDims());
  if (!all)
    return error("its extents overflow");
  return reshape(x, DimAttr(all.get()));
}

Value Node::iota(ArrayRef<DimAttr> dims, int64_t axis) {
  return create<graph::IotaOp>(typeOf(dims, si64()), axis);
}

Value Node::cut(Value x, int64_t axis, DimAttr start, DimAttr extent, int64_t step) {
  graph::TensorType type = graph::getTensorType(x);
  if (axis >= type.rank()) {
    importer.misfit = "takes elements of axis " + std::to_string(axis) + " of a tensor of rank " +
                      std::to_string(type.rank());
    return x;
  }
  if (!start || !extent || (extent.isConstant() && extent.getValue() < 0)) {
    importer.misfit = "takes " + (extent ? extent.str() : "too many") + " elements of an axis of " +
                      type.getDim(axis).str();
    return x;
  }
  DimList starts(type.rank(), dim(0)), steps(type.rank(), dim(1)), dims(type.getDims());
  starts[axis] = start;
  steps[axis] = dim(step);
  dims[axis] = extent;
  return create<graph::SliceOp>(x, starts, steps, dims);
}

Value Node::dropAxis(Value x, int64_t axis, int64_t place) {
  DimList dims(graph::getTensorType(x).getDims());
  x = cut(x, axis, dim(place), dim(1));
  if (axis >= int64_t(dims.size()))
    return x;
  dims.erase(dims.begin() + axis);
  return reshape(x, dims);
}

Value Node::concat(ArrayRef<Value> values, int64_t axis) {
  return values.size() == 1 ? values[0] : create<graph::ConcatOp>(values, axis);
}

Value Node::moveAxis(Value x, int64_t from, int64_t to) {
  if (from == to)
    return x;
  auto perm = llvm::to_vector(llvm::seq<int64_t>(0, graph::getTensorType(x).rank()));
  perm.erase(perm.begin() + from);
  perm.insert(perm.begin() + to, from);
  return transpose(x, perm);
}

Value Node::sum(Value x, ArrayRef<int64_t> axes) {
  return axes.empty() ? x : reduce(graph::ReduceKind::sum, x, axes);
}

Type tessera::onnx::atLeastF32(Type type) {
  return type.getIntOrFloatBitWidth() < 32 ? Type(Float32Type::get(type.getContext())) : type;
}

Type tessera::onnx::floatFor(Type type) {
  if (isFloat(type))
    return type;
  return type.getIntOrFloatBitWidth() <= 16 ? Type(Float32Type::get(type.getContext()))
                                            : Type(Float64Type::get(type.getContext()));
}

Value tessera::onnx::bytesOfBools(Node &node, Value bools) {
  return node.convert(bools,
                      IntegerType::get(node.getBuilder().getContext(), 8, IntegerType::Unsigned));
}

Value tessera::onnx::boolsOfBytes(Node &node, Value bytes) {
  return node.compare(graph::CompareKind::ne, bytes, node.fillLike(bytes, 0));
}

FailureOr<Value> Node::splitHeads(Value x, int64_t heads) {
  graph::TensorType type = graph::getTensorType(x);
  if (type.rank() != 3 || heads < 1)
    return error("needs an input of rank 3 and a positive number of heads");
  DimExpr width = graph::divideExactly(type.getDim(2), dim(heads));
  if (!width)
    return error("splits " + type.getDim(2).str() + " columns for " + Twine(heads) + " heads");
  return reshape(x, {type.getDim(0), type.getDim(1), dim(heads), width.get()});
}
