//===- Regex.cpp - Regular expressions as tables ------------------------------------------===//
//
// Sets of a pattern's nodes are states (Rabin and Scott, "Finite automata and their decision
// problems", 1959). A state also knows what kind of byte came before; what comes after is known
// when a byte is read, so looking around a place costs nothing.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/Regex.h"
#include "frontends/onnx/RegexNodes.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

#include <algorithm>
#include <map>

using namespace tessera;
using namespace tessera::onnx;
using llvm::StringRef;

Side tessera::onnx::sideOf(unsigned byte) {
  if (byte == '\n')
    return kNewline;
  return byte < 128 && (llvm::isAlnum(char(byte)) || byte == '_') ? kWord : kOther;
}

namespace {

class Builder {
public:
  Builder(const RegexNodes &pattern, bool searches)
      : nodes(pattern.nodes), first(pattern.first), searches(searches) {
    findClasses();
  }

  llvm::Expected<Automaton> run() {
    for (Side before : {kNothing, kNewline, kWord, kOther})
      if (searches || before == kNothing)
        automaton.starts[before] = stateOf({{first}, looks ? before : kOther});
    for (size_t i = 0; i < states.size(); ++i) {
      if (states.size() > kMaxRegexStates)
        return llvm::createStringError("it needs more than %zu states (kMaxRegexStates)",
                                       kMaxRegexStates);
      if (work > kMaxRegexWork)
        return llvm::createStringError("its states have more than %zu parts (kMaxRegexWork)",
                                       kMaxRegexWork);
      addRow(State(states[i]));
    }
    return std::move(automaton);
  }

private:
  struct State {
    std::vector<int> nodes;
    Side before;
    bool operator<(const State &other) const {
      return std::tie(before, nodes) < std::tie(other.before, other.nodes);
    }
  };

  /// Bytes are in one class when no node tells them apart. Classes are runs of bytes.
  void findClasses() {
    std::array<bool, 257> begins{};
    for (const RegexNode &node : nodes) {
      if (node.kind == RegexNode::Byte)
        begins[node.low] = begins[size_t(node.high) + 1] = true;
      looks |= node.kind != RegexNode::Byte && node.kind != RegexNode::Branch &&
               node.kind != RegexNode::Match;
    }
    for (unsigned byte = 0; byte < 256; ++byte) {
      bool isNew = byte == 0 || begins[byte] || (looks && sideOf(byte) != sideOf(byte - 1));
      automaton.classes += isNew;
      automaton.classOf[byte] = uint8_t(automaton.classes - 1);
      if (isNew)
        sides.push_back(looks ? sideOf(byte) : kOther);
    }
  }

  void addRow(const State &state) {
    std::vector<State> targets;
    std::array<bool, 4> matches{};
    for (Side side : sides)
      targets.push_back({{}, side});
    for (Side after : {kNothing, kNewline, kWord, kOther}) {
      // Without a node that looks around, what stands there makes no difference.
      if (!looks && after != kOther)
        continue;
      std::vector<int> reached = close(state, after);
      work += reached.size();
      matches[after] = llvm::any_of(
          reached, [&](int node) { return nodes[size_t(node)].kind == RegexNode::Match; });
      for (int number : reached) {
        const RegexNode &node = nodes[size_t(number)];
        if (node.kind != RegexNode::Byte)
          continue;
        for (size_t c = automaton.classOf[node.low]; c <= automaton.classOf[node.high]; ++c)
          if (sides[c] == after)
            targets[c].nodes.push_back(node.next);
      }
    }
    Side end = looks ? kNothing : kOther;
    automaton.accepts.push_back(matches[end]);
    for (Side side : sides)
      automaton.ends.push_back(matches[side]);
    automaton.ends.push_back(matches[end]);
    for (State &target : targets) {
      work += target.nodes.size();
      automaton.next.push_back(stateOf(std::move(target)));
    }
  }

  int32_t stateOf(State state) {
    std::sort(state.nodes.begin(), state.nodes.end());
    state.nodes.erase(std::unique(state.nodes.begin(), state.nodes.end()), state.nodes.end());
    if (state.nodes.empty())
      state.before = kOther; // No way out: one state.
    auto [found, isNew] = numbers.try_emplace(state, int32_t(states.size()));
    if (isNew)
      states.push_back(std::move(state));
    return found->second;
  }

  /// All nodes that are reached without a byte when this stands after the place.
  std::vector<int> close(const State &state, Side after) {
    std::vector<int> reached, open(state.nodes);
    std::vector<bool> seen(nodes.size());
    auto holds = [&](RegexNode::Kind kind) {
      bool isBoundary = (state.before == kWord) != (after == kWord);
      switch (kind) {
      case RegexNode::BeginText: return state.before == kNothing;
      case RegexNode::EndText: return after == kNothing;
      case RegexNode::BeginLine: return state.before == kNothing || state.before == kNewline;
      case RegexNode::EndLine: return after == kNothing || after == kNewline;
      case RegexNode::Boundary: return isBoundary;
      case RegexNode::NoBoundary: return !isBoundary;
      default: return true;
      }
    };
    while (!open.empty()) {
      int number = open.back();
      open.pop_back();
      if (seen[size_t(number)])
        continue;
      seen[size_t(number)] = true;
      const RegexNode &node = nodes[size_t(number)];
      if (node.kind == RegexNode::Byte || node.kind == RegexNode::Match) {
        reached.push_back(number);
        continue;
      }
      if (node.kind == RegexNode::Branch)
        open.push_back(node.other);
      if (holds(node.kind))
        open.push_back(node.next);
    }
    return reached;
  }

  const std::vector<RegexNode> &nodes;
  int first;
  bool searches, looks = false;
  std::vector<Side> sides; // of the classes
  std::vector<State> states;
  std::map<State, int32_t> numbers;
  Automaton automaton;
  size_t work = 0;
};
} // namespace

bool Automaton::matches(StringRef text) const {
  int32_t state = 0;
  for (char byte : text)
    state = next[size_t(state) * classes + classOf[uint8_t(byte)]];
  return accepts[size_t(state)];
}

static llvm::Expected<Automaton> compile(StringRef pattern, bool searches) {
  llvm::Expected<RegexNodes> nodes = parseRegex(pattern);
  if (!nodes)
    return nodes.takeError();
  return Builder(*nodes, searches).run();
}

llvm::Expected<Automaton> tessera::onnx::compileRegex(StringRef pattern) {
  return compile(pattern, false);
}

llvm::Expected<Automaton> tessera::onnx::compileSearch(StringRef pattern) {
  return compile(pattern, true);
}
