//===- Gradient.cpp - Derivatives by reverse accumulation ---------------------------------===//

#include "dialects/graph/Gradient.h"
#include "dialects/graph/GradientRules.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;

#define GET_OP_CLASSES
#include "dialects/graph/Gradient.cpp.inc"

namespace tessera::graph {

//===----------------------------------------------------------------------===//
// The op
//===----------------------------------------------------------------------===//

LogicalResult GradientOp::verify() {
  if (!llvm::equal(getBody().front().getArgumentTypes(), getInits().getTypes()))
    return emitOpError("(C1) the region needs arguments of types ") << getInits().getTypes();
  if (getNumResults() != getInits().size() + 1 ||
      !llvm::equal(llvm::drop_begin(getResultTypes()), getInits().getTypes()))
    return emitOpError("(C2) the results are the yielded value, then the operands' types ")
           << getInits().getTypes();
  return success();
}

LogicalResult GradientOp::verifyRegions() {
  auto yield = llvm::dyn_cast<YieldOp>(getBody().front().back());
  if (!yield || yield.getNumOperands() != 1 ||
      yield.getOperand(0).getType() != getResult(0).getType())
    return emitOpError("(C2) the region yields one value of type ") << getResult(0).getType();
  WalkResult walk = getBody().walk([&](Operation *op) {
    return llvm::isa<ReadVariableOp, WriteVariableOp>(op) ? WalkResult::interrupt()
                                                          : WalkResult::advance();
  });
  if (walk.wasInterrupted())
    return emitOpError("(C3) the region reads or writes a variable");
  return success();
}

ParseResult GradientOp::parse(OpAsmParser &parser, OperationState &state) {
  SmallVector<OpAsmParser::Argument> arguments;
  SmallVector<OpAsmParser::UnresolvedOperand> inits;
  SmallVector<Type> types;
  Type yielded;
  llvm::SMLoc loc = parser.getCurrentLocation();
  auto parsePair = [&]() -> ParseResult {
    return failure(parser.parseArgument(arguments.emplace_back()) || parser.parseEqual() ||
                   parser.parseOperand(inits.emplace_back()));
  };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren, parsePair) ||
      parser.parseOptionalAttrDict(state.attributes) || parser.parseColon())
    return failure();
  if (!inits.empty() && parser.parseTypeList(types))
    return failure();
  if (parser.parseArrow() || parser.parseType(yielded) ||
      parser.resolveOperands(inits, types, loc, state.operands))
    return failure();
  state.addTypes(yielded);
  state.addTypes(types);
  for (auto [argument, type] : llvm::zip(arguments, types))
    argument.type = type;
  return parser.parseRegion(*state.addRegion(), arguments);
}

void GradientOp::print(OpAsmPrinter &printer) {
  printer << " (";
  llvm::interleaveComma(llvm::zip(getBody().getArguments(), getInits()), printer, [&](auto pair) {
    printer << std::get<0>(pair) << " = " << std::get<1>(pair);
  });
  printer << ")";
  printer.printOptionalAttrDict((*this)->getAttrs());
  printer << " : ";
  llvm::interleaveComma(getInits().getTypes(), printer);
  printer << (getInits().empty() ? "-> " : " -> ") << getResult(0).getType() << ' ';
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}

//===----------------------------------------------------------------------===//
// Expansion
//===----------------------------------------------------------------------===//

void Adjoints::give(Value operand, Value part) {
  if (!wants(operand))
    return;
  assert(part.getType() == operand.getType() && "an adjoint has the type of its value");
  Value known = of(operand);
  table.adjoints[operand] = known ? add(known, part) : part;
}

static GradientRule findRule(Operation *op) {
  static const llvm::DenseMap<TypeID, GradientRule> table = [] {
    SmallVector<GradientRow> rows;
    addElementwiseRules(rows);
    addMovementRules(rows);
    addReductionRules(rows);
    addProductRules(rows);
    addScanRules(rows);
    llvm::DenseMap<TypeID, GradientRule> rules;
    for (const GradientRow &row : rows)
      rules.try_emplace(row.op, row.rule);
    return rules;
  }();
  return table.lookup(op->getName().getTypeID());
}

/// Composites of a block become primitives, and gradients inside it ordinary ops. What stops a
/// gradient stays: it stops those around this one, too.
static LogicalResult simplify(Block &block, std::string &why) {
  for (Operation *op = &block.front(), *next = nullptr; op; op = next) {
    FailureOr<SmallVector<Value>> results = failure();
    OpBuilder builder(op);
    Operation *before = op->getPrevNode();
    if (auto gradient = llvm::dyn_cast<GradientOp>(op)) {
      results = expandGradient(gradient, builder, why);
      if (failed(results))
        return failure();
    } else if (auto composite = llvm::dyn_cast<DecomposableOpInterface>(op);
               composite && !llvm::isa<StopGradientOp>(op)) {
      results = composite.decompose(builder);
      if (failed(results)) {
        why = (op->getName().getStringRef() + " cannot be decomposed").str();
        return failure();
      }
    } else {
      next = op->getNextNode();
      continue;
    }
    op->replaceAllUsesWith(*results);
    // What took its place may hold composites again.
    Operation *first = before ? before->getNextNode() : &block.front();
    next = first == op ? op->getNextNode() : first;
    op->erase();
  }
  return success();
}

/// Lets the block yield also what the sum of its value changes by with the arguments.
static LogicalResult accumulate(Block &block, std::string &why) {
  Operation *yield = block.getTerminator();
  OpBuilder builder(yield);
  AdjointTable table;
  // 1. Forwards: what depends on the arguments. Only floats have derivatives.
  table.active.insert(block.args_begin(), block.args_end());
  SmallVector<Operation *> path;
  for (Operation &op : block.without_terminator()) {
    bool depends = false;
    // Regions of an op may use what is outside of them.
    op.walk([&](Operation *inner) {
      depends |= llvm::any_of(inner->getOperands(),
                              [&](Value operand) { return table.active.contains(operand); });
    });
    if (!depends || llvm::isa<StopGradientOp>(op))
      continue;
    path.push_back(&op);
    for (Value result : op.getResults())
      if (llvm::isa<FloatType>(getTensorType(result).getElementType()))
        table.active.insert(result);
  }
  // 2. Backwards: an op is asked when all that use its results have been.
  Value y = yield->getOperand(0);
  Adjoints atYield(builder, yield->getLoc(), table);
  atYield.give(y, atYield.ones(y));
  for (Operation *op : llvm::reverse(path)) {
    Adjoints adjoints(builder, op->getLoc(), table);
    if (llvm::none_of(op->getResults(), [&](Value result) { return bool(adjoints.of(result)); }))
      continue;
    GradientRule rule = findRule(op);
    table.why = "has no rule for derivatives";
    if (!rule || failed(rule(op, adjoints))) {
      why = (op->getName().getStringRef() + " " + table.why).str();
      return failure();
    }
  }
  SmallVector<Value> results = {y};
  for (Value argument : block.getArguments())
    results.push_back(atYield.of(argument) ? atYield.of(argument) : atYield.zeros(argument));
  yield->setOperands(results);
  // Rules build what nobody may want.
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
    if (isOpTriviallyDead(&op))
      op.erase();
  return success();
}

FailureOr<SmallVector<Value>> expandGradient(GradientOp op, OpBuilder &builder, std::string &why) {
  // In a copy: who holds the builder may watch what is built, and need not see ops come and go.
  Region scratch;
  IRMapping mapping;
  op.getBody().cloneInto(&scratch, mapping);
  Block &block = scratch.front();
  if (failed(simplify(block, why)) || failed(accumulate(block, why)))
    return failure();
  mapping.clear();
  mapping.map(block.getArguments(), op.getInits());
  for (Operation &inner : block.without_terminator())
    builder.clone(inner, mapping);
  return llvm::map_to_vector(block.getTerminator()->getOperands(),
                             [&](Value result) { return mapping.lookupOrDefault(result); });
}

} // namespace tessera::graph
