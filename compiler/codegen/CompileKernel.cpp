//===- CompileKernel.cpp - Kernel and schedule to machine code --------------------------===//
#include "compiler/codegen/CompileKernel.h"

#include "compiler/codegen/halide/FromKernel.h"
#include "compiler/codegen/llvm/Finish.h"
#include "compiler/codegen/nvgpu/EmitPtx.h"

#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

using namespace mlir;

namespace tessera::codegen {

static bool hasAvx512(const CodeTarget &target) {
  return target.cpu == "x86-64-v4" || target.features.find("+avx512f") != std::string::npos;
}

FailureOr<KernelImage> compileKernel(kernel::FuncOp kernel, schedule::FuncOp schedule,
                                     const CodeTarget &target, CodeListing &listing) {
  auto fail = [&](const llvm::Twine &why) -> LogicalResult {
    return kernel.emitOpError() << "cannot be compiled: " << why;
  };
  if (llvm::StringRef processor = target.cpu; processor.consume_front(kCudaPrefix)) {
    FailureOr<std::string> ptx =
        nvgpu::emitPtx(kernel, schedule, processor, listing.wantLLVM ? &listing.llvm : nullptr);
    if (failed(ptx))
      return failure();
    listing.assembly = std::move(*ptx);
    return KernelImage{};
  }
  FailureOr<halide::HalideProgram> program = halide::describeKernel(kernel);
  if (failed(program) || (schedule && failed(halide::describeSchedule(schedule, *program))))
    return failure();
  std::string error;
  std::string bitcode =
      halide::buildBitcode(*program, halide::HalideTarget{hasAvx512(target)}, error);
  if (!error.empty())
    return fail(llvm::StringRef(error).rtrim());

  KernelFunction function{program->name, {}};
  function.isExtent.resize(program->tensors.size(), false);
  function.isExtent.resize(function.isExtent.size() + program->extents, true);
  for (const halide::Output &output : program->outputs)
    for (size_t i = 0; i < program->stages[output.stage].types.size(); ++i)
      function.isExtent.push_back(false);

  llvm::LLVMContext context;
  auto module = readBitcode(bitcode, context);
  if (!module)
    return fail(llvm::toString(module.takeError()));
  auto object = finishKernel(**module, function, target, listing);
  if (!object)
    return fail(llvm::toString(object.takeError()));
  auto image = linkKernel(*object);
  if (!image)
    return fail(llvm::toString(image.takeError()));
  return std::move(*image);
}

} // namespace tessera::codegen
