//===- Schemas.cpp - What the standard says of an operator's node -----------------------------===//
//
// The importers' functions may rely on what is checked here: that required inputs are there, and
// that inputs are of one element type where the standard has one name for it, and strings only
// where it has them. What they read of ranks and extents they check themselves, as the schemas do
// not know these.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/Schemas.h"
#include "frontends/onnx/Strings.h"

#include "llvm/ADT/StringExtras.h"

#include <tuple>

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

namespace {
struct Schema {
  llvm::StringLiteral domain, name;
  int64_t since;
  int64_t leastInputs, mostInputs, leastOutputs, mostOutputs;
  /// "T$ T1? T*": names of types, with $ also strings, with ? optional, with * repeated.
  llvm::StringLiteral inputs;
  llvm::StringLiteral attributes; ///< "axis=2 to=2!": numbers of types, with ! required
};
} // namespace

#include "frontends/onnx/Schemas.inc"

/// That of the newest version up to the node's; null when there is none.
static const Schema *schemaOf(const Node &node) {
  StringRef domain = isDefaultDomain(node.proto.domain()) ? "" : StringRef(node.proto.domain());
  StringRef name = node.proto.op_type();
  auto wanted = std::make_tuple(domain, name, node.opset);
  const Schema *after = llvm::partition_point(kSchemas, [&](const Schema &row) {
    return std::make_tuple(StringRef(row.domain), StringRef(row.name), row.since) <= wanted;
  });
  if (after == std::begin(kSchemas))
    return nullptr;
  const Schema &row = *std::prev(after);
  return row.domain == domain && row.name == name ? &row : nullptr;
}

/// How many names there are before those that are empty at the end: they stand for nothing.
template <typename Names> static int64_t countNames(const Names &names) {
  int64_t count = names.size();
  while (count && names.Get(int(count) - 1).empty())
    --count;
  return count;
}

template <typename Names>
static LogicalResult checkCount(Node &node, StringRef what, const Names &names, int64_t least,
                                int64_t most) {
  const int64_t given = countNames(names);
  if (names.size() >= least && given <= most)
    return success();
  std::string expected = std::to_string(most);
  if (most == std::numeric_limits<int32_t>::max())
    expected = std::to_string(least) + " at least";
  else if (least < most)
    expected = std::to_string(least) + " to " + std::to_string(most);
  return node.error("has " + Twine(given) + " " + what + ", expected " + expected);
}

/// Names of types that several inputs have stand for one type.
static LogicalResult checkTypes(Node &node, ArrayRef<StringRef> formals) {
  SmallVector<std::pair<StringRef, size_t>> chosen;
  for (size_t i = 0; i < node.inputCount(); ++i) {
    StringRef formal = formals[std::min(i, formals.size() - 1)].trim("?*");
    const bool mayBeStrings = formal.consume_back("$");
    if (node.input(i) && holdsStrings(node.input(i)) && !mayBeStrings)
      return node.error("its input " + Twine(i) + " is " + describeStructure(node.input(i)) +
                        ", which it does not take");
    if (formal == "-" || !node.input(i) || isStructure(node.input(i)))
      continue;
    const auto *before = llvm::find_if(chosen, [&](auto &pair) { return pair.first == formal; });
    if (before == chosen.end()) {
      chosen.emplace_back(formal, i);
      continue;
    }
    Type own = node.type(i).getElementType(), other = node.type(before->second).getElementType();
    if (own != other) {
      std::string text;
      llvm::raw_string_ostream(text)
          << "its inputs " << before->second << " and " << i << " have elements of " << other
          << " and " << own << ", expected one type";
      return node.error(text);
    }
  }
  return success();
}

static LogicalResult checkAttributes(Node &node, StringRef schema) {
  while (!schema.empty()) {
    auto [entry, rest] = schema.split(' ');
    schema = rest;
    auto [name, number] = entry.split('=');
    const ::onnx::AttributeProto *given = node.attribute(name);
    if (!given && number.consume_back("!"))
      return node.error("has no attribute " + quoted(name) + ", which it needs");
    int type = 0;
    if (given && !number.trim("!").getAsInteger(10, type) && given->type() != type)
      return node.error(
          "attribute " + quoted(name) + " is " +
          ::onnx::AttributeProto::AttributeType_Name(given->type()) + ", expected " +
          ::onnx::AttributeProto::AttributeType_Name(::onnx::AttributeProto::AttributeType(type)));
  }
  return success();
}

LogicalResult tessera::onnx::checkSchema(Node &node) {
  const Schema *schema = schemaOf(node);
  if (!schema)
    return success();
  SmallVector<StringRef> formals;
  StringRef(schema->inputs).split(formals, ' ', /*MaxSplit=*/-1, /*KeepEmpty=*/false);
  for (size_t i = 0; i < formals.size(); ++i)
    if (!formals[i].ends_with("?") && !formals[i].ends_with("*") && !node.input(i))
      return node.error("needs " + Twine(schema->leastInputs) + " inputs, and input " + Twine(i) +
                        " is absent");
  if (!formals.empty() && formals.back().ends_with("*"))
    for (size_t i = formals.size() - 1; i < node.inputCount(); ++i)
      if (!node.input(i))
        return node.error("input " + Twine(i) + " is absent, one of a list in which none may be");
  if (failed(checkCount(node, "inputs", node.proto.input(), schema->leastInputs,
                        schema->mostInputs)) ||
      failed(checkCount(node, "outputs", node.proto.output(), schema->leastOutputs,
                        schema->mostOutputs)) ||
      (!formals.empty() && failed(checkTypes(node, formals))))
    return failure();
  return checkAttributes(node, schema->attributes);
}
