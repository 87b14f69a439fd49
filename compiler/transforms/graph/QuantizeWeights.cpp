//===- QuantizeWeights.cpp - Weights of contractions in fewer bits ---------------------------===//
//
// For each operand of a contraction that is a constant:
// 1. Choose an axis that is summed over and is a multiple of a block: the one that lies last, as
//    it needs no transposing, else the longest.
// 2. Lay the weight out with that axis last and encode it.
// 3. Replace it by the packed constant and its decoding; the contraction's letters follow. Steps of
//    a recurrence all read the same weight: it is decoded once, before them.
//
// A float type as format is simpler: contractions take operands of different float types.
//
//===----------------------------------------------------------------------===//
#include "compiler/transforms/graph/QuantizeWeights.h"

#include "compiler/reference/Tensor.h"
#include "compiler/transforms/graph/Passes.h"
#include "dialects/common/BlockFormat.h"
#include "dialects/graph/WeightStore.h"

#include <cmath>

namespace tessera::transforms {
#define GEN_PASS_DEF_GRAPHQUANTIZEWEIGHTS
#include "compiler/transforms/graph/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;
using namespace tessera::transforms;
using reference::Tensor;

namespace {
/// A block format or a float type.
struct WeightFormat {
  const BlockFormat *block = nullptr;
  Type element;
  explicit operator bool() const { return block || element; }
};

class Quantizer {
public:
  Quantizer(ModuleOp module, WeightFormat format, int64_t leastElements)
      : module(module), format(format), leastElements(leastElements),
        store(module.getContext()->getLoadedDialect<graph::GraphDialect>()->getWeightStore()) {}

  void run(std::vector<WeightChoice> *choices);

private:
  std::string replace(OpOperand &use, graph::ConstantOp constant, WeightChoice &choice);
  std::optional<int64_t> chooseAxis(graph::ContractOp op, unsigned operand, graph::TensorType type,
                                    std::string &reason);
  TypedAttr encode(const Tensor &weight, ArrayRef<int64_t> perm);
  std::string findUnfit(const Tensor &weight);

  ModuleOp module;
  WeightFormat format;
  int64_t leastElements;
  graph::WeightStore &store;
};
} // namespace

std::string transforms::describePlace(Operation *op) {
  if (auto name = op->getLoc()->findInstanceOf<NameLoc>())
    return name.getName().str();
  if (auto place = op->getLoc()->findInstanceOf<FileLineColLoc>())
    return (place.getFilename().getValue() + ":" + llvm::Twine(place.getLine())).str();
  return "?";
}

/// (1)
std::optional<int64_t> Quantizer::chooseAxis(graph::ContractOp op, unsigned operand,
                                             graph::TensorType type, std::string &reason) {
  StringRef letters = operand == 0 ? op.getLhsLetters() : op.getRhsLetters();
  StringRef other = operand == 0 ? op.getRhsLetters() : op.getLhsLetters();
  std::optional<int64_t> best;
  std::string unfit;
  for (int64_t axis = type.rank(); axis-- > 0;) {
    if (op.getResultLetters().contains(letters[axis]) || !other.contains(letters[axis]))
      continue;
    int64_t extent = type.getDim(axis).getValue();
    if (extent % format.block->elements != 0) {
      unfit += (unfit.empty() ? "" : " and ") + std::to_string(extent);
      continue;
    }
    bool isLast = best == type.rank() - 1;
    if (!best || (!isLast && extent > type.getDim(*best).getValue()))
      best = axis;
  }
  if (!best)
    reason = unfit.empty() ? "it is not summed over"
                           : "the " + unfit + " elements along the sum are no multiple of " +
                                 std::to_string(format.block->elements) + ", the block of " +
                                 format.block->name.str();
  return best;
}

/// Why a tensor's values cannot be stored, or "".
std::string Quantizer::findUnfit(const Tensor &weight) {
  double most = 0;
  for (int64_t i = 0; i < weight.size(); ++i) {
    double value = std::fabs(weight.real(i));
    if (!std::isfinite(value))
      return "it has NaN or infinities";
    most = std::max(most, value);
  }
  bool half = format.block ? format.block->scale == BlockScale::F16 : format.element.isF16();
  return half && most > 65504 ? "it has values beyond 65504, the largest f16" : "";
}

/// (2) The weight transposed and in blocks along its last axis.
TypedAttr Quantizer::encode(const Tensor &weight, ArrayRef<int64_t> perm) {
  const BlockFormat &block = *format.block;
  SmallVector<int64_t> shape, strides = weight.strides(), steps;
  for (int64_t dim : perm) {
    shape.push_back(weight.getDim(dim));
    steps.push_back(strides[dim]);
  }
  int64_t length = shape.pop_back_val(), step = steps.pop_back_val();
  const BlockCodec codec(block);
  std::vector<char> bytes(weight.size() / block.elements * block.getBytes());
  std::vector<float> values(block.elements);
  auto *out = reinterpret_cast<uint8_t *>(bytes.data());
  reference::forEachIndex(shape, [&](ArrayRef<int64_t> index, int64_t) {
    int64_t row = 0;
    for (auto [i, place] : llvm::enumerate(index))
      row += place * steps[i];
    for (int64_t first = 0; first < length; first += block.elements) {
      for (int64_t i = 0; i < block.elements; ++i)
        values[i] = float(weight.real(row + (first + i) * step));
      codec.encode(values.data(), out);
      out += block.getBytes();
    }
  });
  shape.push_back(length / block.elements);
  auto element = graph::BlockType::get(module.getContext(), block.name);
  return store.addDerived(std::move(bytes), graph::TensorType::get(shape, element));
}

/// Replaces one operand; says why not, or "".
std::string Quantizer::replace(OpOperand &use, graph::ConstantOp constant, WeightChoice &choice) {
  auto type = graph::getTensorType(constant.getResult());
  auto op = llvm::dyn_cast<graph::ContractOp>(use.getOwner());
  Type element = type.getElementType();
  for (Operation *user : constant->getUsers())
    if (!llvm::isa<graph::ContractOp>(user))
      return ("it is also read by " + user->getName().getStringRef()).str();
  Operation *place = op; // of the decoding
  while (llvm::isa<graph::ScanOp>(place->getParentOp()))
    place = place->getParentOp();
  if (!llvm::isa<graph::FuncOp, graph::IfOp, graph::WhileOp>(place->getParentOp()))
    return ("the contraction is inside of " + place->getParentOp()->getName().getStringRef()).str();
  if (*type.getElementCount() < leastElements)
    return "it is small: " + std::to_string(*type.getElementCount()) + " of at least " +
           std::to_string(leastElements) + " elements";
  if (op.getLhs().getDefiningOp<graph::ConstantOp>() &&
      op.getRhs().getDefiningOp<graph::ConstantOp>())
    return "both operands are constants";
  unsigned operand = use.getOperandNumber();
  std::optional<int64_t> axis;
  std::string reason;
  if (format.block) {
    if (!(axis = chooseAxis(op, operand, type, reason)))
      return reason;
  } else if (element.getIntOrFloatBitWidth() <= format.element.getIntOrFloatBitWidth()) {
    return "it has 16 bits already";
  }
  llvm::Expected<Tensor> weight = reference::toTensor(constant.getValue());
  if (!weight)
    return llvm::toString(weight.takeError());
  if (std::string unfit = findUnfit(*weight); !unfit.empty())
    return unfit;

  OpBuilder builder(place);
  if (!format.block) {
    Tensor rounded(format.element, weight->getShape());
    for (int64_t i = 0; i < weight->size(); ++i)
      rounded.set(i, weight->real(i));
    ArrayRef<char> bytes = rounded.getBytes();
    auto stored = graph::ConstantOp::create(
        builder, constant.getLoc(),
        store.addDerived({bytes.begin(), bytes.end()}, type.withElementType(format.element)));
    if (!op.getAcc())
      op.setAccAttr(TypeAttr::get(op.getAccumulatorType()));
    use.set(stored.getResult());
    choice.newBytes = rounded.getByteSize();
    return "";
  }
  // (3)
  SmallVector<int64_t> perm;
  for (int64_t dim = 0; dim < type.rank(); ++dim)
    if (dim != *axis)
      perm.push_back(dim);
  perm.push_back(*axis);
  std::string letters[] = {op.getLhsLetters().str(), op.getRhsLetters().str()}, before;
  before = letters[operand];
  SmallVector<graph::DimAttr> dims;
  for (auto [i, dim] : llvm::enumerate(perm)) {
    letters[operand][i] = before[dim];
    dims.push_back(type.getDim(dim));
  }
  TypedAttr packed = encode(*weight, perm);
  auto stored = graph::ConstantOp::create(builder, constant.getLoc(), packed);
  auto decoded = graph::DecodeBlocksOp::create(
      builder, op.getLoc(), graph::TensorType::get(dims, element), stored.getResult());
  use.set(decoded.getResult());
  op.setEquation(letters[0] + "," + letters[1] + "->" + op.getResultLetters().str());
  choice.newBytes = *llvm::cast<graph::TensorType>(packed.getType()).getByteSize();
  return "";
}

void Quantizer::run(std::vector<WeightChoice> *choices) {
  SmallVector<graph::ConstantOp> constants;
  for (auto function : module.getOps<graph::FuncOp>())
    function.walk([&](graph::ConstantOp constant) {
      if (isFloat(graph::getTensorType(constant.getResult()).getElementType()))
        constants.push_back(constant);
    });
  SmallVector<graph::WeightAttr> replaced;
  for (graph::ConstantOp constant : constants) {
    auto type = graph::getTensorType(constant.getResult());
    for (OpOperand &use : llvm::make_early_inc_range(constant->getUses())) {
      if (!llvm::isa<graph::ContractOp>(use.getOwner()))
        continue;
      WeightChoice choice;
      choice.place = describePlace(use.getOwner());
      choice.type = reference::describe(type.getElementType(), type.getShape());
      choice.bytes = choice.newBytes = *type.getByteSize();
      choice.reason = replace(use, constant, choice);
      if (choices)
        choices->push_back(std::move(choice));
    }
    if (!constant->use_empty())
      continue;
    if (auto weight = llvm::dyn_cast<graph::WeightAttr>(constant.getValue()))
      replaced.push_back(weight);
    constant.erase();
  }
  store.releaseUnused(module, replaced);
}

LogicalResult transforms::quantizeWeights(ModuleOp module, StringRef name, int64_t leastElements,
                                          std::vector<WeightChoice> *choices) {
  WeightFormat format{findBlockFormat(name), nullptr};
  if (name == "bf16")
    format.element = BFloat16Type::get(module.getContext());
  else if (name == "f16")
    format.element = Float16Type::get(module.getContext());
  if (!format) {
    InFlightDiagnostic error = mlir::emitError(module.getLoc()) << ("unknown format of weights '")
                                                                << name << "'; known are bf16, f16";
    for (const BlockFormat *known : getBlockFormats())
      error << ", " << known->name;
    return error;
  }
  Quantizer(module, format, leastElements).run(choices);
  return success();
}

namespace {
struct GraphQuantizeWeights : transforms::impl::GraphQuantizeWeightsBase<GraphQuantizeWeights> {
  using GraphQuantizeWeightsBase::GraphQuantizeWeightsBase;

  void runOnOperation() override {
    std::vector<WeightChoice> found;
    if (failed(quantizeWeights(getOperation(), format, leastElements, &found)))
      return signalPassFailure();
    for (const WeightChoice &choice : found) {
      numStored += choice.reason.empty();
      if (explain)
        emitRemark(getOperation().getLoc())
            << choice.place << ": " << choice.type << ", " << choice.bytes << " bytes, "
            << (choice.reason.empty() ? "now takes " + std::to_string(choice.newBytes)
                                      : "is left: " + choice.reason);
    }
    if (choices)
      choices->insert(choices->end(), found.begin(), found.end());
  }

  std::vector<WeightChoice> *choices = nullptr;
};
} // namespace

std::unique_ptr<Pass> transforms::createGraphQuantizeWeights(StringRef format,
                                                             std::vector<WeightChoice> *choices) {
  GraphQuantizeWeightsOptions options;
  options.format = format.str();
  auto pass = std::make_unique<GraphQuantizeWeights>(options);
  pass->choices = choices;
  return pass;
}
