//===- OpsRandom.cpp - Random numbers, Dropout -----------------------------------------------===//
//
// Numbers follow from a key alone (graph.random_bits): the node's seed, or its name where it has
// none, and how often the context has drawn. A new context begins again.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/Importer.h"

#include "llvm/Support/xxhash.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::CompareKind;

//===----------------------------------------------------------------------===//
// Keys
//===----------------------------------------------------------------------===//

Value Importer::drawCount(OpBuilder &builder, Location loc) {
  static constexpr StringLiteral kName = "random_draws";
  MLIRContext *context = module.getContext();
  auto type = graph::TensorType::getScalar(IntegerType::get(context, 32, IntegerType::Unsigned));
  if (!module.lookupSymbol(kName)) {
    OpBuilder inModule = OpBuilder::atBlockBegin(module.getBody());
    auto zero = DenseElementsAttr::get(llvm::cast<ShapedType>(Type(type)), APInt(32, 0));
    graph::VariableOp::create(inModule, loc, kName, StringAttr(), type, zero);
  }
  auto draw = [&](OpBuilder &b) {
    graph::GraphBuilder g(b, loc);
    Value count = graph::ReadVariableOp::create(b, loc, type, kName);
    graph::WriteVariableOp::create(b, loc, kName, g.add(count, 1));
    return count;
  };
  // Kernels are not formed across a write. Outside of loops and branches, where a node runs once,
  // all use the count of this call, which is read at the beginning.
  if (depth > 0)
    return draw(builder);
  if (!drawn) {
    OpBuilder first = OpBuilder::atBlockBegin(&function.getBody().front());
    drawn = draw(first);
  }
  return drawn;
}

static Value keyOf(Node &node) {
  Type ui32 = IntegerType::get(node.getBuilder().getContext(), 32, IntegerType::Unsigned);
  uint64_t seed = llvm::xxh3_64bits(labelOf(node.proto));
  if (const ::onnx::AttributeProto *given = node.attribute("seed"))
    seed = given->has_i() ? uint64_t(given->i()) : llvm::bit_cast<uint32_t>(given->f());
  DimList one{node.dim(1)};
  Value own = node.fill(graph::TensorType::get(one, ui32), double(uint32_t(seed ^ (seed >> 32))));
  Value count = node.importer.drawCount(node.getBuilder(), node.getLoc());
  return node.concat({own, node.reshape(count, one)}, 0);
}

/// Uniform numbers in [0, 1).
static Value uniform(Node &node, ArrayRef<DimAttr> dims) {
  auto type = graph::TensorType::get(dims, node.getBuilder().getF32Type());
  return node.create<graph::RandomUniformOp>(type, keyOf(node), APFloat(0.0), APFloat(1.0));
}

//===----------------------------------------------------------------------===//
// Distributions
//===----------------------------------------------------------------------===//

/// The element type that attribute `dtype` names.
static FailureOr<Type> elementOf(Node &node, int64_t otherwise) {
  int64_t number = node.getInt("dtype", otherwise);
  Type element = getElementType(node.getBuilder().getContext(), number);
  if (!element)
    return node.error("gives elements of type " + Twine(number) + ", which is not supported");
  return element;
}

static LogicalResult setRandom(Node &node, ArrayRef<DimAttr> dims, Type element, bool isNormal) {
  if (!isFloat(element))
    return node.error("gives elements that are no floats");
  Value result;
  if (isNormal) {
    auto type = graph::TensorType::get(dims, node.getBuilder().getF32Type());
    result = node.create<graph::RandomNormalOp>(
        type, keyOf(node), APFloat(node.getFloat("mean", 0)), APFloat(node.getFloat("scale", 1)));
  } else {
    double low = node.getFloat("low", 0), high = node.getFloat("high", 1);
    result = node.add(node.mul(uniform(node, dims), high - low), low);
  }
  node.setOutput(node.convert(result, element));
  return success();
}

template <bool isNormal> static LogicalResult importRandom(Node &node) {
  std::optional<SmallVector<int64_t>> shape = node.getInts("shape");
  if (!shape || llvm::any_of(*shape, [](int64_t extent) { return extent < 0; }))
    return node.error("needs a shape without negative extents");
  FailureOr<Type> element = elementOf(node, ::onnx::TensorProto::FLOAT);
  if (failed(element))
    return failure();
  DimList dims;
  for (int64_t extent : *shape)
    dims.push_back(node.dim(extent));
  return setRandom(node, dims, *element, isNormal);
}

/// The type is the input's unless an attribute says another.
static FailureOr<Type> elementLike(Node &node) {
  if (!node.attribute("dtype"))
    return node.type(0).getElementType();
  return elementOf(node, 0);
}

template <bool isNormal> static LogicalResult importRandomLike(Node &node) {
  FailureOr<Type> element = elementLike(node);
  if (failed(element))
    return failure();
  return setRandom(node, node.type(0).getDims(), *element, isNormal);
}

/// 1 with the probability that the input gives.
static LogicalResult importBernoulli(Node &node) {
  FailureOr<Type> element = elementLike(node);
  if (failed(element))
    return failure();
  Value x = node.convert(node.input(0), atLeastF32(node.type(0).getElementType()));
  Value drawn =
      node.convert(uniform(node, node.type(0).getDims()), graph::getTensorType(x).getElementType());
  node.setOutput(node.convert(node.compare(CompareKind::lt, drawn, x), *element));
  return success();
}

/// Classes by their unnormalized log-probabilities: how many running sums a uniform number passes.
static LogicalResult importMultinomial(Node &node) {
  graph::TensorType type = node.type(0);
  int64_t count = node.getInt("sample_size", 1);
  FailureOr<Type> element = elementOf(node, ::onnx::TensorProto::INT32);
  if (failed(element))
    return failure();
  if (type.rank() != 2 || count < 0)
    return node.error("needs log-probabilities of rank 2 and a sample size that is not negative");
  Value x = node.convert(node.input(0), atLeastF32(type.getElementType()));
  Value p = node.create<graph::SoftmaxOp>(x.getType(), x, ArrayRef<int64_t>{1});
  Value sums = node.create<graph::CumulativeOp>(graph::CumulativeKind::sum, p, 1, false, false);
  DimList dims{type.getDim(0), node.dim(count)}, all = dims;
  all.push_back(type.getDim(1));
  Value drawn = node.convert(uniform(node, dims), graph::getTensorType(x).getElementType());
  Value isPassed = node.compare(CompareKind::le, node.broadcast(sums, {0, 2}, all),
                                node.broadcast(drawn, {0, 1}, all));
  Value place = node.sum(node.convert(isPassed, node.si64()), {2});
  // A sum of probabilities can end a rounding below one.
  Value last = node.create<graph::DimValueOp>((DimExpr(type.getDim(1)) - 1).get());
  place = node.min(place, node.broadcast(last, {}, dims));
  node.setOutput(node.convert(place, *element));
  return success();
}

//===----------------------------------------------------------------------===//
// Dropout
//===----------------------------------------------------------------------===//

/// Each element is kept with probability 1 - ratio and then scaled by 1 / (1 - ratio); without
/// training, all are kept as they are.
static LogicalResult importDropout(Node &node) {
  Value x = node.input(0);
  graph::TensorType type = node.type(0);
  Type boolean = node.getBuilder().getI1Type(), wide = atLeastF32(type.getElementType());
  Value training = node.input(2);
  if (node.opset < 7 && !node.getInt("is_test", 0))
    training = node.scalar(boolean, 1);
  auto known =
      llvm::dyn_cast_or_null<IntegerAttr>(training ? graph::getSplat(training) : Attribute());
  bool isIdle = !training || (known && known.getValue().isZero());
  // Before version 10 the mask is of the input's type.
  auto setMask = [&](Value mask) {
    if (node.proto.output_size() > 1)
      node.setOutput(node.opset < 10 ? node.convert(mask, type.getElementType()) : mask);
  };
  Value all = node.fill(type.withElementType(boolean), 1);
  if (isIdle) {
    node.setOutput(x);
    setMask(all);
    return success();
  }
  Value ratio = node.scalar(wide, node.getFloat("ratio", 0.5));
  if (node.input(1))
    ratio = node.convert(node.reshape(node.input(1), {}), wide);
  Value drawn = node.convert(uniform(node, type.getDims()), wide);
  Value mask = node.compare(CompareKind::ge, drawn, node.broadcast(ratio, {}, type.getDims()));
  if (!known) {
    training = node.broadcast(node.reshape(training, {}), {}, type.getDims());
    mask = node.create<graph::OrOp>(mask, node.create<graph::NotOp>(training));
  }
  Value one = node.scalar(wide, 1), scale = node.div(one, node.sub(one, ratio));
  Value scaled = node.mul(node.convert(x, wide), node.broadcast(scale, {}, type.getDims()));
  Value kept = node.convert(scaled, type.getElementType());
  // With a ratio of 1 nothing is kept, and the scale is infinite.
  Value result = node.choose(mask, kept, node.fillLike(x, 0));
  node.setOutput(known ? result : node.choose(training, result, x));
  setMask(mask);
  return success();
}

ArrayRef<Operator> tessera::onnx::randomOperators() {
  static const Operator table[] = {
      {"Bernoulli", 15, importBernoulli},
      {"Dropout", 1, importDropout},
      {"Multinomial", 7, importMultinomial},
      {"RandomNormal", 1, importRandom<true>},
      {"RandomNormalLike", 1, importRandomLike<true>},
      {"RandomUniform", 1, importRandom<false>},
      {"RandomUniformLike", 1, importRandomLike<false>},
  };
  return table;
}
