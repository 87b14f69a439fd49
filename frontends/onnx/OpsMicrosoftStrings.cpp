//===- OpsMicrosoftStrings.cpp - Operators of com.microsoft on strings --------------------===//

#include "frontends/onnx/OpsMl.h"
#include "frontends/onnx/PartsOfStrings.h"
#include "frontends/onnx/Regex.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::CompareKind;

//===----------------------------------------------------------------------===//
// Tokenizer
//===----------------------------------------------------------------------===//

namespace {
/// Tokens are what a pattern matches, what is left between the matches of separators, or
/// characters. For each byte of a row it is known whether a token begins there, and where that one
/// ends.
class Tokenizer {
public:
  Tokenizer(Node &node, const Rows &rows)
      : node(node), rows(rows), table{rows.count, rows.width}, place(node.iota(table, 1)),
        length(node.broadcast(lengthsOf(node, rows.bytes), {0}, table)), parts(node, rows) {
    isCut = node.compare(CompareKind::ge, place, length);
  }
  LogicalResult run();

private:
  Value both(Value x, Value y) { return node.create<graph::AndOp>(x, y); }
  Value no(Value x) { return node.create<graph::NotOp>(x); }
  Value turned(Value x) { return node.transpose(x, {1, 0}); }
  /// Byte after byte of all rows side by side: the body gets the states, columns of `xs` and the
  /// place (a scalar), and gives the next states, then results of each place [count, width].
  SmallVector<Value> walk(ArrayRef<Value> starts, ArrayRef<Value> xs, ArrayRef<Type> results,
                          bool reverse,
                          function_ref<SmallVector<Value>(graph::GraphBuilder &, ValueRange)> body);
  Value findEnds(const Automaton &automaton);
  Value takeLeftmost(Value matchEnds, bool covers);
  LogicalResult splitAt(ArrayRef<std::string> separators);
  LogicalResult takeMatches(StringRef pattern);
  void takeCharacters();
  void dropShort(int64_t least);
  Value withMarks(StringRef padding, bool isMarked, DimAttr &most);

  Node &node;
  const Rows &rows;
  DimList table;
  Value place, length; // si64 [count, width]
  Value isCut;         // bytes that are in no token, and all behind the end
  Value isBegin, end;  // of tokens
  Parts parts;
};
} // namespace

SmallVector<Value>
Tokenizer::walk(ArrayRef<Value> starts, ArrayRef<Value> xs, ArrayRef<Type> results, bool reverse,
                function_ref<SmallVector<Value>(graph::GraphBuilder &, ValueRange)> body) {
  OpBuilder &outer = node.getBuilder();
  Location loc = node.getLoc();
  SmallVector<Value> columns;
  for (Value x : xs)
    columns.push_back(turned(x));
  columns.push_back(node.iota({rows.width}, 0));
  SmallVector<Type> types;
  for (Value start : starts)
    types.push_back(start.getType());
  for (Type element : results)
    types.push_back(graph::TensorType::get(DimList{rows.width, rows.count}, element));
  auto scan = graph::ScanOp::create(outer, loc, types, starts, columns, /*axis=*/0, reverse);
  Block &block = scan.getBody().emplaceBlock();
  for (Value start : starts)
    block.addArgument(start.getType(), loc);
  for (Value column : columns)
    block.addArgument(scan.getSliceType(column.getType()), loc);
  OpBuilder inner = OpBuilder::atBlockEnd(&block);
  graph::GraphBuilder b = node.at(inner);
  graph::YieldOp::create(inner, loc, body(b, block.getArguments()));
  SmallVector<Value> all;
  for (Value result : scan.getResults().drop_front(starts.size()))
    all.push_back(turned(result));
  return all;
}

/// Where the longest match ends that begins at each byte, -1 where none does: si64 [count, width].
/// From the last byte to the first it is kept for every state of the automaton where the longest
/// text ends that it accepts from here on. What is cut off ends the text.
Value Tokenizer::findEnds(const Automaton &automaton) {
  Type si32 = IntegerType::get(node.getBuilder().getContext(), 32, IntegerType::Signed);
  int64_t states = int64_t(automaton.size()), classes = int64_t(automaton.classes);
  auto constant = [&](ArrayRef<int32_t> numbers, ArrayRef<int64_t> dims) {
    return constantOf<int32_t>(node, numbers, dims);
  };
  // By class, the end last: what each state becomes, and whether it accepts.
  std::vector<int32_t> next(size_t((classes + 1) * states)), ends(next);
  for (int64_t c = 0; c <= classes; ++c)
    for (int64_t state = 0; state < states; ++state) {
      ends[size_t(c * states + state)] = automaton.ends[size_t(state * (classes + 1) + c)];
      if (c < classes)
        next[size_t(c * states + state)] = automaton.next[size_t(state * classes + c)];
    }
  std::vector<int32_t> classOf(automaton.classOf.begin(), automaton.classOf.end()), startAfter;
  for (unsigned byte = 0; byte < 256; ++byte)
    startAfter.push_back(automaton.starts[sideOf(byte)]);
  Value byte = node.convert(rows.bytes, si32);
  auto lookUp = [&](ArrayRef<int32_t> numbers, Value at) {
    return Value(node.create<graph::GatherOp>(constant(numbers, {int64_t(numbers.size())}), at, 0));
  };
  Value group = lookUp(classOf, byte);
  group = node.choose(isCut, node.fillLike(group, double(classes)), group);
  // A text begins at the first byte, and behind what is cut off.
  Value isText = node.convert(no(isCut), si32), before = shifted(node, byte, 1);
  Value isFirst = node.compare(CompareKind::eq, shifted(node, isText, 1), node.fillLike(isText, 0));
  Value start = node.choose(isFirst, node.fillLike(byte, double(automaton.starts[kNothing])),
                            lookUp(startAfter, before));
  Value nexts = constant(next, {classes + 1, states}),
        allEnds = constant(ends, {classes + 1, states});
  DimList each{rows.count, node.dim(states)};
  DimAttr flat = node.known(DimExpr(rows.count) * states);
  Value width = node.convert(ShapeScalars(node).number(rows.width), si32);
  Value atEnd = node.broadcast(constant(ArrayRef(ends).take_back(states), {states}), {1}, each);
  Value first = node.choose(node.compare(CompareKind::ne, atEnd, node.fillLike(atEnd, 0)),
                            node.broadcast(width, {}, each), node.fillLike(atEnd, -1));
  auto body = [&](graph::GraphBuilder &b, ValueRange arguments) {
    Value last = arguments[0], group = arguments[1], start = arguments[2];
    Value here = b.broadcast(b.convert(arguments[3], si32), {}, each);
    Value row = b.create<graph::IotaOp>(graph::TensorType::get(each, si32), 0);
    auto lastOf = [&](Value row, Value state) {
      Value at = b.add(b.mul(row, double(states)), state);
      return Value(b.create<graph::GatherOp>(b.reshape(last, flat), at, 0));
    };
    auto choose = [&](Value condition, Value x, Value y) {
      return Value(b.create<graph::SelectOp>(condition, x, y));
    };
    Value none = b.fillLike(here, -1);
    Value goesOn = lastOf(row, b.create<graph::GatherOp>(nexts, group, 0));
    Value isText = b.compare(CompareKind::ne, group, b.fillLike(group, double(classes)));
    goesOn = choose(b.broadcast(isText, {0}, each), goesOn, none);
    Value isEnd = b.create<graph::GatherOp>(allEnds, group, 0);
    Value own = choose(b.compare(CompareKind::ne, isEnd, b.fillLike(isEnd, 0)), here, none);
    last = choose(b.compare(CompareKind::ge, goesOn, b.fillLike(goesOn, 0)), goesOn, own);
    DimList line{rows.count};
    Value found = lastOf(b.create<graph::IotaOp>(graph::TensorType::get(line, si32), 0), start);
    return SmallVector<Value>{last, b.convert(found, node.si64())};
  };
  return walk(first, {group, start}, node.si64(), /*reverse=*/true, body)[0];
}

/// Of matches that overlap the first counts, empty ones do not: at which bytes one begins, or which
/// bytes they cover.
Value Tokenizer::takeLeftmost(Value matchEnds, bool covers) {
  Type flag = node.getBuilder().getI1Type();
  Value free = node.fill(graph::TensorType::get(DimList{rows.count}, node.si64()), 0);
  auto body = [&](graph::GraphBuilder &b, ValueRange arguments) {
    Value free = arguments[0], end = arguments[1];
    Value here = b.broadcast(arguments[2], {}, DimList{rows.count});
    Value isTaken = b.create<graph::AndOp>(b.compare(CompareKind::gt, end, here),
                                           b.compare(CompareKind::ge, here, free));
    free = b.create<graph::SelectOp>(isTaken, end, free);
    return SmallVector<Value>{free, covers ? b.compare(CompareKind::lt, here, free) : isTaken};
  };
  return walk(free, matchEnds, flag, /*reverse=*/false, body)[0];
}

LogicalResult Tokenizer::splitAt(ArrayRef<std::string> separators) {
  for (const std::string &separator : separators) {
    llvm::Expected<Automaton> automaton = compileSearch(separator);
    if (!automaton)
      return node.error("has separator " + quoted(separator) +
                        " that cannot be used: " + llvm::toString(automaton.takeError()));
    if (automaton->accepts[size_t(automaton->starts[kNothing])])
      return node.error("has separator " + quoted(separator) +
                        ", which matches an empty text: nothing tells where to split");
    isCut = node.create<graph::OrOp>(isCut, takeLeftmost(findEnds(*automaton), /*covers=*/true));
  }
  Value text = node.convert(no(isCut), node.si64());
  isBegin = node.compare(CompareKind::gt, text, shifted(node, text, 1));
  // Where the next byte is that is cut off.
  DimList line{rows.count};
  Value last = node.broadcast(ShapeScalars(node).number(rows.width), {}, line);
  auto body = [&](graph::GraphBuilder &b, ValueRange arguments) {
    Value here = b.broadcast(arguments[2], {}, line);
    Value next = b.create<graph::SelectOp>(arguments[1], here, arguments[0]);
    return SmallVector<Value>{next, next};
  };
  end = walk(last, isCut, node.si64(), /*reverse=*/true, body)[0];
  return success();
}

LogicalResult Tokenizer::takeMatches(StringRef pattern) {
  llvm::Expected<Automaton> automaton = compileSearch(pattern);
  if (!automaton)
    return node.error("has a tokenexp that cannot be used: " +
                      llvm::toString(automaton.takeError()));
  end = findEnds(*automaton);
  isBegin = takeLeftmost(end, /*covers=*/false);
  return success();
}

void Tokenizer::takeCharacters() {
  Value point = charactersOf(node, rows.bytes);
  auto isFrom = [&](double least) {
    return node.convert(node.compare(CompareKind::ge, point, node.fillLike(point, least)),
                        node.si64());
  };
  isBegin = both(no(isCut), node.compare(CompareKind::ge, point, node.fillLike(point, 0)));
  Value more = node.add(node.add(isFrom(0x80), isFrom(0x800)), isFrom(0x10000));
  end = node.add(node.add(place, more), 1);
}

/// Tokens of fewer characters are left out.
void Tokenizer::dropShort(int64_t least) {
  Value point = charactersOf(node, rows.bytes);
  Value isCharacter = both(no(node.compare(CompareKind::ge, place, length)),
                           node.compare(CompareKind::ge, point, node.fillLike(point, 0)));
  Value ones = node.convert(isCharacter, node.si64());
  Value upTo = node.create<graph::CumulativeOp>(graph::CumulativeKind::sum, ones, 1, false, false);
  Value width = node.broadcast(ShapeScalars(node).number(rows.width), {}, table);
  Value last = node.max(node.add(end, -1), 0.0); // where a token begins it is behind that place
  Value at = node.add(node.mul(node.iota(table, 0), width), last);
  DimAttr flat = node.known(DimExpr(rows.count) * DimExpr(rows.width));
  Value atLast = node.create<graph::GatherOp>(node.reshape(upTo, flat), at, 0);
  Value characters = node.sub(atLast, node.sub(upTo, ones));
  isBegin = both(
      isBegin, node.compare(CompareKind::ge, characters, node.fillLike(characters, double(least))));
}

/// Tokens of each row with marks around them, filled up: ui8 [count * most, width].
Value Tokenizer::withMarks(StringRef padding, bool isMarked, DimAttr &most) {
  Value tokens = parts.bytes();
  Value known = constantRows(
      node, isMarked ? ArrayRef<StringRef>{padding, "\x02", "\x03"} : ArrayRef<StringRef>{padding},
      node.proto.name());
  if (!known)
    return {};
  ShapeScalars s(node);
  DimAttr own = parts.dims[1];
  most = own;
  if (isMarked) {
    // Where no row has a token there are no marks.
    Value count = s.number(own);
    most = s.bind(s.select(s.isEqual(count, 0), count, node.add(count, 2)), "the number of tokens");
  }
  DimExpr width =
      DimExpr::max(graph::getTensorType(tokens).getDim(1), graph::getTensorType(known).getDim(1));
  Value all = node.concat({widen(node, known, width), widen(node, tokens, width)}, 0);
  DimList dims{rows.count, most};
  Value column = node.iota(dims, 1), count = node.broadcast(parts.count, {0}, dims);
  Value zero = node.fillLike(column, 0);
  Value token = isMarked ? node.add(column, -1) : column;
  Value index = node.mul(node.iota(dims, 0), node.broadcast(s.number(own), {}, dims));
  index = node.add(node.add(index, token), isMarked ? 3 : 1);
  Value isToken =
      both(node.compare(CompareKind::ge, token, zero), node.compare(CompareKind::lt, token, count));
  index = node.choose(isToken, index, zero);
  if (isMarked) {
    index =
        node.choose(node.compare(CompareKind::eq, column, zero), node.fillLike(index, 1), index);
    index =
        node.choose(node.compare(CompareKind::eq, token, count), node.fillLike(index, 2), index);
  }
  all = node.create<graph::GatherOp>(all, index, 0);
  return node.reshape(all, {node.known(DimExpr(dims[0]) * DimExpr(most)), node.known(width)});
}

LogicalResult Tokenizer::run() {
  if (rows.dims.size() != 1 && rows.dims.size() != 2)
    return node.error("needs strings of shape [C] or [N, C]");
  std::string pattern = node.getString("tokenexp", ""), padding = node.getString("pad_value", "");
  SmallVector<std::string> separators =
      node.getStrings("separators").value_or(SmallVector<std::string>());
  int64_t least = node.getInt("mincharnum", 1);
  bool isMarked = node.getInt("mark", 0) != 0;
  if (separators.empty() && pattern.empty())
    return node.error("has neither separators nor a tokenexp");
  bool takesCharacters =
      separators.empty() ? pattern == "." : separators.size() == 1 && separators[0].empty();
  if (least < 1 || (takesCharacters && least > 1))
    return node.error("has mincharnum " + Twine(least) + ", expected " +
                      (takesCharacters ? "1 for tokens of one character" : "1 or more"));
  if (takesCharacters)
    takeCharacters();
  else if (failed(separators.empty() ? takeMatches(pattern) : splitAt(separators)))
    return failure();
  if (least > 1)
    dropShort(least);
  Value ones = node.convert(isBegin, node.si64());
  Value number =
      node.create<graph::CumulativeOp>(graph::CumulativeKind::sum, ones, 1, false, false);
  parts.setCount(node.sum(ones, {1}));
  parts.begins = parts.find(isBegin, number, place);
  parts.ends = parts.find(isBegin, number, end);
  DimList dims = rows.dims;
  DimAttr most;
  Value bytes = withMarks(padding, isMarked, most);
  if (!bytes)
    return failure();
  dims.push_back(most);
  node.setOutput(stringsOf(node, bytes, dims));
  return success();
}

static LogicalResult importTokenizer(Node &node) {
  FailureOr<Rows> rows = rowsOf(node, 0);
  return failed(rows) ? failure() : Tokenizer(node, *rows).run();
}

//===----------------------------------------------------------------------===//
// MurmurHash3
//===----------------------------------------------------------------------===//

namespace {
/// The 32-bit hash of A. Appleby's SMHasher (MurmurHash3_x86_32), on ui32 of any shape.
struct Murmur {
  graph::GraphBuilder &b;
  Value constant(Value like, uint32_t number) { return b.fillLike(like, double(number)); }
  Value rotated(Value x, uint32_t by) {
    Value high = b.create<graph::ShlOp>(x, constant(x, by));
    return b.create<graph::OrOp>(high, b.create<graph::ShrOp>(x, constant(x, 32 - by)));
  }
  Value times(Value x, uint32_t factor) { return b.mul(x, constant(x, factor)); }
  Value mixedWith(Value hash, Value x) {
    return b.create<graph::XorOp>(hash, times(rotated(times(x, 0xcc9e2d51), 15), 0x1b873593));
  }
  /// Four bytes more.
  Value next(Value hash, Value x) {
    Value mixed = times(rotated(mixedWith(hash, x), 13), 5);
    return b.add(mixed, constant(mixed, 0xe6546b64));
  }
  Value shifted(Value hash, uint32_t by) {
    return b.create<graph::XorOp>(hash, b.create<graph::ShrOp>(hash, constant(hash, by)));
  }
  Value finished(Value hash, Value length) {
    hash = b.create<graph::XorOp>(hash, length);
    hash = times(shifted(hash, 16), 0x85ebca6b);
    return shifted(times(shifted(hash, 13), 0xc2b2ae35), 16);
  }
};
} // namespace

static Value hashStrings(Node &node, const Rows &rows, double seed, Type ui32) {
  OpBuilder &builder = node.getBuilder();
  Location loc = node.getLoc();
  constexpr int64_t kBytes = 4;
  DimExpr blocks = node.known(DimExpr(rows.width).ceilDiv(kBytes));
  DimList dims{rows.count, blocks.get(), node.dim(kBytes)}, line{rows.count};
  Value bytes = node.reshape(widen(node, rows.bytes, blocks * kBytes), dims);
  Value factors =
      node.convert(constantOf<int64_t>(node, {1, 1 << 8, 1 << 16, 1 << 24}, kBytes), ui32);
  Value words =
      node.sum(node.mul(node.convert(bytes, ui32), node.broadcast(factors, {2}, dims)), {2});
  SmallVector<Value> columns{node.transpose(words, {1, 0}), node.iota({blocks.get()}, 0)};
  Value length = lengthsOf(node, rows.bytes);
  Value start = node.fill(graph::TensorType::get(line, ui32), seed);
  auto scan = graph::ScanOp::create(builder, loc, TypeRange(start.getType()), start, columns,
                                    /*axis=*/0, /*reverse=*/false);
  Block &block = scan.getBody().emplaceBlock();
  block.addArgument(start.getType(), loc);
  for (Value column : columns)
    block.addArgument(scan.getSliceType(column.getType()), loc);
  OpBuilder inner = OpBuilder::atBlockEnd(&block);
  graph::GraphBuilder b = node.at(inner);
  Murmur murmur{b};
  Value hash = block.getArgument(0), word = block.getArgument(1);
  Value begin = b.broadcast(b.mul(block.getArgument(2), double(kBytes)), {}, line);
  // A block that the string fills, one that it begins, one behind its end.
  Value isWhole = b.compare(CompareKind::le, b.add(begin, double(kBytes)), length);
  Value isSome = b.compare(CompareKind::lt, begin, length);
  Value mixed = b.create<graph::SelectOp>(isSome, murmur.mixedWith(hash, word), hash);
  graph::YieldOp::create(inner, loc,
                         b.create<graph::SelectOp>(isWhole, murmur.next(hash, word), mixed));
  return Murmur{node}.finished(scan.getResult(0), node.convert(length, ui32));
}

static LogicalResult importMurmurHash(Node &node) {
  MLIRContext *context = node.getBuilder().getContext();
  Type ui32 = IntegerType::get(context, 32, IntegerType::Unsigned);
  Type ui64 = IntegerType::get(context, 64, IntegerType::Unsigned);
  auto seed = double(uint32_t(node.getInt("seed", 0)));
  Value x = node.input(0), hash;
  DimList dims;
  if (isStrings(x)) {
    FailureOr<Rows> rows = rowsOf(node, 0);
    if (failed(rows))
      return failure();
    dims = rows->dims;
    hash = hashStrings(node, *rows, seed, ui32);
  } else {
    if (isStructure(x))
      return node.error("needs a tensor");
    graph::TensorType type = node.type(0);
    unsigned bits = type.getElementType().getIntOrFloatBitWidth();
    if (bits != 32 && bits != 64)
      return node.error("hashes strings and elements of 32 or 64 bits");
    dims = DimList(type.getDims());
    Murmur murmur{node};
    hash = node.fill(type.withElementType(ui32), seed);
    if (bits == 32) {
      hash = murmur.next(hash, node.create<graph::BitcastOp>(x, ui32));
    } else {
      Value word = node.create<graph::BitcastOp>(x, ui64);
      Value high = node.create<graph::ShrOp>(word, node.fillLike(word, 32));
      hash = murmur.next(murmur.next(hash, node.convert(word, ui32)), node.convert(high, ui32));
    }
    hash = murmur.finished(hash, node.fillLike(hash, bits / 8));
  }
  if (!node.getInt("positive", 1))
    hash = node.create<graph::BitcastOp>(hash, IntegerType::get(context, 32, IntegerType::Signed));
  node.setOutput(node.reshape(hash, dims));
  return success();
}

ArrayRef<Operator> tessera::onnx::microsoftStringOperators() {
  static const Operator table[] = {
      {"MurmurHash3", 1, importMurmurHash, true},
      {"Tokenizer", 1, importTokenizer, true},
  };
  return table;
}
