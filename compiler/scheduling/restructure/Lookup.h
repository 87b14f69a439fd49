//===- Lookup.h - Stages and loops that directives name -------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_SCHEDULING_RESTRUCTURE_LOOKUP_H
#define TESSERA_COMPILER_SCHEDULING_RESTRUCTURE_LOOKUP_H

#include "dialects/kernel/Kernel.h"

namespace tessera::scheduling {

/// The stage that a directive names; an error that lists the stages when there is none.
inline mlir::FailureOr<mlir::linalg::GenericOp>
lookupStage(kernel::FuncOp kernel, mlir::Operation *directive, llvm::StringRef name) {
  if (auto stage = mlir::dyn_cast_if_present<mlir::linalg::GenericOp>(kernel.lookupStage(name)))
    return stage;
  std::string known;
  for (mlir::Operation *stage : kernel.getStages())
    if (mlir::isa<mlir::linalg::GenericOp>(stage))
      known += (known.empty() ? "" : ", ") + kernel::getStageName(stage).str();
  return directive->emitOpError() << "names stage '" << name << "'; kernel '" << kernel.getSymName()
                                  << "' has " << known;
}

inline mlir::FailureOr<unsigned> lookupLoop(mlir::linalg::GenericOp stage,
                                            mlir::Operation *directive, llvm::StringRef name) {
  std::string known;
  for (auto [number, loop] : llvm::enumerate(kernel::getLoopNames(stage))) {
    if (loop == name)
      return static_cast<unsigned>(number);
    known += (known.empty() ? "" : ", ") + loop;
  }
  return directive->emitOpError() << "names loop '" << name << "' of stage '"
                                  << kernel::getStageName(stage) << "', which has " << known;
}

/// The same of a loop that has to be a reduction.
inline mlir::FailureOr<unsigned> lookupReduction(mlir::linalg::GenericOp stage,
                                                 mlir::Operation *directive, llvm::StringRef name) {
  mlir::FailureOr<unsigned> loop = lookupLoop(stage, directive, name);
  if (mlir::succeeded(loop) &&
      stage.getIteratorTypesArray()[*loop] != mlir::utils::IteratorType::reduction)
    return directive->emitOpError() << "needs a reduction loop; '" << name << "' is parallel";
  return loop;
}

/// A new stage must not take the name of another.
inline mlir::LogicalResult expectFree(kernel::FuncOp kernel, mlir::Operation *directive,
                                      llvm::StringRef name) {
  if (!kernel.lookupStage(name))
    return mlir::success();
  return directive->emitOpError() << "names its new stage '" << name
                                  << "', and the kernel has one of that name";
}

} // namespace tessera::scheduling

#endif
