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

/// What every device gives a block without being asked. More is asked for where more rows share
/// keys then, not for more keys at a time: these take registers, and blocks beside each other hide
/// more.
static constexpr int64_t kSharedBytes = 48 << 10;
static constexpr int64_t kMostAskedKeys = 32;
/// With fewer rows than two warps have there is nothing that more memory would make tall.
static constexpr int64_t kFewRows = 16;
/// Bytes of columns whose sums the registers of a warp hold.
static constexpr int64_t kColumnBytesOfWarp = 512;
/// With so few rows, instructions of four warps multiply zeros most of the time.
static constexpr int64_t kLeastGroupRows = 33;
/// More steps than that have no use for keys and values.
static constexpr int64_t kMostStages = 4;

using Tile = kernel::StreamTile;

/// The largest tile that fits; rows that there are not would be computed for nothing.
static std::optional<Tile> chooseTile(const kernel::StreamStages &stream, const GpuTarget &target) {
  // Few rows: warps along keys, so that many reads are under way.
  static constexpr Tile fewRows[] = {
      {32, 1, 1, 4}, {16, 1, 1, 4}, {16, 1, 1, 2}, {8, 1, 1, 4}, {8, 1, 1, 2}};
  static constexpr Tile tiles[] = {{64, 4}, {32, 4}, {16, 4}, {32, 2},
                                   {16, 2}, {32, 1}, {16, 1}, {8, 1}};
  // Code for 64 bits needs twice the registers for all else, too.
  const int64_t columnsOfWarp =
      kColumnBytesOfWarp / stream.productBytes / (stream.productBytes == 8 ? 2 : 1);
  int64_t rows = 1;
  if (stream.rows)
    rows = analyzeStage(stream.merge).extentOr(*stream.rows, kGpuExtent);
  // By wgmma values would have to be turned, which it does with 16 bits only.
  if (target.warpGroups && stream.isMatrix && !stream.isTf32 && rows >= kLeastGroupRows) {
    // Twice four warps, whose turns to multiply and to merge differ; of 128 keys at a time where
    // scores and sums of so many leave registers.
    const bool isNarrow = stream.columnExtent <= 64 && stream.scores().size() == 1;
    // Each of them has half of the columns where these are too many for registers.
    const int64_t columnWarps = stream.columnExtent > columnsOfWarp ? 2 : 1;
    for (int64_t rowWarps : SmallVector<int64_t>{8 / columnWarps, 4})
      for (int64_t stages = kMostStages; stages > 0 && rows > 8 * rowWarps; --stages) {
        const Tile tile{isNarrow ? 128 : 64, rowWarps, columnWarps, 1, stages, true};
        if (stream.getSharedBytes(tile) <= target.sharedBytes)
          return tile;
      }
  }
  auto fits = [&](const Tile &tile) {
    const bool isTooTall = tile.rowWarps > 1 && tile.rows() >= 2 * rows;
    const bool isAsked = tile.keys <= kMostAskedKeys && rows > kFewRows;
    // By single elements 64 keys are more scores than a thread has registers for.
    return !isTooTall && tile.warps() <= 8 &&
           tile.keys <= (stream.isMatrix ? 64 : 128 / stream.productBytes) &&
           tile.keys % (stream.isMatrix ? 16 : 8) == 0 &&
           stream.getSharedBytes(tile) <= (isAsked ? target.sharedBytes : kSharedBytes);
  };
  // Warps share columns that are more than one has registers for.
  int64_t columnWarps = 1;
  while (stream.columnExtent > columnWarps * columnsOfWarp)
    columnWarps *= 2;
  if (columnWarps > (stream.productBytes == 8 ? 4 : 2))
    return std::nullopt;
  SmallVector<Tile> candidates;
  if (columnWarps == 1 && rows <= kFewRows)
    candidates.append(std::begin(fewRows), std::end(fewRows));
  for (Tile tile : tiles) {
    tile.columnWarps = columnWarps;
    if (columnWarps == 1 || tile.keys <= kMostAskedKeys)
      candidates.push_back(tile);
  }
  const Tile *found = llvm::find_if(candidates, fits);
  return found == candidates.end() ? std::nullopt : std::optional(*found);
}

/// Merges states, by an operation that is more than one of the known ones.
static bool mergesStates(linalg::GenericOp stage) {
  return stage.getNumReductionLoops() == 1 && stage.getNumResults() > 1 &&
         llvm::any_of(llvm::seq<unsigned>(0, stage.getNumResults()),
                      [&](unsigned result) { return !matchCombiner(stage, result); });
}

std::vector<kernel::StreamStages> findGpuStreams(kernel::FuncOp kernel, const GpuTarget &target,
                                                 bool explain) {
  std::vector<kernel::StreamStages> streams;
  for (auto stage : kernel.getBody().front().getOps<linalg::GenericOp>()) {
    if (!mergesStates(stage))
      continue;
    std::string why;
    std::optional<kernel::StreamStages> stream = kernel::matchStream(stage, why);
    if (stream && !chooseTile(*stream, target)) {
      stream.reset();
      why = "no tile of its rows and keys fits registers and shared memory";
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
                    const kernel::StreamStages &stream, const GpuTarget &target) {
  auto output = cast<linalg::GenericOp>(outputs.front());
  const std::string name = kernel::getStageName(output).str();
  const std::string merge = kernel::getStageName(stream.merge).str();
  const Tile tile = *chooseTile(stream, target);
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
    out.split(names[loops[*stream.rows]], "row_tile", "row", tile.rows());
    blocks.push_back("row_tile");
  }
  if (!blocks.empty())
    out.gpuBlocks(out.fuseAll(blocks, "block"));
  const std::string at = blocks.size() == 1 ? blocks.front() : "block";
  for (Operation *other : outputs.drop_front())
    writer.stage(kernel::getStageName(other).str()).computeAt(name, at);
  if (merge != name)
    writer.stage(merge).computeAt(name, at);
  writer.update(merge).gpuStream(stream.rows ? "row" : "", tile,
                                 tile.isGroup      ? schedule::Unit::Wgmma
                                 : stream.isMatrix ? schedule::Unit::Mma
                                                   : schedule::Unit::Fma);
}

} // namespace tessera::scheduling
