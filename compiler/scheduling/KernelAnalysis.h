//===- KernelAnalysis.h - What the stages of a kernel are by structure --------*- C++ -*-===//
// Iterator types, indexing maps and bodies decide; names never do.
#ifndef TESSERA_COMPILER_SCHEDULING_KERNELANALYSIS_H
#define TESSERA_COMPILER_SCHEDULING_KERNELANALYSIS_H

#include "dialects/kernel/Combiner.h"
#include "dialects/kernel/Kernel.h"

#include "llvm/ADT/SmallBitVector.h"

namespace tessera::scheduling {

using kernel::Combiner;
using kernel::matchCombiner;

enum class StageKind {
  Elementwise,     ///< computes each element from elements of its operands
  Movement,        ///< only places elements: copies, broadcasts, transposes, pads
  Gather,          ///< reads at indices that are data
  Reduction,       ///< combines elements along reduction loops
  Contraction,     ///< sums products of two operands that differ in their loops
  Window,          ///< a contraction that slides over one operand (convolution)
  DepthwiseWindow, ///< slides without mixing channels (depthwise convolution, pooling)
  Scan,            ///< reduces the elements up to its own place
};
llvm::StringRef stringify(StageKind kind);

/// How an index depends on the loops of its stage.
struct IndexForm {
  llvm::SmallVector<int64_t, 6> coefficients; ///< per loop; meaningful where linear
  llvm::SmallBitVector loops;                 ///< loops it depends on at all
  bool linear = true;                         ///< sum of loops times constants
  bool clamped = false;                       ///< bounded by min, max or a selection
  bool fromData = false;                      ///< depends on elements of a tensor
  /// Whether it is linear and moves by one with the loop.
  bool movesByOne(unsigned loop) const { return linear && coefficients[loop] == 1; }
};

/// One read of a tensor by a stage: an operand, or a tensor.extract in the body.
struct Access {
  mlir::Value tensor;
  std::vector<IndexForm> dims;
  mlir::OpOperand *operand = nullptr; ///< null for a tensor.extract
  bool dependsOn(unsigned loop) const;
  /// Consecutive iterations of the loop read consecutive elements.
  bool isContiguousIn(unsigned loop) const;
  /// Some index slides: a sum of a parallel and a reduction loop.
  bool slides(const llvm::SmallBitVector &reductionLoops) const;
};

/// The reads a scalar of a body is computed from, and the loops it depends on.
struct Slice {
  std::vector<Access> reads;
  llvm::SmallBitVector loops;
};

struct StageInfo {
  mutable mlir::linalg::GenericOp op;
  std::string name;
  StageKind kind = StageKind::Elementwise;
  llvm::SmallVector<std::string> loops;
  llvm::SmallVector<int64_t> extents; ///< ShapedType::kDynamic where unknown
  llvm::SmallVector<int64_t> bounds;  ///< the most an extent can be; ShapedType::kDynamic
  llvm::SmallVector<int64_t> steps;   ///< what an extent is a multiple of; 1 where unknown
  llvm::SmallBitVector reductionLoops;
  std::vector<Access> reads;
  unsigned flopsPerPoint = 0; ///< arithmetic operations per iteration, elementary functions as 12

  // Contraction, Window and DepthwiseWindow with a product: its two factors and the roles of the
  // parallel loops.
  Slice lhs, rhs;
  bool isProduct = false;
  llvm::SmallVector<unsigned> batch, m, n; ///< in both factors (or none), in lhs only, in rhs only
  /// Of channels in groups: how many steps of a loop of m or n read the same of the other factor,
  /// which then goes on; 0 for loops that it does not depend on.
  llvm::SmallVector<int64_t> groups;

  bool reduces() const { return reductionLoops.any(); }
  unsigned loopNumber(llvm::StringRef loop) const;
  /// The loop along the last dimension of the result; none for a scalar.
  std::optional<unsigned> innermostOutputLoop() const;
  /// The extent of a loop, or `assumed` where it is not known.
  int64_t extentOr(unsigned loop, int64_t assumed) const;
};

struct KernelInfo {
  std::vector<StageInfo> stages;
  const StageInfo *lookup(llvm::StringRef stage) const;
  const StageInfo *lookup(mlir::Operation *stage) const;
};

StageInfo analyzeStage(mlir::linalg::GenericOp stage);
KernelInfo analyzeKernel(kernel::FuncOp kernel);

/// The forms of the results of an operand's map.
std::vector<IndexForm> formsOf(mlir::AffineMap map);

/// A product sum of short integers in i32 that does not overflow: what dot product instructions
/// sum.
struct IntegerProduct {
  mlir::OpOperand *lhs = nullptr, *rhs = nullptr;
  bool lhsUnsigned = false, rhsUnsigned = false;
};
/// `yield acc + ext(lhs) * ext(rhs)` of operands of 8 bits, neither operation overflowing.
std::optional<IntegerProduct> matchIntegerProduct(const StageInfo &stage);

/// The operands of `yield acc + ext(lhs) * ext(rhs)` in f32 of elements of bf16, each read once.
struct Bf16Product {
  mlir::OpOperand *lhs = nullptr, *rhs = nullptr;
};
std::optional<Bf16Product> matchBf16Product(const StageInfo &stage);

} // namespace tessera::scheduling

#endif
