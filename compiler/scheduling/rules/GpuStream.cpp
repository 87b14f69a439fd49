//===- GpuStream.cpp - Streams in one launch, on a GPU ----------------------------------------===//
//
// A stage that merges states of blocks takes one launch with all that its blocks are lifted by,
// where dialects/kernel/StreamStages.h finds products and reductions of rows, and a tile of rows
// and keys fits what a block of threads shares. Elements that follow from the states are computed
// where they are stored; other stages read the states from scratch memory. What does not fit is
// planned like any other kernel: a row of launches.
//
//===----------------------------------------------------------------------===//
#include "compiler/scheduling/rules/Plan.h"

#include "dialects/kernel/StreamStages.h"

using namespace mlir;

namespace tessera::scheduling {

/// What every device gives a block without being asked.
static constexpr int64_t kSharedBytes = 48 << 10;

namespace {
struct Tile {
  int64_t warps, keys;
};
} // namespace

/// The largest tile that fits; rows that there are not would be computed for nothing.
static std::optional<Tile> chooseTile(const kernel::StreamStages &stream) {
  static constexpr Tile matrixTiles[] = {{4, 64}, {4, 32}, {2, 32}, {1, 64}, {1, 32}, {1, 16}};
  static constexpr Tile wordTiles[] = {{4, 32}, {2, 32}, {2, 16}, {1, 32}, {1, 16}, {1, 8}};
  int64_t rows = 1;
  if (stream.rows)
    rows = analyzeStage(stream.merge).extentOr(*stream.rows, kGpuExtent);
  for (const Tile &tile :
       stream.isMatrix ? ArrayRef<Tile>(matrixTiles) : ArrayRef<Tile>(wordTiles)) {
    const int64_t extent = tile.warps * kernel::StreamStages::kWarpRows;
    const bool isTooTall = tile.warps > 1 && extent >= 2 * rows;
    if (!isTooTall && stream.getSharedBytes(extent, tile.keys) <= kSharedBytes)
      return tile;
  }
  return std::nullopt;
}

/// Merges states, by an operation that is more than one of the known ones.
static bool mergesStates(linalg::GenericOp stage) {
  return stage.getNumReductionLoops() == 1 && stage.getNumResults() > 1 &&
         llvm::any_of(llvm::seq<unsigned>(0, stage.getNumResults()),
                      [&](unsigned result) { return !matchCombiner(stage, result); });
}

std::vector<kernel::StreamStages> findGpuStreams(kernel::FuncOp kernel, bool explain) {
  std::vector<kernel::StreamStages> streams;
  for (auto stage : kernel.getBody().front().getOps<linalg::GenericOp>()) {
    if (!mergesStates(stage))
      continue;
    std::string why;
    std::optional<kernel::StreamStages> stream = kernel::matchStream(stage, why);
    if (stream && !chooseTile(*stream)) {
      stream.reset();
      why = "no tile of its rows and keys fits shared memory";
    }
    if (explain)
      stage.emitRemark() << "stage '" << kernel::getStageName(stage) << "' of kernel '"
                         << kernel.getSymName() << "' "
                         << (stream ? "is merged by one launch, which stores no scores"
                                    : "is merged by a row of launches: " + why);
    if (stream)
      streams.push_back(std::move(*stream));
  }
  return streams;
}

void writeGpuStream(ScheduleWriter &writer, ArrayRef<Operation *> outputs,
                    const kernel::StreamStages &stream) {
  auto output = cast<linalg::GenericOp>(outputs.front());
  const std::string name = kernel::getStageName(output).str();
  const std::string merge = kernel::getStageName(stream.merge).str();
  const Tile tile = *chooseTile(stream);
  const SmallVector<unsigned> loops = *kernel::followMerged(output, stream);
  const SmallVector<std::string> names = kernel::getLoopNames(output);
  StageWriter out = writer.stage(name);
  // The tiles of rows come last: blocks beside each other read the same keys.
  SmallVector<std::string> blocks;
  for (auto [loop, kind] : llvm::enumerate(output.getIteratorTypesArray()))
    if (kind == utils::IteratorType::parallel && !(stream.rows && loop == loops[*stream.rows]) &&
        !(stream.columns && loop == loops[*stream.columns]))
      blocks.push_back(names[loop]);
  if (stream.rows) {
    out.split(names[loops[*stream.rows]], "row_tile", "row",
              tile.warps * kernel::StreamStages::kWarpRows);
    blocks.push_back("row_tile");
  }
  if (!blocks.empty())
    out.gpuBlocks(out.fuseAll(blocks, "block"));
  const std::string at = blocks.size() == 1 ? blocks.front() : "block";
  for (Operation *other : outputs.drop_front())
    writer.stage(kernel::getStageName(other).str()).computeAt(name, at);
  if (merge != name)
    writer.stage(merge).computeAt(name, at);
  writer.update(merge).gpuStream(stream.rows ? "row" : "", tile.keys, tile.warps,
                                 stream.isMatrix ? schedule::Unit::Mma : schedule::Unit::Fma);
}

} // namespace tessera::scheduling
