//===- Calibration.cpp - Models in 8 bits, measured on samples ------------------------------===//
#include "compiler/api/Calibration.h"

#include "compiler/api/HostModule.h"
#include "compiler/api/Ports.h"
#include "compiler/api/TensorNumbers.h"

#include <algorithm>
#include <numeric>

using namespace tessera;
using namespace tessera::transforms;

/// Samples that layers are compared on; all others only count for ranges and the accuracy.
static constexpr size_t kMostForCosts = 8;

static graph::FuncOp getFunction(mlir::ModuleOp module) {
  return *module.getOps<graph::FuncOp>().begin();
}

static std::string explainNothing(const std::string &mode, const LayerList &list) {
  std::string text = "--quantize " + mode +
                     (list.left.empty() ? ": the model has no product with a constant weight"
                                        : ": no product of the model can be in 8 bits:");
  for (const LeftProduct &left : list.left)
    text += "\n  " + left.place + " is left: " + left.reason;
  return text;
}

namespace {
class Calibration {
public:
  Calibration(const CompileOptions &options, const QuantizationMode &mode,
              const CompileEdited &compile)
      : options(options), mode(mode), compile(compile), samples(options.calibration.samples),
        style{mode.symmetric, options.calibration.weightsPerTensor} {}
  CompileResult run();

private:
  bool fail(const std::string &message);
  bool build(const std::string &what, double from, double to, const EditModel &edit,
             std::unique_ptr<HostModule> &module);
  bool findMethod();
  bool observe();
  bool lookAtRoots(const HostModule &module, size_t sample);
  bool findCosts();
  bool measure(HostModule &module, const HostTensor *switches, const std::vector<size_t> &which,
               std::vector<OutputError> &errors);
  bool chooseLayers();
  double worst(const std::vector<OutputError> &errors) const;
  bool isWithin(double error) const { return !(error > options.calibration.maxError); }
  /// The layers that cost most are left.
  std::vector<std::optional<NumberRange>> rangesWithout(size_t left) const;
  HostTensor switchesWithout(size_t left) const;
  std::vector<size_t> allSamples() const;
  bool isOwnTarget() const;
  void report(const std::vector<OutputError> &errors, size_t left);

  const CompileOptions &options;
  const QuantizationMode &mode;
  const CompileEdited &compile;
  std::vector<CalibrationSample> samples;
  const QuantizationStyle style;
  RangeMethod method;
  std::vector<PortInfo> outputs;
  std::vector<std::string> names; ///< of layers
  std::vector<size_t> rootCounts; ///< of layers
  std::vector<RangeObserver> observers;
  std::vector<NumberRange> ranges;
  std::vector<LeftProduct> left;
  std::vector<std::vector<HostTensor>> expected; ///< outputs of each sample
  std::vector<double> costs;                     ///< of layers
  std::vector<size_t> order;                     ///< layers, the most costly first
  std::unique_ptr<HostModule> switchable;
  CompileResult result;
};
} // namespace

bool Calibration::fail(const std::string &message) {
  result.code = CompileCode::InvalidOption;
  result.error = message + "\n";
  return false;
}

/// A module for this machine of the model with an edit.
bool Calibration::build(const std::string &what, double from, double to, const EditModel &edit,
                        std::unique_ptr<HostModule> &module) {
  CompileOptions own = options;
  if (!isOwnTarget()) {
    own.targets = {"host"};
    own.emit = EmitKind::Module;
    own.scheduleFile.clear();
    own.dumpAfter.clear();
    own.verifyNumerically = false;
  }
  own.progress = [&](const std::string &stage, double fraction) {
    if (options.progress)
      options.progress(what + ": " + stage, from + (to - from) * fraction);
  };
  result = compile(own, edit);
  std::string error = result.error;
  if (error.empty()) {
    module = HostModule::load(result.bytes, options.jobs, error);
    if (!module)
      return fail(error);
  }
  return error.empty();
}

/// What is compiled for this machine anyway is not compiled again for measuring.
bool Calibration::isOwnTarget() const {
  return options.emit == EmitKind::Module && options.scheduleFile.empty() &&
         options.dumpAfter.empty() && !options.verifyNumerically &&
         (options.targets.empty() || options.targets == std::vector<std::string>{"host"} ||
          options.targets == std::vector<std::string>{getHostLevel()});
}

bool Calibration::findMethod() {
  const std::string &text = options.calibration.method;
  const size_t equals = text.find('=');
  const std::string name = text.substr(0, equals);
  if (name == "percentile") {
    method.kind = RangeMethod::Percentile;
    if (equals != std::string::npos) {
      char *end = nullptr;
      method.percentile = std::strtod(text.c_str() + equals + 1, &end);
      if (*end || end == text.c_str() + equals + 1 ||
          !(method.percentile > 0 && method.percentile <= 100))
        return fail("calibration: '" + text +
                    "': expected a number above 0, up to 100, behind "
                    "percentile=");
    }
    return true;
  }
  if (equals == std::string::npos && name == "entropy")
    method.kind = RangeMethod::Entropy;
  else if (!text.empty() && text != "min-max")
    return fail("calibration: unknown method '" + text +
                "'; known are min-max, percentile, percentile=99.9 and entropy");
  return true;
}

/// (1)
bool Calibration::observe() {
  std::unique_ptr<HostModule> module;
  auto edit = [&](mlir::ModuleOp model) -> std::string {
    graph::FuncOp function = getFunction(model);
    LayerList list = findLayers(function);
    if (list.layers.empty())
      return explainNothing(mode.name.str(), list);
    outputs = describeOutputs(function);
    for (const QuantizedLayer &layer : list.layers) {
      names.push_back(layer.name);
      rootCounts.push_back(layer.roots.size());
    }
    left = list.left;
    if (std::string problem = checkSamples(describeInputs(function), samples); !problem.empty())
      return problem;
    observeRanges(function, list);
    return "";
  };
  if (!build("finding ranges", 0, 0.3, edit, module))
    return false;
  observers.resize(names.size());
  for (size_t s = 0; s < samples.size(); ++s) {
    std::vector<const HostTensor *> inputs;
    for (const CalibrationSample::Entry &entry : samples[s].tensors)
      inputs.push_back(&entry.tensor);
    if (std::string problem = module->run(inputs); !problem.empty())
      return fail("calibration: '" + samples[s].source + "' cannot be run: " + problem);
    expected.emplace_back();
    for (size_t i = 0; i < outputs.size(); ++i)
      expected.back().push_back(module->getOutput(i));
    if (!lookAtRoots(*module, s))
      return false;
  }
  for (const RangeObserver &observer : observers)
    ranges.push_back(observer.getRange(method));
  return true;
}

bool Calibration::lookAtRoots(const HostModule &module, size_t sample) {
  size_t next = outputs.size();
  for (size_t layer = 0; layer < names.size(); ++layer)
    for (size_t root = 0; root < rootCounts[layer]; ++root) {
      const tessera_tensor tensor = module.viewOutput(next++);
      size_t count = 1;
      for (uint32_t d = 0; d < tensor.rank; ++d)
        count *= size_t(tensor.dims[d]);
      if (!observers[layer].add({static_cast<const float *>(tensor.data), count}))
        return fail("calibration: with '" + samples[sample].source + "', what " + names[layer] +
                    " reads has NaN or infinities: no range of 8-bit integers holds them");
    }
  return true;
}

std::vector<size_t> Calibration::allSamples() const {
  std::vector<size_t> all(samples.size());
  std::iota(all.begin(), all.end(), 0);
  return all;
}

double Calibration::worst(const std::vector<OutputError> &errors) const {
  double most = 0;
  for (const OutputError &error : errors)
    most = std::max(most, error.getRelative());
  return most;
}

bool Calibration::measure(HostModule &module, const HostTensor *switches,
                          const std::vector<size_t> &which, std::vector<OutputError> &errors) {
  errors.assign(outputs.size(), {});
  if (std::string problem = module.reset(); !problem.empty())
    return fail(problem);
  for (size_t s : which) {
    std::vector<const HostTensor *> inputs;
    for (const CalibrationSample::Entry &entry : samples[s].tensors)
      inputs.push_back(&entry.tensor);
    if (switches)
      inputs.push_back(switches);
    if (std::string problem = module.run(inputs); !problem.empty())
      return fail("calibration: '" + samples[s].source + "' cannot be run: " + problem);
    for (size_t i = 0; i < outputs.size(); ++i)
      errors[i].add(expected[s][i], module.getOutput(i));
  }
  return true;
}

/// (2)
bool Calibration::findCosts() {
  auto edit = [&](mlir::ModuleOp model) -> std::string {
    graph::FuncOp function = getFunction(model);
    switchLayers(function, findLayers(function), ranges, style);
    return "";
  };
  if (!build("finding costs", 0.3, 0.6, edit, switchable))
    return false;
  // The first ones: variables have what the samples before left.
  std::vector<size_t> which = allSamples();
  which.resize(std::min(which.size(), kMostForCosts));
  HostTensor switches{"bool", {int64_t(names.size())}, std::vector<uint8_t>(names.size(), 0)};
  for (size_t layer = 0; layer < names.size(); ++layer) {
    if (options.progress)
      options.progress("finding costs: layer " + std::to_string(layer + 1) + "/" +
                           std::to_string(names.size()),
                       0.6);
    std::vector<OutputError> errors;
    switches.data[layer] = 1;
    if (!measure(*switchable, &switches, which, errors))
      return false;
    switches.data[layer] = 0;
    costs.push_back(worst(errors));
  }
  order.resize(names.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return costs[a] > costs[b]; });
  return true;
}

std::vector<std::optional<NumberRange>> Calibration::rangesWithout(size_t left) const {
  std::vector<std::optional<NumberRange>> kept(ranges.begin(), ranges.end());
  for (size_t i = 0; i < left; ++i)
    kept[order[i]].reset();
  return kept;
}

HostTensor Calibration::switchesWithout(size_t left) const {
  HostTensor switches{"bool", {int64_t(names.size())}, std::vector<uint8_t>(names.size(), 1)};
  for (size_t i = 0; i < left; ++i)
    switches.data[order[i]] = 0;
  return switches;
}

/// (3) and (4)
bool Calibration::chooseLayers() {
  size_t leftCount = 0;
  std::vector<OutputError> errors;
  if (options.calibration.maxError >= 0) {
    // The fewest layers of those that cost most, by halving: errors fall with each that is left.
    size_t most = names.size();
    while (leftCount < most) {
      const size_t middle = (leftCount + most) / 2;
      const HostTensor switches = switchesWithout(middle);
      if (!measure(*switchable, &switches, allSamples(), errors))
        return false;
      if (isWithin(worst(errors)))
        most = middle;
      else
        leftCount = middle + 1;
    }
  }
  switchable.reset();
  for (;; leftCount = std::min(names.size(), leftCount + 1 + leftCount / 4)) {
    if (leftCount == names.size())
      return fail("calibration: no layer can be in 8 bits with --max-error " +
                  std::to_string(options.calibration.maxError) + ": " + names[order.back()] +
                  " costs least, " + std::to_string(costs[order.back()]));
    auto edit = [&](mlir::ModuleOp model) -> std::string {
      quantizeLayers(findLayers(getFunction(model)), rangesWithout(leftCount), style);
      return "";
    };
    std::unique_ptr<HostModule> module;
    if (!build("8 bits", 0.6, 0.95, edit, module) ||
        !measure(*module, nullptr, allSamples(), errors))
      return false;
    // The switches left integers' requantizing out.
    if (options.calibration.maxError >= 0 && !isWithin(worst(errors)))
      continue;
    if (!isOwnTarget())
      result = compile(options, edit);
    if (result.error.empty())
      report(errors, leftCount);
    return true;
  }
}

void Calibration::report(const std::vector<OutputError> &errors, size_t leftCount) {
  result.samples = samples.size();
  for (auto [port, error] : llvm::zip(outputs, errors))
    result.accuracy.push_back(
        {port.name, error.getRelative(), error.getLargest(), error.getLargestNumber()});
  for (auto [place, layer] : llvm::enumerate(order))
    result.layers.push_back({names[layer], costs[layer],
                             place < leftCount ? "it costs more than --max-error allows" : ""});
  for (const LeftProduct &product : left)
    result.layers.push_back({product.place, 0, product.reason});
}

CompileResult Calibration::run() {
  if (samples.empty()) {
    fail("--quantize " + mode.name.str() +
         " needs samples of the inputs to find ranges: --calibration DIR, or int8-dynamic");
    return std::move(result);
  }
  if (findMethod() && observe() && findCosts())
    (void)chooseLayers();
  if (!result.error.empty()) {
    result.bytes.clear();
    if (result.code == CompileCode::Ok)
      result.code = CompileCode::Internal;
  }
  return std::move(result);
}

CompileResult tessera::compileCalibrated(const CompileOptions &options,
                                         const QuantizationMode &mode,
                                         const CompileEdited &compile) {
  return Calibration(options, mode, compile).run();
}

CompileResult tessera::compileDynamic(const CompileOptions &options, const QuantizationMode &mode,
                                      const CompileEdited &compile) {
  std::vector<LayerChoice> layers;
  if (!options.calibration.samples.empty() || options.calibration.maxError >= 0) {
    CompileResult result;
    result.code = CompileCode::InvalidOption;
    result.error = "--quantize " + mode.name.str() +
                   " finds ranges when it runs: leave out --calibration and --max-error\n";
    return result;
  }
  CompileResult result = compile(options, [&](mlir::ModuleOp model) -> std::string {
    const LayerList list = findLayers(getFunction(model), /*withSteps=*/true);
    if (list.layers.empty())
      return explainNothing(mode.name.str(), list);
    for (const QuantizedLayer &layer : list.layers)
      layers.push_back({layer.name, 0, ""});
    for (const LeftProduct &product : list.left)
      layers.push_back({product.place, 0, product.reason});
    quantizeLayersDynamically(list, {mode.symmetric, options.calibration.weightsPerTensor});
    return "";
  });
  result.layers = std::move(layers);
  return result;
}
