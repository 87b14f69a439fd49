//===- Turns.cpp - Iterations that do different things in turn
//------------------------------------===//
// What a stage computes may depend on the place of an element: which of several maps that were put
// side by side it comes from, or what is left of its index when it is divided by two. These
// iterations are written out, inside of a vector of the last loop. Then nothing is chosen, and what
// several of them read is read once.
#include "compiler/scheduling/rules/Plan.h"

#include "mlir/IR/Matchers.h"

#include <numeric>

using namespace mlir;

namespace tessera::scheduling {

namespace {
/// Looks through a stage and the maps that it is computed from, each of them once for a loop.
class TurnFinder {
public:
  /// Numbers that the index of the loop is compared with, and by which it is divided.
  SmallVector<int64_t> bounds, divisors;

  void collect(linalg::GenericOp stage, unsigned loop) {
    if (!seen.insert({stage, loop}).second)
      return;
    for (Operation &op : *stage.getBody()) {
      auto bound = op.getNumOperands() == 2 ? getConstantIntValue(op.getOperand(1)) : std::nullopt;
      if (bound && isIndex(op.getOperand(0), loop)) {
        if (isa<arith::CmpIOp>(op))
          bounds.push_back(*bound);
        else if (isa<arith::DivUIOp, arith::DivSIOp, arith::FloorDivSIOp, arith::RemUIOp,
                     arith::RemSIOp>(op))
          divisors.push_back(*bound);
      }
      if (auto extract = dyn_cast<tensor::ExtractOp>(op))
        for (auto [dim, index] : llvm::enumerate(extract.getIndices()))
          if (isIndex(index, loop))
            follow(extract.getTensor(), dim);
    }
    for (OpOperand *input : stage.getDpsInputOperands())
      for (auto [dim, expr] : llvm::enumerate(stage.getMatchingIndexingMap(input).getResults()))
        if (expr == getAffineDimExpr(loop, stage.getContext()))
          follow(input->get(), dim);
  }

private:
  static bool isIndex(Value value, unsigned loop) {
    auto index = value.getDefiningOp<linalg::IndexOp>();
    return index && index.getDim() == loop;
  }

  void follow(Value tensor, unsigned dim) {
    auto producer = tensor.getDefiningOp<linalg::GenericOp>();
    if (!producer || producer.getNumReductionLoops())
      return;
    AffineMap written = producer.getMatchingIndexingMap(producer.getDpsInitOperand(0));
    collect(producer, cast<AffineDimExpr>(written.getResult(dim)).getPosition());
  }

  DenseSet<std::pair<Operation *, unsigned>> seen;
};
} // namespace

int64_t pieceOf(const StageInfo &stage, unsigned loop) {
  constexpr int64_t kMostPieces = 64, kLeast = 8;
  if (ShapedType::isDynamic(stage.extents[loop]))
    return 0;
  TurnFinder finder;
  finder.collect(stage.op, loop);
  int64_t piece = stage.extents[loop];
  for (int64_t bound : finder.bounds)
    piece = std::gcd(piece, bound);
  return piece >= kLeast && piece < stage.extents[loop] &&
                 stage.extents[loop] / piece <= kMostPieces
             ? piece
             : 0;
}

SmallVector<Turn> turnsOf(const StageInfo &stage) {
  constexpr int64_t kMostPieces = 16, kMostSteps = 4, kMost = 16;
  SmallVector<Turn> turns;
  AffineMap map = stage.op.getMatchingIndexingMap(stage.op.getDpsInitOperand(0));
  int64_t copies = 1;
  for (unsigned position = 0; position + 1 < map.getNumResults(); ++position) {
    const unsigned loop = map.getDimPosition(position);
    const int64_t extent = stage.extents[loop];
    TurnFinder finder;
    finder.collect(stage.op, loop);
    int64_t period = 1;
    for (int64_t divisor : finder.divisors)
      if (divisor > 1 && divisor <= kMostSteps)
        period = std::lcm(period, divisor);
    // Pieces of one element each, all of them.
    llvm::sort(finder.bounds);
    auto inside = llvm::make_range(llvm::lower_bound(finder.bounds, 1),
                                   llvm::lower_bound(finder.bounds, extent));
    if (!ShapedType::isDynamic(extent) && extent > 1 && extent <= kMostPieces &&
        llvm::equal(llvm::make_range(inside.begin(), std::unique(inside.begin(), inside.end())),
                    llvm::seq<int64_t>(1, extent)))
      period = extent;
    if (period == 1 || copies * period > kMost ||
        (!ShapedType::isDynamic(extent) && extent < period))
      continue;
    copies *= period;
    turns.push_back({position, period});
  }
  return turns;
}

void writeTurns(ScheduleWriter &writer, const OutputPlan &plan, const Target &target,
                bool worthThreads) {
  StageWriter out = writer.stage(plan.stage);
  const size_t last = plan.loops.size() - 1;
  const std::string &v = plan.loops[last];
  int64_t width = std::max<int64_t>(target.lanes(std::max<int64_t>(plan.elementBits, 8)), 1);
  if (!ShapedType::isDynamic(plan.extents[last]))
    width = std::min<int64_t>(width,
                              llvm::bit_floor<uint64_t>(std::max<int64_t>(plan.extents[last], 1)));
  SmallVector<std::string> order, outer, unrolled;
  out.split(v, v + "_o", v + "_i", width);
  order.push_back(v + "_i");
  for (size_t loop = plan.loops.size(); loop-- > 0;) {
    const std::string &name = plan.loops[loop];
    auto turn = llvm::find_if(plan.turns, [&](const Turn &t) { return t.loop == loop; });
    if (loop == last) {
      outer.push_back(v + "_o");
    } else if (turn == plan.turns.end()) {
      outer.push_back(name);
    } else if (turn->period == plan.extents[loop]) {
      unrolled.push_back(name);
    } else {
      out.split(name, name + "_o", name + "_i", turn->period);
      unrolled.push_back(name + "_i");
      outer.push_back(name + "_o");
    }
  }
  order.append(unrolled);
  order.append(outer);
  out.reorder(order);
  out.vectorizeEven(v + "_i", width);
  for (const std::string &name : unrolled)
    out.unroll(name);
  if (!worthThreads || outer.size() < 2)
    return;
  // Joined loops beyond these would be taken apart by divisions for every few vectors.
  std::string task = outer.back();
  if (outer.size() > 3) {
    out.fuse(outer[outer.size() - 2], outer.back(), "task");
    task = "task";
  }
  out.parallel(task);
}

} // namespace tessera::scheduling
