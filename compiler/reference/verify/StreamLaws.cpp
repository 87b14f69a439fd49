//===- StreamLaws.cpp - Whether the regions of a stream fit together ----------------===//
//
// Running a stream does not show that its laws hold: the interpreter lifts one element after the
// other and merges from the left, where a kernel lifts blocks and merges parts in any grouping.
//
//===----------------------------------------------------------------------===//
#include "compiler/reference/verify/StreamLaws.h"

#include "compiler/reference/graph/Stream.h"
#include "compiler/reference/verify/GeneratedInputs.h"

#include <cmath>

using namespace mlir;
using namespace tessera;
using namespace tessera::reference;

using States = SmallVector<Tensor>;

/// The elements of a, then those of b.
static Tensor concatenate(const Tensor &a, const Tensor &b, int64_t axis) {
  SmallVector<int64_t> shape(a.getShape());
  int64_t first = shape[axis];
  shape[axis] += b.getDim(axis);
  Tensor both(a.getElementType(), shape);
  forEachIndex(shape, [&](ArrayRef<int64_t> index, int64_t place) {
    SmallVector<int64_t> at(index);
    bool isFirst = at[axis] < first;
    at[axis] -= isFirst ? 0 : first;
    const Tensor &from = isFirst ? a : b;
    both.copyElement(place, from, from.position(at));
  });
  return both;
}

static double getLargest(const Tensor &tensor) {
  double largest = 0;
  for (int64_t i = 0; i < tensor.size(); ++i)
    if (double value = std::fabs(tensor.real(i)); std::isfinite(value))
      largest = std::max(largest, value);
  return largest;
}

/// The laws hold for real numbers. Half of the digits tell a wrong rule from rounding, at the scale
/// of what was merged: sums may cancel.
static std::string compare(ArrayRef<Tensor> found, ArrayRef<Tensor> expected,
                           ArrayRef<ArrayRef<Tensor>> parts) {
  for (auto [number, pair] : llvm::enumerate(llvm::zip_equal(found, expected))) {
    const auto &[x, y] = pair;
    double tolerance = 0;
    if (auto type = llvm::dyn_cast<FloatType>(x.getElementType())) {
      double scale = std::max(getLargest(x), getLargest(y));
      for (ArrayRef<Tensor> part : parts)
        scale = std::max(scale, getLargest(part[number]));
      int precision = llvm::APFloat::semanticsPrecision(type.getFloatSemantics());
      tolerance = scale * std::exp2(-precision / 2.0);
    }
    std::string difference;
    forEachIndex(x.getShape(), [&](ArrayRef<int64_t> index, int64_t place) {
      if (!difference.empty())
        return;
      bool isEqual = x.isFloat() ? x.real(place) == y.real(place) ||
                                       (std::isnan(x.real(place)) && std::isnan(y.real(place))) ||
                                       std::fabs(x.real(place) - y.real(place)) <= tolerance
                                 : x.integer(place) == y.integer(place);
      if (isEqual)
        return;
      llvm::raw_string_ostream os(difference);
      os << "state " << number << " at [";
      llvm::interleaveComma(index, os);
      os << "] is " << printElement(x, place) << ", expected " << printElement(y, place);
    });
    if (!difference.empty())
      return difference;
  }
  return "";
}

namespace {
/// One try, with values for the symbols. `failed` after a region that could not be run.
class Laws {
public:
  Laws(graph::StreamOp stream, const llvm::StringMap<int64_t> &extents, Limits limits)
      : stream(stream), evaluation(stream->getParentOfType<ModuleOp>(), limits) {
    for (const auto &entry : extents)
      evaluation.bind(entry.getKey(), entry.getValue());
  }

  std::string findBroken() {
    States a = makeBlock(3, {}), b = makeBlock(2, a), c = makeBlock(4, a);
    States s = lift(a, 3), t = lift(b, 2), u = lift(c, 4);
    States e = check(makeIdentity(stream, evaluation));
    States merged = merge(s, t), left = merge(merged, u), right = merge(s, merge(t, u));
    States before = merge(e, s), after = merge(s, e), whole;
    if (stream.getBlock())
      whole = lift(join(a, b), 5);
    if (failed)
      return "";
    if (std::string difference = compare(before, s, {s}); !difference.empty())
      return "merge(identity, s) is not s: " + difference;
    if (std::string difference = compare(after, s, {s}); !difference.empty())
      return "merge(s, identity) is not s: " + difference;
    if (std::string difference = compare(left, right, {s, t, u}); !difference.empty())
      return "merge is not associative: " + difference;
    if (!stream.getBlock())
      return "";
    std::string difference = compare(merged, whole, {s, t});
    return difference.empty() ? "" : "merging two blocks is not lifting both: " + difference;
  }

  bool failed = false;

private:
  States check(Evaluation::Tensors tensors) {
    failed |= llvm::failed(tensors);
    return failed ? States() : *tensors;
  }

  void bindBlock(int64_t extent) {
    if (stream.getBlock())
      evaluation.bind(*stream.getBlock(), extent);
  }

  /// What a lift takes; inputs that are not cut along the axis are those of `same`.
  States makeBlock(int64_t extent, ArrayRef<Tensor> same) {
    bindBlock(extent);
    States block;
    for (auto [number, axis] : llvm::enumerate(stream.getAxes())) {
      if (failed)
        return {};
      if (axis < 0 && !same.empty()) {
        block.push_back(same[number]);
        continue;
      }
      FailureOr<Tensor> tensor = evaluation.make(stream.getLift().getArgument(number).getType());
      failed |= llvm::failed(tensor) || !fillRandomly(*tensor, InputKind::Ordinary, random);
      if (!failed)
        block.push_back(std::move(*tensor));
    }
    return block;
  }

  States join(ArrayRef<Tensor> a, ArrayRef<Tensor> b) {
    States both;
    if (!failed)
      for (auto [x, y, axis] : llvm::zip_equal(a, b, stream.getAxes()))
        both.push_back(axis < 0 ? x : concatenate(x, y, axis));
    return both;
  }

  States lift(ArrayRef<Tensor> block, int64_t extent) {
    bindBlock(extent);
    return failed ? States() : check(evaluation.run(stream.getLift(), block));
  }

  States merge(ArrayRef<Tensor> first, ArrayRef<Tensor> second) {
    States both(first);
    llvm::append_range(both, second);
    return failed ? States() : check(evaluation.run(stream.getMerge(), both));
  }

  graph::StreamOp stream;
  Evaluation evaluation;
  std::mt19937_64 random{1};
};
} // namespace

std::optional<std::string> reference::describeBrokenLaw(graph::StreamOp stream, Limits limits) {
  unsigned number = 0;
  while (auto extents = chooseExtents(stream->getParentOfType<graph::FuncOp>(), number++)) {
    Laws laws(stream, *extents, limits);
    std::string broken = laws.findBroken();
    if (!laws.failed)
      return broken;
  }
  return std::nullopt;
}
