//===- Compiler.cpp - From a model file to a module --------------------------------------===//
#include "compiler/api/Compiler.h"

#include "compiler/codegen/driver/KernelCompiler.h"
#include "compiler/module/EmitModule.h"
#include "compiler/pipelines/Pipelines.h"
#include "compiler/pipelines/Register.h"
#include "compiler/transforms/graph/FixDims.h"
#include "dialects/graph/Graph.h"
#include "dialects/graph/WeightStore.h"
#include "dialects/schedule/Schedule.h"
#include "frontends/onnx/Import.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/TargetParser/Host.h"

#include <chrono>

using namespace mlir;
using namespace tessera;

std::string tessera::getHostLevel() {
  llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  for (const char *level : {"x86-64-v4", "x86-64-v3"})
    if (llvm::all_of(module::featuresOfLevel(level),
                     [&](const std::string &feature) { return features.lookup(feature); }))
      return level;
  return "x86-64-v2";
}

namespace {
class Compilation {
public:
  Compilation(const std::string &path, const CompileOptions &options)
      : path(path), options(options), registry(makeRegistry()), context(registry) {}
  CompileResult run();

private:
  static DialectRegistry makeRegistry() {
    DialectRegistry registry;
    registerAllDialects(registry);
    return registry;
  }
  LogicalResult load();
  LogicalResult runPasses(void (*add)(OpPassManager &), StringRef step);
  LogicalResult findTargets();
  LogicalResult applySchedules();
  LogicalResult compileKernels();
  LogicalResult emit();
  LogicalResult printIR();
  LogicalResult fail(const llvm::Twine &message);
  void time(StringRef step);

  const std::string &path;
  const CompileOptions &options;
  DialectRegistry registry;
  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  std::vector<EmittedVariant> variants;
  CompileResult result;
  std::chrono::steady_clock::time_point last = std::chrono::steady_clock::now();
};
} // namespace

LogicalResult Compilation::fail(const llvm::Twine &message) {
  result.error += message.str() + "\n";
  return failure();
}

void Compilation::time(StringRef step) {
  auto now = std::chrono::steady_clock::now();
  result.timings.push_back({step.str(), std::chrono::duration<double>(now - last).count()});
  last = now;
}

LogicalResult Compilation::findTargets() {
  for (const std::string &target :
       options.targets.empty() ? std::vector<std::string>{"host"} : options.targets) {
    std::string level = target == "host" ? getHostLevel() : target;
    if (module::featuresOfLevel(level).empty())
      return fail("unknown target '" + target +
                  "'; known are host, x86-64-v2, x86-64-v3 and x86-64-v4");
    result.targets.push_back(level);
  }
  // The most demanding first: that is how they are tried at load.
  llvm::sort(result.targets, std::greater<>());
  result.targets.erase(llvm::unique(result.targets), result.targets.end());
  return success();
}

LogicalResult Compilation::load() {
  auto file = llvm::MemoryBuffer::getFile(path);
  if (!file)
    return fail("cannot read '" + path + "': " + file.getError().message());
  StringRef text = (*file)->getBuffer();
  context.loadDialect<graph::GraphDialect>();
  auto *dialect = context.getLoadedDialect<graph::GraphDialect>();
  StringRef folder = llvm::sys::path::parent_path(path);
  dialect->getWeightStore().setFolder(folder.empty() ? "." : folder);
  if (onnx::looksLikeOnnx(text)) {
    module = onnx::importOnnx(text, path, context);
  } else if (text.contains('\0') || text.trim().empty()) {
    // Text has no zero bytes.
    return fail("'" + path + "' is no model that Tessera reads: expected ONNX or the textual IR "
                "(graph.func ...)");
  } else {
    llvm::SourceMgr sources;
    sources.AddNewSourceBuffer(std::move(*file), llvm::SMLoc());
    module = parseSourceFile<ModuleOp>(sources, &context);
  }
  if (!module || failed(verify(*module)))
    return failure();
  if (module->getOps<graph::FuncOp>().empty())
    return fail("'" + path + "' has no graph.func");
  llvm::StringMap<int64_t> dims;
  for (const auto &[name, value] : options.dims)
    dims[name] = value;
  return dims.empty() ? success() : transforms::fixDims(*module, dims);
}

LogicalResult Compilation::runPasses(void (*add)(OpPassManager &), StringRef step) {
  PassManager passes(&context);
  add(passes);
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
  LogicalResult status = passes.run(*module);
  time(step);
  return status;
}

/// Schedules of a file replace those of the same kernel.
LogicalResult Compilation::applySchedules() {
  if (options.scheduleFile.empty())
    return success();
  OwningOpRef<ModuleOp> file = parseSourceFile<ModuleOp>(options.scheduleFile, &context);
  if (!file)
    return failure();
  for (auto schedule : llvm::to_vector(file->getOps<schedule::FuncOp>())) {
    auto kernel = module->lookupSymbol<kernel::FuncOp>(schedule.getKernel());
    if (!kernel)
      return schedule.emitError("the model has no kernel '") << schedule.getKernel() << "'";
    for (auto old : llvm::to_vector(module->getOps<schedule::FuncOp>()))
      if (old.getKernel() == schedule.getKernel())
        old.erase();
    schedule->remove();
    module->push_back(schedule);
  }
  return success();
}

LogicalResult Compilation::compileKernels() {
  llvm::StringMap<schedule::FuncOp> schedules;
  for (auto schedule : module->getOps<schedule::FuncOp>())
    schedules[schedule.getKernel()] = schedule;
  auto kernels = llvm::to_vector(module->getOps<kernel::FuncOp>());
  codegen::KernelCompiler compiler({options.jobs, "", options.cacheFolder});
  std::vector<codegen::KernelRequest> requests;
  for (const std::string &level : result.targets)
    for (kernel::FuncOp kernel : kernels) {
      requests.push_back(codegen::KernelCompiler::makeRequest(
          kernel, schedules.lookup(kernel.getSymName()), {level, ""}));
      requests.back().wantLLVM = options.emit == EmitKind::LLVM;
      requests.back().wantAssembly = options.emit == EmitKind::Assembly;
    }
  std::vector<codegen::CompiledKernel> compiled =
      compiler.compile(requests, [&](size_t done) {
        if (options.progress)
          options.progress("compiling kernels", done, requests.size());
      });
  result.kernels = requests.size();
  LogicalResult status = success();
  size_t next = 0;
  for (const std::string &level : result.targets) {
    EmittedVariant &variant = variants.emplace_back();
    variant.level = level;
    variant.module = *module;
    for (kernel::FuncOp kernel : kernels) {
      codegen::CompiledKernel &code = compiled[next++];
      result.cachedKernels += code.fromCache;
      if (!code.reply.error.empty()) {
        kernel.emitError("kernel '") << kernel.getSymName() << "' cannot be compiled for " << level
                                     << ": " << code.reply.error;
        status = failure();
        continue;
      }
      std::string listing = code.reply.llvm + code.reply.assembly;
      result.bytes.insert(result.bytes.end(), listing.begin(), listing.end());
      variant.kernels[kernel.getSymName()] = {std::move(code.reply.image.bytes),
                                              code.reply.image.entry};
    }
  }
  time("kernels to machine code");
  return status;
}

LogicalResult Compilation::emit() {
  llvm::Expected<EmittedModule> emitted = emitModule(variants, "tessera 0.1.0");
  if (!emitted)
    return fail(llvm::toString(emitted.takeError()));
  std::string error = module::writeModule(emitted->description, result.bytes);
  time("module");
  return error.empty() ? success() : fail(error);
}

LogicalResult Compilation::printIR() {
  std::string text;
  llvm::raw_string_ostream os(text);
  module->print(os);
  os << '\n';
  result.bytes.assign(text.begin(), text.end());
  return success();
}

CompileResult Compilation::run() {
  // Diagnostics: "file:line:column: error: sentence".
  ScopedDiagnosticHandler diagnostics(&context, [&](Diagnostic &diagnostic) {
    llvm::raw_string_ostream os(result.error);
    auto printPlace = [&](Location loc) {
      if (auto place = loc->findInstanceOf<FileLineColLoc>())
        os << place.getFilename().getValue() << ':' << place.getLine() << ':' << place.getColumn()
           << ": ";
    };
    if (diagnostic.getSeverity() == DiagnosticSeverity::Error) {
      printPlace(diagnostic.getLocation());
      os << diagnostic << '\n';
    }
    return success();
  });
  auto steps = [&]() -> LogicalResult {
    if (failed(findTargets()) || failed(load()))
      return failure();
    time("load");
    if (failed(runPasses(addGraphPasses, "graph passes")))
      return failure();
    if (options.emit == EmitKind::Graph)
      return printIR();
    if (failed(runPasses(addKernelPasses, "kernel formation")))
      return failure();
    if (options.emit == EmitKind::Kernel)
      return printIR();
    if (failed(applySchedules()))
      return failure();
    if (options.emit == EmitKind::Schedule)
      return printIR();
    if (failed(compileKernels()))
      return failure();
    if (options.emit == EmitKind::LLVM || options.emit == EmitKind::Assembly)
      return success();
    if (failed(runPasses(addProgramPasses, "program")))
      return failure();
    if (options.emit == EmitKind::Program)
      return printIR();
    return emit();
  };
  if (failed(steps()) && result.error.empty())
    result.error = "compiling '" + path + "' failed\n";
  if (failed(success(result.error.empty())))
    result.bytes.clear();
  return std::move(result);
}

CompileResult tessera::compileFile(const std::string &path, const CompileOptions &options) {
  return Compilation(path, options).run();
}
