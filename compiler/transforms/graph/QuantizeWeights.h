//===- QuantizeWeights.h - Weights of contractions in fewer bits ------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_TRANSFORMS_GRAPH_QUANTIZEWEIGHTS_H
#define TESSERA_COMPILER_TRANSFORMS_GRAPH_QUANTIZEWEIGHTS_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

#include <string>
#include <vector>

namespace tessera::transforms {

/// Where an op is from: its node's name, or file:line.
std::string describePlace(mlir::Operation *op);

/// What became of one weight of one contraction.
struct WeightChoice {
  std::string place;               ///< of the contraction: its node's name, or file:line
  std::string type;                ///< as it was: "f32[64x32]"
  int64_t bytes = 0, newBytes = 0; ///< equal when it was left
  std::string reason;              ///< why it was left; empty: it was not
};

/// Weights of fewer elements are left: they save nothing, and may be what an accuracy hangs on.
inline constexpr int64_t kLeastWeightElements = 1024;

/// Stores constant operands of contractions in a format: one of dialects/common/BlockFormat.h,
/// or "bf16" or "f16". `choices` (or null) gets a row for each operand that is a constant.
mlir::LogicalResult quantizeWeights(mlir::ModuleOp module, llvm::StringRef format,
                                    int64_t leastElements, std::vector<WeightChoice> *choices);

/// The pass, with somebody who wants to know; `choices` has to outlive it.
std::unique_ptr<mlir::Pass> createGraphQuantizeWeights(llvm::StringRef format,
                                                       std::vector<WeightChoice> *choices);

} // namespace tessera::transforms

#endif
