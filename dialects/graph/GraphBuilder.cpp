//===- GraphBuilder.cpp - Short ways to build graph ops ---------------------------------===//

#include "dialects/graph/GraphBuilder.h"
#include "dialects/graph/Axes.h"

#include "mlir/IR/Diagnostics.h"

#include <cmath>

using namespace mlir;

namespace tessera::graph {

static Attribute makeElement(Type elementType, double number) {
  if (auto type = llvm::dyn_cast<FloatType>(elementType)) {
    llvm::APFloat value(number);
    bool exact;
    value.convert(type.getFloatSemantics(), llvm::APFloat::rmNearestTiesToEven, &exact);
    return FloatAttr::get(type, value);
  }
  unsigned width = elementType.getIntOrFloatBitWidth();
  // The nearest integer: an infinity may be asked for where floats are expected.
  number = std::isnan(number) ? 0 : std::clamp(number, -0x1p63, 0x1.fffffffffffffp62);
  return IntegerAttr::get(elementType, llvm::APInt(64, int64_t(number), true).sextOrTrunc(width));
}

Value GraphBuilder::createInferred(OperationState &state, Infer infer) {
  MLIRContext *context = builder.getContext();
  state.types.clear();
  SmallVector<Type> types;
  std::string why;
  {
    ScopedDiagnosticHandler handler(context,
                                    [&](Diagnostic &diagnostic) { why = diagnostic.str(); });
    if (succeeded(infer(context, loc, state.operands, state.attributes.getDictionary(context),
                        state.getRawProperties(), state.regions, types))) {
      state.addTypes(types);
      return builder.create(state)->getResult(0);
    }
  }
  if (misfit->empty())
    *misfit =
        why.empty() ? "the operands of " + state.name.getStringRef().str() + " do not fit" : why;
  return state.operands.front();
}

Value GraphBuilder::splat(TensorType type, double number) {
  auto value = DenseElementsAttr::get(llvm::cast<ShapedType>(type),
                                      makeElement(type.getElementType(), number));
  return create<ConstantOp>(type, value);
}

Value GraphBuilder::fill(TensorType type, double number) {
  return broadcast(scalar(type.getElementType(), number), {}, type.getDims());
}

Value GraphBuilder::indices(ArrayRef<int64_t> values) {
  Type element = IntegerType::get(builder.getContext(), 64, IntegerType::Signed);
  auto type = TensorType::get(ArrayRef<int64_t>{int64_t(values.size())}, element);
  return create<ConstantOp>(type, DenseElementsAttr::get(llvm::cast<ShapedType>(type), values));
}

Value GraphBuilder::extents(ArrayRef<DimAttr> dims) {
  SmallVector<int64_t> constants;
  for (DimAttr dim : dims)
    if (dim.isConstant())
      constants.push_back(dim.getValue());
  if (constants.size() == dims.size())
    return indices(constants);
  SmallVector<Value> parts;
  for (DimAttr dim : dims)
    parts.push_back(reshape(create<DimValueOp>(dim), graph::getDims(dim.getContext(), {1})));
  return parts.size() == 1 ? parts.front() : create<ConcatOp>(parts, 0);
}

Value GraphBuilder::broadcast(Value x, ArrayRef<int64_t> dims, ArrayRef<DimAttr> resultDims) {
  if (getTensorType(x).getDims() == resultDims &&
      llvm::equal(dims, llvm::seq<int64_t>(0, dims.size())))
    return x;
  return create<BroadcastOp>(x, dims, resultDims);
}

Value GraphBuilder::reshape(Value x, ArrayRef<DimAttr> dims) {
  return getTensorType(x).getDims() == dims ? x : create<ReshapeOp>(x, dims);
}

Value GraphBuilder::transpose(Value x, ArrayRef<int64_t> perm) {
  bool identity = llvm::equal(perm, llvm::seq<int64_t>(0, perm.size()));
  return identity ? x : create<TransposeOp>(x, perm);
}

Value GraphBuilder::convert(Value x, Type elementType) {
  bool same = getTensorType(x).getElementType() == elementType;
  return same ? x : create<ConvertOp>(x, elementType);
}

Value GraphBuilder::reduce(ReduceKind kind, Value x, ArrayRef<int64_t> axes) {
  return axes.empty() ? x : create<ReduceOp>(kind, x, axes);
}

Value GraphBuilder::expand(Value reduced, ArrayRef<int64_t> axes, Value x) {
  SmallVector<int64_t> dims;
  for (int64_t i = 0; i < getTensorType(x).rank(); ++i)
    if (!llvm::is_contained(axes, i))
      dims.push_back(i);
  return broadcast(reduced, dims, getTensorType(x).getDims());
}

Value GraphBuilder::add(Value x, Value y) { return create<AddOp>(x, y); }
Value GraphBuilder::sub(Value x, Value y) { return create<SubOp>(x, y); }
Value GraphBuilder::mul(Value x, Value y) { return create<MulOp>(x, y); }
Value GraphBuilder::div(Value x, Value y) { return create<DivOp>(x, y); }
Value GraphBuilder::min(Value x, Value y) { return create<MinOp>(x, y); }
Value GraphBuilder::max(Value x, Value y) { return create<MaxOp>(x, y); }

Value GraphBuilder::compare(CompareKind kind, Value x, Value y) {
  return create<CompareOp>(kind, x, y);
}

Value GraphBuilder::countLike(Value reduced, Value x, ArrayRef<int64_t> axes) {
  DimExpr count = graph::getDim(builder.getContext(), 1);
  for (int64_t axis : axes)
    count = count * DimExpr(getTensorType(x).getDim(axis));
  TensorType type = getTensorType(reduced);
  if (std::optional<int64_t> constant = count.get().getConstant())
    return fill(type, double(*constant));
  Value number = convert(create<DimValueOp>(count.get()), type.getElementType());
  return broadcast(number, {}, type.getDims());
}

} // namespace tessera::graph
