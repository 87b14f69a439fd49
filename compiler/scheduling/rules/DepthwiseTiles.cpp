//===- DepthwiseTiles.cpp - Register tiles of windows that mix no channels --------------------===//
// What such a window reads is no factor that others share: its loads cost as much as its products,
// unless an element is read once for all sums of which it is a tap. A register tile is a rectangle
// of places, and the taps along its rows are written out, of a small window all of them: loads of
// the same place become one.
#include "compiler/scheduling/rules/Plan.h"

#include "llvm/Support/MathExtras.h"

#include <numeric>

using namespace mlir;

namespace tessera::scheduling {

namespace {
/// How a window moves along one dimension of what it reads.
struct Slide {
  unsigned taps = 0; ///< the reduction loop
  int64_t extent = 1, count = 1, step = 1, dilation = 1;

  /// Different places that the taps of so many steps read.
  int64_t places(int64_t steps) const {
    std::set<int64_t> all;
    for (int64_t at = 0; at < steps; ++at)
      for (int64_t tap = 0; tap < count; ++tap)
        all.insert(at * step + tap * dilation);
    return int64_t(all.size());
  }
};
} // namespace

/// None where the loop moves no window, or one of an unknown number of taps.
static std::optional<Slide> slideOf(const StageInfo &stage, const Access &read, unsigned loop) {
  std::optional<Slide> slide;
  for (const IndexForm &form : read.dims) {
    if (!form.loops.test(loop))
      continue;
    if (slide || !form.linear || form.clamped || form.loops.count() != 2)
      return std::nullopt;
    unsigned taps = form.loops.find_first();
    if (taps == loop)
      taps = form.loops.find_next(loop);
    const int64_t count = stage.extents[taps];
    if (!stage.reductionLoops.test(taps) || ShapedType::isDynamic(count) || count <= 1)
      return std::nullopt;
    slide =
        Slide{taps, stage.extents[loop], count, form.coefficients[loop], form.coefficients[taps]};
  }
  return slide;
}

/// From one step along a loop to the next, if that is known.
static std::optional<int64_t> bytesBetween(const Access &read, unsigned loop) {
  auto type = cast<RankedTensorType>(read.tensor.getType());
  int64_t bytes = std::max(8u, type.getElementTypeBitWidth()) / 8;
  for (int64_t dim = type.getRank(); dim-- > 0;) {
    if (read.dims[dim].loops.test(loop))
      return bytes * read.dims[dim].coefficients[loop];
    if (type.isDynamicDim(dim))
      return std::nullopt;
    bytes *= type.getDimSize(dim);
  }
  return std::nullopt;
}

std::optional<DepthwiseTile> chooseDepthwiseTile(const Target &target, const StageInfo &stage,
                                                 unsigned columns, int64_t lanes, unsigned rows,
                                                 std::optional<unsigned> lines) {
  // More taps, or products of a tile, are not written out: what they read would not stay in
  // registers (5x5, all written out: 1.2 of the time on Zen 5; 3x3 0.85).
  constexpr int64_t kMostTaps = 8, kMostProducts = 160;
  constexpr int64_t kMostRows = 8, kMostLines = 4, kMostVectors = 4;
  const Access *window = nullptr;
  for (const Access &read : stage.reads)
    if (read.slides(stage.reductionLoops)) {
      if (window)
        return std::nullopt;
      window = &read;
    }
  std::optional<Slide> along = window ? slideOf(stage, *window, rows) : std::nullopt;
  if (!along || along->count > kMostTaps)
    return std::nullopt;
  Slide across; // of one line
  if (std::optional<Slide> slide = lines ? slideOf(stage, *window, *lines) : std::nullopt)
    across = *slide;
  else
    lines.reset();
  auto tilesOf = [](int64_t extent, int64_t tile) {
    return ShapedType::isDynamic(extent) ? 480.0 / double(tile)
                                         : double(llvm::divideCeil(extent, tile));
  };
  // Places whose distance is a multiple of a large power of two meet in few sets of L1, where those
  // of a tile, and what it writes, have to lie side by side.
  constexpr int64_t kSetBytes = 4096, kWays = 12;
  const int64_t distance = bytesBetween(*window, rows).value_or(1);
  const int64_t room = kWays * (kSetBytes / std::gcd(kSetBytes, distance));
  const int64_t limit = target.vectorRegisters / 2; // The other half holds places and a tap.
  // There may be few unknown lines (3 in the last layers of what reads text), of which a tile would
  // compute more than there are: two pay all the same where that leaves many sums. Of unknown
  // places half as many are as good where two vectors of channels fill the tile.
  const bool hasPairs = !ShapedType::isDynamic(stage.extents[columns]) &&
                        llvm::divideCeil(stage.extents[columns], lanes) % 2 == 0;
  const bool isLong = !ShapedType::isDynamic(along->extent) || !hasPairs;
  const int64_t mostRows = isLong ? kMostRows : limit / 2;
  const int64_t mostLines = !lines                                  ? 1
                            : !ShapedType::isDynamic(across.extent) ? kMostLines
                            : limit >= 16                           ? 2
                                                                    : 1;
  DepthwiseTile best;
  double bestCost = 0;
  for (int64_t vectors = 1; vectors <= kMostVectors; ++vectors)
    for (int64_t l = 1; l <= mostLines; ++l)
      for (int64_t r = 2; r <= mostRows && r * l * vectors <= limit; ++r) {
        // In half cycles: two products or two loads a cycle, and a product waits four cycles for
        // the last one of its sum. What a tile reads comes from L2, as all channels pass by between
        // two tiles.
        const int64_t sums = r * l * vectors, taps = along->count * across.count;
        const bool unrollsLines = lines && sums * taps <= kMostProducts;
        const int64_t places = along->places(r) * across.places(l);
        const int64_t loads =
            vectors * ((unrollsLines ? places : across.count * l * along->places(r)) + taps);
        const double products = double(taps * std::max<int64_t>(sums, 8));
        const double line = 0.8 + (places + r * l > room ? 10.0 / double(vectors) : 0.0);
        const double cost = tilesOf(along->extent, r) * tilesOf(across.extent, l) *
                            tilesOf(stage.extents[columns], vectors * lanes) *
                            (std::max(products, double(loads)) + 0.25 * double(loads) +
                             line * double(places * vectors));
        if (bestCost == 0 || cost < bestCost * 0.999) {
          bestCost = cost;
          best = {{along->taps}, r, l, vectors};
          if (unrollsLines)
            best.taps.insert(best.taps.begin(), across.taps);
        }
      }
  return best;
}

} // namespace tessera::scheduling
