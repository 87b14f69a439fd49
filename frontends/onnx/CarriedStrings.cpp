//===- CarriedStrings.cpp - Strings that a loop carries -----------------------------------===//

#include "frontends/onnx/CarriedStrings.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

static DimAttr widthOf(Value bytes) { return graph::getTensorType(bytes).getDims().back(); }

/// The first bytes, and zeros behind them. What is left out has to be zero.
static Value fitted(graph::GraphBuilder &b, Value bytes, DimAttr width) {
  MLIRContext *context = b.getBuilder().getContext();
  graph::TensorType type = graph::getTensorType(bytes);
  DimList none(type.rank(), graph::getDim(context, 0)),
      steps(type.rank(), graph::getDim(context, 1));
  DimList dims(type.getDims()), behind(none);
  DimAttr own = dims.back();
  bool isNarrow = graph::isKnownLessEqual(own, width) || DimExpr::max(width, own).get() == width;
  DimExpr kept = isNarrow ? DimExpr(own) : DimExpr::min(own, width);
  if (kept.get() != own) {
    dims.back() = kept;
    bytes = b.create<graph::SliceOp>(bytes, none, steps, dims);
  }
  if (kept.get() == width)
    return bytes;
  behind.back() = DimExpr(width) - kept;
  return b.create<graph::PadOp>(graph::PadMode::constant, bytes, b.scalar(type.getElementType(), 0),
                                graph::DimArrayAttr::get(context, ArrayRef<DimAttr>(none)),
                                graph::DimArrayAttr::get(context, ArrayRef<DimAttr>(behind)));
}

LogicalResult CarriedStrings::refuse(size_t i, DimAttr own, DimAttr needed, const Twine &why) {
  return node.error("carried value " + Twine(i) + " is strings of " + own.str() +
                    " bytes, of which the body makes " + needed.str() + "; " + why);
}

/// First as much as the body gives: that is enough where it chooses among strings. Then, supposing
/// that each iteration adds as much as this one, enough for all of them. Where that does not hold,
/// iterations are followed one by one.
LogicalResult CarriedStrings::enlarge(size_t i, Value &init, Room &room, DimAttr needed,
                                      Block &body) {
  if (dependsOnBody(needed, body))
    return node.error("carried value " + Twine(i) +
                      " is strings whose number of bytes depends on data inside of the body");
  DimAttr own = widthOf(init);
  if (!room.start)
    room.start = own;
  DimExpr wanted = DimExpr::max(own, needed);
  DimAttr trips = room.tries ? tripCount() : DimAttr();
  if (room.tries && !trips)
    return refuse(i, own, needed, "strings that get longer need a trip count");
  if (room.tries == 1) {
    room.step = DimExpr(needed) - DimExpr(own);
    wanted = DimExpr(room.start) + DimExpr(trips) * DimExpr::max(room.step, node.dim(0));
  }
  if (++room.tries > 3 || !wanted) {
    if (!trips || !trips.isConstant())
      return refuse(i, own, needed,
                    "strings may get longer by as many bytes in each iteration, or by others where "
                    "the number of iterations is known");
    toFollow = std::max<int64_t>(trips.getValue(), 1);
    return success();
  }
  init = widen(node, init, wanted);
  return success();
}

/// Of one more iteration: strings have at most the bytes that the body makes of those before it.
LogicalResult CarriedStrings::follow(MutableArrayRef<Value> inits, ArrayRef<bool> areStrings,
                                     ArrayRef<Value> results) {
  for (size_t i = 0; i < inits.size(); ++i) {
    if (!areStrings[i])
      continue;
    DimAttr own = widthOf(inits[i]), needed = widthOf(results[i]);
    DimExpr wanted = DimExpr::max(own, needed);
    // Of bytes that are not known, one at least.
    auto one = [](StringRef) { return graph::DimInterval{1, 1}; };
    if (!wanted || graph::evaluateDimRange(wanted, one).lo > int64_t(kMaxStringBytes))
      return refuse(i, own, needed,
                    "after " + Twine(followed + 1) + " of " + Twine(toFollow) +
                        " iterations they are longer than " + Twine(kMaxStringBytes) +
                        " bytes, the limit (kMaxStringBytes)");
    if (wanted.get() != own)
      inits[i] = widen(node, rooms[i].first, wanted);
  }
  ++followed;
  return success();
}

FailureOr<bool> CarriedStrings::fit(graph::GraphBuilder &b, MutableArrayRef<Value> inits,
                                    ArrayRef<bool> areStrings, MutableArrayRef<Value> results) {
  Block &body = *b.getBuilder().getInsertionBlock();
  rooms.resize(inits.size());
  const bool isFollowing = toFollow > 0;
  bool fits = true;
  for (size_t i = 0; i < inits.size(); ++i) {
    if (!areStrings[i])
      continue;
    DimAttr own = widthOf(inits[i]), needed = widthOf(results[i]);
    Room &room = rooms[i];
    if (!room.first)
      room.first = inits[i];
    // Also of a maximum of which one is part of the other.
    if (graph::isKnownLessEqual(needed, own) || DimExpr::max(own, needed).get() == own ||
        (room.step && room.step == DimExpr(needed) - DimExpr(own)) ||
        (isFollowing && followed == toFollow)) {
      results[i] = fitted(b, results[i], own);
      continue;
    }
    if (!isFollowing && failed(enlarge(i, inits[i], room, needed, body)))
      return failure();
    fits = false;
    if (!isFollowing && toFollow)
      break;
  }
  if (fits)
    return true;
  if (isFollowing && failed(follow(inits, areStrings, results)))
    return failure();
  if (!isFollowing && toFollow) // From the start.
    for (auto [init, room] : llvm::zip(inits, rooms)) {
      if (room.first)
        init = room.first;
      room.step = DimExpr();
    }
  // Loops within loops multiply.
  if (failed(node.importer.countRepeated(node, node.attribute("body")->g())))
    return failure();
  node.importer.restore(noted);
  return false;
}
