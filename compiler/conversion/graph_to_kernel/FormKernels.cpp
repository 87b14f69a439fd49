//===- FormKernels.cpp - Groups of ops become kernels and launches ---------------------------===//

#include "compiler/conversion/graph_to_kernel/GraphToKernel.h"
#include "compiler/conversion/graph_to_kernel/Groups.h"
#include "compiler/conversion/graph_to_kernel/LaunchCost.h"
#include "compiler/conversion/graph_to_kernel/Lower.h"
#include "compiler/conversion/graph_to_kernel/PlaceResults.h"
#include "compiler/conversion/graph_to_kernel/Rows.h"

#include "dialects/graph/GraphBuilder.h"
#include "dialects/graph/WeightStore.h"

#include "mlir/Analysis/TopologicalSortUtils.h"
#include "mlir/IR/AttrTypeSubElements.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/LoopLikeInterface.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/MathExtras.h"

namespace tessera {
#define GEN_PASS_DEF_GRAPHFORMKERNELS
#include "compiler/conversion/graph_to_kernel/Passes.h.inc"
} // namespace tessera

using namespace mlir;
using namespace tessera;
using graph::DimAttr;
using graph::DimExpr;

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
    lower::attachSorting(*context);
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
/// What is known wherever a kernel runs, and how streams are computed in it.
struct KernelForm {
  bool splitsStreams = false;
  StringRef one;  ///< a symbol that is 1, or ""
  ShortRows rows; ///< of which the extent has that bound, or none
};

class Outliner {
public:
  Outliner(ArrayRef<Operation *> group, OpBuilder &moduleBuilder, StringRef name, KernelForm form,
           bool forGpu)
      : group(group), members(group.begin(), group.end()), builder(moduleBuilder), name(name),
        form(form), forGpu(forGpu) {}

  LogicalResult run();

private:
  void collectInputs(Operation *op);
  void assumeOne();
  DimAttr withOne(DimAttr dim) const;
  graph::TensorType withOne(graph::TensorType type) const;
  void collectOutputs();
  LogicalResult checkSizes();
  LogicalResult lower(Operation *op, KernelEmitter &emitter);
  SmallVector<graph::TensorType> findKept() const;
  void replace(kernel::FuncOp kernel, ArrayRef<graph::DimAttr> dims, TypeRange types);

  ArrayRef<Operation *> group;
  llvm::DenseSet<Operation *> members;
  OpBuilder &builder;
  StringRef name;
  KernelForm form;
  bool forGpu;
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

/// Types in the group say what is known.
void Outliner::assumeOne() {
  AttrTypeReplacer replacer;
  replacer.addReplacement([&](DimAttr dim) -> std::optional<std::pair<Attribute, WalkResult>> {
    return std::pair(Attribute(withOne(dim)), WalkResult::skip());
  });
  replacer.addReplacement(
      [&](graph::TensorType type) -> std::optional<std::pair<Type, WalkResult>> {
        return std::pair(Type(withOne(type)), WalkResult::skip());
      });
  for (Operation *op : group)
    replacer.recursivelyReplaceElementsIn(op, /*replaceAttrs=*/true, /*replaceLocs=*/false,
                                          /*replaceTypes=*/true);
}

DimAttr Outliner::withOne(DimAttr dim) const {
  DimExpr known = graph::substituteDim(dim, [&](StringRef symbol) {
    return symbol == form.one ? DimExpr::constant(dim.getContext(), 1) : DimExpr();
  });
  return known ? known.get() : dim;
}

graph::TensorType Outliner::withOne(graph::TensorType type) const {
  return type.withDims(
      llvm::map_to_vector(type.getDims(), [&](DimAttr dim) { return withOne(dim); }));
}

void Outliner::collectOutputs() {
  for (Operation *op : group)
    for (Value result : op->getResults())
      if (llvm::any_of(result.getUsers(), [&](Operation *user) { return !members.contains(user); }))
        outputs.insert(result);
}

/// What a kernel of its own for every op would store and read again.
SmallVector<graph::TensorType> Outliner::findKept() const {
  SmallVector<graph::TensorType> kept;
  for (Operation *op : group)
    if (llvm::cast<KernelLoweringOpInterface>(op).getFusionClass() != FusionClass::Unpack &&
        !llvm::isa<graph::ReshapeOp>(op))
      for (Value result : op->getResults())
        if (!outputs.contains(result) && !result.use_empty())
          kept.push_back(graph::getTensorType(result));
  // What a stream computes of its elements, of all blocks together.
  for (Operation *op : group)
    if (auto stream = llvm::dyn_cast<graph::StreamOp>(op); stream && stream.getBlock())
      for (Operation &inner : stream.getLift().front().without_terminator()) {
        auto hasBlock = [&](DimAttr dim) {
          return dim.getKind() == graph::DimKind::Symbol && dim.getSymbol() == *stream.getBlock();
        };
        graph::TensorType type = graph::getTensorType(inner.getResult(0));
        if (isRecomputed(&inner) || llvm::none_of(type.getDims(), hasBlock))
          continue;
        kept.push_back(type.withDims(llvm::map_to_vector(type.getDims(), [&](DimAttr dim) {
          return hasBlock(dim) ? stream.getExtent() : dim;
        })));
      }
  return kept;
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

void Outliner::replace(kernel::FuncOp kernel, ArrayRef<graph::DimAttr> dims, TypeRange types) {
  OpBuilder here(group.back()->getContext());
  here.setInsertionPointAfter(group.back());
  SmallVector<Location> locations;
  for (Operation *op : group)
    locations.push_back(op->getLoc());
  SmallVector<Attribute> extents(dims.begin(), dims.end());
  auto launch = kernel::LaunchOp::create(here, here.getFusedLoc(locations), types,
                                         FlatSymbolRefAttr::get(kernel.getSymNameAttr()),
                                         inputs.getArrayRef(), here.getArrayAttr(extents));
  annotateCost(launch, kernel);
  annotateSaved(launch, findKept());
  for (auto [produced, result] : llvm::zip(outputs, launch.getResults())) {
    Value output = produced;
    // What kernels compute for themselves they do not read.
    bool isRepeated = isRecomputed(output.getDefiningOp());
    output.replaceUsesWithIf(result, [&](OpOperand &use) {
      return !members.contains(use.getOwner()) &&
             !(isRepeated && !readsMemory(use.getOwner(), *group.front()->getBlock()));
    });
  }
  for (Operation *op : llvm::reverse(group))
    if (op->use_empty())
      op->erase();
}

/// What a module holds (runtime/schema/ModuleFormat.h).
static constexpr int64_t kMaxRank = 16;

/// Kernels count elements in 32 bits. What is computed inside of a kernel only may be larger.
LogicalResult Outliner::checkSizes() {
  for (Value tensor : llvm::concat<const Value>(inputs.getArrayRef(), outputs.getArrayRef())) {
    graph::TensorType type = graph::getTensorType(tensor);
    if (type.rank() > kMaxRank)
      return emitError(tensor.getLoc()) << "a tensor has rank " << type.rank() << ", the limit is "
                                        << kMaxRank << " (kMaxRank)";
    int64_t elements = 1;
    bool isEmpty = llvm::any_of(type.getDims(), [](DimAttr dim) { return dim.getConstant() == 0; });
    for (DimAttr dim : type.getDims())
      if (!isEmpty && dim.isConstant() && elements <= INT32_MAX &&
          (llvm::MulOverflow(elements, dim.getValue(), elements) || elements > INT32_MAX))
        return emitError(tensor.getLoc())
               << "a tensor of type " << type << " has more than " << INT32_MAX
               << " elements, the limit for one tensor in memory (kMaxElements)";
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
  SmallVector<Type> inputTypes, outputTypes,
      resultTypes(ValueRange(outputs.getArrayRef()).getTypes());
  if (!form.one.empty())
    assumeOne();
  for (Value input : inputs)
    inputTypes.push_back(getKernelType(withOne(graph::getTensorType(input))));
  for (Value output : outputs)
    outputTypes.push_back(getKernelType(graph::getTensorType(output)));
  auto kernel = kernel::FuncOp::create(builder, group.back()->getLoc(), name,
                                       builder.getFunctionType(inputTypes, outputTypes));
  Block &entry = kernel.getBody().front();
  OpBuilder inner = OpBuilder::atBlockBegin(&entry);
  KernelEmitter emitter(inner, kernel);
  emitter.setForGpu(forGpu);
  if (form.splitsStreams)
    emitter.splitStreams();
  for (auto [input, argument] : llvm::zip(inputs, entry.getArguments()))
    emitter.bind(input, argument);
  if (form.rows.extent)
    emitter.setExtent(form.rows.extent,
                      arith::MinSIOp::create(inner, kernel.getLoc(),
                                             emitter.extent(form.rows.extent),
                                             emitter.constantIndex(form.rows.most)));
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
  replace(kernel, dims, resultTypes);
  return success();
}

//===----------------------------------------------------------------------===//
// Streams in several forms
//===----------------------------------------------------------------------===//

namespace {
/// Several heads make tasks enough without parts.
constexpr unsigned kPartsWorthAKernel = 4;

/// The symbol that is 1 where a stream has one row, and how many parts it is computed in.
struct StreamForms {
  StringRef rows;
  DimExpr parts;
  bool isWorthAKernel = true; // of parts, where there may be just one
};
} // namespace

/// Without an element in one of its dimensions there is nothing to compute.
static graph::DimInterval rangeOf(DimExpr dim, graph::FuncOp function) {
  return graph::evaluateDimRange(dim, [&](StringRef symbol) {
    graph::RangeAttr range = function.getRange(symbol);
    return graph::DimInterval{std::max<int64_t>(range ? range.getLo() : 1, 1),
                              range ? range.getHi().value_or(INT64_MAX) : INT64_MAX};
  });
}

/// What is not known of the stream of a group and makes another kernel of it.
static StreamForms formsOf(ArrayRef<Operation *> group, graph::FuncOp function) {
  for (Operation *op : group) {
    auto stream = llvm::dyn_cast<graph::StreamOp>(op);
    if (!stream || !stream.getBlock())
      continue;
    StreamForms forms{"", lower::getStreamParts(stream), true};
    graph::DimInterval parts = rangeOf(forms.parts, function);
    if (parts.hi <= 1)
      forms.parts = DimExpr();
    forms.isWorthAKernel = parts.hi >= kPartsWorthAKernel;
    DimAttr rows = lower::getStreamRows(stream);
    graph::DimInterval count = rows ? rangeOf(rows, function) : graph::DimInterval{1, 1};
    bool isSelf = rows && stream.getExtent() == rows;
    if (rows && rows.getKind() == graph::DimKind::Symbol && !isSelf && count.lo <= 1 &&
        count.hi > 1)
      forms.rows = rows.getSymbol();
    return forms;
  }
  return {};
}

/// A copy of a group for each branch of an `if`: where the number is positive, and where it is not.
static std::pair<SmallVector<Operation *>, SmallVector<Operation *>>
duplicate(ArrayRef<Operation *> group, DimExpr number) {
  llvm::DenseSet<Operation *> members(group.begin(), group.end());
  SmallVector<Value> outputs;
  for (Operation *op : group)
    for (Value result : op->getResults())
      if (llvm::any_of(result.getUsers(), [&](Operation *user) { return !members.contains(user); }))
        outputs.push_back(result);
  OpBuilder builder(group.back()->getContext());
  builder.setInsertionPointAfter(group.back());
  graph::GraphBuilder b(builder, group.back()->getLoc());
  Value count = b.create<graph::DimValueOp>(number.get());
  Value zero = b.create<graph::DimValueOp>(graph::getDim(builder.getContext(), 0));
  Value isPositive = b.compare(graph::CompareKind::gt, count, zero);
  auto branch = graph::IfOp::create(builder, group.back()->getLoc(), ValueRange(outputs).getTypes(),
                                    isPositive);
  auto copy = [&](Region &region) {
    SmallVector<Operation *> copies;
    OpBuilder inner = OpBuilder::atBlockBegin(&region.emplaceBlock());
    IRMapping mapping;
    for (Operation *op : group)
      copies.push_back(inner.clone(*op, mapping));
    graph::YieldOp::create(inner, branch.getLoc(), llvm::map_to_vector(outputs, [&](Value value) {
                             return mapping.lookup(value);
                           }));
    return copies;
  };
  std::pair copies{copy(branch.getThenRegion()), copy(branch.getElseRegion())};
  for (auto [output, result] : llvm::zip(outputs, branch.getResults()))
    output.replaceUsesWithIf(result,
                             [&](OpOperand &use) { return !members.contains(use.getOwner()); });
  for (Operation *op : llvm::reverse(group))
    op->erase();
  return copies;
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

/// What the steps of a loop read repeated, such as a bias for each row, is repeated inside, where
/// its readers see through it: outside it would be a kernel of its own, and longer.
static void repeatInside(LoopLikeOpInterface loop) {
  for (Region *region : loop.getLoopRegions()) {
    llvm::SetVector<Value> captured;
    getUsedValuesDefinedAbove(*region, captured);
    OpBuilder builder = OpBuilder::atBlockBegin(&region->front());
    for (Value value : captured)
      if (auto broadcast = value.getDefiningOp<graph::BroadcastOp>())
        replaceAllUsesInRegionWith(value, builder.clone(*broadcast)->getResult(0), *region);
  }
}

namespace {
struct GraphFormKernels : tessera::impl::GraphFormKernelsBase<GraphFormKernels> {
  using GraphFormKernelsBase::GraphFormKernelsBase;
  void runOnOperation() override {
    ModuleOp module = getOperation();
    OpBuilder builder(module.getBodyRegion());
    builder.setInsertionPointToEnd(module.getBody());
    SymbolTable symbols(module);
    unsigned number = 0;
    auto makeName = [&](StringRef what) {
      std::string name;
      do
        name = ("k" + Twine(number++) + "_" + what).str();
      while (symbols.lookup(name));
      return name;
    };
    auto outline = [&](ArrayRef<Operation *> group, KernelForm form) {
      return Outliner(group, builder, makeName(describe(group)), form, gpu).run();
    };
    for (auto function : llvm::to_vector(module.getOps<graph::FuncOp>())) {
      BoundSymbols bound = function.getBoundSymbols();
      SmallVector<Block *> blocks;
      function.walk<WalkOrder::PreOrder>([&](Operation *op) {
        if (llvm::isa<KernelLoweringOpInterface>(op)) { // Its regions are part of its kernel.
          if (auto loop = llvm::dyn_cast<LoopLikeOpInterface>(op); loop && !gpu)
            repeatInside(loop);
          return WalkResult::skip();
        }
        for (Region &region : op->getRegions())
          for (Block &block : region)
            blocks.push_back(&block);
        return WalkResult::advance();
      });
      for (Block *block : blocks) {
        for (auto &group : formGroups(*block, bound, explain, !gpu, gpu)) {
          if (!gpu && group.size() == 1 && placeResults(group.front(), builder, makeName))
            continue;
          std::optional<ShortRows> rows = gpu ? std::nullopt : needsShortRows(group);
          if (failed(rows ? outlineRows(group, *rows, function, bound, outline)
                          : outlineForms(group, formsOf(group, function), outline)))
            return signalPassFailure();
        }
        eraseUnused(*block);
        sortSegments(*block, bound);
      }
    }
  }

  using Outline = llvm::function_ref<LogicalResult(ArrayRef<Operation *>, KernelForm)>;

  /// One kernel for short rows, and the kernels that long ones take.
  LogicalResult outlineRows(ArrayRef<Operation *> group, ShortRows rows, graph::FuncOp function,
                            const BoundSymbols &bound, Outline outline) {
    if (rangeOf(DimExpr(rows.extent), function).hi <= rows.most)
      return outline(group, {false, "", rows});
    MLIRContext *context = group.front()->getContext();
    DimExpr most = DimExpr::constant(context, rows.most);
    auto [shortRows, longRows] = duplicate(group, most + 1 - DimExpr(rows.extent));
    if (failed(outline(shortRows, {false, "", rows})))
      return failure();
    Block *block = longRows.front()->getBlock();
    for (auto &part : formGroups(*block, bound, explain, false, false))
      if (failed(outline(part, {})))
        return failure();
    eraseUnused(*block);
    sortSegments(*block, bound);
    return success();
  }

  /// One kernel, or one for each form that a stream has at run time: for one row; in parts; else.
  static LogicalResult outlineForms(ArrayRef<Operation *> group, const StreamForms &forms,
                                    Outline outline) {
    bool isSplit = bool(forms.parts);
    if (!forms.rows.empty()) {
      MLIRContext *context = group.front()->getContext();
      DimExpr rows = DimExpr::symbol(context, forms.rows), zero = DimExpr::constant(context, 0);
      // Positive where there is one.
      auto [single, several] = duplicate(group, DimExpr::max(DimExpr::min(rows, 2 - rows), zero));
      return success(
          succeeded(outline(single, {isSplit, forms.rows, {}})) &&
          succeeded(outlineForms(several, {"", forms.parts, forms.isWorthAKernel}, outline)));
    }
    if (!isSplit || forms.parts.get().isConstant())
      return outline(group, {isSplit, "", {}});
    if (!forms.isWorthAKernel)
      return outline(group, {});
    auto [split, whole] = duplicate(group, forms.parts - 1);
    return success(succeeded(outline(split, {true, "", {}})) && succeeded(outline(whole, {})));
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
        SmallVector<Operation *> predecessors = predecessorsOf(op, bound);
        for (Operation *before : llvm::reverse(predecessors))
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
