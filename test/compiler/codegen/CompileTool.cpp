// Compiles the kernels of a file with their schedules and prints what was asked for.
#include "compiler/codegen/driver/KernelCompiler.h"

#include "mlir/Parser/Parser.h"

#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace tessera;

static llvm::cl::opt<std::string> file(llvm::cl::Positional, llvm::cl::init("-"));
static llvm::cl::opt<std::string> emit("emit", llvm::cl::desc("llvm, asm, loops or size"),
                                       llvm::cl::init("size"));
static llvm::cl::opt<std::string> cpu("cpu", llvm::cl::init("x86-64-v3"));
static llvm::cl::opt<unsigned> jobs("jobs", llvm::cl::init(1));
static llvm::cl::opt<std::string> cacheFolder("cache", llvm::cl::init(""));
static llvm::cl::opt<bool> timing("timing");

int main(int argc, char **argv) {
  llvm::cl::ParseCommandLineOptions(argc, argv, "Compiles the kernels of a file\n");
  MLIRContext context;
  context.loadDialect<kernel::KernelDialect, schedule::ScheduleDialect>();
  OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(file, &context);
  if (!module)
    return 1;
  llvm::StringMap<schedule::FuncOp> schedules;
  for (auto schedule : module->getOps<schedule::FuncOp>())
    schedules[schedule.getKernel()] = schedule;
  std::vector<codegen::KernelRequest> requests;
  std::vector<kernel::FuncOp> kernels;
  for (auto kernel : module->getOps<kernel::FuncOp>()) {
    kernels.push_back(kernel);
    requests.push_back(codegen::KernelCompiler::makeRequest(
        kernel, schedules.lookup(kernel.getSymName()), {cpu, ""}));
    requests.back().listing = emit == "llvm"    ? codegen::ListingKind::LLVM
                              : emit == "asm"   ? codegen::ListingKind::Assembly
                              : emit == "loops" ? codegen::ListingKind::Loops
                                                : codegen::ListingKind::None;
  }
  codegen::KernelCompiler compiler({jobs, "", cacheFolder});
  int status = 0;
  auto results = compiler.compile(requests);
  for (auto [kernel, result] : llvm::zip_equal(kernels, results)) {
    const codegen::KernelReply &reply = result.reply;
    llvm::outs() << "kernel " << kernel.getSymName() << "\n";
    if (!reply.error.empty()) {
      llvm::outs() << "  error: " << reply.error << "\n";
      status = 1;
      continue;
    }
    if (emit == "size")
      llvm::outs() << "  bytes " << reply.image.bytes.size() << " entry " << reply.image.entry
                   << (result.fromCache ? " cached" : "") << "\n";
    llvm::outs() << reply.listing;
    if (timing)
      llvm::outs() << llvm::format("  %.3f s\n", result.seconds);
  }
  return status;
}
