//===- StageCost.cpp - What the loops of a scheduled stage cost ----------------------------===//
// A step is what is written out between two jumps: vectors of a register tile. It takes as long as
// the busiest of: arithmetic (two vectors a cycle), loads (two a cycle), stores (one), and, where a
// sum waits for itself, the latency of an addition.
#include "compiler/scheduling/StageCost.h"

#include "dialects/kernel/Operations.h"

#include <cmath>
#include <set>

using namespace mlir;

namespace tessera::scheduling {

/// In units (half cycles). Measured on Zen 5 and Zen 3: sums wait four cycles; an element that lies
/// apart from its neighbours is loaded alone and put into its lane; one at an index that is data
/// needs the index, too.
static constexpr double kLatency = 8, kStore = 2, kLaneLoad = 2, kIndexedLoad = 4, kLoop = 1;
/// A division keeps its unit busy, an elementary function is a polynomial or two.
static constexpr double kDivision = 8, kExponential = 18, kElementary = 32;

//===-- Loops --------------------------------------------------------------------===//

StageLoops readLoops(const StageInfo &stage, ArrayRef<int64_t> extents, Block *directives) {
  StageLoops loops;
  loops.extents.assign(extents.begin(), extents.end());
  loops.lanes.assign(extents.size(), 1);
  loops.inRegister.assign(extents.size(), 1);
  struct Loop {
    int64_t origin; ///< loop of the stage; -1: of several
    double size;
  };
  llvm::StringMap<Loop> known;
  for (auto [number, name] : llvm::enumerate(stage.loops))
    known[name] = {int64_t(number), double(extents[number])};
  if (!directives)
    return loops;
  auto find = [&](StringRef name) {
    auto found = known.find(name);
    return found == known.end() ? Loop{-1, 1} : found->second;
  };
  for (Operation &op : *directives) {
    if (auto split = dyn_cast<schedule::SplitOp>(op)) {
      Loop loop = find(split.getLoop());
      double factor = double(split.getFactor());
      known[split.getOuter()] = {loop.origin, std::ceil(loop.size / factor)};
      known[split.getInner()] = {loop.origin, std::min(factor, loop.size)};
    } else if (auto fuse = dyn_cast<schedule::FuseOp>(op)) {
      known[fuse.getFused()] = {-1, find(fuse.getInner()).size * find(fuse.getOuter()).size};
    } else if (auto vectorize = dyn_cast<schedule::VectorizeOp>(op)) {
      Loop loop = find(vectorize.getLoop());
      double width = double(vectorize.getWidth().value_or(int64_t(loop.size)));
      if (loop.origin >= 0) {
        loops.lanes[loop.origin] *= width;
        loops.inRegister[loop.origin] *= width;
      }
      known[vectorize.getLoop()] = {loop.origin, std::ceil(loop.size / width)};
    } else if (auto unroll = dyn_cast<schedule::UnrollOp>(op)) {
      Loop loop = find(unroll.getLoop());
      double width = double(unroll.getWidth().value_or(int64_t(loop.size)));
      if (loop.origin >= 0)
        loops.inRegister[loop.origin] *= std::max(1.0, width);
    } else if (auto parallel = dyn_cast<schedule::ParallelOp>(op)) {
      loops.tasks *= std::max(1.0, find(parallel.getLoop()).size);
      loops.isParallel = true;
    } else if (auto at = dyn_cast<schedule::ComputeAtOp>(op)) {
      loops.consumer = at.getConsumer();
    }
  }
  return loops;
}

//===-- Bodies -------------------------------------------------------------------===//

static bool isFused(Operation &product) {
  if (!isa<arith::MulFOp>(product) || !product.getResult(0).hasOneUse())
    return false;
  return isa<arith::AddFOp, arith::SubFOp>(*product.getResult(0).user_begin());
}

static double instructions(linalg::GenericOp stage, double &bits) {
  double count = 0;
  for (Operation &op : stage.getRegion().front().without_terminator()) {
    unsigned operations = kernel::countOperations(op);
    if (op.getNumResults() == 1 && op.getResult(0).getType().isIntOrFloat())
      bits = std::max(bits, double(op.getResult(0).getType().getIntOrFloatBitWidth()));
    if ((operations == 0 && !kernel::isExtendedFactor(op)) || isFused(op))
      continue;
    count += isa<arith::DivFOp, math::SqrtOp, math::RsqrtOp>(op) ? kDivision
             : isa<math::ExpOp, math::Exp2Op>(op)                ? kExponential
             : operations >= 12                                  ? kElementary
                                                                 : 1;
  }
  return count;
}

static double bitsOf(Value tensor) {
  Type type = getElementTypeOrSelf(tensor.getType());
  return type.isIntOrFloat() ? std::max(8u, type.getIntOrFloatBitWidth()) : 64;
}

/// `follows`: the loops of the stage that costs, for each loop of `stage`; `steps`: where they move
/// by one with it.
static void collect(const KernelInfo &info, const StageInfo &stage,
                    ArrayRef<llvm::SmallBitVector> follows, ArrayRef<llvm::SmallBitVector> steps,
                    IsInlined isInlined, StageBody &body, unsigned depth) {
  constexpr unsigned kMostDepth = 64;
  body.operations += instructions(stage.op, body.bits);
  const unsigned loops = follows.empty() ? 0 : follows.front().size();
  for (const Access &read : stage.reads) {
    SmallVector<llvm::SmallBitVector> dims, moves;
    for (const IndexForm &form : read.dims) {
      llvm::SmallBitVector all(loops), byOne(loops);
      for (unsigned loop : form.loops.set_bits()) {
        all |= follows[loop];
        if (form.linear && form.coefficients[loop] == 1)
          byOne |= steps[loop];
      }
      dims.push_back(all);
      moves.push_back(byOne);
    }
    const bool isAtData =
        llvm::any_of(read.dims, [](const IndexForm &form) { return form.fromData; });
    Operation *producer = read.tensor.getDefiningOp();
    const StageInfo *from = producer ? info.lookup(producer) : nullptr;
    if (from && isInlined(*from) && depth < kMostDepth) {
      AffineMap map = from->op.getMatchingIndexingMap(from->op.getDpsInitOperand(0));
      SmallVector<llvm::SmallBitVector> inner(from->loops.size(), llvm::SmallBitVector(loops)),
          innerSteps = inner;
      for (auto [dim, expr] : llvm::enumerate(map.getResults())) {
        inner[cast<AffineDimExpr>(expr).getPosition()] = dims[dim];
        innerSteps[cast<AffineDimExpr>(expr).getPosition()] = moves[dim];
      }
      collect(info, *from, inner, innerSteps, isInlined, body, depth + 1);
      continue;
    }
    StageBody::Read entry{llvm::SmallBitVector(loops), llvm::SmallBitVector(loops),
                          bitsOf(read.tensor), isAtData, llvm::SmallBitVector(loops)};
    for (auto [dim, form] : llvm::enumerate(read.dims)) {
      if (form.clamped)
        entry.clamped |= dims[dim];
      if (depth > 0 || !form.linear || form.loops.count() < 2)
        continue;
      auto &sum = entry.sums.emplace_back();
      for (unsigned loop : form.loops.set_bits())
        sum.emplace_back(loop, form.coefficients[loop]);
    }
    for (const llvm::SmallBitVector &dim : dims)
      entry.loops |= dim;
    if (!dims.empty()) {
      entry.contiguous = moves.back();
      // Tiles and places in tiles: directives cut the loop as the tile lies.
      for (auto [dim, form] : llvm::enumerate(read.dims))
        if (from && !form.linear && !form.fromData && dim + 1 == dims.size())
          entry.contiguous |= dims[dim];
      for (const llvm::SmallBitVector &dim : ArrayRef(dims).drop_back())
        if (!from)
          entry.contiguous.reset(dim);
    }
    body.reads.push_back(std::move(entry));
  }
}

StageBody readBody(const KernelInfo &info, const StageInfo &stage, IsInlined isInlined) {
  StageBody body;
  body.bits = 8;
  SmallVector<llvm::SmallBitVector> own;
  for (unsigned loop = 0; loop < stage.loops.size(); ++loop) {
    own.emplace_back(stage.loops.size());
    own.back().set(loop);
  }
  collect(info, stage, own, own, isInlined, body, 0);
  for (Value result : stage.op.getResults())
    body.bits = std::max(body.bits, bitsOf(result));
  if (matchIntegerProduct(stage)) {
    body.isBytes = true;
    body.operations = 1; // of the instruction; two where it sums pairs
  }
  body.isPairs = matchBf16Product(stage).has_value();
  return body;
}

//===-- Cost ---------------------------------------------------------------------===//

/// Elements whose index is bounded are loaded one by one, in the one tile where that matters. If it
/// is the only one, of known extent, the compiler knows every index.
static double clampedTiles(const StageInfo &stage, const StageBody::Read &read,
                           const StageLoops &loops, unsigned loop) {
  double tiles = 1;
  bool isKnown = true;
  for (unsigned other : read.clamped.set_bits())
    if (other != loop && loops.inRegister[other] == 1) {
      tiles = std::max(tiles, loops.extents[other]);
      isKnown &= !ShapedType::isDynamic(stage.extents[other]);
    }
  return tiles == 1 && isKnown ? 0 : 1 / tiles;
}

/// The share of what is written out that reads different places along an index: taps of a window
/// read what others of the same register tile read.
static double distinctShare(ArrayRef<std::pair<unsigned, int64_t>> sum, const StageLoops &loops) {
  std::set<int64_t> places{0};
  double all = 1;
  for (auto [loop, step] : sum) {
    const int64_t tile = int64_t(loops.inRegister[loop]);
    if (tile <= 1 || loops.lanes[loop] > 1)
      continue;
    all *= double(tile);
    std::set<int64_t> moved;
    for (int64_t place : places)
      for (int64_t at = 0; at < tile; ++at)
        moved.insert(place + at * step);
    places = std::move(moved);
  }
  return double(places.size()) / all;
}

StageCost costOf(const StageInfo &stage, const StageBody &body, const StageLoops &loops,
                 bool isPadded, int64_t vectorBits) {
  StageCost cost;
  double blocks = 1, vectors = 1, sums = 1, steps = 1, groups = 1;
  cost.points = 1;
  for (unsigned loop = 0; loop < loops.extents.size(); ++loop) {
    const double tile = std::max(1.0, loops.inRegister[loop]);
    const double cut = std::ceil(loops.extents[loop] / tile);
    const double along = std::ceil(tile / std::max(1.0, loops.lanes[loop]));
    const bool isReduced = stage.reductionLoops.test(loop);
    blocks *= cut;
    vectors *= along;
    (isReduced ? steps : sums) *= isReduced ? cut : along;
    cost.lanes *= loops.lanes[loop];
    if (isReduced)
      groups *= loops.lanes[loop];
    cost.points *= cut * tile;
  }
  // Neighbours that one instruction sums are shorter than their sum.
  const bool isGrouped = (body.isBytes || body.isPairs) && groups > 1;
  const double bits = isGrouped ? body.bits / groups : body.bits;
  cost.fullLanes = double(vectorBits) / bits;
  const double parts = std::max(1.0, std::ceil(cost.lanes / cost.fullLanes));
  vectors *= parts;
  sums *= parts;
  const double perVector = isGrouped && body.isPairs ? 1 : body.operations;
  const double operations = perVector * vectors * (body.isBytes && groups == 2 ? 2 : 1);
  cost.loads = 0;
  for (const StageBody::Read &read : body.reads) {
    bool isStep = false; // Otherwise it is loaded before the loop.
    double loads = 1;
    for (unsigned loop = 0; loop < loops.extents.size(); ++loop) {
      if (!read.loops.test(loop))
        continue;
      const double lanes = loops.lanes[loop], tile = loops.inRegister[loop];
      isStep |= tile > 1 || stage.reductionLoops.test(loop) || loops.extents.size() == 1;
      if (lanes > 1 && !read.isAtData && (read.contiguous.test(loop) || groups > 1)) {
        const double vectors = std::ceil(tile / lanes) *
                               std::max(1.0, std::ceil(lanes * read.bits / double(vectorBits)));
        const double alone =
            isPadded && read.clamped.test(loop) ? clampedTiles(stage, read, loops, loop) : 0;
        loads *= vectors + alone * (tile * kLaneLoad - vectors);
      } else
        loads *= lanes > 1 ? tile * (read.isAtData ? kIndexedLoad : kLaneLoad)
                           : tile * (read.isAtData ? kIndexedLoad : 1);
    }
    for (const auto &sum : read.sums)
      loads *= distinctShare(sum, loops);
    if (isStep)
      cost.loads += loads;
  }
  const double stores = stage.reduces() ? 0 : vectors * kStore * stage.op.getNumResults();
  // Where a sum is short, the next one begins before it ends.
  constexpr double kWindow = 64; // units that are looked ahead
  const double alone = std::max(operations, cost.loads) * steps;
  cost.latency = stage.reduces() ? kLatency * std::min(1.0, alone / kWindow) : 0;
  cost.step = std::max({operations, cost.loads, stores, cost.latency}) + 0.25 * cost.loads + kLoop;
  cost.operations = operations * blocks;
  // Of a sum its initial value and the end are written.
  const double ends = stage.reduces() ? blocks / std::max(1.0, steps) * sums * 2 * kStore : 0;
  cost.units = cost.step * blocks + ends;
  return cost;
}

} // namespace tessera::scheduling
