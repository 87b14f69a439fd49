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
      // Loads hide behind multiply-adds only up to two a cycle, and the latency of a multiply-add
      // (4 cycles at 2 a cycle) wants at least 8 independent accumulators.
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
                            int64_t elementBytes, int64_t rows, int64_t columns, int64_t depth) {
  // Of a block of R x C results, (R + C) / (R * C) values come from beyond L2 for each
  // multiply-add, so it is about square and as large as its accumulators (which stay in L2 with
  // what they are made of, and on the stack of a thread) may be. A column panel of `depth` steps
  // stays in L1 beside the row values that pass by.
  constexpr int64_t kAccumulatorBytes = 64 << 10, kEdge = 128;
  CacheBlock block;
  int64_t width = tile.vectors * lanes, panel = width * elementBytes;
  block.depth =
      std::clamp<int64_t>(llvm::bit_floor<uint64_t>(target.l1Bytes / 2 / panel), 256, 512);
  block.columnTiles = std::max<int64_t>(1, kEdge / width);
  block.rowTiles =
      std::max<int64_t>(1, kAccumulatorBytes / (panel * block.columnTiles * tile.rows));
  // A few rows less, when then the whole of them stays in half of L2 while the columns pass
  // (measured at 768 and 1024 steps: 84 against 79 % of the peak; at 1536 the block would be too
  // low: 73 against 81).
  int64_t fitting =
      ShapedType::isDynamic(depth)
          ? block.rowTiles
          : target.l2Bytes / 2 / (std::max<int64_t>(1, depth) * elementBytes * tile.rows);
  if (fitting >= block.rowTiles / 2)
    block.rowTiles = std::max<int64_t>(1, std::min(block.rowTiles, fitting));
  // Small results are cut finer, so that there is something to share between threads.
  if (ShapedType::isDynamic(rows) || ShapedType::isDynamic(columns))
    return block;
  auto tasks = [&] {
    return llvm::divideCeil(rows, block.rowTiles * tile.rows) *
           llvm::divideCeil(columns, block.columnTiles * width);
  };
  while (target.cores > 1 && tasks() < 8 && block.rowTiles * block.columnTiles > 4) {
    bool tall = block.rowTiles * tile.rows > block.columnTiles * width;
    int64_t &tiles = tall || block.columnTiles == 1 ? block.rowTiles : block.columnTiles;
    tiles = llvm::divideCeil(tiles, 2);
  }
  return block;
}

} // namespace tessera::scheduling
