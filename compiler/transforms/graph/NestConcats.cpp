//===- NestConcats.cpp - Concatenations of many tensors become a tree of short ones ----------===//
//
// The kernel of a concatenation chooses between all pieces for every element, so that both its code
// and its time grow with their number: compiling one of 1,000 pieces took 50 seconds. A tree copies
// each element once a level, and its kernels have bounded size; of equal pieces they are equal,
// too.
//
//===----------------------------------------------------------------------===//
#include "compiler/transforms/graph/Passes.h"

#include "dialects/graph/GraphBuilder.h"

namespace tessera::transforms {
#define GEN_PASS_DEF_GRAPHNESTCONCATS
#include "compiler/transforms/graph/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;

/// Networks that hand on the results of all earlier layers concatenate up to this many.
static constexpr size_t kMaxOperands = 32;

namespace {
struct GraphNestConcats : transforms::impl::GraphNestConcatsBase<GraphNestConcats> {
  using GraphNestConcatsBase::GraphNestConcatsBase;

  void runOnOperation() override {
    SmallVector<graph::ConcatOp> concats;
    getOperation().walk([&](graph::ConcatOp op) {
      if (op.getInputs().size() > kMaxOperands)
        concats.push_back(op);
    });
    for (graph::ConcatOp concat : concats) {
      OpBuilder builder(concat);
      graph::GraphBuilder b(builder, concat.getLoc());
      SmallVector<Value> level(concat.getInputs());
      while (level.size() > kMaxOperands) {
        SmallVector<Value> next;
        for (ArrayRef<Value> rest = level; !rest.empty();) {
          ArrayRef<Value> piece = rest.take_front(kMaxOperands);
          rest = rest.drop_front(piece.size());
          next.push_back(piece.size() == 1 ? piece.front()
                                           : b.create<graph::ConcatOp>(piece, concat.getAxis()));
        }
        level = std::move(next);
      }
      concat.getInputsMutable().assign(level);
      ++numNested;
    }
  }
};
} // namespace
