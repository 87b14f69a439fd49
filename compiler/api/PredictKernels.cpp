//===- PredictKernels.cpp - How long the kernels of a model take, estimated ------------------===//
#include "compiler/api/PredictKernels.h"

#include "compiler/api/Suggest.h"
#include "compiler/scheduling/Target.h"
#include "dialects/graph/Graph.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace tessera;

static std::string unquoted(const std::string &name) {
  const bool isQuoted = name.size() > 2 && name.front() == '"' && name.back() == '"';
  return isQuoted ? name.substr(1, name.size() - 2) : name;
}

std::string tessera::findSymbols(ModuleOp module, ArrayRef<InputShape> shapes,
                                 llvm::StringMap<int64_t> &symbols,
                                 std::vector<std::string> &assumed) {
  auto functions = module.getOps<graph::FuncOp>();
  if (functions.empty())
    return "";
  graph::FuncOp main = *functions.begin();
  std::vector<std::string> names;
  for (unsigned i = 0; i < main.getNumArguments(); ++i)
    names.push_back(main.getArgName(i).str());
  for (const InputShape &shape : shapes) {
    auto found = llvm::find(names, shape.input);
    if (found == names.end())
      return suggest("the model has no input '" + shape.input + "'", shape.input, names);
    auto type = llvm::cast<graph::TensorType>(main.getArgument(found - names.begin()).getType());
    if (type.getDims().size() != shape.extents.size())
      return "input '" + shape.input + "' has " + std::to_string(type.getDims().size()) +
             " dimensions, not " + std::to_string(shape.extents.size());
    for (auto [dim, extent] : llvm::zip_equal(type.getDims(), shape.extents)) {
      if (dim.isConstant() && dim.getConstant() != extent)
        return "input '" + shape.input + "': an extent is " + std::to_string(*dim.getConstant()) +
               ", not " + std::to_string(extent);
      if (!dim.isSymbol())
        continue;
      auto [entry, isNew] = symbols.try_emplace(unquoted(dim.str()), extent);
      if (!isNew && entry->second != extent)
        return "input '" + shape.input + "': " + entry->first().str() + " is " +
               std::to_string(entry->second) + " in another input, not " + std::to_string(extent);
    }
  }
  // As tools generate inputs that nobody gives.
  for (BlockArgument argument : main.getArguments())
    if (auto type = llvm::dyn_cast<graph::TensorType>(argument.getType()))
      for (graph::DimAttr dim : type.getDims())
        if (dim.isSymbol() && symbols.try_emplace(unquoted(dim.str()), 1).second)
          assumed.push_back(unquoted(dim.str()));
  return "";
}

static int64_t evaluate(graph::DimAttr dim, const llvm::StringMap<int64_t> &symbols) {
  auto value = graph::evaluateDim(dim, [&](StringRef name) -> std::optional<int64_t> {
    auto found = symbols.find(name);
    return found == symbols.end() ? std::nullopt : std::optional(found->second);
  });
  return value.value_or(ShapedType::kDynamic);
}

static scheduling::KernelSizes sizesOf(kernel::LaunchOp launch,
                                       const llvm::StringMap<int64_t> &symbols) {
  scheduling::KernelSizes sizes;
  for (Value operand : launch.getOperands()) {
    SmallVector<int64_t> &shape = sizes.tensors.emplace_back();
    if (auto type = llvm::dyn_cast<graph::TensorType>(operand.getType()))
      for (graph::DimAttr dim : type.getDims())
        shape.push_back(evaluate(dim, symbols));
  }
  for (Attribute value : launch.getDims()) {
    if (auto number = llvm::dyn_cast<IntegerAttr>(value))
      sizes.values.push_back(number.getInt());
    else if (auto dim = llvm::dyn_cast<graph::DimAttr>(value))
      sizes.values.push_back(evaluate(dim, symbols));
    else
      sizes.values.push_back(ShapedType::kDynamic);
  }
  return sizes;
}

static void collectNodes(Location loc, llvm::SetVector<StringRef> &names,
                         llvm::SmallVectorImpl<unsigned> &lines) {
  if (auto name = llvm::dyn_cast<NameLoc>(loc))
    names.insert(name.getName().getValue());
  else if (auto fused = llvm::dyn_cast<FusedLoc>(loc))
    for (Location part : fused.getLocations())
      collectNodes(part, names, lines);
  else if (auto file = llvm::dyn_cast<FileLineColLoc>(loc))
    if (!llvm::is_contained(lines, file.getLine()))
      lines.push_back(file.getLine());
}

std::vector<PredictedKernel> tessera::predictKernels(ModuleOp module, StringRef level,
                                                     const llvm::StringMap<int64_t> &symbols,
                                                     scheduling::Machine machine) {
  const scheduling::Target target = scheduling::Target::ofLevel(level);
  machine = machine.forCode(target.vectorBits, target.dotProducts, target.bf16Products);
  SymbolTable table(module);
  llvm::StringMap<schedule::FuncOp> schedules;
  for (auto schedule : module.getOps<schedule::FuncOp>())
    schedules[schedule.getKernel()] = schedule;
  llvm::MapVector<StringRef, PredictedKernel> kernels;
  llvm::StringMap<double> longest;
  module.walk([&](kernel::LaunchOp launch) {
    auto kernel = table.lookup<kernel::FuncOp>(launch.getKernel());
    schedule::FuncOp schedule = kernel ? schedules.lookup(kernel.getSymName()) : nullptr;
    if (!schedule)
      return;
    PredictedKernel &entry = kernels[kernel.getSymName()];
    entry.name = kernel.getSymName().str();
    llvm::SetVector<StringRef> names;
    SmallVector<unsigned> lines;
    collectNodes(launch.getLoc(), names, lines);
    for (StringRef name : names)
      if (!llvm::is_contained(entry.nodes, name))
        entry.nodes.push_back(name.str());
    for (unsigned line : lines)
      if (std::string text = "line " + std::to_string(line); !llvm::is_contained(entry.nodes, text))
        entry.nodes.push_back(text);
    if (!entry.whyNot.empty())
      return;
    std::string why;
    std::optional<scheduling::Prediction> one =
        scheduling::predict(kernel, schedule, sizesOf(launch, symbols), machine, why);
    if (!one) {
      entry.whyNot = why;
      return;
    }
    // The mean over launches.
    scheduling::Prediction &mean = entry.mean;
    const double count = double(++entry.launches);
    mean.seconds += (one->seconds - mean.seconds) / count;
    mean.roofSeconds += (one->roofSeconds - mean.roofSeconds) / count;
    mean.operations += (one->operations - mean.operations) / count;
    mean.bytes += (one->bytes - mean.bytes) / count;
    if (double &most = longest[entry.name]; one->seconds > most) {
      most = one->seconds;
      mean.bound = one->bound;
      mean.reason = one->reason;
    }
  });
  std::vector<PredictedKernel> list;
  for (auto &[name, kernel] : kernels)
    list.push_back(std::move(kernel));
  return list;
}

static std::string inMicroseconds(double seconds) {
  std::string text;
  llvm::raw_string_ostream(text) << llvm::format("%.3g us", seconds * 1e6);
  return text;
}

std::string tessera::findSlowKernels(ArrayRef<PredictedKernel> kernels, double least) {
  std::string lines;
  size_t slow = 0;
  for (const PredictedKernel &kernel : kernels) {
    if (!kernel.whyNot.empty() || kernel.mean.share() >= least)
      continue;
    ++slow;
    const scheduling::Prediction &mean = kernel.mean;
    llvm::raw_string_ostream out(lines);
    out << "\n  " << kernel.name << " (" << llvm::join(ArrayRef(kernel.nodes).take_front(4), ", ")
        << (kernel.nodes.size() > 4 ? ", ..." : "")
        << llvm::format("): %.0f %% of its roofline, ", mean.share() * 100)
        << inMicroseconds(mean.seconds) << " where " << mean.bound << " allows "
        << inMicroseconds(mean.roofSeconds);
    if (!mean.reason.empty())
      out << ": " << mean.reason;
  }
  if (!slow)
    return "";
  std::string text;
  llvm::raw_string_ostream(text) << "--require-roofline " << llvm::format("%g", least) << ": "
                                 << slow << " of " << kernels.size()
                                 << " kernels are predicted below it:" << lines;
  return text;
}
