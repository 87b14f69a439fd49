//===- PackLoopOperands.cpp - Weights of recurrences in the order of their use ------------===//
// A contraction in a loop reads the same weight at every step. StageLoops computes many elements
// along the last dimension of the result at a time, so that dimension should be contiguous in the
// weight:
//
//   (g, k) of G x K   =>   (g floordiv 64, k, g mod 64) of ceil(G / 64) x K x 64
//
// which also makes a sweep over k one stream. A constant of the model is asked for in this layout
// (kernel.layout); anything else is copied by a stage before the loop.
#include "compiler/codegen/loops/Loops.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace tessera::loops {
#define GEN_PASS_DEF_KERNELPACKLOOPOPERANDS
#include "compiler/codegen/loops/Passes.h.inc"
} // namespace tessera::loops

using namespace mlir;
using namespace tessera;

/// What lies side by side in a packed operand: 4 cache lines, 8 AVX2 or 4 AVX-512 registers.
static constexpr int64_t kTileBytes = 256;

namespace {
/// An operand to pack: dimension `column` of it is the last one of the stage's result.
struct Candidate {
  OpOperand *operand;
  unsigned column;
  int64_t tile;
};

class KernelPacker {
public:
  explicit KernelPacker(kernel::FuncOp kernel) : kernel(kernel) {}

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
      if (bits >= 8)
        found.push_back(
            {operand, unsigned(place - map.getResults().begin()), kTileBytes * 8 / bits});
    }
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
    return kernel::PackedAttr::get(candidate.operand->get().getContext(),
                                   {int64_t(candidate.column)}, {candidate.tile},
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
          Value tile = arith::ConstantIndexOp::create(body, candidate.tile);
          Value last = arith::ConstantIndexOp::create(body, type.getDimSize(candidate.column) - 1);
          Value start = arith::MulIOp::create(body, at[candidate.column], tile);
          Value place = arith::AddIOp::create(body, start, index(packed.getRank() - 1));
          at[candidate.column] = arith::MinSIOp::create(body, place, last);
          Value element = tensor::ExtractOp::create(body, source, at);
          linalg::YieldOp::create(body, element);
        });
    std::string name = (kernel::getStageName(candidate.operand->getOwner()) + "_packed" +
                        llvm::Twine(candidate.operand->getOperandNumber()))
                           .str();
    kernel::setStage(copy, name);
    candidate.operand->set(copy.getResult(0));
  }

  void changeMap(Candidate &candidate) {
    auto stage = cast<linalg::GenericOp>(candidate.operand->getOwner());
    AffineMap map = stage.getMatchingIndexingMap(candidate.operand);
    AffineExpr column = map.getResult(candidate.column);
    SmallVector<AffineExpr> exprs{column.floorDiv(candidate.tile)};
    for (auto [d, expr] : llvm::enumerate(map.getResults()))
      if (d != candidate.column)
        exprs.push_back(expr);
    exprs.push_back(column % candidate.tile);
    SmallVector<AffineMap> maps = stage.getIndexingMapsArray();
    maps[candidate.operand->getOperandNumber()] =
        AffineMap::get(map.getNumDims(), 0, exprs, map.getContext());
    stage.setIndexingMapsAttr(Builder(stage.getContext()).getAffineMapArrayAttr(maps));
  }

  kernel::FuncOp kernel;
};

struct KernelPackLoopOperands : loops::impl::KernelPackLoopOperandsBase<KernelPackLoopOperands> {
  void runOnOperation() override {
    for (auto kernel : getOperation().getOps<kernel::FuncOp>())
      KernelPacker(kernel).run();
  }
};
} // namespace
