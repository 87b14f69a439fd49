//===- MomentChain.cpp - Means and variances in one read --------------------------------------===//
//
// States are the number of elements n, their sum, and the sum of squares around their own mean. Two
// of them merge as Chan, Golub and LeVeque have it (Updating formulae and a pairwise algorithm for
// computing sample variances, 1979):
//   q = q1 + q2 + (mean2 - mean1)^2 n1 n2 / n
// so that nothing cancels. Around another centre c it is q + n (mean - c)^2.
//
//===----------------------------------------------------------------------===//
#include "compiler/transforms/graph/MomentChain.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::transforms;
using graph::DimAttr;

/// Why rows stay in the cache, where they are read from memory once however often they are read
/// (and rows are what there are threads for); "": they do not.
static std::string whyCached(ArrayRef<DimAttr> kept, DimAttr extent, Type element) {
  constexpr int64_t kCachedBytes = 2 << 20;
  if (!extent.isConstant()) {
    bool isOne = llvm::all_of(kept, [](DimAttr dim) { return dim.getConstant() == 1; });
    return isOne ? "" : "has rows of a size that is not known, which may stay in the cache";
  }
  int64_t bytes = element.isF64() ? 8 : 4;
  if (std::min<int64_t>(extent.getValue(), 1 << 30) * bytes <= kCachedBytes)
    return "has rows of " + std::to_string(extent.getValue()) +
           " elements, which stay in the cache";
  return "";
}

graph::ReduceOp transforms::joinLongAxes(graph::ReduceOp total) {
  Value x = total.getX();
  ArrayRef<DimAttr> dims = dimsOf(x);
  ArrayRef<int64_t> axes = total.getAxes();
  const size_t rank = dims.size() - std::min(axes.size(), dims.size());
  auto isTrailing = [&](ArrayRef<int64_t> given) {
    return llvm::equal(given, llvm::seq<int64_t>(rank, dims.size()));
  };
  ArrayRef<DimAttr> kept = dims.take_front(rank);
  Type element = graph::getTensorType(x).getElementType();
  DimAttr extent = graph::multiplyDims(total.getContext(), dims.drop_front(rank));
  if (axes.size() < 2 || !isTrailing(axes) || !whyCached(kept, extent, element).empty())
    return {};

  // Sums of squares of differences from a value of each row.
  struct Square {
    graph::SubOp difference;
    graph::BroadcastOp centre;
    graph::ReduceOp sum;
  };
  SmallVector<Square> squares;
  llvm::SmallPtrSet<Operation *, 4> found; // A square reads its difference twice.
  for (Operation *user : x.getUsers()) {
    auto difference = llvm::dyn_cast<graph::SubOp>(user);
    auto centre = difference && difference.getX() == x
                      ? difference.getY().getDefiningOp<graph::BroadcastOp>()
                      : graph::BroadcastOp();
    if (!centre || dimsOf(centre.getX()) != kept ||
        !llvm::equal(centre.getDims(), llvm::seq<int64_t>(0, rank)))
      continue;
    for (Operation *map : difference->getUsers())
      if (auto square = llvm::dyn_cast<graph::MulOp>(map); square && square.getX() == square.getY())
        for (Operation *reader : square->getUsers())
          if (auto sum = llvm::dyn_cast<graph::ReduceOp>(reader);
              sum && sum.getKind() == graph::ReduceKind::sum && isTrailing(sum.getAxes()) &&
              found.insert(sum).second)
            squares.push_back({difference, centre, sum});
  }
  if (squares.empty())
    return {};

  SmallVector<DimAttr> joined(kept);
  joined.push_back(extent);
  OpBuilder builder(total);
  graph::GraphBuilder b(builder, total.getLoc());
  Value rows = b.reshape(x, joined);
  auto sumOf = [&](Value value) {
    return b.reduce(graph::ReduceKind::sum, value, {int64_t(rank)});
  };
  Value result = sumOf(rows);
  total.getResult().replaceAllUsesWith(result);
  for (Square &square : squares) {
    builder.setInsertionPoint(square.sum);
    Value distance =
        b.sub(rows, b.broadcast(square.centre.getX(), square.centre.getDims(), joined));
    square.sum.getResult().replaceAllUsesWith(sumOf(b.mul(distance, distance)));
    square.sum.erase();
  }
  total.erase();
  return result.getDefiningOp<graph::ReduceOp>();
}

std::string MomentChain::find() {
  if (first.getKind() != graph::ReduceKind::sum || first.getAxes().size() != 1)
    return "is no sum along one axis";
  Type element = graph::getTensorType(elements).getElementType();
  if (!element.isF32() && !element.isF64())
    return "has elements that are neither f32 nor f64";
  axis = first.getAxes()[0];
  members.insert(first);
  for (Operation *user : elements.getUsers()) {
    auto difference = llvm::dyn_cast<graph::SubOp>(user);
    Value shift =
        difference && difference.getX() == elements ? fixedPart(difference.getY()) : Value();
    if (!shift || !isResult(shift) || !isKnownInside(shift))
      continue;
    SmallVector<Operation *> maps;
    for (Operation *map : difference->getUsers()) {
      auto square = llvm::dyn_cast<graph::MulOp>(map);
      if (!square || square.getX() != square.getY())
        continue;
      for (Operation *reader : square->getUsers())
        if (auto reduce = llvm::dyn_cast<graph::ReduceOp>(reader);
            reduce && reduce.getKind() == graph::ReduceKind::sum &&
            reduce.getAxes() == ArrayRef<int64_t>{axis} && members.insert(reduce))
          squares.push_back({reduce, shift});
      maps.push_back(square);
    }
    // Differences that nobody else needs are not computed at all.
    auto isMember = [&](Operation *op) { return members.contains(op); };
    for (Operation *square : maps)
      if (llvm::all_of(square->getUsers(), isMember))
        members.insert(square);
    if (!maps.empty() && llvm::all_of(difference->getUsers(), isMember))
      members.insert(difference);
  }
  if (squares.empty())
    return "is followed by no sum of squares around what follows from it";
  pull(elements, axis, /*mayContract=*/false);
  collectInputs(elements, axis);
  for (auto [value, inputAxis] : inputs)
    if (isResult(value))
      return "reads what is computed from its own results";
  if (llvm::none_of(inputs, [](const Cut &input) { return input.second >= 0; }))
    return "reads nothing along the axis";
  return checkCost();
}

std::string MomentChain::checkCost() const {
  if (axis + 1 != int64_t(dimsOf(elements).size()))
    return "has elements that do not lie side by side";
  return whyCached(keptDims(), dimsOf(elements)[axis],
                   graph::getTensorType(elements).getElementType());
}

std::string MomentChain::describe() const {
  return "along " + dimsOf(elements)[axis].str() +
         ": the sum, and graph.reduce of squares around what follows from it, repaired by the "
         "square of the difference of means";
}

const MomentChain::Square *MomentChain::squareOf(Value value) const {
  for (const Square &square : squares)
    if (graph::ReduceOp(square.op).getResult() == value)
      return &square;
  return nullptr;
}

bool MomentChain::isOwn(Value value) const {
  if (value == graph::ReduceOp(first).getResult())
    return true;
  const Square *square = squareOf(value);
  return square && isKnownInside(square->shift);
}

Value MomentChain::makeOwn(graph::GraphBuilder &b, Value value, ValueRange states) {
  const Square *square = squareOf(value);
  if (!square)
    return states[1];
  Value n = states[0], distance = b.sub(b.div(states[1], n), findInside(b, square->shift, states));
  Value moved = b.add(states[2], b.mul(n, b.mul(distance, distance)));
  if (!mayBeZero(dimsOf(elements)[axis]))
    return moved;
  Value isEmpty = b.compare(graph::CompareKind::eq, n, b.fillLike(n, 0.0));
  return b.create<graph::SelectOp>(isEmpty, states[2], moved);
}

//===----------------------------------------------------------------------===//
// The stream
//===----------------------------------------------------------------------===//

/// States of one row are rows, too: what is summed lies on vectors along another axis.
Type MomentChain::typeOfState(unsigned) {
  graph::TensorType type = first.getType();
  DimAttr one = graph::getDim(first.getContext(), 1);
  return type.rank() ? type : type.withDims({one});
}

SmallVector<Attribute> MomentChain::identity() {
  return SmallVector<Attribute>(
      3, FloatAttr::get(graph::getTensorType(elements).getElementType(), 0.0));
}

SmallVector<Value> MomentChain::lift(graph::GraphBuilder &b) {
  Value x = inLift(b, elements, axis);
  int64_t along = std::max<int64_t>(axis, 1);
  if (axis == 0)
    x = b.broadcast(x, {1}, {graph::getDim(first.getContext(), 1), block});
  Value n = b.reduce(graph::ReduceKind::sum, b.fillLike(x, 1.0), {along});
  Value sum = b.reduce(graph::ReduceKind::sum, x, {along});
  Value distance = b.sub(x, b.expand(b.div(sum, n), {along}, x));
  return {n, sum, b.reduce(graph::ReduceKind::sum, b.mul(distance, distance), {along})};
}

SmallVector<Value> MomentChain::merge(graph::GraphBuilder &b, ValueRange x, ValueRange y) {
  Value n = b.add(x[0], y[0]);
  // A mean of nothing is any number: it has no weight.
  auto mean = [&](ValueRange state) { return b.div(state[1], b.max(state[0], 1.0)); };
  Value distance = b.sub(mean(y), mean(x));
  Value weight = b.div(b.mul(x[0], y[0]), b.max(n, 1.0));
  Value isNothing = b.compare(graph::CompareKind::eq, weight, b.fillLike(weight, 0.0));
  Value between = b.mul(b.mul(distance, distance), weight);
  // Infinite means have no distance from nothing either.
  between = b.create<graph::SelectOp>(isNothing, weight, between);
  return {n, b.add(x[1], y[1]), b.add(b.add(x[2], y[2]), between)};
}

void MomentChain::prepare(graph::GraphBuilder &) {
  llvm::SmallPtrSet<Operation *, 8> kept;
  for (const Square &square : squares)
    if (!isKnownInside(square.shift))
      kept.insert(square.shift.getDefiningOp());
  for (Value value : takeMaps(kept))
    if (isKnownInside(value))
      outputs.push_back(value);
}

SmallVector<Value> MomentChain::finalize(graph::GraphBuilder &b, ValueRange rows) {
  SmallVector<Value> yielded, states(rows);
  if (axis == 0)
    for (Value &state : states)
      state = b.reduce(graph::ReduceKind::sum, state, {0});
  for (Value output : outputs)
    yielded.push_back(findInside(b, output, states));
  return yielded;
}

SmallVector<std::pair<Value, Value>> MomentChain::resultsOf(graph::GraphBuilder &,
                                                            ValueRange streamed) {
  SmallVector<std::pair<Value, Value>> pairs;
  for (auto [output, result] : llvm::zip_equal(outputs, streamed))
    pairs.push_back({output, result});
  return pairs;
}
