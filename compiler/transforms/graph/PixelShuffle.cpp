//===- PixelShuffle.cpp - Channels that become places of a picture
//------------------------------===//
#include "compiler/transforms/graph/PixelShuffle.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::transforms;
using graph::DimAttr;
using graph::DimExpr;

/// Whether `split` has the dims of `whole`, but for one in whose place are factors of it.
static bool splitsOne(ArrayRef<DimAttr> whole, ArrayRef<DimAttr> split, int64_t dim) {
  int64_t factors = split.size() - whole.size() + 1;
  DimExpr product = DimExpr::constant(whole.front().getContext(), 1);
  for (DimAttr factor : split.slice(dim, factors))
    product = product * DimExpr(factor);
  return whole.take_front(dim) == split.take_front(dim) &&
         whole.drop_front(dim + 1) == split.drop_front(dim + factors) &&
         product.get() == whole[dim];
}

std::optional<PixelShuffle> transforms::matchPixelShuffle(Operation *op) {
  PixelShuffle shuffle;
  shuffle.merge = llvm::dyn_cast<graph::ReshapeOp>(op);
  if (!shuffle.merge)
    return std::nullopt;
  shuffle.move = shuffle.merge.getX().getDefiningOp<graph::TransposeOp>();
  if (!shuffle.move || !shuffle.move->hasOneUse())
    return std::nullopt;
  shuffle.split = shuffle.move.getX().getDefiningOp<graph::ReshapeOp>();
  if (!shuffle.split || !shuffle.split->hasOneUse())
    return std::nullopt;
  ArrayRef<DimAttr> x = graph::getTensorType(shuffle.getX()).getDims();
  ArrayRef<DimAttr> split = shuffle.split.getType().getDims();
  ArrayRef<DimAttr> result = shuffle.merge.getType().getDims();
  int64_t rank = x.size();
  if (rank < 3 || result.size() != x.size() || split.size() <= x.size())
    return std::nullopt;
  shuffle.factors = split.size() - rank + 1;
  for (int64_t dim : {int64_t(1), rank - 1}) {
    if (!splitsOne(x, split, dim))
      continue;
    auto isFactor = [&](int64_t place) { return place >= dim && place < dim + shuffle.factors; };
    shuffle.channel = dim;
    shuffle.parts.assign(rank, {});
    ArrayRef<int64_t> perm = shuffle.move.getPerm();
    size_t at = 0;
    int64_t lone = 0, last = -1;
    bool fits = true;
    for (int64_t place = 0; fits && place < rank; ++place) {
      if (at == perm.size())
        return std::nullopt;
      int64_t first = perm[at++];
      shuffle.parts[place] = {first};
      if (isFactor(first)) {
        ++lone;
        shuffle.kept = first;
        shuffle.resultChannel = place;
        fits = split[first] == result[place];
        continue;
      }
      fits = first > last;
      last = first;
      if (split[first] == result[place])
        continue;
      fits = fits && at < perm.size() && isFactor(perm[at]) &&
             (DimExpr(split[first]) * DimExpr(split[perm[at]])).get() == result[place];
      if (fits)
        shuffle.parts[place].push_back(perm[at++]);
    }
    if (fits && lone == 1 && at == perm.size())
      return shuffle;
  }
  return std::nullopt;
}

std::optional<PixelShuffle> transforms::findPixelShuffle(Operation *op) {
  auto split = llvm::dyn_cast<graph::ReshapeOp>(op);
  if (!split || !split->hasOneUse())
    return std::nullopt;
  auto move = llvm::dyn_cast<graph::TransposeOp>(*split->user_begin());
  if (!move || !move->hasOneUse())
    return std::nullopt;
  return matchPixelShuffle(*move->user_begin());
}

Value transforms::buildPixelShuffle(graph::GraphBuilder &b, Value x, ArrayRef<DimAttr> splitDims,
                                    ArrayRef<int64_t> perm, ArrayRef<DimAttr> resultDims) {
  return b.reshape(b.transpose(b.reshape(x, splitDims), perm), resultDims);
}
