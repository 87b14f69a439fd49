//===- OpsIf.cpp - If ---------------------------------------------------------------------===//

#include "frontends/onnx/Stacks.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;
using graph::CompareKind;

namespace {
/// Moves what binds an extent inside of a branch before the `if`, when it is computed from extents.
class BindingHoister {
public:
  BindingHoister(graph::IfOp branches, graph::FuncOp function) : branches(branches) {
    bound = function.getBoundSymbols();
  }
  /// Whether every symbol of the extent is known before the `if` now.
  bool hoist(DimAttr dim) {
    if (!collect(dim))
      return false;
    for (Operation *op : order)
      op->moveBefore(branches);
    order.clear();
    return true;
  }

private:
  bool collect(DimAttr dim) {
    bool works = true;
    graph::walkDimSymbols(dim, [&](StringRef symbol) {
      graph::BindDimOp bind = bound.lookup(symbol);
      works &= !bind || collect(bind);
    });
    return works;
  }
  bool collect(Operation *op) {
    if (!branches->isProperAncestor(op) || llvm::is_contained(order, op))
      return true;
    // Arithmetic on a few integers: it may be done for nothing when the other branch is taken.
    bool isCheap = llvm::all_of(op->getResults(), [](Value result) {
      graph::TensorType type = graph::getTensorType(result);
      DimAttr count = graph::multiplyDims(type.getContext(), type.getDims());
      return isa<IntegerType>(type.getElementType()) && count.getConstant() &&
             *count.getConstant() <= 16;
    });
    isCheap &= isPure(op) || isa<graph::BindDimOp>(op);
    WalkResult walk = op->walk([&](Operation *inner) {
      if (auto value = dyn_cast<graph::DimValueOp>(inner))
        return collect(value.getDim()) ? WalkResult::advance() : WalkResult::interrupt();
      if (inner != op ? !isa<graph::YieldOp>(inner) : !isCheap && !isa<graph::IfOp>(inner))
        return WalkResult::interrupt();
      for (Value operand : inner->getOperands()) {
        Operation *source = operand.getDefiningOp();
        if (!source || (!op->isAncestor(source) && !collect(source)))
          return WalkResult::interrupt();
      }
      return WalkResult::advance();
    });
    if (walk.wasInterrupted())
      return false;
    order.push_back(op);
    return true;
  }

  graph::IfOp branches;
  llvm::StringMap<graph::BindDimOp> bound;
  SmallVector<Operation *> order;
};
} // namespace

/// An extent that the branches give differently: chosen by an if of its own, before.
static FailureOr<DimAttr> chooseExtent(Node &node, Value condition, DimAttr whenTrue,
                                       DimAttr whenFalse, graph::IfOp branches, size_t result) {
  BindingHoister hoister(branches, branches->getParentOfType<graph::FuncOp>());
  if (!hoister.hoist(whenTrue) || !hoister.hoist(whenFalse))
    return node.error(
        "output " + Twine(result) +
        " has an extent that depends on data inside of a branch, which is not supported");
  if (whenTrue == whenFalse)
    return whenTrue;
  auto scalar = graph::TensorType::getScalar(node.si64());
  auto choice = graph::IfOp::create(node.getBuilder(), node.getLoc(), TypeRange(scalar), condition);
  for (auto [region, dim] : {std::pair(&choice.getThenRegion(), whenTrue),
                             std::pair(&choice.getElseRegion(), whenFalse)}) {
    OpBuilder inner = OpBuilder::atBlockEnd(&region->emplaceBlock());
    Value value = graph::DimValueOp::create(inner, node.getLoc(), dim);
    graph::YieldOp::create(inner, node.getLoc(), value);
  }
  return ShapeScalars(node).bind(choice.getResult(0),
                                 "an extent of output " + std::to_string(result));
}

/// Whether `condition` asks if an extent equals a number.
static bool asksForExtent(Value condition) {
  Operation *op = condition.getDefiningOp();
  while (op && isa<graph::ReshapeOp, graph::ConvertOp>(op))
    op = op->getOperand(0).getDefiningOp();
  auto compare = dyn_cast_or_null<graph::CompareOp>(op);
  return compare && compare.getKind() == CompareKind::eq && graph::getShapeScalar(compare.getX()) &&
         graph::getShapeScalar(compare.getY());
}

/// Whether `x` is `whole` without one axis, whose extent is not known to be 1: what a program that
/// runs checks.
static bool dropsOpenAxis(Value x, graph::TensorType whole) {
  ArrayRef<DimAttr> dims = graph::getTensorType(x).getDims(), all = whole.getDims();
  if (!x.getDefiningOp<graph::ReshapeOp>() || dims.size() + 1 != all.size())
    return false;
  for (size_t axis = 0; axis < all.size(); ++axis)
    if (!all[axis].isConstant() && all.take_front(axis) == dims.take_front(axis) &&
        all.drop_front(axis + 1) == dims.drop_front(axis))
      return true;
  return false;
}

/// A sequence of known length as a stack, at the end of its branch; `other` is what the other
/// branch gives, and tells what the elements of an empty one are.
static FailureOr<Value> asStack(Node &node, graph::GraphBuilder b, Value sequence, Value other) {
  if (isStack(sequence))
    return sequence;
  SmallVector<Value> elements(contentsOf(sequence));
  FailureOr<Value> all = failure();
  if (!elements.empty()) {
    all = stackOf(node, b, elements);
  } else if (isStack(other) || !isStructure(contentsOf(other).front())) {
    graph::TensorType type = graph::getTensorType(contentsOf(other).front());
    DimList dims{node.dim(0)};
    for (DimAttr dim : type.getDims().drop_front(isStack(other)))
      dims.push_back(dim.isConstant() ? dim : node.dim(0));
    all = b.fill(type.withDims(dims), 0);
  } else {
    return node.error("chooses between an empty sequence and " + describeStructure(other) +
                      " of which an element is " + describeStructure(contentsOf(other).front()));
  }
  if (failed(all))
    return failure();
  return makeStack(b.getBuilder(), node.getLoc(), *all);
}

static LogicalResult importIf(Node &node) {
  const ::onnx::AttributeProto *thenBranch = node.attribute("then_branch");
  const ::onnx::AttributeProto *elseBranch = node.attribute("else_branch");
  OpBuilder &builder = node.getBuilder();
  if (isStructure(node.input(0)))
    return node.error("asks " + describeStructure(node.input(0)) + ", expected a bool");
  Value condition = node.reshape(node.input(0), {});
  // A condition that follows from extents is decided now.
  if (DimAttr known = graph::getShapeScalar(condition); known && known.isConstant()) {
    SmallVector<Value> results;
    if (failed(node.importer.importSubgraph((known.getValue() ? thenBranch : elseBranch)->g(),
                                            builder, {}, results)))
      return failure();
    for (Value result : results)
      node.setOutput(result);
    return success();
  }
  // Both branches go into blocks of their own, which tell the types.
  auto op = graph::IfOp::create(builder, node.getLoc(), TypeRange(), condition);
  SmallVector<SmallVector<Value>> results(2);
  Region *regions[] = {&op.getThenRegion(), &op.getElseRegion()};
  const ::onnx::AttributeProto *branches[] = {thenBranch, elseBranch};
  for (auto [region, branch, values] : llvm::zip(regions, branches, results)) {
    OpBuilder inner = OpBuilder::atBlockEnd(&region->emplaceBlock());
    if (failed(node.importer.importSubgraph(branch->g(), inner, {}, values)))
      return failure();
  }
  if (results[0].size() != results[1].size())
    return node.error("its branches give " + Twine(results[0].size()) + " and " +
                      Twine(results[1].size()) + " outputs");
  // Sequences of different lengths have a length that depends on data.
  auto isAnySequence = [](Value value) { return isSequence(value) || isStack(value); };
  for (auto [x, y] : llvm::zip(results[0], results[1])) {
    if (haveSameStructure(x, y) || !isAnySequence(x) || !isAnySequence(y))
      continue;
    OpBuilder inThen = OpBuilder::atBlockEnd(&regions[0]->front()),
              inElse = OpBuilder::atBlockEnd(&regions[1]->front());
    FailureOr<Value> left = asStack(node, node.at(inThen), x, y),
                     right = asStack(node, node.at(inElse), y, x);
    if (failed(left) || failed(right))
      return failure();
    std::tie(x, y) = std::pair(*left, *right);
  }
  // Structures are chosen tensor by tensor.
  SmallVector<Value> likes = results[0];
  for (auto [number, pair] : llvm::enumerate(llvm::zip(results[0], results[1])))
    if (auto [a, b] = pair; !haveSameStructure(a, b))
      return node.error("its branches give " + describeStructure(a) + " and " +
                        describeStructure(b) + " as output " + Twine(number) +
                        "; which one has to be known when compiling");
  for (SmallVector<Value> &values : results) {
    SmallVector<Value> tensors;
    for (Value value : values)
      flatten(value, tensors);
    values = tensors;
  }
  SmallVector<Type> types;
  auto alignRanks = [&](Value &x, Value &y, OpBuilder inner) {
    // Operators broadcast one element alike whatever its rank: it gets the higher one.
    DimList ones(std::max(graph::getTensorType(x).rank(), graph::getTensorType(y).rank()),
                 node.dim(1));
    auto isOne = [](Value value) { return graph::getTensorType(value).getElementCount() == 1; };
    if (isOne(x) && isOne(y))
      x = node.at(inner).reshape(x, ones);
  };
  for (auto [x, y] : llvm::zip(results[0], results[1])) {
    alignRanks(x, y, OpBuilder::atBlockEnd(&regions[0]->front()));
    alignRanks(y, x, OpBuilder::atBlockEnd(&regions[1]->front()));
  }
  for (auto [number, pair] : llvm::enumerate(llvm::zip(results[0], results[1]))) {
    graph::TensorType a = graph::getTensorType(std::get<0>(pair)),
                      b = graph::getTensorType(std::get<1>(pair));
    // if extent == 1 then squeeze(x) else x: a rank that depends on an extent. Who reads it expects
    // one rank, and that is the smaller one; a model that runs with another extent ends with an
    // error, as the squeezing does when it is written without the if.
    if (asksForExtent(condition) && results[0].size() == 1 &&
        dropsOpenAxis(results[0][0], graph::getTensorType(results[1][0]))) {
      op->getBlock()->getOperations().splice(op->getIterator(),
                                             op.getThenRegion().front().getOperations());
      op.erase();
      node.setOutput(results[0][0]);
      return success();
    }
    if (a.getElementType() != b.getElementType() || a.rank() != b.rank())
      return node.error("its branches give output " + Twine(number) +
                        " of different types or ranks");
    DimList dims;
    for (auto [x, y] : llvm::zip(a.getDims(), b.getDims())) {
      FailureOr<DimAttr> dim = x;
      if (x != y)
        dim = chooseExtent(node, condition, x, y, op, number);
      if (failed(dim))
        return failure();
      dims.push_back(*dim);
    }
    types.push_back(a.withDims(dims));
  }
  auto typed = graph::IfOp::create(builder, node.getLoc(), types, condition);
  typed.getThenRegion().takeBody(op.getThenRegion());
  typed.getElseRegion().takeBody(op.getElseRegion());
  op.erase();
  Region *typedRegions[] = {&typed.getThenRegion(), &typed.getElseRegion()};
  for (auto [region, values] : llvm::zip(typedRegions, results)) {
    OpBuilder inner = OpBuilder::atBlockEnd(&region->front());
    graph::GraphBuilder b = node.at(inner);
    for (auto [value, type] : llvm::zip(values, types))
      value = b.reshape(value, llvm::cast<graph::TensorType>(type).getDims());
    graph::YieldOp::create(inner, node.getLoc(), values);
  }
  SmallVector<Value> chosen(typed.getResults());
  ArrayRef<Value> left(chosen);
  for (Value like : likes)
    node.setOutput(rebuild(builder, node.getLoc(), like, left));
  return success();
}

ArrayRef<Operator> tessera::onnx::branchOperators() {
  static const Operator table[] = {{"If", 1, importIf, true}};
  return table;
}
