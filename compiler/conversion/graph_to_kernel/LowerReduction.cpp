//===- LowerReduction.cpp - Reductions, contractions and windows ---------------------------===//

#include "compiler/conversion/graph_to_kernel/Lower.h"
#include "dialects/common/AnyWhereNan.h"
#include "dialects/common/NarrowElements.h"
#include "dialects/graph/Precision.h"
#include "dialects/kernel/Product.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::lower;
using graph::DimAttr;

using BodyBuilder = ImplicitLocOpBuilder;

static ArrayRef<DimAttr> dimsOf(Value graphValue) {
  return graph::getTensorType(graphValue).getDims();
}
static Type elementOf(Value graphValue) {
  return graph::getTensorType(graphValue).getElementType();
}

/// The neutral element of a kind as a scalar of the builtin type.
Value tessera::lower::neutralScalar(KernelEmitter &emitter, StringRef kind, Type graphElement) {
  TypedAttr value = graph::getNeutralElement(kind, graphElement);
  if (auto integer = llvm::dyn_cast<IntegerAttr>(value))
    value = IntegerAttr::get(getKernelElementType(graphElement), integer.getValue());
  return emitter.constant(value);
}

/// One step of a reduction, in the accumulator's type.
Value tessera::lower::combineScalars(BodyBuilder &b, StringRef kind, Type graphElement, Value x,
                                     Value y) {
  bool real = isFloat(graphElement), isSigned = graphElement.isSignedInteger();
  if (kind == "sum")
    return real ? Value(arith::AddFOp::create(b, x, y)) : Value(arith::AddIOp::create(b, x, y));
  if (kind == "prod")
    return real ? Value(arith::MulFOp::create(b, x, y)) : Value(arith::MulIOp::create(b, x, y));
  if (kind == "and")
    return arith::AndIOp::create(b, x, y);
  if (kind == "or")
    return arith::OrIOp::create(b, x, y);
  if (kind == "max")
    return real       ? Value(arith::MaximumFOp::create(b, x, y))
           : isSigned ? Value(arith::MaxSIOp::create(b, x, y))
                      : Value(arith::MaxUIOp::create(b, x, y));
  return real       ? Value(arith::MinimumFOp::create(b, x, y))
         : isSigned ? Value(arith::MinSIOp::create(b, x, y))
                    : Value(arith::MinUIOp::create(b, x, y));
}

/// A stage that converts, when the accumulator has another type than the result.
static Value finish(KernelEmitter &emitter, Value accumulated, ArrayRef<DimAttr> dims, Type from,
                    Type to) {
  if (from == to)
    return accumulated;
  AffineMap identity = emitter.getBuilder().getMultiDimIdentityMap(dims.size());
  return emitter.map(
      "rounded", dims, getKernelElementType(to), {{accumulated, identity}},
      [&](BodyBuilder &b, ValueRange x) { return convertSaturating(b, x[0], from, to); });
}

/// Sums and products of small floats accumulate in f32; maxima are exact in any type.
Type tessera::lower::accumulatorOf(StringRef kind, Type element) {
  bool rounds = kind == "sum" || kind == "prod";
  return rounds && isSmallFloat(element) ? graph::getDefaultAccumulator(element) : element;
}

//===----------------------------------------------------------------------===//
// reduce, arg_reduce
//===----------------------------------------------------------------------===//

/// Operand dims at loops: kept dims first, then the axes.
static AffineMap readAlongAxes(OpBuilder &builder, int64_t rank, ArrayRef<int64_t> axes) {
  SmallVector<AffineExpr> exprs;
  unsigned kept = 0, reduced = rank - axes.size();
  for (int64_t i = 0; i < rank; ++i)
    exprs.push_back(builder.getAffineDimExpr(llvm::is_contained(axes, i) ? reduced++ : kept++));
  return AffineMap::get(rank, 0, exprs, builder.getContext());
}

/// The first `kept` of `rank` loops: AffineMap has no major submap of nothing.
static AffineMap keptLoops(OpBuilder &builder, int64_t rank, int64_t kept) {
  SmallVector<AffineExpr> exprs;
  for (int64_t i = 0; i < kept; ++i)
    exprs.push_back(builder.getAffineDimExpr(i));
  return AffineMap::get(rank, 0, exprs, builder.getContext());
}

static Tensors lowerReduce(graph::ReduceOp op, KernelEmitter &emitter) {
  OpBuilder &builder = emitter.getBuilder();
  StringRef kind = stringifyReduceKind(op.getKind());
  Type element = elementOf(op.getX()), acc = accumulatorOf(kind, element);
  ArrayRef<DimAttr> dims = dimsOf(op.getResult());
  int64_t rank = graph::getTensorType(op.getX()).rank(), kept = dims.size();
  Value init = emitter.fill("init", dims, neutralScalar(emitter, kind, acc));
  AffineMap output = keptLoops(builder, rank, kept);
  Value sum =
      emitter.reduce(kind, kept, rank - kept,
                     {{emitter.lookup(op.getX()), readAlongAxes(builder, rank, op.getAxes())}},
                     init, output, [&](BodyBuilder &b, ValueRange x, ValueRange running) {
                       Value value = convertScalar(b, x[0], element, acc);
                       Value combined = combineScalars(b, kind, acc, running[0], value);
                       if (op->hasAttr(graph::kAnyWhereNan))
                         combined.getDefiningOp()->setAttr(kernel::kAnyWhereNan, b.getUnitAttr());
                       return SmallVector<Value>{combined};
                     })[0];
  return SmallVector<Value>{finish(emitter, sum, dims, acc, element)};
}

/// Along rows that lie in memory as they are: the best of them, then the place of the first (last)
/// that equals it. Two reductions on vectors take less than one that carries a pair from element to
/// element, and the second finds the row in the cache.
static Tensors lowerArgAlongRows(graph::ArgReduceOp op, KernelEmitter &emitter) {
  OpBuilder &builder = emitter.getBuilder();
  const bool isMax = op.getKind() == graph::ArgReduceKind::max, last = op.getSelectLast();
  StringRef kind = isMax ? "max" : "min";
  Type element = elementOf(op.getX()), place = builder.getI32Type();
  Type index = getKernelElementType(elementOf(op.getResult()));
  ArrayRef<DimAttr> dims = dimsOf(op.getResult());
  const int64_t kept = dims.size(), rank = kept + 1;
  AffineMap output = keptLoops(builder, rank, kept), whole = builder.getMultiDimIdentityMap(rank);
  Value x = emitter.lookup(op.getX());
  Value best = emitter.reduce(
      "best", kept, 1, {{x, whole}},
      emitter.fill("best_init", dims, neutralScalar(emitter, kind, element)), output,
      [&](BodyBuilder &b, ValueRange x, ValueRange running) {
        return SmallVector<Value>{combineScalars(b, kind, element, running[0], x[0])};
      })[0];
  // Places are below 2^31.
  const int64_t none = last ? -1 : INT32_MAX;
  Value found = emitter.reduce(
      "place", kept, 1, {{x, whole}, {best, output}},
      emitter.fill("place_init", dims, emitter.number(place, none)), output,
      [&](BodyBuilder &b, ValueRange x, ValueRange running) {
        Value equals = isFloat(element)
                           ? Value(arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, x[0], x[1]))
                           : Value(arith::CmpIOp::create(b, arith::CmpIPredicate::eq, x[0], x[1]));
        if (isFloat(element)) // NaN is the best wherever there is one.
          equals = arith::OrIOp::create(
              b, equals, arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, x[0], x[0]));
        Value here = arith::IndexCastOp::create(b, place, linalg::IndexOp::create(b, kept));
        here = arith::SelectOp::create(b, equals, here, scalarNumber(b, place, none));
        return SmallVector<Value>{last ? Value(arith::MaxSIOp::create(b, running[0], here))
                                       : Value(arith::MinSIOp::create(b, running[0], here))};
      })[0];
  AffineMap identity = builder.getMultiDimIdentityMap(kept);
  return SmallVector<Value>{
      emitter.map("index", dims, index, {{found, identity}}, [&](BodyBuilder &b, ValueRange x) {
        // Of no elements it is -1.
        Value isNone =
            arith::CmpIOp::create(b, arith::CmpIPredicate::eq, x[0], scalarNumber(b, place, none));
        Value at = arith::SelectOp::create(b, isNone, scalarNumber(b, place, -1), x[0]);
        return index.isInteger(32) ? at : Value(arith::ExtSIOp::create(b, index, at));
      })};
}

/// Carries (value, index): a new element wins when it is better, or NaN where the best is none yet.
static Tensors lowerArgReduce(graph::ArgReduceOp op, KernelEmitter &emitter) {
  if (int64_t(op.getAxis()) + 1 == int64_t(graph::getTensorType(op.getX()).rank()))
    return lowerArgAlongRows(op, emitter);
  OpBuilder &builder = emitter.getBuilder();
  bool isMax = op.getKind() == graph::ArgReduceKind::max;
  Type element = elementOf(op.getX());
  Type index = getKernelElementType(elementOf(op.getResult()));
  ArrayRef<DimAttr> dims = dimsOf(op.getResult());
  int64_t rank = graph::getTensorType(op.getX()).rank(), kept = dims.size();
  Value best =
      emitter.fill("best_init", dims, neutralScalar(emitter, isMax ? "max" : "min", element));
  Value none = emitter.fill("index_init", dims, emitter.number(index, -1));
  AffineMap output = keptLoops(builder, rank, kept);
  bool real = isFloat(element), isSigned = element.isSignedInteger();
  SmallVector<Value> pair = emitter.reduce(
      "arg", kept, 1,
      {{emitter.lookup(op.getX()), readAlongAxes(builder, rank, {int64_t(op.getAxis())})}},
      {best, none}, output, [&](BodyBuilder &b, ValueRange x, ValueRange running) {
        Value at = arith::IndexCastOp::create(b, index, linalg::IndexOp::create(b, kept));
        bool last = op.getSelectLast();
        Value wins;
        if (real) {
          using P = arith::CmpFPredicate;
          P predicate = isMax ? (last ? P::OGE : P::OGT) : (last ? P::OLE : P::OLT);
          Value better = arith::CmpFOp::create(b, predicate, x[0], running[0]);
          Value isNan = arith::CmpFOp::create(b, P::UNO, x[0], x[0]);
          Value wasNan = arith::CmpFOp::create(b, P::UNO, running[0], running[0]);
          Value one = scalarNumber(b, b.getI1Type(), 1);
          Value first = arith::AndIOp::create(b, isNan, arith::XOrIOp::create(b, wasNan, one));
          wins = arith::OrIOp::create(b, better, last ? isNan : first);
        } else {
          using P = arith::CmpIPredicate;
          P strict = isMax ? (isSigned ? P::sgt : P::ugt) : (isSigned ? P::slt : P::ult);
          P loose = isMax ? (isSigned ? P::sge : P::uge) : (isSigned ? P::sle : P::ule);
          wins = arith::CmpIOp::create(b, last ? loose : strict, x[0], running[0]);
        }
        // The first element wins against nothing, whatever it is.
        Value empty = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, running[1],
                                            scalarNumber(b, index, 0));
        wins = arith::OrIOp::create(b, wins, empty);
        return SmallVector<Value>{arith::SelectOp::create(b, wins, x[0], running[0]),
                                  arith::SelectOp::create(b, wins, at, running[1])};
      });
  // A kernel cannot return one of two results of a stage.
  AffineMap identity = builder.getMultiDimIdentityMap(kept);
  return SmallVector<Value>{emitter.map("index", dims, index, {{pair[1], identity}},
                                        [](BodyBuilder &, ValueRange x) { return x[0]; })};
}

void tessera::lower::attachReductions(MLIRContext &context) {
  graph::ReduceOp::attachInterface<Model<graph::ReduceOp, FusionClass::Reduction, lowerReduce>>(
      context);
  graph::ArgReduceOp::attachInterface<
      Model<graph::ArgReduceOp, FusionClass::Reduction, lowerArgReduce>>(context);
}

//===----------------------------------------------------------------------===//
// contract
//===----------------------------------------------------------------------===//

/// Whether a sum of so many products of short integers cannot leave si32.
static bool fitsAccumulator(Operation *op, graph::DimExpr count, Type lhs, Type rhs, Type acc) {
  auto largest = [](Type type) -> double {
    auto integer = llvm::dyn_cast<IntegerType>(type);
    if (!integer || integer.isSignless() || integer.getWidth() > 16)
      return INFINITY;
    return std::ldexp(1.0, integer.getWidth() - (integer.isSigned() ? 1 : 0));
  };
  auto function = op->getParentOfType<graph::FuncOp>();
  if (!acc.isSignedInteger(32) || !count || !function)
    return false;
  graph::DimInterval range = graph::evaluateDimRange(count.get(), [&](StringRef symbol) {
    graph::RangeAttr declared = function.getRange(symbol);
    graph::DimInterval interval{0};
    return declared ? graph::DimInterval{declared.getLo(), declared.getHi().value_or(interval.hi)}
                    : interval;
  });
  return double(range.hi) * largest(lhs) * largest(rhs) < std::ldexp(1.0, 31);
}

/// A factor in the accumulator's type. 8-bit floats go through the other factor's type of 16 bits,
/// or f16, which hold them: what reads matrices may read these.
static Value convertFactor(BodyBuilder &b, Value x, Type from, Type other, Type acc) {
  if (!isNarrow(from) || !isFloat(from) || !acc.isF32())
    return convertScalar(b, x, from, acc);
  Type between = other.isBF16() ? other : Type(b.getF16Type());
  return convertScalar(b, convertScalar(b, x, from, between), between, acc);
}

/// Products in the accumulator's type. `fits`: no sum of them overflows, and none of them.
static SmallVector<Value> multiplyAdd(BodyBuilder &b, ValueRange x, Value running, Type lhs,
                                      Type rhs, Type acc, bool fits) {
  Value p = convertFactor(b, x[0], lhs, rhs, acc), q = convertFactor(b, x[1], rhs, lhs, acc);
  if (fits) {
    constexpr auto kFlags = arith::IntegerOverflowFlags::nsw;
    return {arith::AddIOp::create(b, running, arith::MulIOp::create(b, p, q, kFlags), kFlags)};
  }
  if (isFloat(acc))
    return {arith::AddFOp::create(b, running, arith::MulFOp::create(b, p, q))};
  return {arith::AddIOp::create(b, running, arith::MulIOp::create(b, p, q))};
}

/// What whoever multiplies may do.
static void keepConsent(Operation *product, Value sum) {
  MLIRContext *context = product->getContext();
  if (product->hasAttr(graph::kTf32Attr))
    sum.getDefiningOp()->setAttr(kernel::kTf32Attr, UnitAttr::get(context));
  Type lhs = elementOf(product->getOperand(0)), rhs = elementOf(product->getOperand(1));
  auto isFast = [](Type type) { return isa<Float8E4M3FNType, Float8E5M2Type>(type); };
  if (product->hasAttr(graph::kF8SumsAttr) && isFast(lhs) && isFast(rhs))
    sum.getDefiningOp()->setAttr(kernel::kByteFloatsAttr,
                                 ArrayAttr::get(context, {TypeAttr::get(lhs), TypeAttr::get(rhs)}));
}

static Tensors lowerContract(graph::ContractOp op, KernelEmitter &emitter) {
  OpBuilder &builder = emitter.getBuilder();
  std::string letters = op.getResultLetters().str();
  size_t kept = letters.size();
  for (char letter : (op.getLhsLetters() + op.getRhsLetters()).str())
    if (letters.find(letter) == std::string::npos)
      letters += letter;
  auto mapOf = [&](StringRef operand) {
    SmallVector<AffineExpr> exprs;
    for (char letter : operand)
      exprs.push_back(builder.getAffineDimExpr(letters.find(letter)));
    return AffineMap::get(letters.size(), 0, exprs, builder.getContext());
  };
  Type lhs = elementOf(op.getLhs()), rhs = elementOf(op.getRhs()), acc = op.getAccumulatorType();
  if (op.getAcc())
    emitter.askForSumsIn(getKernelElementType(acc));
  ArrayRef<DimAttr> dims = dimsOf(op.getResult());
  Value init = emitter.fill("acc_init", dims, emitter.number(getKernelElementType(acc), 0));
  graph::DimExpr count = graph::DimExpr::constant(op.getContext(), 1);
  for (char letter : StringRef(letters).drop_front(kept)) {
    size_t place = op.getLhsLetters().find(letter);
    count = count * graph::DimExpr(place != StringRef::npos
                                       ? dimsOf(op.getLhs())[place]
                                       : dimsOf(op.getRhs())[op.getRhsLetters().find(letter)]);
  }
  bool fits = fitsAccumulator(op, count, lhs, rhs, acc);
  Value sum = emitter.reduce("acc", kept, letters.size() - kept,
                             {{emitter.lookup(op.getLhs()), mapOf(op.getLhsLetters())},
                              {emitter.lookup(op.getRhs()), mapOf(op.getRhsLetters())}},
                             init, mapOf(op.getResultLetters()),
                             [&](BodyBuilder &b, ValueRange x, ValueRange running) {
                               return multiplyAdd(b, x, running[0], lhs, rhs, acc, fits);
                             })[0];
  keepConsent(op, sum);
  return SmallVector<Value>{finish(emitter, sum, dims, acc, elementOf(op.getResult()))};
}

//===----------------------------------------------------------------------===//
// conv and window_reduce. Padding was made explicit before.
//===----------------------------------------------------------------------===//

static bool hasPadding(graph::DimArrayAttr lo, graph::DimArrayAttr hi) {
  auto isZero = [](DimAttr dim) { return dim.getConstant() == 0; };
  return !llvm::all_of(lo, isZero) || !llvm::all_of(hi, isZero);
}

static Tensors lowerConv(graph::ConvOp op, KernelEmitter &emitter) {
  if (hasPadding(op.getLo(), op.getHi())) {
    op.emitError("the padding of a convolution must be explicit before kernels are formed");
    return failure();
  }
  OpBuilder &builder = emitter.getBuilder();
  graph::ConvLayout layout = op.getConvLayout();
  size_t spatial = layout.spatialRank(), rank = spatial + 2;
  // Loops: the result's dims in their order, then input channels of a group, then the window.
  auto loop = [&](size_t i) { return builder.getAffineDimExpr(i); };
  AffineExpr channel = loop(rank);
  SmallVector<AffineExpr> x(rank), weight(rank);
  x[layout.xBatch] = loop(layout.resultBatch);
  weight[layout.weightOutput] = loop(layout.resultChannel);
  weight[layout.weightInput] = channel;
  int64_t groups = op.getGroups();
  x[layout.xChannel] = channel;
  DimAttr outputs = dimsOf(op.getWeight())[layout.weightOutput];
  DimAttr inputs = dimsOf(op.getWeight())[layout.weightInput];
  // A channel's group is its place divided by a number that may be known in a run only.
  const bool isOpen = groups > 1 && (!outputs.isConstant() || !inputs.isConstant());
  if (groups > 1 && !isOpen) {
    int64_t perGroup = outputs.getValue() / groups;
    AffineExpr output = loop(layout.resultChannel);
    AffineExpr group = perGroup == 1 ? output : output.floorDiv(perGroup);
    x[layout.xChannel] = inputs.getValue() == 1 ? group : group * inputs.getValue() + channel;
  }
  for (size_t i = 0; i < spatial; ++i) {
    AffineExpr window = loop(rank + 1 + i);
    weight[layout.weightSpatial[i]] = window;
    x[layout.xSpatial[i]] =
        loop(layout.resultSpatial[i]) * op.getStrides()[i] + window * op.getDilations()[i];
  }
  unsigned loops = rank + 1 + spatial;
  auto mapOf = [&](ArrayRef<AffineExpr> exprs) {
    return AffineMap::get(loops, 0, exprs, builder.getContext());
  };
  Type lhs = elementOf(op.getX()), rhs = elementOf(op.getWeight()), acc = op.getAccumulatorType();
  if (op.getAcc())
    emitter.askForSumsIn(getKernelElementType(acc));
  ArrayRef<DimAttr> dims = dimsOf(op.getResult());
  Value init = emitter.fill("acc_init", dims, emitter.number(getKernelElementType(acc), 0));
  graph::DimExpr count = graph::DimExpr::constant(op.getContext(), 1);
  for (auto [dim, extent] : llvm::enumerate(dimsOf(op.getWeight())))
    if (int64_t(dim) != layout.weightOutput)
      count = count * graph::DimExpr(extent);
  bool fits = fitsAccumulator(op, count, lhs, rhs, acc);
  KernelEmitter::Read factor = {emitter.lookup(op.getWeight()), mapOf(weight)};
  AffineMap places = builder.getMultiDimIdentityMap(loops).getMajorSubMap(rank);
  Value sum, input = emitter.lookup(op.getX());
  if (isOpen) {
    // Bounded, so that the generator sees what is read.
    graph::DimExpr one = graph::DimExpr::constant(op.getContext(), 1);
    graph::DimExpr perGroup = graph::DimExpr::max(graph::DimExpr(outputs).floorDiv(groups), one);
    Value divisor = emitter.extent(perGroup), width = emitter.extent(inputs),
          last = emitter.extent(graph::DimExpr(dimsOf(op.getX())[layout.xChannel]) - 1);
    sum = emitter.reduce(
        "acc", rank, 1 + spatial, {factor}, init, places,
        [&](BodyBuilder &b, ValueRange v, ValueRange running) {
          auto here = [&](size_t i) -> Value { return linalg::IndexOp::create(b, i); };
          auto scaled = [&](Value at, int64_t by) -> Value {
            return by == 1 ? at
                           : arith::MulIOp::create(b, at, arith::ConstantIndexOp::create(b, by));
          };
          SmallVector<Value> at(rank);
          at[layout.xBatch] = here(layout.resultBatch);
          Value group = arith::DivUIOp::create(b, here(layout.resultChannel), divisor);
          Value channel =
              arith::AddIOp::create(b, arith::MulIOp::create(b, group, width), here(rank));
          at[layout.xChannel] = arith::MinSIOp::create(b, channel, last);
          for (size_t i = 0; i < spatial; ++i)
            at[layout.xSpatial[i]] =
                arith::AddIOp::create(b, scaled(here(layout.resultSpatial[i]), op.getStrides()[i]),
                                      scaled(here(rank + 1 + i), op.getDilations()[i]));
          Value factors[] = {extract(b, input, at), v[0]};
          return multiplyAdd(b, factors, running[0], lhs, rhs, acc, fits);
        })[0];
  } else {
    sum = emitter.reduce("acc", rank, 1 + spatial, {{input, mapOf(x)}, factor}, init, places,
                         [&](BodyBuilder &b, ValueRange v, ValueRange running) {
                           return multiplyAdd(b, v, running[0], lhs, rhs, acc, fits);
                         })[0];
  }
  keepConsent(op, sum);
  return SmallVector<Value>{finish(emitter, sum, dims, acc, elementOf(op.getResult()))};
}

/// The window's extents are no operand's: an empty tensor of them gives the reduction loops their
/// range.
static Tensors lowerWindowReduce(graph::WindowReduceOp op, KernelEmitter &emitter) {
  if (hasPadding(op.getLo(), op.getHi())) {
    op.emitError("the padding of a window must be explicit before kernels are formed");
    return failure();
  }
  OpBuilder &builder = emitter.getBuilder();
  StringRef kind = stringifyWindowKind(op.getKind());
  Type element = elementOf(op.getX()), acc = accumulatorOf(kind, element);
  ArrayRef<DimAttr> dims = dimsOf(op.getResult());
  size_t rank = dims.size(), windows = op.getAxes().size();
  SmallVector<AffineExpr> x, window;
  for (size_t i = 0; i < rank; ++i)
    x.push_back(builder.getAffineDimExpr(i));
  for (auto [i, axis] : llvm::enumerate(op.getAxes())) {
    window.push_back(builder.getAffineDimExpr(rank + i));
    x[axis] = x[axis] * op.getStrides()[i] + window.back() * op.getDilations()[i];
  }
  auto mapOf = [&](ArrayRef<AffineExpr> exprs) {
    return AffineMap::get(rank + windows, 0, exprs, builder.getContext());
  };
  SmallVector<DimAttr> windowDims = graph::getDims(op.getContext(), op.getWindow());
  Value extents = emitter.empty(windowDims, getKernelElementType(element));
  Value init = emitter.fill("init", dims, neutralScalar(emitter, kind, acc));
  Value result = emitter.reduce(
      kind, rank, windows, {{emitter.lookup(op.getX()), mapOf(x)}, {extents, mapOf(window)}}, init,
      builder.getMultiDimIdentityMap(rank + windows).getMajorSubMap(rank),
      [&](BodyBuilder &b, ValueRange v, ValueRange running) {
        Value value = convertScalar(b, v[0], element, acc);
        return SmallVector<Value>{combineScalars(b, kind, acc, running[0], value)};
      })[0];
  return SmallVector<Value>{finish(emitter, result, dims, acc, element)};
}

void tessera::lower::attachContractions(MLIRContext &context) {
  graph::ContractOp::attachInterface<
      Model<graph::ContractOp, FusionClass::Contraction, lowerContract>>(context);
}
void tessera::lower::attachWindows(MLIRContext &context) {
  graph::ConvOp::attachInterface<Model<graph::ConvOp, FusionClass::Contraction, lowerConv>>(
      context);
  graph::WindowReduceOp::attachInterface<
      Model<graph::WindowReduceOp, FusionClass::Reduction, lowerWindowReduce>>(context);
}
