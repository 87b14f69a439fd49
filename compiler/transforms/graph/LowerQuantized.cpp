//===- LowerQuantized.cpp - Quantized models compute in integers ----------------------------===//
// 1. What only places elements (reshape, transpose, slice, pad, concat, maxima of windows, ...)
// does so
//    before `dequantize`, on 8 bits. Quantizing what was just dequantized by the same rule is
//    nothing.
// 2. A contraction or convolution of two dequantized operands sums integers (IntegerProduct.h), and
//    one multiplication by the product of the scales follows. Likewise when the operands are
//    integers less their zero points.
// 3. A bias that was dequantized by that same product is added to the integers.
// 4. What follows elementwise multiplies by the reciprocals of constants and of scales that
//    quantize it, and joins constants (AffineChain.h). All of this is elementwise, so it becomes
//    the epilogue of the product's kernel.
//
// Sums are exact, so they differ from those of the model only by what its f32 arithmetic rounds;
// (3) and (4) round once more or less. A quantized result may be one step off where the quotient
// lies within this error of a tie.

#include "compiler/reference/Tensor.h"
#include "compiler/transforms/graph/AffineChain.h"
#include "compiler/transforms/graph/IntegerProduct.h"
#include "compiler/transforms/graph/Passes.h"
#include "compiler/transforms/graph/PlacesElements.h"

#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "llvm/ADT/SetVector.h"

#include <cmath>

namespace tessera::transforms {
#define GEN_PASS_DEF_GRAPHLOWERQUANTIZED
#include "compiler/transforms/graph/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;
using namespace tessera::transforms;
using graph::DimAttr;
using graph::DimExpr;
using graph::GraphBuilder;

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

static std::optional<reference::Tensor> readConstant(Value value);

/// The elements of a constant that is broadcast to known extents.
static std::optional<reference::Tensor> readBroadcast(graph::BroadcastOp op) {
  std::optional<reference::Tensor> source = readConstant(op.getX());
  graph::TensorType from = graph::getTensorType(op.getX());
  if (!source || !op.getType().hasStaticShape() || !from.hasStaticShape())
    return std::nullopt;
  reference::Tensor result(source->getElementType(), op.getType().getShape());
  SmallVector<int64_t> strides(op.getType().rank(), 0); // of the source, at the result's dims
  int64_t stride = 1;
  for (int64_t dim = from.rank(); dim-- > 0; stride *= from.getDim(dim).getValue())
    strides[op.getDims()[dim]] = from.getDim(dim).getConstant() == 1 ? 0 : stride;
  for (int64_t i = 0; i < result.size(); ++i) {
    int64_t rest = i, place = 0;
    for (int64_t dim = op.getType().rank(); dim-- > 0;) {
      int64_t extent = op.getType().getDim(dim).getValue();
      place += rest % extent * strides[dim];
      rest /= extent;
    }
    result.copyElement(i, *source, place);
  }
  return result;
}

/// The elements of a constant that was perhaps reshaped or repeated.
static std::optional<reference::Tensor> readConstant(Value value) {
  while (auto reshape = value.getDefiningOp<graph::ReshapeOp>())
    value = reshape.getX();
  if (auto broadcast = value.getDefiningOp<graph::BroadcastOp>())
    return readBroadcast(broadcast);
  auto constant = value.getDefiningOp<graph::ConstantOp>();
  if (!constant || !graph::getTensorType(value).getElementType().isIntOrFloat())
    return std::nullopt;
  llvm::Expected<reference::Tensor> tensor = reference::toTensor(constant.getValue());
  if (tensor)
    return std::move(*tensor);
  llvm::consumeError(tensor.takeError()); // Who needs the bytes says so.
  return std::nullopt;
}

/// Whether two parameters of quantization are the same, absent ones included.
static bool isSame(Value a, Value b) {
  if (a == b)
    return true;
  if (!a || !b || a.getType() != b.getType())
    return false;
  std::optional<reference::Tensor> x = readConstant(a), y = readConstant(b);
  return x && y && x->getBytes() == y->getBytes();
}

static bool isOrdinaryScale(double scale) {
  return scale > std::ldexp(1.0, -100) && scale < std::ldexp(1.0, 100);
}

/// A scale by which numbers of 8 and 16 bits are multiplied and divided without getting lost.
static bool isOrdinaryScale(Value scale) {
  std::optional<reference::Tensor> numbers = readConstant(scale);
  if (!numbers)
    return false;
  for (int64_t i = 0; i < numbers->size(); ++i)
    if (!isOrdinaryScale(numbers->real(i)))
      return false;
  return true;
}

/// Such a scale, or min(max(a scale, ordinary), ordinary): that is one, or NaN.
static bool isOrdinaryOrNan(Value scale) {
  if (isOrdinaryScale(scale))
    return true;
  auto isBound = [](Value value) {
    auto splat = llvm::dyn_cast_or_null<FloatAttr>(graph::getSplat(value));
    return splat && isOrdinaryScale(splat.getValueAsDouble());
  };
  auto min = scale.getDefiningOp<graph::MinOp>();
  auto max = min && isBound(min.getY()) ? min.getX().getDefiningOp<graph::MaxOp>() : graph::MaxOp();
  return max && isBound(max.getY());
}

//===----------------------------------------------------------------------===//
// (1)
//===----------------------------------------------------------------------===//

/// A dequantize of whole tensors of integers, which commutes with what places elements.
static graph::DequantizeOp matchUniform(Value value) {
  auto op = value.getDefiningOp<graph::DequantizeOp>();
  return op && !op.getAxis() && isInteger(graph::getTensorType(op.getX()).getElementType())
             ? op
             : graph::DequantizeOp();
}

static Value dequantizeLike(GraphBuilder &b, graph::DequantizeOp op, Value x) {
  Type element = graph::getTensorType(op.getResult()).getElementType();
  return b.create<graph::DequantizeOp>(graph::getTensorType(x).withElementType(element), x,
                                       op.getScale(), op.getZeroPoint(), IntegerAttr(),
                                       IntegerAttr());
}

/// Every window holds an element: padding alone would give -infinity, and no integer is that.
static bool isNeverEmpty(graph::WindowReduceOp op) {
  for (auto [i, window] : llvm::enumerate(op.getWindow())) {
    DimExpr lo = op.getLo()[i], hi = op.getHi()[i];
    DimAttr last = graph::getDim(op.getContext(), window - 1);
    bool covers =
        graph::isKnownLessEqual(lo.get(), last) && graph::isKnownLessEqual(hi.get(), last);
    // Of an empty x, padding that is shorter than a window makes no result.
    bool hasInput =
        graph::isKnownPositive(graph::getTensorType(op.getX()).getDim(op.getAxes()[i])) ||
        graph::isKnownLessEqual((lo + hi).get(), last);
    if (op.getDilations()[i] != 1 || !covers || !hasInput)
      return false;
  }
  return true;
}

static bool isSplatOf(Value value, double number) {
  auto splat = llvm::dyn_cast_or_null<FloatAttr>(graph::getSplat(value));
  return splat && splat.getValueAsDouble() == number;
}

bool transforms::placesElements(Operation *op) {
  if (auto window = llvm::dyn_cast<graph::WindowReduceOp>(op))
    return (window.getKind() == graph::WindowKind::max ||
            window.getKind() == graph::WindowKind::min) &&
           isNeverEmpty(window);
  if (auto resize = llvm::dyn_cast<graph::ResizeOp>(op))
    return resize.getMode() == graph::ResizeMode::nearest;
  if (auto pad = llvm::dyn_cast<graph::PadOp>(op))
    return pad.getMode() != graph::PadMode::constant || isSplatOf(pad.getValue(), 0);
  return llvm::isa<graph::ReshapeOp, graph::TransposeOp, graph::SliceOp, graph::BroadcastOp,
                   graph::ReverseOp, graph::GatherOp>(op);
}

namespace {
struct PlaceBeforeDequantize : RewritePattern {
  explicit PlaceBeforeDequantize(MLIRContext *context)
      : RewritePattern(MatchAnyOpTypeTag(), 1, context) {}

  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    if (op->getNumOperands() == 0 || op->getNumResults() != 1 || !placesElements(op))
      return failure();
    auto dequantize = matchUniform(op->getOperand(0));
    if (!dequantize)
      return failure();
    // Maxima need an order that stays.
    if (llvm::isa<graph::WindowReduceOp>(op) && !isOrdinaryOrNan(dequantize.getScale()))
      return failure();
    GraphBuilder b(rewriter, op->getLoc());
    Type element = graph::getTensorType(dequantize.getX()).getElementType();
    Value zero = dequantize.getZeroPoint();
    if (auto pad = llvm::dyn_cast<graph::PadOp>(op);
        pad && pad.getMode() == graph::PadMode::constant && !zero)
      zero = b.scalar(element, 0);
    Operation *placed = rewriter.clone(*op);
    placed->setOperand(0, dequantize.getX());
    if (auto pad = llvm::dyn_cast<graph::PadOp>(placed);
        pad && pad.getMode() == graph::PadMode::constant)
      pad.getValueMutable().assign(zero);
    Value result = placed->getResult(0);
    result.setType(graph::getTensorType(result).withElementType(element));
    rewriter.replaceOp(op, dequantizeLike(b, dequantize, result));
    return success();
  }
};
} // namespace

static LogicalResult concatBeforeDequantize(graph::ConcatOp op, PatternRewriter &rewriter) {
  SmallVector<Value> integers;
  graph::DequantizeOp first;
  for (Value operand : op->getOperands()) {
    auto dequantize = matchUniform(operand);
    if (!dequantize)
      return failure();
    first = first ? first : dequantize;
    if (dequantize.getX() != first.getX() &&
        (graph::getTensorType(dequantize.getX()).getElementType() !=
             graph::getTensorType(first.getX()).getElementType() ||
         !isSame(dequantize.getScale(), first.getScale()) ||
         !isSame(dequantize.getZeroPoint(), first.getZeroPoint())))
      return failure();
    integers.push_back(dequantize.getX());
  }
  if (!first)
    return failure();
  Operation *placed = rewriter.clone(*op);
  placed->setOperands(integers);
  Value result = placed->getResult(0);
  result.setType(graph::getTensorType(op.getResult())
                     .withElementType(graph::getTensorType(first.getX()).getElementType()));
  GraphBuilder b(rewriter, op.getLoc());
  rewriter.replaceOp(op, dequantizeLike(b, first, result));
  return success();
}

/// fl(fl(n * s) / s) rounds to n for every n of 16 bits: two roundings err by less than 2^-7.
static LogicalResult cancelQuantize(graph::QuantizeOp op, PatternRewriter &rewriter) {
  auto dequantize = op.getX().getDefiningOp<graph::DequantizeOp>();
  if (!dequantize || dequantize.getX().getType() != op.getType() ||
      !isInteger(graph::getTensorType(op.getResult()).getElementType()) ||
      dequantize.getAxis() != op.getAxis() || dequantize.getBlock() != op.getBlock() ||
      !graph::getTensorType(op.getX()).getElementType().isF32() ||
      graph::getTensorType(op.getResult()).getElementType().getIntOrFloatBitWidth() > 16 ||
      !isSame(dequantize.getScale(), op.getScale()) ||
      !isSame(dequantize.getZeroPoint(), op.getZeroPoint()) || !isOrdinaryScale(op.getScale()))
    return failure();
  rewriter.replaceOp(op, dequantize.getX());
  return success();
}

//===----------------------------------------------------------------------===//
// (2) to (4)
//===----------------------------------------------------------------------===//

/// The largest extent a sum may have; none when it is not bounded.
static std::optional<int64_t> getBound(DimExpr extent, graph::FuncOp function) {
  if (!extent)
    return std::nullopt;
  graph::DimInterval range = graph::evaluateDimRange(extent.get(), [&](StringRef symbol) {
    graph::DimInterval interval{0};
    if (graph::RangeAttr declared = function.getRange(symbol))
      interval = graph::DimInterval{declared.getLo(), declared.getHi().value_or(interval.hi)};
    return interval;
  });
  if (range.hi == std::numeric_limits<int64_t>::max())
    return std::nullopt;
  return range.hi;
}

namespace {
/// What stands for one product of the model.
class Lowering {
public:
  Lowering(Operation *op, QuantizedFactor x, QuantizedFactor w)
      : op(op), x(std::move(x)), w(std::move(w)), builder(op), b(builder, op->getLoc()) {}

  template <typename OpType> bool run(OpType product);

private:
  void scaleSums(Value sums);
  void addBias(Value &sums);
  void requantize(Value scaled);

  Operation *op;
  QuantizedFactor x, w;
  OpBuilder builder;
  GraphBuilder b;
  std::optional<int64_t> xPlace, wPlace; ///< dims of the result along which scales vary
  int64_t largestSum = 0;
  Operation *replaced = nullptr; ///< whose result the scaled sums are
};
} // namespace

template <typename OpType> bool Lowering::run(OpType product) {
  bool isScaled = bool(x.scale);
  if (isScaled != bool(w.scale))
    return false;
  // Sums of the model's floats do not wrap; sums of its integers wrap in the same way. A scale that
  // is NaN makes each of the products NaN, here and there.
  if (isScaled) {
    if (!isOrdinaryOrNan(x.scale) || !isOrdinaryOrNan(w.scale))
      return false;
    std::optional<int64_t> count =
        getBound(getSummedExtent(product), product->template getParentOfType<graph::FuncOp>());
    constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
    if (!count || *count > kMost / (getLargest(x) * getLargest(w)))
      return false;
    largestSum = *count * getLargest(x) * getLargest(w);
  } else if (!graph::getTensorType(product.getResult()).getElementType().isSignedInteger(32)) {
    return false;
  }
  if (x.axis && !(xPlace = getResultDim(product, true, *x.axis)))
    return false;
  if (w.axis && !(wPlace = getResultDim(product, false, *w.axis)))
    return false;
  Value sums;
  if (isScaled)
    sums = buildExactFloatProduct(b, product, x, w, largestSum);
  if (!sums)
    sums = buildIntegerProduct(b, product, x, w);
  if (!sums)
    return false;
  if (isScaled) {
    scaleSums(sums);
  } else {
    op->getResult(0).replaceAllUsesWith(sums);
    op->erase();
  }
  return true;
}

static SmallVector<int64_t> asList(std::optional<int64_t> place) {
  return place ? SmallVector<int64_t>{*place} : SmallVector<int64_t>();
}

void Lowering::scaleSums(Value sums) {
  replaced = op;
  addBias(sums);
  ArrayRef<DimAttr> dims = graph::getTensorType(op->getResult(0)).getDims();
  Value scaled = b.convert(sums, builder.getF32Type());
  if (xPlace && wPlace) {
    Value xScale = b.broadcast(x.scale, asList(xPlace), dims);
    scaled = b.mul(scaled, b.mul(xScale, b.broadcast(w.scale, asList(wPlace), dims)));
  } else {
    // One vector, or one number.
    Value shared = xPlace ? w.scale : x.scale, own = xPlace ? x.scale : w.scale;
    Value both = b.mul(own, b.broadcast(shared, {}, graph::getTensorType(own).getDims()));
    scaled = b.mul(scaled, b.broadcast(both, asList(xPlace ? xPlace : wPlace), dims));
  }
  replaced->getResult(0).replaceAllUsesWith(scaled);
  if (replaced != op)
    replaced->erase();
  op->erase();
  requantize(scaled);
}

/// (3) add(product, broadcast(dequantize(bias))), its scale the product of the operands'.
void Lowering::addBias(Value &sums) {
  Value result = op->getResult(0);
  bool isInteger = graph::getTensorType(sums).getElementType().isSignedInteger(32);
  if (!isInteger || !result.hasOneUse() || (x.axis && w.axis))
    return;
  auto add = llvm::dyn_cast<graph::AddOp>(*result.user_begin());
  if (!add || add->getBlock() != op->getBlock())
    return;
  Value other = add.getX() == result ? add.getY() : add.getX();
  auto broadcast = other.getDefiningOp<graph::BroadcastOp>();
  auto bias = (broadcast ? broadcast.getX() : other).getDefiningOp<graph::DequantizeOp>();
  // Placed before dequantizing by (1) where it has one scale.
  if (!bias || bias.getZeroPoint() || bias.getBlock() ||
      !graph::getTensorType(bias.getX()).getElementType().isSignedInteger(32))
    return;
  SmallVector<int64_t> places;
  if (broadcast)
    llvm::append_range(places, broadcast.getDims());
  else
    llvm::append_range(places, llvm::seq<int64_t>(0, graph::getTensorType(other).rank()));
  // Every index of the bias has the scale that the sum at its place has.
  std::optional<int64_t> along = xPlace ? xPlace : wPlace;
  std::optional<reference::Tensor> shared = readConstant(xPlace ? w.scale : x.scale),
                                   own = readConstant(xPlace ? x.scale : w.scale),
                                   mine = readConstant(bias.getScale());
  if (!shared || !own || !mine || shared->size() != 1 || mine->size() != own->size())
    return;
  if (along && (!bias.getAxis() || places[*bias.getAxis()] != *along))
    return;
  for (int64_t i = 0; i < own->size(); ++i) {
    double wanted = shared->real(0) * own->real(i);
    if (!(std::fabs(mine->real(i) - wanted) <= 1e-6 * std::fabs(wanted)))
      return;
  }
  Value numbers = bias.getX();
  while (Operation *view = numbers.getDefiningOp()) {
    if (!llvm::isa<graph::BroadcastOp, graph::ReshapeOp>(view))
      break;
    numbers = view->getOperand(0);
  }
  std::optional<reference::Tensor> constant = readConstant(numbers);
  if (!constant)
    return;
  for (int64_t i = 0; i < constant->size(); ++i)
    if (std::abs(constant->integer(i)) > std::numeric_limits<int32_t>::max() - largestSum)
      return;
  builder.setInsertionPoint(add);
  sums = b.add(sums, b.broadcast(bias.getX(), places, graph::getTensorType(result).getDims()));
  replaced = add;
}

/// Multiplies by the reciprocal of a scale instead of dividing by it.
static void invertScale(graph::QuantizeOp quantize) {
  Value scale = quantize.getScale(), x = quantize.getX();
  auto splat = llvm::dyn_cast_or_null<FloatAttr>(graph::getSplat(scale));
  if (quantize.getBlock() || !graph::getTensorType(scale).getElementType().isF32() ||
      !isOrdinaryScale(scale) || (splat && splat.getValueAsDouble() == 1))
    return;
  OpBuilder builder(quantize);
  GraphBuilder b(builder, quantize.getLoc());
  Value scaled;
  if (splat) {
    scaled = multiplyChain(b, x, 1 / splat.getValueAsDouble());
  } else {
    Value inverse = b.div(b.fillLike(scale, 1), scale);
    ArrayRef<DimAttr> dims = graph::getTensorType(x).getDims();
    scaled = b.mul(x, b.broadcast(inverse, asList(quantize.getAxis()), dims));
  }
  quantize.getXMutable().assign(scaled);
  quantize.getScaleMutable().assign(b.fillLike(scale, 1));
}

/// x / c as x (1/c), c an ordinary number, and sums and products with such numbers joined with what
/// stands before. Gives what stands for the result.
static Value join(Operation *op, Value x) {
  if (!llvm::isa<graph::AddOp, graph::MulOp, graph::DivOp>(op))
    return op->getResult(0);
  bool isLeft = op->getOperand(0) == x;
  auto constant = llvm::dyn_cast_or_null<FloatAttr>(graph::getSplat(op->getOperand(isLeft)));
  double number = constant ? constant.getValueAsDouble() : 0;
  if (!isOrdinaryScale(std::fabs(number)) || (llvm::isa<graph::DivOp>(op) && !isLeft))
    return op->getResult(0);
  OpBuilder builder(op);
  GraphBuilder b(builder, op->getLoc());
  Value joined = llvm::isa<graph::AddOp>(op)   ? addToChain(b, x, number)
                 : llvm::isa<graph::MulOp>(op) ? multiplyChain(b, x, number)
                                               : multiplyChain(b, x, 1 / number);
  op->getResult(0).replaceAllUsesWith(joined);
  op->erase();
  return joined;
}

/// (4) All that follows from the scaled sums element by element, or only places them.
void Lowering::requantize(Value scaled) {
  SetVector<Value> follow;
  follow.insert(scaled);
  for (size_t i = 0; i < follow.size(); ++i) {
    SmallVector<Operation *> users(follow[i].getUsers());
    SmallPtrSet<Operation *, 4> seen;
    for (Operation *user : users) {
      if (!seen.insert(user).second || user->getNumResults() != 1)
        continue;
      if (auto quantize = llvm::dyn_cast<graph::QuantizeOp>(user)) {
        if (quantize.getX() == follow[i])
          invertScale(quantize);
        continue;
      }
      auto type = llvm::dyn_cast<graph::TensorType>(user->getResult(0).getType());
      bool goesOn = user->hasTrait<graph::Elementwise>() || placesElements(user) ||
                    llvm::isa<graph::DecomposableOpInterface, graph::ConcatOp>(user);
      if (!goesOn || !type || !type.getElementType().isF32())
        continue;
      follow.insert(join(user, follow[i]));
    }
  }
}

template <typename OpType> static bool lowerProduct(OpType op, Value left, Value right) {
  std::optional<QuantizedFactor> x = matchFactor(left), w = matchFactor(right);
  return x && w && Lowering(op, *x, *w).run(op);
}

namespace {
struct GraphLowerQuantized : transforms::impl::GraphLowerQuantizedBase<GraphLowerQuantized> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<PlaceBeforeDequantize>(&getContext());
    patterns.add(concatBeforeDequantize).add(cancelQuantize);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      return signalPassFailure();
    SmallVector<Operation *> products;
    getOperation().walk([&](Operation *op) {
      if (llvm::isa<graph::ContractOp, graph::ConvOp>(op))
        products.push_back(op);
    });
    for (Operation *op : products) {
      if (auto contract = llvm::dyn_cast<graph::ContractOp>(op))
        numProducts += lowerProduct(contract, contract.getLhs(), contract.getRhs());
      else if (auto conv = llvm::dyn_cast<graph::ConvOp>(op))
        numProducts += lowerProduct(conv, conv.getX(), conv.getWeight());
    }
  }
};
} // namespace
