//===- Draft.cpp - A stage on its way to another form ---------------------------------------===//
#include "compiler/scheduling/restructure/Draft.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;

namespace tessera::scheduling {

//===-- Extents ------------------------------------------------------------------===//

OpFoldResult extentOfDim(OpBuilder &builder, Value tensor, int64_t dim) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (!type.isDynamicDim(dim))
    return builder.getIndexAttr(type.getDimSize(dim));
  if (isa<BlockArgument>(tensor))
    return tensor::DimOp::create(builder, tensor.getLoc(), tensor, dim).getResult();
  if (auto empty = tensor.getDefiningOp<tensor::EmptyOp>())
    return empty.getDynamicSize(dim);
  auto stage = cast<linalg::LinalgOp>(tensor.getDefiningOp());
  return extentOfDim(builder, stage.getDpsInits()[cast<OpResult>(tensor).getResultNumber()], dim);
}

OpFoldResult extentOfLoop(OpBuilder &builder, linalg::GenericOp stage, unsigned loop) {
  OpFoldResult found;
  for (OpOperand &operand : stage->getOpOperands()) {
    auto type = dyn_cast<RankedTensorType>(operand.get().getType());
    if (!type)
      continue;
    for (auto [dim, expr] : llvm::enumerate(stage.getMatchingIndexingMap(&operand).getResults()))
      if (auto plain = dyn_cast<AffineDimExpr>(expr); plain && plain.getPosition() == loop) {
        // A constant from any operand is better than a value from the first.
        if (!type.isDynamicDim(dim))
          return builder.getIndexAttr(type.getDimSize(dim));
        if (!found)
          found = extentOfDim(builder, operand.get(), dim);
      }
  }
  return found;
}

bool isMultiple(OpFoldResult extent, int64_t number) {
  if (std::optional<int64_t> constant = getConstantIntValue(extent))
    return *constant % number == 0;
  auto product = cast<Value>(extent).getDefiningOp<arith::MulIOp>();
  return product && (isMultiple(product.getLhs(), number) || isMultiple(product.getRhs(), number));
}

static OpFoldResult divide(OpBuilder &builder, Location loc, OpFoldResult extent, int64_t divisor,
                           bool up) {
  if (std::optional<int64_t> constant = getConstantIntValue(extent))
    return builder.getIndexAttr(up ? llvm::divideCeilSigned(*constant, divisor)
                                   : *constant / divisor);
  Value value = cast<Value>(extent);
  Value by = arith::ConstantIndexOp::create(builder, loc, divisor);
  if (up) {
    Value last = arith::ConstantIndexOp::create(builder, loc, divisor - 1);
    value = arith::AddIOp::create(builder, loc, value, last);
  }
  return arith::DivUIOp::create(builder, loc, value, by).getResult();
}

OpFoldResult ceilDiv(OpBuilder &builder, Location loc, OpFoldResult extent, int64_t divisor) {
  return divide(builder, loc, extent, divisor, true);
}
OpFoldResult floorDiv(OpBuilder &builder, Location loc, OpFoldResult extent, int64_t divisor) {
  return divide(builder, loc, extent, divisor, false);
}

Value materialize(OpBuilder &builder, Location loc, OpFoldResult value) {
  if (std::optional<int64_t> constant = getConstantIntValue(value))
    return arith::ConstantIndexOp::create(builder, loc, *constant);
  return cast<Value>(value);
}

Value emptyTensor(OpBuilder &builder, Location loc, ArrayRef<OpFoldResult> shape, Type element) {
  return tensor::EmptyOp::create(builder, loc, shape, element);
}

std::string freshStageName(kernel::FuncOp kernel, StringRef wanted) {
  std::string name = wanted.str();
  for (unsigned number = 1; kernel.lookupStage(name); ++number)
    name = (wanted + llvm::Twine(number)).str();
  return name;
}

//===-- Indices ------------------------------------------------------------------===//

std::pair<AffineExpr, AffineExpr> cut(AffineExpr expr, int64_t tile, ArrayRef<int64_t> bounds) {
  // tile * a + b, b a loop that stays below the tile
  if (auto sum = dyn_cast<AffineBinaryOpExpr>(expr); sum && expr.getKind() == AffineExprKind::Add) {
    auto scaled = dyn_cast<AffineBinaryOpExpr>(sum.getLHS());
    auto inner = dyn_cast<AffineDimExpr>(sum.getRHS());
    if (scaled && inner && scaled.getKind() == AffineExprKind::Mul &&
        bounds[inner.getPosition()] > 0 && bounds[inner.getPosition()] <= tile)
      if (auto factor = dyn_cast<AffineConstantExpr>(scaled.getRHS());
          factor && factor.getValue() == tile)
        return {scaled.getLHS(), inner};
  }
  return {expr.floorDiv(tile), expr % tile};
}

Value expand(OpBuilder &builder, Location loc, AffineExpr expr, ArrayRef<Value> loops) {
  if (auto loop = dyn_cast<AffineDimExpr>(expr))
    return loops[loop.getPosition()];
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return arith::ConstantIndexOp::create(builder, loc, constant.getValue());
  auto binary = cast<AffineBinaryOpExpr>(expr);
  Value a = expand(builder, loc, binary.getLHS(), loops);
  Value b = expand(builder, loc, binary.getRHS(), loops);
  switch (expr.getKind()) {
  case AffineExprKind::Add: return arith::AddIOp::create(builder, loc, a, b);
  case AffineExprKind::Mul: return arith::MulIOp::create(builder, loc, a, b);
  case AffineExprKind::FloorDiv: return arith::DivUIOp::create(builder, loc, a, b);
  case AffineExprKind::Mod: return arith::RemUIOp::create(builder, loc, a, b);
  case AffineExprKind::CeilDiv: return arith::CeilDivUIOp::create(builder, loc, a, b);
  default: llvm_unreachable("a constant or loop was handled above");
  }
}

//===-- Drafts -------------------------------------------------------------------===//

Draft::Draft(linalg::GenericOp stage) : stage(stage) {
  for (OpOperand *operand : stage.getDpsInputOperands())
    inputs.push_back({operand->get(), stage.getMatchingIndexingMap(operand), {}});
  inits.assign(stage.getDpsInits().begin(), stage.getDpsInits().end());
  outputMap = stage.getMatchingIndexingMap(stage.getDpsInitOperand(0));
  iterators = stage.getIteratorTypesArray();
  loops = kernel::getLoopNames(stage);
  name = kernel::getStageName(stage).str();
  extents.resize(loops.size());
}

void Draft::readThroughExtract(unsigned number) {
  AffineMap old = stage.getMatchingIndexingMap(stage.getDpsInputOperand(number));
  inputs[number].read = [this, old](OpBuilder &builder) {
    Location loc = stage.getLoc();
    SmallVector<Value> values;
    for (unsigned loop = 0; loop < old.getNumDims(); ++loop) {
      if (!old.isFunctionOfDim(loop)) {
        values.push_back({});
        continue;
      }
      auto special = indices.find(loop);
      values.push_back(special != indices.end()
                           ? special->second(builder)
                           : Value(linalg::IndexOp::create(builder, loc, loop)));
    }
    SmallVector<Value> coordinates;
    for (AffineExpr expr : old.getResults())
      coordinates.push_back(expand(builder, loc, expr, values));
    return coordinates;
  };
}

std::optional<unsigned> Draft::asLoop(Operation &op) {
  if (!tiled || !isa<arith::DivUIOp, arith::RemUIOp>(op))
    return std::nullopt;
  auto index = op.getOperand(0).getDefiningOp<linalg::IndexOp>();
  if (!index || index.getDim() != tiled->loop ||
      getConstantIntValue(op.getOperand(1)) != tiled->tile)
    return std::nullopt;
  return isa<arith::DivUIOp>(op) ? tiled->loop : tiled->inner;
}

linalg::GenericOp Draft::build(OpBuilder &builder) {
  Location loc = stage.getLoc();
  unsigned numLoops = loops.size();
  SmallVector<Value> operands;
  SmallVector<AffineMap> maps;
  SmallVector<bool> told(numLoops, false);
  auto tells = [&](AffineMap map) {
    for (AffineExpr expr : map.getResults())
      if (auto plain = dyn_cast<AffineDimExpr>(expr))
        told[plain.getPosition()] = true;
  };
  for (const Input &input : inputs) {
    if (input.read)
      continue;
    operands.push_back(input.value);
    maps.push_back(input.map);
    if (isa<RankedTensorType>(input.value.getType()))
      tells(input.map);
  }
  tells(outputMap);
  unsigned readOperands = operands.size();
  for (unsigned loop = 0; loop < numLoops; ++loop)
    if (!told[loop] && extents[loop]) {
      operands.push_back(emptyTensor(builder, loc, extents[loop], builder.getI8Type()));
      maps.push_back(AffineMap::get(numLoops, 0, builder.getAffineDimExpr(loop)));
    }
  maps.append(inits.size(), outputMap);

  Block &old = stage.getRegion().front();
  SmallVector<Type> types;
  for (Value init : inits)
    types.push_back(init.getType());
  auto fill = [&](OpBuilder &inside, Location, ValueRange arguments) {
    IRMapping mapping;
    unsigned next = 0;
    // What is read by tensor.extract comes first: everything else may use it.
    for (auto [number, input] : llvm::enumerate(inputs)) {
      if (!input.read) {
        mapping.map(old.getArgument(number), arguments[next++]);
      } else if (!old.getArgument(number).use_empty()) {
        SmallVector<Value> coordinates = input.read(inside);
        mapping.map(old.getArgument(number),
                    tensor::ExtractOp::create(inside, loc, input.value, coordinates).getResult());
      }
    }
    next += operands.size() - readOperands;
    for (unsigned i = 0; i < inits.size(); ++i)
      mapping.map(old.getArgument(inputs.size() + i), arguments[next++]);
    for (Operation &op : old.without_terminator()) {
      if (auto index = dyn_cast<linalg::IndexOp>(op)) {
        auto special = indices.find(index.getDim());
        if (special != indices.end()) {
          mapping.map(index.getResult(), special->second(inside));
          continue;
        }
      }
      if (std::optional<unsigned> loop = asLoop(op)) {
        mapping.map(op.getResult(0), linalg::IndexOp::create(inside, loc, *loop).getResult());
        continue;
      }
      inside.clone(op, mapping);
    }
    SmallVector<Value> yielded;
    for (Value value : old.getTerminator()->getOperands())
      yielded.push_back(mapping.lookupOrDefault(value));
    linalg::YieldOp::create(inside, loc, yielded);
  };
  auto built =
      linalg::GenericOp::create(builder, loc, types, operands, inits, maps, iterators, fill);
  SmallVector<StringRef> names(loops.begin(), loops.end());
  kernel::setStage(built, name, names);
  for (NamedAttribute attr : stage->getDiscardableAttrs())
    if (!built->hasAttr(attr.getName()))
      built->setAttr(attr.getName(), attr.getValue());
  return built;
}

linalg::GenericOp buildMap(OpBuilder &builder, Location loc, StringRef name,
                           ArrayRef<OpFoldResult> shape, Type element, ArrayRef<std::string> loops,
                           llvm::function_ref<Value(OpBuilder &, ArrayRef<Value>)> value) {
  Value empty = emptyTensor(builder, loc, shape, element);
  SmallVector<AffineMap> maps{builder.getMultiDimIdentityMap(shape.size())};
  SmallVector<utils::IteratorType> iterators(shape.size(), utils::IteratorType::parallel);
  auto built =
      linalg::GenericOp::create(builder, loc, empty.getType(), ValueRange{}, ValueRange{empty},
                                maps, iterators, [&](OpBuilder &inside, Location, ValueRange) {
                                  SmallVector<Value> indices;
                                  for (unsigned loop = 0; loop < shape.size(); ++loop)
                                    indices.push_back(linalg::IndexOp::create(inside, loc, loop));
                                  linalg::YieldOp::create(inside, loc, value(inside, indices));
                                });
  SmallVector<StringRef> names(loops.begin(), loops.end());
  kernel::setStage(built, name, names);
  return built;
}

LogicalResult rewriteReads(
    Value tensor, Value replacement,
    llvm::function_ref<SmallVector<AffineExpr>(ArrayRef<AffineExpr>, ArrayRef<int64_t>)> maps,
    llvm::function_ref<SmallVector<Value>(OpBuilder &, Location, ValueRange)> coordinates,
    llvm::function_ref<InFlightDiagnostic()> error, Operation *only) {
  SmallVector<Operation *> users;
  llvm::SmallPtrSet<Operation *, 8> seen;
  for (Operation *user : tensor.getUsers())
    if (seen.insert(user).second)
      users.push_back(user);
  for (Operation *user : users) {
    if (isa<tensor::DimOp>(user))
      continue;
    if (auto extract = dyn_cast<tensor::ExtractOp>(user)) {
      if (only && extract->getParentOp() != only)
        continue;
      OpBuilder builder(extract);
      SmallVector<Value> indices = coordinates(builder, extract.getLoc(), extract.getIndices());
      auto read = tensor::ExtractOp::create(builder, extract.getLoc(), replacement, indices);
      extract.replaceAllUsesWith(read.getResult());
      extract.erase();
      continue;
    }
    if (only && user != only)
      continue;
    auto stage = dyn_cast<linalg::GenericOp>(user);
    if (!stage || llvm::is_contained(stage.getDpsInits(), tensor))
      return error() << (isa<kernel::ReturnOp>(user)
                             ? "is a result of the kernel; use cache_write first"
                             : "is where another stage starts from");
    OpBuilder builder(stage);
    Draft draft(stage);
    SmallVector<int64_t> bounds;
    for (unsigned loop = 0; loop < draft.loops.size(); ++loop) {
      draft.extents[loop] = extentOfLoop(builder, stage, loop);
      bounds.push_back(getConstantIntValue(draft.extents[loop]).value_or(0));
    }
    for (Draft::Input &input : draft.inputs)
      if (input.value == tensor) {
        input.value = replacement;
        input.map = AffineMap::get(input.map.getNumDims(), 0, maps(input.map.getResults(), bounds),
                                   builder.getContext());
      }
    linalg::GenericOp built = draft.build(builder);
    stage.replaceAllUsesWith(built.getResults());
    stage.erase();
  }
  return success();
}

} // namespace tessera::scheduling
