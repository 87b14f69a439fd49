//===- OrientScores.cpp - Scores are computed with the axis of their stream last --------------===//
//
// The vectors of a stream lie along its axis where that is the last one of its scores: a product
// whose softmax goes along another axis is computed in that order, whatever lies between. Those of
// a weighted sum lie along its columns: one that is written in another order is transposed behind.
// A contrastive loss of both sides takes the softmax of one product along its rows and along its
// columns. No single stream stores neither: the product is computed by two, in either's order.
//
//===----------------------------------------------------------------------===//
#include "compiler/transforms/graph/MaximumChain.h"

#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::transforms;

namespace {
using Order = SmallVector<int64_t>; // axes of a tensor, in the order of another one

Order identityOf(Value value) {
  return llvm::to_vector(llvm::seq<int64_t>(0, dimsOf(value).size()));
}

template <typename T> SmallVector<T> permuted(ArrayRef<T> list, const Order &perm) {
  SmallVector<T> result;
  for (int64_t place : perm)
    result.push_back(list[place]);
  return result;
}

graph::TensorType permutedType(Value value, const Order &perm) {
  return graph::TensorType::get(permuted(dimsOf(value), perm),
                                graph::getTensorType(value).getElementType());
}

/// The axis that a use reduces along, of the tensor that it reads.
std::optional<int64_t> reducedAxis(OpOperand &use) {
  Operation *op = use.getOwner();
  if (auto reduce = llvm::dyn_cast<graph::ReduceOp>(op))
    return reduce.getAxes().size() == 1 ? std::optional(reduce.getAxes()[0]) : std::nullopt;
  if (auto place = llvm::dyn_cast<graph::ArgReduceOp>(op))
    return place.getAxis();
  auto contract = llvm::dyn_cast<graph::ContractOp>(op);
  if (!contract)
    return std::nullopt;
  StringRef own = use.getOperandNumber() == 0 ? contract.getLhsLetters() : contract.getRhsLetters();
  std::optional<int64_t> axis;
  for (auto [place, letter] : llvm::enumerate(own))
    if (!contract.getResultLetters().contains(letter)) {
      if (axis)
        return std::nullopt;
      axis = place;
    }
  return axis;
}

/// The order of the axes of a weighted sum that has its columns, which the weights lack, last;
/// empty where it has.
Order columnsLast(OpOperand &use) {
  auto contract = llvm::dyn_cast<graph::ContractOp>(use.getOwner());
  if (!contract)
    return {};
  StringRef weights =
      use.getOperandNumber() == 0 ? contract.getLhsLetters() : contract.getRhsLetters();
  Order rows, columns;
  for (auto [place, letter] : llvm::enumerate(contract.getResultLetters()))
    (weights.contains(letter) ? rows : columns).push_back(place);
  if (columns.empty() || columns.back() == int64_t(contract.getResultLetters().size()) - 1)
    return {};
  llvm::append_range(rows, columns);
  return rows;
}

/// A product, and the maps and transposes of it down to reductions along one axis each.
class Scores {
public:
  explicit Scores(graph::ContractOp product) : product(product) {}

  /// Whether each axis that is reduced along, one or two, has a maximum.
  bool areScores();
  unsigned countAxes() const { return axes.size(); }
  bool areOriented() {
    return llvm::all_of(reductions, [&](OpOperand *use) { return isFit(*use); });
  }
  bool haveColumnsLast() const {
    return llvm::all_of(reductions, [](OpOperand *use) { return columnsLast(*use).empty(); });
  }
  /// Gives reductions that read the product's axes in an unfit order, or that come along a second
  /// axis, scores of their own.
  void orient();
  ArrayRef<graph::ReduceOp> getMaxima() const { return maxima; }

private:
  void follow(Value value, Order order);
  bool isFit(OpOperand &use);
  int64_t axisOf(OpOperand &use) { return orders.lookup(use.get())[*reducedAxis(use)]; }
  Value copy(Value value, const Order &perm, int64_t axis);
  void change(OpOperand &use, Value value, const Order &perm);

  graph::ContractOp product;
  llvm::DenseMap<Value, Order> orders; // of what is computed from the product
  SmallVector<OpOperand *> reductions;
  SmallVector<graph::ReduceOp> maxima;
  llvm::SmallSetVector<int64_t, 2> axes; // of the product, that are reduced along
  bool isKnown = true;
  llvm::DenseMap<std::pair<Value, Attribute>, Value> copies; // by value, order and axis
};

bool Scores::areScores() {
  follow(product.getResult(), identityOf(product.getResult()));
  for (OpOperand *use : reductions)
    axes.insert(axisOf(*use));
  auto hasMaximum = [&](int64_t axis) {
    return llvm::any_of(
        maxima, [&](graph::ReduceOp maximum) { return axisOf(maximum.getXMutable()) == axis; });
  };
  return isKnown && !axes.empty() && axes.size() <= 2 && llvm::all_of(axes, hasMaximum);
}

void Scores::follow(Value value, Order order) {
  if (!orders.insert({value, order}).second)
    return;
  for (OpOperand &use : value.getUses()) {
    Operation *user = use.getOwner();
    if (user->getBlock() != product->getBlock()) {
      isKnown = false;
    } else if (auto transpose = llvm::dyn_cast<graph::TransposeOp>(user)) {
      follow(user->getResult(0), permuted(ArrayRef(order), llvm::to_vector(transpose.getPerm())));
    } else if (user->hasTrait<graph::Elementwise>()) {
      follow(user->getResult(0), order);
    } else if (reducedAxis(use)) {
      reductions.push_back(&use);
      auto reduce = llvm::dyn_cast<graph::ReduceOp>(user);
      if (reduce && reduce.getKind() == graph::ReduceKind::max)
        maxima.push_back(reduce);
    } else {
      isKnown = false;
    }
  }
}

/// Whether a reduction reads the product as it is: others get scores of their own.
bool Scores::isFit(OpOperand &use) {
  int64_t last = dimsOf(product.getResult()).size() - 1;
  return axisOf(use) == last && orders.lookup(use.get()) == identityOf(use.get());
}

/// Erases what nothing uses any more, from the last op to the first.
void eraseUnused(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
    if (isOpTriviallyDead(&op))
      op.erase();
}

/// Writes a weighted sum with its columns last.
void writeColumnsLast(OpOperand &use) {
  Order perm = columnsLast(use);
  if (perm.empty())
    return;
  auto contract = llvm::cast<graph::ContractOp>(use.getOwner());
  std::string letters;
  Order back(perm.size());
  for (auto [place, from] : llvm::enumerate(perm)) {
    letters += contract.getResultLetters()[from];
    back[from] = place;
  }
  contract.setEquation(
      (contract.getLhsLetters() + "," + contract.getRhsLetters() + "->" + letters).str());
  Value sum = contract.getResult();
  sum.setType(permutedType(sum, perm));
  OpBuilder builder(contract.getContext());
  builder.setInsertionPointAfter(contract);
  Value as = graph::GraphBuilder(builder, contract.getLoc()).transpose(sum, back);
  sum.replaceAllUsesExcept(as, as.getDefiningOp());
}

void Scores::orient() {
  for (OpOperand *use : reductions) {
    writeColumnsLast(*use);
    if (isFit(*use))
      continue;
    // The other axes keep their order: so do results.
    Value value = use->get();
    int64_t place = *reducedAxis(*use);
    Order perm = identityOf(value);
    perm.erase(perm.begin() + place);
    perm.push_back(place);
    change(*use, copy(value, perm, axisOf(*use)), perm);
  }
  eraseUnused(*product->getBlock());
}

void Scores::change(OpOperand &use, Value value, const Order &perm) {
  Operation *op = use.getOwner();
  use.set(value);
  if (auto contract = llvm::dyn_cast<graph::ContractOp>(op)) {
    std::string letters[] = {contract.getLhsLetters().str(), contract.getRhsLetters().str()};
    std::string &own = letters[use.getOperandNumber()], before = own;
    for (auto [place, from] : llvm::enumerate(perm))
      own[place] = before[from];
    contract.setEquation(letters[0] + "," + letters[1] + "->" + contract.getResultLetters().str());
  } else if (auto reduce = llvm::dyn_cast<graph::ReduceOp>(op)) {
    reduce.setAxes({int64_t(perm.size()) - 1});
  } else {
    llvm::cast<graph::ArgReduceOp>(op).setAxis(perm.size() - 1);
  }
}

/// What is not computed from the product, with its axes in that order. Maps of positions and of
/// what is broadcast are made so; only what is stored is transposed.
Value permute(Value value, const Order &perm) {
  if (perm == identityOf(value))
    return value;
  OpBuilder builder(value.getContext());
  builder.setInsertionPointAfterValue(value);
  graph::GraphBuilder b(builder, value.getLoc());
  Operation *op = value.getDefiningOp();
  auto broadcast = llvm::dyn_cast_or_null<graph::BroadcastOp>(op);
  SmallVector<int64_t> places;
  if (broadcast)
    for (int64_t dim : broadcast.getDims())
      places.push_back(llvm::find(perm, dim) - perm.begin());
  // A broadcast keeps the order of its operand's axes.
  if (broadcast && llvm::is_sorted(places))
    return b.broadcast(broadcast.getX(), places, permuted(dimsOf(value), perm));
  bool isMap = op && (op->hasTrait<graph::Elementwise>() || llvm::isa<graph::IotaOp>(op));
  if (!isMap)
    return b.transpose(value, perm);
  SmallVector<Value> operands;
  for (Value operand : op->getOperands())
    operands.push_back(permute(operand, perm));
  Operation *clone = builder.clone(*op);
  clone->setOperands(operands);
  clone->getResult(0).setType(permutedType(value, perm));
  if (auto iota = llvm::dyn_cast<graph::IotaOp>(clone))
    iota.setAxis(llvm::find(perm, iota.getAxis()) - perm.begin());
  return clone->getResult(0);
}

/// A value of the scores computed once more for reductions along an axis of the product, with axis
/// perm[i] at i.
Value Scores::copy(Value value, const Order &perm, int64_t axis) {
  if (!orders.contains(value))
    return permute(value, perm);
  Operation *op = value.getDefiningOp();
  if (auto transpose = llvm::dyn_cast<graph::TransposeOp>(op))
    return copy(transpose.getX(), permuted(ArrayRef(transpose.getPerm()), perm), axis);
  OpBuilder builder(op);
  auto key = std::pair(value, Attribute(builder.getDenseI64ArrayAttr(llvm::to_vector(
                                  llvm::concat<const int64_t>(perm, ArrayRef{axis})))));
  if (Value known = copies.lookup(key))
    return known;
  SmallVector<Value> operands;
  for (Value operand : op->getOperands())
    operands.push_back(op == product ? operand : copy(operand, perm, axis));
  Operation *clone = builder.clone(*op);
  clone->setOperands(operands);
  clone->getResult(0).setType(permutedType(value, perm));
  if (auto contract = llvm::dyn_cast<graph::ContractOp>(clone)) {
    std::string letters;
    for (int64_t place : perm)
      letters += product.getResultLetters()[place];
    contract.setEquation(
        (product.getLhsLetters() + "," + product.getRhsLetters() + "->" + letters).str());
  }
  return copies[key] = clone->getResult(0);
}

} // namespace

std::string transforms::orientScores(graph::ContractOp product, bool mayRound) {
  if (Scores scores(product);
      !scores.areScores() || (scores.areOriented() && scores.haveColumnsLast()))
    return "";
  // A second product pays only instead of a stored one: this is tried on a copy.
  IRMapping copies;
  OwningOpRef<Operation *> trial = product->getParentOp()->clone(copies);
  Scores tried(llvm::cast<graph::ContractOp>(copies.lookup(product.getOperation())));
  tried.areScores();
  tried.orient();
  bool areStreams = llvm::all_of(tried.getMaxima(), [&](graph::ReduceOp maximum) {
    return MaximumChain(maximum, mayRound).find().empty();
  });
  if (!areStreams)
    return "";
  Scores scores(product);
  scores.areScores();
  bool areOriented = scores.areOriented();
  scores.orient();
  return areOriented               ? "gives weights of sums whose columns come last"
         : scores.countAxes() == 2 ? "is computed twice, for a stream along either axis"
                                   : "is computed with the axis of its stream last";
}
