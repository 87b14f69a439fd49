//===- CheckOptions.cpp - Options that no model can fit -------------------------------------===//
#include "compiler/api/CheckOptions.h"

#include "compiler/api/Compiler.h"
#include "compiler/api/Suggest.h"
#include "compiler/codegen/KernelImage.h"
#include "compiler/module/ModuleWriter.h"
#include "compiler/pipelines/Pipelines.h"
#include "dialects/kernel/Kernel.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace tessera;

/// "cuda:sm_80", "cuda:sm_90a".
static bool isCudaDevice(llvm::StringRef level) {
  return level.consume_front(codegen::kCudaPrefix) && level.consume_front("sm_") &&
         !level.empty() && llvm::isDigit(level.front());
}

/// The first architecture with what kernels use: asynchronous copies, tensor cores for bf16.
static constexpr unsigned kOldestCudaDevice = 80;

static bool isTooOld(llvm::StringRef level) {
  unsigned number = 0;
  return isCudaDevice(level) && !level.substr(level.rfind('_') + 1).consumeInteger(10, number) &&
         number >= 10 && number < kOldestCudaDevice;
}

std::string tessera::findTargets(const std::vector<std::string> &targets,
                                 std::vector<std::string> &levels) {
  for (const std::string &target : targets.empty() ? std::vector<std::string>{"host"} : targets) {
    std::string level = target == "host" ? getHostLevel() : target;
    if (!isCudaDevice(level) && !codegen::findCpuLevel(level)) {
      std::vector<std::string> known = {"host"};
      for (const codegen::CpuLevel &row : llvm::reverse(codegen::kCpuLevels))
        known.emplace_back(row.name);
      known.push_back("cuda:sm_80");
      return suggest("unknown target '" + target + "'", target, known);
    }
    if (isTooOld(level))
      return "target '" + target + "' is too old: the first is cuda:sm_" +
             std::to_string(kOldestCudaDevice);
    levels.push_back(level);
  }
  // The best comes first: levels of the processor as CpuLevels.h has them, then code for one
  // architecture (sm_100a), for a family (sm_100f) and for all later ones, each with the newest
  // first.
  auto rank = [](llvm::StringRef level) {
    const codegen::CpuLevel *found = codegen::findCpuLevel(std::string_view(level));
    const long cpu = (found ? found : std::end(codegen::kCpuLevels)) - codegen::kCpuLevels;
    return std::pair(cpu, found || level.ends_with("a") ? 0 : level.ends_with("f") ? 1 : 2);
  };
  llvm::sort(levels, [&](llvm::StringRef a, llvm::StringRef b) {
    return rank(a) != rank(b) ? rank(a) < rank(b) : a.compare_numeric(b) > 0;
  });
  levels.erase(llvm::unique(levels), levels.end());
  return "";
}

std::string tessera::findQuantization(const std::string &name, const QuantizationMode *&mode) {
  mode = findQuantizationMode(name);
  if (mode || name.empty())
    return "";
  std::vector<std::string> known;
  for (const QuantizationMode &row : getQuantizationModes())
    known.push_back(row.name.str());
  return suggest("unknown --quantize '" + name + "'", name, known);
}

/// f16 is converted by instructions: in software it would be a function, which kernels cannot call.
/// bf16 is the upper half of f32, and needs integers only. CUDA devices have both conversions.
static bool hasF16(llvm::StringRef level) {
  return isCudaDevice(level) || llvm::is_contained(module::featuresOfLevel(level.str()), "f16c");
}

std::string tessera::checkPrecision(const std::string &precision,
                                    llvm::ArrayRef<std::string> levels) {
  if (!precision.empty() && !llvm::is_contained(getPrecisions(), precision)) {
    std::vector<std::string> known;
    for (llvm::StringRef row : getPrecisions())
      known.push_back(row.str());
    return suggest("unknown --precision '" + precision + "'", precision, known);
  }
  for (const std::string &level : levels)
    if (precision == "f16" && !hasF16(level))
      return "--precision f16: " + level +
             " has no instructions that convert f16 (F16C, from x86-64-v3 on); bf16 needs none";
  return "";
}

std::string tessera::checkConvolution(const std::string &form, llvm::ArrayRef<std::string> levels) {
  if (!form.empty() && !llvm::is_contained(getConvolutionForms(), form)) {
    std::vector<std::string> known;
    for (llvm::StringRef row : getConvolutionForms())
      known.push_back(row.str());
    return suggest("unknown --convolution '" + form + "'", form, known);
  }
  if (llvm::StringRef(form).starts_with("winograd") && !levels.empty() &&
      llvm::all_of(levels, [](llvm::StringRef level) { return isCudaDevice(level); }))
    return "--convolution " + form +
           " is for processors, and the targets are GPUs only: leave it out, or "
           "add a target such as host";
  return "";
}

LogicalResult tessera::checkElementTypes(ModuleOp kernels, llvm::StringRef level) {
  if (hasF16(level))
    return success();
  auto isF16 = [](Type type) { return getElementTypeOrSelf(type).isF16(); };
  LogicalResult status = success();
  for (auto kernel : kernels.getOps<kernel::FuncOp>())
    if (kernel
            .walk([&](Operation *op) {
              return llvm::any_of(op->getOperandTypes(), isF16) ||
                             llvm::any_of(op->getResultTypes(), isF16)
                         ? WalkResult::interrupt()
                         : WalkResult::advance();
            })
            .wasInterrupted())
      status = kernel.emitError("f16 is computed here, and ")
               << level << " has no instructions that convert it (F16C, from x86-64-v3 on)";
  return status;
}
