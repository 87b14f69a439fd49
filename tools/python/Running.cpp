#include "tools/python/Running.h"

#include "compiler/api/Suggest.h"
#include "tools/common/Files.h"

#include <cstring>

namespace tessera::python {

static TensorInfo describeInfo(const tessera_tensor_info &info, bool hasText,
                               bool areStrings = false) {
  nb::list shape;
  for (uint32_t d = 0; d + areStrings < info.rank; ++d) {
    if (info.dims[d].extent >= 0)
      shape.append(info.dims[d].extent);
    else
      shape.append(info.dims[d].text);
  }
  TensorInfo result{info.name, areStrings ? "string" : tessera_type_name(info.type),
                    nb::tuple(shape), ""};
  tessera_tensor_info text = info;
  std::string extents[TESSERA_MAX_RANK];
  for (uint32_t d = 0; d < info.rank && !hasText; ++d) {
    extents[d] = std::to_string(info.dims[d].extent);
    text.dims[d].text = extents[d].c_str();
  }
  result.text = result.name + ": " + tools::formatType(text, areStrings);
  return result;
}

nb::list LoadedModule::tensors(bool isInput, uint32_t function) const {
  nb::list list;
  const uint32_t count = isInput ? tessera_input_count(module.get(), function)
                                 : tessera_output_count(module.get(), function);
  for (uint32_t i = 0; i < count; ++i)
    list.append(
        nb::cast(describeInfo(isInput ? tools::inputInfo(module.get(), function, i)
                                      : tools::outputInfo(module.get(), function, i),
                              true,
                              isInput ? tessera_input_is_strings(module.get(), function, i)
                                      : tessera_output_is_strings(module.get(), function, i))));
  return list;
}

nb::list LoadedModule::variables() const {
  nb::list list;
  for (uint32_t i = 0; i < tessera_variable_count(module.get()); ++i) {
    tessera_tensor_info info{};
    tessera_variable_info(module.get(), i, &info);
    list.append(nb::cast(describeInfo(info, false)));
  }
  return list;
}

nb::list LoadedModule::functions() const {
  nb::list list;
  for (uint32_t i = 0; i < tessera_function_count(module.get()); ++i)
    list.append(tessera_function_name(module.get(), i));
  return list;
}

std::string LoadedModule::repr() const {
  const auto join = [](const nb::list &list) {
    std::string text;
    for (nb::handle item : list)
      text += (text.empty() ? "" : ", ") + nb::cast<const TensorInfo &>(item).text;
    return text;
  };
  std::string text =
      "<tessera.Module (" + join(tensors(true, 0)) + ") -> (" + join(tensors(false, 0)) + ")";
  if (tessera_variable_count(module.get()))
    text += ", state (" + join(variables()) + ")";
  tessera_variant_info variant{};
  tessera_get_variant(module.get(), tessera_active_variant(module.get()), &variant);
  return text + ", " + variant.level + ">";
}

void LoadedModule::save(const std::string &to) const {
  std::string copy;
  if (!path.empty())
    if (std::string problem = tools::readFile(path, copy); !problem.empty())
      throw Failure{"FILE_ERROR", problem};
  if (std::string problem = tools::writeFile(to, path.empty() ? bytes : copy); !problem.empty())
    throw Failure{"FILE_ERROR", problem};
}

RunContext::RunContext(ModuleRef loaded, uint32_t threads) : module(std::move(loaded)) {
  const tessera_allocator allocator = memory->allocator();
  if (std::string problem = tools::makeContext(module->module.get(), threads, context, &allocator);
      !problem.empty())
    throw Failure{"OUT_OF_MEMORY", problem};
}

namespace {

// Arrays of a mapping by their place in the signature; all of it must be known. Missing ones stay
// null.
std::vector<nb::object> byPlace(nb::handle mapping, const std::vector<std::string> &names,
                                const char *what) {
  std::vector<nb::object> found(names.size());
  if (mapping.is_none())
    return found;
  if (!nb::hasattr(mapping, "items"))
    throw Failure{"INVALID_ARGUMENT",
                  std::string(what) + "s: expected a mapping from names to arrays"};
  for (nb::handle item : mapping.attr("items")()) {
    const auto name = textOf(item[0]);
    size_t place = 0;
    while (place < names.size() && names[place] != name)
      ++place;
    if (place == names.size())
      throw Failure{
          "UNKNOWN_NAME",
          suggest("the model has no " + std::string(what) + " '" + name + "'", name, names)};
    found[place] = nb::borrow(item[1]);
  }
  return found;
}

uint64_t nanoseconds(nb::handle timeout) {
  if (timeout.is_none())
    return 0;
  const double seconds = nb::cast<double>(timeout);
  if (!(seconds > 0 && seconds < 1e9))
    throw Failure{"INVALID_ARGUMENT", "timeout: expected seconds, more than 0"};
  return uint64_t(seconds * 1e9) + 1;
}

// What a function of the package that converts arguments gives; what it says is wrong is the error.
template <typename Convert> nb::object converted(const std::string &what, Convert convert) {
  try {
    return convert();
  } catch (nb::python_error &error) {
    if (error.matches(PyExc_TypeError) || error.matches(PyExc_ValueError))
      throw Failure{"INVALID_ARGUMENT", what + textOf(nb::borrow(error.value()))};
    throw;
  }
}

// Arrays of strings as arrays of bytes, and back (tessera/strings.py).
nb::object convertStrings(const char *how, nb::handle array, const std::string &what) {
  return converted(what + ": ",
                   [&] { return nb::module_::import_("tessera.strings").attr(how)(array); });
}

// An array without those of the axes (a bit each) whose extent is 1.
nb::object withoutUnitAxes(nb::handle array, uint32_t axes) {
  nb::list kept;
  uint32_t axis = 0;
  for (nb::handle extent : array.attr("shape")) {
    if (nb::cast<int64_t>(extent) != 1 || !(axes >> axis & 1))
      kept.append(extent);
    ++axis;
  }
  return array.attr("reshape")(nb::tuple(kept));
}

// Inputs without maps: the lists of each in its place (tessera/maps.py).
nb::object splitMaps(nb::handle inputs, const tessera_module *module, uint32_t function,
                     const std::vector<std::string> &names) {
  bool hasMaps = false;
  if (nb::isinstance<nb::dict>(inputs))
    for (auto [name, value] : nb::borrow<nb::dict>(inputs))
      hasMaps |= nb::isinstance<nb::dict>(value);
  if (!hasMaps)
    return nb::borrow(inputs);
  nb::list known, kinds;
  for (uint32_t i = 0; i < names.size(); ++i) {
    known.append(names[i]);
    kinds.append(tessera_input_is_strings(module, function, i)
                     ? "string"
                     : tessera_type_name(tools::inputInfo(module, function, i).type));
  }
  return converted(
      "", [&] { return nb::module_::import_("tessera.maps").attr("split")(inputs, known, kinds); });
}

} // namespace

// Memory that the context does not hand over is copied.
tessera_code RunContext::takeResult(uint32_t function, uint32_t output, OwnedArray &result,
                                    tessera_error **error) {
  tessera_tensor tensor;
  uint64_t bytes;
  if (const tessera_code code =
          tessera_take_output(context.get(), function, output, &tensor, &bytes, error))
    return code;
  if (bytes) {
    result.adopt(tensor, bytes);
    return TESSERA_OK;
  }
  result.allocate(tensor.type, tensor.rank, tensor.dims);
  if (const uint64_t size = result.bytes())
    std::memcpy(result.tensor.data, tensor.data, size);
  return TESSERA_OK;
}

nb::dict RunContext::run(nb::handle inputs, nb::handle outputs, nb::handle functionName,
                         nb::handle timeout) {
  std::unique_lock lock(inUse, std::try_to_lock);
  if (!lock)
    throw Failure{"BUSY", "the context is running in another thread; use one context per thread"};
  const tessera_module *m = module->module.get();
  uint32_t function = 0;
  if (!functionName.is_none())
    if (std::string problem = tools::findFunction(m, nb::cast<std::string>(functionName), function);
        !problem.empty())
      throw Failure{"UNKNOWN_NAME", problem};
  const std::vector<std::string> inputNames = tools::inputNames(m, function);
  const std::vector<std::string> outputNames = tools::outputNames(m, function);
  std::vector<nb::object> given =
      byPlace(splitMaps(inputs, m, function, inputNames), inputNames, "input");
  const std::vector<nb::object> targets = byPlace(outputs, outputNames, "output");

  tessera_error *error = nullptr;
  std::vector<AnyArray> held(given.size());
  for (uint32_t i = 0; i < given.size(); ++i) {
    const tessera_tensor_info info = tools::inputInfo(m, function, i);
    const bool areStrings = tessera_input_is_strings(m, function, i);
    if (!given[i].is_valid())
      throw Failure{"WRONG_COUNT", "input '" + inputNames[i] + "' is missing: expected " +
                                       tools::formatType(info, areStrings)};
    if (areStrings)
      given[i] = convertStrings("to_bytes", given[i], "input '" + inputNames[i] + "'");
    const tessera_tensor tensor = viewOf(given[i], info, "input '" + inputNames[i] + "'", held[i]);
    if (tessera_set_input(context.get(), function, i, &tensor, &error))
      fail(error);
  }
  std::vector<WritableArray> heldTargets(targets.size());
  for (uint32_t i = 0; i < targets.size(); ++i) {
    if (!targets[i].is_valid())
      continue;
    const tessera_tensor_info info = tools::outputInfo(m, function, i);
    const tessera_tensor place =
        writableViewOf(targets[i], info, "output '" + outputNames[i] + "'", heldTargets[i]);
    if (tessera_set_output(context.get(), function, i, &place, &error))
      fail(error);
  }
  tessera_run_options options{};
  options.size = sizeof(options);
  options.timeout = nanoseconds(timeout);
  std::vector<OwnedArray> results;
  for (size_t i = 0; i < targets.size(); ++i)
    results.emplace_back(memory);
  tessera_code code;
  {
    nb::gil_scoped_release released;
    code = tessera_run(context.get(), function, &options, &error);
    for (uint32_t i = 0; i < targets.size() && !code; ++i)
      if (!targets[i].is_valid())
        code = takeResult(function, i, results[i], &error);
  }
  // The context must not remember memory that belongs to arrays.
  for (uint32_t i = 0; i < targets.size(); ++i)
    (void)tessera_set_output(context.get(), function, i, nullptr, nullptr);
  if (code)
    fail(error);
  size_t returned = 0;
  for (const OwnedArray &result : results)
    returned += result.bytes();
  memory->keepAtMost(returned + returned / 4);
  nb::dict dict;
  for (uint32_t i = 0; i < results.size(); ++i) {
    nb::object result = targets[i].is_valid() ? targets[i] : results[i].release();
    if (!targets[i].is_valid() && tessera_output_is_strings(m, function, i))
      result = convertStrings("from_bytes", result, "output '" + outputNames[i] + "'");
    if (const uint32_t axes = tessera_output_squeezed(m, function, i);
        axes && !targets[i].is_valid())
      result = withoutUnitAxes(result, axes);
    dict[outputNames[i].c_str()] = result;
  }
  return dict;
}

uint32_t RunContext::findVariable(const std::string &name) const {
  const int32_t index = tessera_find_variable(module->module.get(), name.c_str());
  if (index >= 0)
    return uint32_t(index);
  std::vector<std::string> known;
  for (uint32_t i = 0; i < tessera_variable_count(module->module.get()); ++i) {
    tessera_tensor_info info{};
    tessera_variable_info(module->module.get(), i, &info);
    known.push_back(info.name);
  }
  throw Failure{"UNKNOWN_NAME", suggest("the model has no variable '" + name + "'", name, known)};
}

nb::object RunContext::read(const std::string &name) {
  const uint32_t variable = findVariable(name);
  tessera_tensor_info info{};
  tessera_variable_info(module->module.get(), variable, &info);
  int64_t dims[TESSERA_MAX_RANK];
  for (uint32_t d = 0; d < info.rank; ++d)
    dims[d] = info.dims[d].extent;
  OwnedArray array(memory);
  array.allocate(info.type, info.rank, dims);
  tessera_error *error = nullptr;
  if (tessera_read_variable(context.get(), variable, array.tensor.data, array.bytes(), &error))
    fail(error);
  return array.release();
}

void RunContext::write(const std::string &name, nb::handle value) {
  const uint32_t variable = findVariable(name);
  tessera_tensor_info info{};
  tessera_variable_info(module->module.get(), variable, &info);
  const std::string what = "variable '" + name + "'";
  std::string extents[TESSERA_MAX_RANK];
  for (uint32_t d = 0; d < info.rank; ++d) {
    extents[d] = std::to_string(info.dims[d].extent);
    info.dims[d].text = extents[d].c_str();
  }
  AnyArray array;
  const tessera_tensor given = viewOf(value, info, what, array);
  tessera_tensor dense;
  tessera_tensor_init(&dense, given.type, given.rank, given.dims, given.data);
  uint64_t bytes = tessera_type_bytes(given.type);
  for (uint32_t d = 0; d < given.rank; ++d) {
    bytes *= uint64_t(given.dims[d]);
    if (given.dims[d] != info.dims[d].extent)
      throw Failure{"WRONG_SHAPE",
                    what + ": expected " + tools::formatType(info) + ", got " + describe(given)};
    if (given.strides[d] != dense.strides[d] && given.dims[d] > 1)
      throw Failure{"BAD_MEMORY", what + ": expected contiguous memory"};
  }
  tessera_error *error = nullptr;
  if (tessera_write_variable(context.get(), variable, given.data, bytes, &error))
    fail(error);
}

void RunContext::reset() {
  tessera_error *error = nullptr;
  if (tessera_reset(context.get(), &error))
    fail(error);
}

std::shared_ptr<RunContext> Module::stateContext() {
  std::lock_guard lock(mutex);
  if (!state)
    state = std::make_shared<RunContext>(module, module->threads);
  return state;
}

nb::dict Module::run(nb::handle inputs, nb::handle outputs, nb::handle function,
                     nb::handle timeout) {
  if (tessera_variable_count(module->module.get())) {
    const std::shared_ptr<RunContext> context = stateContext();
    std::unique_lock turn(turns, std::defer_lock);
    {
      nb::gil_scoped_release released;
      turn.lock();
    }
    return context->run(inputs, outputs, function, timeout);
  }
  std::shared_ptr<RunContext> context;
  {
    std::lock_guard lock(mutex);
    if (!idle.empty()) {
      context = std::move(idle.back());
      idle.pop_back();
    }
  }
  if (!context)
    context = std::make_shared<RunContext>(module, module->threads);
  struct Return {
    Module &owner;
    std::shared_ptr<RunContext> &context;
    ~Return() {
      std::lock_guard lock(owner.mutex);
      owner.idle.push_back(std::move(context));
    }
  } giveBack{*this, context};
  return context->run(inputs, outputs, function, timeout);
}

} // namespace tessera::python
