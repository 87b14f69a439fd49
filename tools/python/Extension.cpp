// The extension module `tessera._tessera`.
#include "tools/python/Compile.h"

#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/unique_ptr.h>

namespace nb = nanobind;
using namespace nb::literals;
using namespace tessera::python;

static PyObject *errorType = nullptr;

static void translate(const std::exception_ptr &pointer, void *) {
  try {
    std::rethrow_exception(pointer);
  } catch (const Failure &failure) {
    nb::object error = nb::handle(errorType)(failure.message);
    error.attr("code") = failure.code;
    PyErr_SetObject(errorType, error.ptr());
  }
}

// Positional arguments in the order of the inputs, others by name.
template <typename Runner>
static nb::dict call(Runner &self, const LoadedModule &module, const nb::args &args,
                     const nb::kwargs &kwargs) {
  nb::dict inputs;
  const std::vector<std::string> names = tessera::tools::inputNames(module.module.get(), 0);
  if (args.size() > names.size())
    throw Failure{"WRONG_COUNT", "the model has " + std::to_string(names.size()) + " inputs, got " +
                                     std::to_string(args.size())};
  for (size_t i = 0; i < args.size(); ++i)
    inputs[names[i].c_str()] = args[i];
  for (auto item : kwargs) {
    if (inputs.contains(item.first))
      throw Failure{"INVALID_ARGUMENT",
                    "input '" + nb::cast<std::string>(item.first) + "' is given twice"};
    inputs[item.first] = item.second;
  }
  return self.run(inputs, nb::none(), nb::none(), nb::none());
}

#define TESSERA_RUN_SIGNATURE                                                                      \
  "def run(self, inputs: collections.abc.Mapping[str, typing.Any], *, outputs: "                   \
  "collections.abc.Mapping[str, typing.Any] | None = None, function: str | None = None, "          \
  "timeout: float | None = None) -> dict[str, typing.Any]"
#define TESSERA_CALL_SIGNATURE                                                                     \
  "def __call__(self, *args: typing.Any, **kwargs: typing.Any) -> dict[str, typing.Any]"
#define TESSERA_RUN_DOC                                                                            \
  "Computes the outputs, as NumPy arrays by name. Inputs are NumPy arrays or DLPack tensors;\n"    \
  "contiguous ones are not copied. `outputs` may name arrays to write to instead. The\n"           \
  "interpreter's lock is released meanwhile. `timeout` is in seconds."

NB_MODULE(_tessera, m) {
  m.doc() = "Tessera's compiler and runtime.";
  m.attr("version") = tessera_version();

  nb::dict members;
  members["__doc__"] = "What went wrong, in one sentence; `code` is a name such as WRONG_SHAPE.";
  members["__module__"] = m.attr("__name__"); // The package makes it its own.
  members["code"] = "";
  errorType = PyErr_NewException("tessera.Error", PyExc_RuntimeError, members.ptr());
  m.attr("Error") = nb::borrow(errorType);
  nb::register_exception_translator(translate, nullptr);

  nb::class_<TensorInfo>(m, "TensorInfo",
                         "Name, element type and extents of an input, output or variable.")
      .def_ro("name", &TensorInfo::name)
      .def_ro("type", &TensorInfo::type, "\"f32\", \"i64\", ...")
      .def_prop_ro(
          "shape", [](const TensorInfo &self) { return self.shape; },
          nb::sig("def shape(self) -> tuple[int | str, ...]"),
          "Numbers, or expressions over the model's symbols.")
      .def("__repr__", [](const TensorInfo &self) { return self.text; });

  nb::class_<RunContext>(
      m, "Context", "Memory, threads and state of one user of a module; for one thread at a time.")
      .def("run", &RunContext::run, "inputs"_a, nb::kw_only(), "outputs"_a = nb::none(),
           "function"_a = nb::none(), "timeout"_a = nb::none(), nb::sig(TESSERA_RUN_SIGNATURE),
           TESSERA_RUN_DOC)
      .def(
          "__call__",
          [](RunContext &self, nb::args args, nb::kwargs kwargs) {
            return call(self, *self.module, args, kwargs);
          },
          nb::sig(TESSERA_CALL_SIGNATURE), "Runs with inputs by place or name.")
      .def("read", &RunContext::read, "variable"_a,
           nb::sig("def read(self, variable: str) -> typing.Any"), "The value of a variable.")
      .def("write", &RunContext::write, "variable"_a, "value"_a,
           nb::sig("def write(self, variable: str, value: typing.Any) -> None"),
           "Gives a variable a value.")
      .def("reset", &RunContext::reset, "Gives every variable its initial value.")
      .def(
          "cancel", [](RunContext &self) { tessera_cancel(self.context.get()); },
          "Ends the run in progress, from another thread.")
      .def_prop_ro("threads",
                   [](RunContext &self) { return tessera_context_threads(self.context.get()); })
      .def_prop_ro(
          "memory", [](RunContext &self) { return tessera_context_memory(self.context.get()); },
          "Bytes that the context holds.");

  nb::class_<Module>(m, "Module", "A compiled model. May be used from any number of threads.")
      .def("run", &Module::run, "inputs"_a, nb::kw_only(), "outputs"_a = nb::none(),
           "function"_a = nb::none(), "timeout"_a = nb::none(), nb::sig(TESSERA_RUN_SIGNATURE),
           TESSERA_RUN_DOC)
      .def(
          "__call__",
          [](Module &self, nb::args args, nb::kwargs kwargs) {
            return call(self, *self.module, args, kwargs);
          },
          nb::sig(TESSERA_CALL_SIGNATURE), "Runs with inputs by place or name.")
      .def(
          "context",
          [](Module &self, uint32_t threads) {
            return std::make_shared<RunContext>(self.module, threads);
          },
          "threads"_a = 0, "A context of its own; threads 0: all CPUs.")
      .def(
          "save",
          [](Module &self, nb::object path) {
            self.module->save(
                nb::cast<std::string>(nb::module_::import_("os").attr("fspath")(path)));
          },
          "path"_a, nb::sig("def save(self, path: str | os.PathLike[str]) -> None"),
          "Writes the module to a .tsm file.")
      .def(
          "read",
          [](Module &self, const std::string &name) { return self.stateContext()->read(name); },
          "variable"_a, nb::sig("def read(self, variable: str) -> typing.Any"),
          "The value of a variable.")
      .def(
          "write",
          [](Module &self, const std::string &name, nb::handle value) {
            self.stateContext()->write(name, value);
          },
          "variable"_a, "value"_a,
          nb::sig("def write(self, variable: str, value: typing.Any) -> None"),
          "Gives a variable a value.")
      .def(
          "reset", [](Module &self) { self.stateContext()->reset(); },
          "Gives every variable its initial value.")
      .def_prop_ro(
          "inputs", [](Module &self) { return self.module->tensors(true, 0); },
          nb::sig("def inputs(self) -> list[TensorInfo]"))
      .def_prop_ro(
          "outputs", [](Module &self) { return self.module->tensors(false, 0); },
          nb::sig("def outputs(self) -> list[TensorInfo]"))
      .def_prop_ro(
          "variables", [](Module &self) { return self.module->variables(); },
          nb::sig("def variables(self) -> list[TensorInfo]"))
      .def_prop_ro(
          "report", [](Module &self) { return self.report; },
          nb::sig("def report(self) -> dict[str, list[dict[str, typing.Any]]] | None"),
          "What compiling said; None for a module that was loaded. types: in what element types "
          "each kernel\nreads, keeps sums, and writes. With quantize=\"int8\": layers (name, cost "
          "alone, why it was left) and\naccuracy (of each output, on the samples); with packed "
          "weights: weights.")
      .def_prop_ro(
          "note",
          [](Module &self) { return std::string(tessera_module_note(self.module->module.get())); },
          nb::sig("def note(self) -> str"),
          "Code of the module that fits the device better than what it runs, and why that was not "
          "chosen\n(a driver that is too old); mostly empty.")
      .def_prop_ro(
          "functions", [](Module &self) { return self.module->functions(); },
          nb::sig("def functions(self) -> list[str]"))
      .def("__repr__", [](Module &self) { return self.module->repr(); });

  m.def(
      "compile",
      [](nb::object model, nb::object target, nb::object dims, nb::object schedule,
         nb::object cache, nb::object folder, nb::object progress, nb::object quantize,
         nb::object precision, nb::object convolution, nb::object calibration, nb::object maxError,
         nb::object method, nb::object ops, bool weightsPerTensor, uint32_t jobs,
         uint32_t threads) {
        return compileModel({model, target, dims, schedule, cache, folder, progress, quantize,
                             precision, convolution, calibration, maxError, method, ops,
                             weightsPerTensor, jobs, threads});
      },
      "model"_a, nb::kw_only(), "target"_a = nb::none(), "dims"_a = nb::none(),
      "schedule"_a = nb::none(), "cache"_a = nb::none(), "folder"_a = nb::none(),
      "progress"_a = nb::none(), "quantize"_a = nb::none(), "precision"_a = nb::none(),
      "convolution"_a = nb::none(), "calibration"_a = nb::none(), "max_error"_a = nb::none(),
      "calibration_method"_a = nb::none(), "ops"_a = nb::none(), "weights_per_tensor"_a = false,
      "jobs"_a = 0, "threads"_a = 0,
      nb::sig(
          "def compile(model: str | os.PathLike[str] | bytes, *, target: str | "
          "collections.abc.Sequence[str] | None = None, dims: collections.abc.Mapping[str, int] | "
          "None = None, schedule: str | os.PathLike[str] | None = None, cache: str | "
          "os.PathLike[str] | None = None, folder: str | os.PathLike[str] | None = None, progress: "
          "collections.abc.Callable[[str, float], object] | None = None, quantize: str | None = "
          "None, precision: str | None = None, convolution: str | None = None, calibration: "
          "collections.abc.Iterable[collections.abc.Mapping[str, typing.Any]] | "
          "None = None, max_error: float | None = None, calibration_method: str | None "
          "= None, ops: str | os.PathLike[str] | None = None, weights_per_tensor: bool = False, "
          "jobs: int = 0, threads: int = 0) -> "
          "Module"),
      "Compiles a model file, or a model's bytes: ONNX or the textual IR.\n\n"
      "target: \"host\" (default), \"x86-64-v3\", ..., or several. dims: values for symbolic "
      "extents.\n"
      "cache: folder of compiled kernels, \"\" for none. folder: where files are that a model in "
      "memory\n"
      "refers to. progress is called with a stage and how much of all is done. quantize: "
      "how\n"
      "constant weights of products are stored (\"int4\", \"nf4\", ...; tessera-compile --help-all "
      "lists\n"
      "all), or \"int8\" with calibration: samples of the inputs, a mapping from names to NumPy "
      "arrays each;\n"
      "max_error leaves the layers that cost most in f32 until each output's relative error on "
      "them "
      "is\n"
      "at most this; calibration_method says how ranges are chosen (\"min-max\", "
      "\"percentile=99.9\",\n\"entropy\"), weights_per_tensor gives a weight one scale instead of "
      "one for each output. What\ncame of it stands in the module's report. precision: \"bf16\" or "
      "\"f16\" rounds the operands of products to it. "
      "convolution:\n\"winograd\" computes those of 3x3 by products of matrices where an estimate "
      "says "
      "that this is faster\n(results are rounded otherwise). "
      "ops: a\nfile of functions in the textual IR for operators of an ONNX model, named as they "
      "are: "
      "graph.func @\"com.example.Gate\"(...). jobs: "
      "kernels compiled at a time. threads: that compute in a run; 0: all "
      "CPUs.");
  m.def(
      "load",
      [](nb::object module, nb::object variant, const std::string &device, uint32_t threads) {
        return loadModule(module, variant, device, threads);
      },
      "module"_a, nb::kw_only(), "variant"_a = nb::none(), "device"_a = "cpu", "threads"_a = 0,
      nb::sig(
          "def load(module: str | os.PathLike[str] | bytes, *, variant: str | None = None, device: "
          "str = \"cpu\", threads: int = 0) -> Module"),
      "Loads a module (.tsm) from a file or from bytes. device: \"cpu\", \"cuda\" (the first GPU; "
      "for\nmodules compiled with the target cuda:sm_80), \"cuda:1\" (the one with number 1), or "
      "\"null\", which computes nothing.");
  m.def(
      "devices", [] { return listDevices(); },
      nb::sig("def devices() -> list[dict[str, typing.Any]]"),
      "The devices of this machine: name (as `load` takes it) and description; of GPUs also\n"
      "capability (90: sm_90) and memory in bytes.");
  m.def(
      "check",
      [](nb::object model, nb::object folder, nb::object ops) {
        return checkModel(model, folder, ops);
      },
      "model"_a, nb::kw_only(), "folder"_a = nb::none(), "ops"_a = nb::none(),
      nb::sig(
          "def check(model: str | os.PathLike[str] | bytes, *, folder: str | os.PathLike[str] | "
          "None = None, ops: str | os.PathLike[str] | None = None) -> list[dict[str, typing.Any]]"),
      "What of a model is not supported: operator, opset, count, first_node, reason; empty: "
      "nothing.");
}
