//===- GradientProduct.cpp - Derivatives of contractions and convolutions ------------------===//

#include "dialects/graph/GradientRules.h"

#include <functional>
#include <limits>
#include <numeric>

using namespace mlir;

namespace tessera::graph {
namespace {

using DimList = SmallVector<DimAttr>;

//===----------------------------------------------------------------------===//
// contract
//===----------------------------------------------------------------------===//

/// The adjoint times the other operand, summed over what this operand lacks. A letter that this
/// operand alone has was summed by itself: its elements all get the same.
Value operandAdjoint(ContractOp op, Adjoints &a, Value operand, StringRef letters, Value other,
                     StringRef otherLetters) {
  TensorType type = getTensorType(operand);
  std::string kept;
  DimList dims;
  SmallVector<int64_t> places;
  for (auto [i, letter] : llvm::enumerate(letters))
    if (op.getResultLetters().contains(letter) || otherLetters.contains(letter)) {
      kept += letter;
      dims.push_back(type.getDim(i));
      places.push_back(i);
    }
  std::string equation = (op.getResultLetters() + "," + otherLetters + "->" + kept).str();
  Value product = a.create<ContractOp>(type.withDims(dims), a.getBuilder().getStringAttr(equation),
                                       a.of(op), other, op.getAccAttr());
  return a.broadcast(product, places, type.getDims());
}

LogicalResult ofContract(ContractOp op, Adjoints &a) {
  Value lhs = op.getLhs(), rhs = op.getRhs();
  if (a.wants(lhs))
    a.give(lhs, operandAdjoint(op, a, lhs, op.getLhsLetters(), rhs, op.getRhsLetters()));
  if (a.wants(rhs))
    a.give(rhs, operandAdjoint(op, a, rhs, op.getRhsLetters(), lhs, op.getLhsLetters()));
  return success();
}

//===----------------------------------------------------------------------===//
// Convolutions
//===----------------------------------------------------------------------===//

/// What conv and conv_transpose have in common, all in the order batch, channels, space (weight:
/// its outer channels, its inner ones, space).
struct Convolution {
  ArrayRef<int64_t> strides, dilations;
  DimArrayAttr lo, hi;
  int64_t groups;
  size_t spatialRank;
};

SmallVector<int64_t> orderOf(int64_t first, int64_t second, ArrayRef<int64_t> spatial) {
  SmallVector<int64_t> perm = {first, second};
  llvm::append_range(perm, spatial);
  return perm;
}
SmallVector<int64_t> invert(ArrayRef<int64_t> perm) {
  SmallVector<int64_t> inverse(perm.size());
  for (auto [i, dim] : llvm::enumerate(perm))
    inverse[dim] = i;
  return inverse;
}

/// The first elements of the spatial dims.
Value trim(Adjoints &a, Value x, ArrayRef<DimAttr> spatial) {
  TensorType type = getTensorType(x);
  MLIRContext *context = x.getContext();
  DimList dims(type.getDims().take_front(2));
  llvm::append_range(dims, spatial);
  if (type.getDims() == ArrayRef(dims))
    return x;
  DimList starts(dims.size(), getDim(context, 0)), steps(dims.size(), getDim(context, 1));
  return a.create<SliceOp>(x, starts, steps, dims);
}

Value convolve(Adjoints &a, Value x, Value weight, ArrayRef<int64_t> strides,
               ArrayRef<int64_t> dilations, const Convolution &c) {
  return a.create<ConvOp>(x, weight, strides, dilations, c.lo, c.hi, c.groups, StringAttr(),
                          TypeAttr());
}

/// sum over n, y of small[n, o, y] * large[n, c, y * stride + k * dilation - lo] as a convolution
/// with the batch as channels, and the roles of strides and dilations exchanged. [o, c, k]
Value weightAdjoint(Adjoints &a, Value large, Value small, ArrayRef<DimAttr> window,
                    const Convolution &c) {
  SmallVector<int64_t> swap = {1, 0};
  for (size_t i = 0; i < c.spatialRank; ++i)
    swap.push_back(2 + i);
  Value product =
      convolve(a, a.transpose(large, swap), a.transpose(small, swap), c.dilations, c.strides, c);
  return a.transpose(trim(a, product, window), swap);
}

/// The same in groups, where o and c are in the same one: a contraction with the group as its batch
/// for each place k of the window.
FailureOr<Value> groupedWeightAdjoint(Adjoints &a, Value large, Value small,
                                      ArrayRef<DimAttr> window, const Convolution &c) {
  SmallVector<int64_t> extents;
  for (DimAttr dim : window) {
    if (!dim.isConstant())
      return a.fail("in groups has no rule for derivatives by windows of unknown extents");
    extents.push_back(dim.getValue());
  }
  MLIRContext *context = large.getContext();
  TensorType type = getTensorType(large);
  DimAttr zero = getDim(context, 0), one = getDim(context, 1), groups = getDim(context, c.groups);
  DimList lo = {zero, zero}, hi = {zero, zero};
  llvm::append_range(lo, c.lo);
  llvm::append_range(hi, c.hi);
  Value padded = a.create<PadOp>(PadMode::constant, large, a.scalar(type.getElementType(), 0),
                                 DimArrayAttr::get(context, ArrayRef<DimAttr>(lo)),
                                 DimArrayAttr::get(context, ArrayRef<DimAttr>(hi)));
  ArrayRef<DimAttr> places = getTensorType(small).getDims().drop_front(2);
  // [batch, group, channels of the group, space]
  auto split = [&](Value x) {
    ArrayRef<DimAttr> dims = getTensorType(x).getDims();
    DimList result = {dims[0], groups, DimExpr(dims[1]).floorDiv(c.groups)};
    llvm::append_range(result, dims.drop_front(2));
    return a.reshape(x, result);
  };
  Value y = split(small);
  const std::string space = StringRef("xyz").take_front(c.spatialRank).str();
  const std::string equation = "ngo" + space + ",ngc" + space + "->goc";
  SmallVector<Value> parts;
  SmallVector<int64_t> place(c.spatialRank, 0);
  const int64_t count =
      std::accumulate(extents.begin(), extents.end(), int64_t(1), std::multiplies<int64_t>());
  for (int64_t k = 0; k < count; ++k) {
    DimList starts = {zero, zero}, steps = {one, one}, dims(type.getDims().take_front(2));
    int64_t rest = k;
    for (size_t i = c.spatialRank; i-- > 0; rest /= extents[i])
      place[i] = rest % extents[i];
    for (size_t i = 0; i < c.spatialRank; ++i) {
      starts.push_back(getDim(context, place[i] * c.dilations[i]));
      steps.push_back(getDim(context, c.strides[i]));
      dims.push_back(places[i]);
    }
    Value read = split(a.create<SliceOp>(padded, starts, steps, dims));
    Value product =
        a.create<ContractOp>(a.getBuilder().getStringAttr(equation), y, read, TypeAttr());
    DimList kept(getTensorType(product).getDims());
    kept.push_back(one);
    parts.push_back(a.reshape(product, kept));
  }
  if (parts.empty())
    return a.fail("in groups has no rule for derivatives by empty windows");
  Value all = a.create<ConcatOp>(parts, 3);
  ArrayRef<DimAttr> dims = getTensorType(all).getDims();
  DimList result = {DimExpr(dims[0]) * DimExpr(dims[1]), dims[2]};
  llvm::append_range(result, window);
  return a.reshape(all, result);
}

FailureOr<Value> anyWeightAdjoint(Adjoints &a, Value large, Value small, ArrayRef<DimAttr> window,
                                  const Convolution &c) {
  if (c.groups > 1)
    return groupedWeightAdjoint(a, large, small, window, c);
  return weightAdjoint(a, large, small, window, c);
}

/// The operands and the adjoint in the common order, and back.
template <typename OpType> struct Ordered {
  Ordered(OpType op, Adjoints &a, bool isTransposed)
      : c{op.getStrides(), op.getDilations(), op.getLo(), op.getHi(), int64_t(op.getGroups()), 0} {
    ConvLayout layout = op.getConvLayout();
    c.spatialRank = layout.spatialRank();
    xOrder = orderOf(layout.xBatch, layout.xChannel, layout.xSpatial);
    int64_t outer = isTransposed ? layout.weightInput : layout.weightOutput;
    int64_t inner = isTransposed ? layout.weightOutput : layout.weightInput;
    weightOrder = orderOf(outer, inner, layout.weightSpatial);
    x = a.transpose(op.getX(), xOrder);
    weight = a.transpose(op.getWeight(), weightOrder);
    Value adjoint = a.convert(a.of(op), getTensorType(op.getX()).getElementType());
    y = a.transpose(adjoint,
                    orderOf(layout.resultBatch, layout.resultChannel, layout.resultSpatial));
  }
  ArrayRef<DimAttr> spatialOf(Value value) const {
    return getTensorType(value).getDims().drop_front(2);
  }

  Convolution c;
  SmallVector<int64_t> xOrder, weightOrder;
  Value x, weight, y; ///< y: the adjoint of the result
};

LogicalResult ofConv(ConvOp op, Adjoints &a) {
  Ordered<ConvOp> o(op, a, /*isTransposed=*/false);
  if (a.wants(op.getX())) {
    // The adjoint of conv in x. What the last window does not reach gets zeros.
    DimList more;
    for (size_t i = 0; i < o.c.spatialRank; ++i) {
      DimExpr reached = (DimExpr(o.spatialOf(o.y)[i]) - 1) * o.c.strides[i] +
                        (DimExpr(o.spatialOf(o.weight)[i]) - 1) * o.c.dilations[i] + 1 -
                        DimExpr(o.c.lo[i]) - DimExpr(o.c.hi[i]);
      more.push_back(DimExpr(o.spatialOf(o.x)[i]) - reached);
    }
    Value back =
        a.create<ConvTransposeOp>(o.y, o.weight, o.c.strides, o.c.dilations, o.c.lo, o.c.hi,
                                  DimArrayAttr::get(op.getContext(), ArrayRef<DimAttr>(more)),
                                  o.c.groups, StringAttr(), TypeAttr());
    a.give(op.getX(), a.transpose(back, invert(o.xOrder)));
  }
  if (a.wants(op.getWeight())) {
    FailureOr<Value> adjoint = anyWeightAdjoint(a, o.x, o.y, o.spatialOf(o.weight), o.c);
    if (failed(adjoint))
      return failure();
    a.give(op.getWeight(), a.transpose(*adjoint, invert(o.weightOrder)));
  }
  return success();
}

LogicalResult ofConvTranspose(ConvTransposeOp op, Adjoints &a) {
  Ordered<ConvTransposeOp> o(op, a, /*isTransposed=*/true);
  if (a.wants(op.getX())) {
    // Padding of the output may let the window slide further than it came from.
    Value back = convolve(a, o.y, o.weight, o.c.strides, o.c.dilations, o.c);
    a.give(op.getX(), a.transpose(trim(a, back, o.spatialOf(o.x)), invert(o.xOrder)));
  }
  if (a.wants(op.getWeight())) {
    FailureOr<Value> adjoint = anyWeightAdjoint(a, o.y, o.x, o.spatialOf(o.weight), o.c);
    if (failed(adjoint))
      return failure();
    a.give(op.getWeight(), a.transpose(*adjoint, invert(o.weightOrder)));
  }
  return success();
}

/// Sums over windows are convolutions with ones: all that is no spatial dim is batch.
LogicalResult ofWindowSum(WindowReduceOp op, Adjoints &a) {
  size_t axes = op.getAxes().size();
  if (axes < 1 || axes > 3)
    return a.fail("has no rule for derivatives along " + llvm::Twine(axes) + " axes");
  TensorType type = getTensorType(op.getX());
  SmallVector<int64_t> perm;
  for (int64_t dim = 0; dim < type.rank(); ++dim)
    if (!llvm::is_contained(op.getAxes(), dim))
      perm.push_back(dim);
  size_t outer = perm.size();
  llvm::append_range(perm, op.getAxes());
  MLIRContext *context = op.getContext();
  auto movedDims = [&](TensorType of) {
    return llvm::map_to_vector(perm, [&](int64_t dim) { return of.getDim(dim); });
  };
  DimList whole = movedDims(type), pooled = movedDims(op.getType());
  DimAttr one = getDim(context, 1);
  DimExpr batch = multiplyDims(context, ArrayRef(whole).take_front(outer));
  if (!batch)
    return a.fail("has too many elements");
  DimList flat = {batch.get(), one}, window = {one, one}, more;
  llvm::append_range(flat, ArrayRef(pooled).drop_front(outer));
  for (size_t i = 0; i < axes; ++i) {
    int64_t reach = (op.getWindow()[i] - 1) * op.getDilations()[i] + 1;
    DimExpr reached = (DimExpr(pooled[outer + i]) - 1) * op.getStrides()[i] + reach -
                      DimExpr(op.getLo()[i]) - DimExpr(op.getHi()[i]);
    more.push_back(DimExpr(whole[outer + i]) - reached);
    window.push_back(getDim(context, op.getWindow()[i]));
  }
  Value y = a.reshape(a.transpose(a.of(op), perm), flat);
  Value ones = a.fill(type.withDims(window), 1);
  Value back = a.create<ConvTransposeOp>(
      y, ones, op.getStrides(), op.getDilations(), op.getLo(), op.getHi(),
      DimArrayAttr::get(context, ArrayRef<DimAttr>(more)), 1, StringAttr(), TypeAttr());
  a.give(op.getX(), a.transpose(a.reshape(back, whole), invert(perm)));
  return success();
}

/// Of equal extreme elements of a window each takes the same share: for each place of the window
/// the elements that it reads, and back to where they were read.
LogicalResult ofWindowExtreme(WindowReduceOp op, Adjoints &a, double neutral) {
  TensorType type = getTensorType(op.getX());
  MLIRContext *context = op.getContext();
  const size_t rank = type.rank();
  DimList lo(rank, getDim(context, 0)), hi(lo), steps(rank, getDim(context, 1));
  int64_t count = 1;
  for (auto [i, axis] : llvm::enumerate(op.getAxes())) {
    lo[axis] = op.getLo()[i];
    hi[axis] = op.getHi()[i];
    steps[axis] = getDim(context, op.getStrides()[i]);
    count *= op.getWindow()[i];
  }
  Value padded =
      a.create<PadOp>(PadMode::constant, op.getX(), a.scalar(type.getElementType(), neutral),
                      DimArrayAttr::get(context, ArrayRef<DimAttr>(lo)),
                      DimArrayAttr::get(context, ArrayRef<DimAttr>(hi)));
  Value y = op.getResult(), zero = a.zeros(y), one = a.ones(y), number;
  SmallVector<std::pair<DimList, Value>> places;
  for (int64_t k = 0; k < count; ++k) {
    DimList starts(rank, getDim(context, 0));
    int64_t rest = k;
    for (size_t i = op.getAxes().size(); i-- > 0; rest /= op.getWindow()[i])
      starts[op.getAxes()[i]] = getDim(context, rest % op.getWindow()[i] * op.getDilations()[i]);
    Value read = a.create<SliceOp>(padded, starts, steps, op.getType().getDims());
    Value isOne = a.compare(CompareKind::eq, read, y);
    Value each = a.select(isOne, one, zero);
    number = number ? a.add(number, each) : each;
    places.push_back({starts, isOne});
  }
  Value share = a.div(a.of(op), number), sum;
  ArrayRef<DimAttr> paddedDims = getTensorType(padded).getDims();
  for (auto &[starts, isOne] : places) {
    Value part = placeAtSteps(a, a.select(isOne, share, zero), starts, steps, paddedDims);
    sum = sum ? a.add(sum, part) : part;
  }
  DimList ones(rank, getDim(context, 1));
  if (paddedDims != type.getDims())
    sum = a.create<SliceOp>(sum, lo, ones, type.getDims());
  a.give(op.getX(), sum);
  return success();
}

LogicalResult ofWindowReduce(WindowReduceOp op, Adjoints &a) {
  const double infinity = std::numeric_limits<double>::infinity();
  switch (op.getKind()) {
  case WindowKind::sum: return ofWindowSum(op, a);
  case WindowKind::max: return ofWindowExtreme(op, a, -infinity);
  case WindowKind::min: return ofWindowExtreme(op, a, infinity);
  case WindowKind::prod: break;
  }
  return a.fail("has no rule for derivatives of kind '" + stringifyWindowKind(op.getKind()) + "'");
}

} // namespace

void addProductRules(SmallVectorImpl<GradientRow> &rows) {
  addRules<ofContract, ofConv, ofConvTranspose, ofWindowReduce>(rows);
}

} // namespace tessera::graph
