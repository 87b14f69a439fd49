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

/// How many tiles of that many rows there are for a row, the last of which is computed as a whole.
/// Lines are taken for those of pictures of 224, 256 and 320 places, halved from layer to layer.
static double tilesPerRow(int64_t tileRows, UnknownRows unknown) {
  if (unknown == UnknownRows::many)
    return 1.0 / tileRows;
  constexpr int64_t kLengths[] = {7, 8, 10, 14, 16, 20, 28, 32, 40, 56, 64, 80};
  double sum = 0;
  for (int64_t length : kLengths)
    sum += double(llvm::divideCeil(length, tileRows)) / length;
  return sum / std::size(kLengths);
}

RegisterTile chooseRegisterTile(const Target &target, int64_t lanes, int64_t rows, int64_t columns,
                                int64_t temporaries, int64_t mostVectors, double loadsPerVector,
                                UnknownRows unknown) {
  // Accumulators leave room for one vector per column vector and for the broadcast value. Measured
  // (KERNELS D): AVX2 6x2 and 4x3 reach the peak, AVX-512 8x3 and 6x4; more accumulators spill.
  RegisterTile best;
  double bestCost = 0;
  int64_t limit = target.vectorRegisters >= 32 ? 24 : target.vectorRegisters - 4;
  for (int64_t vectors = 1; vectors <= mostVectors; ++vectors) {
    for (int64_t r = 1; r <= 8 && r * vectors <= limit; ++r) {
      if (r * vectors + vectors + 1 + temporaries > target.vectorRegisters)
        break;
      if (!ShapedType::isDynamic(rows) && r > rows)
        break;
      int64_t width = vectors * lanes;
      double tilesDown =
          ShapedType::isDynamic(rows) ? 480 * tilesPerRow(r, unknown) : llvm::divideCeil(rows, r);
      double tilesAcross = ShapedType::isDynamic(columns)
                               ? 480.0 * lanes / width
                               : double(llvm::divideCeil(columns, width));
      // Loads hide behind multiply-adds only up to two a cycle, and the latency of a multiply-add
      // (4 cycles at 2 a cycle) wants at least 8 independent accumulators.
      const double multiplies = std::max<double>(r * vectors, 8) / 2;
      const double loads = (double(r) + double(vectors) * loadsPerVector) / 2;
      // A row of a packed panel that is no multiple of a cache line has loads across two lines.
      double crossing = vectors * target.vectorBits % 512 ? vectors / 2.0 : 0;
      // Between lines short tiles save what long ones compute in vain, but the loop shows: 4x3
      // takes 1.12 to 1.18 of the time of 8x3 a place (1x1, 240 columns), 4x2 1.1 of 8x2's,
      // 4x4 1.02 of 6x4's.
      const double loop = ShapedType::isDynamic(rows) && unknown == UnknownRows::line ? 1 : 0;
      double perStep = std::max(multiplies, loads) + 0.25 * (loads + crossing) + loop;
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
  // A panel of columns lies in a quarter of L2, and comes from there for every tile of rows; so do
  // the rows of a block, and the more they are, the fewer bytes come from L3 (1024 cubed on Zen 5,
  // shares of the peak: 256 steps and 36 rows 88.3, 512 and 72 89.5, 1024 and 36 89.3, 1024 and 72
  // 90.7; of vectors of 256 bits 256 and 18 88, 1024 and 36 90). Rows of unknown number may be few:
  // half as many are left for each thread to have some.
  constexpr int64_t kEdge = 128, kFewestSteps = 256, kMostSteps = 1024;
  // Where columns are not cut into groups that all rows share, products of 1536 and more read them
  // from memory for every block of rows (62 against 75 % of the peak at 2048 cubed on Zen 5).
  constexpr int64_t kAssumedDepth = 1024;
  CacheBlock block;
  int64_t width = tile.vectors * lanes, panel = width * elementBytes;
  block.depth = std::clamp<int64_t>(llvm::bit_floor<uint64_t>(target.l2Bytes / 4 / panel),
                                    kFewestSteps, kMostSteps);
  const int64_t rowBytes = target.l2Bytes / (ShapedType::isDynamic(rows) ? 8 : 4);
  block.rowTiles = llvm::divideCeil(rowBytes / (block.depth * elementBytes), tile.rows);
  block.columnTiles = std::max<int64_t>(1, kEdge / width);
  auto columnBlocks = [&] { return llvm::divideCeil(columns, block.columnTiles * width); };
  auto group = [&] {
    int64_t blockBytes =
        block.columnTiles * panel * (ShapedType::isDynamic(depth) ? kAssumedDepth : depth);
    int64_t most = std::max<int64_t>(1, target.groupBytes / std::max<int64_t>(1, blockBytes));
    if (ShapedType::isDynamic(columns))
      return most;
    int64_t blocks = columnBlocks(), groups = llvm::divideCeil(blocks, most);
    return groups <= 1 ? 0 : int64_t(llvm::divideCeil(blocks, groups));
  };
  block.groupedBlocks = group();
  // Small results are cut finer, so that there is something to share between threads.
  if (ShapedType::isDynamic(rows) || ShapedType::isDynamic(columns))
    return block;
  auto tasks = [&] {
    int64_t across = columnBlocks();
    if (block.groupedBlocks)
      across = llvm::divideCeil(across, block.groupedBlocks);
    return llvm::divideCeil(rows, block.rowTiles * tile.rows) * across;
  };
  while (target.cores > 1 && tasks() < 8 && block.rowTiles * block.columnTiles > 4) {
    bool tall = block.rowTiles * tile.rows > block.columnTiles * width;
    int64_t &tiles = tall || block.columnTiles == 1 ? block.rowTiles : block.columnTiles;
    tiles = llvm::divideCeil(tiles, 2);
    block.groupedBlocks = group();
  }
  return block;
}

} // namespace tessera::scheduling
