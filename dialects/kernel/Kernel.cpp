//===- Kernel.cpp - The kernel dialect --------------------------------------------===//
#include "dialects/kernel/Kernel.h"

#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/Interfaces/FunctionImplementation.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

#include "dialects/kernel/KernelDialect.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/kernel/KernelAttrs.cpp.inc"

#define GET_OP_CLASSES
#include "dialects/kernel/KernelOps.cpp.inc"

namespace tessera::kernel {

void KernelDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/kernel/KernelAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/kernel/KernelOps.cpp.inc"
      >();
}

//===-- Stages -----------------------------------------------------------------===//

StringRef getStageName(Operation *stage) {
  auto name = stage->getAttrOfType<StringAttr>(KernelDialect::kStageAttr);
  return name ? name.getValue() : StringRef();
}

SmallVector<std::string> getLoopNames(linalg::GenericOp stage) {
  SmallVector<std::string> names;
  if (auto loops = stage->getAttrOfType<ArrayAttr>(KernelDialect::kLoopsAttr)) {
    for (auto name : loops.getAsRange<StringAttr>())
      names.push_back(name.str());
    return names;
  }
  unsigned parallel = 0, reduction = 0;
  for (utils::IteratorType kind : stage.getIteratorTypesArray()) {
    if (kind == utils::IteratorType::parallel)
      names.push_back("i" + std::to_string(parallel++));
    else
      names.push_back("r" + std::to_string(reduction++));
  }
  return names;
}

Value getDestinationRoot(Value tensor) {
  while (Operation *op = tensor.getDefiningOp()) {
    unsigned number = cast<OpResult>(tensor).getResultNumber();
    if (auto stage = dyn_cast<DestinationStyleOpInterface>(op)) {
      tensor = stage.getDpsInits()[number];
    } else if (auto loop = dyn_cast<scf::ForOp>(op)) {
      tensor = loop.getInitArgs()[number];
    } else if (auto branch = dyn_cast<scf::IfOp>(op)) {
      Value then = getDestinationRoot(branch.thenYield().getOperand(number));
      if (then != getDestinationRoot(branch.elseYield().getOperand(number)))
        break;
      return then;
    } else {
      break;
    }
  }
  return tensor;
}

std::optional<unsigned> getUpdatedArgument(FuncOp kernel, unsigned result) {
  Value written = kernel.getBody().front().getTerminator()->getOperand(result);
  if (!isa_and_present<scf::ForOp>(written.getDefiningOp()))
    return std::nullopt;
  while (auto loop = written.getDefiningOp<scf::ForOp>()) {
    if (!written.hasOneUse())
      return std::nullopt;
    written = loop.getInitArgs()[cast<OpResult>(written).getResultNumber()];
  }
  auto copy = written.getDefiningOp<linalg::GenericOp>();
  if (!copy || !written.hasOneUse() || copy.getNumDpsInputs() != 1 || copy->getNumResults() != 1 ||
      !llvm::all_of(copy.getIndexingMapsArray(), [](AffineMap map) { return map.isIdentity(); }) ||
      !copy.getDpsInits()[0].getDefiningOp<tensor::EmptyOp>())
    return std::nullopt;
  Block &body = copy.getRegion().front();
  auto argument = dyn_cast<BlockArgument>(copy.getDpsInputs()[0]);
  if (body.getTerminator()->getOperand(0) != body.getArgument(0) || !argument ||
      argument.getOwner() != &kernel.getBody().front() || !argument.hasOneUse())
    return std::nullopt;
  return argument.getArgNumber();
}

void setStage(Operation *stage, StringRef name, ArrayRef<StringRef> loops) {
  Builder builder(stage->getContext());
  stage->setAttr(KernelDialect::kStageAttr, builder.getStringAttr(name));
  if (!loops.empty())
    stage->setAttr(KernelDialect::kLoopsAttr, builder.getStrArrayAttr(loops));
}

//===-- #kernel.packed -----------------------------------------------------------===//

LogicalResult PackedAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                 ArrayRef<int64_t> innerDimsPos, ArrayRef<int64_t> innerTiles,
                                 ArrayRef<int64_t> outerDimsPerm) {
  // (C1)
  if (innerDimsPos.size() != innerTiles.size() ||
      llvm::any_of(innerTiles, [](int64_t tile) { return tile <= 0; }))
    return emitError() << "expected one positive entry of inner_tiles per entry of inner_dims_pos";
  int64_t rank = outerDimsPerm.size();
  // (C2)
  llvm::SmallVector<bool> seen(rank, false);
  for (int64_t dim : innerDimsPos) {
    if (dim < 0 || dim >= rank || seen[dim])
      return emitError() << "expected inner_dims_pos to name dimensions below " << rank
                         << ", each at most once";
    seen[dim] = true;
  }
  // (C3)
  if (!isPermutationVector(outerDimsPerm))
    return emitError() << "expected outer_dims_perm to be a permutation of 0.." << rank - 1;
  return success();
}

RankedTensorType PackedAttr::packedType(RankedTensorType logical) const {
  SmallVector<int64_t> outer(logical.getShape());
  for (auto [dim, tile] : llvm::zip_equal(getInnerDimsPos(), getInnerTiles()))
    if (!ShapedType::isDynamic(outer[dim]))
      outer[dim] = llvm::divideCeilSigned(outer[dim], tile);
  SmallVector<int64_t> shape;
  for (int64_t dim : getOuterDimsPerm())
    shape.push_back(outer[dim]);
  shape.append(getInnerTiles().begin(), getInnerTiles().end());
  return RankedTensorType::get(shape, logical.getElementType());
}

LogicalResult PlaceAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                ArrayRef<int64_t> begin, ArrayRef<int64_t> end,
                                ArrayRef<int64_t> shape) {
  // (C1)
  if (begin.size() != shape.size() || end.size() != shape.size())
    return emitError() << "expected begin and end of " << shape.size() << " dimensions, found "
                       << begin.size() << " and " << end.size();
  return success();
}

int64_t PlaceAttr::first(unsigned dim, int64_t extent) const {
  return getBegin()[dim] < 0 ? extent + getBegin()[dim] : getBegin()[dim];
}

int64_t PlaceAttr::last(unsigned dim, int64_t extent) const {
  return getEnd()[dim] > 0 ? getEnd()[dim] : extent + getEnd()[dim];
}

PlaceAttr PlaceAttr::padded(ArrayRef<int64_t> lo, ArrayRef<int64_t> hi) const {
  SmallVector<int64_t> begin(getBegin()), end(getEnd()), shape(getShape());
  for (size_t d = 0; d < shape.size(); ++d) {
    begin[d] += begin[d] < 0 ? -hi[d] : lo[d];
    end[d] += end[d] > 0 ? lo[d] : -hi[d];
    if (shape[d] >= 0)
      shape[d] += lo[d] + hi[d];
  }
  return get(getContext(), begin, end, shape);
}

//===-- kernel.func --------------------------------------------------------------===//

void FuncOp::build(OpBuilder &builder, OperationState &state, StringRef name, FunctionType type) {
  state.addAttribute(getSymNameAttrName(state.name), builder.getStringAttr(name));
  state.addAttribute(getFunctionTypeAttrName(state.name), TypeAttr::get(type));
  Region *body = state.addRegion();
  Block *block = new Block();
  body->push_back(block);
  for (Type input : type.getInputs())
    block->addArgument(input, state.location);
}

ParseResult FuncOp::parse(OpAsmParser &parser, OperationState &result) {
  auto buildType = [](Builder &builder, ArrayRef<Type> inputs, ArrayRef<Type> results,
                      function_interface_impl::VariadicFlag,
                      std::string &) { return builder.getFunctionType(inputs, results); };
  return function_interface_impl::parseFunctionOp(
      parser, result, /*allowVariadic=*/false, getFunctionTypeAttrName(result.name), buildType,
      getArgAttrsAttrName(result.name), getResAttrsAttrName(result.name));
}

void FuncOp::print(OpAsmPrinter &printer) {
  function_interface_impl::printFunctionOp(printer, *this, /*isVariadic=*/false,
                                           getFunctionTypeAttrName(), getArgAttrsAttrName(),
                                           getResAttrsAttrName());
}

LogicalResult FuncOp::verify() {
  // (C1)
  bool sawIndex = false;
  for (auto [number, type] : llvm::enumerate(getArgumentTypes())) {
    if (type.isIndex())
      sawIndex = true;
    else if (!isa<RankedTensorType>(type) || sawIndex)
      return emitOpError() << "expected ranked tensors, then index values as arguments, found "
                           << type << " as argument " << number;
  }
  for (auto [number, type] : llvm::enumerate(getResultTypes()))
    if (!isa<RankedTensorType>(type))
      return emitOpError() << "expected ranked tensors as results, found " << type << " as result "
                           << number;
  // (C7)
  for (auto [number, type] : llvm::enumerate(getArgumentTypes())) {
    auto layout = getArgAttrOfType<PackedAttr>(number, KernelDialect::kLayoutAttr);
    if (!layout)
      continue;
    auto tensor = dyn_cast<RankedTensorType>(type);
    int64_t rank = layout.getOuterDimsPerm().size() + layout.getInnerTiles().size();
    if (!tensor || tensor.getRank() != rank)
      return emitOpError() << "expected argument " << number << " to have the packed rank " << rank;
  }
  for (auto [number, type] : llvm::enumerate(getResultTypes())) {
    auto place = getResultAttrOfType<PlaceAttr>(number, KernelDialect::kPlaceAttr);
    if (place && int64_t(place.getShape().size()) != cast<RankedTensorType>(type).getRank())
      return emitOpError() << "expected result " << number << " to have the rank of its place, "
                           << place.getShape().size();
  }
  return success();
}

/// (C2) What may stand in a kernel, in its loops, or in the body of one of its stages.
static LogicalResult verifyLegal(FuncOp func, Operation *op) {
  Operation *parent = op->getParentOp();
  bool inStage = isa<linalg::LinalgOp>(parent), inLoop = !inStage && parent != func;
  if (isa<arith::ArithDialect, math::MathDialect>(op->getDialect()))
    return success();
  if (inStage && isa<linalg::IndexOp, linalg::YieldOp, tensor::ExtractOp>(op))
    return success();
  // An element that is read outside of loops says how long one is.
  if (!inStage &&
      isa<tensor::EmptyOp, tensor::ExtractOp, linalg::FillOp, linalg::GenericOp, scf::ForOp>(op))
    return success();
  if (inLoop &&
      isa<scf::IfOp, scf::YieldOp, tensor::InsertOp, tensor::ExtractSliceOp, tensor::InsertSliceOp>(
          op))
    return success();
  if (parent == func && isa<ReturnOp>(op))
    return success();
  if (auto dim = dyn_cast<tensor::DimOp>(op))
    if (auto argument = dyn_cast<BlockArgument>(dim.getSource());
        argument && argument.getOwner()->getParentOp() == func)
      return success();
  // The scalar region of linalg.fill is generated, not written.
  if (isa<linalg::FillOp>(parent))
    return success();
  return op->emitOpError() << "may not stand "
                           << (inStage  ? "in a stage of"
                               : inLoop ? "in a loop of"
                                        : "in")
                           << " a kernel.func";
}

/// (C3)
static LogicalResult verifyName(Operation *stage, llvm::StringSet<> &names) {
  StringRef name = getStageName(stage);
  if (name.empty())
    return stage->emitOpError() << "expected a stage name (" << KernelDialect::kStageAttr << ")";
  if (!names.insert(name).second)
    return stage->emitOpError() << "the stage name '" << name << "' is used twice";
  return success();
}

/// (C8)
static LogicalResult verifyLoop(scf::ForOp loop) {
  for (auto [number, pair] : llvm::enumerate(
           llvm::zip(loop.getBody()->getTerminator()->getOperands(), loop.getRegionIterArgs()))) {
    auto [yielded, carried] = pair;
    if (isa<RankedTensorType>(carried.getType()) && getDestinationRoot(yielded) != carried)
      return loop->emitOpError()
             << "expected carried tensor " << number
             << " to be updated where it is: what the region yields does not come "
                "from its own argument";
  }
  return success();
}

static LogicalResult verifyStage(linalg::LinalgOp stage, llvm::StringSet<> &names) {
  if (failed(verifyName(stage, names)))
    return failure();
  auto generic = dyn_cast<linalg::GenericOp>(*stage);
  if (!generic)
    return success();
  // (C4)
  SmallVector<std::string> loops = getLoopNames(generic);
  llvm::StringSet<> distinct;
  for (const std::string &loop : loops)
    if (!distinct.insert(loop).second)
      return stage->emitOpError() << "the loop name '" << loop << "' is used twice";
  if (loops.size() != generic.getNumLoops())
    return stage->emitOpError() << "expected " << generic.getNumLoops() << " loop names, found "
                                << loops.size();
  // (C5)
  AffineMap first;
  for (OpOperand &init : generic.getDpsInitsMutable()) {
    AffineMap map = generic.getMatchingIndexingMap(&init);
    if (!map.isProjectedPermutation() || (first && map != first))
      return stage->emitOpError()
             << "expected one projected permutation as the map of all results, found "
             << AffineMapAttr::get(map);
    first = map;
  }
  return success();
}

LogicalResult FuncOp::verifyRegions() {
  // (C6)
  Block &body = getBody().front();
  if (body.getArgumentTypes() != getArgumentTypes())
    return emitOpError() << "expected the arguments of the body to have the types of the function";
  auto yielded = cast<ReturnOp>(body.getTerminator());
  if (TypeRange(yielded.getOperandTypes()) != TypeRange(getResultTypes()))
    return yielded.emitOpError() << "expected operands of the types of the function's results";

  llvm::StringSet<> names;
  WalkResult result = getBody().walk([&](Operation *op) {
    if (failed(verifyLegal(*this, op)))
      return WalkResult::interrupt();
    if (auto stage = dyn_cast<linalg::LinalgOp>(op))
      if (failed(verifyStage(stage, names)))
        return WalkResult::interrupt();
    if (auto loop = dyn_cast<scf::ForOp>(op))
      if ((loop->getParentOp() == *this && failed(verifyName(loop, names))) ||
          failed(verifyLoop(loop)))
        return WalkResult::interrupt();
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

unsigned FuncOp::getNumTensorArguments() {
  return llvm::count_if(getArgumentTypes(), llvm::IsaPred<RankedTensorType>);
}

SmallVector<Operation *> FuncOp::getStages() {
  SmallVector<Operation *> stages;
  for (Operation &op : getBody().front())
    if (isa<linalg::LinalgOp>(op))
      stages.push_back(&op);
  return stages;
}

bool FuncOp::isSequential() { return !getBody().front().getOps<scf::ForOp>().empty(); }

Operation *FuncOp::lookupStage(StringRef name) {
  for (Operation *stage : getStages())
    if (getStageName(stage) == name)
      return stage;
  return nullptr;
}

//===-- kernel.launch ------------------------------------------------------------===//

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  // (C1)
  auto func = symbols.lookupNearestSymbolFrom<FuncOp>(*this, getKernelAttr());
  if (!func)
    return emitOpError() << "'" << getKernel() << "' is no kernel.func";
  // (C2)
  unsigned tensors = func.getNumTensorArguments();
  unsigned extents = func.getNumArguments() - tensors;
  unsigned results = 0; // Scratch results are provided by whoever plans memory; they come last.
  while (results < func.getNumResults() &&
         !func.getResultAttr(results, KernelDialect::kScratchAttr))
    ++results;
  if (getOperands().size() != tensors || getDims().size() != extents || getNumResults() != results)
    return emitOpError() << "kernel '" << getKernel() << "' takes " << tensors << " tensors and "
                         << extents << " extents and gives " << results << " results; found "
                         << getOperands().size() << ", " << getDims().size() << " and "
                         << getNumResults();
  auto rankDiffers = [](Type value, Type declared) {
    auto shaped = dyn_cast<ShapedType>(value);
    return shaped && shaped.hasRank() && shaped.getRank() != cast<ShapedType>(declared).getRank();
  };
  for (unsigned i = 0; i < tensors; ++i)
    if (!func.getArgAttr(i, KernelDialect::kLayoutAttr) &&
        rankDiffers(getOperand(i).getType(), func.getArgumentTypes()[i]))
      return emitOpError() << "operand " << i << " has another rank than argument " << i
                           << " of kernel '" << getKernel() << "'";
  for (unsigned i = 0; i < results; ++i)
    if (rankDiffers(getResult(i).getType(), func.getResultTypes()[i]))
      return emitOpError() << "result " << i << " has another rank than in kernel '" << getKernel()
                           << "'";
  return success();
}

//===-- kernel.join --------------------------------------------------------------===//

LogicalResult JoinOp::verify() {
  // (C1)
  if (getParts().empty())
    return emitOpError() << "expected at least one part";
  for (auto [number, part] : llvm::enumerate(getParts())) {
    if (part.getType() != getType())
      return emitOpError() << "expected part " << number << " of type " << getType() << ", found "
                           << part.getType();
    if (!part.getDefiningOp<LaunchOp>() || !part.hasOneUse())
      return emitOpError() << "expected part " << number
                           << " to be a result of a kernel.launch that nothing else reads";
  }
  return success();
}

} // namespace tessera::kernel
