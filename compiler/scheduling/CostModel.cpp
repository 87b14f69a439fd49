//===- CostModel.cpp - What a kernel costs, estimated --------------------------------------===//
#include "compiler/scheduling/CostModel.h"

#include "llvm/Support/MathExtras.h"

#include <algorithm>

using namespace mlir;

namespace tessera::scheduling {

double iterations(const StageInfo &stage) {
  double count = 1;
  for (unsigned loop = 0; loop < stage.loops.size(); ++loop)
    count *= stage.extentOr(loop, kAssumedExtent);
  return count;
}

static double bytesOf(Type type, bool &exact) {
  auto tensor = cast<RankedTensorType>(type);
  double elements = 1;
  for (int64_t extent : tensor.getShape()) {
    exact &= !ShapedType::isDynamic(extent);
    elements *= ShapedType::isDynamic(extent) ? kAssumedExtent : extent;
  }
  unsigned bits = tensor.getElementType().isIndex() ? 64 : tensor.getElementTypeBitWidth();
  return elements * std::max(8u, bits) / 8;
}

KernelCost estimate(kernel::FuncOp kernel, const KernelInfo &info) {
  KernelCost cost;
  for (const StageInfo &stage : info.stages)
    cost.flops += iterations(stage) * stage.flopsPerPoint;
  for (Type type : kernel.getArgumentTypes())
    if (!type.isIndex())
      cost.bytesRead += bytesOf(type, cost.exact);
  for (Type type : kernel.getResultTypes())
    cost.bytesWritten += bytesOf(type, cost.exact);
  return cost;
}

double KernelCost::balance(const Target &target) const {
  double bytes = std::max(1.0, bytesRead + bytesWritten);
  return flops / bytes / target.flopsPerByte;
}

RegisterTile chooseRegisterTile(const Target &target, int64_t lanes, int64_t rows,
                                int64_t columns) {
  // Accumulators leave room for one vector per column vector and for the broadcast value. Measured
  // (KERNELS D): AVX2 6x2 and 4x3 reach the peak, AVX-512 8x3 and 6x4; more accumulators spill.
  RegisterTile best;
  double bestCost = 0;
  int64_t limit = target.vectorRegisters >= 32 ? 24 : target.vectorRegisters - 4;
  for (int64_t vectors = 1; vectors <= 8; ++vectors) {
    for (int64_t r = 1; r <= 8 && r * vectors <= limit; ++r) {
      if (r * vectors + vectors + 1 > target.vectorRegisters)
        break;
      if (!ShapedType::isDynamic(rows) && r > rows)
        break;
      int64_t width = vectors * lanes;
      double tilesDown = ShapedType::isDynamic(rows) ? 480.0 / r : llvm::divideCeil(rows, r);
      double tilesAcross = ShapedType::isDynamic(columns)
                               ? 480.0 * lanes / width
                               : double(llvm::divideCeil(columns, width));
      // Loads hide behind multiply-adds only up to two a cycle, and the latency of a multiply-add (4
      // cycles at 2 a cycle) wants at least 8 independent accumulators.
      double multiplies = std::max<double>(r * vectors, 8) / 2, loads = (r + vectors) / 2.0;
      // A row of a packed panel that is no multiple of a cache line has loads across two lines.
      double crossing = vectors * target.vectorBits % 512 ? vectors / 2.0 : 0;
      double perStep = std::max(multiplies, loads) + 0.25 * (loads + crossing);
      double cost = tilesDown * tilesAcross * perStep;
      if (bestCost == 0 || cost < bestCost * 0.999) {
        bestCost = cost;
        best = {r, vectors};
      }
    }
  }
  return best;
}

CacheBlock chooseCacheBlock(const Target &target, RegisterTile tile, int64_t lanes,
                            int64_t elementBytes) {
  // The accumulators of a block live on the stack, where Halide keeps at most 16 KB. A column panel of
  // `depth` steps stays in L1 beside the row values that pass by, the panels of the block in L2.
  constexpr int64_t kStackBytes = 16 << 10;
  CacheBlock block;
  int64_t panel = tile.vectors * lanes * elementBytes;
  int64_t tiles = std::max<int64_t>(1, kStackBytes / (panel * tile.rows));
  block.depth = std::clamp<int64_t>(llvm::bit_floor<uint64_t>(target.l1Bytes / 2 / panel), 256, 512);
  block.columnTiles = tiles >= 8 ? 2 : 1;
  block.rowTiles = std::max<int64_t>(1, tiles / block.columnTiles);
  return block;
}

} // namespace tessera::scheduling
