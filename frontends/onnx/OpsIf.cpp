//===- OpsIf.cpp - If ---------------------------------------------------------------------===//

#include "frontends/onnx/OpenSequences.h"
#include "frontends/onnx/Strings.h"

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

/// The elements of a sequence, or of none, as a sequence of open length at the end of its branch;
/// `other` is what the other branch, in a block of its own, gives: it tells what the elements of an
/// empty one are.
static FailureOr<OpenSequence> openBranch(Node &inside, ArrayRef<Value> parts,
                                          ArrayRef<Value> other, Block &otherBlock) {
  if (!parts.empty())
    return openSequenceOf(inside, parts);
  Value like = other.front();
  if (isStructure(like) && !isStrings(like) && !isOpenSequence(like))
    return inside.error("chooses between an empty sequence and one of which an element is " +
                        describeStructure(like));
  OpenSequence empty;
  SmallVector<Value> tensors;
  flatten(like, tensors);
  graph::TensorType type = graph::getTensorType(tensors.front());
  empty.areStrings = isStrings(like) || (isOpenSequence(like) && takeApart(like).areStrings);
  empty.dims = isOpenSequence(like) ? takeApart(like).dims
                                    : DimList(type.getDims().drop_back(empty.areStrings));
  DimList dims{inside.dim(0)};
  for (DimAttr &dim : empty.dims) {
    dim = dim && !dependsOnBody(dim, otherBlock) ? dim : inside.dim(0);
    dims.push_back(dim);
  }
  if (empty.areStrings)
    dims.push_back(inside.dim(0));
  empty.values = inside.fill(type.withDims(dims), 0);
  return empty;
}

namespace {
/// Both branches in blocks of their own, which tell the types; then the `if` that has them.
class IfImporter {
public:
  explicit IfImporter(Node &node) : node(node), noted(node.importer.notes()) {}
  LogicalResult run();

private:
  /// An extent of output `number` that depends on data inside of a branch.
  struct OpenExtent {
    size_t number, axis;
  };

  const ::onnx::GraphProto &branch(bool isThen) {
    return node.attribute(isThen ? "then_branch" : "else_branch")->g();
  }
  LogicalResult importBranches();
  LogicalResult alignSequences(size_t number, Value &x, Value &y);
  LogicalResult chooseTypes();
  LogicalResult measure();
  DimAttr chooseExtent(DimAttr whenTrue, DimAttr whenFalse, size_t number);
  bool takeSqueezed();
  void setOutputs();

  Node &node;
  const Importer::Notes noted;
  Value condition;
  graph::IfOp op;                          ///< without types
  SmallVector<SmallVector<Value>> results; ///< of both branches, tensor by tensor
  SmallVector<Value> likes;                ///< what they are put together to
  SmallVector<SmallVector<Value>> grown;   ///< what a sequence that a loop makes longer had before
  SmallVector<graph::TensorType> types;
  SmallVector<OpenExtent> open;
};
} // namespace

/// Sequences of different lengths have a length that depends on data. Of those that a loop makes
/// longer the branches give what they add.
LogicalResult IfImporter::alignSequences(size_t number, Value &x, Value &y) {
  auto isAnySequence = [](Value value) { return isSequence(value) || isOpenSequence(value); };
  auto partsOf = [](Value value) {
    return isOpenSequence(value) ? SmallVector<Value>{value} : llvm::to_vector(contentsOf(value));
  };
  SmallVector<Value> left, right;
  if (isGrowing(x) && isGrowing(y) && contentsOf(x).front() == contentsOf(y).front()) {
    // What was added before is in both.
    left = partsOf(x);
    right = partsOf(y);
    size_t same = 0;
    while (same < std::min(left.size(), right.size()) && left[same] == right[same])
      grown[number].push_back(left[same++]);
    left.erase(left.begin(), left.begin() + same);
    right.erase(right.begin(), right.begin() + same);
    if (left.empty() && right.empty()) {
      x = y = makeSequence(node.getBuilder(), node.getLoc(), {});
      return success();
    }
  } else if (isGrowing(x) || isGrowing(y)) {
    return node.importer.needAllOf(isGrowing(x) ? x : y);
  } else if (haveSameStructure(x, y) || !isAnySequence(x) || !isAnySequence(y)) {
    return success();
  } else {
    left = partsOf(x);
    right = partsOf(y);
  }
  OpBuilder inThen = OpBuilder::atBlockEnd(&op.getThenRegion().front()),
            inElse = OpBuilder::atBlockEnd(&op.getElseRegion().front());
  Node thenNode(node.importer, inThen, node.getLoc(), node.proto, node.opset),
      elseNode(node.importer, inElse, node.getLoc(), node.proto, node.opset);
  FailureOr<OpenSequence> a = openBranch(thenNode, left, right, *inElse.getInsertionBlock()),
                          b = openBranch(elseNode, right, left, *inThen.getInsertionBlock());
  if (failed(a) || failed(b))
    return failure();
  if (a->dims.size() != b->dims.size() || a->areStrings != b->areStrings)
    return node.error("its branches give sequences of elements of different ranks or types as "
                      "output " +
                      Twine(number));
  if (a->areStrings) {
    DimAttr width = node.known(DimExpr::max(a->valueDims(0).back(), b->valueDims(0).back()));
    a->values = widen(thenNode, a->values, width);
    b->values = widen(elseNode, b->values, width);
  }
  if (a->shapes || b->shapes) {
    DimList common = commonDims(a->dims, b->dims);
    for (DimAttr &dim : common)
      if (dim && (dependsOnBody(dim, op.getThenRegion().front()) ||
                  dependsOnBody(dim, op.getElseRegion().front())))
        dim = {};
    a = asRagged(thenNode, *a, common);
    b = asRagged(elseNode, *b, common);
  }
  x = putTogether(thenNode, *a);
  y = putTogether(elseNode, *b);
  return success();
}

LogicalResult IfImporter::importBranches() {
  OpBuilder &builder = node.getBuilder();
  op = graph::IfOp::create(builder, node.getLoc(), TypeRange(), condition);
  results.assign(2, {});
  Region *regions[] = {&op.getThenRegion(), &op.getElseRegion()};
  for (auto [number, region, values] : llvm::enumerate(regions, results)) {
    OpBuilder inner = OpBuilder::atBlockEnd(&region->emplaceBlock());
    if (failed(node.importer.importSubgraph(branch(number == 0), inner, {}, values)))
      return failure();
  }
  if (results[0].size() != results[1].size())
    return node.error("its branches give " + Twine(results[0].size()) + " and " +
                      Twine(results[1].size()) + " outputs");
  grown.assign(results[0].size(), {});
  for (auto [number, pair] : llvm::enumerate(llvm::zip(results[0], results[1])))
    if (failed(alignSequences(number, std::get<0>(pair), std::get<1>(pair))))
      return failure();
  // Structures are chosen tensor by tensor.
  likes = results[0];
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
  return success();
}

/// An extent that the branches give differently: chosen by an if of its own, before. Null when it
/// depends on data inside of a branch.
DimAttr IfImporter::chooseExtent(DimAttr whenTrue, DimAttr whenFalse, size_t number) {
  BindingHoister hoister(op, op->getParentOfType<graph::FuncOp>());
  if (!hoister.hoist(whenTrue) || !hoister.hoist(whenFalse))
    return {};
  auto scalar = graph::TensorType::getScalar(node.si64());
  auto choice = graph::IfOp::create(node.getBuilder(), node.getLoc(), TypeRange(scalar), condition);
  for (auto [region, dim] : {std::pair(&choice.getThenRegion(), whenTrue),
                             std::pair(&choice.getElseRegion(), whenFalse)}) {
    OpBuilder inner = OpBuilder::atBlockEnd(&region->emplaceBlock());
    Value value = graph::DimValueOp::create(inner, node.getLoc(), dim);
    graph::YieldOp::create(inner, node.getLoc(), value);
  }
  return ShapeScalars(node).bind(choice.getResult(0),
                                 "an extent of output " + std::to_string(number));
}

LogicalResult IfImporter::chooseTypes() {
  for (auto [number, pair] : llvm::enumerate(llvm::zip(results[0], results[1]))) {
    graph::TensorType a = graph::getTensorType(std::get<0>(pair)),
                      b = graph::getTensorType(std::get<1>(pair));
    if (a.getElementType() != b.getElementType() || a.rank() != b.rank())
      return node.error("its branches give output " + Twine(number) +
                        " of different types or ranks");
    DimList dims(a.getDims());
    for (auto [axis, dim, other] : llvm::enumerate(dims, b.getDims())) {
      if (dim == other)
        continue;
      DimAttr chosen = chooseExtent(dim, other, number);
      if (!chosen)
        open.push_back({number, axis});
      else
        dim = chosen;
    }
    types.push_back(a.withDims(dims));
  }
  return success();
}

/// Extents that depend on data inside of a branch: an `if` of its own computes them alone, before,
/// and the branches are imported once more.
LogicalResult IfImporter::measure() {
  OpBuilder &builder = node.getBuilder();
  Region *regions[] = {&op.getThenRegion(), &op.getElseRegion()};
  if (drawsNumbers(regions[0]->front()) || drawsNumbers(regions[1]->front()))
    return node.error("draws random numbers in a branch, of which output " +
                      Twine(open.front().number) +
                      " has an extent that depends on data: it would draw twice");
  SmallVector<Type> scalars(open.size(), graph::TensorType::getScalar(node.si64()));
  auto measured = graph::IfOp::create(builder, node.getLoc(), scalars, condition);
  for (auto [region, values] : llvm::zip(regions, results)) {
    OpBuilder inner = OpBuilder::atBlockEnd(&region->front());
    SmallVector<Value> extents;
    for (OpenExtent which : open)
      extents.push_back(graph::DimValueOp::create(
          inner, node.getLoc(),
          node.known(graph::getTensorType(values[which.number]).getDim(which.axis))));
    graph::YieldOp::create(inner, node.getLoc(), extents);
  }
  measured.getThenRegion().takeBody(op.getThenRegion());
  measured.getElseRegion().takeBody(op.getElseRegion());
  op.erase();
  node.importer.restore(noted);
  for (auto [which, extent] : llvm::zip(open, measured->getResults())) {
    DimList dims(types[which.number].getDims());
    dims[which.axis] =
        ShapeScalars(node).bind(extent, "an extent of output " + std::to_string(which.number));
    types[which.number] = types[which.number].withDims(dims);
  }
  for (bool isThen : {true, false})
    if (failed(node.importer.countRepeated(node, branch(isThen))))
      return failure();
  return importBranches();
}

/// if extent == 1 then squeeze(x) else x: a rank that depends on an extent. Who reads it expects
/// one rank, and that is the smaller one; a model that runs with another extent ends with an
/// error, as the squeezing does when it is written without the if.
bool IfImporter::takeSqueezed() {
  if (!asksForExtent(condition) || likes.size() != 1 || isStructure(likes[0]) ||
      !dropsOpenAxis(results[0][0], graph::getTensorType(results[1][0])))
    return false;
  op->getBlock()->getOperations().splice(op->getIterator(),
                                         op.getThenRegion().front().getOperations());
  op.erase();
  node.setOutput(results[0][0]);
  return true;
}

void IfImporter::setOutputs() {
  OpBuilder &builder = node.getBuilder();
  auto typed = graph::IfOp::create(builder, node.getLoc(),
                                   SmallVector<Type>(types.begin(), types.end()), condition);
  typed.getThenRegion().takeBody(op.getThenRegion());
  typed.getElseRegion().takeBody(op.getElseRegion());
  op.erase();
  Region *regions[] = {&typed.getThenRegion(), &typed.getElseRegion()};
  for (auto [region, values] : llvm::zip(regions, results)) {
    OpBuilder inner = OpBuilder::atBlockEnd(&region->front());
    graph::GraphBuilder b = node.at(inner);
    for (auto [value, type] : llvm::zip(values, types))
      value = b.reshape(value, type.getDims());
    graph::YieldOp::create(inner, node.getLoc(), values);
  }
  SmallVector<Value> chosen(typed.getResults());
  ArrayRef<Value> left(chosen);
  for (auto [like, before] : llvm::zip(likes, grown)) {
    Value result = rebuild(builder, node.getLoc(), like, left);
    if (!before.empty()) {
      if (isOpenSequence(result))
        before.push_back(result);
      result = makeGrowing(builder, node.getLoc(), before);
    }
    node.setOutput(result);
  }
}

LogicalResult IfImporter::run() {
  if (isStructure(node.input(0)))
    return node.error("asks " + describeStructure(node.input(0)) + ", expected a bool");
  condition = node.reshape(node.input(0), {});
  // A condition that follows from extents is decided now.
  if (DimAttr known = graph::getShapeScalar(condition); known && known.isConstant()) {
    SmallVector<Value> taken;
    if (failed(node.importer.importSubgraph(branch(known.getValue() != 0), node.getBuilder(), {},
                                            taken)))
      return failure();
    for (Value result : taken)
      node.setOutput(result);
    return success();
  }
  if (failed(importBranches()))
    return failure();
  if (takeSqueezed())
    return success();
  if (failed(chooseTypes()) || (!open.empty() && failed(measure())))
    return failure();
  setOutputs();
  return success();
}

static LogicalResult importIf(Node &node) { return IfImporter(node).run(); }

ArrayRef<Operator> tessera::onnx::branchOperators() {
  static const Operator table[] = {{"If", 1, importIf, true}};
  return table;
}
