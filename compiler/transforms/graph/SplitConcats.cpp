//===- SplitConcats.cpp - What is made of a concatenation is made of its pieces ---------------===//
//
// Attention with sinks is often spelled so: the logit of a sink is appended to the scores, and its
// share is cut off behind the softmax. Between are maps, and reductions along the axis:
//   f(concat(a, b)) = concat(f(a), f(b)),   max concat(a, b) = max(max a, max b),
//   slice of concat(a, b) inside of a = slice of a
// so that nothing is left of the concatenation. It is split only when nothing else reads it.
//
//===----------------------------------------------------------------------===//
#include "compiler/transforms/graph/Passes.h"

#include "dialects/graph/GraphBuilder.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

namespace tessera::transforms {
#define GEN_PASS_DEF_GRAPHSPLITCONCATS
#include "compiler/transforms/graph/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;
using graph::DimAttr;
using graph::DimExpr;
using graph::ReduceKind;

/// Every piece has its own kernels, as long as nothing fuses them.
static constexpr size_t kMaxPieces = 4;

namespace {
/// A concatenation and all that is computed from it element by element, up to reductions and slices
/// that end the axis.
class Web {
public:
  explicit Web(graph::ConcatOp concat) : concat(concat), axis(concat.getAxis()) {}

  bool find();
  void split();

private:
  bool isEnd(graph::ReduceOp op) const;
  std::optional<unsigned> pieceOf(graph::SliceOp op) const;
  bool follow(Value value);

  SmallVector<Value> piecesOf(graph::GraphBuilder &b, Value operand);
  void splitMap(Operation *op);
  void splitReduce(graph::ReduceOp op);
  void moveSlice(graph::SliceOp op);
  SmallVector<DimAttr> dimsOfPiece(Value whole, unsigned piece) const;

  graph::ConcatOp concat;
  int64_t axis;
  SmallVector<DimAttr> begins, extents; // of the pieces along the axis
  llvm::SetVector<Operation *> ops;     // maps and ends
  llvm::MapVector<Value, SmallVector<Value>> pieces;
};
} // namespace

/// Partial results have to be as exact as the whole: sums of short floats are kept in f32.
bool Web::isEnd(graph::ReduceOp op) const {
  Type element = op.getType().getElementType();
  bool rounds = (op.getKind() == ReduceKind::sum || op.getKind() == ReduceKind::prod) &&
                llvm::isa<FloatType>(element) && element.getIntOrFloatBitWidth() < 32;
  return llvm::is_contained(op.getAxes(), axis) && !rounds;
}

/// The piece that has everything that is read.
std::optional<unsigned> Web::pieceOf(graph::SliceOp op) const {
  auto start = llvm::cast<DimAttr>(op.getStarts()[axis]);
  if (llvm::cast<DimAttr>(op.getSteps()[axis]).getConstant() != 1)
    return std::nullopt;
  DimExpr end = DimExpr(start) + op.getType().getDim(axis);
  for (unsigned piece = 0; piece < extents.size(); ++piece) {
    DimExpr pieceEnd = DimExpr(begins[piece]) + extents[piece];
    if (end && pieceEnd && graph::isKnownLessEqual(begins[piece], start) &&
        graph::isKnownLessEqual(end, pieceEnd))
      return piece;
  }
  return std::nullopt;
}

bool Web::follow(Value value) {
  for (Operation *user : value.getUsers()) {
    if (user->getBlock() != concat->getBlock())
      return false;
    if (auto reduce = llvm::dyn_cast<graph::ReduceOp>(user)) {
      if (!isEnd(reduce))
        return false;
      ops.insert(user);
    } else if (auto slice = llvm::dyn_cast<graph::SliceOp>(user)) {
      if (!pieceOf(slice))
        return false;
      ops.insert(user);
    } else if (user->hasTrait<graph::Elementwise>() && user->getNumResults() == 1) {
      if (ops.insert(user) && !follow(user->getResult(0)))
        return false;
    } else {
      return false;
    }
  }
  return true;
}

bool Web::find() {
  if (concat.getInputs().size() < 2 || concat.getInputs().size() > kMaxPieces)
    return false;
  DimExpr begin = DimExpr::constant(concat.getContext(), 0);
  for (Value input : concat.getInputs()) {
    begins.push_back(begin);
    extents.push_back(graph::getTensorType(input).getDim(axis));
    begin = begin + extents.back();
    if (!begin)
      return false;
  }
  return follow(concat.getResult()) && !ops.empty();
}

SmallVector<DimAttr> Web::dimsOfPiece(Value whole, unsigned piece) const {
  SmallVector<DimAttr> dims(graph::getTensorType(whole).getDims());
  dims[axis] = extents[piece];
  return dims;
}

/// An operand of a map, cut like the concatenation.
SmallVector<Value> Web::piecesOf(graph::GraphBuilder &b, Value operand) {
  if (auto known = pieces.find(operand); known != pieces.end())
    return known->second;
  SmallVector<Value> result;
  auto other = operand.getDefiningOp<graph::ConcatOp>();
  if (other && int64_t(other.getAxis()) == axis &&
      llvm::equal(other.getInputs(), extents, [&](Value input, DimAttr extent) {
        return graph::getTensorType(input).getDim(axis) == extent;
      }))
    return llvm::to_vector(other.getInputs());
  auto broadcast = operand.getDefiningOp<graph::BroadcastOp>();
  if (broadcast) {
    auto place = llvm::find(broadcast.getDims(), axis);
    bool varies =
        place != broadcast.getDims().end() && graph::getTensorType(broadcast.getX())
                                                      .getDim(place - broadcast.getDims().begin())
                                                      .getConstant() != 1;
    if (varies)
      broadcast = {};
  }
  int64_t rank = graph::getTensorType(operand).rank();
  SmallVector<DimAttr> starts(rank, graph::getDim(concat.getContext(), 0)),
      steps(rank, graph::getDim(concat.getContext(), 1));
  for (unsigned piece = 0; piece < extents.size(); ++piece) {
    SmallVector<DimAttr> dims = dimsOfPiece(operand, piece);
    starts[axis] = begins[piece];
    result.push_back(broadcast ? b.broadcast(broadcast.getX(), broadcast.getDims(), dims)
                               : b.create<graph::SliceOp>(operand, ArrayRef<DimAttr>(starts),
                                                          ArrayRef<DimAttr>(steps),
                                                          ArrayRef<DimAttr>(dims)));
  }
  return result;
}

void Web::splitMap(Operation *op) {
  OpBuilder builder(op);
  graph::GraphBuilder b(builder, op->getLoc());
  SmallVector<SmallVector<Value>> operands;
  for (Value operand : op->getOperands())
    operands.push_back(piecesOf(b, operand));
  graph::TensorType type = graph::getTensorType(op->getResult(0));
  SmallVector<Value> &results = pieces[op->getResult(0)];
  for (unsigned piece = 0; piece < extents.size(); ++piece) {
    Operation *copy = builder.clone(*op);
    for (auto [number, cut] : llvm::enumerate(operands))
      copy->setOperand(number, cut[piece]);
    copy->getResult(0).setType(type.withDims(dimsOfPiece(op->getResult(0), piece)));
    results.push_back(copy->getResult(0));
  }
}

static Value combine(graph::GraphBuilder &b, ReduceKind kind, Value x, Value y) {
  switch (kind) {
  case ReduceKind::sum: return b.add(x, y);
  case ReduceKind::prod: return b.mul(x, y);
  case ReduceKind::max: return b.max(x, y);
  case ReduceKind::min: return b.min(x, y);
  case ReduceKind::and_: return b.create<graph::AndOp>(x, y);
  case ReduceKind::or_: return b.create<graph::OrOp>(x, y);
  }
  llvm_unreachable("every kind of reduction");
}

void Web::splitReduce(graph::ReduceOp op) {
  OpBuilder builder(op);
  graph::GraphBuilder b(builder, op.getLoc());
  Value whole;
  for (auto [piece, part] : llvm::enumerate(pieces[op.getX()])) {
    bool isOne = op.getAxes().size() == 1 && extents[piece].getConstant() == 1;
    Value reduced = isOne ? b.reshape(part, op.getType().getDims())
                          : b.reduce(op.getKind(), part, op.getAxes());
    whole = whole ? combine(b, op.getKind(), whole, reduced) : reduced;
  }
  op.replaceAllUsesWith(whole);
}

void Web::moveSlice(graph::SliceOp op) {
  OpBuilder builder(op);
  unsigned piece = *pieceOf(op);
  SmallVector<DimAttr> starts, steps;
  for (auto [start, step] : llvm::zip(op.getStarts(), op.getSteps())) {
    starts.push_back(llvm::cast<DimAttr>(start));
    steps.push_back(llvm::cast<DimAttr>(step));
  }
  starts[axis] = DimExpr(starts[axis]) - begins[piece];
  op.replaceAllUsesWith(
      graph::GraphBuilder(builder, op.getLoc())
          .create<graph::SliceOp>(pieces[op.getX()][piece], ArrayRef<DimAttr>(starts),
                                  ArrayRef<DimAttr>(steps), op.getType().getDims()));
}

void Web::split() {
  pieces[concat.getResult()] = llvm::to_vector(concat.getInputs());
  SmallVector<Operation *> ordered = ops.takeVector();
  llvm::sort(ordered, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  for (Operation *op : ordered) {
    if (auto reduce = llvm::dyn_cast<graph::ReduceOp>(op))
      splitReduce(reduce);
    else if (auto slice = llvm::dyn_cast<graph::SliceOp>(op))
      moveSlice(slice);
    else
      splitMap(op);
  }
  for (Operation *op : llvm::reverse(ordered))
    op->erase();
  concat.erase();
}

namespace {
struct GraphSplitConcats : transforms::impl::GraphSplitConcatsBase<GraphSplitConcats> {
  using GraphSplitConcatsBase::GraphSplitConcatsBase;

  void runOnOperation() override {
    SmallVector<graph::ConcatOp> concats;
    getOperation().walk([&](graph::ConcatOp op) { concats.push_back(op); });
    for (graph::ConcatOp concat : concats) {
      Web web(concat);
      if (!web.find())
        continue;
      web.split();
      ++numSplit;
    }
  }
};
} // namespace
