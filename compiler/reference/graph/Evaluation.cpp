//===- Evaluation.cpp - Runs functions of the graph level -----------------===//
#include "compiler/reference/graph/Evaluation.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::reference;
using graph::DimAttr;

#include "compiler/reference/graph/ReferenceInterface.cpp.inc"

//===----------------------------------------------------------------------===//
// Errors and limits
//===----------------------------------------------------------------------===//

LogicalResult Evaluation::fail(const llvm::Twine &message) {
  // The innermost reason is the one that helps.
  if (!error.empty())
    return failure();
  error = (current ? current->getName().getStringRef() + ": " + message : message).str();
  errorLoc = current ? current->getLoc() : module->getLoc();
  return failure();
}

LogicalResult Evaluation::spend(int64_t steps) {
  if (steps > limits.steps)
    return fail("takes more element operations than the limit of the reference interpreter");
  limits.steps -= steps;
  return success();
}

FailureOr<Tensor> Evaluation::make(Type elementType, ArrayRef<int64_t> shape) {
  ElementFormat format(elementType);
  if (!format) {
    std::string text;
    llvm::raw_string_ostream(text) << elementType;
    return fail("elements of type " + text + " have no reference");
  }
  int64_t bytes = format.getByteSize();
  // Empty tensors have no size, whatever their other extents are.
  bool isEmpty = llvm::is_contained(shape, 0);
  for (int64_t extent : shape) {
    if (extent < 0)
      return fail("an extent of " + describe(elementType, shape) + " is negative");
    if (!isEmpty && llvm::MulOverflow(bytes, extent, bytes))
      bytes = std::numeric_limits<int64_t>::max();
  }
  if (!isEmpty && bytes > limits.tensorBytes)
    return fail(describe(elementType, shape) + " is larger than " +
                llvm::Twine(limits.tensorBytes) + " bytes, the limit of the reference interpreter");
  return Tensor(elementType, shape);
}

//===----------------------------------------------------------------------===//
// Symbols
//===----------------------------------------------------------------------===//

FailureOr<int64_t> Evaluation::extent(DimAttr dim) {
  std::string missing;
  std::optional<int64_t> value =
      graph::evaluateDim(dim, [&](StringRef name) -> std::optional<int64_t> {
        auto it = symbols.find(name);
        if (it != symbols.end())
          return it->second.value;
        missing = name.str();
        return std::nullopt;
      });
  if (value)
    return *value;
  if (!missing.empty())
    return fail("symbol '" + missing + "' in extent " + dim.str() + " has no value");
  return fail("extent " + dim.str() + " overflows or divides by zero");
}

FailureOr<SmallVector<int64_t>> Evaluation::extents(ArrayRef<DimAttr> dims) {
  SmallVector<int64_t> values;
  for (DimAttr dim : dims) {
    FailureOr<int64_t> value = extent(dim);
    if (failed(value))
      return failure();
    values.push_back(*value);
  }
  return values;
}

FailureOr<Tensor> Evaluation::make(Type tensorType) {
  auto type = llvm::cast<graph::TensorType>(tensorType);
  FailureOr<SmallVector<int64_t>> shape = extents(type.getDims());
  if (failed(shape))
    return failure();
  return make(type.getElementType(), *shape);
}

/// A tensor must be what the type says. Symbols without a value get theirs here; those that this op
/// gave a value before (in an earlier iteration of a loop) get a new one.
LogicalResult Evaluation::check(Type type, const Tensor &tensor, const llvm::Twine &what,
                                Operation *definer) {
  auto expected = llvm::cast<graph::TensorType>(type);
  std::string found = describe(tensor.getElementType(), tensor.getShape());
  auto wrong = [&](const llvm::Twine &reason) {
    std::string text;
    llvm::raw_string_ostream(text) << type;
    return fail(what + " is " + found + ", expected " + text + reason);
  };
  if (tensor.getElementType() != expected.getElementType() || tensor.getRank() != expected.rank())
    return wrong("");
  for (auto [dim, extent] : llvm::zip(expected.getDims(), tensor.getShape())) {
    if (!dim.isSymbol())
      continue;
    auto [it, isNew] = symbols.try_emplace(dim.getSymbol(), Symbol{extent, definer});
    if (!isNew && definer && it->second.definer == definer)
      it->second.value = extent;
  }
  for (auto [dim, extent] : llvm::zip(expected.getDims(), tensor.getShape())) {
    FailureOr<int64_t> value = this->extent(dim);
    if (failed(value))
      return failure();
    if (*value != extent)
      return wrong(", where " + dim.str() + " is " + llvm::Twine(*value));
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

/// A composite means what it decomposes to: the ops are built in a block of their own and run.
Evaluation::Tensors Evaluation::decompose(Operation *op, ArrayRef<Tensor> operands) {
  Block block;
  IRMapping mapping;
  for (Value operand : op->getOperands())
    mapping.map(operand, block.addArgument(operand.getType(), operand.getLoc()));
  OpBuilder builder(op->getContext());
  builder.setInsertionPointToStart(&block);
  auto composite = llvm::cast<graph::DecomposableOpInterface>(builder.clone(*op, mapping));
  builder.setInsertionPoint(composite);
  FailureOr<SmallVector<Value>> results = composite.decompose(builder);
  if (failed(results))
    return fail("cannot be decomposed");
  composite->erase();
  for (auto [argument, operand] : llvm::zip(block.getArguments(), operands))
    values[argument] = operand;
  auto forget = llvm::make_scope_exit([&] {
    for (Value argument : block.getArguments())
      values.erase(argument);
    for (Operation &inner : block)
      for (Value result : inner.getResults())
        values.erase(result);
  });
  if (failed(runBlock(block)))
    return failure();
  return llvm::map_to_vector(*results, [&](Value value) { return values.lookup(value); });
}

Evaluation::Tensors Evaluation::apply(Operation *op, ArrayRef<Tensor> operands) {
  Operation *outer = std::exchange(current, op);
  auto restore = llvm::make_scope_exit([&] { current = outer; });
  Tensors results = failure();
  if (auto primitive = llvm::dyn_cast<ReferenceOpInterface>(op))
    results = primitive.evaluate(operands, *this);
  else if (llvm::isa<graph::DecomposableOpInterface>(op))
    results = decompose(op, operands);
  else
    return fail("has no reference rule");
  if (failed(results)) {
    if (error.empty())
      return fail("has no value");
    return failure();
  }
  if (results->size() != op->getNumResults())
    return fail("its reference rule gives " + llvm::Twine(results->size()) + " results");
  int64_t elements = 1;
  for (auto [i, result] : llvm::enumerate(*results)) {
    if (failed(check(op->getResult(i).getType(), result, "result " + llvm::Twine(i), op)))
      return failure();
    elements += result.size();
  }
  if (failed(spend(elements)))
    return failure();
  return results;
}

Evaluation::Tensors Evaluation::evaluate(Operation *op, ArrayRef<Tensor> operands) {
  error.clear();
  return apply(op, operands);
}

LogicalResult Evaluation::runBlock(Block &block) {
  for (Operation &op : block) {
    if (op.hasTrait<OpTrait::IsTerminator>())
      continue;
    auto operands = llvm::map_to_vector(op.getOperands(),
                                        [&](Value operand) { return values.lookup(operand); });
    Tensors results = apply(&op, operands);
    if (failed(results))
      return failure();
    for (auto [value, tensor] : llvm::zip(op.getResults(), *results))
      values[value] = std::move(tensor);
  }
  return success();
}

Evaluation::Tensors Evaluation::run(Region &region, ArrayRef<Tensor> arguments) {
  Block &block = region.front();
  for (auto [argument, tensor] : llvm::zip_equal(block.getArguments(), arguments))
    values[argument] = tensor;
  auto forget = llvm::make_scope_exit([&] {
    for (Value argument : block.getArguments())
      values.erase(argument);
    for (Operation &op : block)
      for (Value result : op.getResults())
        values.erase(result);
  });
  if (failed(runBlock(block)))
    return failure();
  return llvm::map_to_vector(block.getTerminator()->getOperands(),
                             [&](Value value) { return values.lookup(value); });
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

LogicalResult Evaluation::bindInputs(graph::FuncOp function, ArrayRef<Tensor> inputs) {
  if (inputs.size() != function.getNumArguments())
    return fail("takes " + llvm::Twine(function.getNumArguments()) + " inputs, not " +
                llvm::Twine(inputs.size()));
  auto nameOf = [&](unsigned i) {
    StringRef name = function.getArgName(i);
    return name.empty() ? "input " + std::to_string(i) : "input '" + name.str() + "'";
  };
  // All symbols first: an extent may be an expression of the symbols of later inputs.
  for (auto [i, input] : llvm::enumerate(inputs)) {
    auto type = llvm::cast<graph::TensorType>(function.getArgumentTypes()[i]);
    if (type.rank() == input.getRank())
      for (auto [dim, extent] : llvm::zip(type.getDims(), input.getShape()))
        if (dim.isSymbol())
          symbols.try_emplace(dim.getSymbol(), Symbol{extent, nullptr});
  }
  for (auto [i, input] : llvm::enumerate(inputs))
    if (failed(check(function.getArgumentTypes()[i], input, nameOf(i), nullptr)))
      return failure();
  for (const auto &entry : symbols) {
    graph::RangeAttr range = function.getRange(entry.getKey());
    int64_t value = entry.getValue().value;
    if (range && (value < range.getLo() || (range.getHi() && value > *range.getHi())))
      return fail("symbol '" + entry.getKey() + "' is " + llvm::Twine(value) + ", outside " +
                  llvm::Twine(range.getLo()) + " to " +
                  (range.getHi() ? std::to_string(*range.getHi()) : "any"));
  }
  return success();
}

Evaluation::Tensors Evaluation::call(graph::FuncOp function, ArrayRef<Tensor> inputs) {
  error.clear();
  auto outerSymbols = std::exchange(symbols, {});
  llvm::StringMap<Tensor> before = variables;
  Operation *outer = std::exchange(current, function);
  auto restore = llvm::make_scope_exit([&] {
    symbols = std::move(outerSymbols);
    current = outer;
  });
  Tensors results = failure();
  if (function.isExternal())
    (void)fail("has no body");
  else if (succeeded(bindInputs(function, inputs)))
    results = run(function.getBody(), inputs);
  if (failed(results))
    variables = std::move(before);
  return results;
}

FailureOr<Tensor> Evaluation::read(StringRef name) {
  if (auto it = variables.find(name); it != variables.end())
    return it->second;
  auto variable = module ? module.lookupSymbol<graph::VariableOp>(name) : graph::VariableOp();
  if (!variable)
    return fail("there is no variable @" + name);
  llvm::Expected<Tensor> initial = toTensor(variable.getInitial());
  if (!initial)
    return fail(llvm::toString(initial.takeError()));
  return variables[name] = *initial;
}
