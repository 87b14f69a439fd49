//===- Types.cpp - Tensors, strings and packed blocks ----------------------------===//

#include "dialects/graph/Graph.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

#define GET_TYPEDEF_CLASSES
#include "dialects/graph/GraphTypes.cpp.inc"

namespace tessera::graph {

void GraphDialect::registerTypes() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/graph/GraphTypes.cpp.inc"
      >();
}

TensorType TensorType::get(ArrayRef<DimAttr> dims, Type elementType) {
  return Base::get(elementType.getContext(), dims, elementType, getShapeEntries(dims));
}
TensorType TensorType::getChecked(llvm::function_ref<InFlightDiagnostic()> emitError,
                                  ArrayRef<DimAttr> dims, Type elementType) {
  return Base::getChecked(emitError, elementType.getContext(), dims, elementType,
                          ArrayRef<int64_t>(getShapeEntries(dims)));
}
TensorType TensorType::get(ArrayRef<int64_t> shape, Type elementType) {
  return get(ArrayRef<DimAttr>(graph::getDims(elementType.getContext(), shape)), elementType);
}
TensorType TensorType::getChecked(llvm::function_ref<InFlightDiagnostic()> emitError,
                                  ArrayRef<int64_t> shape, Type elementType) {
  return getChecked(emitError, ArrayRef<DimAttr>(graph::getDims(elementType.getContext(), shape)),
                    elementType);
}

LogicalResult TensorType::verify(llvm::function_ref<InFlightDiagnostic()> emitError,
                                 ArrayRef<DimAttr> dims, Type elementType, ArrayRef<int64_t>) {
  if (!isNumber(elementType) && !isBool(elementType) &&
      !llvm::isa<StringType, BlockType>(elementType))
    return emitError()
           << "(C1) an element is a float, a signed or unsigned integer (si8, ui8, ...), "
              "i1, !graph.string or !graph.block, not "
           << elementType;
  for (DimAttr dim : dims)
    if (dim.isConstant() && dim.getValue() < 0)
      return emitError() << "(C2) extent " << dim.getValue() << " is negative";
  return success();
}

ShapedType TensorType::cloneWith(std::optional<ArrayRef<int64_t>> shape, Type elementType) const {
  if (!shape || *shape == getShape())
    return get(getDims(), elementType);
  return get(*shape, elementType);
}

std::optional<int64_t> TensorType::getElementCount() const {
  int64_t count = 1;
  for (int64_t extent : getShape())
    if (ShapedType::isDynamic(extent) || llvm::MulOverflow(count, extent, count))
      return std::nullopt;
  return count;
}

std::optional<int64_t> TensorType::getByteSize() const {
  std::optional<int64_t> count = getElementCount();
  int64_t element = getElementByteSize(getElementType()), bytes;
  if (auto block = llvm::dyn_cast<BlockType>(getElementType()))
    element = findBlockFormat(block.getFormat())->getBytes();
  if (!count || element == 0 || llvm::MulOverflow(*count, element, bytes))
    return std::nullopt;
  return bytes;
}

Type TensorType::parse(AsmParser &parser) {
  SmallVector<DimAttr> dims;
  Type elementType;
  llvm::SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() || parseDimList(parser, dims) || parser.parseComma() ||
      parser.parseType(elementType) || parser.parseGreater())
    return {};
  return getChecked([&] { return parser.emitError(loc); }, ArrayRef<DimAttr>(dims), elementType);
}

void TensorType::print(AsmPrinter &printer) const {
  printer << '<';
  printDimList(printer.getStream(), getDims());
  printer << ", " << getElementType() << '>';
}

LogicalResult BlockType::verify(llvm::function_ref<InFlightDiagnostic()> emitError,
                                StringRef format) {
  if (findBlockFormat(format))
    return success();
  InFlightDiagnostic diagnostic = emitError();
  diagnostic << "(C1) unknown block format '" << format << "'; known are";
  for (const BlockFormat *known : getBlockFormats())
    diagnostic << ' ' << known->name;
  return diagnostic;
}

//===----------------------------------------------------------------------===//
// Helpers
//===----------------------------------------------------------------------===//

TensorType getBoolTensor(Type tensor) {
  return llvm::cast<TensorType>(tensor).withElementType(IntegerType::get(tensor.getContext(), 1));
}

bool haveSameDims(TypeRange a, TypeRange b) {
  return a.size() == b.size() && llvm::all_of(llvm::zip(a, b), [](auto pair) {
           auto x = llvm::dyn_cast<TensorType>(std::get<0>(pair));
           auto y = llvm::dyn_cast<TensorType>(std::get<1>(pair));
           return x && y && x.getDims() == y.getDims();
         });
}

Type getDefaultAccumulator(Type elementType) {
  if (isSmallFloat(elementType))
    return Float32Type::get(elementType.getContext());
  if (isInteger(elementType) && elementType.getIntOrFloatBitWidth() < 32)
    return IntegerType::get(elementType.getContext(), 32, IntegerType::Signed);
  return elementType;
}

TypedAttr getNeutralElement(StringRef kind, Type elementType) {
  Builder builder(elementType.getContext());
  if (auto floatType = llvm::dyn_cast<FloatType>(elementType)) {
    const llvm::fltSemantics &semantics = floatType.getFloatSemantics();
    auto extreme = [&](bool negative) {
      return llvm::APFloat::semanticsHasInf(semantics)
                 ? llvm::APFloat::getInf(semantics, negative)
                 : llvm::APFloat::getLargest(semantics, negative);
    };
    if (kind == "max" || kind == "min")
      return FloatAttr::get(elementType, extreme(kind == "max"));
    return FloatAttr::get(elementType, kind == "prod" ? 1.0 : 0.0);
  }
  auto type = llvm::cast<IntegerType>(elementType);
  unsigned width = type.getWidth();
  // A bool is unsigned: false < true.
  bool isSigned = type.isSigned();
  llvm::APInt value(width, 0);
  if (kind == "prod")
    value = 1;
  else if (kind == "and")
    value = llvm::APInt::getAllOnes(width);
  else if (kind == "max")
    value = isSigned ? llvm::APInt::getSignedMinValue(width) : llvm::APInt(width, 0);
  else if (kind == "min")
    value = isSigned ? llvm::APInt::getSignedMaxValue(width) : llvm::APInt::getMaxValue(width);
  return IntegerAttr::get(elementType, value);
}

} // namespace tessera::graph
