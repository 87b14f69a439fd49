//===- Stream.cpp - A chain of reductions in one read -----------------------------------===//

#include "dialects/graph/TextForms.h"

using namespace mlir;

#define GET_OP_CLASSES
#include "dialects/graph/Stream.cpp.inc"

namespace tessera::graph {

void GraphDialect::registerStreamOps() {
  addOperations<
#define GET_OP_LIST
#include "dialects/graph/Stream.cpp.inc"
      >();
}

DimAttr StreamOp::getExtent() {
  for (auto [input, axis] : llvm::zip(getInputs(), getAxes()))
    if (axis >= 0)
      return getTensorType(input).getDim(axis);
  return {};
}

SmallVector<Type> StreamOp::getStateTypes() {
  return llvm::to_vector(getLift().front().getTerminator()->getOperandTypes());
}

/// What a lift takes of an input.
static Type getLiftedType(StreamOp op, Value input, int64_t axis) {
  TensorType type = getTensorType(input);
  if (axis < 0)
    return type;
  SmallVector<DimAttr> dims(type.getDims());
  if (std::optional<StringRef> block = op.getBlock())
    dims[axis] = DimExpr::symbol(op.getContext(), *block);
  else
    dims.erase(dims.begin() + axis);
  return type.withDims(dims);
}

LogicalResult StreamOp::verify() {
  if (getAxes().size() != getInputs().size())
    return emitOpError("(C1) axes has ")
           << getAxes().size() << " entries for " << getInputs().size() << " inputs";
  SmallVector<Type> lifted;
  for (auto [input, axis] : llvm::zip(getInputs(), getAxes())) {
    TensorType type = getTensorType(input);
    if (axis < -1 || axis >= type.rank())
      return emitOpError("(C1) axis ") << axis << " of " << type;
    if (axis >= 0 && type.getDim(axis) != getExtent())
      return emitOpError("(C1) streams over ")
             << getExtent().str() << " and " << type.getDim(axis).str();
    lifted.push_back(getLiftedType(*this, input, axis));
  }
  if (!getExtent())
    return emitOpError("(C1) no input is streamed");
  Block &lift = getLift().front(), &merge = getMerge().front(), &finalize = getFinalize().front();
  for (Block *block : {&lift, &merge, &finalize})
    if (block->empty() || !llvm::isa<YieldOp>(block->back()))
      return emitOpError("every region ends with graph.yield");
  if (!llvm::equal(lift.getArgumentTypes(), lifted))
    return emitOpError("(C2) lift takes (")
           << lift.getArgumentTypes() << "), the inputs give (" << lifted << ')';
  SmallVector<Type> states = getStateTypes(), pair(states);
  pair.append(states);
  if (!llvm::equal(merge.getArgumentTypes(), pair) ||
      !llvm::equal(merge.getTerminator()->getOperandTypes(), states))
    return emitOpError("(C3) merge takes two lists of states (") << states << ") and yields one";
  if (getIdentity().size() != states.size())
    return emitOpError("(C3) identity has ")
           << getIdentity().size() << " entries for " << states.size() << " states";
  for (auto [value, state] : llvm::zip(getIdentity(), states)) {
    auto typed = llvm::dyn_cast<TypedAttr>(value);
    if (!typed || typed.getType() != llvm::cast<TensorType>(state).getElementType())
      return emitOpError("(C3) identity ") << value << " of state " << state;
  }
  if (!llvm::equal(finalize.getArgumentTypes(), states) ||
      !llvm::equal(finalize.getTerminator()->getOperandTypes(), getResultTypes()))
    return emitOpError("(C4) finalize takes the states and yields the results");
  for (Region *region : {&getLift(), &getMerge(), &getFinalize()}) {
    WalkResult result = region->walk([&](Operation *op) {
      bool outside = llvm::any_of(op->getOperands(), [&](Value operand) {
        return !region->isAncestor(operand.getParentRegion());
      });
      return outside ? WalkResult::interrupt() : WalkResult::advance();
    });
    if (result.wasInterrupted())
      return emitOpError("(C5) a region uses a value from outside; make it an input of axis -1");
  }
  return success();
}

} // namespace tessera::graph
