//===- TextForms.h - custom<...> directives of the assembly formats -----------------===//
#ifndef TESSERA_DIALECTS_GRAPH_TEXTFORMS_H
#define TESSERA_DIALECTS_GRAPH_TEXTFORMS_H

#include "dialects/graph/Graph.h"

#include "mlir/IR/Builders.h"

namespace tessera::graph {

inline mlir::ParseResult parseDims(mlir::OpAsmParser &parser, DimArrayAttr &dims) {
  llvm::SmallVector<DimAttr> list;
  if (parseDimList(parser, list))
    return mlir::failure();
  dims = DimArrayAttr::get(parser.getContext(), llvm::ArrayRef<DimAttr>(list));
  return mlir::success();
}
inline void printDims(mlir::OpAsmPrinter &printer, mlir::Operation *, DimArrayAttr dims) {
  printDimList(printer.getStream(), dims.getDims());
}

inline mlir::ParseResult parseInt(mlir::OpAsmParser &parser, mlir::IntegerAttr &attr) {
  int64_t value;
  if (parser.parseInteger(value))
    return mlir::failure();
  attr = parser.getBuilder().getI64IntegerAttr(value);
  return mlir::success();
}
inline void printInt(mlir::OpAsmPrinter &printer, mlir::Operation *, mlir::IntegerAttr attr) {
  printer << attr.getInt();
}

/// `%bias, ` or nothing: the comma that follows belongs to the optional operand.
inline mlir::ParseResult
parseOptionalAndComma(mlir::OpAsmParser &parser,
                      std::optional<mlir::OpAsmParser::UnresolvedOperand> &operand) {
  mlir::OpAsmParser::UnresolvedOperand parsed;
  mlir::OptionalParseResult found = parser.parseOptionalOperand(parsed);
  if (!found.has_value())
    return mlir::success();
  if (mlir::failed(*found) || parser.parseComma())
    return mlir::failure();
  operand = parsed;
  return mlir::success();
}
inline void printOptionalAndComma(mlir::OpAsmPrinter &printer, mlir::Operation *,
                                  mlir::Value operand) {
  if (operand)
    printer << operand << ",";
}

/// `, groups = 4, layout = "NHWC,OIHW->NHWC"`: each may be absent, and each brings its comma.
inline mlir::ParseResult parseGroupsAndLayout(mlir::OpAsmParser &parser, mlir::IntegerAttr &groups,
                                              mlir::StringAttr &layout) {
  while (mlir::succeeded(parser.parseOptionalComma())) {
    if (!groups && !layout && mlir::succeeded(parser.parseOptionalKeyword("groups"))) {
      if (parser.parseEqual() || parseInt(parser, groups))
        return mlir::failure();
      continue;
    }
    if (layout)
      return parser.emitError(parser.getCurrentLocation(), "expected no more after 'layout'");
    std::string text;
    if (parser.parseKeyword("layout") || parser.parseEqual() || parser.parseString(&text))
      return mlir::failure();
    layout = parser.getBuilder().getStringAttr(text);
  }
  return mlir::success();
}
inline void printGroupsAndLayout(mlir::OpAsmPrinter &printer, mlir::Operation *,
                                 mlir::IntegerAttr groups, mlir::StringAttr layout) {
  if (groups && groups.getInt() != 1)
    printer << ", groups = " << groups.getInt();
  if (layout)
    printer << ", layout = " << layout;
}

inline mlir::ParseResult parseDimExpr(mlir::OpAsmParser &parser, DimAttr &dim) {
  mlir::FailureOr<DimAttr> parsed = parseDimExpr(static_cast<mlir::AsmParser &>(parser));
  if (mlir::failed(parsed))
    return mlir::failure();
  dim = *parsed;
  return mlir::success();
}
inline void printDimExpr(mlir::OpAsmPrinter &printer, mlir::Operation *, DimAttr dim) {
  dim.printExpr(printer.getStream());
}

} // namespace tessera::graph

#endif // TESSERA_DIALECTS_GRAPH_TEXTFORMS_H
