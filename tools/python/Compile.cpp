#include "tools/python/Compile.h"
#include "runtime/api/tessera_cuda.h"

#include "tools/common/CompilerLibrary.h"
#include "tools/common/Devices.h"

#include <deque>

namespace tessera::python {
namespace {

bool isBytes(nb::handle object) {
  return PyBytes_Check(object.ptr()) || PyByteArray_Check(object.ptr()) ||
         PyMemoryView_Check(object.ptr());
}

std::string pathOf(nb::handle object) {
  PyObject *encoded = nullptr;
  if (!PyUnicode_FSConverter(object.ptr(), &encoded))
    throw nb::python_error();
  const nb::object held = nb::steal(encoded);
  return {PyBytes_AS_STRING(encoded), size_t(PyBytes_GET_SIZE(encoded))};
}

std::string optionalPath(nb::handle object) { return object.is_none() ? "" : pathOf(object); }

std::string bytesOf(nb::handle object) {
  Py_buffer view;
  if (PyObject_GetBuffer(object.ptr(), &view, PyBUF_SIMPLE))
    throw nb::python_error();
  std::string copy(static_cast<const char *>(view.buf), size_t(view.len));
  PyBuffer_Release(&view);
  return copy;
}

const tools::CompilerLibrary &compiler() {
  std::string problem;
  const tools::CompilerLibrary *library = tools::openCompiler(problem);
  if (!library)
    throw Failure{"FILE_ERROR", problem};
  return *library;
}

void reportProgress(void *user, const char *stage, double fraction) {
  nb::gil_scoped_acquire acquired;
  PyObject *result = PyObject_CallFunction(static_cast<PyObject *>(user), "sd", stage, fraction);
  if (!result) // Nothing can be raised through the compiler.
    PyErr_WriteUnraisable(static_cast<PyObject *>(user));
  Py_XDECREF(result);
}

// Compiles without the interpreter's lock; throws what went wrong.
tools::Compilation compile(nb::handle model, const std::string &folder,
                           const tessera_compile_options &options) {
  const tools::CompilerLibrary &library = compiler();
  const bool inMemory = isBytes(model);
  const std::string source = inMemory ? bytesOf(model) : pathOf(model);
  tools::Compilation compilation;
  {
    nb::gil_scoped_release released;
    compilation.reset(inMemory ? library.compile_bytes(source.data(), source.size(), "model",
                                                       folder.c_str(), &options)
                               : library.compile_file(source.c_str(), &options));
  }
  if (!compilation)
    throw std::bad_alloc();
  const tessera_compile_code code = library.compilation_code(compilation.get());
  if (code == TESSERA_COMPILE_OK)
    return compilation;
  std::string message = library.compilation_message(compilation.get());
  while (!message.empty() && message.back() == '\n')
    message.pop_back();
  throw Failure{library.compile_code_name(code), message};
}

// Samples for calibration, and the arrays that they point into.
class Samples {
public:
  explicit Samples(nb::handle given) {
    if (given.is_none())
      return;
    const nb::object toArray = nb::module_::import_("numpy").attr("ascontiguousarray");
    for (nb::handle mapping : nb::iter(given)) {
      Sample &sample = owned.emplace_back();
      for (nb::handle item : mapping.attr("items")()) {
        const nb::object array = nb::module_::import_("numpy").attr("asarray")(item[1]);
        add(sample, textOf(item[0]), toArray(array), nb::cast<size_t>(array.attr("ndim")));
      }
    }
    for (Sample &sample : owned) {
      for (const Entry &entry : sample.entries)
        sample.tensors.push_back(
            {entry.input.c_str(),
             nullptr,
             {entry.type.c_str(), uint32_t(entry.dims.size()), entry.dims.data(),
              reinterpret_cast<const void *>(nb::cast<uintptr_t>(entry.data)), entry.bytes}});
      views.push_back({nullptr, uint32_t(sample.tensors.size()), sample.tensors.data()});
    }
  }
  std::vector<tessera_calibration_sample> views;

private:
  struct Entry {
    std::string input, type;
    std::vector<int64_t> dims;
    nb::object array, data;
    uint64_t bytes;
  };
  struct Sample {
    std::vector<Entry> entries;
    std::vector<tessera_calibration_tensor> tensors;
  };

  static void add(Sample &sample, const std::string &input, nb::object array, size_t rank) {
    Entry &entry = sample.entries.emplace_back();
    entry.input = input;
    // float32 is f32, uint8 u8; others are refused by the name they have here.
    entry.type = textOf(array.attr("dtype").attr("name"));
    for (const auto &[prefix, letter] : {std::pair("float", "f"), {"uint", "u"}, {"int", "i"}})
      if (entry.type.starts_with(prefix)) {
        entry.type = letter + entry.type.substr(std::string_view(prefix).size());
        break;
      }
    // NumPy makes a vector of what has rank 0.
    if (rank > 0)
      for (nb::handle extent : array.attr("shape"))
        entry.dims.push_back(nb::cast<int64_t>(extent));
    entry.data = array.attr("ctypes").attr("data");
    entry.bytes = nb::cast<uint64_t>(array.attr("nbytes"));
    entry.array = std::move(array);
  }

  std::deque<Sample> owned;
};

void enableDevice(const std::string &device) {
  tessera_error *error = nullptr;
  if (tools::isCuda(device) && tessera_cuda_enable(&error))
    fail(error);
}

tools::ModulePointer loadBytes(const void *data, uint64_t size, const char *variant,
                               const char *device) {
  tessera_load_options options{};
  options.size = sizeof(options);
  options.variant = variant;
  options.device = device;
  tessera_module *module = nullptr;
  tessera_error *error = nullptr;
  if (tessera_module_load_memory(data, size, &options, &module, &error))
    fail(error);
  return tools::ModulePointer(module);
}

// What compiling said: the same lists that tessera-compile --json prints.
nb::dict reportOf(const tools::CompilerLibrary &library, const tessera_compilation *compilation) {
  nb::list kernels, layers, accuracy, weights;
  for (uint32_t i = 0; i < library.compilation_kernel_types_count(compilation); ++i) {
    tessera_compiled_kernel row{};
    library.compilation_kernel_types(compilation, i, &row);
    nb::dict entry;
    entry["target"] = row.target;
    entry["kernel"] = row.name;
    entry["reads"] = row.reads;
    entry["sums"] = row.sums;
    entry["writes"] = row.writes;
    kernels.append(entry);
  }
  for (uint32_t i = 0; i < library.compilation_layer_count(compilation); ++i) {
    tessera_quantized_layer row{};
    library.compilation_layer(compilation, i, &row);
    nb::dict entry;
    entry["name"] = row.name;
    entry["cost"] = row.cost;
    entry["left"] = row.reason;
    layers.append(entry);
  }
  for (uint32_t i = 0; i < library.compilation_accuracy_count(compilation); ++i) {
    tessera_output_accuracy row{};
    library.compilation_accuracy(compilation, i, &row);
    nb::dict entry;
    entry["output"] = row.name;
    entry["relative_error"] = row.relative_error;
    entry["largest_error"] = row.largest_error;
    entry["largest_number"] = row.largest_number;
    accuracy.append(entry);
  }
  for (uint32_t i = 0; i < library.compilation_weight_count(compilation); ++i) {
    tessera_quantized_weight row{};
    library.compilation_weight(compilation, i, &row);
    nb::dict entry;
    entry["place"] = row.place;
    entry["type"] = row.type;
    entry["bytes"] = row.bytes;
    entry["new_bytes"] = row.new_bytes;
    entry["left"] = row.reason;
    weights.append(entry);
  }
  nb::dict report;
  report["types"] = kernels;
  report["layers"] = layers;
  report["accuracy"] = accuracy;
  report["weights"] = weights;
  return report;
}

} // namespace

std::unique_ptr<Module> compileModel(const CompileArguments &arguments) {
  std::vector<std::string> targets, names;
  if (nb::isinstance<nb::str>(arguments.target))
    targets = {nb::cast<std::string>(arguments.target)};
  else if (!arguments.target.is_none())
    for (nb::handle target : nb::iter(arguments.target))
      targets.push_back(textOf(target));
  std::vector<int64_t> values;
  if (!arguments.dims.is_none())
    for (nb::handle item : arguments.dims.attr("items")()) {
      names.push_back(textOf(item[0]));
      values.push_back(nb::cast<int64_t>(item[1]));
    }
  std::vector<const char *> targetPointers;
  for (const std::string &target : targets)
    targetPointers.push_back(target.c_str());
  std::vector<tessera_compile_dim> dims;
  for (size_t i = 0; i < names.size(); ++i)
    dims.push_back({names[i].c_str(), values[i]});
  const std::string schedule = optionalPath(arguments.schedule);
  const std::string cache = optionalPath(arguments.cache);
  const std::string quantize = arguments.quantize.is_none() ? "" : textOf(arguments.quantize);
  const std::string precision = arguments.precision.is_none() ? "" : textOf(arguments.precision);
  const std::string convolution =
      arguments.convolution.is_none() ? "" : textOf(arguments.convolution);
  tessera_compile_options options{};
  options.size = sizeof(options);
  options.jobs = arguments.jobs;
  options.targets = targetPointers.data();
  options.target_count = uint32_t(targets.size());
  options.dims = dims.data();
  options.dim_count = uint32_t(dims.size());
  options.schedule_file = schedule.empty() ? nullptr : schedule.c_str();
  options.cache_folder = arguments.cache.is_none() ? nullptr : cache.c_str();
  options.quantize = quantize.empty() ? nullptr : quantize.c_str();
  options.precision = precision.empty() ? nullptr : precision.c_str();
  options.convolution = convolution.empty() ? nullptr : convolution.c_str();
  const std::string operators = optionalPath(arguments.operators);
  options.operators_file = operators.empty() ? nullptr : operators.c_str();
  const Samples samples(arguments.calibration);
  tessera_calibration calibration{};
  calibration.size = sizeof(calibration);
  calibration.samples = samples.views.data();
  calibration.sample_count = uint32_t(samples.views.size());
  calibration.has_max_error = !arguments.maxError.is_none();
  if (calibration.has_max_error)
    calibration.max_error = nb::cast<double>(arguments.maxError);
  const std::string method = arguments.method.is_none() ? "" : textOf(arguments.method);
  calibration.method = method.empty() ? nullptr : method.c_str();
  calibration.weights_per_tensor = arguments.weightsPerTensor;
  options.calibration = &calibration;
  if (!arguments.progress.is_none()) {
    options.progress = reportProgress;
    options.user = arguments.progress.ptr();
  }
  const tools::Compilation compilation =
      compile(arguments.model, optionalPath(arguments.folder), options);
  const tools::CompilerLibrary &library = compiler();
  std::string bytes(static_cast<const char *>(library.compilation_bytes(compilation.get())),
                    library.compilation_size(compilation.get()));
  tools::ModulePointer module = loadBytes(bytes.data(), bytes.size(), nullptr, nullptr);
  auto result = std::make_unique<Module>(
      std::make_shared<LoadedModule>(std::move(module), "", std::move(bytes), arguments.threads));
  result->report = reportOf(library, compilation.get());
  return result;
}

nb::list checkModel(nb::handle model, nb::handle folder, nb::handle operators) {
  const std::string file = optionalPath(operators);
  tessera_compile_options options{};
  options.size = sizeof(options);
  options.operators_file = file.empty() ? nullptr : file.c_str();
  options.check_only = 1;
  const tools::Compilation compilation = compile(model, optionalPath(folder), options);
  const tools::CompilerLibrary &library = compiler();
  nb::list rows;
  for (uint32_t i = 0; i < library.compilation_unsupported_count(compilation.get()); ++i) {
    tessera_unsupported row{};
    library.compilation_unsupported(compilation.get(), i, &row);
    nb::dict entry;
    entry["operator"] = row.name;
    entry["opset"] = row.opset;
    entry["count"] = row.count;
    entry["first_node"] = row.first_node;
    entry["reason"] = row.reason;
    rows.append(entry);
  }
  return rows;
}

std::unique_ptr<Module> loadModule(nb::handle source, nb::handle variant, const std::string &device,
                                   uint32_t threads) {
  const std::string level = variant.is_none() ? "" : nb::cast<std::string>(variant);
  const char *wanted = variant.is_none() ? nullptr : level.c_str();
  enableDevice(device);
  if (isBytes(source)) {
    std::string bytes = bytesOf(source);
    tools::ModulePointer module = loadBytes(bytes.data(), bytes.size(), wanted, device.c_str());
    return std::make_unique<Module>(
        std::make_shared<LoadedModule>(std::move(module), "", std::move(bytes), threads));
  }
  const std::string path = pathOf(source);
  tessera_load_options options{};
  options.size = sizeof(options);
  options.variant = wanted;
  options.device = device.c_str();
  tessera_module *module = nullptr;
  tessera_error *error = nullptr;
  if (tessera_module_load_file(path.c_str(), &options, &module, &error))
    fail(error);
  return std::make_unique<Module>(
      std::make_shared<LoadedModule>(tools::ModulePointer(module), path, "", threads));
}

nb::list listDevices() {
  std::string problem;
  nb::list rows;
  for (const tools::DeviceEntry &device : tools::findDevices(problem)) {
    nb::dict entry;
    entry["name"] = device.name;
    entry["description"] = device.description;
    if (device.memory) {
      entry["capability"] = device.capability;
      entry["memory"] = device.memory;
    }
    rows.append(entry);
  }
  return rows;
}

} // namespace tessera::python
