//===- CompileKernel.cpp - Kernel and schedule to machine code --------------------------===//
#include "compiler/codegen/CompileKernel.h"

#include "compiler/codegen/halide/FromKernel.h"
#include "compiler/codegen/halide/MatrixProduct.h"
#include "compiler/codegen/llvm/Finish.h"
#include "compiler/codegen/loops/Loops.h"
#include "compiler/codegen/nvgpu/EmitPtx.h"

#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

using namespace mlir;

namespace tessera::codegen {

static bool hasFeature(const CodeTarget &target, llvm::StringRef name) {
  return llvm::StringRef(target.features).contains(name);
}

static bool hasAvx512(const CodeTarget &target) {
  return target.cpu == "x86-64-v4" || target.features.find("+avx512f") != std::string::npos;
}

/// Halide's part: its bitcode as a module of our LLVM.
static FailureOr<std::unique_ptr<llvm::Module>>
generateByHalide(kernel::FuncOp kernel, schedule::FuncOp schedule, const CodeTarget &target,
                 llvm::LLVMContext &context, KernelFunction &function, std::string *loops) {
  FailureOr<halide::HalideProgram> program = halide::describeKernel(kernel);
  if (failed(program) || (schedule && failed(halide::describeSchedule(schedule, *program))))
    return failure();
  std::string error;
  std::string bitcode =
      halide::buildBitcode(*program,
                           halide::HalideTarget{hasAvx512(target), hasFeature(target, "vnni"),
                                                hasFeature(target, "avx512bf16")},
                           error, loops);
  if (!error.empty())
    return kernel.emitOpError() << "cannot be compiled: " << llvm::StringRef(error).rtrim();

  for (halide::MatrixProduct &product : halide::findMatrixProducts(*program, error))
    function.matrixTiles.push_back(std::move(product.tiles));
  function.name = program->name;
  function.tables = program->tables;
  function.isExtent.resize(program->tensors.size(), false);
  function.isExtent.resize(function.isExtent.size() + program->extents, true);
  unsigned result = 0;
  for (const halide::Output &output : program->outputs)
    for (size_t i = 0; i < program->stages[output.stage].types.size(); ++i, ++result) {
      auto place =
          kernel.getResultAttrOfType<kernel::PlaceAttr>(result, kernel::KernelDialect::kPlaceAttr);
      if (place)
        function.parts.push_back(
            {unsigned(function.isExtent.size()),
             std::max(8u, unsigned(program->stages[output.stage].types[i].bits)) / 8,
             place.getBegin(), place.getEnd()});
      function.isExtent.push_back(false);
    }
  auto module = readBitcode(bitcode, context);
  if (!module)
    return kernel.emitOpError() << "cannot be compiled: " << llvm::toString(module.takeError());
  return std::move(*module);
}

/// What Halide cannot say is sequential by its structure, or its schedule names the other
/// generator.
static bool needsLoops(kernel::FuncOp kernel, schedule::FuncOp schedule) {
  if (kernel.isSequential())
    return true;
  return schedule && !schedule.getBody().front().getOps<schedule::GeneratorOp>().empty();
}

FailureOr<KernelImage> compileKernel(kernel::FuncOp kernel, schedule::FuncOp schedule,
                                     const CodeTarget &target, CodeListing &listing) {
  auto fail = [&](llvm::Error error) -> LogicalResult {
    return kernel.emitOpError() << "cannot be compiled: " << llvm::toString(std::move(error));
  };
  if (llvm::StringRef processor = target.cpu; processor.consume_front(kCudaPrefix)) {
    KernelImage image;
    FailureOr<std::string> ptx =
        nvgpu::emitPtx(kernel, schedule, processor,
                       listing.kind == ListingKind::LLVM ? &listing.text : nullptr, image.bytes);
    if (failed(ptx))
      return failure();
    if (listing.kind == ListingKind::Assembly)
      listing.text = std::move(*ptx);
    return image;
  }
  llvm::LLVMContext context;
  KernelFunction function;
  function.vectorizeLoops = needsLoops(kernel, schedule);
  std::string *nest = listing.kind == ListingKind::Loops ? &listing.text : nullptr;
  FailureOr<std::unique_ptr<llvm::Module>> module =
      function.vectorizeLoops ? loops::emitKernel(kernel, target, context, function, nest)
                              : generateByHalide(kernel, schedule, target, context, function, nest);
  if (failed(module))
    return failure();
  auto object = finishKernel(**module, function, target, listing);
  if (!object)
    return fail(object.takeError());
  auto image = linkKernel(*object);
  if (!image)
    return fail(image.takeError());
  return std::move(*image);
}

} // namespace tessera::codegen
