//===- EmitModule.cpp - Programs and kernel images become a module --------------------------===//

#include "compiler/module/EmitModule.h"

#include "compiler/module/EmitFunction.h"
#include "dialects/graph/Graph.h"
#include "dialects/graph/WeightStore.h"
#include "dialects/kernel/Sums.h"

#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace tessera;

namespace {
class ModuleEmitter {
public:
  llvm::Error addVariant(const EmittedVariant &variant);
  EmittedModule result;

private:
  llvm::Expected<uint32_t> constantOf(Attribute value, Type element, ArrayRef<int64_t> shape,
                                      StringRef layout = "");
  llvm::Error addVariables(ModuleOp module);
  llvm::Error addKernel(program::LaunchOp launch, const EmittedVariant &variant,
                        module::Variant &out);

  llvm::MapVector<Attribute, uint32_t> constants;
  llvm::StringMap<uint32_t> variables;
};
} // namespace

static llvm::Error fail(const llvm::Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

llvm::Expected<uint32_t> ModuleEmitter::constantOf(Attribute value, Type element,
                                                   ArrayRef<int64_t> shape, StringRef layout) {
  auto [it, isNew] = constants.insert({value, result.description.constants.size()});
  if (!isNew)
    return it->second;
  module::Constant constant;
  constant.name = "c" + std::to_string(it->second);
  constant.type = getRuntimeType(element);
  constant.dims.assign(shape.begin(), shape.end());
  constant.layout = layout.str();
  auto *dialect = value.getContext()->getLoadedDialect<graph::GraphDialect>();
  std::vector<char> storage;
  llvm::Expected<ArrayRef<char>> bytes = dialect->getWeightStore().getBytes(value, storage);
  if (!bytes)
    return bytes.takeError();
  constant.data = bytes->data();
  constant.bytes = bytes->size();
  // The module takes as much memory as its weights; they need not be there twice.
  if (auto weight = llvm::dyn_cast<graph::WeightAttr>(value)) {
    graph::WeightStore *store = &dialect->getWeightStore();
    constant.release = [store, weight, bytes = *bytes] {
      if (weight.isDerived())
        store->release(weight);
      else
        store->doneReading(bytes);
    };
  }
  if (!storage.empty())
    result.storage.push_back(std::move(storage)); // Moving keeps the bytes in their place.
  result.description.constants.push_back(std::move(constant));
  return it->second;
}

llvm::Error ModuleEmitter::addVariables(ModuleOp module) {
  for (auto op : module.getOps<graph::VariableOp>()) {
    if (variables.count(op.getSymName()))
      continue;
    auto type = llvm::cast<graph::TensorType>(op.getType());
    llvm::Expected<uint32_t> initial =
        constantOf(op.getInitial(), type.getElementType(), type.getShape());
    if (!initial)
      return initial.takeError();
    variables[op.getSymName()] = result.description.variables.size();
    module::Variable variable;
    variable.name = op.getSymName().str();
    variable.type = getRuntimeType(type.getElementType());
    variable.dims.assign(type.getShape().begin(), type.getShape().end());
    variable.initial = int32_t(*initial);
    result.description.variables.push_back(std::move(variable));
  }
  return llvm::Error::success();
}

llvm::Error ModuleEmitter::addKernel(program::LaunchOp launch, const EmittedVariant &variant,
                                     module::Variant &out) {
  auto it = variant.kernels.find(launch.getKernel());
  if (it == variant.kernels.end())
    return fail("kernel '" + launch.getKernel() + "' has no code");
  module::Kernel kernel;
  kernel.name = launch.getKernel().str();
  kernel.image = it->second.image;
  kernel.entry = it->second.entry;
  auto addBuffers = [&](ValueRange buffers, module::KernelArgKind kind) {
    for (Value buffer : buffers) {
      auto type = llvm::cast<program::BufferType>(buffer.getType());
      kernel.args.push_back({kind, getRuntimeType(type.getElementType()), uint8_t(type.getRank())});
    }
  };
  addBuffers(launch.getInputs(), module::KernelArgKind::Input);
  for (size_t i = 0; i < launch.getScalars().size(); ++i)
    kernel.args.push_back({module::KernelArgKind::Scalar});
  addBuffers(launch.getOutputs(), module::KernelArgKind::Output);
  Operation *definition = SymbolTable::lookupSymbolIn(variant.module, launch.getKernelAttr());
  if (auto sources =
          definition ? definition->getAttrOfType<ArrayAttr>("kernel.sources") : ArrayAttr())
    for (Attribute source : sources)
      kernel.sources.push_back(llvm::cast<StringAttr>(source).str());
  if (auto func = llvm::dyn_cast_or_null<kernel::FuncOp>(definition))
    for (Type type : kernel::getSumTypes(func))
      kernel.sums.push_back(getRuntimeType(type));
  out.kernels.push_back(std::move(kernel));
  return llvm::Error::success();
}

/// A kernel without code: its operands, by name.
static module::Kernel describeHostCall(program::HostCallOp call) {
  module::Kernel kernel;
  kernel.name = kernel.host = call.getFunction().str();
  kernel.options = call.getOptions().str();
  for (Attribute source : call.getSources())
    kernel.sources.push_back(llvm::cast<StringAttr>(source).str());
  auto add = [&](ValueRange buffers, module::KernelArgKind kind) {
    for (Value buffer : buffers) {
      auto type = llvm::cast<program::BufferType>(buffer.getType());
      kernel.args.push_back({kind, getRuntimeType(type.getElementType()), uint8_t(type.getRank()),
                             module::StrideRule::Dense});
    }
  };
  add(call.getInputs(), module::KernelArgKind::Input);
  add(call.getOutputs(), module::KernelArgKind::Output);
  return kernel;
}

llvm::Error ModuleEmitter::addVariant(const EmittedVariant &variant) {
  if (llvm::Error error = addVariables(variant.module))
    return error;
  module::Variant out;
  out.level = variant.level;
  // "cuda:sm_80" names its family; levels of CPUs do not.
  if (size_t colon = StringRef(variant.level).find(':'); colon != StringRef::npos) {
    out.family = variant.level.substr(0, colon);
    out.features = {variant.level.substr(colon + 1)};
  } else {
    out.features = module::featuresOfLevel(variant.level);
  }
  llvm::StringMap<uint32_t> kernels;
  llvm::Error error = llvm::Error::success();
  ModuleOp source = variant.module;
  for (auto function : source.getOps<program::FuncOp>()) {
    DenseMap<Operation *, uint32_t> numbers;
    WalkResult walk = function.walk([&](Operation *op) {
      if (auto launch = llvm::dyn_cast<program::LaunchOp>(op)) {
        auto [it, isNew] = kernels.try_emplace(launch.getKernel(), out.kernels.size());
        if (isNew)
          error = addKernel(launch, variant, out);
        numbers[op] = it->second;
      } else if (auto call = llvm::dyn_cast<program::HostCallOp>(op)) {
        numbers[op] = out.kernels.size();
        out.kernels.push_back(describeHostCall(call));
      } else if (auto constant = llvm::dyn_cast<program::ConstantOp>(op)) {
        auto type = llvm::cast<program::BufferType>(constant.getType());
        llvm::Expected<uint32_t> number =
            constantOf(constant.getValue(), type.getElementType(), constant.getShape(),
                       constant.getLayout().value_or(""));
        if (!number)
          error = number.takeError();
        else
          numbers[op] = *number;
      }
      return error ? WalkResult::interrupt() : WalkResult::advance();
    });
    if (walk.wasInterrupted())
      return error;
    auto lookup = [&](Operation *op) { return numbers.lookup(op); };
    auto variableOf = [&](program::VariableOp op) { return variables.lookup(op.getVariable()); };
    out.functions.push_back(emitFunction(function, {lookup, lookup, variableOf}));
  }
  result.description.variants.push_back(std::move(out));
  return error;
}

/// What the loader would refuse is said when compiling.
static llvm::Error checkLimits(const module::ModuleDesc &module) {
  std::string wrong;
  auto check = [&](const std::string &who, const char *what, size_t count, uint64_t limit,
                   const char *name) {
    if (wrong.empty() && count > limit)
      wrong = who + " has " + std::to_string(count) + " " + what + ", the limit is " +
              std::to_string(limit) + " (" + name + ")";
  };
  check("the model", "constants", module.constants.size(), rt::kMaxTensors, "kMaxTensors");
  check("the model", "variables", module.variables.size(), rt::kMaxTensors, "kMaxTensors");
  for (const module::Variant &variant : module.variants) {
    check("the model", "kernels", variant.kernels.size(), rt::kMaxKernels, "kMaxKernels");
    for (const module::Kernel &kernel : variant.kernels)
      check("kernel '" + kernel.name + "'", "arguments", kernel.args.size(), rt::kMaxKernelArgs,
            "kMaxKernelArgs");
    for (const module::Function &function : variant.functions) {
      check("the model", "symbols of extents", function.symbols.size(), rt::kMaxSymbols,
            "kMaxSymbols");
      check("the model", "inputs", function.inputs.size(), rt::kMaxTensors, "kMaxTensors");
      check("the model", "outputs", function.outputs.size(), rt::kMaxTensors, "kMaxTensors");
      check("the program", "registers", function.registers, rt::kMaxRegisters, "kMaxRegisters");
      check("the program", "buffers", function.buffers.size(), rt::kMaxBuffers, "kMaxBuffers");
      check("the program", "instructions", function.instructions.size(), rt::kMaxInstructions,
            "kMaxInstructions");
      check("the program", "points at which sizes depend on data", function.planSegments,
            rt::kMaxPlanSegments, "kMaxPlanSegments");
    }
  }
  return wrong.empty() ? llvm::Error::success() : fail(wrong);
}

llvm::Expected<EmittedModule> tessera::emitModule(ArrayRef<EmittedVariant> variants,
                                                  StringRef compilerVersion) {
  ModuleEmitter emitter;
  emitter.result.description.compiler = compilerVersion.str();
  for (const EmittedVariant &variant : variants)
    if (llvm::Error error = emitter.addVariant(variant))
      return std::move(error);
  if (llvm::Error error = checkLimits(emitter.result.description))
    return std::move(error);
  return std::move(emitter.result);
}
