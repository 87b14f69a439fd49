//===- Function.cpp - graph.func and graph.return -------------------------------------===//

#include "dialects/graph/TextForms.h"

#include "mlir/Interfaces/FunctionImplementation.h"

using namespace mlir;

namespace tessera::graph {

//===----------------------------------------------------------------------===//
// Symbols
//===----------------------------------------------------------------------===//

/// Calls back for every symbol in an attribute or type.
static void walkSymbols(Attribute attr, llvm::function_ref<void(StringRef)> callback) {
  attr.walk([&](DimAttr dim) {
    if (dim.isSymbol())
      callback(dim.getSymbol());
  });
}
static void walkSymbols(Type type, llvm::function_ref<void(StringRef)> callback) {
  type.walk([&](DimAttr dim) {
    if (dim.isSymbol())
      callback(dim.getSymbol());
  });
}

RangeAttr FuncOp::getRange(StringRef symbol) {
  DictionaryAttr dims = getDimsAttr();
  return dims ? dims.getAs<RangeAttr>(symbol) : RangeAttr();
}

void FuncOp::setRange(StringRef symbol, RangeAttr range) {
  NamedAttrList dims(getDimsAttr());
  dims.set(symbol, range);
  setDimsAttr(dims.getDictionary(getContext()));
}

std::string FuncOp::getFreshSymbol(StringRef hint) {
  std::string name = hint.str();
  for (unsigned i = 0; getRange(name); ++i)
    name = (hint + "_" + Twine(i)).str();
  return name;
}

static StringRef getModelName(DictionaryAttr attrs) {
  auto name = attrs ? attrs.getAs<StringAttr>("graph.name") : StringAttr();
  return name ? name.getValue() : StringRef();
}
StringRef FuncOp::getArgName(unsigned i) { return getModelName(getArgAttrDict(i)); }
StringRef FuncOp::getResultName(unsigned i) { return getModelName(getResultAttrDict(i)); }

//===----------------------------------------------------------------------===//
// Building and text
//===----------------------------------------------------------------------===//

void FuncOp::build(OpBuilder &builder, OperationState &state, StringRef name, FunctionType type,
                   DictionaryAttr dims) {
  state.addAttribute(getSymNameAttrName(state.name), builder.getStringAttr(name));
  state.addAttribute(getFunctionTypeAttrName(state.name), TypeAttr::get(type));
  if (dims)
    state.addAttribute(getDimsAttrName(state.name), dims);
  Block &entry = state.addRegion()->emplaceBlock();
  for (Type input : type.getInputs())
    entry.addArgument(input, state.location);
}

/// Symbols that are an extent of an argument need no declaration in text: any value is allowed.
static void declareArgumentSymbols(OpAsmParser &parser, OperationState &state) {
  StringAttr name = FuncOp::getDimsAttrName(state.name);
  NamedAttrList dims(llvm::dyn_cast_or_null<DictionaryAttr>(state.attributes.get(name)));
  auto type = llvm::dyn_cast_or_null<TypeAttr>(
      state.attributes.get(FuncOp::getFunctionTypeAttrName(state.name)));
  if (!type)
    return;
  for (Type input : llvm::cast<FunctionType>(type.getValue()).getInputs())
    walkSymbols(input, [&](StringRef symbol) {
      if (!dims.get(symbol))
        dims.set(symbol, RangeAttr::get(parser.getContext(), 0, std::nullopt));
    });
  if (!dims.empty())
    state.attributes.set(name, dims.getDictionary(parser.getContext()));
}

ParseResult FuncOp::parse(OpAsmParser &parser, OperationState &state) {
  auto build = [](Builder &builder, ArrayRef<Type> inputs, ArrayRef<Type> results,
                  function_interface_impl::VariadicFlag,
                  std::string &) { return builder.getFunctionType(inputs, results); };
  if (function_interface_impl::parseFunctionOp(
          parser, state, /*allowVariadic=*/false, getFunctionTypeAttrName(state.name), build,
          getArgAttrsAttrName(state.name), getResAttrsAttrName(state.name)))
    return failure();
  declareArgumentSymbols(parser, state);
  return success();
}

void FuncOp::print(OpAsmPrinter &printer) {
  function_interface_impl::printFunctionOp(printer, *this, /*isVariadic=*/false,
                                           getFunctionTypeAttrName(), getArgAttrsAttrName(),
                                           getResAttrsAttrName());
}

//===----------------------------------------------------------------------===//
// Verifying
//===----------------------------------------------------------------------===//

LogicalResult FuncOp::verify() {
  if (DictionaryAttr dims = getDimsAttr())
    for (NamedAttribute entry : dims)
      if (!llvm::isa<RangeAttr>(entry.getValue()))
        return emitOpError("(C2) dims maps '")
               << entry.getName().getValue() << "' to something that is no #graph.range";
  for (Type type : llvm::concat<const Type>(getArgumentTypes(), getResultTypes()))
    if (!llvm::isa<TensorType>(type))
      return emitOpError("(C3) an argument or result is ") << type << ", not a graph tensor";
  auto checkStrings = [&](Type type, Attribute isMarked) -> LogicalResult {
    auto tensor = llvm::cast<TensorType>(type);
    if (isMarked && (!tensor.getElementType().isUnsignedInteger(8) || tensor.rank() == 0))
      return emitOpError("marks ") << type << " as strings, expected ui8 and an axis of bytes";
    return success();
  };
  for (auto [i, type] : llvm::enumerate(getArgumentTypes()))
    if (failed(checkStrings(type, getArgAttr(unsigned(i), "graph.strings"))))
      return failure();
  for (auto [i, type] : llvm::enumerate(getResultTypes())) {
    if (failed(checkStrings(type, getResultAttr(unsigned(i), "graph.strings"))))
      return failure();
    Attribute squeezed = getResultAttr(unsigned(i), "graph.squeezed");
    auto axes = llvm::dyn_cast_if_present<DenseI64ArrayAttr>(squeezed);
    const int64_t rank = llvm::cast<TensorType>(type).rank();
    if (squeezed && (!axes || llvm::any_of(axes.asArrayRef(),
                                           [&](int64_t axis) { return axis < 0 || axis >= rank; })))
      return emitOpError("leaves ") << squeezed << " out of " << type << ", expected axes of it";
  }
  return success();
}

void walkSymbols(Operation *op, llvm::function_ref<void(StringRef)> check) {
  for (Type type : op->getResultTypes())
    walkSymbols(type, check);
  for (Region &region : op->getRegions())
    for (Block &block : region)
      for (BlockArgument argument : block.getArguments())
        walkSymbols(argument.getType(), check);
  for (NamedAttribute attr : op->getAttrs())
    walkSymbols(attr.getValue(), check);
}

/// A symbol that the function lacks, found in the types and attributes of an operation.
static std::optional<std::string> findUndeclared(FuncOp function, Operation *op) {
  std::optional<std::string> missing;
  walkSymbols(op, [&](StringRef symbol) {
    if (!missing && !function.getRange(symbol))
      missing = symbol.str();
  });
  return missing;
}

llvm::StringMap<BindDimOp> FuncOp::getBoundSymbols() {
  llvm::StringMap<BindDimOp> bound;
  getBody().walk([&](BindDimOp op) { bound.try_emplace(op.getSymbol(), op); });
  return bound;
}

/// Constraints of graph.bind_dim that concern the whole function.
static LogicalResult verifyBoundSymbols(FuncOp function) {
  llvm::StringMap<BindDimOp> bound = function.getBoundSymbols();
  if (bound.empty())
    return success();
  WalkResult result = function.getBody().walk([&](BindDimOp op) {
    StringRef symbol = op.getSymbol();
    bool isArgument = false;
    for (Type type : function.getArgumentTypes())
      walkSymbols(type, [&](StringRef used) { isArgument |= used == symbol; });
    if (!function.getRange(symbol) || isArgument || bound.lookup(symbol) != op) {
      op.emitOpError("(C2) symbol '")
          << symbol << "' "
          << (isArgument                  ? "is in the type of an argument"
              : function.getRange(symbol) ? "is bound twice"
                                          : "is not declared in dims of the function");
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  if (result.wasInterrupted())
    return failure();
  result = function.getBody().walk([&](Operation *op) {
    StringRef early;
    walkSymbols(op, [&](StringRef symbol) {
      BindDimOp binder = bound.lookup(symbol);
      if (!binder || binder == op)
        return;
      Operation *user = binder->getBlock()->findAncestorOpInBlock(*op);
      if (!user || !binder->isBeforeInBlock(user))
        early = symbol;
    });
    if (early.empty())
      return WalkResult::advance();
    op->emitOpError("uses symbol '") << early << "' before graph.bind_dim gives it a value (C3)";
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

LogicalResult FuncOp::verifyRegions() {
  if (isExternal())
    return success();
  if (!llvm::hasSingleElement(getBody()) || getBody().front().empty() ||
      !llvm::isa<ReturnOp>(getBody().front().back()))
    return emitOpError("(C4) the body needs one block that ends with graph.return");
  WalkResult result = (*this)->walk([&](Operation *op) {
    if (std::optional<std::string> symbol = findUndeclared(*this, op)) {
      op->emitOpError("(C1) uses symbol '")
          << *symbol << "', which dims of graph.func @" << getSymName() << " does not declare";
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted() || failed(verifyBoundSymbols(*this)));
}

LogicalResult ReturnOp::verify() {
  auto function = (*this)->getParentOfType<FuncOp>();
  if (!llvm::equal(getOperandTypes(), function.getResultTypes()))
    return emitOpError("(C1) returns (")
           << getOperandTypes() << "), graph.func @" << function.getSymName() << " gives ("
           << function.getResultTypes() << ')';
  return success();
}

} // namespace tessera::graph
