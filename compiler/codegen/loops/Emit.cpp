//===- Emit.cpp - Functions on buffers become LLVM IR ------------------------------------===//
#include "compiler/codegen/loops/Parallel.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/Transforms/FuncBufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Linalg/Transforms/SubsetInsertionOpInterfaceImpl.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/SCF/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/Transforms/SubsetInsertionOpInterfaceImpl.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/Passes.h"

#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/Module.h"

using namespace mlir;

namespace tessera::loops {

void registerDialects(DialectRegistry &registry) {
  registry.insert<affine::AffineDialect, arith::ArithDialect, bufferization::BufferizationDialect,
                  cf::ControlFlowDialect, func::FuncDialect, linalg::LinalgDialect,
                  LLVM::LLVMDialect, math::MathDialect, memref::MemRefDialect, scf::SCFDialect,
                  tensor::TensorDialect, vector::VectorDialect>();
  arith::registerBufferizableOpInterfaceExternalModels(registry);
  bufferization::func_ext::registerBufferizableOpInterfaceExternalModels(registry);
  linalg::registerBufferizableOpInterfaceExternalModels(registry);
  linalg::registerSubsetOpInterfaceExternalModels(registry);
  scf::registerBufferizableOpInterfaceExternalModels(registry);
  tensor::registerBufferizableOpInterfaceExternalModels(registry);
  tensor::registerSubsetOpInterfaceExternalModels(registry);
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
}

LogicalResult lowerToLLVM(ModuleOp module) {
  PassManager passes(module.getContext());
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
  passes.addPass(createLoopInvariantCodeMotionPass());
  // Small floats are computed in f32 and rounded after every operation, as everywhere.
  arith::ArithEmulateUnsupportedFloatsOptions small;
  small.sourceTypeStrs = {"bf16", "f16"};
  passes.addPass(arith::createArithEmulateUnsupportedFloats(small));
  arith::ArithExpandOpsPassOptions expand;
  expand.includeBf16 = true; // LLVM would call a function to round.
  passes.addPass(arith::createArithExpandOpsPass(expand));
  passes.addPass(memref::createExpandStridedMetadataPass());
  passes.addPass(createLowerAffinePass());
  passes.addPass(createSCFToControlFlowPass());
  passes.addPass(createConvertVectorToLLVMPass());
  passes.addPass(createConvertMathToLLVMPass());
  passes.addPass(createArithToLLVMConversionPass());
  passes.addPass(createFinalizeMemRefToLLVMConversionPass());
  passes.addPass(createConvertFuncToLLVMPass());
  passes.addPass(createConvertControlFlowToLLVMPass());
  passes.addPass(createReconcileUnrealizedCastsPass());
  return passes.run(module);
}

void moveAsIntegers(llvm::Module &module) {
  llvm::IRBuilder<> b(module.getContext());
  llvm::Type *bf16 = b.getBFloatTy(), *i16 = b.getInt16Ty();
  auto asInteger = [&](llvm::Type *type) -> llvm::Type * {
    auto *vector = llvm::dyn_cast<llvm::VectorType>(type);
    return vector ? llvm::VectorType::get(i16, vector->getElementCount()) : i16;
  };
  SmallVector<llvm::Instruction *> moves;
  for (llvm::Function &function : module)
    for (llvm::BasicBlock &block : function)
      for (llvm::Instruction &op : block)
        if (llvm::isa<llvm::LoadInst, llvm::StoreInst>(op) &&
            llvm::getLoadStoreType(&op)->getScalarType() == bf16)
          moves.push_back(&op);
  for (llvm::Instruction *op : moves) {
    b.SetInsertPoint(op);
    if (auto *load = llvm::dyn_cast<llvm::LoadInst>(op)) {
      llvm::Type *type = load->getType();
      llvm::Value *bits =
          b.CreateAlignedLoad(asInteger(type), load->getPointerOperand(), load->getAlign());
      load->replaceAllUsesWith(b.CreateBitCast(bits, type));
    } else {
      auto *store = llvm::cast<llvm::StoreInst>(op);
      llvm::Value *value = store->getValueOperand();
      b.CreateAlignedStore(b.CreateBitCast(value, asInteger(value->getType())),
                           store->getPointerOperand(), store->getAlign());
    }
    op->eraseFromParent();
  }
}

/// Makes the function that takes pointers to buffers (runtime/base/KernelAbi.h) and calls `body`,
/// whose parameters describe every buffer by its address twice, an offset, its extents and its
/// strides.
static void addBridge(llvm::Module &module, llvm::Function *body, kernel::FuncOp kernel,
                      codegen::KernelFunction &function) {
  llvm::IRBuilder<> b(module.getContext());
  llvm::Type *pointer = b.getPtrTy(), *i64 = b.getInt64Ty(), *i32 = b.getInt32Ty();
  SmallVector<Type> types(kernel.getArgumentTypes());
  llvm::append_range(types, kernel.getResultTypes());
  SmallVector<llvm::Type *> parameters{pointer};
  for (Type type : types) {
    function.isExtent.push_back(type.isIndex());
    parameters.push_back(type.isIndex() ? i64 : pointer);
  }
  auto *bridge = llvm::Function::Create(llvm::FunctionType::get(i32, parameters, false),
                                        llvm::GlobalValue::ExternalLinkage, function.name, module);
  b.SetInsertPoint(llvm::BasicBlock::Create(module.getContext(), "", bridge));
  SmallVector<llvm::Value *> arguments;
  constexpr unsigned kHost = 16, kDim = 40, kDimSize = 16,
                     kExtent = 4; // of KernelBuffer, KernelDim
  for (auto [number, type] : llvm::enumerate(types)) {
    llvm::Value *given = bridge->getArg(number + 1);
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor) {
      arguments.push_back(given);
      continue;
    }
    auto at = [&](llvm::Value *base, unsigned offset) {
      return b.CreateConstInBoundsGEP1_64(b.getInt8Ty(), base, offset);
    };
    llvm::Value *host = b.CreateLoad(pointer, at(given, kHost));
    llvm::Value *dims = nullptr;
    SmallVector<llvm::Value *> sizes, strides(tensor.getRank());
    for (int64_t d = 0; d < tensor.getRank(); ++d) {
      if (!tensor.isDynamicDim(d)) {
        sizes.push_back(b.getInt64(tensor.getDimSize(d)));
        continue;
      }
      dims = dims ? dims : b.CreateLoad(pointer, at(given, kDim));
      unsigned offset = (tensor.getRank() - 1 - d) * kDimSize + kExtent;
      sizes.push_back(b.CreateZExt(b.CreateLoad(i32, at(dims, offset)), i64));
    }
    llvm::Value *stride = b.getInt64(1); // Tensors are row-major and dense.
    for (int64_t d = tensor.getRank(); d-- > 0; stride = b.CreateMul(stride, sizes[d]))
      strides[d] = stride;
    llvm::append_range(arguments, SmallVector<llvm::Value *>{host, host, b.getInt64(0)});
    llvm::append_range(arguments, sizes);
    llvm::append_range(arguments, strides);
  }
  body->setLinkage(llvm::GlobalValue::InternalLinkage);
  body->addFnAttr(llvm::Attribute::AlwaysInline);
  arguments.push_back(b.CreatePtrToInt(bridge->getArg(0), i64));
  b.CreateRet(b.CreateTrunc(b.CreateCall(body, arguments), i32));
}

FailureOr<std::unique_ptr<llvm::Module>>
emitKernel(kernel::FuncOp kernel, const codegen::CodeTarget &target, llvm::LLVMContext &context,
           codegen::KernelFunction &function, std::string *nest) {
  FailureOr<BufferizedKernel> buffers = bufferize(kernel);
  if (failed(buffers))
    return failure();
  if (buffers->scratchBytes && !getScratchResult(kernel))
    return kernel.emitOpError()
           << "keeps an intermediate whose size is not constant, or large, and has "
              "no scratch result for it (--kernel-reserve-scratch makes one)";
  const bool wide =
      target.cpu == "x86-64-v4" || target.features.find("+avx512f") != std::string::npos;
  const unsigned bytes = wide ? 64 : 32;
  const VectorUnit unit{bytes, target.cpu == "x86-64-v2" ? 16 : bytes,
                        target.features.find("vnni") != std::string::npos};
  ModuleOp module = *buffers->module;
  SmallVector<SharedLoop> shared;
  if (failed(emitStageLoops(module, unit, {}, &shared)))
    return kernel.emitOpError() << "has a stage that cannot become loops";
  outlineSharedLoops(module.lookupSymbol<func::FuncOp>(kernel.getSymName()), shared);
  if (nest) {
    llvm::raw_string_ostream out(*nest);
    module.print(out);
  }
  if (failed(lowerToLLVM(module)))
    return kernel.emitOpError() << "cannot be lowered to LLVM";
  std::unique_ptr<llvm::Module> result = translateModuleToLLVMIR(module, context, "kernel");
  if (!result)
    return kernel.emitOpError() << "cannot be translated to LLVM IR";
  moveAsIntegers(*result);
  llvm::Function *body = result->getFunction(kernel.getSymName());
  body->setName("body");
  function.name = kernel.getSymName().str();
  addBridge(*result, body, kernel, function);
  defineParallelCalls(*result);
  return std::move(result);
}

} // namespace tessera::loops
