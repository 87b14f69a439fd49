//===- Updates.cpp - What a loop carries is updated where it is -------------------------------===//
//
// A body that replaces some elements of a carried value
//
//   %r = graph.while (%all = %start) ... do (%a) {
//     ... reads %a ...
//     %b = kernel.launch @scatter(%a, %places, %x)     // a copy of %a, then the elements
//     graph.yield %b
//   }
//
// does that in the buffer of %a: an iteration costs what it writes, not what there is. So it is
// through several such launches, and through branches. Whoever reads the value as it was before
// stands before the launch.
//
//===----------------------------------------------------------------------===//

#include "compiler/conversion/kernel_to_program/Converter.h"

using namespace mlir;
using namespace tessera;

static Value withoutViews(Value value) {
  while (auto reshape = value.getDefiningOp<graph::ReshapeOp>())
    value = reshape.getX();
  return value;
}

/// Collects what writes over the argument until it is the value, the last one first. False when the
/// value is computed in any other way.
bool Converter::collectUpdates(Value value, Value argument, Block *block,
                               SmallVectorImpl<OpResult> &updates) {
  value = withoutViews(value);
  if (value == argument)
    return true;
  auto result = llvm::dyn_cast<OpResult>(value);
  if (!result || result.getOwner()->getBlock() != block || wishes.count(value) ||
      buffers.count(value) || llvm::is_contained(updates, result))
    return false;
  updates.push_back(result);
  if (auto launch = llvm::dyn_cast<kernel::LaunchOp>(result.getOwner())) {
    auto kernel =
        function->getParentOfType<ModuleOp>().lookupSymbol<kernel::FuncOp>(launch.getKernel());
    std::optional<unsigned> updated = kernel::getUpdatedArgument(kernel, result.getResultNumber());
    return updated && collectUpdates(launch.getOperand(*updated), argument, block, updates);
  }
  auto branch = llvm::dyn_cast<graph::IfOp>(result.getOwner());
  if (!branch)
    return false;
  for (Region *region : {&branch.getThenRegion(), &branch.getElseRegion()}) {
    Block *inside = &region->front();
    if (!collectUpdates(inside->getTerminator()->getOperand(result.getResultNumber()), argument,
                        inside, updates))
      return false;
  }
  return true;
}

/// Whether everything that reads a value has read it before an op, which may read it itself, as
/// the value that it updates.
static bool isReadBefore(Value value, Operation *update,
                         llvm::function_ref<bool(OpOperand &)> isUpdate) {
  for (OpOperand &use : value.getUses()) {
    Operation *user = use.getOwner();
    if (auto view = llvm::dyn_cast<graph::ReshapeOp>(user)) {
      if (!isReadBefore(view.getResult(), update, isUpdate))
        return false;
      continue;
    }
    if (isUpdate(use))
      continue;
    // What stands in another branch does not run with it; what stands in a branch of the update is
    // looked at for the updates there.
    Operation *beside = update->getBlock()->findAncestorOpInBlock(*user);
    if (beside && (beside == update ? user == update : !beside->isBeforeInBlock(update)))
      return false;
  }
  return true;
}

void Converter::updateInPlace(graph::WhileOp loop, ArrayRef<Value> carried) {
  auto target = function->getParentOfType<ModuleOp>()->getAttrOfType<StringAttr>("tessera.target");
  if (target && target.getValue().starts_with("cuda:"))
    return; // The kernels there always copy.
  Block &body = loop.getBodyRegion().front();
  Operation *yield = body.getTerminator();
  for (unsigned i = 0; i < carried.size(); ++i) {
    Value argument = body.getArgument(i);
    SmallVector<OpResult> updates;
    if (withoutViews(yield->getOperand(i)) == argument ||
        !collectUpdates(yield->getOperand(i), argument, &body, updates))
      continue;
    // All values that are in the buffer at some time, each of which an update may write over.
    SmallVector<Value> all{argument};
    llvm::append_range(all, updates);
    auto isUpdate = [&](OpOperand &use) {
      Operation *user = use.getOwner();
      if (llvm::isa<graph::YieldOp>(user)) {
        if (user == yield)
          return use.getOperandNumber() == i;
        return llvm::any_of(updates, [&](OpResult update) {
          return update.getOwner() == user->getParentOp() &&
                 update.getResultNumber() == use.getOperandNumber();
        });
      }
      for (OpResult update : updates)
        if (auto launch = llvm::dyn_cast<kernel::LaunchOp>(update.getOwner());
            launch && launch == user) {
          auto kernel = function->getParentOfType<ModuleOp>().lookupSymbol<kernel::FuncOp>(
              launch.getKernel());
          return kernel::getUpdatedArgument(kernel, update.getResultNumber()) ==
                 use.getOperandNumber();
        }
      return false;
    };
    bool isSafe = llvm::all_of(updates, [&](OpResult update) {
      return llvm::all_of(all, [&](Value value) {
        // Values behind an update, and the result of a branch that holds it, are what it makes.
        Operation *maker = value.getDefiningOp();
        if (maker == update.getOwner() ||
            (maker && (maker->isAncestor(update.getOwner()) ||
                       (maker->getBlock() == update.getOwner()->getBlock() &&
                        update.getOwner()->isBeforeInBlock(maker)))))
          return true;
        return isReadBefore(value, update.getOwner(), isUpdate);
      });
    });
    if (!isSafe)
      continue;
    for (OpResult update : updates)
      wishes[update] = [this, buffer = carried[i], argument, update] {
        return update.getType() == argument.getType() ? buffer
                                                      : view(buffer, graph::getTensorType(update));
      };
  }
}
