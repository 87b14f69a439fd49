//===- CompileVariants.cpp - From schedules to the module, for each level ---------------------===//
#include "compiler/api/CheckOptions.h"
#include "compiler/api/Compilation.h"
#include "compiler/api/KernelTypes.h"
#include "compiler/api/PredictKernels.h"
#include "compiler/api/Suggest.h"
#include "compiler/pipelines/Pipelines.h"
#include "compiler/scheduling/Choices.h"
#include "dialects/graph/Graph.h"
#include "dialects/schedule/Schedule.h"
#include "runtime/api/tessera.h"

#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;
using namespace tessera;

LogicalResult Compilation::runPassesOfVariants(AddPasses add) {
  for (Variant &variant : variants)
    if (failed(runPasses(*variant.module, add)))
      return failure();
  return success();
}

/// Schedules of a file stand in for the default ones.
LogicalResult Compilation::applySchedules() {
  if (options.scheduleFile.empty())
    return success();
  auto opened = llvm::MemoryBuffer::getFile(options.scheduleFile);
  if (!opened)
    return fail("cannot read the schedules '" + options.scheduleFile +
                "': " + opened.getError().message());
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(std::move(*opened), llvm::SMLoc());
  OwningOpRef<ModuleOp> file = parseSourceFile<ModuleOp>(sources, &context);
  if (!file)
    return failure();
  std::vector<std::string> kernels;
  for (Family &family : families)
    for (auto kernel : family.module->getOps<kernel::FuncOp>())
      kernels.push_back(kernel.getSymName().str());
  for (auto schedule : file->getOps<schedule::FuncOp>()) {
    std::string kernel = schedule.getKernel().str();
    if (!llvm::is_contained(kernels, kernel))
      return schedule.emitError(
          suggest("the model has no kernel '" + kernel + "'", kernel, kernels));
    for (Family &family : families)
      if (SymbolTable::lookupSymbolIn(family.module->getOperation(), kernel))
        family.module->push_back(schedule.clone());
  }
  return success();
}

LogicalResult Compilation::readRecords() {
  if (options.recordsFile.empty())
    return success();
  auto opened = llvm::MemoryBuffer::getFile(options.recordsFile);
  if (!opened)
    return fail("cannot read the records '" + options.recordsFile +
                "': " + opened.getError().message());
  std::string problem = records.parse((*opened)->getBuffer());
  return problem.empty() ? success() : fail(options.recordsFile + ": " + problem);
}

/// From here on every level has its own copy: schedules differ, and with them kernels and packed
/// weights.
LogicalResult Compilation::makeVariants() {
  for (const std::string &level : result.targets) {
    Variant &variant = variants.emplace_back();
    variant.level = level;
    const Family &family =
        *llvm::find_if(families, [&](const Family &each) { return each.isGpu == isForGpu(level); });
    variant.module = ModuleOp(*family.module).clone();
    (*variant.module)->setAttr("tessera.target", StringAttr::get(&context, level));
    scheduling::Tuning tuning;
    for (const TuningRecord &record : records.records)
      if (record.target == level && !record.choices.empty())
        tuning.given[record.kernel] = record.choices;
    if (failed(runPasses(*variant.module,
                         [&](OpPassManager &passes) {
                           addSchedulePasses(passes, level, options.report, &tuning);
                         })) ||
        failed(checkElementTypes(*variant.module, level)))
      return failure();
    for (const auto &[hash, choices] : tuning.given)
      ++(llvm::any_of(tuning.kernels, [&](const auto &entry) { return entry.second.hash == hash; })
             ? result.records
             : result.staleRecords);
    if (options.report)
      report.addVariant(level, *variant.module, tuning);
  }
  return success();
}

LogicalResult Compilation::predict() {
  const PredictionOptions &wanted = options.prediction;
  if (wanted.machine.empty())
    return success();
  failureCode = CompileCode::InvalidOption;
  std::string problem;
  std::optional<scheduling::Machine> machine = scheduling::Machine::parse(wanted.machine, problem);
  if (!machine)
    return fail(problem);
  llvm::StringMap<int64_t> symbols;
  std::vector<std::string> assumed;
  for (const Variant &variant : variants) {
    if (isForGpu(variant.level))
      continue;
    problem = findSymbols(*variant.module, wanted.shapes, symbols, assumed);
    if (!problem.empty())
      return fail(problem);
    if (wanted.requireRoofline > 0 && !assumed.empty())
      return fail("--require-roofline: say for which sizes: " + llvm::join(assumed, ", ") +
                  (assumed.size() > 1 ? " have" : " has") +
                  " no value (--input NAME=2x3xf32, or --dim)");
    std::vector<PredictedKernel> kernels =
        predictKernels(*variant.module, variant.level, symbols, *machine);
    if (options.report)
      report.addPredictions(variant.level, kernels);
    if (wanted.requireRoofline > 0)
      problem = findSlowKernels(kernels, wanted.requireRoofline);
    if (!problem.empty())
      return fail(problem);
  }
  return success();
}

LogicalResult Compilation::compileKernels() {
  codegen::KernelCompiler compiler({options.jobs, "", options.cacheFolder});
  using codegen::ListingKind;
  const bool wantsLoops = options.report || options.emit == EmitKind::Loops;
  const ListingKind listing = options.emit == EmitKind::LLVM       ? ListingKind::LLVM
                              : options.emit == EmitKind::Assembly ? ListingKind::Assembly
                              : wantsLoops                         ? ListingKind::Loops
                                                                   : ListingKind::None;
  std::vector<codegen::KernelRequest> requests;
  for (Variant &variant : variants) {
    llvm::StringMap<schedule::FuncOp> schedules;
    for (auto schedule : variant.module->getOps<schedule::FuncOp>())
      schedules[schedule.getKernel()] = schedule;
    for (auto kernel : variant.module->getOps<kernel::FuncOp>()) {
      requests.push_back(codegen::KernelCompiler::makeRequest(
          kernel, schedules.lookup(kernel.getSymName()), codegen::getCodeTarget(variant.level)));
      requests.back().listing = listing;
    }
  }
  std::vector<codegen::CompiledKernel> compiled = compiler.compile(requests, [&](size_t done) {
    begin(("compiling kernels " + llvm::Twine(done) + "/" + llvm::Twine(requests.size())).str(),
          0.1 + 0.88 * double(done) / double(requests.size()), CompileCode::CodegenFailed);
  });
  result.kernels = requests.size();
  LogicalResult status = success();
  size_t next = 0;
  for (Variant &variant : variants)
    for (auto kernel : variant.module->getOps<kernel::FuncOp>()) {
      codegen::CompiledKernel &code = compiled[next++];
      result.cachedKernels += code.fromCache;
      if (!code.reply.error.empty()) {
        kernel.emitError("kernel '") << kernel.getSymName() << "' cannot be compiled for "
                                     << variant.level << ": " << code.reply.error;
        status = failure();
        continue;
      }
      std::string text = std::move(code.reply.listing);
      if (options.report)
        report.addLoops(variant.level, kernel.getSymName(), text);
      if (options.emit == EmitKind::Loops) {
        if (text.empty())
          text = "its blocks and threads stand in the schedule\n";
        text = (kernel.getSymName() + " for " + variant.level + ":\n" + text + "\n").str();
      }
      if (isListing(options.emit))
        result.bytes.insert(result.bytes.end(), text.begin(), text.end());
      variant.kernels[kernel.getSymName()] = {std::move(code.reply.image.bytes),
                                              code.reply.image.entry};
    }
  return status;
}

LogicalResult Compilation::emit() {
  std::vector<EmittedVariant> finished;
  for (Variant &variant : variants)
    finished.push_back({*variant.module, variant.level, std::move(variant.kernels)});
  llvm::Expected<EmittedModule> emitted = emitModule(finished, "tessera 0.1.0");
  if (!emitted)
    return fail(llvm::toString(emitted.takeError()));
  result.kernelTypes = listKernelTypes(emitted->description);
  std::string error = module::writeModule(emitted->description, result.bytes);
  time("module");
  return error.empty() ? success() : fail(error);
}
