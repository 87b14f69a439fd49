//===- CarriedSequence.cpp - Sequences that a loop carries as a whole -------------------------===//

#include "frontends/onnx/CarriedSequence.h"

#include "frontends/onnx/Strings.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

static DimAttr extentOf(Value tensor) { return graph::getTensorType(tensor).getDim(0); }

static SmallVector<Value> tensorsOf(const OpenSequence &sequence) {
  SmallVector<Value> tensors{sequence.values};
  if (sequence.shapes)
    tensors.insert(tensors.begin(), sequence.shapes);
  return tensors;
}

SmallVector<DimAttr> CarriedSequence::starts() const {
  return llvm::map_to_vector(tensorsOf(init), extentOf);
}

//===----------------------------------------------------------------------===//
// How much room there has to be
//===----------------------------------------------------------------------===//

namespace {
/// How much there is at most after an iteration: so much more than before, or so much.
struct Bound {
  DimExpr more, all;
};
} // namespace

/// Without the symbols that are bound to what extents say.
static DimAttr withoutNames(DimAttr dim, const llvm::StringMap<graph::BindDimOp> &bound) {
  constexpr unsigned kMaxNames = 32; // of names
  for (unsigned i = 0; i < kMaxNames; ++i) {
    DimExpr known = graph::substituteDim(dim, [&](StringRef symbol) {
      graph::BindDimOp bind = bound.lookup(symbol);
      auto value = bind ? bind.getValue().getDefiningOp<graph::DimValueOp>() : graph::DimValueOp();
      return value ? DimExpr(value.getDim()) : DimExpr();
    });
    if (!known || known == DimExpr(dim))
      break;
    dim = known;
  }
  return dim;
}

/// Extents that an `if` chooses are bounded by both.
static std::optional<Bound> boundOf(DimAttr behind, DimAttr before, Block &body,
                                    const llvm::StringMap<graph::BindDimOp> &bound,
                                    unsigned depth) {
  constexpr unsigned kMaxChoices = 6;
  const DimExpr none = DimExpr::constant(body.getParentOp()->getContext(), 0);
  behind = withoutNames(behind, bound);
  DimExpr more = DimExpr(behind) - DimExpr(before);
  if (more && !dependsOnBody(more.get(), body))
    return Bound{DimExpr::max(more, none), none};
  if (!dependsOnBody(behind, body))
    return Bound{none, behind};
  std::string chosen;
  graph::IfOp choice;
  unsigned result = 0;
  graph::walkDimSymbols(behind, [&](StringRef symbol) {
    graph::BindDimOp bind = bound.lookup(symbol);
    auto branches = bind ? bind.getValue().getDefiningOp<graph::IfOp>() : graph::IfOp();
    if (!branches)
      return;
    choice = branches;
    chosen = symbol.str();
    result = llvm::cast<OpResult>(bind.getValue()).getResultNumber();
  });
  if (!choice || depth == kMaxChoices)
    return std::nullopt;
  Bound most{none, none};
  for (Region *branch : {&choice.getThenRegion(), &choice.getElseRegion()}) {
    auto value =
        branch->front().getTerminator()->getOperand(result).getDefiningOp<graph::DimValueOp>();
    DimExpr extent;
    if (value)
      extent = graph::substituteDim(behind, [&](StringRef symbol) {
        return symbol == chosen ? DimExpr(value.getDim()) : DimExpr();
      });
    std::optional<Bound> one =
        extent ? boundOf(extent, before, body, bound, depth + 1) : std::nullopt;
    if (!one)
      return std::nullopt;
    most = {DimExpr::max(most.more, one->more), DimExpr::max(most.all, one->all)};
  }
  return most;
}

FailureOr<DimList> CarriedSequence::boundRoom(Node &node, DimAttr trips, Block &body) const {
  auto bound = body.getParentOp()->getParentOfType<graph::FuncOp>().getBoundSymbols();
  DimList most;
  for (auto [start, from, to] : llvm::zip(starts(), before, behind)) {
    std::optional<Bound> each = boundOf(to, from, body, bound, 0);
    if (!each)
      return failure();
    DimExpr once = DimExpr::max(each->all - DimExpr(start), DimExpr(node.dim(0)));
    DimExpr all = each->more * DimExpr(trips) + once;
    if (!all)
      return failure();
    most.push_back(all);
  }
  return most;
}

//===----------------------------------------------------------------------===//
// Into the body and out of it
//===----------------------------------------------------------------------===//

void CarriedSequence::addInits(Node &node, SmallVectorImpl<Value> &inits,
                               SmallVectorImpl<bool> &areStrings) {
  first = inits.size();
  for (auto [tensor, more] : llvm::zip(tensorsOf(init), room)) {
    graph::TensorType type = graph::getTensorType(tensor);
    DimList dims(type.getDims());
    dims[0] = more;
    inits.push_back(
        node.concat({tensor, node.fill(node.typeOf(dims, type.getElementType()), 0)}, 0));
    areStrings.push_back(init.areStrings && tensor == init.values);
  }
  for (DimAttr start : starts()) {
    inits.push_back(ShapeScalars(node).number(start));
    areStrings.push_back(false);
  }
}

Value CarriedSequence::begin(Node &inside, ArrayRef<Value> carried) {
  ArrayRef<Value> tensors = mine(carried);
  OpenSequence sequence = init;
  before.clear();
  const size_t count = roomCount();
  for (size_t i = 0; i < count; ++i)
    before.push_back(ShapeScalars(inside).bind(
        tensors[count + i],
        (i ? "the number of values of carried value " : "the length of carried value ") +
            std::to_string(number)));
  sequence.values = inside.cut(tensors[count - 1], 0, inside.dim(0), before.back());
  if (isRagged())
    sequence.shapes = inside.cut(tensors[0], 0, inside.dim(0), before[0]);
  return putTogether(inside, sequence);
}

FailureOr<bool> CarriedSequence::take(Node &node, Node &inside, Value result, Block &body,
                                      SmallVectorImpl<Value> &next) {
  SmallVector<Value> parts;
  if (isOpenSequence(result))
    parts.push_back(result);
  else
    llvm::append_range(parts, contentsOf(result));
  OpenSequence last;
  if (parts.empty()) { // Nothing of the same kind.
    last = init;
    for (Value *tensor : {&last.values, &last.shapes})
      if (*tensor) {
        graph::TensorType type = graph::getTensorType(*tensor);
        DimList dims(type.getDims());
        dims[0] = inside.dim(0);
        *tensor = inside.fill(inside.typeOf(dims, type.getElementType()), 0);
      }
  } else {
    FailureOr<OpenSequence> whole = openSequenceOf(inside, parts);
    if (failed(whole))
      return failure();
    last = *whole;
  }
  if (last.areStrings != init.areStrings || last.dims.size() != init.dims.size() ||
      graph::getTensorType(last.values).getElementType() !=
          graph::getTensorType(init.values).getElementType())
    return node.error("makes a sequence of open length of elements of different ranks or types");
  DimList outside = last.dims; // Of a stack `last` needs all of its own.
  for (DimAttr &dim : outside)
    if (dim && dependsOnBody(dim, body))
      dim = {};
  const DimList common = commonDims(init.dims, outside);
  if (common != init.dims) {
    init = asRagged(node, init, common);
    room.resize(roomCount(), node.dim(1));
    return false;
  }
  if (isRagged()) {
    last = asRagged(inside, last, common);
  } else if (last.shapes) {
    DimList dims{last.length()};
    llvm::append_range(dims, common);
    if (init.areStrings)
      dims.push_back(last.valueDims(0).back());
    last.values = inside.reshape(last.values, dims);
    last.shapes = {};
  }
  behind.clear();
  SmallVector<Value> counts;
  for (Value tensor : tensorsOf(last)) {
    next.push_back(tensor);
    behind.push_back(extentOf(tensor));
    counts.push_back(ShapeScalars(inside).number(behind.back()));
  }
  llvm::append_range(next, counts);
  return true;
}

//===----------------------------------------------------------------------===//
// Writing back
//===----------------------------------------------------------------------===//

/// Without changes of how the first extent is written.
static Value withoutReshapes(Value tensor) {
  while (auto reshape = tensor.getDefiningOp<graph::ReshapeOp>()) {
    ArrayRef<DimAttr> from = graph::getTensorType(reshape.getX()).getDims(),
                      to = graph::getTensorType(tensor).getDims();
    if (from.empty() || to.empty() || from.drop_front() != to.drop_front())
      break;
    tensor = reshape.getX();
  }
  return tensor;
}

/// The extent of the first elements of a buffer; null for anything else.
static DimAttr prefixOf(Value part, Value buffer) {
  DimAttr extent = extentOf(part);
  while (auto slice = part.getDefiningOp<graph::SliceOp>()) {
    ArrayRef<DimAttr> all = graph::getTensorType(slice.getX()).getDims(),
                      dims = graph::getTensorType(part).getDims();
    auto is = [](int64_t n) { return [n](DimAttr dim) { return dim.getConstant() == n; }; };
    if (dims.drop_front() != all.drop_front() || !llvm::all_of(slice.getStarts(), is(0)) ||
        !llvm::all_of(slice.getSteps(), is(1)))
      return {};
    part = withoutReshapes(slice.getX());
  }
  return part == buffer ? extent : DimAttr();
}

/// What is put together along the first axis.
static SmallVector<Value> partsOf(Value tensor) {
  SmallVector<Value> parts, left{tensor};
  while (!left.empty()) {
    Value next = withoutReshapes(left.pop_back_val());
    if (auto concat = next.getDefiningOp<graph::ConcatOp>(); concat && concat.getAxis() == 0)
      llvm::append_range(left, llvm::reverse(concat.getInputs()));
    else if (extentOf(next).getConstant() != 0)
      parts.push_back(next);
  }
  return parts;
}

static Value writeTo(Node &inside, Value buffer, Value tensor, CarriedSequence::Replaced replaced);

/// What an `if` chooses is written in its branches: each writes only what it changes.
static graph::IfOp writeInBranches(Node &inside, Value buffer, OpResult chosen,
                                   CarriedSequence::Replaced replaced) {
  auto op = llvm::cast<graph::IfOp>(chosen.getOwner());
  SmallVector<Type> types(op->getResultTypes());
  types.push_back(buffer.getType());
  OpBuilder builder(op);
  auto wider = graph::IfOp::create(builder, op.getLoc(), types, op.getCond());
  wider.getThenRegion().takeBody(op.getThenRegion());
  wider.getElseRegion().takeBody(op.getElseRegion());
  op->replaceAllUsesWith(wider->getResults().drop_back());
  replaced(op, wider);
  const unsigned number = chosen.getResultNumber();
  op->erase();
  for (Region *region : {&wider.getThenRegion(), &wider.getElseRegion()}) {
    Operation *yield = region->front().getTerminator();
    OpBuilder inner(yield);
    Node branch(inside.importer, inner, inside.getLoc(), inside.proto, inside.opset);
    Value written = writeTo(branch, buffer, yield->getOperand(number), replaced);
    yield->insertOperands(yield->getNumOperands(), written);
  }
  return wider;
}

/// These elements, in the place of the first ones of a buffer.
static Value writeTo(Node &inside, Value buffer, Value tensor, CarriedSequence::Replaced replaced) {
  SmallVector<Value> parts = partsOf(tensor);
  if (parts.empty())
    return buffer;
  DimExpr start = inside.dim(0);
  size_t done = 0;
  if (DimAttr kept = prefixOf(parts.front(), buffer)) {
    start = kept;
    done = 1;
  } else if (auto branches = parts.front().getDefiningOp<graph::IfOp>();
             branches && branches->getBlock() == inside.getBuilder().getInsertionBlock()) {
    start = extentOf(parts.front());
    done = 1;
    graph::IfOp wider = writeInBranches(
        inside, buffer, llvm::cast<OpResult>(parts.front()), [&](Operation *from, Operation *to) {
          for (Value &part : parts)
            if (part.getDefiningOp() == from)
              part = to->getResult(llvm::cast<OpResult>(part).getResultNumber());
          replaced(from, to);
        });
    buffer = wider->getResults().back();
  }
  ArrayRef<Value> written = ArrayRef(parts).drop_front(done);
  if (written.empty())
    return buffer;
  Value rest = inside.concat(written, 0);
  DimList extent{extentOf(rest)};
  Value places = inside.add(inside.iota(extent, 0),
                            inside.broadcast(ShapeScalars(inside).number(start), {}, extent));
  return inside.create<graph::ScatterOp>(graph::ScatterKind::replace, buffer, places, rest, 0);
}

void CarriedSequence::write(Node &inside, ArrayRef<Value> carried, MutableArrayRef<Value> next,
                            SmallVectorImpl<Value> *fits, Replaced replaced) {
  const size_t count = roomCount();
  for (size_t i = first; i < first + count; ++i) {
    Value written = writeTo(inside, carried[i], next[i], replaced);
    next[i] = written;
    if (fits)
      fits->push_back(inside.compare(graph::CompareKind::le, next[i + count],
                                     ShapeScalars(inside).number(extentOf(carried[i]))));
  }
}

SmallVector<Value> CarriedSequence::additions(Node &node, ArrayRef<Value> carried) const {
  SmallVector<Value> more;
  for (auto [count, start] : llvm::zip(mine(carried).drop_front(roomCount()), starts()))
    more.push_back(node.sub(count, ShapeScalars(node).number(start)));
  return more;
}

Value CarriedSequence::end(Node &node, ArrayRef<Value> carried, bool mayLackRoom) const {
  ArrayRef<Value> tensors = mine(carried);
  ShapeScalars s(node);
  OpenSequence sequence = init;
  const size_t count = roomCount();
  for (size_t i = 0; i < count; ++i) {
    if (mayLackRoom)
      s.bind(node.sub(s.number(extentOf(tensors[i])), tensors[count + i]),
             "the room for carried value " + std::to_string(number));
    DimAttr extent = s.bind(tensors[count + i],
                            (i ? "the number of values of output " : "the length of output ") +
                                std::to_string(number));
    (i + 1 < count ? sequence.shapes : sequence.values) =
        node.cut(tensors[i], 0, node.dim(0), extent);
  }
  return putTogether(node, sequence);
}
