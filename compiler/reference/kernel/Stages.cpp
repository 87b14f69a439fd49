//===- Stages.cpp - linalg stages: every element in order -------------------------===//
#include "compiler/reference/kernel/Machine.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::reference;

static int64_t evaluate(AffineExpr expr, ArrayRef<int64_t> loops) {
  if (auto dim = llvm::dyn_cast<AffineDimExpr>(expr))
    return loops[dim.getPosition()];
  if (auto constant = llvm::dyn_cast<AffineConstantExpr>(expr))
    return constant.getValue();
  auto binary = llvm::cast<AffineBinaryOpExpr>(expr);
  int64_t x = evaluate(binary.getLHS(), loops), y = evaluate(binary.getRHS(), loops);
  switch (expr.getKind()) {
  case AffineExprKind::Add: return x + y;
  case AffineExprKind::Mul: return x * y;
  case AffineExprKind::Mod: return llvm::mod(x, y);
  case AffineExprKind::FloorDiv: return llvm::divideFloorSigned(x, y);
  default: return llvm::divideCeilSigned(x, y);
  }
}

/// The place of an operand's element for one iteration, with an error when it is outside.
static FailureOr<int64_t> findPlace(Machine &m, const Tensor &tensor, AffineMap map,
                                    unsigned number, ArrayRef<int64_t> loops) {
  int64_t place = 0;
  for (auto [expr, extent] : llvm::zip(map.getResults(), tensor.getShape())) {
    int64_t at = evaluate(expr, loops);
    if (at < 0 || at >= extent)
      return m.fail("operand " + llvm::Twine(number) + ", " +
                    describe(tensor.getElementType(), tensor.getShape()) + ", is accessed at " +
                    llvm::Twine(at) + " of an extent of " + llvm::Twine(extent));
    place = place * extent + at;
  }
  return place;
}

/// Loop d runs over the extent of the first operand whose map has the plain result d.
static FailureOr<SmallVector<int64_t>> findExtents(linalg::GenericOp op, const Instruction &i,
                                                   Machine &m, ArrayRef<AffineMap> maps) {
  SmallVector<int64_t> extents;
  for (unsigned loop = 0; loop < op.getNumLoops(); ++loop) {
    std::optional<int64_t> extent;
    for (auto [k, map] : llvm::enumerate(maps))
      for (auto [d, expr] : llvm::enumerate(map.getResults()))
        if (auto dim = llvm::dyn_cast<AffineDimExpr>(expr);
            !extent && dim && dim.getPosition() == loop)
          extent = m.operand(i, k).tensor.getDim(d);
    if (!extent)
      return m.fail("loop " + llvm::Twine(loop) + " is the plain index of no operand");
    extents.push_back(*extent);
  }
  return extents;
}

static LogicalResult runGeneric(const Instruction &i, Machine &m) {
  auto op = llvm::cast<linalg::GenericOp>(i.op);
  StringRef outer = std::exchange(m.stage, kernel::getStageName(op));
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  const Program &body = i.regions.front();
  unsigned inputs = op.getNumDpsInputs();
  FailureOr<SmallVector<int64_t>> extents = findExtents(op, i, m, maps);
  if (failed(extents))
    return failure();
  // Inputs that the body does not read only give loops their extents.
  SmallVector<bool> isRead;
  for (BlockArgument argument : op.getBody()->getArguments())
    isRead.push_back(!argument.use_empty());
  SmallVector<Tensor> tensors;
  for (unsigned k = 0; k < i.operands.size(); ++k)
    tensors.push_back(k < inputs ? m.operand(i, k).tensor : m.take(i, k));
  int64_t count = 1;
  for (int64_t extent : *extents)
    if (llvm::MulOverflow(count, extent, count))
      return m.fail("the number of iterations overflows");
  if (failed(m.spend(count * int64_t(1 + body.instructions.size()))))
    return failure();
  bool hasFailed = false;
  ArrayRef<int64_t> outerIndex = m.loopIndex;
  SmallVector<int64_t, 4> places(tensors.size());
  forEachIndex(*extents, [&](ArrayRef<int64_t> loops, int64_t) {
    if (hasFailed)
      return;
    m.loopIndex = loops;
    for (unsigned k = 0; k < tensors.size(); ++k) {
      if (k < inputs && !isRead[k])
        continue;
      FailureOr<int64_t> place = findPlace(m, tensors[k], maps[k], k, loops);
      if (failed(place)) {
        hasFailed = true;
        return;
      }
      places[k] = *place;
      Cell &cell = m.cell(body.arguments[k]);
      if (tensors[k].isFloat())
        cell.real = tensors[k].real(*place);
      else
        cell.integer = tensors[k].integer(*place);
    }
    if (failed(m.execute(body))) {
      hasFailed = true;
      return;
    }
    for (auto [k, yielded] : llvm::enumerate(body.yielded)) {
      Tensor &tensor = tensors[inputs + k];
      if (tensor.isFloat())
        tensor.set(places[inputs + k], m.cell(yielded).real);
      else
        tensor.set(places[inputs + k], m.cell(yielded).integer);
    }
  });
  if (hasFailed)
    return failure();
  m.loopIndex = outerIndex;
  m.stage = outer;
  for (unsigned k = 0; k < i.results.size(); ++k)
    m.result(i, k).tensor = std::move(tensors[inputs + k]);
  return success();
}

static LogicalResult runFill(const Instruction &i, Machine &m) {
  Tensor tensor = m.take(i, 1);
  const Cell &value = m.operand(i, 0);
  for (int64_t k = 0; k < tensor.size(); ++k) {
    if (tensor.isFloat())
      tensor.set(k, value.real);
    else
      tensor.set(k, value.integer);
  }
  m.result(i).tensor = std::move(tensor);
  return m.spend(m.result(i).tensor.size());
}

static LogicalResult readIndex(const Instruction &i, Machine &m) {
  m.result(i).integer = m.loopIndex[llvm::cast<linalg::IndexOp>(i.op).getDim()];
  return success();
}

void reference::addStageRules(RuleTable &t) {
  t[TypeID::get<linalg::GenericOp>()] = runGeneric;
  t[TypeID::get<linalg::FillOp>()] = runFill;
  t[TypeID::get<linalg::IndexOp>()] = readIndex;
}
