//===- GeneratedInputs.cpp - Inputs to try a function on -----------------------===//
#include "compiler/reference/verify/GeneratedInputs.h"

#include <cmath>

using namespace mlir;
using namespace tessera;
using namespace tessera::reference;

std::optional<llvm::StringMap<int64_t>> reference::chooseExtents(graph::FuncOp function,
                                                                 unsigned attempt) {
  // First extent, and the step from symbol to symbol.
  static constexpr std::pair<int64_t, int64_t> kAttempts[] = {
      {3, 2}, {7, 4}, {5, 0}, {1, 0}, {4, 4}, {8, 0}, {16, 0}, {32, 0}, {64, 0}};
  if (attempt >= std::size(kAttempts))
    return std::nullopt;
  auto [extent, step] = kAttempts[attempt];
  llvm::StringMap<int64_t> extents;
  if (DictionaryAttr dims = function.getDimsAttr())
    for (NamedAttribute entry : dims) {
      auto range = llvm::cast<graph::RangeAttr>(entry.getValue());
      int64_t high = range.getHi().value_or(std::numeric_limits<int64_t>::max());
      extents[entry.getName().getValue()] = std::clamp(extent, range.getLo(), high);
      extent += step;
    }
  return extents;
}

static void fillReals(Tensor &tensor, InputKind kind, std::mt19937_64 &random) {
  static const double special[] = {NAN, INFINITY, -INFINITY, -0.0, 0.0, 1.0, -1.0};
  std::normal_distribution<double> normal;
  for (int64_t i = 0; i < tensor.size(); ++i) {
    bool isSpecial = kind == InputKind::Special && random() % 6 == 0;
    tensor.set(i, isSpecial ? special[random() % std::size(special)] : normal(random));
  }
}

static void fillIntegers(Tensor &tensor, InputKind kind, std::mt19937_64 &random) {
  static const int64_t special[] = {std::numeric_limits<int64_t>::min(),
                                    std::numeric_limits<int64_t>::max(), -1, 0};
  bool isSigned = tensor.getFormat().isInteger() && !tensor.getFormat().isUnsigned();
  for (int64_t i = 0; i < tensor.size(); ++i) {
    if (kind == InputKind::Special && random() % 6 == 0)
      tensor.set(i, tensor.getFormat().saturate(special[random() % 4], isSigned));
    else
      tensor.set(i, int64_t(random() % 9) - (isSigned ? 4 : 0));
  }
}

static bool fillBlocks(Tensor &tensor, std::mt19937_64 &random) {
  auto type = llvm::dyn_cast<graph::BlockType>(tensor.getElementType());
  if (!type)
    return false;
  const BlockFormat *format = findBlockFormat(type.getFormat());
  const BlockCodec codec(*format);
  std::normal_distribution<float> normal;
  std::vector<float> values(format->elements);
  for (int64_t i = 0; i < tensor.size(); ++i) {
    for (float &value : values)
      value = normal(random);
    codec.encode(values.data(), reinterpret_cast<uint8_t *>(tensor.at(i)));
  }
  return true;
}

bool reference::fillRandomly(Tensor &tensor, InputKind kind, std::mt19937_64 &random) {
  const ElementFormat &format = tensor.getFormat();
  if (format.isOpaque())
    return fillBlocks(tensor, random);
  if (format.isFloat())
    fillReals(tensor, kind, random);
  else
    fillIntegers(tensor, kind, random);
  return true;
}

std::optional<SmallVector<Tensor>>
reference::generateInputs(graph::FuncOp function, const llvm::StringMap<int64_t> &extents,
                          InputKind kind, uint64_t seed) {
  constexpr int64_t kMaxElements = int64_t(1) << 26;
  std::mt19937_64 random(seed);
  SmallVector<Tensor> inputs;
  for (Type argument : function.getArgumentTypes()) {
    auto type = llvm::cast<graph::TensorType>(argument);
    SmallVector<int64_t> shape;
    int64_t count = 1;
    for (graph::DimAttr dim : type.getDims()) {
      std::optional<int64_t> extent =
          graph::evaluateDim(dim, [&](StringRef name) -> std::optional<int64_t> {
            auto it = extents.find(name);
            return it == extents.end() ? std::nullopt : std::optional(it->second);
          });
      if (!extent || *extent < 0 || *extent > kMaxElements ||
          (count *= std::max<int64_t>(*extent, 1)) > kMaxElements)
        return std::nullopt;
      shape.push_back(*extent);
    }
    ElementFormat format(type.getElementType());
    if (!format)
      return std::nullopt;
    Tensor tensor(type.getElementType(), shape);
    if (!fillRandomly(tensor, kind, random))
      return std::nullopt;
    inputs.push_back(std::move(tensor));
  }
  return inputs;
}
