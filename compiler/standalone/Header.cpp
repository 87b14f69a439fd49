//===- Header.cpp - The C header of an object -----------------------------------------------===//
#include "compiler/standalone/Header.h"

#include "runtime/base/ElementType.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/raw_ostream.h"

#include <set>

using namespace tessera;
using namespace tessera::standalone;
using llvm::StringRef;

std::string standalone::makeIdentifier(StringRef name) {
  std::string text;
  for (char c : name)
    text += llvm::isAlnum(c) ? c : '_';
  return text.empty() || llvm::isDigit(text[0]) ? "_" + text : text;
}

/// Gives out each name once.
static std::string unique(std::string name, std::set<std::string> &taken) {
  while (!taken.insert(name).second)
    name += '_';
  return name;
}

ObjectNames standalone::chooseNames(const rt::Module &module, StringRef prefix) {
  ObjectNames names;
  names.prefix = makeIdentifier(prefix);
  std::set<std::string> taken = {names.prefix + "_kernels"};
  auto choose = [&](StringRef name) {
    return unique(names.prefix + "_" + makeIdentifier(name), taken);
  };
  for (const rt::Function &function : module.variant().functions)
    names.functions.push_back(choose(function.name));
  names.message = choose("message");
  names.reset = choose("reset");
  for (const rt::Variable &variable : module.variables)
    names.variables.push_back(choose("variable_" + std::string(variable.name)));
  return names;
}

/// C89 on x86-64 Linux, where long has 64 bits.
static StringRef typeName(rt::ElementType type) {
  using rt::ElementType;
  switch (type) {
  case ElementType::F64: return "double";
  case ElementType::F32: return "float";
  case ElementType::I8: return "signed char";
  case ElementType::I16: return "short";
  case ElementType::I32: return "int";
  case ElementType::I64: return "long";
  case ElementType::F16:
  case ElementType::BF16:
  case ElementType::U16: return "unsigned short";
  case ElementType::U32: return "unsigned int";
  case ElementType::U64: return "unsigned long";
  default: return "unsigned char"; // U8, bool (0 or 1), bits of narrow types
  }
}

/// "f32[2][4]", with names of the model that end no comment.
static std::string describe(rt::ElementType type, llvm::ArrayRef<int64_t> dims, StringRef name) {
  std::string text = rt::info(type).name;
  for (int64_t extent : dims)
    text += "[" + std::to_string(extent) + "]";
  std::string shown;
  for (char c : name)
    shown += llvm::isPrint(c) && c != '*' && c != '/' ? c : '_';
  return text + " '" + shown + "'";
}

namespace {
class HeaderWriter {
public:
  HeaderWriter(const rt::Module &module, llvm::ArrayRef<FunctionLayout> layouts,
               const StateLayout &state, const ObjectNames &names)
      : module(module), layouts(layouts), state(state), names(names),
        macro(StringRef(names.prefix).upper()), out(text) {}

  std::string write();

private:
  void writeFunction(size_t index);
  void writeState();

  const rt::Module &module;
  llvm::ArrayRef<FunctionLayout> layouts;
  const StateLayout &state;
  const ObjectNames &names;
  const std::string macro;
  std::string text;
  llvm::raw_string_ostream out;
};
} // namespace

void HeaderWriter::writeFunction(size_t index) {
  const rt::Function &function = module.variant().functions[index];
  std::set<std::string> taken = {"state", "arena"};
  // What C and C++ do not take as names of parameters.
  for (const char *word :
       {"alignas",  "alignof", "and",     "asm",       "auto",      "bool",     "break",
        "case",     "catch",   "char",    "class",     "const",     "continue", "default",
        "delete",   "do",      "double",  "else",      "enum",      "explicit", "export",
        "extern",   "false",   "float",   "for",       "friend",    "goto",     "if",
        "inline",   "int",     "long",    "mutable",   "namespace", "new",      "not",
        "operator", "or",      "private", "protected", "public",    "register", "return",
        "short",    "signed",  "sizeof",  "static",    "struct",    "switch",   "template",
        "this",     "throw",   "true",    "try",       "typedef",   "typename", "union",
        "unsigned", "using",   "virtual", "void",      "volatile",  "while",    "xor"})
    taken.insert(word);
  std::vector<std::string> parameters;
  std::string comment;
  auto add = [&](const rt::TensorSignature &tensor, bool isInput) {
    llvm::SmallVector<int64_t> dims;
    for (const rt::Dim &dim : tensor.dims)
      dims.push_back(dim.get(layouts[index].registers.data()));
    const std::string name = unique(makeIdentifier(tensor.name), taken);
    parameters.push_back((isInput ? "const " : "") + typeName(tensor.type).str() + " *" + name);
    comment += std::string("\n *   ") + name + (isInput ? ", read: " : ", written: ") +
               describe(tensor.type, dims, tensor.name);
  };
  for (const rt::TensorSignature &input : function.inputs)
    add(input, true);
  for (const rt::TensorSignature &output : function.outputs)
    add(output, false);
  if (state.bytes)
    parameters.push_back("void *state");
  parameters.push_back("void *arena");
  out << "\n/* 0, or a number that " << names.message << " explains; then outputs are undefined."
      << comment << " */\nint " << names.functions[index] << "(" << llvm::join(parameters, ", ")
      << ");\n";
}

void HeaderWriter::writeState() {
  out << "\n/* Variables live in the caller's memory, aligned to 64 bytes, one block for each user "
         "of the model.\n * A call that fails leaves them as they were. */\n#define "
      << macro << "_STATE_BYTES " << state.bytes
      << "ul\n/* Gives every variable its first value; comes before all else. */\nvoid "
      << names.reset << "(void *state);\n";
  for (size_t i = 0; i < module.variables.size; ++i) {
    const rt::Variable &variable = module.variables[i];
    const llvm::ArrayRef<int64_t> dims(variable.dims.data, variable.dims.size);
    out << "/* Where " << describe(variable.type, dims, variable.name)
        << " is until the next call. */\n"
        << typeName(variable.type) << " *" << names.variables[i] << "(void *state);\n";
  }
}

std::string HeaderWriter::write() {
  uint64_t arena = 0;
  for (const FunctionLayout &layout : layouts)
    arena = std::max(arena, layout.arenaBytes);
  out << "/* Made by " << module.compiler << " for " << module.variant().level
      << ": the machine must have these instructions.\n"
         " * Tensors are row-major without gaps, aligned to their elements. Outputs overlap "
         "nothing. Nothing is allocated;\n"
         " * of the C library only memcpy, memmove and memset are used. Calls compute on the "
         "calling thread, with 256 KB of\n"
         " * its stack at most; calls with arenas (and states) of their own may run at the same "
         "time. */\n#ifndef "
      << macro << "_H\n#define " << macro << "_H\n\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n"
      << "/* Scratch memory of a call, aligned to 64 bytes; with 0 bytes it may be null. Nothing "
         "in "
         "it is kept. */\n#define "
      << macro << "_ARENA_BYTES " << arena << "ul\n";
  if (state.bytes)
    writeState();
  for (size_t i = 0; i < layouts.size(); ++i)
    writeFunction(i);
  out << "\n/* One sentence; \"\" for 0. */\nconst char *" << names.message
      << "(int code);\n\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n";
  return text;
}

std::string standalone::writeHeader(const rt::Module &module,
                                    llvm::ArrayRef<FunctionLayout> layouts,
                                    const StateLayout &state, const ObjectNames &names) {
  return HeaderWriter(module, layouts, state, names).write();
}
