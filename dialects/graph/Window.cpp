//===- Window.cpp - Sliding windows: convolution, pooling, resize --------------------===//

#include "dialects/graph/Axes.h"
#include "dialects/graph/TextForms.h"

using namespace mlir;

#define GET_OP_CLASSES
#include "dialects/graph/Window.cpp.inc"

namespace tessera::graph {

void GraphDialect::registerWindowOps() {
  addOperations<
#define GET_OP_LIST
#include "dialects/graph/Window.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// Layouts
//===----------------------------------------------------------------------===//

/// "NCHW,OIHW->NCHW" and the like; none when the text is not one.
static std::optional<ConvLayout> parseLayout(StringRef text, int64_t rank) {
  auto [operands, result] = text.split("->");
  auto [x, weight] = operands.split(',');
  StringRef all = "DHW";
  StringRef spatial = all.take_back(rank - 2);
  if (rank == 3)
    spatial = "W";
  ConvLayout layout;
  auto find = [&](StringRef letters, char letter, int64_t &position) {
    position = letters.find(letter);
    return letters.size() == size_t(rank) && letters.count(letter) == 1;
  };
  if (rank < 3 || rank > 5 || !find(x, 'N', layout.xBatch) || !find(x, 'C', layout.xChannel) ||
      !find(weight, 'O', layout.weightOutput) || !find(weight, 'I', layout.weightInput) ||
      !find(result, 'N', layout.resultBatch) || !find(result, 'C', layout.resultChannel))
    return std::nullopt;
  for (char letter : spatial) {
    if (!find(x, letter, layout.xSpatial.emplace_back()) ||
        !find(weight, letter, layout.weightSpatial.emplace_back()) ||
        !find(result, letter, layout.resultSpatial.emplace_back()))
      return std::nullopt;
  }
  return layout;
}

static std::string getDefaultLayout(int64_t rank, StringRef weightOuter) {
  if (rank < 3 || rank > 5)
    return "";
  std::string spatial = StringRef("DHW").take_back(rank - 2).str();
  return "NC" + spatial + "," + weightOuter.str() + spatial + "->NC" + spatial;
}

static std::string getLayoutText(std::optional<StringRef> layout, Type x, StringRef weightOuter) {
  return layout ? layout->str() : getDefaultLayout(llvm::cast<TensorType>(x).rank(), weightOuter);
}

ConvLayout ConvOp::getConvLayout() {
  return *parseLayout(getLayoutText(getLayout(), getX().getType(), "OI"),
                      getTensorType(getX()).rank());
}
ConvLayout ConvTransposeOp::getConvLayout() {
  return *parseLayout(getLayoutText(getLayout(), getX().getType(), "IO"),
                      getTensorType(getX()).rank());
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

/// What conv and conv_transpose check alike: (C1) to (C3) but the channel extents.
template <typename Adaptor>
static FailureOr<ConvLayout> checkConvolution(std::optional<Location> loc, Adaptor adaptor,
                                              StringRef weightOuter) {
  auto x = llvm::cast<TensorType>(adaptor.getX().getType());
  auto weight = llvm::cast<TensorType>(adaptor.getWeight().getType());
  std::string text = getLayoutText(adaptor.getLayout(), x, weightOuter);
  std::optional<ConvLayout> layout = parseLayout(text, x.rank());
  if (!layout || weight.rank() != x.rank())
    return emitOptionalError(loc, "(C1) layout \"", text, "\" does not fit operands of ranks ",
                             x.rank(), " and ", weight.rank());
  size_t count = layout->spatialRank();
  auto isPositive = [](int64_t value) { return value > 0; };
  auto isAllowed = [](DimAttr pad) { return !pad.isConstant() || pad.getValue() >= 0; };
  if (adaptor.getStrides().size() != count || adaptor.getDilations().size() != count ||
      adaptor.getLo().size() != count || adaptor.getHi().size() != count ||
      !llvm::all_of(adaptor.getStrides(), isPositive) ||
      !llvm::all_of(adaptor.getDilations(), isPositive) ||
      !llvm::all_of(adaptor.getLo(), isAllowed) || !llvm::all_of(adaptor.getHi(), isAllowed))
    return emitOptionalError(loc, "(C2) strides, dilations, lo and hi need ", count,
                             " entries, strides and dilations positive, padding not negative");
  int64_t groups = adaptor.getGroups();
  std::optional<int64_t> channels = x.getDim(layout->xChannel).getConstant();
  if (groups < 1 || (channels && *channels % groups != 0))
    return emitOptionalError(loc, "(C3) groups = ", groups, " does not divide the channels");
  Type a = x.getElementType(), b = weight.getElementType();
  if (isFloat(a) ? a != b : !isInteger(b))
    return emitOptionalError(loc, "(C5) operands of ", a, " and ", b);
  return *layout;
}

/// The result's element type, as in contract.
template <typename Adaptor> static Type inferElementType(Adaptor adaptor) {
  Type element = llvm::cast<TensorType>(adaptor.getX().getType()).getElementType();
  if (isInteger(element))
    return adaptor.getAcc().value_or(getDefaultAccumulator(element));
  return element;
}

template <typename OpType> static LogicalResult verifyTypes(OpType op) {
  bool real = isFloat(getTensorType(op.getX()).getElementType());
  for (Type type : {op.getAccumulatorType(), op.getType().getElementType()})
    if (real ? !isFloat(type) : !isInteger(type))
      return op.emitOpError("(C5) accumulates or gives ") << type;
  return success();
}

/// floordiv(lo + extent + hi - ((window - 1) * dilation + 1), stride) + 1; invalid when the window
/// is larger than the padded extent, where that is provable.
static DimExpr slide(DimAttr extent, DimAttr window, int64_t stride, int64_t dilation, DimAttr lo,
                     DimAttr hi) {
  DimExpr span = (DimExpr(window) - 1) * dilation + 1;
  DimExpr room = DimExpr(lo) + DimExpr(extent) + DimExpr(hi) - span;
  if (!room || isKnownLess(room, graph::getDim(extent.getContext(), 0)))
    return {};
  return room.floorDiv(stride) + 1;
}

LogicalResult ConvOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, Adaptor adaptor,
                                       SmallVectorImpl<Type> &inferred) {
  FailureOr<ConvLayout> layout = checkConvolution(loc, adaptor, "OI");
  if (failed(layout))
    return failure();
  auto x = llvm::cast<TensorType>(adaptor.getX().getType());
  auto weight = llvm::cast<TensorType>(adaptor.getWeight().getType());
  int64_t groups = adaptor.getGroups();
  DimAttr outputs = weight.getDim(layout->weightOutput);
  DimExpr channels = DimExpr(weight.getDim(layout->weightInput)) * groups;
  if ((outputs.isConstant() && outputs.getValue() % groups != 0) ||
      x.getDim(layout->xChannel) != channels.get())
    return emitOptionalError(loc, "(C3) x has ", x.getDim(layout->xChannel).str(),
                             " channels, the weight takes ", channels ? channels.get().str() : "?",
                             " in ", groups, " groups and gives ", outputs.str());
  SmallVector<DimAttr> dims(x.rank());
  dims[layout->resultBatch] = x.getDim(layout->xBatch);
  dims[layout->resultChannel] = outputs;
  for (size_t i = 0; i < layout->spatialRank(); ++i) {
    DimExpr extent = slide(x.getDim(layout->xSpatial[i]), weight.getDim(layout->weightSpatial[i]),
                           adaptor.getStrides()[i], adaptor.getDilations()[i], adaptor.getLo()[i],
                           adaptor.getHi()[i]);
    if (!extent)
      return emitOptionalError(loc, "(C4) the window is larger than padded spatial dim ", i);
    dims[layout->resultSpatial[i]] = extent;
  }
  inferred.push_back(TensorType::get(dims, inferElementType(adaptor)));
  return success();
}

LogicalResult ConvTransposeOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                                Adaptor adaptor, SmallVectorImpl<Type> &inferred) {
  FailureOr<ConvLayout> layout = checkConvolution(loc, adaptor, "IO");
  if (failed(layout))
    return failure();
  auto x = llvm::cast<TensorType>(adaptor.getX().getType());
  auto weight = llvm::cast<TensorType>(adaptor.getWeight().getType());
  DimArrayAttr more = adaptor.getOutputPadding();
  if (more.size() != layout->spatialRank() ||
      llvm::any_of(more, [](DimAttr pad) { return pad.isConstant() && pad.getValue() < 0; }))
    return emitOptionalError(loc, "(C2) output_padding needs ", layout->spatialRank(),
                             " entries that are not negative");
  if (x.getDim(layout->xChannel) != weight.getDim(layout->weightInput))
    return emitOptionalError(loc, "(C3) x has ", x.getDim(layout->xChannel).str(),
                             " channels, the weight takes ",
                             weight.getDim(layout->weightInput).str());
  SmallVector<DimAttr> dims(x.rank());
  dims[layout->resultBatch] = x.getDim(layout->xBatch);
  DimExpr outputs = DimExpr(weight.getDim(layout->weightOutput)) * int64_t(adaptor.getGroups());
  dims[layout->resultChannel] = outputs;
  for (size_t i = 0; i < layout->spatialRank(); ++i) {
    DimExpr window = weight.getDim(layout->weightSpatial[i]);
    DimExpr extent = (DimExpr(x.getDim(layout->xSpatial[i])) - 1) * adaptor.getStrides()[i] +
                     (window - 1) * adaptor.getDilations()[i] + 1 - DimExpr(adaptor.getLo()[i]) -
                     DimExpr(adaptor.getHi()[i]) + DimExpr(more[i]);
    if (!extent || isKnownLess(extent, graph::getDim(x.getContext(), 0)))
      return emitOptionalError(loc, "(C4) the extent of spatial dim ", i, " is negative");
    dims[layout->resultSpatial[i]] = extent;
  }
  inferred.push_back(TensorType::get(dims, inferElementType(adaptor)));
  return success();
}

Type ConvOp::getAccumulatorType() {
  return getAcc().value_or(getDefaultAccumulator(getTensorType(getX()).getElementType()));
}
Type ConvTransposeOp::getAccumulatorType() {
  return getAcc().value_or(getDefaultAccumulator(getTensorType(getX()).getElementType()));
}
LogicalResult ConvOp::verify() { return verifyTypes(*this); }
LogicalResult ConvTransposeOp::verify() { return verifyTypes(*this); }

LogicalResult WindowReduceOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                               Adaptor adaptor, SmallVectorImpl<Type> &inferred) {
  auto type = llvm::cast<TensorType>(adaptor.getX().getType());
  ArrayRef<int64_t> axes = adaptor.getAxes();
  if (failed(checkAxes(loc, type, axes)))
    return failure();
  auto isPositive = [](int64_t value) { return value > 0; };
  auto isAllowed = [](DimAttr pad) { return !pad.isConstant() || pad.getValue() >= 0; };
  for (ArrayRef<int64_t> list : {adaptor.getWindow(), adaptor.getStrides(), adaptor.getDilations()})
    if (list.size() != axes.size() || !llvm::all_of(list, isPositive))
      return emitOptionalError(loc, "(C2) window, strides and dilations need ", axes.size(),
                               " positive entries");
  if (adaptor.getLo().size() != axes.size() || adaptor.getHi().size() != axes.size() ||
      !llvm::all_of(adaptor.getLo(), isAllowed) || !llvm::all_of(adaptor.getHi(), isAllowed))
    return emitOptionalError(loc, "(C2) lo and hi need ", axes.size(),
                             " entries that are not negative");
  SmallVector<DimAttr> dims(type.getDims());
  for (auto [i, axis] : llvm::enumerate(axes)) {
    DimExpr extent =
        slide(dims[axis], graph::getDim(context, adaptor.getWindow()[i]), adaptor.getStrides()[i],
              adaptor.getDilations()[i], adaptor.getLo()[i], adaptor.getHi()[i]);
    if (!extent)
      return emitOptionalError(loc, "(C3) the window is larger than padded axis ", axis);
    dims[axis] = extent;
  }
  inferred.push_back(type.withDims(dims));
  return success();
}

LogicalResult ResizeOp::verify() {
  TensorType from = getTensorType(getX()), to = getType();
  if (failed(checkAxes(getLoc(), from, getAxes())))
    return failure();
  bool same = from.rank() == to.rank() && from.getElementType() == to.getElementType();
  for (int64_t i = 0; same && i < from.rank(); ++i)
    same = llvm::is_contained(getAxes(), i) || from.getDim(i) == to.getDim(i);
  if (!same)
    return emitOpError("(C1) changes more than the axes: ") << from << " to " << to;
  if (std::optional<ArrayRef<double>> scales = getScales())
    if (scales->size() != getAxes().size() ||
        !llvm::all_of(*scales, [](double scale) { return scale > 0; }))
      return emitOpError("(C2) scales needs ") << getAxes().size() << " positive entries";
  Type element = from.getElementType();
  if (getMode() != ResizeMode::nearest && !isFloat(element) &&
      !(isInteger(element) && element.getIntOrFloatBitWidth() == 8))
    return emitOpError("(C3) ") << stringifyResizeMode(getMode()) << " of " << element;
  for (int64_t axis : getAxes())
    if (from.getDim(axis).getConstant() == 0 && to.getDim(axis).getConstant() != 0)
      return emitOpError("(C4) axis ") << axis << " is empty";
  return success();
}

} // namespace tessera::graph
