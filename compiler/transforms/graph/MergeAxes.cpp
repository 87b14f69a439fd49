//===- MergeAxes.cpp - Contractions whose last axis is too short for vectors ------------------===//

#include "compiler/transforms/graph/Passes.h"

#include "dialects/graph/GraphBuilder.h"

namespace tessera::transforms {
#define GEN_PASS_DEF_GRAPHMERGEAXES
#include "compiler/transforms/graph/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;
using graph::DimAttr;
using graph::DimExpr;

/// Axes shorter than a vector of 512 bits of f32.
static constexpr int64_t kShort = 16;

namespace {
/// A tensor of a contraction, with a letter for each axis.
struct Side {
  std::string letters;
  SmallVector<DimAttr> dims;

  Side(StringRef letters, Value tensor)
      : letters(letters), dims(graph::getTensorType(tensor).getDims()) {}
  /// Whether the two letters stand beside each other, or both are missing.
  bool mayMerge(char first, char second) const {
    size_t at = letters.find(first);
    return at == std::string::npos ? letters.find(second) == std::string::npos
                                   : at + 1 < letters.size() && letters[at + 1] == second;
  }
  /// The second letter's axis joins the first one's. Returns false when the extent overflows.
  bool merge(char first) {
    size_t at = letters.find(first);
    if (at == std::string::npos)
      return true;
    DimExpr both = DimExpr(dims[at]) * DimExpr(dims[at + 1]);
    if (!both)
      return false;
    dims[at] = both.get();
    dims.erase(dims.begin() + at + 1);
    letters.erase(at + 1, 1);
    return true;
  }
};
} // namespace

/// Two letters that can be one, of which the second is a short innermost axis.
static std::optional<std::pair<char, char>> findPair(ArrayRef<Side> sides) {
  for (const Side &side : sides) {
    if (side.letters.size() < 2)
      continue;
    const char first = side.letters.end()[-2], second = side.letters.back();
    std::optional<int64_t> extent = side.dims.back().getConstant();
    if (extent && *extent < kShort &&
        llvm::all_of(sides, [&](const Side &other) { return other.mayMerge(first, second); }))
      return std::pair(first, second);
  }
  return std::nullopt;
}

static void mergeAxes(graph::ContractOp op) {
  SmallVector<Side> sides{{op.getLhsLetters(), op.getLhs()},
                          {op.getRhsLetters(), op.getRhs()},
                          {op.getResultLetters(), op.getResult()}};
  bool isMerged = false;
  while (auto pair = findPair(sides)) {
    for (Side &side : sides)
      if (!side.merge(pair->first))
        return;
    isMerged = true;
  }
  if (!isMerged)
    return;
  OpBuilder builder(op);
  graph::GraphBuilder b(builder, op.getLoc());
  graph::TensorType type = op.getType();
  Value merged = b.create<graph::ContractOp>(
      type.withDims(sides[2].dims),
      sides[0].letters + "," + sides[1].letters + "->" + sides[2].letters,
      b.reshape(op.getLhs(), sides[0].dims), b.reshape(op.getRhs(), sides[1].dims),
      op.getAccAttr());
  op.replaceAllUsesWith(b.reshape(merged, type.getDims()));
  op.erase();
}

namespace {
struct GraphMergeAxes : transforms::impl::GraphMergeAxesBase<GraphMergeAxes> {
  void runOnOperation() override {
    SmallVector<graph::ContractOp> ops;
    getOperation().walk([&](graph::ContractOp op) { ops.push_back(op); });
    for (graph::ContractOp op : ops)
      mergeAxes(op);
  }
};
} // namespace
