//===- Control.cpp - Branches and loops -------------------------------------------------===//

#include "dialects/graph/TextForms.h"

#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/SmallPtrSet.h"

using namespace mlir;

#define GET_OP_CLASSES
#include "dialects/graph/Control.cpp.inc"

namespace tessera::graph {

void GraphDialect::registerControlOps() {
  addOperations<
#define GET_OP_LIST
#include "dialects/graph/Control.cpp.inc"
      >();
}

static bool isBoolScalar(Value value) {
  TensorType type = getTensorType(value);
  return type.rank() == 0 && isBool(type.getElementType());
}

//===----------------------------------------------------------------------===//
// call
//===----------------------------------------------------------------------===//

llvm::StringMap<DimAttr> CallOp::getSymbolValues(FuncOp callee) {
  llvm::StringMap<DimAttr> values;
  for (auto [operand, type] : llvm::zip(getOperands(), callee.getArgumentTypes())) {
    ArrayRef<DimAttr> given = getTensorType(operand).getDims();
    for (auto [dim, value] : llvm::zip(llvm::cast<TensorType>(type).getDims(), given))
      if (dim.isSymbol())
        values.try_emplace(dim.getSymbol(), value);
  }
  return values;
}

LogicalResult CallOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto callee = symbols.lookupNearestSymbolFrom<FuncOp>(*this, getCalleeAttr());
  if (!callee)
    return emitOpError("(C1) '") << getCallee() << "' is no graph.func";
  if (callee.getArgumentTypes().size() != getNumOperands())
    return emitOpError("(C2) '") << getCallee() << "' takes " << callee.getArgumentTypes().size()
                                 << " arguments, not " << getNumOperands();
  for (auto [operand, type] : llvm::zip(getOperands(), callee.getArgumentTypes()))
    if (getTensorType(operand).rank() != llvm::cast<TensorType>(type).rank())
      return emitOpError("(C2) an operand is ") << operand.getType() << ", the argument " << type;
  llvm::StringMap<DimAttr> values = getSymbolValues(callee);
  auto replaced = [&](Type type) {
    return substituteDims(type, [&](StringRef symbol) -> DimExpr { return values.lookup(symbol); });
  };
  for (auto [operand, type] : llvm::zip(getOperands(), callee.getArgumentTypes()))
    if (operand.getType() != replaced(type))
      return emitOpError("(C2) an operand is ")
             << operand.getType() << ", the argument " << replaced(type);
  SmallVector<Type> results = llvm::map_to_vector(callee.getResultTypes(), replaced);
  if (!llvm::equal(results, getResultTypes()))
    return emitOpError("(C3) '") << getCallee() << "' gives " << results;
  return success();
}

//===----------------------------------------------------------------------===//
// if
//===----------------------------------------------------------------------===//

LogicalResult IfOp::verify() {
  if (!isBoolScalar(getCond()))
    return emitOpError("(C1) the condition is ") << getCond().getType() << ", not a bool scalar";
  for (Region *region : {&getThenRegion(), &getElseRegion()}) {
    auto yield = llvm::dyn_cast<YieldOp>(region->front().back());
    if (!yield || !llvm::equal(yield.getOperandTypes(), getResultTypes()))
      return emitOpError("(C2) a region does not yield values of the result types");
  }
  return success();
}

void IfOp::getSuccessorRegions(RegionBranchPoint point,
                               SmallVectorImpl<RegionSuccessor> &successors) {
  if (!point.isParent()) {
    successors.push_back(RegionSuccessor(getOperation(), getResults()));
    return;
  }
  successors.push_back(RegionSuccessor(&getThenRegion()));
  successors.push_back(RegionSuccessor(&getElseRegion()));
}

/// An if whose condition is known becomes the region that runs.
static LogicalResult inlineKnownBranch(IfOp op, PatternRewriter &rewriter) {
  auto condition = llvm::dyn_cast_or_null<IntegerAttr>(getSplat(op.getCond()));
  if (!condition)
    return failure();
  Block &block =
      condition.getValue().isZero() ? op.getElseRegion().front() : op.getThenRegion().front();
  Operation *yield = block.getTerminator();
  SmallVector<Value> results(yield->getOperands());
  rewriter.inlineBlockBefore(&block, op);
  rewriter.eraseOp(yield);
  rewriter.replaceOp(op, results);
  return success();
}

/// What nobody reads is not computed.
static LogicalResult dropUnusedResults(IfOp op, PatternRewriter &rewriter) {
  SmallVector<Type> types;
  llvm::BitVector unused(op->getNumResults());
  for (OpResult result : op->getResults()) {
    unused[result.getResultNumber()] = result.use_empty();
    if (!result.use_empty())
      types.push_back(result.getType());
  }
  if (unused.none())
    return failure();
  auto smaller = IfOp::create(rewriter, op.getLoc(), types, op.getCond());
  SmallVector<Value> results;
  unsigned next = 0;
  for (OpResult result : op->getResults())
    results.push_back(unused[result.getResultNumber()] ? Value() : smaller->getResult(next++));
  for (auto [from, to] : {std::pair(&op.getThenRegion(), &smaller.getThenRegion()),
                          std::pair(&op.getElseRegion(), &smaller.getElseRegion())}) {
    rewriter.inlineRegionBefore(*from, *to, to->end());
    Operation *yield = to->front().getTerminator();
    rewriter.modifyOpInPlace(yield, [&] { yield->eraseOperands(unused); });
  }
  rewriter.replaceOp(op, results);
  return success();
}

void IfOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *) {
  patterns.add(inlineKnownBranch);
  patterns.add(dropUnusedResults);
}

//===----------------------------------------------------------------------===//
// while
//===----------------------------------------------------------------------===//

LogicalResult ConditionOp::verify() {
  if (!isBoolScalar(getValue()))
    return emitOpError("(C1) the condition is ") << getValue().getType() << ", not a bool scalar";
  return success();
}

LogicalResult WhileOp::verify() {
  TypeRange types = getInits().getTypes();
  Block &condition = getCondRegion().front(), &body = getBodyRegion().front();
  if (!llvm::equal(condition.getArgumentTypes(), types) ||
      !llvm::equal(body.getArgumentTypes(), types) || !llvm::equal(getResultTypes(), types))
    return emitOpError("(C1) the regions' arguments and the results need the operands' types");
  auto yield = llvm::dyn_cast<YieldOp>(body.back());
  if (!yield || !llvm::isa<ConditionOp>(condition.back()))
    return emitOpError("(C2) the first region ends with graph.condition, the second with "
                       "graph.yield");
  if (!llvm::equal(yield.getOperandTypes(), types))
    return emitOpError("(C1) the body yields other types than the operands'");
  return success();
}

ParseResult WhileOp::parse(OpAsmParser &parser, OperationState &state) {
  SmallVector<OpAsmParser::Argument> arguments, bodyArguments;
  SmallVector<OpAsmParser::UnresolvedOperand> inits;
  SmallVector<Type> types;
  llvm::SMLoc loc = parser.getCurrentLocation();
  auto parsePair = [&]() -> ParseResult {
    return failure(parser.parseArgument(arguments.emplace_back()) || parser.parseEqual() ||
                   parser.parseOperand(inits.emplace_back()));
  };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren, parsePair) ||
      parser.parseOptionalAttrDict(state.attributes))
    return failure();
  if (!inits.empty() && (parser.parseColon() || parser.parseTypeList(types)))
    return failure();
  if (parser.resolveOperands(inits, types, loc, state.operands))
    return failure();
  state.addTypes(types);
  Region *condition = state.addRegion(), *body = state.addRegion();
  for (auto [argument, type] : llvm::zip(arguments, types))
    argument.type = type;
  if (parser.parseRegion(*condition, arguments) || parser.parseKeyword("do") ||
      parser.parseArgumentList(bodyArguments, AsmParser::Delimiter::Paren))
    return failure();
  if (bodyArguments.size() != types.size())
    return parser.emitError(loc, "the body needs ") << types.size() << " arguments";
  for (auto [argument, type] : llvm::zip(bodyArguments, types))
    argument.type = type;
  return parser.parseRegion(*body, bodyArguments);
}

void WhileOp::print(OpAsmPrinter &printer) {
  printer << " (";
  llvm::interleaveComma(
      llvm::zip(getCondRegion().getArguments(), getInits()), printer,
      [&](auto pair) { printer << std::get<0>(pair) << " = " << std::get<1>(pair); });
  printer << ")";
  printer.printOptionalAttrDict((*this)->getAttrs());
  if (!getInits().empty())
    printer << " : " << getInits().getTypes();
  printer << ' ';
  printer.printRegion(getCondRegion(), /*printEntryBlockArgs=*/false);
  printer << " do (";
  llvm::interleaveComma(getBodyRegion().getArguments(), printer);
  printer << ") ";
  printer.printRegion(getBodyRegion(), /*printEntryBlockArgs=*/false);
}

static llvm::BitVector othersThan(llvm::BitVector kept) { return kept.flip(); }

/// The loop without the carried values that are not kept, which nothing in it may use any more.
static void carryFewer(WhileOp op, const llvm::BitVector &kept, PatternRewriter &rewriter) {
  SmallVector<Value> inits, results(op.getInits());
  for (unsigned i : kept.set_bits())
    inits.push_back(op.getInits()[i]);
  auto fewer = WhileOp::create(rewriter, op.getLoc(), TypeRange(ValueRange(inits)), inits);
  fewer->setDiscardableAttrs(op->getDiscardableAttrDictionary());
  for (auto [i, result] : llvm::zip(kept.set_bits(), fewer.getResults()))
    results[i] = result;
  const llvm::BitVector dropped = othersThan(kept);
  Operation *yield = op.getBodyRegion().front().getTerminator();
  rewriter.modifyOpInPlace(yield, [&] { yield->eraseOperands(dropped); });
  for (auto [from, to] : {std::pair(&op.getCondRegion(), &fewer.getCondRegion()),
                          std::pair(&op.getBodyRegion(), &fewer.getBodyRegion())}) {
    from->front().eraseArguments(dropped);
    rewriter.inlineRegionBefore(*from, *to, to->end());
  }
  rewriter.replaceOp(op, results);
}

/// What the body yields as it got it is what the loop began with.
static LogicalResult dropUnchangedValues(WhileOp op, PatternRewriter &rewriter) {
  Block &condition = op.getCondRegion().front(), &body = op.getBodyRegion().front();
  llvm::BitVector kept(op.getInits().size(), true);
  for (auto [i, yielded] : llvm::enumerate(body.getTerminator()->getOperands()))
    if (yielded == body.getArgument(i) || yielded == op.getInits()[i])
      kept.reset(i);
  if (kept.all())
    return failure();
  for (unsigned i : othersThan(kept).set_bits())
    for (Value same :
         {Value(condition.getArgument(i)), Value(body.getArgument(i)), op.getResult(i)})
      rewriter.replaceAllUsesWith(same, op.getInits()[i]);
  carryFewer(op, kept, rewriter);
  return success();
}

namespace {
/// What decides a loop's used results, how often it runs, and what it changes elsewhere.
class NeededInLoop {
public:
  explicit NeededInLoop(WhileOp op)
      : condition(op.getCondRegion().front()), body(op.getBodyRegion().front()),
        carried(op.getInits().size()) {
    for (OpResult result : op.getResults())
      if (!result.use_empty())
        needCarried(result.getResultNumber());
    need(condition.getTerminator());
    for (Block *block : {&condition, &body})
      for (Operation &inner : block->without_terminator())
        if (!isMemoryEffectFree(&inner))
          need(&inner);
    while (!pending.empty())
      pending.pop_back_val()->walk([&](Operation *inner) {
        llvm::for_each(inner->getOperands(), [&](Value value) { needValue(value); });
      });
  }

  bool has(Operation *op) const { return ops.contains(op); }
  const llvm::BitVector &getCarried() const { return carried; }

private:
  void need(Operation *op) {
    if (ops.insert(op).second)
      pending.push_back(op);
  }

  void needCarried(unsigned i) {
    if (carried.test(i))
      return;
    carried.set(i);
    needValue(body.getTerminator()->getOperand(i));
  }

  void needValue(Value value) {
    Block *block = value.getParentBlock();
    if (auto argument = llvm::dyn_cast<BlockArgument>(value)) {
      if (block == &condition || block == &body)
        needCarried(argument.getArgNumber());
      return;
    }
    if (block == &condition || block == &body)
      need(value.getDefiningOp());
  }

  Block &condition, &body;
  llvm::BitVector carried;
  llvm::SmallPtrSet<Operation *, 32> ops;
  SmallVector<Operation *> pending;
};
} // namespace

/// A carried value that decides nothing but what it is itself in the next iteration is not
/// computed.
static LogicalResult dropUnneededValues(WhileOp op, PatternRewriter &rewriter) {
  NeededInLoop needed(op);
  if (needed.getCarried().all())
    return failure();
  Block &body = op.getBodyRegion().front();
  Operation *yield = body.getTerminator();
  // Unneeded values may go around in circles through the yield.
  rewriter.modifyOpInPlace(yield, [&] {
    for (unsigned i : othersThan(needed.getCarried()).set_bits())
      yield->setOperand(i, op.getInits()[i]);
  });
  SmallVector<Operation *> unneeded;
  for (Block *block : {&op.getCondRegion().front(), &body})
    for (Operation &inner : block->without_terminator())
      if (!needed.has(&inner))
        unneeded.push_back(&inner);
  for (Operation *inner : llvm::reverse(unneeded))
    rewriter.eraseOp(inner);
  carryFewer(op, needed.getCarried(), rewriter);
  return success();
}

void WhileOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *) {
  patterns.add(dropUnchangedValues).add(dropUnneededValues);
}

} // namespace tessera::graph
