//===- Compiler.cpp - From a model file to a module --------------------------------------===//
#include "compiler/api/Compiler.h"

#include "compiler/api/CheckOptions.h"
#include "compiler/api/Compilation.h"
#include "compiler/api/KernelTypes.h"
#include "compiler/api/Load.h"
#include "compiler/api/Suggest.h"
#include "compiler/pipelines/Pipelines.h"
#include "compiler/reference/verify/NumericVerifier.h"
#include "compiler/transforms/graph/FixDims.h"
#include "dialects/graph/Graph.h"
#include "dialects/graph/WeightStore.h"
#include "dialects/schedule/Schedule.h"
#include "runtime/api/tessera.h"

#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;
using namespace tessera;

LogicalResult Compilation::fail(const llvm::Twine &message) {
  result.error += message.str() + "\n";
  return failure();
}

void Compilation::begin(StringRef stage, double fraction, CompileCode failure) {
  failureCode = failure;
  if (options.progress)
    options.progress(stage.str(), fraction);
}

void Compilation::time(StringRef step) {
  auto now = std::chrono::steady_clock::now();
  result.timings.push_back({step.str(), std::chrono::duration<double>(now - last).count()});
  last = now;
}

LogicalResult Compilation::load(std::optional<StringRef> bytes) {
  begin("reading the model", 0, CompileCode::FileError);
  std::unique_ptr<llvm::MemoryBuffer> file;
  if (!bytes) {
    auto opened = llvm::MemoryBuffer::getFile(path);
    if (!opened)
      return fail("cannot read '" + path + "': " + opened.getError().message());
    file = std::move(*opened);
    bytes = file->getBuffer();
  }
  failureCode = CompileCode::InvalidModel;
  if (failed(parse(*bytes)))
    return failure();
  if (module->getOps<graph::FuncOp>().empty())
    return fail("'" + path + "' has no graph.func");
  failureCode = CompileCode::InvalidOption;
  std::vector<std::string> symbols;
  for (auto function : module->getOps<graph::FuncOp>())
    if (DictionaryAttr ranges = function.getDimsAttr())
      for (NamedAttribute entry : ranges)
        symbols.push_back(entry.getName().str());
  llvm::StringMap<int64_t> dims;
  for (const auto &[name, value] : options.dims) {
    if (!llvm::is_contained(symbols, name))
      return fail(
          suggest("--dim " + name + ": the model has no symbol of this name", name, symbols));
    dims[name] = value;
  }
  return dims.empty() ? success() : transforms::fixDims(*module, dims);
}

LogicalResult Compilation::parse(StringRef text) {
  if (!looksLikeModel(text)) {
    failureCode = CompileCode::NotAModel;
    if (text.starts_with("\x89TSM"))
      return fail("'" + path +
                  "' is a module, which is compiled already: tessera-run runs it, "
                  "tessera-dump lists it");
    return fail("'" + path +
                "' is no model that Tessera reads: expected ONNX or the textual IR "
                "(graph.func ...)");
  }
  module = parseModel(text, path, folder, context, options.checkOnly ? &importReport : nullptr,
                      options.operators, options.dims);
  if (!module && !options.checkOnly)
    listOtherUnsupported(text, path, folder, options.operators, options.dims, result.error);
  return success(bool(module));
}

LogicalResult Compilation::quantize(Family &family) {
  std::vector<transforms::WeightChoice> choices;
  if (failed(runPasses(
          *family.module,
          [&](OpPassManager &passes) { addQuantizationPasses(passes, *quantization, &choices); },
          /*keepValues=*/false)))
    return failure();
  bool any = false;
  std::string left;
  for (const transforms::WeightChoice &choice : choices) {
    any |= choice.reason.empty();
    left += "\n  " + choice.place + ": " + choice.type + " is left: " + choice.reason;
    if (&family == &families.front()) // The same weights in every one.
      result.weights.push_back(
          {choice.place, choice.type, choice.bytes, choice.newBytes, choice.reason});
  }
  if (any)
    return success();
  // Whoever asks for it expects a smaller module.
  failureCode = CompileCode::InvalidOption;
  return fail("--quantize " + options.quantize +
              (choices.empty() ? ": the model has no product with a constant weight"
                               : ": no weight of the model can be stored so:" + left));
}

/// Quantizing begins with the ops that the model has; it changes values, as it should.
LogicalResult Compilation::prepareAndEdit() {
  if (failed(runPasses(*module, addPreparationPasses)))
    return failure();
  failureCode = CompileCode::InvalidOption;
  std::string problem = edit(*module);
  return problem.empty() ? success() : fail(problem);
}

/// A misspelt pass would print nothing, silently.
LogicalResult Compilation::checkPassNames() {
  std::vector<std::string> known;
  PassManager passes(&context);
  addGraphPasses(passes);
  addStreamPasses(passes);
  if (quantization && !quantization->weightFormat.empty())
    addQuantizationPasses(passes, *quantization, nullptr);
  if (!options.precision.empty())
    addPrecisionPasses(passes, options.precision);
  addConvolutionPasses(passes, options.convolution, "");
  addKernelPasses(passes);
  addSchedulePasses(passes, "");
  addLoweringPasses(passes);
  addProgramPasses(passes);
  for (Pass &pass : passes.getPasses())
    if (!llvm::is_contained(known, pass.getArgument()))
      known.push_back(pass.getArgument().str());
  for (const std::string &name : options.dumpAfter)
    if (!llvm::is_contained(known, name))
      return fail(suggest("unknown pass '" + name + "'", name, known));
  return success();
}

LogicalResult Compilation::runGraphPasses() { return runPasses(*module, addGraphPasses); }

LogicalResult Compilation::makeFamilies() {
  for (bool isGpu : {false, true})
    if (llvm::any_of(result.targets, [&](StringRef level) { return isForGpu(level) == isGpu; }))
      families.push_back({isGpu, module->clone()});
  module = {};
  graph::WeightStore &weights = context.getLoadedDialect<graph::GraphDialect>()->getWeightStore();
  std::vector<Operation *> sharing;
  for (Family &family : families)
    sharing.push_back(*family.module);
  weights.setModules(sharing);
  LogicalResult made = success();
  for (Family &family : families)
    made = success(succeeded(made) && succeeded(makeFamily(family)));
  weights.setModules({});
  return made;
}

LogicalResult Compilation::makeFamily(Family &family) {
  if (failed(runPasses(*family.module, [&](OpPassManager &passes) {
        addStreamPasses(passes, family.isGpu, options.report);
      })))
    return failure();
  if (quantization && !quantization->weightFormat.empty() && failed(quantize(family)))
    return failure();
  if (!options.precision.empty() &&
      failed(runPasses(
          *family.module,
          [&](OpPassManager &passes) { addPrecisionPasses(passes, options.precision); },
          /*keepValues=*/false)))
    return failure();
  if (family.isGpu)
    return success();
  auto level = llvm::find_if_not(result.targets, [](StringRef name) { return isForGpu(name); });
  return runPasses(
      *family.module,
      [&](OpPassManager &passes) {
        addConvolutionPasses(passes, options.convolution, *level, options.report);
      },
      /*keepValues=*/false);
}

LogicalResult Compilation::formKernels() {
  for (Family &family : families) {
    if (failed(runPasses(*family.module, [&](OpPassManager &passes) {
          addKernelPasses(passes, family.isGpu, options.report);
        })))
      return failure();
    if (options.report)
      report.addFunctions(family.isGpu ? "cuda" : "cpu", *family.module);
  }
  return success();
}

/// `keepValues`: the passes may not change what is computed.
LogicalResult Compilation::runPasses(ModuleOp module, AddPasses add, bool keepValues) {
  PassManager passes(&context);
  add(passes);
  if (options.verifyNumerically && keepValues)
    passes.addInstrumentation(std::make_unique<reference::NumericVerifier>());
  if (!options.dumpAfter.empty()) {
    context.disableMultithreading();
    passes.enableIRPrinting([](Pass *, Operation *) { return false; },
                            [this](Pass *pass, Operation *) {
                              return llvm::is_contained(options.dumpAfter,
                                                        pass->getArgument().str());
                            },
                            /*printModuleScope=*/true, /*printAfterOnlyOnChange=*/false,
                            /*printAfterOnlyOnFailure=*/false, llvm::errs());
  }
  // A pass that changed a value left an error, but did not fail.
  return success(succeeded(passes.run(module)) && (options.checkOnly || result.error.empty()));
}

LogicalResult Compilation::printIR(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream os(text);
  module->print(os);
  os << '\n';
  result.bytes.insert(result.bytes.end(), text.begin(), text.end());
  return success();
}

LogicalResult Compilation::printFamilies() {
  for (Family &family : families)
    if (failed(printIR(*family.module)))
      return failure();
  return success();
}

LogicalResult Compilation::printVariants() {
  for (Variant &variant : variants)
    if (failed(printIR(*variant.module)))
      return failure();
  return success();
}

/// Everything that cannot be compiled, without compiling.
void Compilation::check() {
  result.nodes = importReport.nodes;
  result.unexamined = importReport.unexamined;
  for (const onnx::UnsupportedOperator &row : importReport.unsupported)
    result.unsupported.push_back({row.name, row.opset, row.count, row.firstNode, row.reason});
  if (!module || !result.error.empty() || !result.unsupported.empty())
    return;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    note(diagnostic);
    return success();
  });
  if (succeeded(runGraphPasses()) && succeeded(makeFamilies()) && succeeded(formKernels()) &&
      succeeded(makeVariants()))
    (void)runPassesOfVariants(addLoweringPasses);
}

/// A pass's error becomes a row of the report, under the model's own names where it has them.
void Compilation::note(const Diagnostic &diagnostic) {
  if (diagnostic.getSeverity() != DiagnosticSeverity::Error)
    return;
  std::string node, reason = diagnostic.str();
  if (auto name = diagnostic.getLocation()->findInstanceOf<NameLoc>())
    node = name.getName().str();
  else if (auto place = diagnostic.getLocation()->findInstanceOf<FileLineColLoc>())
    node = (place.getFilename().getValue() + ":" + llvm::Twine(place.getLine())).str();
  std::string name = importReport.operators.lookup(node);
  for (UnsupportedNodes &row : result.unsupported)
    if (row.name == name && row.reason == reason) {
      ++row.count;
      return;
    }
  result.unsupported.push_back(
      {name, importReport.opsetOf(name, importReport.opset), 1, node, reason});
}

LogicalResult Compilation::steps(std::optional<StringRef> bytes) {
  begin("checking the options", 0, CompileCode::InvalidOption);
  for (const std::string &problem : {findTargets(options.targets, result.targets),
                                     findQuantization(options.quantize, quantization),
                                     checkPrecision(options.precision, result.targets),
                                     checkConvolution(options.convolution, result.targets)})
    if (!problem.empty())
      return fail(problem);
  if (failed(checkPassNames()))
    return failure();
  LogicalResult loaded = load(bytes);
  time("load");
  if (options.checkOnly) {
    check();
    return success(result.error.empty());
  }
  if (failed(loaded))
    return failure();
  begin("graph passes", 0.02, CompileCode::Unsupported);
  if (edit && failed(prepareAndEdit()))
    return failure();
  failureCode = CompileCode::Unsupported;
  if (failed(runGraphPasses()))
    return failure();
  if (failed(makeFamilies()))
    return failure();
  time("graph passes");
  if (options.emit == EmitKind::Graph)
    return printFamilies();
  begin("forming kernels", 0.05, CompileCode::Unsupported);
  if (failed(formKernels()))
    return failure();
  time("kernel formation");
  if (options.emit == EmitKind::Kernel)
    return printFamilies();
  begin("scheduling", 0.07, CompileCode::InvalidOption);
  if (failed(applySchedules()) || failed(readRecords()))
    return failure();
  failureCode = CompileCode::Unsupported;
  if (failed(makeVariants()))
    return failure();
  time("schedules");
  if (failed(predict()))
    return failure();
  if (!options.prediction.machine.empty())
    time("prediction");
  if (options.emit == EmitKind::Schedule)
    return printVariants();
  if (failed(runPassesOfVariants(addLoweringPasses)))
    return failure();
  time("kernel passes");
  begin("compiling kernels", 0.1, CompileCode::CodegenFailed);
  if (failed(compileKernels()))
    return failure();
  time("kernels to machine code");
  if (isListing(options.emit))
    return success();
  begin("making the program", 0.98, CompileCode::Unsupported);
  if (failed(runPassesOfVariants(addProgramPasses)))
    return failure();
  time("program");
  if (options.emit == EmitKind::Program)
    return printVariants();
  begin("making the module", 0.99, CompileCode::Internal);
  return emit();
}

CompileResult Compilation::run(std::optional<StringRef> bytes) {
  ErrorCollector errors(context, result.error, path);
  std::optional<ScopedDiagnosticHandler> remarks;
  if (options.report)
    remarks.emplace(&context, [&](Diagnostic &diagnostic) {
      if (diagnostic.getSeverity() != DiagnosticSeverity::Remark)
        return failure(); // For those that came before.
      report.addDecision(diagnostic);
      return success();
    });
  if (failed(steps(bytes)) && result.error.empty())
    result.error = "compiling '" + path + "' failed\n";
  if (!result.error.empty()) {
    result.code = failureCode;
    result.bytes.clear();
  } else if (options.report) {
    result.report = report.json();
  }
  if (options.progress)
    options.progress("done", 1);
  return std::move(result);
}

/// Modes that need more than one compilation, or a model that was changed before its passes.
static CompileResult compileModel(std::optional<StringRef> bytes, const std::string &path,
                                  const std::string &folder, const CompileOptions &options) {
  const QuantizationMode *mode = findQuantizationMode(options.quantize);
  auto compile = [&](const CompileOptions &own, const EditModel &edit) {
    return Compilation(path, folder, own, edit).run(bytes);
  };
  if (!mode || options.checkOnly)
    return compile(options, nullptr);
  switch (mode->activations) {
  case ActivationRanges::None: break;
  case ActivationRanges::Calibrated: return compileCalibrated(options, *mode, compile);
  case ActivationRanges::Dynamic: return compileDynamic(options, *mode, compile);
  }
  if (options.calibration.samples.empty() && options.calibration.maxError < 0)
    return compile(options, nullptr);
  CompileResult result;
  result.code = CompileCode::InvalidOption;
  result.error = "--quantize " + options.quantize +
                 " stores weights only: --calibration and --max-error are for int8\n";
  return result;
}

CompileResult tessera::compileFile(const std::string &path, const CompileOptions &options) {
  return compileModel(std::nullopt, path, llvm::sys::path::parent_path(path).str(), options);
}

CompileResult tessera::compileBytes(std::string_view bytes, const std::string &name,
                                    const std::string &folder, const CompileOptions &options) {
  return compileModel(StringRef(bytes), name, folder, options);
}
