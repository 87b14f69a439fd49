//===- GpuVectors.cpp - Neighbours that a thread takes together, on a GPU --------------------===//
//
// A thread reads and writes 16 bytes at once where memory runs along the innermost loop: as many
// bytes are asked for by a quarter of the instructions (of 32 bits; of 8 by a sixteenth), and a
// multiprocessor whose threads have one vector each has more bytes on their way than latency times
// bandwidth asks for. The kernel looks whether addresses are multiples of that (Vectors.cpp); here
// it is only left out where it cannot be, or would leave threads without work.
//
//===----------------------------------------------------------------------===//
#include "compiler/scheduling/rules/Plan.h"

#include "dialects/kernel/LoopTracer.h"
#include "dialects/kernel/VectorReads.h"

using namespace mlir;

namespace tessera::scheduling {

/// What an instruction moves for a thread, of the widest elements: of those twice as wide as others
/// a thread would need two, each of which touches every sector of the warp.
static constexpr int64_t kVectorBytes = 16;

GpuLanes chooseGpuLanes(linalg::GenericOp stage, ArrayRef<std::string> loops, const Roots &roots,
                        int64_t leastVectors) {
  GpuLanes lanes;
  const StageInfo info = analyzeStage(stage);
  if (loops.empty() || loops.back() != info.loops.back())
    return lanes;
  const unsigned loop = unsigned(info.loops.size() - 1);
  const bool isStored = !info.reductionLoops.test(loop);
  kernel::VectorReads reads = kernel::findVectorReads(stage, loop, [&](Value tensor) {
    auto producer = tensor.getDefiningOp<linalg::GenericOp>();
    return isa<BlockArgument>(tensor) || (producer && roots.contains(producer));
  });
  SmallVector<Value> tensors = reads.inVectors(2);
  if (isStored) {
    const AffineMap map = kernel::resultMap(stage);
    auto last = map.getNumResults() ? dyn_cast<AffineDimExpr>(map.getResults().back()) : nullptr;
    if (!last || last.getPosition() != loop)
      return lanes;
    tensors.append(stage->result_begin(), stage->result_end());
  }
  int64_t most = 0;
  for (Value tensor : tensors) {
    Type element = cast<RankedTensorType>(tensor.getType()).getElementType();
    if (!element.isIntOrFloat() || (element.getIntOrFloatBitWidth() % 8 && !element.isInteger(1)))
      return lanes;
    most = std::max<int64_t>(most, (element.getIntOrFloatBitWidth() + 7) / 8);
  }
  if (!most)
    return lanes;
  int64_t width = kVectorBytes / most;
  int64_t elements = 1;
  for (const std::string &name : loops)
    elements *= std::min<int64_t>(info.extentOr(info.loopNumber(name), kGpuExtent), 1 << 20);
  while (width > 1 && elements / width < leastVectors)
    width /= 2;
  // All loops of the stage as one have a rest at the end of the tensor, and nowhere else.
  lanes.isFlat = reads.isFlat && isStored && loops.size() == info.loops.size();
  if (const int64_t extent = info.extents[loop]; !lanes.isFlat && !ShapedType::isDynamic(extent))
    while (width > 1 && extent % width)
      width /= 2;
  lanes.width = width;
  return lanes;
}

std::string writeGpuLanes(StageWriter &out, ArrayRef<std::string> loops, const std::string &name,
                          const GpuLanes &lanes) {
  if (lanes.width < 2)
    return out.fuseAll(loops, name);
  SmallVector<std::string> vectors(loops);
  if (lanes.isFlat)
    vectors = {out.fuseAll(loops, name)};
  out.split(vectors.back(), "vector", "lane", lanes.width);
  out.vectorizeEven("lane", lanes.width);
  vectors.back() = "vector";
  return out.fuseAll(vectors, name);
}

} // namespace tessera::scheduling
