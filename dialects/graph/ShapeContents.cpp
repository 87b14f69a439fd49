//===- ShapeContents.cpp - Small tensors as expressions over symbols -------------------===//

#include "dialects/graph/ShapeContents.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace tessera::graph {

using Contents = std::optional<DimList>;
using OperandContents = ArrayRef<std::optional<SmallVector<DimAttr>>>;

//===----------------------------------------------------------------------===//
// The interface
//===----------------------------------------------------------------------===//

/// A float that is an integer which f64 holds.
static std::optional<int64_t> wholeNumber(const llvm::APFloat &value) {
  llvm::APSInt whole(64, /*isUnsigned=*/false);
  bool isExact;
  if (value.convertToInteger(whole, llvm::APFloat::rmTowardZero, &isExact) != llvm::APFloat::opOK ||
      !llvm::isInt<54>(whole.getExtValue()))
    return std::nullopt;
  return whole.getExtValue();
}

Contents ConstantOp::getShapeContents(OperandContents) {
  if (auto floats = llvm::dyn_cast<DenseFPElementsAttr>(getValue())) {
    DimList dims;
    for (const llvm::APFloat &value : floats.getValues<llvm::APFloat>()) {
      std::optional<int64_t> whole = wholeNumber(value);
      if (!whole)
        return std::nullopt;
      dims.push_back(graph::getDim(getContext(), *whole));
    }
    return dims;
  }
  auto dense = llvm::dyn_cast<DenseIntElementsAttr>(getValue());
  if (!dense)
    return std::nullopt;
  bool isUnsigned =
      getType().getElementType().isUnsignedInteger() || isBool(getType().getElementType());
  DimList dims;
  for (const llvm::APInt &value : dense.getValues<llvm::APInt>()) {
    if (isUnsigned && value.getActiveBits() > 63)
      return std::nullopt;
    dims.push_back(graph::getDim(getContext(), isUnsigned ? int64_t(value.getZExtValue())
                                                          : value.getSExtValue()));
  }
  return dims;
}

Contents DimValueOp::getShapeContents(OperandContents) { return DimList{getDim()}; }

Contents ShapeOfOp::getShapeContents(OperandContents) {
  return DimList(getTensorType(getX()).getDims());
}

Contents ReshapeOp::getShapeContents(OperandContents operands) { return operands[0]; }

/// Row-major index to one index per dim, and back.
static SmallVector<int64_t> unravel(int64_t index, ArrayRef<int64_t> shape) {
  SmallVector<int64_t> indices(shape.size());
  for (size_t i = shape.size(); i-- > 0;) {
    indices[i] = index % shape[i];
    index /= shape[i];
  }
  return indices;
}
static int64_t ravel(ArrayRef<int64_t> indices, ArrayRef<int64_t> shape) {
  int64_t index = 0;
  for (auto [i, extent] : llvm::zip(indices, shape))
    index = index * extent + i;
  return index;
}

Contents SliceOp::getShapeContents(OperandContents operands) {
  auto starts = getStarts().getConstants(), steps = getSteps().getConstants();
  if (!operands[0] || !starts || !steps)
    return std::nullopt;
  ArrayRef<int64_t> from = getTensorType(getX()).getShape(), to = getType().getShape();
  DimList dims;
  for (int64_t i = 0, e = *getType().getElementCount(); i < e; ++i) {
    SmallVector<int64_t> indices = unravel(i, to);
    for (size_t d = 0; d < indices.size(); ++d)
      indices[d] = (*starts)[d] + indices[d] * (*steps)[d];
    dims.push_back((*operands[0])[ravel(indices, from)]);
  }
  return dims;
}

Contents ConcatOp::getShapeContents(OperandContents operands) {
  if (!llvm::all_of(operands, [](auto &contents) { return contents.has_value(); }))
    return std::nullopt;
  DimList dims;
  for (int64_t i = 0, e = *getType().getElementCount(); i < e; ++i) {
    SmallVector<int64_t> indices = unravel(i, getType().getShape());
    for (auto [input, contents] : llvm::zip(getInputs(), operands)) {
      int64_t extent = getTensorType(input).getShape()[getAxis()];
      if (indices[getAxis()] < extent) {
        dims.push_back((*contents)[ravel(indices, getTensorType(input).getShape())]);
        break;
      }
      indices[getAxis()] -= extent;
    }
  }
  return dims;
}

Contents GatherOp::getShapeContents(OperandContents operands) {
  if (!operands[0] || !operands[1])
    return std::nullopt;
  TensorType x = getTensorType(getX());
  int64_t axis = getAxis(), indexRank = getTensorType(getIndices()).rank();
  if (!x.hasStaticShape())
    return std::nullopt;
  int64_t extent = x.getShape()[axis];
  DimList dims;
  for (int64_t i = 0, e = *getType().getElementCount(); i < e; ++i) {
    SmallVector<int64_t> out = unravel(i, getType().getShape());
    ArrayRef<int64_t> all = out;
    int64_t which = ravel(all.slice(axis, indexRank), getTensorType(getIndices()).getShape());
    std::optional<int64_t> index = (*operands[1])[which].getConstant();
    if (!index)
      return std::nullopt;
    SmallVector<int64_t> indices(all.take_front(axis));
    int64_t wrapped = *index < 0 ? *index + extent : *index;
    indices.push_back(std::clamp<int64_t>(wrapped, 0, extent - 1));
    llvm::append_range(indices, all.drop_front(axis + indexRank));
    dims.push_back((*operands[0])[ravel(indices, x.getShape())]);
  }
  return dims;
}

Contents IotaOp::getShapeContents(OperandContents) {
  DimList dims;
  for (int64_t i = 0, e = *getType().getElementCount(); i < e; ++i)
    dims.push_back(graph::getDim(getContext(), unravel(i, getType().getShape())[getAxis()]));
  return dims;
}

//===----------------------------------------------------------------------===//
// Elementwise arithmetic
//===----------------------------------------------------------------------===//

static DimExpr makeBool(MLIRContext *context, bool value) {
  return DimExpr::constant(context, value);
}

static DimExpr compare(CompareKind kind, DimAttr a, DimAttr b) {
  MLIRContext *context = a.getContext();
  bool equal = a == b, different = isKnownDifferent(a, b);
  switch (kind) {
  case CompareKind::eq:
  case CompareKind::ne:
    if (!equal && !different)
      return {};
    return makeBool(context, equal == (kind == CompareKind::eq));
  case CompareKind::lt:
    return isKnownLess(a, b)        ? makeBool(context, true)
           : isKnownLessEqual(b, a) ? makeBool(context, false)
                                    : DimExpr();
  case CompareKind::le:
    return isKnownLessEqual(a, b) ? makeBool(context, true)
           : isKnownLess(b, a)    ? makeBool(context, false)
                                  : DimExpr();
  case CompareKind::gt: return compare(CompareKind::lt, b, a);
  case CompareKind::ge: return compare(CompareKind::le, b, a);
  }
  return {};
}

/// One element of an elementwise op; invalid when nothing is known. The element type is si64
/// (exact), or narrower: then only constants that fit are believed.
static DimExpr computeElement(Operation *op, ArrayRef<DimAttr> x) {
  MLIRContext *context = op->getContext();
  auto positiveDivisor = [&] { return isKnownPositive(x[1]); };
  return llvm::TypeSwitch<Operation *, DimExpr>(op)
      .Case([&](AddOp) { return DimExpr(x[0]) + DimExpr(x[1]); })
      .Case([&](SubOp) { return DimExpr(x[0]) - DimExpr(x[1]); })
      .Case([&](MulOp) { return DimExpr(x[0]) * DimExpr(x[1]); })
      .Case([&](MinOp) { return DimExpr::min(x[0], x[1]); })
      .Case([&](MaxOp) { return DimExpr::max(x[0], x[1]); })
      .Case([&](NegOp) { return DimExpr(x[0]) * -1; })
      .Case([&](DivOp) {
        if (isFloat(getTensorType(op->getResult(0)).getElementType()))
          return divideExactly(x[0], x[1]);
        // Truncation is floor where the dividend is not negative.
        return positiveDivisor() && isKnownNonNegative(x[0]) ? DimExpr(x[0]).floorDiv(x[1])
                                                             : DimExpr();
      })
      .Case([&](RemOp) {
        return positiveDivisor() && isKnownNonNegative(x[0]) ? DimExpr(x[0]).mod(x[1]) : DimExpr();
      })
      .Case([&](ModOp) { return positiveDivisor() ? DimExpr(x[0]).mod(x[1]) : DimExpr(); })
      .Case([&](AbsOp) { return isKnownNonNegative(x[0]) ? DimExpr(x[0]) : DimExpr(); })
      .Case([&](CompareOp compareOp) { return compare(compareOp.getKind(), x[0], x[1]); })
      .Case([&](SelectOp) {
        std::optional<int64_t> condition = x[0].getConstant();
        return condition ? DimExpr(x[*condition ? 1 : 2]) : DimExpr();
      })
      .Case([&](NotOp) {
        std::optional<int64_t> value = x[0].getConstant();
        bool isBoolOp = isBool(getTensorType(op->getResult(0)).getElementType());
        return value && isBoolOp ? makeBool(context, !*value) : DimExpr();
      })
      .Case<ConvertOp, FloorOp, CeilOp, RoundOp, TruncOp>([&](Operation *) {
        return DimExpr(x[0]); // which is whole
      })
      .Default([](Operation *) { return DimExpr(); });
}

/// Narrow integers wrap: only constants in their range are the same number as in 64 bits. Extents
/// in si32 are believed (no tensor has 2^31 of anything along an axis that a model computes in 32
/// bits), and so they are in f32, where they are exact up to 2^24.
static bool isRepresentable(DimAttr value, Type element) {
  if (isBool(element))
    return value.getConstant() == 0 || value.getConstant() == 1;
  if (isFloat(element)) {
    std::optional<int64_t> constant = value.getConstant();
    return element.getIntOrFloatBitWidth() >= 32 &&
           (!constant || llvm::isIntN(element.getIntOrFloatBitWidth() == 32 ? 25 : 54, *constant));
  }
  auto type = llvm::dyn_cast<IntegerType>(element);
  if (!type)
    return false;
  std::optional<int64_t> constant = value.getConstant();
  if (!constant)
    return type.getWidth() >= 32 && type.isSigned();
  if (type.getWidth() == 64)
    return type.isSigned() || *constant >= 0;
  return type.isSigned() ? llvm::isIntN(type.getWidth(), *constant)
                         : *constant >= 0 && llvm::isUIntN(type.getWidth(), *constant);
}

static Contents computeElementwise(Operation *op, OperandContents operands) {
  if (!llvm::all_of(operands, [](auto &contents) { return contents.has_value(); }))
    return std::nullopt;
  Type element = getTensorType(op->getResult(0)).getElementType();
  DimList dims;
  for (size_t i = 0, e = operands[0]->size(); i < e; ++i) {
    DimList elements;
    for (auto &contents : operands)
      elements.push_back((*contents)[i]);
    DimExpr result = computeElement(op, elements);
    if (!result || !isRepresentable(result, element))
      return std::nullopt;
    dims.push_back(result);
  }
  return dims;
}

static Contents computeReduce(ReduceOp op, const Contents &operand) {
  // Whole-tensor reductions cover what models do with shapes (the number of elements).
  if (!operand || int64_t(op.getAxes().size()) != getTensorType(op.getX()).rank())
    return std::nullopt;
  MLIRContext *context = op.getContext();
  ReduceKind kind = op.getKind();
  bool isExtremum = kind == ReduceKind::max || kind == ReduceKind::min;
  if (operand->empty() && isExtremum)
    return std::nullopt;
  DimExpr total;
  switch (kind) {
  case ReduceKind::sum: total = DimExpr::constant(context, 0); break;
  case ReduceKind::prod: total = DimExpr::constant(context, 1); break;
  case ReduceKind::max:
  case ReduceKind::min: total = operand->front(); break;
  default: return std::nullopt;
  }
  for (DimAttr dim : *operand)
    total = kind == ReduceKind::sum    ? total + DimExpr(dim)
            : kind == ReduceKind::prod ? total * DimExpr(dim)
            : kind == ReduceKind::max  ? DimExpr::max(total, dim)
                                       : DimExpr::min(total, dim);
  Type element = op.getType().getElementType();
  if (!total || !isRepresentable(total, element))
    return std::nullopt;
  return DimList{total};
}

static Contents computeBroadcast(BroadcastOp op, const Contents &operand) {
  if (!operand)
    return std::nullopt;
  ArrayRef<int64_t> from = getTensorType(op.getX()).getShape(), to = op.getType().getShape();
  DimList dims;
  for (int64_t i = 0, e = *op.getType().getElementCount(); i < e; ++i) {
    SmallVector<int64_t> out = unravel(i, to), in;
    for (auto [d, extent] : llvm::zip(op.getDims(), from))
      in.push_back(extent == 1 ? 0 : out[d]);
    dims.push_back((*operand)[ravel(in, from)]);
  }
  return dims;
}

/// Each element of the result is one of the operand's: `place` turns its indices into where it
/// stood.
static Contents moveElements(TensorType from, TensorType to, const Contents &operand,
                             llvm::function_ref<void(MutableArrayRef<int64_t>)> place) {
  if (!operand)
    return std::nullopt;
  DimList dims;
  for (int64_t i = 0, e = *to.getElementCount(); i < e; ++i) {
    SmallVector<int64_t> indices = unravel(i, to.getShape());
    place(indices);
    dims.push_back((*operand)[ravel(indices, from.getShape())]);
  }
  return dims;
}

static Contents computeTranspose(TransposeOp op, const Contents &operand) {
  return moveElements(getTensorType(op.getX()), op.getType(), operand,
                      [&](MutableArrayRef<int64_t> indices) {
                        SmallVector<int64_t> out(indices);
                        for (auto [d, source] : llvm::enumerate(op.getPerm()))
                          indices[source] = out[d];
                      });
}

static Contents computeReverse(ReverseOp op, const Contents &operand) {
  ArrayRef<int64_t> shape = op.getType().getShape();
  return moveElements(getTensorType(op.getX()), op.getType(), operand,
                      [&](MutableArrayRef<int64_t> indices) {
                        for (int64_t axis : op.getAxes())
                          indices[axis] = shape[axis] - 1 - indices[axis];
                      });
}

//===----------------------------------------------------------------------===//
// The analysis
//===----------------------------------------------------------------------===//

static bool isSmall(Value value) {
  TensorType type = llvm::dyn_cast<TensorType>(value.getType());
  if (!type || !(isNumber(type.getElementType()) || isBool(type.getElementType())))
    return false;
  std::optional<int64_t> count = type.getElementCount();
  return count && *count <= kMaxShapeContents;
}

static Contents compute(Value value, llvm::DenseMap<Value, Contents> &known, int depth);

/// A number that all elements are, as a fraction whose denominator is a small power of two.
static std::optional<std::pair<int64_t, int64_t>> binaryFraction(Value value) {
  auto splat = llvm::dyn_cast_or_null<FloatAttr>(getSplat(value));
  if (!splat)
    return std::nullopt;
  double number = splat.getValueAsDouble();
  for (int64_t denominator = 1; denominator <= 1024; denominator *= 2)
    if (std::optional<int64_t> whole = wholeNumber(llvm::APFloat(number * double(denominator))))
      return std::pair(*whole, denominator);
  return std::nullopt;
}

/// Quotients of floats are no integers until they are rounded: ceil(x / 32) * 32, int(x * 0.5).
/// Those of integers up to 2^24 round in f32 to no integer that they are not.
static Contents computeRounded(Operation *op, llvm::DenseMap<Value, Contents> &known, int depth) {
  Operation *quotient = op->getOperand(0).getDefiningOp();
  if (!llvm::isa_and_nonnull<DivOp, MulOp>(quotient) ||
      !isFloat(getTensorType(quotient->getResult(0)).getElementType()))
    return std::nullopt;
  Contents x, divisor;
  DimExpr factor;
  if (llvm::isa<DivOp>(quotient)) {
    x = compute(quotient->getOperand(0), known, depth);
    divisor = compute(quotient->getOperand(1), known, depth);
  } else {
    for (int i = 0; i < 2 && !divisor; ++i)
      if (auto fraction = binaryFraction(quotient->getOperand(i))) {
        x = compute(quotient->getOperand(1 - i), known, depth);
        factor = DimExpr::constant(op->getContext(), fraction->first);
        if (x)
          divisor.emplace(x->size(), graph::getDim(op->getContext(), fraction->second));
      }
  }
  if (!x || !divisor)
    return std::nullopt;
  DimList dims;
  for (auto [dividend, by] : llvm::zip(*x, *divisor)) {
    DimExpr whole = factor ? DimExpr(dividend) * factor : DimExpr(dividend);
    // What rounds towards zero rounds down where nothing is negative.
    bool isDown = llvm::isa<FloorOp>(op) ||
                  (llvm::isa<TruncOp, ConvertOp>(op) && whole && isKnownNonNegative(whole));
    if (!isKnownPositive(by) || !(isDown || llvm::isa<CeilOp>(op)))
      return std::nullopt;
    DimExpr result = isDown ? whole.floorDiv(by) : whole.ceilDiv(by);
    if (!result || !isRepresentable(result, getTensorType(op->getResult(0)).getElementType()))
      return std::nullopt;
    dims.push_back(result);
  }
  return dims;
}

static Contents compute(Value value, llvm::DenseMap<Value, Contents> &known, int depth) {
  // Shape arithmetic is shallow; the bound keeps hostile chains off the stack.
  constexpr int kMaxDepth = 200;
  if (auto it = known.find(value); it != known.end())
    return it->second;
  Operation *op = value.getDefiningOp();
  bool reads = op && (isSmall(value) || llvm::isa<ShapeOfOp>(op));
  if (!reads || op->getNumResults() != 1 || depth > kMaxDepth)
    return std::nullopt;
  SmallVector<Contents> operands;
  if (!llvm::isa<ShapeOfOp>(op))
    for (Value operand : op->getOperands())
      operands.push_back(compute(operand, known, depth + 1));
  else
    operands.emplace_back();
  Contents result;
  if (auto shaped = llvm::dyn_cast<ShapeContentsOpInterface>(op))
    result = shaped.getShapeContents(operands);
  else if (op->hasTrait<Elementwise>())
    result = computeElementwise(op, operands);
  else if (auto reduce = llvm::dyn_cast<ReduceOp>(op))
    result = computeReduce(reduce, operands[0]);
  else if (auto broadcast = llvm::dyn_cast<BroadcastOp>(op))
    result = computeBroadcast(broadcast, operands[0]);
  else if (auto transpose = llvm::dyn_cast<TransposeOp>(op))
    result = computeTranspose(transpose, operands[0]);
  else if (auto reverse = llvm::dyn_cast<ReverseOp>(op))
    result = computeReverse(reverse, operands[0]);
  auto rounds = [&] {
    auto convert = llvm::dyn_cast<ConvertOp>(op);
    return llvm::isa<FloorOp, CeilOp, TruncOp>(op) ||
           (convert && isInteger(convert.getType().getElementType()));
  };
  if (!result && rounds())
    result = computeRounded(op, known, depth + 1);
  known[value] = result;
  return result;
}

Contents getShapeContents(Value value) {
  if (isFloat(getTensorType(value).getElementType()))
    return std::nullopt;
  llvm::DenseMap<Value, Contents> known;
  return compute(value, known, 0);
}

DimAttr getShapeScalar(Value value) {
  Contents contents = getShapeContents(value);
  return contents && contents->size() == 1 ? contents->front() : DimAttr();
}

} // namespace tessera::graph
