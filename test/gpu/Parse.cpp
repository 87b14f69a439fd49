//===- Parse.cpp - PTX text to instructions -----------------------------------------------===//
#include "test/gpu/Parse.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace tessera::ptx {
namespace {

/// Stands for the place of dynamic shared memory until that is known.
constexpr uint64_t kDynamic = uint64_t(1) << 40;

struct Token {
  std::string_view text;
  uint32_t line;
};

bool isWord(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '%' ||
         c == '.' || c == ':';
}

std::vector<Token> tokenize(std::string_view text) {
  std::vector<Token> tokens;
  uint32_t line = 1;
  for (size_t i = 0; i < text.size();) {
    if (text[i] == '\n')
      ++line;
    if (std::isspace(static_cast<unsigned char>(text[i]))) {
      ++i;
    } else if (text.substr(i, 2) == "//") {
      i = std::min(text.find('\n', i), text.size());
    } else if (text.substr(i, 2) == "/*") {
      const size_t end = std::min(text.find("*/", i), text.size());
      line += uint32_t(std::count(text.begin() + long(i), text.begin() + long(end), '\n'));
      i = std::min(end + 2, text.size());
    } else if (text[i] == '"') {
      const size_t end = std::min(text.find('"', i + 1), text.size() - 1);
      tokens.push_back({text.substr(i, end + 1 - i), line});
      i = end + 1;
    } else {
      size_t end = i + 1;
      if (isWord(text[i]))
        while (end < text.size() && isWord(text[end]))
          ++end;
      // "label:" is two tokens, ".shared::cta" is one.
      if (end - i > 1 && text[end - 1] == ':')
        --end;
      tokens.push_back({text.substr(i, end - i), line});
      i = end;
    }
  }
  return tokens;
}

class Parser {
public:
  explicit Parser(std::string_view text) : tokens(tokenize(text)) {}

  Program run() {
    while (program.error.empty() && !atEnd())
      topLevel();
    return std::move(program);
  }

private:
  //===-- Tokens --------------------------------------------------------------------===//

  bool atEnd() const { return next == tokens.size(); }
  std::string_view peek(size_t ahead = 0) const {
    return next + ahead < tokens.size() ? tokens[next + ahead].text : std::string_view();
  }
  uint32_t line() const {
    return tokens.empty() ? 1 : tokens[std::min(next, tokens.size() - 1)].line;
  }
  std::string_view take() {
    const std::string_view text = peek();
    if (!atEnd())
      ++next;
    return text;
  }
  bool accept(std::string_view text) {
    if (peek() != text || atEnd())
      return false;
    ++next;
    return true;
  }
  bool expect(std::string_view text) {
    return accept(text) ||
           fail("expected '" + std::string(text) + "', found '" + std::string(peek()) + "'");
  }
  bool fail(const std::string &message) {
    if (program.error.empty())
      program.error = "line " + std::to_string(line()) + ": " + message;
    next = tokens.size();
    return false;
  }
  bool number(uint64_t &value) {
    const bool isNegative = accept("-");
    std::string text(peek());
    if (text.empty() || !std::isdigit(static_cast<unsigned char>(text[0])))
      return fail("expected a number, found '" + text + "'");
    take();
    if (text.size() == 10 && (text[1] == 'f' || text[1] == 'F'))
      value = std::strtoull(text.c_str() + 2, nullptr, 16);
    else if (text.size() == 18 && (text[1] == 'd' || text[1] == 'D'))
      value = std::strtoull(text.c_str() + 2, nullptr, 16);
    else {
      if (text.back() == 'U')
        text.pop_back();
      char *end = nullptr;
      value = std::strtoull(text.c_str(), &end, 0);
      if (*end)
        return fail("'" + text + "' is no number");
    }
    if (isNegative)
      value = 0 - value;
    return true;
  }

  //===-- Declarations --------------------------------------------------------------===//

  void topLevel() {
    const std::string_view word = take();
    if (word == ".version") {
      const std::string text(take());
      unsigned major = 0, minor = 0;
      if (std::sscanf(text.c_str(), "%u.%u", &major, &minor) == 2)
        program.version = major * 10 + minor;
    } else if (word == ".address_size") {
      take();
    } else if (word == ".target") {
      program.target = take();
      while (accept(","))
        take();
    } else if (word == ".visible" || word == ".weak" || word == ".extern") {
      isExtern = word == ".extern";
    } else if (word == ".entry") {
      entry();
    } else if (word == ".shared" || word == ".global" || word == ".const") {
      variable(word == ".shared"   ? Space::Shared
               : word == ".global" ? Space::Global
                                   : Space::Const);
    } else if (word == ".file") {
      take();
      listStages(take());
    } else if (word == ".section") {
      while (!atEnd() && take() != "}")
        ;
    } else {
      --next;
      fail("unknown directive '" + std::string(word) + "'");
    }
  }

  /// "first,second": what lines of `.loc` count (compiler/codegen/nvgpu/StageLines.h).
  void listStages(std::string_view quoted) {
    std::string_view names = quoted.substr(1, quoted.size() - 2);
    while (!names.empty()) {
      const size_t end = std::min(names.find(','), names.size());
      program.stages.emplace_back(names.substr(0, end));
      names.remove_prefix(std::min(end + 1, names.size()));
    }
  }

  /// .align 16 .b8 name[64] = {...};
  bool declared(Variable &result) {
    uint64_t value = 0;
    if (accept(".align")) {
      if (!number(value))
        return false;
      if (!value || (value & (value - 1)))
        return fail("an alignment of " + std::to_string(value) + " is no power of two");
      result.align = value;
    }
    const std::string_view name = peek();
    const std::optional<Type> type = name.size() > 1 ? typeOf(name.substr(1)) : std::nullopt;
    if (!type || *type == Type::Pred)
      return fail("unknown type '" + std::string(name) + "'");
    take();
    while (accept(".ptr") || accept(".global") || accept(".shared") || accept(".const"))
      ;
    if (accept(".align") && !number(value))
      return false;
    const uint64_t bytes = getBytes(*type);
    result.align = std::max(result.align, bytes);
    result.name = take();
    result.size = bytes;
    while (accept("[")) {
      value = 0;
      if (!accept("]") && (!number(value) || !expect("]")))
        return false;
      if (value > (uint64_t(1) << 32) || result.size > (uint64_t(1) << 32))
        return fail("'" + result.name + "' is too large");
      result.size *= value;
    }
    return true;
  }

  /// Shared memory at an odd multiple of its alignment: what needs more has to say so.
  static void place(Variable &variable, uint64_t &end) {
    variable.offset = (end + variable.align - 1) / variable.align * variable.align;
    if (variable.space == Space::Shared && variable.offset / variable.align % 2 == 0)
      variable.offset += variable.align;
    end = variable.offset + variable.size;
  }

  void variable(Space space) {
    Variable result;
    result.space = space;
    if (!declared(result))
      return;
    const bool isDynamic = isExtern;
    isExtern = false;
    if (space == Space::Shared) {
      if (isDynamic)
        result.offset = kDynamic; // placed when all is known
      else
        place(result, program.sharedBytes);
    } else {
      uint64_t end = program.initial.size();
      const unsigned element = unsigned(result.align);
      place(result, end);
      program.initial.resize(end);
      if (accept("=")) {
        uint64_t at = result.offset;
        const bool isList = accept("{");
        do {
          uint64_t value = 0;
          if (!number(value))
            return;
          const unsigned bytes = isList ? elementBytes(result, element) : unsigned(result.size);
          if (at + bytes > end) {
            fail("more values than '" + result.name + "' has elements");
            return;
          }
          std::memcpy(program.initial.data() + at, &value, bytes);
          at += bytes;
        } while (isList && accept(","));
        if (isList && !expect("}"))
          return;
      }
    }
    program.variables.push_back(result);
    expect(";");
  }

  /// Of the type that was just declared: the token before the name.
  unsigned elementBytes(const Variable &result, unsigned otherwise) const {
    for (size_t i = next; i-- > 1;)
      if (tokens[i].text == result.name)
        if (std::optional<Type> type = typeOf(tokens[i - 1].text.substr(1)))
          return getBytes(*type);
    return otherwise;
  }

  void entry() {
    kernel = Kernel();
    registers.clear();
    labels.clear();
    branches.clear();
    locals.clear();
    kernel.name = take();
    stage = 0;
    if (accept("(") && !accept(")")) {
      do {
        Variable param;
        param.space = Space::Param;
        if (!expect(".param") || !declared(param))
          return;
        place(param, kernel.paramBytes);
        kernel.params.push_back(param);
      } while (accept(","));
      if (!expect(")"))
        return;
    }
    while (!atEnd() && peek() != "{") {
      const std::string_view word = take();
      const bool isRequired = word == ".reqntid";
      if (isRequired || word == ".maxntid") {
        uint32_t *threads = isRequired ? kernel.requiredThreads : kernel.maxThreads;
        threads[1] = threads[2] = 1;
        for (unsigned i = 0; i < 3 && (i == 0 || accept(",")); ++i) {
          uint64_t value = 0;
          if (!number(value))
            return;
          threads[i] = uint32_t(value);
        }
      } else if (word == ".minnctapersm" || word == ".maxnreg") {
        take();
      } else {
        --next;
        fail("unknown directive '" + std::string(word) + "'");
        return;
      }
    }
    if (!expect("{"))
      return;
    while (!atEnd() && peek() != "}")
      statement();
    if (!expect("}"))
      return;
    for (auto [index, token] : branches) {
      const auto label = labels.find(tokens[token].text);
      if (label == labels.end()) {
        next = token;
        fail("unknown label '" + std::string(tokens[token].text) + "'");
        return;
      }
      kernel.code[index].target = label->second;
    }
    Instruction end;
    end.op = Op::Exit;
    end.line = line();
    kernel.code.push_back(end);
    program.kernels.push_back(std::move(kernel));
  }

  void statement() {
    if (peek(1) == ":") {
      labels[take()] = uint32_t(kernel.code.size());
      take();
      return;
    }
    if (accept("{")) {
      // Section 4.2: what a block declares is known in it.
      const std::map<std::string, uint32_t> outer = registers;
      while (!atEnd() && peek() != "}")
        statement();
      expect("}");
      registers = outer;
    } else if (accept(".reg")) {
      declareRegisters();
    } else if (accept(".local") || accept(".shared")) {
      const bool isShared = tokens[next - 1].text == ".shared";
      Variable local;
      local.space = isShared ? Space::Shared : Space::Local;
      if (!declared(local))
        return;
      place(local, isShared ? program.sharedBytes : kernel.localBytes);
      if (isShared)
        kernel.sharedBytes =
            (kernel.sharedBytes + local.align - 1) / local.align * local.align + local.size;
      locals.push_back(local);
      expect(";");
    } else if (accept(".loc")) {
      uint64_t file = 0, number = 0;
      if (!this->number(file) || !this->number(number))
        return;
      stage = uint32_t(number);
      while (!atEnd() && tokens[next].line == tokens[next - 1].line)
        take();
    } else if (accept(".pragma")) {
      take();
      expect(";");
    } else {
      instruction();
    }
  }

  void declareRegisters() {
    const std::string_view name = peek();
    const std::optional<Type> type = name.size() > 1 ? typeOf(name.substr(1)) : std::nullopt;
    if (!type) {
      fail("unknown type '" + std::string(name) + "'");
      return;
    }
    take();
    do {
      const std::string base(take());
      uint64_t count = 0;
      const bool isRange = accept("<");
      if (isRange && (!number(count) || !expect(">")))
        return;
      if (kernel.registers.size() + count > (1u << 20)) {
        fail("more than 2^20 registers");
        return;
      }
      for (uint64_t i = 0; i < (isRange ? count : 1); ++i) {
        registers[isRange ? base + std::to_string(i) : base] = uint32_t(kernel.registers.size());
        kernel.registers.push_back(isRange ? base + std::to_string(i) : base);
        kernel.registerTypes.push_back(*type);
      }
    } while (accept(","));
    expect(";");
  }

  //===-- Instructions --------------------------------------------------------------===//

  void instruction() {
    Instruction x;
    x.line = line();
    x.stage = stage;
    if (accept("@")) {
      x.guardNegated = accept("!");
      const auto found = registers.find(std::string(peek()));
      if (found == registers.end() || kernel.registerTypes[found->second] != Type::Pred) {
        fail("'" + std::string(peek()) + "' is no predicate");
        return;
      }
      x.guard = int32_t(found->second);
      take();
    }
    const size_t start = next;
    const std::string name(take());
    x.first = uint32_t(kernel.operands.size());
    const bool isBranch = name == "bra" || name == "bra.uni";
    unsigned operands = 0;
    for (bool more = peek() != ";"; more; ++operands) {
      if (isBranch) {
        branches.push_back({kernel.code.size(), next});
        take();
        more = false;
      } else if (!operand(x, operands)) {
        return;
      } else if (operands == 0 && accept("|")) {
        // "p|q": a second result; %r1|%p1 of shfl.
        if (!operand(x, 4))
          return;
        kernel.operands.back().negated = false;
        second = kernel.operands.back();
        kernel.operands.pop_back();
        hasSecond = true;
        more = accept(",");
      } else {
        more = accept(",");
      }
    }
    // The second result, or none, is the last operand.
    x.operands = uint16_t(kernel.operands.size() - x.first);
    if (hasSecond) {
      kernel.operands.push_back(second);
    } else {
      kernel.operands.push_back({Operand::Sink});
    }
    hasSecond = false;
    const size_t end = next;
    next = start;
    if (!decode(name, operands, x)) {
      fail("unknown instruction '" + name + "' of " + std::to_string(operands) + " operands");
      return;
    }
    if (const std::string wrong = checkCounts(x); !wrong.empty()) {
      fail(wrong);
      return;
    }
    if (const std::string missing = checkNeeds(name, program); !missing.empty()) {
      fail("'" + name + "': " + missing);
      return;
    }
    next = end;
    kernel.code.push_back(x);
    expect(";");
  }

  bool addOperand(Instruction &, const Operand &operand) {
    kernel.operands.push_back(operand);
    return true;
  }

  bool operand(Instruction &x, unsigned index) {
    if (accept("{")) {
      uint8_t count = 0;
      do {
        if (!simple(x))
          return false;
        ++count;
      } while (accept(","));
      if (index < 4)
        x.counts[index] = count;
      return expect("}");
    }
    if (accept("[")) {
      // The address: register or symbol, and an offset.
      if (!simple(x))
        return false;
      uint64_t offset = 0;
      if (accept("+")) {
        if (!number(offset))
          return false;
      } else if (peek() == "-" && !number(offset)) {
        return false;
      }
      kernel.operands.back().value += offset;
      if (accept(",")) { // the coordinates of a tensor
        uint8_t count = 1;
        if (!expect("{"))
          return false;
        do {
          if (!simple(x))
            return false;
          ++count;
        } while (accept(","));
        if (index < 4)
          x.counts[index] = count;
        if (!expect("}"))
          return false;
      }
      return expect("]");
    }
    return simple(x);
  }

  bool simple(Instruction &x) {
    Operand result;
    result.negated = accept("!");
    const std::string text(peek());
    if (text == "_") {
      take();
      result.kind = Operand::Sink;
      return addOperand(x, result);
    }
    if (text.empty())
      return fail("the text ends in an instruction");
    if (const auto found = registers.find(text); found != registers.end()) {
      take();
      result.kind = Operand::Register;
      result.reg = found->second;
      return addOperand(x, result);
    }
    static constexpr const char *specials[] = {
        "%tid.x",       "%tid.y",       "%tid.z",       "%ntid.x",     "%ntid.y",
        "%ntid.z",      "%ctaid.x",     "%ctaid.y",     "%ctaid.z",    "%nctaid.x",
        "%nctaid.y",    "%nctaid.z",    "%laneid",      "%warpid",     "%lanemask_eq",
        "%lanemask_lt", "%lanemask_le", "%lanemask_gt", "%lanemask_ge"};
    for (size_t i = 0; i < std::size(specials); ++i)
      if (text == specials[i]) {
        take();
        result.kind = Operand::Special;
        result.value = i;
        return addOperand(x, result);
      }
    if (text == "WARP_SZ") {
      take();
      result.kind = Operand::Immediate;
      result.value = 32;
      return addOperand(x, result);
    }
    for (const std::vector<Variable> *list : {&kernel.params, &locals, &program.variables})
      for (const Variable &variable : *list)
        if (variable.name == text) {
          take();
          result.kind = Operand::Immediate;
          result.value = variable.offset;
          result.reg = 1 + uint32_t(variable.space); // an address, of this space
          return addOperand(x, result);
        }
    if (text[0] == '%')
      return fail("unknown register '" + text + "'");
    if (text != "-" && !std::isdigit(static_cast<unsigned char>(text[0])))
      return fail("unknown name '" + text + "'");
    result.kind = Operand::Immediate;
    return number(result.value) && addOperand(x, result);
  }

  std::vector<Token> tokens;
  size_t next = 0;
  Program program;
  uint32_t stage = 0; ///< of what comes next
  bool isExtern = false, hasSecond = false;
  Operand second;
  Kernel kernel;
  std::map<std::string, uint32_t> registers;
  std::map<std::string_view, uint32_t> labels;
  std::vector<std::pair<size_t, size_t>> branches; // instruction, token of the label
  std::vector<Variable> locals;
};

} // namespace

Program parse(std::string_view text) {
  Program program = Parser(text).run();
  if (program.error.empty() && program.kernels.empty())
    program.error = "line 1: the text has no kernel";
  // Dynamic shared memory lies behind what is declared.
  uint64_t align = 16;
  for (const Variable &variable : program.variables)
    if (variable.space == Space::Shared && variable.offset == kDynamic)
      align = std::max(align, variable.align);
  uint64_t dynamic = (program.sharedBytes + align - 1) / align * align;
  dynamic += dynamic / align % 2 ? 0 : align;
  for (Variable &variable : program.variables)
    if (variable.space == Space::Shared && variable.offset == kDynamic) {
      variable.offset = dynamic;
      program.sharedBytes = dynamic;
    }
  for (Kernel &kernel : program.kernels)
    for (Operand &operand : kernel.operands)
      if (operand.kind == Operand::Immediate && operand.reg == 1 + uint32_t(Space::Shared) &&
          operand.value >= kDynamic)
        operand.value += dynamic - kDynamic;
  return program;
}

} // namespace tessera::ptx
