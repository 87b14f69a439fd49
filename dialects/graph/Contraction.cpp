//===- Contraction.cpp - Sums of products ---------------------------------------------===//

#include "dialects/graph/TextForms.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

#define GET_OP_CLASSES
#include "dialects/graph/Contraction.cpp.inc"

namespace tessera::graph {

void GraphDialect::registerContractionOps() {
  addOperations<
#define GET_OP_LIST
#include "dialects/graph/Contraction.cpp.inc"
      >();
}

namespace {
struct Equation {
  StringRef lhs, rhs, result;
};
} // namespace

static Equation splitEquation(StringRef text) {
  auto [operands, result] = text.split("->");
  auto [lhs, rhs] = operands.split(',');
  return {lhs, rhs, result};
}

static bool areDistinctLetters(StringRef letters) {
  for (auto [i, letter] : llvm::enumerate(letters))
    if (!llvm::isAlpha(letter) || letters.find(letter, i + 1) != StringRef::npos)
      return false;
  return true;
}

LogicalResult ContractOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                           Adaptor adaptor, SmallVectorImpl<Type> &inferred) {
  auto lhs = llvm::cast<TensorType>(adaptor.getLhs().getType());
  auto rhs = llvm::cast<TensorType>(adaptor.getRhs().getType());
  StringRef text = adaptor.getEquation();
  Equation equation = splitEquation(text);
  if (!text.contains("->") || !text.contains(',') || !areDistinctLetters(equation.lhs) ||
      !areDistinctLetters(equation.rhs) || !areDistinctLetters(equation.result) ||
      int64_t(equation.lhs.size()) != lhs.rank() || int64_t(equation.rhs.size()) != rhs.rank())
    return emitOptionalError(loc, "(C1) equation \"", text, "\" does not fit operands of ranks ",
                             lhs.rank(), " and ", rhs.rank());
  llvm::SmallMapVector<char, DimAttr, 8> extents;
  for (auto [letters, type] : {std::pair(equation.lhs, lhs), std::pair(equation.rhs, rhs)})
    for (auto [letter, dim] : llvm::zip(letters, type.getDims()))
      if (extents.insert({letter, dim}).first->second != dim)
        return emitOptionalError(loc, "(C3) '", std::string(1, letter), "' is ",
                                 extents[letter].str(), " in one operand and ", dim.str(),
                                 " in the other");
  SmallVector<DimAttr> dims;
  for (char letter : equation.result) {
    auto *it = extents.find(letter);
    if (it == extents.end())
      return emitOptionalError(loc, "(C2) no operand has '", std::string(1, letter), "'");
    dims.push_back(it->second);
  }
  Type x = lhs.getElementType(), y = rhs.getElementType();
  if (isFloat(x) ? !isFloat(y) : !isInteger(y))
    return emitOptionalError(loc, "(C4) operands of ", x, " and ", y);
  Type element = x;
  if (isFloat(x) && x != y)
    element = x.getIntOrFloatBitWidth() == y.getIntOrFloatBitWidth()  ? getDefaultAccumulator(x)
              : x.getIntOrFloatBitWidth() > y.getIntOrFloatBitWidth() ? x
                                                                      : y;
  if (isInteger(x)) {
    Type wider = x.getIntOrFloatBitWidth() >= y.getIntOrFloatBitWidth() ? x : y;
    element = adaptor.getAcc().value_or(getDefaultAccumulator(wider));
  }
  inferred.push_back(TensorType::get(dims, element));
  return success();
}

StringRef ContractOp::getLhsLetters() { return splitEquation(getEquation()).lhs; }
StringRef ContractOp::getRhsLetters() { return splitEquation(getEquation()).rhs; }
StringRef ContractOp::getResultLetters() { return splitEquation(getEquation()).result; }

Type ContractOp::getAccumulatorType() {
  Type x = getTensorType(getLhs()).getElementType(), y = getTensorType(getRhs()).getElementType();
  Type wider = x.getIntOrFloatBitWidth() >= y.getIntOrFloatBitWidth() ? x : y;
  return getAcc().value_or(getDefaultAccumulator(wider));
}

LogicalResult ContractOp::verify() {
  bool real = isFloat(getTensorType(getLhs()).getElementType());
  for (Type type : {getAccumulatorType(), getType().getElementType()})
    if (real ? !isFloat(type) : !isInteger(type))
      return emitOpError("(C5) operands of ")
             << getTensorType(getLhs()).getElementType() << " accumulate or give " << type;
  return success();
}

} // namespace tessera::graph
