//===- FormKernels.cpp - Groups of ops become kernels and launches ---------------------------===//

#include "compiler/conversion/graph_to_kernel/GraphToKernel.h"
#include "compiler/conversion/graph_to_kernel/Groups.h"
#include "compiler/conversion/graph_to_kernel/LaunchCost.h"
#include "compiler/conversion/graph_to_kernel/Lower.h"

#include "dialects/graph/WeightStore.h"

#include "mlir/Analysis/TopologicalSortUtils.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/MathExtras.h"

namespace tessera {
#define GEN_PASS_DEF_GRAPHFORMKERNELS
#include "compiler/conversion/graph_to_kernel/Passes.h.inc"
} // namespace tessera

using namespace mlir;
using namespace tessera;
using graph::DimAttr;

void tessera::registerGraphToKernel(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, graph::GraphDialect *) {
    lower::attachElementwise(*context);
    lower::attachMovement(*context);
    lower::attachReductions(*context);
    lower::attachContractions(*context);
    lower::attachWindows(*context);
    lower::attachSampling(*context);
    lower::attachQuantization(*context);
    lower::attachStreams(*context);
    lower::attachSequential(*context);
    lower::attachRandom(*context);
  });
}

//===----------------------------------------------------------------------===//
// One group
//===----------------------------------------------------------------------===//

/// The nodes of the model that ops come from; of a text, whose ops have no names, the lines.
/// (Without the file's name: a module does not depend on the folder of its model.)
static void collectNames(Location loc, llvm::SetVector<Attribute> &names) {
  if (auto name = llvm::dyn_cast<NameLoc>(loc))
    names.insert(name.getName());
  else if (auto fused = llvm::dyn_cast<FusedLoc>(loc))
    for (Location part : fused.getLocations())
      collectNames(part, names);
  else if (auto place = llvm::dyn_cast<FileLineColLoc>(loc))
    names.insert(StringAttr::get(loc.getContext(), "line " + llvm::Twine(place.getLine())));
}

namespace {
class Outliner {
public:
  Outliner(ArrayRef<Operation *> group, OpBuilder &moduleBuilder, StringRef name)
      : group(group), members(group.begin(), group.end()), builder(moduleBuilder), name(name) {}

  LogicalResult run();

private:
  void collectInputs(Operation *op);
  void collectOutputs();
  LogicalResult checkSizes();
  LogicalResult lower(Operation *op, KernelEmitter &emitter);
  void replace(kernel::FuncOp kernel, ArrayRef<graph::DimAttr> dims);

  ArrayRef<Operation *> group;
  llvm::DenseSet<Operation *> members;
  OpBuilder &builder;
  StringRef name;
  llvm::SetVector<Value> inputs, outputs;
};
} // namespace

void Outliner::collectInputs(Operation *op) {
  for (Value operand : getInputs(op)) {
    Operation *producer = operand.getDefiningOp();
    if (producer && members.contains(producer))
      continue;
    if (producer && isRecomputed(producer))
      collectInputs(producer);
    else if (!llvm::isa<graph::ShapeOfOp>(op))
      inputs.insert(operand);
  }
}

void Outliner::collectOutputs() {
  for (Operation *op : group)
    for (Value result : op->getResults())
      if (llvm::any_of(result.getUsers(), [&](Operation *user) { return !members.contains(user); }))
        outputs.insert(result);
}

LogicalResult Outliner::lower(Operation *op, KernelEmitter &emitter) {
  for (Value operand : getInputs(op)) {
    if (emitter.lookup(operand) || llvm::isa<graph::ShapeOfOp>(op))
      continue;
    if (failed(lower(operand.getDefiningOp(), emitter)))
      return failure();
  }
  return emitter.lower(op);
}

void Outliner::replace(kernel::FuncOp kernel, ArrayRef<graph::DimAttr> dims) {
  OpBuilder here(group.back()->getContext());
  here.setInsertionPointAfter(group.back());
  SmallVector<Location> locations;
  for (Operation *op : group)
    locations.push_back(op->getLoc());
  SmallVector<Attribute> extents(dims.begin(), dims.end());
  auto launch = kernel::LaunchOp::create(here, here.getFusedLoc(locations),
                                         ValueRange(outputs.getArrayRef()).getTypes(),
                                         FlatSymbolRefAttr::get(kernel.getSymNameAttr()),
                                         inputs.getArrayRef(), here.getArrayAttr(extents));
  annotateCost(launch, kernel);
  for (auto [produced, result] : llvm::zip(outputs, launch.getResults())) {
    Value output = produced;
    output.replaceUsesWithIf(result,
                             [&](OpOperand &use) { return !members.contains(use.getOwner()); });
  }
  for (Operation *op : llvm::reverse(group))
    op->erase();
}

/// Kernels count elements in 32 bits. What is computed inside of a kernel only may be larger.
LogicalResult Outliner::checkSizes() {
  for (Value tensor : llvm::concat<const Value>(inputs.getArrayRef(), outputs.getArrayRef())) {
    graph::TensorType type = graph::getTensorType(tensor);
    int64_t elements = 1;
    bool isEmpty = llvm::any_of(type.getDims(), [](DimAttr dim) { return dim.getConstant() == 0; });
    for (DimAttr dim : type.getDims())
      if (!isEmpty && dim.isConstant() && elements <= INT32_MAX &&
          (llvm::MulOverflow(elements, dim.getValue(), elements) || elements > INT32_MAX))
        return emitError(tensor.getLoc())
               << "a tensor of type " << type << " has more than " << INT32_MAX
               << " elements, the limit for one tensor in memory";
  }
  return success();
}

LogicalResult Outliner::run() {
  for (Operation *op : group)
    collectInputs(op);
  collectOutputs();
  if (outputs.empty()) { // Dead.
    for (Operation *op : llvm::reverse(group))
      op->erase();
    return success();
  }
  if (failed(checkSizes()))
    return failure();
  SmallVector<Type> inputTypes, outputTypes;
  for (Value input : inputs)
    inputTypes.push_back(getKernelType(graph::getTensorType(input)));
  for (Value output : outputs)
    outputTypes.push_back(getKernelType(graph::getTensorType(output)));
  auto kernel = kernel::FuncOp::create(builder, group.back()->getLoc(), name,
                                       builder.getFunctionType(inputTypes, outputTypes));
  Block &entry = kernel.getBody().front();
  OpBuilder inner = OpBuilder::atBlockBegin(&entry);
  KernelEmitter emitter(inner, kernel);
  for (auto [input, argument] : llvm::zip(inputs, entry.getArguments()))
    emitter.bind(input, argument);
  for (Operation *op : group)
    if (!emitter.lookup(op->getResult(0)) && failed(lower(op, emitter)))
      return failure();
  SmallVector<Value> results;
  for (Value output : outputs)
    results.push_back(emitter.lookup(output));
  if (!entry.empty() && entry.back().hasTrait<OpTrait::IsTerminator>())
    entry.back().erase();
  kernel::ReturnOp::create(inner, kernel.getLoc(), results);
  kernel.setFunctionType(
      builder.getFunctionType(entry.getArgumentTypes(), ValueRange(results).getTypes()));
  for (auto [number, input] : llvm::enumerate(inputs)) {
    Type element = graph::getTensorType(input).getElementType();
    if (graph::getConstantSource(input) &&
        (element.isIntOrFloat() || llvm::isa<graph::BlockType>(element)))
      kernel.setArgAttr(number, kernel::KernelDialect::kConstantAttr, builder.getUnitAttr());
  }
  llvm::SetVector<Attribute> names;
  for (Operation *op : group)
    collectNames(op->getLoc(), names);
  kernel->setAttr("kernel.sources", builder.getArrayAttr(names.getArrayRef()));
  SmallVector<graph::DimAttr> dims(emitter.getIndexArguments());
  replace(kernel, dims);
  return success();
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

/// The op that says most about a group: its contraction or reduction, else its last.
static StringRef describe(ArrayRef<Operation *> group) {
  Operation *chosen = group.back();
  auto rank = [](Operation *op) {
    return int(llvm::cast<KernelLoweringOpInterface>(op).getFusionClass());
  };
  for (Operation *op : group)
    if (rank(op) >= int(FusionClass::Reduction) && rank(op) > rank(chosen))
      chosen = op;
  return chosen->getName().stripDialect();
}

namespace {
struct GraphFormKernels : tessera::impl::GraphFormKernelsBase<GraphFormKernels> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    OpBuilder builder(module.getBodyRegion());
    builder.setInsertionPointToEnd(module.getBody());
    SymbolTable symbols(module);
    unsigned number = 0;
    for (auto function : llvm::to_vector(module.getOps<graph::FuncOp>())) {
      BoundSymbols bound = function.getBoundSymbols();
      SmallVector<Block *> blocks;
      function.walk<WalkOrder::PreOrder>([&](Operation *op) {
        if (llvm::isa<KernelLoweringOpInterface>(op))
          return WalkResult::skip(); // Its regions are part of its kernel.
        for (Region &region : op->getRegions())
          for (Block &block : region)
            blocks.push_back(&block);
        return WalkResult::advance();
      });
      for (Block *block : blocks) {
        for (auto &group : formGroups(*block, bound)) {
          std::string name;
          do
            name = ("k" + Twine(number++) + "_" + describe(group)).str();
          while (symbols.lookup(name));
          if (failed(Outliner(group, builder, name).run()))
            return signalPassFailure();
        }
        eraseUnused(*block);
        sortSegments(*block, bound);
      }
    }
  }

  /// Recomputed ops that no one needs any more.
  static void eraseUnused(Block &block) {
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
      if (isOpTriviallyDead(&op))
        op.erase();
  }

  /// Launches stand where their last op stood; readers of their other results may be before.
  static void sortSegments(Block &block, const BoundSymbols &bound) {
    auto begin = block.begin();
    while (begin != block.end()) {
      auto end = std::find_if(begin, block.end(), [](Operation &op) {
        return llvm::isa<graph::WriteVariableOp>(op) || op.hasTrait<OpTrait::IsTerminator>();
      });
      if (bound.empty())
        sortTopologically(&block, llvm::make_range(begin, end));
      else
        sortWithSymbols(block, begin, end, bound);
      begin = end == block.end() ? end : std::next(end);
    }
  }

  /// Keeps the order where it can; symbols come before their users.
  static void sortWithSymbols(Block &block, Block::iterator begin, Block::iterator end,
                              const BoundSymbols &bound) {
    llvm::SetVector<Operation *> waiting;
    for (Operation &op : llvm::make_range(begin, end))
      waiting.insert(&op);
    SmallVector<Operation *> stack(llvm::reverse(waiting));
    llvm::DenseSet<Operation *> entered;
    while (!stack.empty()) {
      Operation *op = stack.back();
      if (entered.insert(op).second) {
        for (Operation *before : llvm::reverse(predecessorsOf(op, bound)))
          if (waiting.contains(before) && !entered.contains(before))
            stack.push_back(before);
        continue;
      }
      stack.pop_back();
      if (waiting.remove(op))
        op->moveBefore(&block, end);
    }
  }
};
} // namespace
