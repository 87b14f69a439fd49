//===- FromKernel.cpp - From the kernel dialect to a Halide program ---------------------===//
// Every stage becomes one Func: a linalg.generic without reduction iterators its definition, one
// with them initial values and an update. Fills are not Funcs of their own: they are the initial
// values of whoever starts from them.
#include "compiler/codegen/halide/FromKernel.h"

#include "compiler/codegen/halide/ScalarTranslator.h"
#include "dialects/kernel/Operations.h"

#include "llvm/ADT/StringSet.h"

#include <cstring>

using namespace mlir;

namespace tessera::halide {
namespace {

/// Where the elements of a tensor value come from.
struct Source {
  enum Kind { Argument, Stage, Uniform, Undefined } kind = Undefined;
  int32_t number = 0; ///< argument or stage number; node of a uniform value
  int32_t result = 0; ///< which result of a stage
};

class Describer {
public:
  explicit Describer(kernel::FuncOp func) : func(func), scalars(program) {}

  FailureOr<HalideProgram> run() {
    program.name = func.getSymName().str();
    if (failed(describeArguments()))
      return failure();
    for (Operation &op : func.getBody().front().without_terminator())
      if (failed(describe(&op)))
        return failure();
    if (failed(describeOutputs()))
      return failure();
    return std::move(program);
  }

private:
  static std::vector<int64_t> shapeOf(mlir::Type type) {
    std::vector<int64_t> shape;
    for (int64_t extent : cast<RankedTensorType>(type).getShape())
      shape.push_back(ShapedType::isDynamic(extent) ? -1 : extent);
    return shape;
  }

  LogicalResult describeArguments() {
    for (BlockArgument argument : func.getArguments()) {
      if (argument.getType().isIndex()) {
        scalars.bind(argument, scalars.add(Op::Extent, {TypeKind::Int, 32}, {}, program.extents++));
        continue;
      }
      auto type = cast<RankedTensorType>(argument.getType());
      FailureOr<Type> element = ScalarTranslator::storageType(type.getElementType());
      if (failed(element))
        return func.emitOpError() << "argument " << argument.getArgNumber() << " has elements of "
                                  << type.getElementType()
                                  << ", which the Halide generator does not know";
      sources[argument] = {Source::Argument, static_cast<int32_t>(program.tensors.size())};
      program.tensors.push_back({argumentName(argument.getArgNumber()), *element, shapeOf(type)});
    }
    return success();
  }

  LogicalResult describe(Operation *op) {
    if (isa<tensor::EmptyOp>(op)) {
      sources[op->getResult(0)] = {Source::Undefined};
      return success();
    }
    if (auto fill = dyn_cast<linalg::FillOp>(op)) {
      sources[fill.getResult(0)] = {Source::Uniform, scalars.lookup(fill.getInputs()[0])};
      return success();
    }
    if (auto dim = dyn_cast<tensor::DimOp>(op)) {
      auto number = dim.getConstantIndex();
      if (!number)
        return dim.emitOpError() << "expected a constant dimension";
      scalars.bind(dim.getResult(), extentOf(dim.getSource(), *number));
      return success();
    }
    if (auto stage = dyn_cast<linalg::GenericOp>(op))
      return describeStage(stage);
    return scalars.translate(op);
  }

  /// The extent of one dimension of a value that is an argument or made by tensor.empty.
  int32_t extentOf(Value value, int64_t dim) {
    constexpr Type kIndex{TypeKind::Int, 32};
    auto type = cast<RankedTensorType>(value.getType());
    if (!type.isDynamicDim(dim))
      return scalars.integer(kIndex, type.getDimSize(dim));
    if (isa<BlockArgument>(value))
      return scalars.add(Op::ArgExtent, kIndex, {}, sources.lookup(value).number, dim);
    if (auto empty = value.getDefiningOp<tensor::EmptyOp>())
      return scalars.lookup(empty.getDynamicSize(dim));
    auto stage = cast<linalg::LinalgOp>(value.getDefiningOp());
    return extentOf(stage.getDpsInits()[cast<OpResult>(value).getResultNumber()], dim);
  }

  /// The first operand whose map has the plain loop as a result tells the extent of the loop.
  FailureOr<int32_t> extentOfLoop(linalg::GenericOp stage, unsigned loop) {
    for (OpOperand &operand : stage->getOpOperands()) {
      if (!isa<RankedTensorType>(operand.get().getType()))
        continue;
      AffineMap map = stage.getMatchingIndexingMap(&operand);
      for (auto [dim, expr] : llvm::enumerate(map.getResults()))
        if (auto plain = dyn_cast<AffineDimExpr>(expr); plain && plain.getPosition() == loop)
          return extentOf(operand.get(), dim);
    }
    return stage.emitOpError() << "no operand tells the extent of loop '"
                               << kernel::getLoopNames(stage)[loop] << "'";
  }

  int32_t affine(AffineExpr expr, ArrayRef<int32_t> loops) {
    constexpr Type kIndex{TypeKind::Int, 32};
    if (auto loop = dyn_cast<AffineDimExpr>(expr))
      return loops[loop.getPosition()];
    if (auto number = dyn_cast<AffineConstantExpr>(expr))
      return scalars.integer(kIndex, number.getValue());
    auto binary = cast<AffineBinaryOpExpr>(expr);
    int32_t a = affine(binary.getLHS(), loops), b = affine(binary.getRHS(), loops);
    switch (expr.getKind()) {
    case AffineExprKind::Add: return scalars.add(Op::Add, kIndex, {a, b});
    case AffineExprKind::Mul: return scalars.add(Op::Mul, kIndex, {a, b});
    case AffineExprKind::FloorDiv: return scalars.add(Op::DivFloor, kIndex, {a, b});
    case AffineExprKind::Mod: return scalars.add(Op::RemFloor, kIndex, {a, b});
    case AffineExprKind::CeilDiv: {
      int32_t last = scalars.add(Op::Sub, kIndex, {b, scalars.integer(kIndex, 1)});
      return scalars.add(Op::DivFloor, kIndex, {scalars.add(Op::Add, kIndex, {a, last}), b});
    }
    default: llvm_unreachable("a constant or loop was handled above");
    }
  }

  /// Reads an element of a table: a constant of rank 1.
  FailureOr<int32_t> readTable(Operation *where, DenseElementsAttr value, int32_t index) {
    if (!value.getElementType().isF32() || value.getType().getRank() != 1 ||
        !llvm::isPowerOf2_64(value.getNumElements()))
      return where->emitOpError() << "reads a constant " << value.getType()
                                  << "; the Halide generator knows tables of 2^n f32";
    auto entries = llvm::to_vector(value.getValues<float>());
    std::vector<float> table(entries.begin(), entries.end());
    auto known = llvm::find_if(program.tables, [&](const std::vector<float> &other) {
      return other.size() == table.size() &&
             std::memcmp(other.data(), table.data(), table.size() * sizeof(float)) == 0;
    });
    int64_t number = known - program.tables.begin();
    if (known == program.tables.end())
      program.tables.push_back(table);
    return scalars.add(Op::LoadTable, {TypeKind::Float, 32}, {index}, number);
  }

  /// Reads an element of a tensor value.
  FailureOr<int32_t> read(Operation *where, Value tensor, std::vector<int32_t> coordinates) {
    if (auto constant = tensor.getDefiningOp<arith::ConstantOp>())
      return readTable(where, cast<DenseElementsAttr>(constant.getValue()), coordinates[0]);
    Source source = sources.lookup(tensor);
    mlir::Type element = cast<RankedTensorType>(tensor.getType()).getElementType();
    FailureOr<Type> storage = ScalarTranslator::storageType(element);
    if (failed(storage))
      return where->emitOpError() << "reads elements of " << element
                                  << ", which the Halide generator does not know";
    switch (source.kind) {
    case Source::Uniform: return source.number;
    case Source::Argument:
      return scalars.fromStorage(
          scalars.add(Op::LoadArg, *storage, std::move(coordinates), source.number), element);
    case Source::Stage: {
      Type held = program.stages[source.number].types[source.result];
      return scalars.fromStorage(
          scalars.add(Op::LoadStage, held, std::move(coordinates), source.number, source.result),
          element);
    }
    case Source::Undefined: return where->emitOpError() << "reads a tensor that was never written";
    }
    llvm_unreachable("unknown source");
  }

  /// Sums and products that may wrap are held unsigned, as they are computed: otherwise Halide
  /// cannot prove that they may be reordered.
  static bool isHeldUnsigned(Value yielded) {
    if (!yielded.getType().isInteger() || yielded.getType().getIntOrFloatBitWidth() < 32)
      return false;
    if (auto sum = yielded.getDefiningOp<arith::AddIOp>())
      return !fitsSigned(sum);
    return isa_and_present<arith::MulIOp>(yielded.getDefiningOp());
  }

  /// The one condition under which running values change; then `results` are the new ones.
  static Value skippingCondition(linalg::GenericOp op, SmallVectorImpl<Value> &results) {
    Value condition;
    SmallVector<Value> next;
    for (auto [number, result] : llvm::enumerate(results)) {
      auto select = result.getDefiningOp<arith::SelectOp>();
      Value carried = op.getMatchingBlockArgument(op.getDpsInitOperand(number));
      if (!select || select.getFalseValue() != carried ||
          (condition && select.getCondition() != condition))
        return {};
      condition = select.getCondition();
      next.push_back(select.getTrueValue());
    }
    results = next;
    return condition;
  }

  LogicalResult describeStage(linalg::GenericOp op) {
    constexpr Type kIndex{TypeKind::Int, 32};
    Stage stage;
    stage.name = kernel::getStageName(op).str();
    for (const std::string &loop : kernel::getLoopNames(op))
      stage.loops.push_back(loop);
    SmallVector<int32_t> loops;
    bool reduces = op.getNumReductionLoops() > 0;
    for (unsigned loop = 0; loop < op.getNumLoops(); ++loop) {
      bool reduction = op.getIteratorTypesArray()[loop] == utils::IteratorType::reduction;
      stage.isReduction.push_back(reduction);
      int32_t extent = -1;
      if (reduces) {
        FailureOr<int32_t> found = extentOfLoop(op, loop);
        if (failed(found))
          return failure();
        extent = *found;
      }
      stage.extents.push_back(extent);
      loops.push_back(scalars.add(Op::Loop, kIndex, {}, loop));
    }

    AffineMap outputMap = op.getMatchingIndexingMap(op.getDpsInitOperand(0));
    std::vector<int32_t> place;
    for (auto [dim, expr] : llvm::enumerate(outputMap.getResults())) {
      unsigned loop = cast<AffineDimExpr>(expr).getPosition();
      stage.outputDims.push_back(loop);
      place.push_back(loops[loop]);
      if (!reduces) // What is said of the result may be more than what is known of operands.
        stage.extents[loop] = extentOf(op.getDpsInits()[0], dim);
    }
    for (unsigned loop = 0; loop < op.getNumLoops(); ++loop)
      if (!stage.isReduction[loop] && !llvm::is_contained(stage.outputDims, int32_t(loop)))
        return op.emitOpError() << "the parallel loop '" << stage.loops[loop]
                                << "' is no dimension of the result";

    Block &body = op.getRegion().front();
    for (OpOperand *input : op.getDpsInputOperands()) {
      BlockArgument argument = op.getMatchingBlockArgument(input);
      if (!isa<RankedTensorType>(input->get().getType())) {
        scalars.bind(argument, scalars.lookup(input->get()));
        continue;
      }
      if (argument.use_empty())
        continue; // It only tells an extent.
      std::vector<int32_t> coordinates;
      for (AffineExpr expr : op.getMatchingIndexingMap(input).getResults())
        coordinates.push_back(affine(expr, loops));
      FailureOr<int32_t> value = read(op, input->get(), std::move(coordinates));
      if (failed(value))
        return failure();
      scalars.bind(argument, *value);
    }
    for (OpOperand &init : op.getDpsInitsMutable()) {
      BlockArgument argument = op.getMatchingBlockArgument(&init);
      mlir::Type element = argument.getType();
      FailureOr<Type> storage = ScalarTranslator::storageType(element);
      if (failed(storage))
        return op.emitOpError() << "gives elements of " << element
                                << ", which the Halide generator does not know";
      int32_t number = stage.types.size();
      if (reduces && isHeldUnsigned(body.getTerminator()->getOperand(number)))
        storage->kind = TypeKind::UInt;
      stage.types.push_back(*storage);
      if (!reduces && argument.use_empty())
        continue;
      FailureOr<int32_t> value = read(op, init.get(), place);
      if (failed(value))
        return failure();
      if (!reduces) {
        scalars.bind(argument, *value);
        continue;
      }
      stage.init.push_back(scalars.toStorage(*value, element, *storage));
      scalars.bind(argument,
                   scalars.fromStorage(scalars.add(Op::Carried, *storage, {}, number), element));
    }
    if (failed(describeBody(body, loops)))
      return failure();
    SmallVector<Value> results(body.getTerminator()->getOperands());
    if (op->hasAttr(kernel::KernelDialect::kSkipsAttr))
      if (Value condition = skippingCondition(op, results))
        stage.predicate = scalars.lookup(condition);
    if (reduces && results.size() > 1)
      for (unsigned loop = 0; loop < op.getNumLoops(); ++loop) {
        llvm::SmallBitVector alike = kernel::resultsAlike(op, loop);
        std::vector<bool> &flags = stage.alike.emplace_back();
        for (unsigned result = 0; result < results.size(); ++result)
          flags.push_back(alike.test(result));
      }
    for (auto [yielded, held] : llvm::zip_equal(results, stage.types))
      stage.body.push_back(scalars.toStorage(scalars.lookup(yielded), yielded.getType(), held));

    for (OpResult result : op->getResults())
      sources[result] = {Source::Stage, static_cast<int32_t>(program.stages.size()),
                         static_cast<int32_t>(result.getResultNumber())};
    program.stages.push_back(std::move(stage));
    return success();
  }

  LogicalResult describeBody(Block &body, ArrayRef<int32_t> loops) {
    for (Operation &op : body.without_terminator()) {
      if (auto index = dyn_cast<linalg::IndexOp>(op)) {
        scalars.bind(index, loops[index.getDim()]);
      } else if (auto extract = dyn_cast<tensor::ExtractOp>(op)) {
        std::vector<int32_t> coordinates;
        for (Value coordinate : extract.getIndices())
          coordinates.push_back(scalars.lookup(coordinate));
        FailureOr<int32_t> value = read(&op, extract.getTensor(), std::move(coordinates));
        if (failed(value))
          return failure();
        scalars.bind(extract, *value);
      } else if (auto dim = dyn_cast<tensor::DimOp>(op)) {
        auto number = dim.getConstantIndex();
        if (!number)
          return dim.emitOpError() << "expected a constant dimension";
        scalars.bind(dim, extentOf(dim.getSource(), *number));
      } else if (isa<arith::ConstantOp>(op) && isa<TensorType>(op.getResult(0).getType())) {
        continue; // A table, for who reads it.
      } else if (failed(scalars.translate(&op))) {
        return failure();
      }
    }
    return success();
  }

  /// A result that is an argument, a fill, or returned twice gets a stage of its own.
  int32_t copyStage(Value value, unsigned number) {
    constexpr Type kIndex{TypeKind::Int, 32};
    auto type = cast<RankedTensorType>(value.getType());
    Stage stage;
    stage.name = "result" + std::to_string(number);
    std::vector<int32_t> place;
    for (int64_t dim = 0; dim < type.getRank(); ++dim) {
      stage.loops.push_back("i" + std::to_string(dim));
      stage.isReduction.push_back(false);
      stage.extents.push_back(-1);
      stage.outputDims.push_back(dim);
      place.push_back(scalars.add(Op::Loop, kIndex, {}, dim));
    }
    FailureOr<int32_t> read = this->read(func, value, place);
    if (failed(read))
      return -1;
    stage.types.push_back(*ScalarTranslator::storageType(type.getElementType()));
    stage.body.push_back(scalars.toStorage(*read, type.getElementType(), stage.types.back()));
    program.stages.push_back(std::move(stage));
    return program.stages.size() - 1;
  }

  LogicalResult describeOutputs() {
    Operation *yield = func.getBody().front().getTerminator();
    llvm::SmallDenseSet<int32_t> taken;
    for (unsigned number = 0; number < yield->getNumOperands(); ++number) {
      Value value = yield->getOperand(number);
      Source source = sources.lookup(value);
      bool direct = source.kind == Source::Stage && taken.insert(source.number).second;
      if (direct && program.stages[source.number].types.size() > 1) {
        // Halide writes all results of a tuple or none.
        auto stage = value.getDefiningOp();
        for (OpResult result : stage->getResults())
          if (number + result.getResultNumber() >= yield->getNumOperands() ||
              yield->getOperand(number + result.getResultNumber()) != result)
            return stage->emitOpError()
                   << "all results of a stage with several results must be returned, in order";
        program.outputs.push_back({source.number, shapeOf(value.getType()), {}});
        number += stage->getNumResults() - 1;
        continue;
      }
      int32_t stage = direct ? source.number : copyStage(value, number);
      if (stage < 0)
        return failure();
      program.outputs.push_back({stage, shapeOf(value.getType()), {}});
      if (auto place = func.getResultAttrOfType<kernel::PlaceAttr>(
              number, kernel::KernelDialect::kPlaceAttr))
        program.outputs.back().whole = place.getShape();
    }
    return success();
  }

  kernel::FuncOp func;
  HalideProgram program;
  ScalarTranslator scalars;
  llvm::DenseMap<Value, Source> sources;
};

} // namespace

FailureOr<HalideProgram> describeKernel(kernel::FuncOp func) { return Describer(func).run(); }

} // namespace tessera::halide
