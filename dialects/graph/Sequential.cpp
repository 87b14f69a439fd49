//===- Sequential.cpp - Elements that are computed one after another -----------------===//

#include "dialects/graph/TextForms.h"

using namespace mlir;

#define GET_OP_CLASSES
#include "dialects/graph/Sequential.cpp.inc"

namespace tessera::graph {

void GraphDialect::registerSequentialOps() {
  addOperations<
#define GET_OP_LIST
#include "dialects/graph/Sequential.cpp.inc"
      >();
}

static LogicalResult checkAxis(std::optional<Location> loc, int64_t axis, TensorType type) {
  if (axis < 0 || axis >= type.rank())
    return emitOptionalError(loc, "(C1) axis ", axis, " is not below the rank, ", type.rank());
  return success();
}

//===----------------------------------------------------------------------===//
// cumulative
//===----------------------------------------------------------------------===//

LogicalResult CumulativeOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                             Adaptor adaptor, SmallVectorImpl<Type> &inferred) {
  auto type = llvm::cast<TensorType>(adaptor.getX().getType());
  inferred.push_back(type);
  return checkAxis(loc, adaptor.getAxis(), type);
}

//===----------------------------------------------------------------------===//
// scan
//===----------------------------------------------------------------------===//

DimAttr ScanOp::getExtent() { return getTensorType(getXs().front()).getDim(getAxis()); }

TensorType ScanOp::getSliceType(Type tensor) {
  auto type = llvm::cast<TensorType>(tensor);
  SmallVector<DimAttr> dims(type.getDims());
  dims.erase(dims.begin() + getAxis());
  return type.withDims(dims);
}

TensorType ScanOp::getStackedType(Type slice) {
  auto type = llvm::cast<TensorType>(slice);
  SmallVector<DimAttr> dims(type.getDims());
  dims.insert(dims.begin() + getAxis(), getExtent());
  return type.withDims(dims);
}

SmallVector<Region *> ScanOp::getLoopRegions() { return {&getBody()}; }

LogicalResult ScanOp::verify() {
  int64_t axis = getAxis();
  if (getXs().empty())
    return emitOpError("(C1) scans no operand");
  for (Value x : getXs()) {
    TensorType type = getTensorType(x);
    if (axis < 0 || axis >= type.rank())
      return emitOpError("(C1) axis ") << axis << " does not lie in " << type;
    if (type.getDim(axis) != getExtent())
      return emitOpError("(C1) one scanned operand has extent ")
             << getExtent().str() << ", another " << type.getDim(axis).str();
  }
  SmallVector<Type> expected(getStates().getTypes());
  for (Value x : getXs())
    expected.push_back(getSliceType(x.getType()));
  if (!llvm::equal(getBody().front().getArgumentTypes(), expected))
    return emitOpError("(C2) the region needs arguments of types ") << expected;
  return success();
}

LogicalResult ScanOp::verifyRegions() {
  auto yield = llvm::dyn_cast<YieldOp>(getBody().front().back());
  size_t states = getStates().size();
  if (!yield || yield.getNumOperands() < states || yield.getNumOperands() != getNumResults())
    return emitOpError("(C3) the region yields one value per result");
  for (auto [i, value] : llvm::enumerate(yield.getOperands())) {
    TensorType type = getTensorType(value);
    if (i >= states && getAxis() > uint64_t(type.rank()))
      return emitOpError("(C3) axis ") << getAxis() << " does not lie in output " << i - states;
    Type result = i < states ? type : getStackedType(type);
    if (i < states && type != getStates()[i].getType())
      return emitOpError("(C3) state ")
             << i << " begins as " << getStates()[i].getType() << ", the region yields " << type;
    if (result != getResult(i).getType())
      return emitOpError("(C3) result ")
             << i << " is " << result << ", not " << getResult(i).getType();
  }
  WalkResult walk = getBody().walk([&](Operation *op) {
    return llvm::isa<ReadVariableOp, WriteVariableOp>(op) ? WalkResult::interrupt()
                                                          : WalkResult::advance();
  });
  if (walk.wasInterrupted())
    return emitOpError("(C4) the region reads or writes a variable");
  return success();
}

/// (%a = %x, ...)
static ParseResult parseBindings(OpAsmParser &parser,
                                 SmallVectorImpl<OpAsmParser::Argument> &arguments,
                                 SmallVectorImpl<OpAsmParser::UnresolvedOperand> &operands) {
  return parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren, [&]() -> ParseResult {
    return failure(parser.parseArgument(arguments.emplace_back()) || parser.parseEqual() ||
                   parser.parseOperand(operands.emplace_back()));
  });
}

ParseResult ScanOp::parse(OpAsmParser &parser, OperationState &state) {
  SmallVector<OpAsmParser::Argument> arguments;
  SmallVector<OpAsmParser::UnresolvedOperand> inits, xs;
  SmallVector<Type> initTypes, xTypes, resultTypes;
  int64_t axis;
  llvm::SMLoc loc = parser.getCurrentLocation();
  auto parseTypes = [&](SmallVectorImpl<Type> &types) {
    return parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren,
                                          [&]() { return parser.parseType(types.emplace_back()); });
  };
  if (parseBindings(parser, arguments, inits) || parser.parseKeyword("over") ||
      parseBindings(parser, arguments, xs) || parser.parseComma() || parser.parseKeyword("axis") ||
      parser.parseEqual() || parser.parseInteger(axis))
    return failure();
  Builder &builder = parser.getBuilder();
  state.addAttribute("axis", builder.getI64IntegerAttr(axis));
  if (succeeded(parser.parseOptionalKeyword("reverse")))
    state.addAttribute("reverse", builder.getUnitAttr());
  if (parser.parseOptionalAttrDict(state.attributes) || parser.parseColon() ||
      parseTypes(initTypes) || parser.parseComma() || parseTypes(xTypes) || parser.parseArrow() ||
      parseTypes(resultTypes) || parser.resolveOperands(inits, initTypes, loc, state.operands) ||
      parser.resolveOperands(xs, xTypes, loc, state.operands))
    return failure();
  state.addTypes(resultTypes);
  state.addAttribute("operandSegmentSizes",
                     builder.getDenseI32ArrayAttr({int32_t(inits.size()), int32_t(xs.size())}));
  for (auto [argument, type] : llvm::zip(arguments, initTypes))
    argument.type = type;
  for (auto [i, type] : llvm::enumerate(xTypes)) {
    auto tensor = llvm::dyn_cast<TensorType>(type);
    if (!tensor || axis < 0 || axis >= tensor.rank())
      return parser.emitError(loc, "(C1) axis ") << axis << " does not lie in " << type;
    SmallVector<DimAttr> dims(tensor.getDims());
    dims.erase(dims.begin() + axis);
    arguments[inits.size() + i].type = tensor.withDims(dims);
  }
  return parser.parseRegion(*state.addRegion(), arguments);
}

void ScanOp::print(OpAsmPrinter &printer) {
  auto printBindings = [&](auto arguments, OperandRange operands) {
    printer << " (";
    llvm::interleaveComma(llvm::zip(arguments, operands), printer, [&](auto pair) {
      printer << std::get<0>(pair) << " = " << std::get<1>(pair);
    });
    printer << ")";
  };
  auto printTypes = [&](TypeRange types) {
    printer << '(';
    llvm::interleaveComma(types, printer);
    printer << ')';
  };
  auto arguments = getBody().getArguments();
  printBindings(arguments.take_front(getStates().size()), getStates());
  printer << " over";
  printBindings(arguments.drop_front(getStates().size()), getXs());
  printer << ", axis = " << getAxis();
  if (getReverse())
    printer << " reverse";
  printer.printOptionalAttrDict((*this)->getAttrs(), {"axis", "reverse", "operandSegmentSizes"});
  printer << " : ";
  printTypes(getStates().getTypes());
  printer << ", ";
  printTypes(getXs().getTypes());
  printer << " -> ";
  printTypes(getResultTypes());
  printer << ' ';
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}

//===----------------------------------------------------------------------===//
// scatter
//===----------------------------------------------------------------------===//

LogicalResult ScatterOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                          Adaptor adaptor, SmallVectorImpl<Type> &inferred) {
  auto type = llvm::cast<TensorType>(adaptor.getX().getType());
  auto indices = llvm::cast<TensorType>(adaptor.getIndices().getType());
  int64_t axis = adaptor.getAxis();
  if (failed(checkAxis(loc, axis, type)))
    return failure();
  SmallVector<DimAttr> dims(type.getDims().take_front(axis));
  llvm::append_range(dims, indices.getDims());
  llvm::append_range(dims, type.getDims().drop_front(axis + 1));
  TensorType expected = type.withDims(dims);
  if (adaptor.getUpdates().getType() != expected)
    return emitOptionalError(loc, "(C2) updates are ", adaptor.getUpdates().getType(),
                             ", expected ", expected);
  if (adaptor.getKind() != ScatterKind::replace && !isNumber(type.getElementType()))
    return emitOptionalError(loc, "(C3) ", stringifyScatterKind(adaptor.getKind()), " of ",
                             type.getElementType());
  inferred.push_back(type);
  return success();
}

//===----------------------------------------------------------------------===//
// sort
//===----------------------------------------------------------------------===//

LogicalResult SortOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                       Adaptor adaptor, SmallVectorImpl<Type> &inferred) {
  auto type = llvm::cast<TensorType>(adaptor.getX().getType());
  int64_t axis = adaptor.getAxis();
  if (failed(checkAxis(loc, axis, type)))
    return failure();
  SmallVector<DimAttr> dims(type.getDims());
  if (std::optional<DimAttr> first = adaptor.getFirst()) {
    if (isKnownLess(dims[axis], *first))
      return emitOptionalError(loc, "(C2) ", first->str(), " elements of ", dims[axis].str());
    dims[axis] = *first;
  }
  inferred.push_back(type.withDims(dims));
  inferred.push_back(TensorType::get(dims, IntegerType::get(context, 64, IntegerType::Signed)));
  return success();
}

} // namespace tessera::graph
