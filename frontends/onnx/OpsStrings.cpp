//===- OpsStrings.cpp - Operators on strings --------------------------------------------------===//

#include "frontends/onnx/CaseChange.h"
#include "frontends/onnx/OpsMl.h"
#include "frontends/onnx/PartsOfStrings.h"
#include "frontends/onnx/Regex.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::CompareKind;

static Value both(Node &node, Value x, Value y) { return node.create<graph::AndOp>(x, y); }

/// A value of each row at all places of a table.
static Value perRow(Node &node, Value x, ArrayRef<DimAttr> dims) {
  return node.broadcast(x, {0}, dims);
}

//===----------------------------------------------------------------------===//
// StringConcat
//===----------------------------------------------------------------------===//

static LogicalResult importStringConcat(Node &node) {
  DimList dims;
  FailureOr<Rows> x = rowsOf(node, 0), y = rowsOf(node, 1);
  if (failed(x) || failed(y) || failed(node.broadcastDims(x->dims, y->dims, dims)))
    return failure();
  DimExpr count = graph::multiplyDims(node.getBuilder().getContext(), dims);
  DimExpr width = DimExpr(x->width) + DimExpr(y->width);
  if (!count || !width)
    return node.error("its extents overflow");
  auto spread = [&](size_t input, DimAttr own) {
    DimList all(dims);
    all.push_back(own);
    Value bytes = node.broadcastTo(contentsOf(node.input(input)).front(), all);
    return node.reshape(bytes, {count.get(), own});
  };
  Value first = spread(0, x->width), second = spread(1, y->width);
  DimList table{count.get(), width.get()};
  Value place = node.iota(table, 1), length = perRow(node, lengthsOf(node, first), table);
  Value bytes = node.choose(node.compare(CompareKind::lt, place, length), widen(node, first, width),
                            bytesAt(node, second, node.sub(place, length)));
  node.setOutput(stringsOf(node, bytes, dims));
  return success();
}

//===----------------------------------------------------------------------===//
// StringNormalizer
//===----------------------------------------------------------------------===//

static LogicalResult importStringNormalizer(Node &node) {
  FailureOr<Rows> rows = rowsOf(node, 0);
  if (failed(rows))
    return failure();
  size_t rank = rows->dims.size();
  if (rank < 1 || rank > 2 || (rank == 2 && rows->dims[0].getConstant() != 1))
    return node.error("needs strings of shape [C] or [1, C]");
  std::string action = node.getString("case_change_action", "NONE");
  (void)node.getString("locale", ""); // Cases are Unicode's own, in every place.
  if (action != "NONE" && action != "LOWER" && action != "UPPER")
    return node.error("changes the case to '" + action + "', expected NONE, LOWER or UPPER");
  bool isSensitive = node.getInt("is_case_sensitive", 0);
  Value bytes = rows->bytes;
  SmallVector<std::string> words =
      node.getStrings("stopwords").value_or(SmallVector<std::string>());
  DimList dims = rows->dims;
  if (!words.empty()) {
    Value compared = isSensitive ? bytes : changeCase(node, bytes, false);
    if (!isSensitive)
      for (std::string &word : words)
        word = changeCase(word, false);
    Value index = indexAmong(node, compared, llvm::to_vector_of<StringRef>(words));
    if (!index)
      return failure();
    Value stays = node.compare(CompareKind::lt, index, node.fillLike(index, 0));
    if (dims.back().getConstant() == 1) {
      // One string stays one: itself, or empty.
      DimList all(graph::getTensorType(bytes).getDims());
      bytes = node.choose(node.broadcast(stays, {0}, all), bytes, node.fillLike(bytes, 0));
      if (action != "NONE")
        bytes = changeCase(node, bytes, action == "UPPER");
      node.setOutput(stringsOf(node, bytes, dims));
      return success();
    }
    Value places = placesOf(node, stays, "the number of strings left");
    // Where nothing is left there is one empty string, which is row 0 of the table.
    DimAttr left = graph::getTensorType(places).getDim(0);
    DimExpr kept = DimExpr::max(left, node.dim(1));
    places = padded(node, node.add(places, 1), 0, node.dim(0), kept - DimExpr(left));
    bytes =
        node.create<graph::GatherOp>(padded(node, bytes, 0, node.dim(1), node.dim(0)), places, 0);
    dims.back() = kept;
  }
  if (action != "NONE")
    bytes = changeCase(node, bytes, action == "UPPER");
  node.setOutput(stringsOf(node, bytes, dims));
  return success();
}

//===----------------------------------------------------------------------===//
// RegexFullMatch
//===----------------------------------------------------------------------===//

/// One step of the automaton for each byte, all strings side by side.
Value tessera::onnx::matchRows(Node &node, const Rows &rows, const Automaton &automaton) {
  OpBuilder &outer = node.getBuilder();
  MLIRContext *context = outer.getContext();
  auto si32 = IntegerType::get(context, 32, IntegerType::Signed);
  auto table = [&](ArrayRef<int32_t> entries) {
    return constantOf<int32_t>(node, entries, int64_t(entries.size()));
  };
  Value next = table(automaton.next);
  std::vector<int32_t> accepted(automaton.accepts.begin(), automaton.accepts.end());
  std::vector<int32_t> classes(automaton.classOf.begin(), automaton.classOf.end());
  Value accepts = table(accepted), length = lengthsOf(node, rows.bytes);
  // A loop over the longest string: a zero behind the end leaves the state as it is.
  auto states = graph::TensorType::get(DimList{rows.count}, si32);
  Value columns = node.create<graph::GatherOp>(
      table(classes), node.convert(node.transpose(rows.bytes, {1, 0}), si32), 0);
  Value place = node.iota(DimList{rows.width}, 0);
  auto region = std::make_unique<Region>();
  Block &block = region->emplaceBlock();
  Location loc = node.getLoc();
  Value state = block.addArgument(states, loc);
  Value column = block.addArgument(states, loc);
  Value at = block.addArgument(graph::TensorType::getScalar(node.si64()), loc);
  OpBuilder inner(context);
  inner.setInsertionPointToEnd(&block);
  graph::GraphBuilder b = node.at(inner);
  Value index = b.add(b.mul(state, double(automaton.classes)), column);
  Value moved = b.create<graph::GatherOp>(next, index, 0);
  Value isInside = b.compare(CompareKind::lt, b.broadcast(at, {}, DimList{rows.count}), length);
  graph::YieldOp::create(inner, loc, b.create<graph::SelectOp>(isInside, moved, state));
  auto scan = graph::ScanOp::create(outer, loc, TypeRange(Type(states)), node.fill(states, 0),
                                    ValueRange{columns, place}, /*axis=*/0, /*reverse=*/false);
  scan.getBody().takeBody(*region);
  Value last = node.create<graph::GatherOp>(accepts, scan.getResult(0), 0);
  return node.compare(CompareKind::ne, last, node.fillLike(last, 0));
}

static LogicalResult importRegexFullMatch(Node &node) {
  FailureOr<Rows> rows = rowsOf(node, 0);
  if (failed(rows))
    return failure();
  llvm::Expected<Automaton> automaton = compileRegex(node.getString("pattern", ""));
  if (!automaton)
    return node.error("has a pattern that cannot be used: " +
                      llvm::toString(automaton.takeError()));
  node.setOutput(node.reshape(matchRows(node, *rows, *automaton), rows->dims));
  return success();
}

//===----------------------------------------------------------------------===//
// StringSplit
//===----------------------------------------------------------------------===//

namespace {
class Splitter {
public:
  Splitter(Node &node, const Rows &rows)
      : node(node), rows(rows), table{rows.count, rows.width}, place(node.iota(table, 1)),
        length(lengthsOf(node, rows.bytes)), parts(node, rows) {}
  LogicalResult run();

private:
  Value count(Value isSet, bool exclusive) {
    return node.create<graph::CumulativeOp>(graph::CumulativeKind::sum,
                                            node.convert(isSet, node.si64()), 1, exclusive, false);
  }
  Value spaces();
  void splitAtSpaces(int64_t limit);
  void splitAt(StringRef delimiter, int64_t limit);
  Value leftmost(Value isMatch, int64_t size);

  Node &node;
  const Rows &rows;
  DimList table;
  Value place, length;
  Parts parts;
};
} // namespace

/// Which bytes belong to a character that Python's str.isspace says is one.
Value Splitter::spaces() {
  Value point = charactersOf(node, rows.bytes);
  auto number = [&](double value) { return node.fillLike(point, value); };
  // First and last of each range, and how many bytes they have.
  static constexpr int32_t kSpaces[][3] = {
      {0x9, 0xD, 1},       {0x1C, 0x20, 1},     {0x85, 0x85, 2},     {0xA0, 0xA0, 2},
      {0x1680, 0x1680, 3}, {0x2000, 0x200A, 3}, {0x2028, 0x2029, 3}, {0x202F, 0x202F, 3},
      {0x205F, 0x205F, 3}, {0x3000, 0x3000, 3}};
  Value size = number(0);
  for (auto [low, high, bytes] : kSpaces)
    size = node.choose(both(node, node.compare(CompareKind::ge, point, number(low)),
                            node.compare(CompareKind::le, point, number(high))),
                       number(bytes), size);
  Value isSpace = node.compare(CompareKind::gt, size, number(0));
  for (int64_t back = 1; back < 3; ++back)
    isSpace = node.create<graph::OrOp>(
        isSpace, node.compare(CompareKind::gt, shifted(node, size, back), number(double(back))));
  return isSpace;
}

/// Python's str.split without an argument: parts are what stands between spaces; behind the last
/// split the rest is one part.
void Splitter::splitAtSpaces(int64_t limit) {
  Value isInside = node.compare(CompareKind::lt, place, perRow(node, length, table));
  Value isText = both(node, isInside, node.create<graph::NotOp>(spaces()));
  Value text = node.convert(isText, node.si64());
  Value isBegin = node.compare(CompareKind::gt, text, shifted(node, text, 1));
  Value number = count(isBegin, false);
  if (limit >= 0) {
    isBegin = both(node, isBegin,
                   node.compare(CompareKind::le, number, node.fillLike(number, double(limit) + 1)));
    number = node.min(number, double(limit) + 1);
  }
  parts.setCount(node.max(node.reduce(graph::ReduceKind::max, number, {1}), 0.0));
  parts.begins = parts.find(isBegin, number, place);
  Value isEnd = node.compare(CompareKind::gt, text, shifted(node, text, -1));
  parts.ends = parts.find(isEnd, number, node.add(place, 1));
  if (limit >= 0) {
    Value part = node.iota(parts.dims, 1);
    parts.ends =
        node.choose(node.compare(CompareKind::eq, part, node.fillLike(part, double(limit))),
                    perRow(node, length, parts.dims), parts.ends);
  }
}

/// Matches that do not overlap an earlier one: where a delimiter can overlap itself, one after the
/// other.
Value Splitter::leftmost(Value isMatch, int64_t size) {
  OpBuilder &outer = node.getBuilder();
  Location loc = node.getLoc();
  auto states = graph::TensorType::get(DimList{rows.count}, node.si64());
  auto region = std::make_unique<Region>();
  Block &block = region->emplaceBlock();
  Value next = block.addArgument(states, loc);
  Value match = block.addArgument(states.withElementType(node.getBuilder().getI1Type()), loc);
  Value at = block.addArgument(graph::TensorType::getScalar(node.si64()), loc);
  OpBuilder inner(outer.getContext());
  inner.setInsertionPointToEnd(&block);
  graph::GraphBuilder b = node.at(inner);
  Value here = b.broadcast(at, {}, DimList{rows.count});
  Value isTaken = b.create<graph::AndOp>(match, b.compare(CompareKind::ge, here, next));
  Value after = b.create<graph::SelectOp>(isTaken, b.add(here, double(size)), next);
  graph::YieldOp::create(inner, loc, ValueRange{after, isTaken});
  graph::TensorType stacked =
      graph::getTensorType(isMatch).withDims(DimList{rows.width, rows.count});
  auto scan = graph::ScanOp::create(
      outer, loc, TypeRange{Type(states), Type(stacked)}, node.fill(states, 0),
      ValueRange{node.transpose(isMatch, {1, 0}), node.iota(DimList{rows.width}, 0)}, /*axis=*/0,
      /*reverse=*/false);
  scan.getBody().takeBody(*region);
  return node.transpose(scan.getResult(1), {1, 0});
}

void Splitter::splitAt(StringRef delimiter, int64_t limit) {
  int64_t size = delimiter.size();
  Value isMatch =
      node.compare(CompareKind::le, node.add(place, double(size)), perRow(node, length, table));
  for (auto [i, c] : llvm::enumerate(delimiter)) {
    Value byte = shifted(node, rows.bytes, -int64_t(i));
    isMatch = both(node, isMatch,
                   node.compare(CompareKind::eq, byte, node.fillLike(byte, double(uint8_t(c)))));
  }
  bool overlaps = false;
  for (int64_t i = 1; i < size; ++i)
    overlaps |= delimiter.starts_with(delimiter.drop_front(i));
  if (overlaps)
    isMatch = leftmost(isMatch, size);
  Value number = count(isMatch, false);
  if (limit >= 0)
    isMatch = both(node, isMatch,
                   node.compare(CompareKind::le, number, node.fillLike(number, double(limit))));
  parts.setCount(node.add(node.sum(node.convert(isMatch, node.si64()), {1}), 1));
  // Part k begins behind match k - 1 (from 1) and ends at match k, or with the string.
  Value part = node.iota(parts.dims, 1), zero = node.fillLike(part, 0);
  Value after = parts.find(isMatch, node.add(number, 1), node.add(place, double(size)));
  parts.begins = node.choose(node.compare(CompareKind::eq, part, zero), zero, after);
  Value isLast =
      node.compare(CompareKind::ge, node.add(part, 1), perRow(node, parts.count, parts.dims));
  parts.ends =
      node.choose(isLast, perRow(node, length, parts.dims), parts.find(isMatch, number, place));
}

LogicalResult Splitter::run() {
  std::string delimiter = node.getString("delimiter", "");
  int64_t limit = node.getInt("maxsplit", -1); // A negative one: as many as there are.
  if (delimiter.empty())
    splitAtSpaces(limit);
  else
    splitAt(delimiter, limit);
  DimList dims = rows.dims;
  dims.push_back(parts.dims[1]);
  node.setOutput(stringsOf(node, parts.bytes(), dims));
  node.setOutput(node.reshape(parts.count, rows.dims));
  return success();
}

static LogicalResult importStringSplit(Node &node) {
  FailureOr<Rows> rows = rowsOf(node, 0);
  return failed(rows) ? failure() : Splitter(node, *rows).run();
}

ArrayRef<Operator> tessera::onnx::stringOperators() {
  static const Operator table[] = {
      {"RegexFullMatch", 20, importRegexFullMatch, true},
      {"StringConcat", 20, importStringConcat, true},
      {"StringNormalizer", 10, importStringNormalizer, true},
      {"StringSplit", 20, importStringSplit, true},
  };
  return table;
}
