//===- TransposeTiles.cpp - Tiles that are read across are turned in registers ----------------===//
// A transpose takes the elements of a vector from as many rows, one by one. Where vectors beside it
// take their neighbours, the same rows are read by vectors, and turned by shuffles:
//
//   v0 = [a[0][0], a[1][0], ...]        r0 = a[0][0..], r1 = a[1][0..], ...
//   v1 = [a[0][1], a[1][1], ...]   ⇒    v0, v1, ... = transposed(r0, r1, ...)
//
// Loops from each such vector to its neighbour are unrolled for that, and ask for what follows in
// the rows, where the processor sees no row that is read on. Exactly the same bytes are read. What
// is stored in between lies elsewhere, as the buffers tell (Halide says of each access which it is
// to).
#include "compiler/codegen/llvm/TransposeTiles.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/Analysis/AliasAnalysis.h"
#include "llvm/Analysis/AssumptionCache.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/Analysis/OptimizationRemarkEmitter.h"
#include "llvm/Analysis/ScalarEvolution.h"
#include "llvm/Analysis/ScalarEvolutionExpressions.h"
#include "llvm/Analysis/TargetTransformInfo.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Transforms/Utils/Local.h"
#include "llvm/Transforms/Utils/LoopSimplify.h"
#include "llvm/Transforms/Utils/LoopUtils.h"
#include "llvm/Transforms/Utils/UnrollLoop.h"

using namespace llvm;

namespace tessera::codegen {
namespace {

/// Fewer rows or columns are not worth their shuffles.
constexpr unsigned kLeast = 4;
/// Shuffles within so many bytes are the fast ones.
constexpr unsigned kLaneBytes = 16;
/// Of a tile: more would fill more than the registers.
constexpr unsigned kMostElements = 256;
/// What is computed with a vector before it is stored.
constexpr unsigned kMostOperations = 8;
/// Two pieces of a row.
constexpr int64_t kAheadBytes = 512;

/// A vector of single loads.
struct Gathered {
  InsertElementInst *vector; ///< the last of its insertions
  SmallVector<LoadInst *> loads;
};

using Values = SmallVector<Value *, 64>;

} // namespace

/// The last insertion into a vector, or null.
static InsertElementInst *asLast(Instruction &instruction) {
  auto *insert = dyn_cast<InsertElementInst>(&instruction);
  return insert && none_of(insert->users(),
                           [&](User *user) {
                             auto *next = dyn_cast<InsertElementInst>(user);
                             return next && next->getOperand(0) == insert;
                           })
             ? insert
             : nullptr;
}

static std::optional<Gathered> matchGathered(InsertElementInst *last) {
  auto *type = dyn_cast<FixedVectorType>(last->getType());
  if (!type || type->getNumElements() < kLeast || !isPowerOf2_32(type->getNumElements()) ||
      type->getScalarSizeInBits() % 8)
    return std::nullopt;
  Gathered found{last, SmallVector<LoadInst *>(type->getNumElements())};
  Value *vector = last;
  while (auto *insert = dyn_cast<InsertElementInst>(vector)) {
    auto *lane = dyn_cast<ConstantInt>(insert->getOperand(2));
    auto *load = dyn_cast<LoadInst>(insert->getOperand(1));
    if (!lane || lane->getZExtValue() >= found.loads.size() || !load || !load->isSimple() ||
        load->getParent() != last->getParent() || found.loads[lane->getZExtValue()])
      return std::nullopt;
    found.loads[lane->getZExtValue()] = load;
    vector = insert->getOperand(0);
  }
  return isa<PoisonValue>(vector) && !is_contained(found.loads, nullptr) ? std::optional(found)
                                                                         : std::nullopt;
}

/// Bytes from the elements of one vector to those of another, if it is the same for all.
static std::optional<int64_t> distance(const Gathered &from, const Gathered &to,
                                       ScalarEvolution &evolution) {
  std::optional<int64_t> common;
  for (auto [a, b] : zip_equal(from.loads, to.loads)) {
    auto *bytes = dyn_cast<SCEVConstant>(evolution.getMinusSCEV(
        evolution.getSCEV(b->getPointerOperand()), evolution.getSCEV(a->getPointerOperand())));
    if (!bytes || (common && *common != bytes->getAPInt().getSExtValue()))
      return std::nullopt;
    common = bytes->getAPInt().getSExtValue();
  }
  return common;
}

/// Pieces of `width` elements of two vectors in turn, within each lane of `lane` elements: of their
/// lower or upper halves.
static Value *unpack(IRBuilder<> &b, Value *x, Value *y, unsigned lane, unsigned width, bool high) {
  const unsigned count = cast<FixedVectorType>(x->getType())->getNumElements();
  SmallVector<int> mask;
  for (unsigned place = 0; place < count; ++place) {
    const unsigned piece = place % lane / width;
    const unsigned source = piece / 2 + (high ? lane / width / 2 : 0);
    mask.push_back(place / lane * lane + source * width + place % width + (piece % 2 ? count : 0));
  }
  return b.CreateShuffleVector(x, y, mask);
}

/// Lane `q` of all vectors becomes result `first + q * step`.
static void gatherLanes(IRBuilder<> &b, Values vectors, unsigned lane, unsigned first,
                        unsigned step, Values &results) {
  if (vectors.size() == 1) {
    results[first] = vectors[0];
    return;
  }
  const unsigned count = cast<FixedVectorType>(vectors[0]->getType())->getNumElements();
  for (unsigned odd : {0, 1}) {
    SmallVector<int> mask;
    for (unsigned from : {0u, count})
      for (unsigned place = 0; place < count; ++place)
        if (place / lane % 2 == odd)
          mask.push_back(from + place);
    Values half;
    for (size_t i = 0; i < vectors.size(); i += 2)
      half.push_back(b.CreateShuffleVector(vectors[i], vectors[i + 1], mask));
    gatherLanes(b, half, lane, first + odd * step, 2 * step, results);
  }
}

/// Rows of `columns` elements become columns.
static Values transpose(IRBuilder<> &b, Values rows, unsigned columns, unsigned elementBytes) {
  const unsigned count = rows.size();
  const unsigned lane = kLaneBytes / elementBytes;
  if (count == columns && lane >= 2 && count % lane == 0) {
    // Squares of a lane first, then lanes.
    for (unsigned width = 1; width < lane; width *= 2)
      for (unsigned block = 0; block < count; block += 2 * width) {
        Values merged;
        for (unsigned i = block; i < block + width; ++i)
          for (bool high : {false, true})
            merged.push_back(unpack(b, rows[i], rows[i + width], lane, width, high));
        copy(merged, rows.begin() + block);
      }
    Values results(columns);
    for (unsigned place = 0; place < lane; ++place) {
      Values same;
      for (unsigned i = place; i < count; i += lane)
        same.push_back(rows[i]);
      gatherLanes(b, same, lane, place, lane, results);
    }
    return results;
  }
  // Elements of two vectors in turn, until one vector has all.
  while (rows.size() > 1) {
    Values merged;
    const size_t half = rows.size() / 2;
    const unsigned length = cast<FixedVectorType>(rows[0]->getType())->getNumElements();
    SmallVector<int> mask;
    for (unsigned i = 0; i < length; ++i)
      mask.append({int(i), int(i + length)});
    for (size_t i = 0; i < half; ++i)
      merged.push_back(b.CreateShuffleVector(rows[i], rows[i + half], mask));
    rows = merged;
  }
  Values results;
  for (unsigned column = 0; column < columns; ++column) {
    SmallVector<int> mask;
    for (unsigned row = 0; row < count; ++row)
      mask.push_back(column * count + row);
    results.push_back(b.CreateShuffleVector(rows[0], mask));
  }
  return results;
}

/// Whether the loads of a tile may all stand where those of its first column end.
static bool mayMove(ArrayRef<const Gathered *> tile, Instruction *place, AAResults &aliases) {
  Instruction *first = place, *last = place;
  for (const Gathered *column : tile) {
    if (!place->comesBefore(column->vector))
      return false;
    for (LoadInst *load : column->loads) {
      first = load->comesBefore(first) ? load : first;
      last = last->comesBefore(load) ? load : last;
    }
  }
  for (Instruction *other = first; other != last; other = other->getNextNode()) {
    if (!other->mayWriteToMemory())
      continue;
    auto *store = dyn_cast<StoreInst>(other);
    if (auto *call = dyn_cast<IntrinsicInst>(other);
        call && call->getIntrinsicID() == Intrinsic::prefetch)
      continue;
    if (!store || !store->isSimple())
      return false;
    for (LoadInst *load : tile.front()->loads)
      if (!aliases.isNoAlias(
              MemoryLocation::get(store),
              MemoryLocation::getBeforeOrAfter(load->getPointerOperand(), load->getAAMetadata())))
        return false;
  }
  return true;
}

static void transposeTile(ArrayRef<const Gathered *> tile, Instruction *place) {
  const Gathered &first = *tile.front();
  Type *element = first.loads.front()->getType();
  auto *row = FixedVectorType::get(element, tile.size());
  IRBuilder<> b(place->getNextNode());
  Values rows;
  for (LoadInst *load : first.loads) {
    LoadInst *whole = b.CreateAlignedLoad(row, load->getPointerOperand(), load->getAlign());
    whole->setAAMetadata(load->getAAMetadata());
    rows.push_back(whole);
    Value *ahead = b.CreateConstGEP1_64(b.getInt8Ty(), load->getPointerOperand(), kAheadBytes);
    b.CreateIntrinsic(Intrinsic::prefetch, {ahead->getType()},
                      {ahead, b.getInt32(0), b.getInt32(3), b.getInt32(1)});
  }
  Values columns = transpose(b, rows, tile.size(), unsigned(element->getPrimitiveSizeInBits() / 8));
  for (auto [column, value] : zip_equal(tile, columns)) {
    column->vector->replaceAllUsesWith(value);
    RecursivelyDeleteTriviallyDeadInstructions(column->vector);
  }
}

/// How many steps of a loop make a tile: each gathers vectors beside those of the step before, and
/// does little else. 0: they do not.
static unsigned stepsOf(Loop &loop, ScalarEvolution &evolution) {
  unsigned steps = 0, operations = 0;
  for (Instruction &instruction : *loop.getHeader()) {
    operations += instruction.getType()->isVectorTy() && !isa<InsertElementInst>(instruction);
    InsertElementInst *last = asLast(instruction);
    if (!last)
      continue;
    std::optional<Gathered> gathered = matchGathered(last);
    if (!gathered)
      return 0;
    for (LoadInst *load : gathered->loads) {
      auto *address = dyn_cast<SCEVAddRecExpr>(evolution.getSCEV(load->getPointerOperand()));
      auto *step = address && address->getLoop() == &loop && address->isAffine()
                       ? dyn_cast<SCEVConstant>(address->getStepRecurrence(evolution))
                       : nullptr;
      if (!step || step->getAPInt() * 8 != load->getType()->getPrimitiveSizeInBits())
        return 0;
    }
    const unsigned lanes = gathered->loads.size();
    steps = std::min(lanes, std::max(1u, kMostElements / lanes));
  }
  return operations <= kMostOperations ? steps : 0;
}

static void unrollGathers(Function &function, FunctionAnalysisManager &analyses) {
  auto &loops = analyses.getResult<LoopAnalysis>(function);
  auto &evolution = analyses.getResult<ScalarEvolutionAnalysis>(function);
  auto &dominators = analyses.getResult<DominatorTreeAnalysis>(function);
  auto &assumptions = analyses.getResult<AssumptionAnalysis>(function);
  auto &info = analyses.getResult<TargetIRAnalysis>(function);
  auto &remarks = analyses.getResult<OptimizationRemarkEmitterAnalysis>(function);
  bool changed = false;
  for (Loop *loop : loops.getLoopsInPreorder()) {
    if (!loop->isInnermost() || loop->getNumBlocks() != 1)
      continue;
    const unsigned steps = stepsOf(*loop, evolution);
    const unsigned known = evolution.getSmallConstantTripCount(loop);
    if (steps < kLeast || (known && known < steps))
      continue;
    simplifyLoop(loop, &dominators, &loops, &evolution, &assumptions, nullptr, false);
    formLCSSARecursively(*loop, dominators, &loops, &evolution);
    UnrollLoopOptions options{};
    options.Count = steps;
    options.Runtime = true;
    options.AllowExpensiveTripCount = true;
    UnrollLoop(loop, options, &loops, &evolution, &dominators, &assumptions, &info, &remarks, true);
    changed = true;
  }
  if (changed)
    analyses.invalidate(function, PreservedAnalyses::none());
}

void transposeTiles(Function &function, FunctionAnalysisManager &analyses) {
  unrollGathers(function, analyses);
  auto &evolution = analyses.getResult<ScalarEvolutionAnalysis>(function);
  auto &aliases = analyses.getResult<AAManager>(function);
  bool changed = false;
  for (BasicBlock &block : function) {
    // In groups that read at a constant distance.
    std::vector<std::vector<std::pair<int64_t, Gathered>>> groups;
    for (Instruction &instruction : block) {
      InsertElementInst *insert = asLast(instruction);
      std::optional<Gathered> gathered = insert ? matchGathered(insert) : std::nullopt;
      if (!gathered)
        continue;
      bool isPlaced = false;
      for (auto &group : groups) {
        const Gathered &first = group.front().second;
        if (first.vector->getType() != insert->getType())
          continue;
        if (std::optional<int64_t> bytes = distance(first, *gathered, evolution)) {
          group.push_back({*bytes, *gathered});
          isPlaced = true;
          break;
        }
      }
      if (!isPlaced)
        groups.emplace_back().push_back({0, *gathered});
    }
    for (auto &group : groups) {
      llvm::stable_sort(group, llvm::less_first());
      const int64_t bytes =
          group.front().second.loads.front()->getType()->getPrimitiveSizeInBits() / 8;
      for (size_t begin = 0; begin < group.size();) {
        SmallVector<const Gathered *> tile{&group[begin].second};
        const size_t most = tile.front()->loads.size();
        while (tile.size() < most && begin + tile.size() < group.size() &&
               group[begin + tile.size()].first ==
                   group[begin].first + int64_t(tile.size()) * bytes)
          tile.push_back(&group[begin + tile.size()].second);
        tile.resize(bit_floor(tile.size()));
        begin += tile.size();
        if (tile.size() < kLeast)
          continue;
        Instruction *place = tile.front()->loads.front();
        for (LoadInst *load : tile.front()->loads)
          place = place->comesBefore(load) ? load : place;
        if (!mayMove(tile, place, aliases))
          continue;
        transposeTile(tile, place);
        changed = true;
      }
    }
  }
  if (changed)
    analyses.invalidate(function, PreservedAnalyses::none());
}

} // namespace tessera::codegen
