// A plugin of passes that are wrong on purpose, so that tests can see the numeric verifier find
// them.
#include "mlir/Pass/Pass.h"
#include "mlir/Tools/Plugins/PassPlugin.h"

using namespace mlir;

namespace {

/// Swaps the operands of every op of a name.
struct SwapOperands : PassWrapper<SwapOperands, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(SwapOperands)

  SwapOperands() = default;
  SwapOperands(const SwapOperands &other) : PassWrapper(other) {}
  StringRef getArgument() const final { return "test-swap-operands"; }
  StringRef getDescription() const final { return "Swaps the operands of ops (wrong on purpose)"; }

  void runOnOperation() override {
    getOperation().walk([&](Operation *op) {
      if (op->getName().getStringRef() != name)
        return;
      Value first = op->getOperand(0);
      op->setOperand(0, op->getOperand(1));
      op->setOperand(1, first);
    });
  }

  Option<std::string> name{*this, "op", llvm::cl::desc("Name of the ops")};
};

} // namespace

extern "C" __attribute__((visibility("default"))) PassPluginLibraryInfo mlirGetPassPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "WrongPass", "1", [] { PassRegistration<SwapOperands>(); }};
}
