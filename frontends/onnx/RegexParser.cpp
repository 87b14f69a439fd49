//===- RegexParser.cpp - The nodes of a regular expression --------------------------------===//

#include "frontends/onnx/CodePoints.h"
#include "frontends/onnx/Names.h"
#include "frontends/onnx/Regex.h"
#include "frontends/onnx/RegexNodes.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/Twine.h"

#include <functional>

using namespace tessera;
using namespace tessera::onnx;
using llvm::StringRef;
using llvm::Twine;

namespace {

//===----------------------------------------------------------------------===//
// Parts of a pattern
//===----------------------------------------------------------------------===//

/// A part of the pattern makes its nodes before those that follow it, and gives the first. So it
/// can be repeated.
using Part = std::function<int(int next)>;

class Parser {
public:
  explicit Parser(StringRef pattern) : pattern(pattern) {}
  llvm::Expected<RegexNodes> run();

private:
  Part fail(const Twine &what) {
    if (problem.empty())
      problem = (what + ", at place " + Twine(at) + " of " + quoted(pattern)).str();
    return [](int next) { return next; };
  }
  bool take(StringRef text) {
    if (!pattern.substr(at).starts_with(text))
      return false;
    at += text.size();
    return true;
  }
  bool isAtEnd() const { return at >= pattern.size(); }

  int make(RegexNode::Kind kind, int next, int other = -1, uint8_t low = 0, uint8_t high = 0) {
    if (nodes.size() >= kMaxRegexNodes) {
      fail("it has more than " + Twine(kMaxRegexNodes) + " nodes (kMaxRegexNodes)");
      return 0;
    }
    nodes.push_back({kind, low, high, next, other});
    return int(nodes.size()) - 1;
  }

  Part parseChoice();
  Part parseSequence();
  Part parseRepeated();
  Part parseAtom();
  Part parseGroup();
  bool parseName();
  bool parseFlags();
  bool parseCounts(int &least, int &most);
  bool parseClass(Points &points);
  bool parseNamedClass(Points &points);
  bool parseClassEscape(Points &points);
  bool parseCategory(Points &points);
  bool parseEscapedPoint(uint32_t &point);
  bool parsePoint(uint32_t &point);
  bool parsePlainPoint(uint32_t &point);
  void skipQuotes();

  Part repeat(Part part, int least, int most);
  Part consume(Points points);
  int bytesOf(uint32_t low, uint32_t high, int next);

  StringRef pattern;
  std::string problem;
  std::vector<RegexNode> nodes;
  llvm::StringSet<> names;
  size_t at = 0, repetitions = 0;
  unsigned depth = 0;
  bool ignoresCase = false, dotIsAll = false, isMultiline = false;
  bool isQuoted = false; // between \Q and \E
};

Part Parser::repeat(Part part, int least, int most) {
  return [=, this](int next) {
    auto again = [&] {
      // Parts without nodes can be repeated for ever, too.
      if (++repetitions > kMaxRegexNodes)
        fail("it has more than " + Twine(kMaxRegexNodes) + " repetitions (kMaxRegexNodes)");
      return problem.empty();
    };
    int first = next;
    if (most < 0) {
      // A branch that comes back to itself.
      int branch = make(RegexNode::Branch, -1, next), inside = part(branch);
      nodes[size_t(branch)].next = inside;
      first = branch;
    }
    for (int i = least; i < most && again(); ++i)
      first = make(RegexNode::Branch, part(first), next);
    for (int i = 0; i < least && again(); ++i)
      first = part(first);
    return first;
  };
}

/// Bytes of the code points of a range whose encodings are of one length and whose low bits are
/// either equal or all there are; else parts of the range.
int Parser::bytesOf(uint32_t low, uint32_t high, int next) {
  static constexpr uint32_t kEnds[] = {0x7F, 0x7FF, 0xFFFF};
  auto split = [&](uint32_t end) {
    return make(RegexNode::Branch, bytesOf(low, end, next), bytesOf(end + 1, high, next));
  };
  for (uint32_t end : kEnds)
    if (low <= end && high > end)
      return split(end);
  if (high <= 0x7F)
    return make(RegexNode::Byte, next, -1, uint8_t(low), uint8_t(high));
  int length = high <= 0x7FF ? 2 : high <= 0xFFFF ? 3 : 4;
  for (int i = 1; i < length; ++i) {
    uint32_t mask = (1u << (6 * i)) - 1;
    if ((low & ~mask) == (high & ~mask))
      continue;
    if (low & mask)
      return split(low | mask);
    if ((high & mask) != mask)
      return split((high & ~mask) - 1);
  }
  static constexpr uint8_t kLead[] = {0, 0, 0xC0, 0xE0, 0xF0};
  for (int i = 0; i < length; ++i) {
    auto byte = [&](uint32_t point) {
      uint32_t bits = point >> (6 * i);
      return uint8_t(i + 1 == length ? kLead[length] | bits : 0x80 | (bits & 63));
    };
    next = make(RegexNode::Byte, next, -1, byte(low), byte(high));
  }
  return next;
}

Part Parser::consume(Points points) {
  points.normalize();
  if (points.ranges.empty())
    return fail("a class of no characters");
  return [this, points](int next) {
    int first = -1;
    for (auto [low, high] : points.ranges) {
      int own = bytesOf(low, high, next);
      first = first < 0 ? own : make(RegexNode::Branch, own, first);
    }
    return first;
  };
}

//===----------------------------------------------------------------------===//
// Syntax
//===----------------------------------------------------------------------===//

llvm::Expected<RegexNodes> Parser::run() {
  RegexNodes result;
  if (pattern.size() > kMaxRegexBytes) {
    fail("it has more than " + Twine(kMaxRegexBytes) + " bytes (kMaxRegexBytes)");
  } else {
    Part whole = parseChoice();
    if (problem.empty() && !isAtEnd())
      fail("')' without '('");
    if (problem.empty())
      result.first = whole(make(RegexNode::Match, -1));
  }
  if (!problem.empty())
    return llvm::createStringError("%s", problem.c_str());
  result.nodes = std::move(nodes);
  return std::move(result);
}

Part Parser::parseChoice() {
  if (++depth > kMaxRegexNesting)
    return fail("parentheses nested more than " + Twine(kMaxRegexNesting) +
                " deep (kMaxRegexNesting)");
  std::vector<Part> choices{parseSequence()};
  while (problem.empty() && take("|"))
    choices.push_back(parseSequence());
  --depth;
  return [this, choices](int next) {
    int first = choices.back()(next);
    for (size_t i = choices.size() - 1; i-- > 0;)
      first = make(RegexNode::Branch, choices[i](next), first);
    return first;
  };
}

/// \Q and \E, between which everything stands for itself.
void Parser::skipQuotes() {
  while (take(isQuoted ? "\\E" : "\\Q"))
    isQuoted = !isQuoted;
}

Part Parser::parseSequence() {
  std::vector<Part> parts;
  while (problem.empty()) {
    skipQuotes();
    if (isAtEnd() || (!isQuoted && (pattern[at] == '|' || pattern[at] == ')')))
      break;
    parts.push_back(parseRepeated());
  }
  return [parts](int next) {
    for (size_t i = parts.size(); i-- > 0;)
      next = parts[i](next);
    return next;
  };
}

bool Parser::parseCounts(int &least, int &most) {
  size_t begin = at;
  auto number = [&](int &value) {
    size_t digits = 0;
    for (value = 0; !isAtEnd() && llvm::isDigit(pattern[at]); ++at, ++digits)
      value = std::min(value * 10 + (pattern[at] - '0'), kMaxRegexRepeats + 1);
    return digits > 0;
  };
  if (take("{") && number(least)) {
    most = least;
    if (take(",") && !number(most))
      most = -1;
    if (take("}"))
      return true;
  }
  at = begin; // "{" stands for itself.
  return false;
}

Part Parser::parseRepeated() {
  Part part = parseAtom();
  skipQuotes();
  for (bool isRepeated = false; problem.empty() && !isQuoted; isRepeated = true) {
    int least = 0, most = -1;
    if (take("*"))
      ;
    else if (take("+"))
      least = 1;
    else if (take("?"))
      most = 1;
    else if (!parseCounts(least, most))
      break;
    if (isRepeated)
      return fail("a repetition of a repetition");
    if (least > kMaxRegexRepeats || most > kMaxRegexRepeats)
      return fail("more than " + Twine(kMaxRegexRepeats) + " repetitions (kMaxRegexRepeats)");
    if (most >= 0 && most < least)
      return fail("a repetition of at least " + Twine(least) + " and at most " + Twine(most));
    take("?"); // Which of several ways is taken makes no difference for a whole text.
    part = repeat(part, least, most);
  }
  return part;
}

/// Of a group, up to the '>', which is taken.
bool Parser::parseName() {
  StringRef name =
      pattern.substr(at).take_while([](char c) { return llvm::isAlnum(c) || c == '_'; });
  if (name.empty() || pattern.substr(at + name.size(), 1) != ">")
    return fail("a name of a group that is no word before '>'"), false;
  if (!names.insert(name).second)
    return fail("a second group of the name " + quoted(name)), false;
  at += name.size() + 1;
  return true;
}

/// Of (?flags), up to the ')' or ':', which is not taken.
bool Parser::parseFlags() {
  bool value = true;
  for (; !isAtEnd() && pattern[at] != ')' && pattern[at] != ':'; ++at) {
    switch (pattern[at]) {
    case '-': value = false; break;
    case 'i': ignoresCase = value; break;
    case 'm': isMultiline = value; break;
    case 's': dotIsAll = value; break;
    case 'U': break; // Which way is tried first makes no difference.
    default: return fail("a flag other than i, m, s and U"), false;
    }
  }
  return true;
}

Part Parser::parseGroup() {
  bool oldCase = ignoresCase, oldDot = dotIsAll, oldLines = isMultiline;
  for (StringRef around : {"?=", "?!", "?<=", "?<!"})
    if (pattern.substr(at).starts_with(around))
      return fail("'(" + around +
                  "': looking around takes more than an automaton, it is not "
                  "supported");
  if (pattern.substr(at).starts_with("?P=") || pattern.substr(at).starts_with("?P>"))
    return fail("a back reference, which takes more than an automaton and is not supported");
  if (pattern.substr(at).starts_with("?>"))
    return fail("'(?>': groups that are never tried again are not supported");
  if (take("?P<") || take("?<")) {
    if (!parseName())
      return {};
  } else if (take("?")) {
    if (!parseFlags())
      return {};
    if (take(")")) // for the rest of the group around
      return [](int next) { return next; };
    if (!take(":"))
      return fail("'(' without ')'");
  }
  Part inside = parseChoice();
  ignoresCase = oldCase;
  dotIsAll = oldDot;
  isMultiline = oldLines;
  if (problem.empty() && !take(")"))
    return fail("'(' without ')'");
  return inside;
}

Part Parser::parseAtom() {
  auto look = [this](RegexNode::Kind kind) -> Part {
    return [this, kind](int next) { return make(kind, next); };
  };
  Points points;
  auto single = [&](bool isRead, uint32_t point) -> Part {
    if (!isRead)
      return {};
    points.add(point, point);
    if (ignoresCase)
      points.foldCase();
    return consume(points);
  };
  uint32_t point = 0;
  if (isQuoted)
    return single(parsePlainPoint(point), point);
  if (take("("))
    return parseGroup();
  if (take("^"))
    return look(isMultiline ? RegexNode::BeginLine : RegexNode::BeginText);
  if (take("$"))
    return look(isMultiline ? RegexNode::EndLine : RegexNode::EndText);
  static constexpr std::pair<const char *, RegexNode::Kind> kLooks[] = {
      {"\\A", RegexNode::BeginText},
      {"\\z", RegexNode::EndText},
      {"\\b", RegexNode::Boundary},
      {"\\B", RegexNode::NoBoundary}};
  for (auto [text, kind] : kLooks)
    if (take(text))
      return look(kind);
  if (take(".")) {
    points = dotIsAll ? Points() : Points{{'\n', '\n'}};
    points.invert();
    return consume(points);
  }
  if (take("["))
    return parseClass(points) ? consume(points) : Part();
  if (parseClassEscape(points))
    return consume(points);
  if (StringRef("*+?").contains(pattern[at]))
    return fail("a repetition of nothing");
  return single(parsePoint(point), point);
}

//===----------------------------------------------------------------------===//
// Characters and classes
//===----------------------------------------------------------------------===//

/// Of \pL, \p{Lu}, \P{^Lu} and \p{Greek}, behind the p.
bool Parser::parseCategory(Points &points) {
  bool isInverted = pattern[at - 1] == 'P';
  StringRef name = pattern.substr(at, 1);
  size_t end = at + 1;
  if (take("{")) {
    end = pattern.find('}', at);
    if (end == StringRef::npos)
      return fail("'\\p{' without '}'"), false;
    name = pattern.slice(at, end++);
  }
  if (name.consume_front("^"))
    isInverted = !isInverted;
  Points own;
  if (!own.addNamed(name))
    return fail("a class of Unicode of an unknown name, " + quoted(name) +
                ", expected a general category (L, Lu, Nd, ...) or a script (Greek, Han, ...)"),
           false;
  if (ignoresCase)
    own.foldCase();
  if (isInverted)
    own.invert();
  points.add(own);
  at = end;
  return true;
}

/// \d and its like, if that is what stands here.
bool Parser::parseClassEscape(Points &points) {
  static const std::pair<char, Points> kClasses[] = {
      {'d', {{'0', '9'}}},
      {'s', {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}}},
      {'w', {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}}};
  StringRef here = pattern.substr(at, 2);
  if (here.size() != 2 || here[0] != '\\')
    return false;
  if (llvm::toLower(here[1]) == 'p') {
    at += 2;
    return parseCategory(points);
  }
  for (const auto &[name, own] : kClasses)
    if (llvm::toLower(here[1]) == name) {
      Points named = own;
      if (llvm::isUpper(here[1]))
        named.invert();
      points.add(named);
      at += 2;
      return true;
    }
  return false;
}

bool Parser::parseEscapedPoint(uint32_t &point) {
  if (isAtEnd())
    return fail("'\\' at the end"), false;
  char c = pattern[at];
  static constexpr std::pair<char, char> kControls[] = {{'a', '\a'}, {'f', '\f'}, {'n', '\n'},
                                                        {'r', '\r'}, {'t', '\t'}, {'v', '\v'}};
  for (auto [name, control] : kControls)
    if (c == name) {
      point = uint32_t(control);
      ++at;
      return true;
    }
  auto isOctal = [](char digit) { return digit >= '0' && digit <= '7'; };
  if (isOctal(c) && (c == '0' || (at + 1 < pattern.size() && isOctal(pattern[at + 1])))) {
    StringRef digits = pattern.substr(at, 3).take_while(isOctal);
    (void)digits.getAsInteger(8, point);
    at += digits.size();
    return true;
  }
  if (llvm::isDigit(c))
    return fail("a back reference, which takes more than an automaton and is not supported"), false;
  if (c == 'x') {
    bool isLong = pattern.substr(at + 1, 1) == "{";
    size_t begin = at + 1 + isLong, end = isLong ? pattern.find('}', begin) : begin + 2;
    StringRef digits = pattern.slice(begin, end);
    if (end > pattern.size() || digits.empty() || digits.getAsInteger(16, point) ||
        point > kLastPoint)
      return fail("'\\x' without the number of a character"), false;
    at = end + isLong;
    return true;
  }
  if (llvm::isAlnum(c) || uint8_t(c) >= 0x80)
    return fail("'\\' before what it does not stand before"), false;
  point = uint8_t(c);
  ++at;
  return true;
}

/// One character, which may be escaped.
bool Parser::parsePoint(uint32_t &point) {
  return take("\\") ? parseEscapedPoint(point) : parsePlainPoint(point);
}

bool Parser::parsePlainPoint(uint32_t &point) {
  uint8_t lead = uint8_t(pattern[at]);
  size_t length = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  bool isUtf8 = lead < 0x80 || (lead >= 0xC2 && lead <= 0xF4 && at + length <= pattern.size());
  point = length == 1 ? lead : lead & (0x7F >> length);
  for (size_t i = 1; isUtf8 && i < length; ++i) {
    uint8_t byte = uint8_t(pattern[at + i]);
    isUtf8 = (byte & 0xC0) == 0x80;
    point = point << 6 | (byte & 63);
  }
  // What has a shorter encoding, a half of a pair, and what is behind the last one are none.
  bool isLong = length < 3 || point >= (length == 3 ? 0x800u : 0x10000u);
  if (!isUtf8 || !isLong || point > kLastPoint || (point >= 0xD800 && point < 0xE000))
    return fail("bytes that are no UTF-8"), false;
  at += length;
  return true;
}

/// [:alpha:] and its like within a class, if that is what stands here.
bool Parser::parseNamedClass(Points &points) {
  static const std::pair<StringRef, Points> kNamed[] = {
      {"alnum", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}},
      {"alpha", {{'A', 'Z'}, {'a', 'z'}}},
      {"ascii", {{0, 0x7F}}},
      {"blank", {{'\t', '\t'}, {' ', ' '}}},
      {"cntrl", {{0, 0x1F}, {0x7F, 0x7F}}},
      {"digit", {{'0', '9'}}},
      {"graph", {{'!', '~'}}},
      {"lower", {{'a', 'z'}}},
      {"print", {{' ', '~'}}},
      {"punct", {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}},
      {"space", {{'\t', '\r'}, {' ', ' '}}},
      {"upper", {{'A', 'Z'}}},
      {"word", {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}},
      {"xdigit", {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}}};
  size_t end = pattern.find(":]", at);
  if (!pattern.substr(at).starts_with("[:") || end == StringRef::npos)
    return false;
  StringRef name = pattern.slice(at + 2, end);
  bool isInverted = name.consume_front("^");
  const auto *found = llvm::find_if(kNamed, [&](const auto &row) { return row.first == name; });
  if (found == std::end(kNamed))
    return fail("a class of an unknown name, " + quoted(name)), false;
  Points named = found->second;
  if (isInverted)
    named.invert();
  points.add(named);
  at = end + 2;
  return true;
}

bool Parser::parseClass(Points &points) {
  bool isInverted = take("^");
  for (bool isFirst = true; !isAtEnd() && (isFirst || pattern[at] != ']'); isFirst = false) {
    if (parseNamedClass(points) || parseClassEscape(points))
      continue;
    uint32_t low, high;
    if (!problem.empty() || !parsePoint(low))
      return false;
    high = low;
    if (pattern.substr(at, 1) == "-" && at + 1 < pattern.size() && pattern[at + 1] != ']') {
      ++at;
      if (!parsePoint(high))
        return false;
    }
    if (high < low)
      return fail("a range that ends before it begins"), false;
    points.add(low, high);
  }
  if (!take("]"))
    return fail("'[' without ']'"), false;
  if (ignoresCase)
    points.foldCase();
  if (isInverted)
    points.invert();
  return true;
}
} // namespace

llvm::Expected<RegexNodes> tessera::onnx::parseRegex(StringRef pattern) {
  return Parser(pattern).run();
}
