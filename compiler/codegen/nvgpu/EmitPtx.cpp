//===- EmitPtx.cpp - Kernel and schedule to PTX --------------------------------------------===//
#include "compiler/codegen/nvgpu/EmitPtx.h"

#include "compiler/codegen/loops/Loops.h"
#include "compiler/codegen/nvgpu/LoopLaunches.h"
#include "compiler/codegen/nvgpu/StageLines.h"
#include "dialects/schedule/CudaProcessor.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

using namespace mlir;

namespace tessera::nvgpu {

static std::unique_ptr<llvm::TargetMachine> makeTarget(llvm::StringRef processor,
                                                       llvm::StringRef features) {
  LLVMInitializeNVPTXTargetInfo();
  LLVMInitializeNVPTXTarget();
  LLVMInitializeNVPTXTargetMC();
  LLVMInitializeNVPTXAsmPrinter();
  llvm::Triple triple("nvptx64-nvidia-cuda");
  std::string error;
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return nullptr;
  llvm::TargetOptions options;
  // As on CPUs: multiply-adds may be contracted, nothing else.
  options.AllowFPOpFusion = llvm::FPOpFusion::Fast;
  return std::unique_ptr<llvm::TargetMachine>(
      target->createTargetMachine(triple, processor, features, options, std::nullopt, std::nullopt,
                                  llvm::CodeGenOptLevel::Aggressive));
}

/// As runtime/base/DeviceImage.h describes it.
static std::vector<uint8_t> makeImage(LaunchRecord launch, llvm::StringRef text) {
  rt::DeviceImageHeader header{};
  header.magic = rt::kDeviceImageMagic;
  header.version = rt::kDeviceImageVersion;
  header.args = uint32_t(launch.args.size());
  header.steps = uint32_t(launch.steps.size());
  header.launches = uint32_t(launch.launches.size());
  header.maps = uint32_t(launch.maps.size());
  uint32_t next = uint32_t(sizeof(header) + launch.args.size() * sizeof(rt::DeviceArg) +
                           launch.steps.size() * sizeof(rt::DeviceStep) +
                           launch.launches.size() * sizeof(rt::DeviceLaunch) +
                           launch.maps.size() * sizeof(rt::DeviceMap));
  for (auto [record, name] : llvm::zip_equal(launch.launches, launch.names)) {
    record.name = next;
    next += uint32_t(name.size() + 1);
  }
  header.text = next;
  header.bytes = uint32_t(header.text + text.size() + 1);
  std::vector<uint8_t> image;
  auto append = [&](const void *data, size_t bytes) {
    const auto *from = static_cast<const uint8_t *>(data);
    image.insert(image.end(), from, from + bytes);
  };
  append(&header, sizeof(header));
  append(launch.args.data(), launch.args.size() * sizeof(rt::DeviceArg));
  append(launch.steps.data(), launch.steps.size() * sizeof(rt::DeviceStep));
  append(launch.launches.data(), launch.launches.size() * sizeof(rt::DeviceLaunch));
  append(launch.maps.data(), launch.maps.size() * sizeof(rt::DeviceMap));
  for (const std::string &name : launch.names)
    append(name.c_str(), name.size() + 1);
  append(text.data(), text.size());
  image.push_back(0);
  return image;
}

/// PTX ISA, section 9.7.3.22: 2 ulp at most, and right at infinities.
void writePowersOfTwo(ModuleOp module) {
  module.walk([](math::Exp2Op op) {
    ImplicitLocOpBuilder b(op.getLoc(), op);
    Value power = LLVM::InlineAsmOp::create(
                      b, op.getType(), ValueRange(op.getOperand()), "ex2.approx.f32 $0, $1;",
                      "=f,f", /*has_side_effects=*/false, /*is_align_stack=*/false,
                      LLVM::tailcallkind::TailCallKind::None, LLVM::AsmDialectAttr(), ArrayAttr())
                      .getResult(0);
    op.replaceAllUsesWith(power);
    op.erase();
  });
}

/// Texts without side effects are functions of their operands; LLVM knows that of none, and joins
/// no loads across them. Moves are there to hide numbers from it: they stay where they are.
static void markTexts(llvm::Module &module) {
  for (llvm::Function &function : module)
    for (llvm::Instruction &instruction : llvm::instructions(function)) {
      auto *call = dyn_cast<llvm::CallInst>(&instruction);
      auto *text = call ? dyn_cast<llvm::InlineAsm>(call->getCalledOperand()) : nullptr;
      if (!text || text->hasSideEffects() || text->getAsmString().starts_with("mov."))
        continue;
      call->setDoesNotThrow();
      call->setDoesNotAccessMemory();
      call->addFnAttr(llvm::Attribute::WillReturn);
    }
}

/// A kernel of stages only.
static FailureOr<std::unique_ptr<llvm::Module>> emitStages(kernel::FuncOp kernel,
                                                           schedule::FuncOp schedule,
                                                           llvm::LLVMContext &context,
                                                           LaunchRecord &launch) {
  FailureOr<OwningOpRef<ModuleOp>> module = convertToGpu(kernel, schedule, launch);
  if (failed(module))
    return failure();
  writePowersOfTwo(**module);
  PassManager passes(kernel.getContext());
  passes.addPass(createConvertMathToLLVMPass());
  passes.addPass(createArithToLLVMConversionPass());
  passes.addPass(createReconcileUnrealizedCastsPass());
  if (failed(passes.run(**module)) || failed(StageLines(kernel).attach(**module)))
    return failure();
  std::unique_ptr<llvm::Module> code = translateModuleToLLVMIR(**module, context);
  if (!code)
    return kernel.emitOpError("cannot be written as LLVM IR for a CUDA device");
  return std::move(code);
}

/// LLVM asks for the first version of PTX that knows the processor, which is all that is emitted
/// for it needs, but for one: mma.sync has 8-bit floats since PTX 8.4 (drivers of CUDA 12.4).
/// Processors from sm_100 on are younger than that.
static llvm::StringRef findFeatures(schedule::FuncOp schedule, llvm::StringRef processor) {
  bool hasByteFloats = false;
  if (schedule)
    schedule.walk([&](schedule::GpuTileOp tile) {
      hasByteFloats |= tile.getByteFloats() && tile.getUnit() == schedule::Unit::Mma;
    });
  const bool isYounger = schedule::CudaProcessor::ofName(processor).architecture >= 100;
  return hasByteFloats && !isYounger ? "+ptx84" : "";
}

/// A schedule may come from elsewhere, and be of another processor.
static LogicalResult checkUnits(schedule::FuncOp schedule, llvm::StringRef processor) {
  const auto has = schedule::CudaProcessor::ofName(processor);
  LogicalResult status = success();
  schedule.walk([&](Operation *op) {
    auto tile = dyn_cast<schedule::GpuTileOp>(op);
    auto stream = dyn_cast<schedule::GpuStreamOp>(op);
    const bool isGroup = (tile && tile.getUnit() == schedule::Unit::Wgmma) ||
                         (stream && stream.getUnit() == schedule::Unit::Wgmma);
    if (isGroup && !has.warpGroups)
      status =
          op->emitOpError() << "multiplies by wgmma, which sm_90a alone has, and the target is "
                            << processor << "; expected mma";
    if (tile && tile.getByteFloats() && !has.byteFloats)
      status =
          op->emitOpError() << "multiplies 8-bit floats as they are, which sm_89 is the first to "
                               "do, and the target is "
                            << processor << "; expected no byte_floats";
  });
  return status;
}

FailureOr<std::string> emitPtx(kernel::FuncOp kernel, schedule::FuncOp schedule,
                               llvm::StringRef processor, std::string *llvmText,
                               std::vector<uint8_t> &image) {
  MLIRContext *context = kernel.getContext();
  DialectRegistry registry;
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  registerNVVMDialectTranslation(registry);
  loops::registerDialects(registry);
  context->appendDialectRegistry(registry);
  context->loadDialect<LLVM::LLVMDialect, NVVM::NVVMDialect>();
  std::unique_ptr<llvm::TargetMachine> machine =
      makeTarget(processor, findFeatures(schedule, processor));
  if (!machine || !machine->getMCSubtargetInfo()->isCPUStringValid(processor))
    return kernel.emitOpError() << "'" << processor << "' is no CUDA processor that LLVM knows";

  if (schedule && failed(checkUnits(schedule, processor)))
    return failure();
  LaunchRecord launch;
  llvm::LLVMContext llvmContext;
  FailureOr<std::unique_ptr<llvm::Module>> emitted =
      kernel.isSequential() ? emitLoopLaunches(kernel, llvmContext, launch)
                            : emitStages(kernel, schedule, llvmContext, launch);
  if (failed(emitted))
    return failure();
  const int64_t most = schedule::CudaProcessor::ofName(processor).sharedBytes;
  for (const rt::DeviceLaunch &own : launch.launches)
    if (own.sharedBytes > most)
      return kernel.emitOpError() << "has blocks of " << own.sharedBytes
                                  << " bytes of shared memory; devices that run code for "
                                  << processor << " have " << most;
  std::unique_ptr<llvm::Module> &code = *emitted;
  code->setTargetTriple(machine->getTargetTriple());
  code->setDataLayout(machine->createDataLayout());

  markTexts(*code);

  llvm::PassBuilder builder(machine.get());
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager graphs;
  llvm::ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(graphs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, graphs, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O3).run(*code, modules);
  if (llvmText)
    llvm::raw_string_ostream(*llvmText) << *code;
  llvm::SmallString<0> text;
  llvm::raw_svector_ostream out(text);
  llvm::legacy::PassManager emission;
  if (machine->addPassesToEmitFile(emission, out, nullptr, llvm::CodeGenFileType::AssemblyFile))
    return kernel.emitOpError("cannot be emitted: LLVM was built without PTX");
  emission.run(*code);
  image = makeImage(std::move(launch), text);
  return text.str().str();
}

} // namespace tessera::nvgpu
