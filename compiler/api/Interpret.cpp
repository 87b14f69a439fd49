//===- Interpret.cpp - Runs a model with the reference interpreter --------===//
#include "compiler/api/Interpret.h"

#include "compiler/api/CheckOptions.h"
#include "compiler/api/HostOperators.h"
#include "compiler/api/Load.h"
#include "compiler/api/Ports.h"
#include "compiler/pipelines/Pipelines.h"
#include "compiler/pipelines/Register.h"
#include "compiler/reference/graph/Evaluation.h"
#include "compiler/transforms/graph/FixDims.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace tessera;

struct ReferenceModel::State {
  State() : context(makeRegistry()) {}
  static DialectRegistry makeRegistry() {
    DialectRegistry registry;
    registerAllDialects(registry);
    return registry;
  }

  MLIRContext context;
  std::string transform(llvm::function_ref<void(OpPassManager &)> before,
                        llvm::function_ref<void(OpPassManager &)> behind);

  OwningOpRef<ModuleOp> module;
  bool isPrepared = false; ///< the passes of the graph have run
  graph::FuncOp function;
  std::unique_ptr<reference::Evaluation> evaluation;
  std::vector<PortInfo> inputs, outputs;
};

ReferenceModel::ReferenceModel(std::unique_ptr<State> state) : state(std::move(state)) {}
ReferenceModel::~ReferenceModel() = default;
const std::vector<PortInfo> &ReferenceModel::inputs() const { return state->inputs; }
const std::vector<PortInfo> &ReferenceModel::outputs() const { return state->outputs; }

std::unique_ptr<ReferenceModel> ReferenceModel::load(const std::string &path,
                                                     const std::map<std::string, int64_t> &dims,
                                                     const std::string &operators,
                                                     std::string &error) {
  auto file = llvm::MemoryBuffer::getFile(path);
  if (!file || !looksLikeModel((*file)->getBuffer())) {
    error = file ? "'" + path + "' is no model that Tessera reads"
                 : "cannot read '" + path + "': " + file.getError().message();
    return nullptr;
  }
  useHostOperators();
  auto state = std::make_unique<State>();
  ErrorCollector errors(state->context, error, path);
  state->module = parseModel((*file)->getBuffer(), path, llvm::sys::path::parent_path(path),
                             state->context, /*report=*/nullptr, operators, dims);
  if (!state->module)
    return nullptr;
  llvm::StringMap<int64_t> values;
  for (const auto &[name, value] : dims)
    values[name] = value;
  if (!values.empty() && failed(transforms::fixDims(*state->module, values)))
    return nullptr;
  if (state->module->getOps<graph::FuncOp>().empty()) {
    error = "'" + path + "' has no graph.func";
    return nullptr;
  }
  state->function = *state->module->getOps<graph::FuncOp>().begin();
  graph::FuncOp function = state->function;
  state->inputs = describeInputs(function);
  state->outputs = describeOutputs(function);
  state->evaluation = std::make_unique<reference::Evaluation>(*state->module);
  return std::unique_ptr<ReferenceModel>(new ReferenceModel(std::move(state)));
}

/// Runs passes on the model, behind those of the graph: they decide what weights look like, and
/// which products there are.
std::string ReferenceModel::State::transform(llvm::function_ref<void(OpPassManager &)> before,
                                             llvm::function_ref<void(OpPassManager &)> behind) {
  std::string error;
  ErrorCollector errors(context, error, "");
  PassManager passes(&context);
  before(passes);
  if (!std::exchange(isPrepared, true))
    addGraphPasses(passes);
  addStreamPasses(passes);
  behind(passes);
  if (failed(passes.run(*module)))
    return error;
  function = *module->getOps<graph::FuncOp>().begin();
  evaluation = std::make_unique<reference::Evaluation>(*module);
  return "";
}

std::string ReferenceModel::quantize(const std::string &name) {
  const QuantizationMode *mode = nullptr;
  if (std::string problem = findQuantization(name, mode); !problem.empty() || !mode)
    return problem;
  if (mode->activations == ActivationRanges::Calibrated)
    return "--quantize " + name + " needs ranges from calibration: tessera-compile --calibration";
  return state->transform(
      [&](OpPassManager &passes) { addActivationPasses(passes, *mode); },
      [&](OpPassManager &passes) { addQuantizationPasses(passes, *mode, nullptr); });
}

std::string ReferenceModel::lowerPrecision(const std::string &precision) {
  if (std::string problem = checkPrecision(precision, {}); !problem.empty() || precision.empty())
    return problem;
  return state->transform([](OpPassManager &) {},
                          [&](OpPassManager &passes) { addPrecisionPasses(passes, precision); });
}

std::string ReferenceModel::run(const std::vector<HostTensor> &inputs,
                                std::vector<HostTensor> &outputs) {
  if (inputs.size() != state->inputs.size())
    return "the model takes " + std::to_string(state->inputs.size()) + " inputs, not " +
           std::to_string(inputs.size());
  SmallVector<reference::Tensor> operands;
  for (auto [i, input] : llvm::enumerate(inputs)) {
    const PortInfo &port = state->inputs[i];
    Type element =
        llvm::cast<graph::TensorType>(state->function.getArgumentTypes()[i]).getElementType();
    if (input.type != port.type)
      return "input '" + port.name + "' has elements of type " + input.type + ", expected " +
             port.type;
    SmallVector<int64_t> dims(input.dims.begin(), input.dims.end());
    if (auto block = llvm::dyn_cast<graph::BlockType>(element)) {
      int64_t bytes = findBlockFormat(block.getFormat())->getBytes();
      if (dims.empty() || dims.back() % bytes != 0)
        return "the last extent of input '" + port.name + "' is no multiple of " +
               std::to_string(bytes) + ", the bytes of a block";
      dims.back() /= bytes;
    }
    operands.push_back(reference::Tensor::borrow(
        element, dims, {reinterpret_cast<const char *>(input.data.data()), input.data.size()}));
  }
  FailureOr<SmallVector<reference::Tensor>> results =
      state->evaluation->call(state->function, operands);
  if (failed(results))
    return state->evaluation->getError();
  outputs.clear();
  for (auto [i, result] : llvm::enumerate(*results)) {
    ArrayRef<char> bytes = result.getBytes();
    auto squeezed = llvm::dyn_cast_if_present<DenseI64ArrayAttr>(
        state->function.getResultAttr(unsigned(i), "graph.squeezed"));
    std::vector<int64_t> dims;
    for (auto [axis, extent] : llvm::enumerate(result.getShape()))
      if (extent != 1 || !squeezed || !llvm::is_contained(squeezed.asArrayRef(), int64_t(axis)))
        dims.push_back(extent);
    outputs.push_back({state->outputs[i].type, dims, {bytes.begin(), bytes.end()}});
  }
  return "";
}
