//===- PackLoopOperands.cpp - Weights of recurrences in the order of their use ------------===//
// A contraction in a loop reads the same weight at every step. StageLoops computes many elements
// along the last dimension of the result at a time, so that dimension should be contiguous in the
// weight:
//
//   (g, k) of G x K   =>   (g floordiv 64, k, g mod 64) of ceil(G / 64) x K x 64
//
// which also makes a sweep over k one stream. A constant of the model is asked for in this layout
// (kernel.layout); anything else is copied by a stage before the loop. Of products of bytes several
// that follow each other along k stand together (ByteProducts.h):
//
//   (g, k)   =>   (g floordiv 64, k floordiv 4, g mod 64, k mod 4)
#include "compiler/codegen/loops/Loops.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace tessera::loops {
#define GEN_PASS_DEF_KERNELPACKLOOPOPERANDS
#include "compiler/codegen/loops/Passes.h.inc"
} // namespace tessera::loops

using namespace mlir;
using namespace tessera;
using namespace tessera::loops;

/// What lies side by side in a packed operand: 4 cache lines, 8 AVX2 or 4 AVX-512 registers.
static constexpr int64_t kTileBytes = 256;

namespace {
/// An operand to pack: dimension `column` of it is the last one of the stage's result.
struct Candidate {
  OpOperand *operand;
  unsigned column;
  int64_t tile;
  std::optional<unsigned> depth = std::nullopt; ///< of it, cut into groups of so many
  int64_t group = 1;
};

class KernelPacker {
public:
  KernelPacker(kernel::FuncOp kernel, bool sumsGroups, bool sumsFours)
      : kernel(kernel), sumsGroups(sumsGroups), sumsFours(sumsFours) {}

  void run() {
    SmallVector<Candidate> found;
    kernel.walk([&](linalg::GenericOp stage) {
      if (stage->getParentOfType<scf::ForOp>() && stage.getNumReductionLoops() > 0)
        collect(stage, found);
    });
    for (Candidate &candidate : found) {
      if (isOwnConstant(candidate))
        askForLayout(candidate);
      else
        copyBefore(candidate);
      changeMap(candidate);
    }
  }

private:
  void collect(linalg::GenericOp stage, SmallVectorImpl<Candidate> &found) {
    AffineMap result = stage.getMatchingIndexingMap(stage.getDpsInitOperand(0));
    if (result.getNumResults() == 0)
      return;
    AffineExpr column = result.getResults().back();
    for (OpOperand *operand : stage.getDpsInputOperands()) {
      auto type = dyn_cast<RankedTensorType>(operand->get().getType());
      AffineMap map = stage.getMatchingIndexingMap(operand);
      if (!type || !type.hasStaticShape() || !map.isProjectedPermutation() ||
          !isFixed(operand->get()))
        continue;
      const AffineExpr *place = llvm::find(map.getResults(), column);
      if (place == map.getResults().end() || place + 1 == map.getResults().end())
        continue;
      unsigned bits = type.getElementTypeBitWidth();
      if (bits < 8)
        continue;
      Candidate candidate{operand, unsigned(place - map.getResults().begin()),
                          kTileBytes * 8 / bits};
      if (sumsGroups)
        findGroup(stage, candidate);
      found.push_back(candidate);
    }
  }

  /// Whether the stage sums products of bytes along its last loop, in which the other factor is
  /// contiguous.
  void findGroup(linalg::GenericOp stage, Candidate &candidate) {
    std::optional<ByteProduct> product = matchByteProduct(stage);
    if (!product || stage.hasIndexSemantics() ||
        (candidate.operand != product->lhs && candidate.operand != product->rhs))
      return;
    const bool isLeft = candidate.operand == product->lhs;
    AffineMap map = stage.getMatchingIndexingMap(candidate.operand);
    AffineMap other = stage.getMatchingIndexingMap(isLeft ? product->rhs : product->lhs);
    const unsigned loop = stage.getNumLoops() - 1;
    AffineExpr along = getAffineDimExpr(loop, map.getContext());
    const AffineExpr *depth = llvm::find(map.getResults(), along);
    if (stage.getIteratorTypesArray()[loop] != utils::IteratorType::reduction ||
        depth == map.getResults().end() || !other.isProjectedPermutation() ||
        other.getNumResults() == 0 || other.getResults().back() != along ||
        other.isFunctionOfDim(cast<AffineDimExpr>(map.getResult(candidate.column)).getPosition()))
      return;
    const int64_t group =
        getGroupSize(isLeft ? product->rhsUnsigned : product->lhsUnsigned,
                     isLeft ? product->lhsUnsigned : product->rhsUnsigned, sumsFours);
    const unsigned dim = depth - map.getResults().begin();
    if (cast<RankedTensorType>(candidate.operand->get().getType()).getDimSize(dim) % group != 0)
      return;
    candidate.depth = dim;
    candidate.group = group;
    candidate.tile = kTileBytes * 8 / 32; // of sums
  }

  /// Made outside of all loops.
  bool isFixed(Value value) {
    if (auto argument = dyn_cast<BlockArgument>(value))
      return argument.getOwner()->getParentOp() == kernel;
    return value.getDefiningOp()->getParentOp() == kernel;
  }

  /// A constant that nothing else in the kernel reads.
  bool isOwnConstant(const Candidate &candidate) {
    auto argument = dyn_cast<BlockArgument>(candidate.operand->get());
    return argument && argument.hasOneUse() &&
           kernel.getArgAttr(argument.getArgNumber(), kernel::KernelDialect::kConstantAttr) &&
           !kernel.getArgAttr(argument.getArgNumber(), kernel::KernelDialect::kLayoutAttr);
  }

  static SmallVector<int64_t> orderOf(const Candidate &candidate) {
    SmallVector<int64_t> order{int64_t(candidate.column)};
    int64_t rank = cast<RankedTensorType>(candidate.operand->get().getType()).getRank();
    for (int64_t d = 0; d < rank; ++d)
      if (d != candidate.column)
        order.push_back(d);
    return order;
  }

  static kernel::PackedAttr layoutOf(const Candidate &candidate) {
    SmallVector<int64_t> dims{int64_t(candidate.column)}, tiles{candidate.tile};
    if (candidate.depth) {
      dims.push_back(*candidate.depth);
      tiles.push_back(candidate.group);
    }
    return kernel::PackedAttr::get(candidate.operand->get().getContext(), dims, tiles,
                                   orderOf(candidate));
  }

  void askForLayout(Candidate &candidate) {
    auto argument = cast<BlockArgument>(candidate.operand->get());
    kernel::PackedAttr layout = layoutOf(candidate);
    argument.setType(layout.packedType(cast<RankedTensorType>(argument.getType())));
    SmallVector<Type> types(kernel.getBody().front().getArgumentTypes());
    kernel.setFunctionType(
        FunctionType::get(kernel.getContext(), types, kernel.getFunctionType().getResults()));
    kernel.setArgAttr(argument.getArgNumber(), kernel::KernelDialect::kLayoutAttr, layout);
  }

  /// A stage before the loop. What lies outside of the operand is read from its border, for nobody.
  void copyBefore(Candidate &candidate) {
    Operation *loop =
        kernel.getBody().front().findAncestorOpInBlock(*candidate.operand->getOwner());
    Value source = candidate.operand->get();
    auto type = cast<RankedTensorType>(source.getType());
    auto packed = layoutOf(candidate).packedType(type);
    SmallVector<int64_t> order = orderOf(candidate);
    ImplicitLocOpBuilder b(candidate.operand->getOwner()->getLoc(), loop);
    Value empty = tensor::EmptyOp::create(b, packed.getShape(), packed.getElementType());
    SmallVector<utils::IteratorType> iterators(packed.getRank(), utils::IteratorType::parallel);
    auto copy = linalg::GenericOp::create(
        b, packed, ValueRange(), empty, b.getMultiDimIdentityMap(packed.getRank()), iterators,
        [&](OpBuilder &builder, Location loc, ValueRange) {
          ImplicitLocOpBuilder body(loc, builder);
          auto index = [&](int64_t loop) -> Value { return linalg::IndexOp::create(body, loop); };
          SmallVector<Value> at(type.getRank());
          for (auto [place, dim] : llvm::enumerate(order))
            at[dim] = index(place);
          auto inTile = [&](Value tile, int64_t size, int64_t loop) -> Value {
            Value width = arith::ConstantIndexOp::create(body, size);
            Value start = arith::MulIOp::create(body, tile, width);
            return arith::AddIOp::create(body, start, index(loop));
          };
          Value last = arith::ConstantIndexOp::create(body, type.getDimSize(candidate.column) - 1);
          Value place = inTile(at[candidate.column], candidate.tile, type.getRank());
          at[candidate.column] = arith::MinSIOp::create(body, place, last);
          if (candidate.depth)
            at[*candidate.depth] =
                inTile(at[*candidate.depth], candidate.group, type.getRank() + 1);
          Value element = tensor::ExtractOp::create(body, source, at);
          linalg::YieldOp::create(body, element);
        });
    std::string name = (kernel::getStageName(candidate.operand->getOwner()) + "_packed" +
                        llvm::Twine(candidate.operand->getOperandNumber()))
                           .str();
    kernel::setStage(copy, name);
    candidate.operand->set(copy.getResult(0));
  }

  /// The last loop, along which the products are summed, becomes two: of groups, of a group.
  static void splitLoop(linalg::GenericOp stage, int64_t group) {
    MLIRContext *context = stage.getContext();
    const unsigned loop = stage.getNumLoops() - 1;
    SmallVector<AffineExpr> dims;
    for (unsigned i = 0; i <= loop; ++i)
      dims.push_back(getAffineDimExpr(i, context));
    dims[loop] = dims[loop] * group + getAffineDimExpr(loop + 1, context);
    SmallVector<AffineMap> maps;
    for (AffineMap map : stage.getIndexingMapsArray())
      maps.push_back(map.replaceDimsAndSymbols(dims, {}, loop + 2, 0));
    Builder builder(context);
    stage.setIndexingMapsAttr(builder.getAffineMapArrayAttr(maps));
    SmallVector<Attribute> iterators(stage.getIteratorTypes().getValue());
    iterators.push_back(iterators.back());
    stage.setIteratorTypesAttr(builder.getArrayAttr(iterators));
  }

  void changeMap(Candidate &candidate) {
    auto stage = cast<linalg::GenericOp>(candidate.operand->getOwner());
    if (candidate.depth)
      splitLoop(stage, candidate.group);
    AffineMap map = stage.getMatchingIndexingMap(candidate.operand);
    AffineExpr column = map.getResult(candidate.column);
    SmallVector<AffineExpr> exprs{column.floorDiv(candidate.tile)};
    const unsigned last = map.getNumDims() - 1; // of a group, where there is one
    for (auto [d, expr] : llvm::enumerate(map.getResults()))
      if (d != candidate.column)
        exprs.push_back(d == candidate.depth ? getAffineDimExpr(last - 1, map.getContext()) : expr);
    exprs.push_back(column % candidate.tile);
    if (candidate.depth)
      exprs.push_back(getAffineDimExpr(last, map.getContext()));
    SmallVector<AffineMap> maps = stage.getIndexingMapsArray();
    maps[candidate.operand->getOperandNumber()] =
        AffineMap::get(map.getNumDims(), 0, exprs, map.getContext());
    stage.setIndexingMapsAttr(Builder(stage.getContext()).getAffineMapArrayAttr(maps));
  }

  kernel::FuncOp kernel;
  bool sumsGroups, sumsFours;
};

struct KernelPackLoopOperands : loops::impl::KernelPackLoopOperandsBase<KernelPackLoopOperands> {
  void runOnOperation() override {
    auto target = getOperation()->getAttrOfType<StringAttr>("tessera.target");
    const codegen::CodeTarget code =
        codegen::getCodeTarget(target ? target.str() : codegen::CodeTarget().cpu);
    const bool sumsFours = code.features.find("vnni") != std::string::npos;
    for (auto kernel : getOperation().getOps<kernel::FuncOp>())
      KernelPacker(kernel, !isForGpu(getOperation()), sumsFours).run();
  }
};
} // namespace
