//===- Finish.cpp - From LLVM IR to the object file of a kernel -----------------------===//
#include "compiler/codegen/llvm/Finish.h"

#include "compiler/codegen/llvm/ClampedLoads.h"
#include "compiler/codegen/llvm/DefineMatrixTiles.h"
#include "compiler/codegen/llvm/ExtendBytes.h"
#include "compiler/codegen/llvm/FenceSelects.h"
#include "compiler/codegen/llvm/LookupTables.h"
#include "compiler/codegen/llvm/PrefetchRows.h"
#include "compiler/codegen/llvm/ScaleFloats.h"
#include "compiler/codegen/llvm/StackSlots.h"
#include "compiler/codegen/llvm/StreamStores.h"
#include "compiler/codegen/llvm/TransposeTiles.h"
#include "runtime/base/KernelAbi.h"

#include "llvm/Analysis/AssumptionCache.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/Analysis/OptimizationRemarkEmitter.h"
#include "llvm/Analysis/ScalarEvolution.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/Analysis/TargetTransformInfo.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/IntrinsicsX86.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Operator.h"
#include "llvm/IR/Verifier.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/Utils/Cloning.h"
#include "llvm/Transforms/Utils/LoopSimplify.h"
#include "llvm/Transforms/Utils/LoopUtils.h"
#include "llvm/Transforms/Utils/LowerMemIntrinsics.h"
#include "llvm/Transforms/Utils/UnrollLoop.h"

using namespace llvm;

namespace tessera::codegen {

Expected<std::unique_ptr<Module>> readBitcode(StringRef bitcode, LLVMContext &context) {
  return parseBitcodeFile(MemoryBufferRef(bitcode, "kernel"), context);
}

Expected<std::unique_ptr<TargetMachine>> codegen::makeMachine(const CodeTarget &target) {
  static const bool initialised = [] {
    InitializeNativeTarget();
    InitializeNativeTargetAsmPrinter();
    InitializeNativeTargetAsmParser(); // Stand-alone objects hold kernels as assembler text.
    return true;
  }();
  (void)initialised;
  Triple triple("x86_64-unknown-linux-gnu");
  std::string problem;
  const Target *backend = TargetRegistry::lookupTarget(triple, problem);
  if (!backend)
    return createStringError(problem);
  TargetOptions options;
  options.AllowFPOpFusion = FPOpFusion::Standard; // as the contract flags say
  options.NoTrappingFPMath = true;
  std::unique_ptr<TargetMachine> machine(
      backend->createTargetMachine(triple, target.cpu, target.features, options, Reloc::PIC_,
                                   CodeModel::Small, CodeGenOptLevel::Aggressive));
  if (!machine)
    return createStringError("LLVM makes no code for " + target.cpu);
  return std::move(machine);
}

/// Defines what kernels ask of the runtime by going through the table they are handed
/// (runtime/base/KernelAbi.h).
static void bindRuntime(Module &module) {
  Function *parallel = module.getFunction("halide_do_par_for");
  if (!parallel)
    return;
  constexpr uint64_t kParallelForOffset = 8;
  parallel->deleteBody();
  IRBuilder<> builder(BasicBlock::Create(module.getContext(), "", parallel));
  Type *pointer = builder.getPtrTy();
  Value *slot = builder.CreateConstInBoundsGEP1_64(builder.getInt8Ty(), parallel->getArg(0),
                                                   kParallelForOffset);
  Value *callee = builder.CreateLoad(pointer, slot);
  SmallVector<Value *> arguments;
  for (Argument &argument : parallel->args())
    arguments.push_back(&argument);
  CallInst *call = builder.CreateCall(parallel->getFunctionType(), callee, arguments);
  call->setTailCall();
  builder.CreateRet(call);
  parallel->setLinkage(GlobalValue::InternalLinkage);
}

/// A descriptor of the part, for which `whole` describes the buffer (KernelBuffer); `isEmpty` says
/// whether there is nothing in it.
static Value *describePart(IRBuilder<> &b, const PartOfBuffer &part, Value *whole,
                           Value *&isEmpty) {
  const unsigned rank = part.begin.size();
  Type *word = b.getInt32Ty(), *wide = b.getInt64Ty(), *pointer = b.getPtrTy();
  auto at = [&](Value *base, uint64_t offset) {
    return b.CreateConstInBoundsGEP1_64(b.getInt8Ty(), base, offset);
  };
  auto slot = [&](uint64_t bytes) {
    AllocaInst *memory = b.CreateAlloca(b.getInt8Ty(), b.getInt64(bytes));
    memory->setAlignment(Align(8));
    return memory;
  };
  Value *copy = slot(sizeof(rt::KernelBuffer)), *dims = slot(rank * sizeof(rt::KernelDim));
  for (uint64_t offset = 0; offset < sizeof(rt::KernelBuffer); offset += 8)
    b.CreateStore(b.CreateLoad(wide, at(whole, offset)), at(copy, offset));
  Value *from = b.CreateLoad(pointer, at(whole, offsetof(rt::KernelBuffer, dim)));
  b.CreateStore(dims, at(copy, offsetof(rt::KernelBuffer, dim)));
  Value *skipped = b.getInt64(0);
  isEmpty = b.getFalse();
  for (unsigned d = 0; d < rank; ++d) {
    const uint64_t place = (rank - 1 - d) * sizeof(rt::KernelDim);
    auto field = [&](Value *base, uint64_t offset) { return at(base, place + offset); };
    Value *extent = b.CreateLoad(word, field(from, offsetof(rt::KernelDim, extent)));
    Value *stride = b.CreateLoad(word, field(from, offsetof(rt::KernelDim, stride)));
    Value *begin = b.getInt32(part.begin[d]), *end = b.getInt32(part.end[d]);
    if (part.begin[d] < 0)
      begin = b.CreateAdd(extent, begin);
    if (part.end[d] <= 0)
      end = b.CreateAdd(extent, end);
    Value *length = b.CreateSub(end, begin);
    isEmpty = b.CreateOr(isEmpty, b.CreateICmpSLE(length, b.getInt32(0)));
    b.CreateStore(b.getInt32(0), field(dims, offsetof(rt::KernelDim, min)));
    b.CreateStore(length, field(dims, offsetof(rt::KernelDim, extent)));
    b.CreateStore(stride, field(dims, offsetof(rt::KernelDim, stride)));
    b.CreateStore(b.getInt32(0), field(dims, offsetof(rt::KernelDim, flags)));
    skipped =
        b.CreateAdd(skipped, b.CreateMul(b.CreateSExt(begin, wide), b.CreateSExt(stride, wide)));
  }
  Value *host = b.CreateLoad(pointer, at(whole, offsetof(rt::KernelBuffer, host)));
  skipped = b.CreateMul(skipped, b.getInt64(part.elementBytes));
  b.CreateStore(b.CreateGEP(b.getInt8Ty(), host, skipped),
                at(copy, offsetof(rt::KernelBuffer, host)));
  return copy;
}

/// Makes `int32_t tessera_kernel(const KernelContext *, void *const *args)`.
static Error addEntry(Module &module, const KernelFunction &kernel) {
  Function *function = module.getFunction(kernel.name);
  if (!function || function->isDeclaration())
    return createStringError("the generator made no function '" + kernel.name + "'");
  if (function->arg_size() != kernel.isExtent.size() + 1)
    return createStringError("the generator made a function with " + Twine(function->arg_size()) +
                             " parameters; expected " + Twine(kernel.isExtent.size() + 1));
  IRBuilder<> builder(module.getContext());
  Type *pointer = builder.getPtrTy();
  function->getArg(0)->setName(kContextName);
  Function *entry =
      Function::Create(FunctionType::get(builder.getInt32Ty(), {pointer, pointer}, false),
                       GlobalValue::ExternalLinkage, kEntryName, module);
  entry->getArg(0)->setName(kContextName);
  builder.SetInsertPoint(BasicBlock::Create(module.getContext(), "", entry));
  SmallVector<Value *> arguments{entry->getArg(0)};
  for (auto [i, isExtent] : enumerate(kernel.isExtent)) {
    Value *argument = builder.CreateLoad(
        pointer, builder.CreateConstInBoundsGEP1_64(pointer, entry->getArg(1), i));
    if (isExtent) {
      argument = builder.CreateLoad(builder.getInt64Ty(), argument);
      argument = builder.CreateTrunc(argument, function->getArg(i + 1)->getType());
    }
    arguments.push_back(argument);
  }
  Value *isEmpty = nullptr;
  for (const PartOfBuffer &part : kernel.parts) {
    Value *&argument = arguments[part.argument + 1];
    argument = describePart(builder, part, argument, isEmpty);
  }
  // A launch whose outputs are empty is skipped; so is one of which the part is.
  if (kernel.parts.size() == 1) {
    BasicBlock *nothing = BasicBlock::Create(module.getContext(), "nothing", entry);
    BasicBlock *compute = BasicBlock::Create(module.getContext(), "compute", entry);
    builder.CreateCondBr(isEmpty, nothing, compute);
    builder.SetInsertPoint(nothing);
    builder.CreateRet(builder.getInt32(0));
    builder.SetInsertPoint(compute);
  }
  builder.CreateRet(builder.CreateCall(function, arguments));
  return Error::success();
}

/// Nothing but the entry stays visible, and what only described the kernel to Halide's own callers
/// goes.
static void hideEverythingElse(Module &module, const KernelFunction &kernel) {
  for (StringRef suffix : {"_argv", "_metadata"})
    if (Function *function = module.getFunction((kernel.name + suffix).str()))
      function->eraseFromParent();
  for (GlobalValue &global : module.global_values())
    if (!global.isDeclaration() && global.getName() != kEntryName) {
      global.setLinkage(GlobalValue::InternalLinkage);
      global.setVisibility(GlobalValue::DefaultVisibility);
      if (auto *object = dyn_cast<GlobalObject>(&global))
        object->setComdat(nullptr);
    }
}

/// Halide asks for lines that are used once (prefetchnta). Processors whose last cache does not
/// hold what the inner ones do drop such lines: filters that all rows share, and weights that each
/// run reads, would come from memory again (Granite Rapids, 3x3 of 256 channels on 14 places: 4.1
/// ms, so 1.2).
static void keepPrefetchedLines(Module &module) {
  constexpr uint64_t kInAllCaches = 3;
  for (Function &function : module)
    for (BasicBlock &block : function)
      for (Instruction &instruction : block)
        if (auto *call = dyn_cast<IntrinsicInst>(&instruction);
            call && call->getIntrinsicID() == Intrinsic::prefetch)
          call->setArgOperand(2, ConstantInt::get(call->getArgOperand(2)->getType(), kInAllCaches));
}

/// Halide rounds single numbers by calls to the C library; every target here has an instruction for
/// it. Vectors it rounds by an instruction of AVX, so that longer ones are cut in halves.
static void useRoundingIntrinsics(Module &module) {
  for (Function &function : module)
    for (BasicBlock &block : function)
      for (Instruction &instruction : make_early_inc_range(block)) {
        auto *call = dyn_cast<IntrinsicInst>(&instruction);
        if (!call || (call->getIntrinsicID() != Intrinsic::x86_avx_round_ps_256 &&
                      call->getIntrinsicID() != Intrinsic::x86_avx_round_pd_256))
          continue;
        constexpr Intrinsic::ID modes[] = {Intrinsic::roundeven, Intrinsic::floor, Intrinsic::ceil,
                                           Intrinsic::trunc};
        const uint64_t mode = cast<ConstantInt>(call->getArgOperand(1))->getZExtValue();
        if (mode & 4) // as the processor is set
          continue;
        IRBuilder<> builder(call);
        call->replaceAllUsesWith(
            builder.CreateUnaryIntrinsic(modes[mode & 3], call->getArgOperand(0)));
        call->eraseFromParent();
      }
  constexpr std::pair<StringLiteral, Intrinsic::ID> functions[] = {
      {"ceil", Intrinsic::ceil},           {"floor", Intrinsic::floor},
      {"trunc", Intrinsic::trunc},         {"rint", Intrinsic::roundeven},
      {"nearbyint", Intrinsic::roundeven}, {"roundeven", Intrinsic::roundeven}};
  for (Function &function : make_early_inc_range(module)) {
    StringRef name = function.getName();
    if (!function.isDeclaration() || function.isIntrinsic() || function.arg_size() != 1)
      continue;
    Type *type = function.getArg(0)->getType();
    if (type->isFloatTy() && !name.consume_back("f"))
      continue;
    for (auto [known, intrinsic] : functions)
      if (name == known && (type->isFloatTy() || type->isDoubleTy())) {
        function.replaceAllUsesWith(Intrinsic::getOrInsertDeclaration(&module, intrinsic, {type}));
        function.eraseFromParent();
        break;
      }
  }
}

static void applyFloatRules(Function &function) {
  for (BasicBlock &block : function)
    for (Instruction &instruction : block) {
      unsigned opcode = instruction.getOpcode();
      if (opcode == Instruction::FAdd || opcode == Instruction::FSub ||
          opcode == Instruction::FMul || opcode == Instruction::FNeg)
        instruction.setHasAllowContract(true);
    }
}

static void retarget(Function &function, const CodeTarget &target) {
  for (StringRef attribute : {"target-cpu", "target-features", "tune-cpu", "reciprocal-estimates",
                              "no-trapping-math", "frame-pointer"})
    function.removeFnAttr(attribute);
  function.removeFnAttr(Attribute::StrictFP);
  function.removeFnAttr(Attribute::UWTable);
  function.addFnAttr(Attribute::NoUnwind);
  function.addFnAttr("target-cpu", target.cpu);
  if (!target.features.empty())
    function.addFnAttr("target-features", target.features);
  if (!function.isDeclaration())
    function.addFnAttr("no-builtins");
}

/// Fills memory by vectors, and the rest by bytes.
static void expandFill(MemSetInst &fill) {
  constexpr unsigned kBytes = 64;
  Function &function = *fill.getFunction();
  LLVMContext &context = function.getContext();
  BasicBlock *before = fill.getParent();
  BasicBlock *after = before->splitBasicBlock(&fill, "filled");
  BasicBlock *wide = BasicBlock::Create(context, "fill", &function, after);
  BasicBlock *rest = BasicBlock::Create(context, "fill.rest", &function, after);
  BasicBlock *narrow = BasicBlock::Create(context, "fill.byte", &function, after);
  before->getTerminator()->eraseFromParent();

  IRBuilder<> builder(before);
  Value *length = fill.getLength(), *place = fill.getDest();
  Type *index = length->getType();
  Value *zero = ConstantInt::get(index, 0);
  Value *wideEnd = builder.CreateAnd(length, ConstantInt::getSigned(index, -int64_t(kBytes)));
  Value *vector = builder.CreateVectorSplat(kBytes, fill.getValue());
  Align alignment = fill.getDestAlign().valueOrOne();
  builder.CreateCondBr(builder.CreateICmpEQ(wideEnd, zero), rest, wide);
  auto loop = [&](BasicBlock *block, Value *first, Value *end, BasicBlock *from, BasicBlock *next,
                  Value *value, Align align, uint64_t step) {
    builder.SetInsertPoint(block);
    PHINode *at = builder.CreatePHI(index, 2);
    builder.CreateAlignedStore(value, builder.CreateInBoundsGEP(builder.getInt8Ty(), place, at),
                               align, fill.isVolatile());
    Value *following = builder.CreateNUWAdd(at, ConstantInt::get(index, step));
    at->addIncoming(first, from);
    at->addIncoming(following, block);
    builder.CreateCondBr(builder.CreateICmpEQ(following, end), next, block);
  };
  loop(wide, zero, wideEnd, before, rest, vector, std::min(alignment, Align(kBytes)), kBytes);
  builder.SetInsertPoint(rest);
  builder.CreateCondBr(builder.CreateICmpEQ(wideEnd, length), after, narrow);
  loop(narrow, wideEnd, length, rest, after, fill.getValue(), Align(1), 1);
}

/// There is no memset or memcpy to call: what would not be expanded in place becomes a loop.
static void expandMemoryIntrinsics(Module &module, TargetMachine &machine) {
  SmallVector<MemIntrinsic *> found;
  for (Function &function : module)
    for (BasicBlock &block : function)
      for (Instruction &instruction : block)
        if (auto *memory = dyn_cast<MemIntrinsic>(&instruction))
          found.push_back(memory);
  for (MemIntrinsic *memory : found) {
    TargetTransformInfo info = machine.getTargetTransformInfo(*memory->getFunction());
    if (auto *set = dyn_cast<MemSetInst>(memory)) {
      expandFill(*set);
    } else if (auto *copy = dyn_cast<MemCpyInst>(memory)) {
      expandMemCpyAsLoop(copy, info);
    } else if (!expandMemMoveAsLoop(cast<MemMoveInst>(memory), info)) {
      continue; // The linker names what is left.
    }
    memory->eraseFromParent();
  }
}

/// Inner loops of vector arithmetic advance by several steps at a time: schedules unroll what fills
/// registers, and this cuts what the loop itself costs. The order of operations stays. It comes
/// after all other passes, which would share what neighbouring steps read, and run out of
/// registers.
static void unrollInnerLoops(Function &function, FunctionAnalysisManager &analyses) {
  constexpr unsigned kMostInstructions = 160; // of the unrolled body: about 1000 bytes of code
  constexpr unsigned kFewSteps = 16;
  auto &loops = analyses.getResult<LoopAnalysis>(function);
  auto &evolution = analyses.getResult<ScalarEvolutionAnalysis>(function);
  auto &dominators = analyses.getResult<DominatorTreeAnalysis>(function);
  auto &assumptions = analyses.getResult<AssumptionAnalysis>(function);
  auto &info = analyses.getResult<TargetIRAnalysis>(function);
  auto &remarks = analyses.getResult<OptimizationRemarkEmitterAnalysis>(function);
  for (Loop *loop : loops.getLoopsInPreorder()) {
    if (!loop->isInnermost() || loop->getNumBlocks() != 1)
      continue;
    unsigned size = 0, sums = 0;
    bool calls = false;
    for (Instruction &instruction : *loop->getHeader()) {
      // Products go into sums, the others into addresses.
      size += !isa<GetElementPtrInst, InsertElementInst, ShuffleVectorInst>(instruction) &&
              instruction.getOpcode() != Instruction::FMul;
      sums += instruction.getType()->isVectorTy() && instruction.getOpcode() == Instruction::FAdd;
      calls |= isa<CallInst>(instruction) && !isa<IntrinsicInst>(instruction);
    }
    unsigned known = evolution.getSmallConstantTripCount(loop);
    unsigned steps = size * 4 <= kMostInstructions ? 4 : size * 2 <= kMostInstructions ? 2 : 1;
    if (!sums || calls || steps == 1 || (known && known < kFewSteps))
      continue;
    simplifyLoop(loop, &dominators, &loops, &evolution, &assumptions, nullptr, false);
    formLCSSARecursively(*loop, dominators, &loops, &evolution);
    UnrollLoopOptions options{};
    options.Count = steps;
    options.Runtime = true;
    options.AllowExpensiveTripCount = true;
    UnrollLoop(loop, options, &loops, &evolution, &dominators, &assumptions, &info, &remarks, true);
  }
  analyses.invalidate(function, PreservedAnalyses::none());
}

static void optimise(Module &module, TargetMachine &machine, const KernelFunction &kernel) {
  for (Function &function : module) {
    maskClampedLoads(function, machine);
    scaleFloats(function, machine);
  }
  bool vectorizeLoops = kernel.vectorizeLoops;
  PipelineTuningOptions tuning;
  // A schedule has decided about vectors and unrolling; what it left scalar is to stay small.
  tuning.LoopVectorization = vectorizeLoops;
  tuning.LoopInterleaving = vectorizeLoops;
  tuning.LoopUnrolling = vectorizeLoops;
  // It would also gather the addresses of a tile's rows in vectors, and take them apart again.
  tuning.SLPVectorization = vectorizeLoops;
  PassBuilder builder(&machine, tuning);
  LoopAnalysisManager loops;
  FunctionAnalysisManager functions;
  CGSCCAnalysisManager graphs;
  ModuleAnalysisManager modules;
  functions.registerPass([&] {
    TargetLibraryInfoImpl library(machine.getTargetTriple());
    library.disableAllFunctions();
    return TargetLibraryAnalysis(library);
  });
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(graphs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, graphs, modules);
  builder.buildPerModuleDefaultPipeline(OptimizationLevel::O3).run(module, modules);
  lowerTables(module, kernel.tables, machine);
  for (Function &function : module)
    if (!function.isDeclaration() && extendBytesEarly(function))
      functions.invalidate(function, PreservedAnalyses::none());
  for (Function &function : module)
    if (!vectorizeLoops && !function.isDeclaration()) {
      transposeTiles(function, functions);
      prefetchRows(function, functions);
      streamStores(function, functions);
      unrollInnerLoops(function, functions);
    }
  for (Function &function : module)
    fenceSelects(function, machine);
}

static Expected<SmallVector<char, 0>> emit(Module &module, TargetMachine &machine,
                                           CodeGenFileType type) {
  SmallVector<char, 0> bytes;
  raw_svector_ostream out(bytes);
  legacy::PassManager passes;
  TargetLibraryInfoImpl library(machine.getTargetTriple());
  library.disableAllFunctions();
  passes.add(new TargetLibraryInfoWrapperPass(library));
  if (machine.addPassesToEmitFile(passes, out, nullptr, type))
    return createStringError("LLVM cannot emit this file type");
  passes.run(module);
  return std::move(bytes);
}

/// Without an instruction for it, a product and a sum in one step would be a call. Two steps are
/// what a processor without it does everywhere else.
static void splitFusedProducts(Module &module, const TargetMachine &machine) {
  if (machine.getMCSubtargetInfo()->checkFeatures("+fma"))
    return;
  for (Function &function : module)
    for (BasicBlock &block : function)
      for (Instruction &op : make_early_inc_range(block)) {
        auto *fused = dyn_cast<IntrinsicInst>(&op);
        if (!fused || fused->getIntrinsicID() != Intrinsic::fma)
          continue;
        IRBuilder<> b(fused);
        Value *product = b.CreateFMul(fused->getArgOperand(0), fused->getArgOperand(1));
        fused->replaceAllUsesWith(b.CreateFAdd(product, fused->getArgOperand(2)));
        fused->eraseFromParent();
      }
}

Expected<SmallVector<char, 0>> finishKernel(Module &module, const KernelFunction &kernel,
                                            const CodeTarget &target, CodeListing &listing) {
  Expected<std::unique_ptr<TargetMachine>> machine = makeMachine(target);
  if (!machine)
    return machine.takeError();
  module.setTargetTriple((*machine)->getTargetTriple());
  module.setDataLayout((*machine)->createDataLayout());
  module.setModuleIdentifier("kernel");
  module.setSourceFileName("kernel");

  bindRuntime(module);
  defineMatrixTiles(module, kernel.matrixTiles);
  moveAllocationsToStack(module);
  keepPrefetchedLines(module);
  useRoundingIntrinsics(module);
  splitFusedProducts(module, **machine);
  formTableVectors(module);
  if (Error error = addEntry(module, kernel))
    return error;
  hideEverythingElse(module, kernel);
  for (Function &function : module) {
    applyFloatRules(function);
    retarget(function, target);
  }
  std::string broken;
  raw_string_ostream report(broken);
  if (verifyModule(module, &report))
    return createStringError("the generator made invalid LLVM IR: " + broken);

  optimise(module, **machine, kernel);
  expandMemoryIntrinsics(module, **machine);
  if (listing.kind == ListingKind::LLVM) {
    raw_string_ostream out(listing.text);
    module.print(out, nullptr);
  }
  if (listing.kind == ListingKind::Assembly) {
    std::unique_ptr<Module> copy = CloneModule(module);
    Expected<SmallVector<char, 0>> text = emit(*copy, **machine, CodeGenFileType::AssemblyFile);
    if (!text)
      return text.takeError();
    listing.text.assign(text->data(), text->size());
  }
  return emit(module, **machine, CodeGenFileType::ObjectFile);
}

} // namespace tessera::codegen
