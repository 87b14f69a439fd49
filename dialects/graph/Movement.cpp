//===- Movement.cpp - Elements change place, not value ------------------------------===//

#include "dialects/graph/TextForms.h"

using namespace mlir;

#define GET_OP_CLASSES
#include "dialects/graph/Movement.cpp.inc"

namespace tessera::graph {

void GraphDialect::registerMovementOps() {
  addOperations<
#define GET_OP_LIST
#include "dialects/graph/Movement.cpp.inc"
      >();
}

static DimAttr getOne(MLIRContext *context) { return graph::getDim(context, 1); }

//===----------------------------------------------------------------------===//
// broadcast
//===----------------------------------------------------------------------===//

void BroadcastOp::build(OpBuilder &builder, OperationState &state, Value x, ArrayRef<int64_t> dims,
                        ArrayRef<DimAttr> resultDims) {
  build(builder, state, getTensorType(x).withDims(resultDims), x, dims);
}

void BroadcastOp::build(OpBuilder &builder, OperationState &state, Value x,
                        ArrayRef<DimAttr> resultDims) {
  int64_t shift = int64_t(resultDims.size()) - getTensorType(x).rank();
  auto dims = llvm::to_vector(llvm::seq<int64_t>(shift, resultDims.size()));
  build(builder, state, x, dims, resultDims);
}

LogicalResult BroadcastOp::verify() {
  TensorType from = getTensorType(getX()), to = getType();
  ArrayRef<int64_t> dims = getDims();
  if (int64_t(dims.size()) != from.rank())
    return emitOpError("(C1) dims has ")
           << dims.size() << " entries for an operand of rank " << from.rank();
  llvm::SmallBitVector seen(to.rank());
  for (int64_t dim : dims) {
    if (dim < 0 || dim >= to.rank() || seen.test(dim))
      return emitOpError("(C1) dims must be distinct and below ") << to.rank();
    seen.set(dim);
  }
  for (auto [i, dim] : llvm::enumerate(dims)) {
    DimAttr extent = from.getDim(i);
    if (extent != to.getDim(dim) && extent != getOne(getContext()))
      return emitOpError("(C2) operand dim ") << i << " has extent " << extent.str()
                                              << ", which is neither 1 nor that of result dim "
                                              << dim << ", " << to.getDim(dim).str();
  }
  if (from.getElementType() != to.getElementType())
    return emitOpError("(C3) the element type changes");
  return success();
}

OpFoldResult BroadcastOp::fold(FoldAdaptor) {
  bool identity = llvm::equal(getDims(), llvm::seq<int64_t>(0, getDims().size()));
  if (identity && getX().getType() == getType())
    return getX();
  // Broadcasts compose.
  if (auto inner = getX().getDefiningOp<BroadcastOp>()) {
    SmallVector<int64_t> dims;
    for (int64_t dim : inner.getDims())
      dims.push_back(getDims()[dim]);
    getXMutable().assign(inner.getX());
    setDims(dims);
    return getResult();
  }
  return {};
}

//===----------------------------------------------------------------------===//
// reshape
//===----------------------------------------------------------------------===//

void ReshapeOp::build(OpBuilder &builder, OperationState &state, Value x,
                      ArrayRef<DimAttr> resultDims) {
  build(builder, state, getTensorType(x).withDims(resultDims), x);
}

LogicalResult ReshapeOp::verify() {
  TensorType from = getTensorType(getX()), to = getType();
  DimExpr before = multiplyDims(getContext(), from.getDims());
  DimExpr after = multiplyDims(getContext(), to.getDims());
  if (before && after && isKnownDifferent(before, after))
    return emitOpError("(C1) has ")
           << before.get().str() << " elements before and " << after.get().str() << " after";
  if (from.getElementType() != to.getElementType())
    return emitOpError("(C2) the element type changes");
  return success();
}

OpFoldResult ReshapeOp::fold(FoldAdaptor) {
  if (getX().getType() == getType())
    return getX();
  if (auto inner = getX().getDefiningOp<ReshapeOp>()) {
    getXMutable().assign(inner.getX());
    return getResult();
  }
  return {};
}

//===----------------------------------------------------------------------===//
// transpose
//===----------------------------------------------------------------------===//

LogicalResult TransposeOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                            Adaptor adaptor, SmallVectorImpl<Type> &inferred) {
  auto type = llvm::cast<TensorType>(adaptor.getX().getType());
  ArrayRef<int64_t> perm = adaptor.getPerm();
  SmallVector<int64_t> sorted(perm);
  llvm::sort(sorted);
  if (!llvm::equal(sorted, llvm::seq<int64_t>(0, type.rank())))
    return emitOptionalError(loc, "(C1) perm is not a permutation of ", type.rank(), " dims");
  SmallVector<DimAttr> dims;
  for (int64_t dim : perm)
    dims.push_back(type.getDim(dim));
  inferred.push_back(type.withDims(dims));
  return success();
}

OpFoldResult TransposeOp::fold(FoldAdaptor) {
  if (llvm::equal(getPerm(), llvm::seq<int64_t>(0, getPerm().size())))
    return getX();
  if (auto inner = getX().getDefiningOp<TransposeOp>()) {
    SmallVector<int64_t> perm;
    for (int64_t dim : getPerm())
      perm.push_back(inner.getPerm()[dim]);
    getXMutable().assign(inner.getX());
    setPerm(perm);
    return getResult();
  }
  return {};
}

//===----------------------------------------------------------------------===//
// slice
//===----------------------------------------------------------------------===//

void SliceOp::build(OpBuilder &builder, OperationState &state, Value x, ArrayRef<DimAttr> starts,
                    ArrayRef<DimAttr> steps, ArrayRef<DimAttr> resultDims) {
  MLIRContext *context = builder.getContext();
  build(builder, state, getTensorType(x).withDims(resultDims), x,
        DimArrayAttr::get(context, starts), DimArrayAttr::get(context, steps));
}

LogicalResult SliceOp::verify() {
  TensorType from = getTensorType(getX()), to = getType();
  size_t rank = from.rank();
  if (getStarts().size() != rank || getSteps().size() != rank || size_t(to.rank()) != rank)
    return emitOpError("(C1) starts, steps and the result need ") << rank << " entries";
  for (size_t i = 0; i < rank; ++i) {
    DimAttr start = getStarts()[i], step = getSteps()[i];
    if ((step.isConstant() && step.getValue() <= 0) || (start.isConstant() && start.getValue() < 0))
      return emitOpError("(C2) dim ")
             << i << " has start " << start.str() << " and step " << step.str();
    DimExpr last = DimExpr(start) + (DimExpr(to.getDim(i)) - 1) * DimExpr(step);
    if (last && isKnownPositive(to.getDim(i)) && isKnownLessEqual(from.getDim(i), last))
      return emitOpError("(C3) reads element ")
             << last.get().str() << " of dim " << i << " with extent " << from.getDim(i).str();
  }
  if (from.getElementType() != to.getElementType())
    return emitOpError("(C4) the element type changes");
  return success();
}

/// A slice of a slice is one of what that is a slice of.
static bool readThrough(SliceOp op) {
  auto inner = op.getX().getDefiningOp<SliceOp>();
  if (!inner)
    return false;
  SmallVector<DimAttr> starts, steps;
  for (auto [start, step, outerStart, outerStep] :
       llvm::zip(op.getStarts(), op.getSteps(), inner.getStarts(), inner.getSteps())) {
    DimExpr from = DimExpr(outerStart) + DimExpr(start) * DimExpr(outerStep);
    DimExpr by = DimExpr(step) * DimExpr(outerStep);
    if (!from || !by)
      return false;
    starts.push_back(from);
    steps.push_back(by);
  }
  op.getXMutable().assign(inner.getX());
  op.setStartsAttr(DimArrayAttr::get(op.getContext(), starts));
  op.setStepsAttr(DimArrayAttr::get(op.getContext(), steps));
  return true;
}

OpFoldResult SliceOp::fold(FoldAdaptor) {
  if (readThrough(*this))
    return getResult();
  if (getX().getType() != getType())
    return {};
  auto isConstant = [](DimAttr dim, int64_t value) { return dim.getConstant() == value; };
  if (llvm::all_of(getStarts(), [&](DimAttr dim) { return isConstant(dim, 0); }) &&
      llvm::all_of(getSteps(), [&](DimAttr dim) { return isConstant(dim, 1); }))
    return getX();
  return {};
}

//===----------------------------------------------------------------------===//
// concat
//===----------------------------------------------------------------------===//

LogicalResult ConcatOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                         Adaptor adaptor, SmallVectorImpl<Type> &inferred) {
  int64_t axis = adaptor.getAxis();
  if (adaptor.getInputs().empty())
    return emitOptionalError(loc, "(C1) needs an operand");
  auto first = llvm::cast<TensorType>(adaptor.getInputs().front().getType());
  if (axis < 0 || axis >= first.rank())
    return emitOptionalError(loc, "(C1) axis ", axis, " is not below the rank, ", first.rank());
  SmallVector<DimAttr> dims(first.getDims());
  DimExpr sum = graph::getDim(first.getContext(), 0);
  for (Value input : adaptor.getInputs()) {
    auto type = llvm::cast<TensorType>(input.getType());
    bool same = type.rank() == first.rank() && type.getElementType() == first.getElementType();
    for (int64_t i = 0; same && i < type.rank(); ++i)
      same = i == axis || type.getDim(i) == dims[i];
    if (!same)
      return emitOptionalError(loc, "(C2) ", type, " and ", first, " differ outside axis ", axis);
    sum = sum + type.getDim(axis);
  }
  if (!sum)
    return emitOptionalError(loc,
                             "the extent of the result overflows 64 bits or has too many terms");
  dims[axis] = sum;
  inferred.push_back(first.withDims(dims));
  return success();
}

OpFoldResult ConcatOp::fold(FoldAdaptor) {
  if (getInputs().size() == 1)
    return getInputs().front();
  // Empty operands leave.
  SmallVector<Value> kept;
  for (Value input : getInputs())
    if (getTensorType(input).getDim(getAxis()).getConstant() != 0)
      kept.push_back(input);
  if (kept.empty() || kept.size() == getInputs().size())
    return {};
  getInputsMutable().assign(kept);
  return getResult();
}

//===----------------------------------------------------------------------===//
// pad
//===----------------------------------------------------------------------===//

LogicalResult PadOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, Adaptor adaptor,
                                      SmallVectorImpl<Type> &inferred) {
  auto type = llvm::cast<TensorType>(adaptor.getX().getType());
  DimArrayAttr lo = adaptor.getLo(), hi = adaptor.getHi();
  PadMode mode = adaptor.getMode();
  if (int64_t(lo.size()) != type.rank() || int64_t(hi.size()) != type.rank())
    return emitOptionalError(loc, "(C1) lo and hi need ", type.rank(), " entries");
  SmallVector<DimAttr> dims;
  for (int64_t i = 0; i < type.rank(); ++i) {
    for (DimAttr pad : {lo[i], hi[i]}) {
      if (pad.isConstant() && pad.getValue() < 0)
        return emitOptionalError(loc, "(C1) padding ", pad.getValue(), " of dim ", i,
                                 " is negative");
      std::optional<int64_t> extent = type.getDim(i).getConstant();
      std::optional<int64_t> amount = pad.getConstant();
      if (!extent || !amount || *amount == 0)
        continue;
      bool fits = mode == PadMode::constant || (mode == PadMode::reflect && *amount < *extent) ||
                  (mode == PadMode::edge && *extent > 0) ||
                  (mode == PadMode::wrap && *amount <= *extent);
      if (!fits)
        return emitOptionalError(loc, "(C3) ", stringifyPadMode(mode), " padding of ", *amount,
                                 " does not fit dim ", i, " with extent ", *extent);
    }
    DimExpr extent = DimExpr(type.getDim(i)) + DimExpr(lo[i]) + DimExpr(hi[i]);
    if (!extent)
      return emitOptionalError(loc, "the extent of dim ", i, " overflows 64 bits");
    dims.push_back(extent);
  }
  Value value = adaptor.getValue();
  if (bool(value) != (mode == PadMode::constant) ||
      (value && value.getType() != TensorType::getScalar(type.getElementType())))
    return emitOptionalError(loc, "(C2) mode constant has a scalar of the operand's element type, "
                                  "other modes have no value");
  inferred.push_back(type.withDims(dims));
  return success();
}

OpFoldResult PadOp::fold(FoldAdaptor) {
  auto isZero = [](DimAttr dim) { return dim.getConstant() == 0; };
  if (llvm::all_of(getLo(), isZero) && llvm::all_of(getHi(), isZero))
    return getX();
  return {};
}

//===----------------------------------------------------------------------===//
// reverse, gather, iota
//===----------------------------------------------------------------------===//

LogicalResult ReverseOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                          Adaptor adaptor, SmallVectorImpl<Type> &inferred) {
  auto type = llvm::cast<TensorType>(adaptor.getX().getType());
  llvm::SmallBitVector seen(type.rank());
  for (int64_t axis : adaptor.getAxes()) {
    if (axis < 0 || axis >= type.rank() || seen.test(axis))
      return emitOptionalError(loc, "(C1) axes must be distinct and below ", type.rank());
    seen.set(axis);
  }
  inferred.push_back(type);
  return success();
}

LogicalResult GatherOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                         Adaptor adaptor, SmallVectorImpl<Type> &inferred) {
  auto type = llvm::cast<TensorType>(adaptor.getX().getType());
  auto indices = llvm::cast<TensorType>(adaptor.getIndices().getType());
  int64_t axis = adaptor.getAxis();
  if (axis < 0 || axis >= type.rank())
    return emitOptionalError(loc, "(C1) axis ", axis, " is not below the rank, ", type.rank());
  if (type.getDim(axis).getConstant() == 0 && indices.getElementCount() != 0)
    return emitOptionalError(loc, "(C2) gathers from an empty axis");
  SmallVector<DimAttr> dims(type.getDims().take_front(axis));
  llvm::append_range(dims, indices.getDims());
  llvm::append_range(dims, type.getDims().drop_front(axis + 1));
  inferred.push_back(type.withDims(dims));
  return success();
}

LogicalResult IotaOp::verify() {
  if (int64_t(getAxis()) < 0 || int64_t(getAxis()) >= getType().rank())
    return emitOpError("(C1) axis ") << getAxis() << " is not below the rank, " << getType().rank();
  return success();
}

} // namespace tessera::graph
