//===- Sampling.cpp - Resize: samples on a finer or coarser grid ----------===//
#include "compiler/reference/graph/Rules.h"

#include <cmath>

using namespace mlir;
using namespace tessera;
using namespace tessera::reference;

namespace {
/// A neighbour of a coordinate and its weight.
struct Tap {
  int64_t at;
  double weight;
};
} // namespace

/// The source coordinate of y, in f32 as graph.resize says.
static float findCoordinate(graph::CoordinateMode mode, float y, float from, float to,
                            float scale) {
  float half = (y + 0.5f) / scale - 0.5f;
  switch (mode) {
  case graph::CoordinateMode::half_pixel: return half;
  case graph::CoordinateMode::half_pixel_symmetric:
    return from * 0.5f * (1.0f - to / (scale * from)) + half;
  case graph::CoordinateMode::pytorch_half_pixel: return to == 1 ? 0.0f : half;
  case graph::CoordinateMode::align_corners: return to == 1 ? 0.0f : y * (from - 1) / (to - 1);
  case graph::CoordinateMode::asymmetric: return y / scale;
  }
  return 0;
}

static int64_t roundCoordinate(graph::NearestMode mode, float c) {
  switch (mode) {
  case graph::NearestMode::round_prefer_floor: return int64_t(std::ceil(c - 0.5f));
  case graph::NearestMode::round_prefer_ceil: return int64_t(std::floor(c + 0.5f));
  case graph::NearestMode::floor: return int64_t(std::floor(c));
  case graph::NearestMode::ceil: return int64_t(std::ceil(c));
  }
  return 0;
}

/// Keys, "Cubic convolution interpolation for digital image processing" (1981), with its a free.
static double cubicWeight(double distance, double a) {
  double d = std::fabs(distance);
  if (d <= 1)
    return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? a * (((d - 5) * d + 8) * d - 4) : 0;
}

static SmallVector<Tap> findTaps(graph::ResizeOp op, float c, int64_t extent) {
  auto clamp = [&](int64_t at) { return std::clamp<int64_t>(at, 0, extent - 1); };
  switch (op.getMode()) {
  case graph::ResizeMode::nearest: return {{clamp(roundCoordinate(op.getRounding(), c)), 1.0}};
  case graph::ResizeMode::linear: {
    float bounded = std::max(std::min(c, float(extent - 1)), 0.0f);
    auto low = int64_t(std::floor(bounded));
    double fraction = bounded - std::floor(bounded);
    return {{low, 1 - fraction}, {clamp(low + 1), fraction}};
  }
  case graph::ResizeMode::cubic: break;
  }
  auto base = int64_t(std::floor(c));
  double t = c - std::floor(c), total = 0, a = op.getCubicA().convertToDouble();
  SmallVector<Tap> taps;
  for (int64_t i = -1; i <= 2; ++i) {
    bool outside = base + i < 0 || base + i >= extent;
    double weight = outside && op.getExcludeOutside() ? 0 : cubicWeight(i - t, a);
    total += weight;
    taps.push_back({clamp(base + i), weight});
  }
  if (op.getExcludeOutside())
    for (Tap &tap : taps)
      tap.weight /= total;
  return taps;
}

static Tensors evaluateResize(graph::ResizeOp op, Operands operands, Evaluation &evaluation) {
  const Tensor &x = operands[0];
  FailureOr<Tensor> result = evaluation.make(op.getResult().getType());
  if (failed(result))
    return failure();
  ArrayRef<int64_t> axes = op.getAxes();
  std::vector<std::vector<SmallVector<Tap>>> taps(axes.size());
  for (auto [k, axis] : llvm::enumerate(axes)) {
    int64_t from = x.getDim(axis), to = result->getDim(axis);
    if (from == 0 && result->size() > 0)
      return evaluation.fail("(C4) axis " + llvm::Twine(axis) + " is empty");
    float scale = op.getScales() ? float((*op.getScales())[k]) : float(to) / float(from);
    for (int64_t y = 0; y < to && from > 0; ++y)
      taps[k].push_back(findTaps(
          op, findCoordinate(op.getCoordinates(), float(y), float(from), float(to), scale), from));
  }
  bool isNearest = op.getMode() == graph::ResizeMode::nearest;
  SmallVector<int64_t> at;
  SmallVector<int64_t> counts(axes.size(), isNearest                                   ? 1
                                           : op.getMode() == graph::ResizeMode::linear ? 2
                                                                                       : 4);
  forEachIndex(result->getShape(), [&](ArrayRef<int64_t> index, int64_t place) {
    at.assign(index.begin(), index.end());
    double sum = 0;
    forEachIndex(counts, [&](ArrayRef<int64_t> chosen, int64_t) {
      double weight = 1;
      for (auto [k, axis] : llvm::enumerate(axes)) {
        const Tap &tap = taps[k][index[axis]][chosen[k]];
        at[axis] = tap.at;
        weight *= tap.weight;
      }
      if (isNearest)
        result->copyElement(place, x, x.position(at));
      else
        sum += weight * x.real(x.position(at));
    });
    if (isNearest)
      return;
    if (result->isFloat())
      result->set(place, sum);
    else
      result->set(place, result->getFormat().saturate(std::nearbyint(sum)));
  });
  return single(*result);
}

void reference::attachSampling(MLIRContext &context) { attach<evaluateResize>(context); }
