//===- EmitObject.cpp - A module becomes an object file and a C header ----------------------===//
#include "compiler/standalone/EmitObject.h"

#include "compiler/codegen/llvm/Finish.h"
#include "compiler/standalone/EmitCode.h"
#include "compiler/standalone/Header.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"

#include <memory>
#include <set>

using namespace tessera;
using namespace tessera::standalone;
using llvm::Error;
using llvm::Expected;

static Error fail(const llvm::Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

namespace {
struct Release {
  void operator()(rt::Module *module) const { module->release(); }
};
using ModulePointer = std::unique_ptr<rt::Module, Release>;
} // namespace

static Expected<ModulePointer> load(llvm::StringRef bytes, const std::string &level) {
  rt::LoadOptions options;
  options.device = &rt::nullDevice(); // Of any CPU: nothing runs here.
  options.variant = level.empty() ? nullptr : level.c_str();
  rt::Result<rt::Module *> loaded = rt::Module::loadMemory(bytes.data(), bytes.size(), options);
  if (!loaded.ok())
    return fail(loaded.status().message());
  ModulePointer module(*loaded);
  if (llvm::StringRef(module->variant().family) != "cpu")
    return fail("the module has code for '" + llvm::Twine(module->variant().family) +
                "' alone, and an object is for CPUs; --emit exe makes a program of such a module");
  return std::move(module);
}

static Error checkNames(const rt::Module &module, const std::map<std::string, int64_t> &dims) {
  std::set<std::string> known;
  for (const rt::Function &function : module.variant().functions)
    for (const rt::Symbol &symbol : function.symbols)
      known.insert(symbol.name);
  for (const auto &[name, value] : dims)
    if (!known.count(name))
      return fail("the module has no open extent '" + name +
                  (known.empty() ? "'" : "'; it has " + llvm::join(known, ", ")));
  return Error::success();
}

static Error checkKernels(const rt::Module &module) {
  for (const rt::Kernel &kernel : module.variant().kernels)
    if (kernel.host)
      return fail("'" + llvm::Twine(kernel.sources.empty() ? kernel.name : kernel.sources[0]) +
                  "' needs the host operator '" + kernel.host +
                  "', which is in a library that an object does not open; run the module (.tsm) "
                  "with the runtime");
  return Error::success();
}

static void optimise(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager calls;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&machine);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(calls);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, calls, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O1).run(module, modules);
}

static Error assemble(llvm::Module &module, llvm::TargetMachine &machine,
                      llvm::SmallVectorImpl<char> &object) {
  llvm::raw_svector_ostream out(object);
  llvm::legacy::PassManager passes;
  if (machine.addPassesToEmitFile(passes, out, nullptr, llvm::CodeGenFileType::ObjectFile))
    return fail("LLVM makes no object files for this machine");
  passes.run(module);
  return Error::success();
}

Expected<ObjectFile> standalone::emitObject(llvm::StringRef bytes, const ObjectOptions &options) {
  Expected<ModulePointer> loaded = load(bytes, options.level);
  if (!loaded)
    return loaded.takeError();
  const rt::Module &module = **loaded;
  if (Error error = checkNames(module, options.dims))
    return error;
  if (Error error = checkKernels(module))
    return error;
  std::vector<FunctionLayout> layouts;
  for (const rt::Function &function : module.variant().functions) {
    Expected<FunctionLayout> layout = layOut(function, options.dims);
    if (!layout)
      return layout.takeError();
    layouts.push_back(std::move(*layout));
  }
  const StateLayout state = layOutState(module);
  const ObjectNames names = chooseNames(module, options.prefix);

  Expected<std::unique_ptr<llvm::TargetMachine>> machine =
      codegen::makeMachine(codegen::getCodeTarget(module.variant().level));
  if (!machine)
    return machine.takeError();
  llvm::LLVMContext context;
  llvm::Module code(names.prefix, context);
  code.setTargetTriple((*machine)->getTargetTriple());
  code.setDataLayout((*machine)->createDataLayout());
  code.setPICLevel(llvm::PICLevel::BigPIC);
  emitCode(module, layouts, state, names, code);
  std::string broken;
  llvm::raw_string_ostream report(broken);
  if (llvm::verifyModule(code, &report))
    return fail("the module became invalid LLVM IR: " + broken);
  optimise(code, **machine);
  ObjectFile result;
  if (Error error = assemble(code, **machine, result.object))
    return error;
  result.header = writeHeader(module, layouts, state, names);
  return result;
}
