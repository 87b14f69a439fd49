//===- StageLines.cpp - From which stage an instruction is ---------------------------------===//
#include "compiler/codegen/nvgpu/StageLines.h"

#include "mlir/Dialect/LLVMIR/Transforms/Passes.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Pass/PassManager.h"

using namespace mlir;

namespace tessera::nvgpu {

StageLines::StageLines(kernel::FuncOp kernel) {
  std::string all;
  kernel.walk<WalkOrder::PreOrder>([&](linalg::LinalgOp stage) {
    const StringRef name = kernel::getStageName(stage);
    if (name.empty() || !lines.try_emplace(name, unsigned(lines.size() + 1)).second)
      return;
    all += (all.empty() ? "" : ",") + name.str();
  });
  names = StringAttr::get(kernel.getContext(), all);
}

Location StageLines::of(Operation *stage) const {
  const unsigned line = stage ? lines.lookup(kernel::getStageName(stage)) : 0;
  return FileLineColLoc::get(names, line, 0);
}

void StageLines::mark(Operation *stage) const {
  const Location place = of(stage);
  stage->walk([&](Operation *op) { op->setLoc(place); });
}

LogicalResult StageLines::attach(ModuleOp module) const {
  if (names.empty())
    return success();
  module.walk([&](Operation *op) {
    auto place = dyn_cast<FileLineColLoc>(op->getLoc());
    if (!place || place.getFilename() != names)
      op->setLoc(of(nullptr));
  });
  LLVM::DIScopeForLLVMFuncOpPassOptions options;
  options.emissionKind = LLVM::DIEmissionKind::DebugDirectivesOnly;
  PassManager passes(module.getContext());
  passes.addPass(LLVM::createDIScopeForLLVMFuncOpPass(options));
  return passes.run(module);
}

} // namespace tessera::nvgpu
