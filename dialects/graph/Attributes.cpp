//===- Attributes.cpp - Extents, ranges and weights ------------------------------===//

#include "dialects/graph/Graph.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

#define GET_ATTRDEF_CLASSES
#include "dialects/graph/GraphAttrs.cpp.inc"

namespace tessera::graph {

void GraphDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/graph/GraphAttrs.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// Extents
//===----------------------------------------------------------------------===//

DimAttr DimAttr::getRaw(MLIRContext *context, DimKind kind, int64_t value, StringRef symbol,
                        ArrayRef<DimAttr> operands) {
  return Base::get(context, kind, value, symbol, operands);
}

int64_t DimAttr::getShapeEntry() const { return getConstant().value_or(ShapedType::kDynamic); }

Attribute DimAttr::parse(AsmParser &parser, Type) {
  if (parser.parseLess())
    return {};
  FailureOr<DimAttr> dim = parseDimExpr(parser);
  if (failed(dim) || parser.parseGreater())
    return {};
  return *dim;
}

void DimAttr::print(AsmPrinter &printer) const {
  printer << '<';
  printExpr(printer.getStream());
  printer << '>';
}

DimArrayAttr DimArrayAttr::get(MLIRContext *context, ArrayRef<int64_t> values) {
  return get(context, graph::getDims(context, values));
}

std::optional<SmallVector<int64_t>> DimArrayAttr::getConstants() const {
  SmallVector<int64_t> values;
  for (DimAttr dim : getDims()) {
    if (!dim.isConstant())
      return std::nullopt;
    values.push_back(dim.getValue());
  }
  return values;
}

Attribute DimArrayAttr::parse(AsmParser &parser, Type) {
  SmallVector<DimAttr> dims;
  if (parser.parseLess() || parseDimList(parser, dims) || parser.parseGreater())
    return {};
  return get(parser.getContext(), dims);
}

void DimArrayAttr::print(AsmPrinter &printer) const {
  printer << '<';
  printDimList(printer.getStream(), getDims());
  printer << '>';
}

//===----------------------------------------------------------------------===//
// Ranges
//===----------------------------------------------------------------------===//

LogicalResult RangeAttr::verify(llvm::function_ref<InFlightDiagnostic()> emitError, int64_t lo,
                                std::optional<int64_t> hi) {
  if (lo < 0 || (hi && *hi < lo))
    return emitError() << "(C1) a range needs 0 <= lo <= hi";
  return success();
}

Attribute RangeAttr::parse(AsmParser &parser, Type) {
  int64_t lo;
  std::optional<int64_t> hi;
  llvm::SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseInteger(lo) || parser.parseComma())
    return {};
  if (failed(parser.parseOptionalQuestion())) {
    hi = 0;
    if (parser.parseInteger(*hi))
      return {};
  }
  if (parser.parseGreater())
    return {};
  return getChecked([&] { return parser.emitError(loc); }, parser.getContext(), lo, hi);
}

void RangeAttr::print(AsmPrinter &printer) const {
  printer << '<' << getLo() << ", ";
  if (getHi())
    printer << *getHi();
  else
    printer << '?';
  printer << '>';
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

LogicalResult WeightAttr::verify(llvm::function_ref<InFlightDiagnostic()> emitError, StringRef file,
                                 int64_t offset, int64_t length, TensorType type) {
  if (!type.hasStaticShape())
    return emitError() << "(C1) a weight needs a static shape, its type is " << type;
  int64_t bytes = type.getByteSize().value_or(-1);
  if (bytes < 0 || offset < 0 || length != bytes)
    return emitError() << "(C1) a weight of type " << type << " has " << bytes << " bytes, not "
                       << length;
  return success();
}

Attribute WeightAttr::parse(AsmParser &parser, Type) {
  std::string file;
  int64_t offset, length;
  TensorType type;
  llvm::SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseString(&file) || parser.parseComma() ||
      parser.parseInteger(offset) || parser.parseComma() || parser.parseInteger(length) ||
      parser.parseColonType(type) || parser.parseGreater())
    return {};
  return getChecked([&] { return parser.emitError(loc); }, parser.getContext(), file, offset,
                    length, type);
}

void WeightAttr::print(AsmPrinter &printer) const {
  printer << "<\"";
  llvm::printEscapedString(getFile(), printer.getStream());
  printer << "\", " << getOffset() << ", " << getLength() << " : " << getType() << '>';
}

} // namespace tessera::graph
