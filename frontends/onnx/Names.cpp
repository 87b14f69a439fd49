//===- Names.cpp - Names of a model in messages
//------------------------------------------------===//

#include "frontends/onnx/Names.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/JSON.h"

std::string tessera::onnx::quoted(llvm::StringRef name) {
  constexpr size_t kShown = 120;
  bool isCut = name.size() > kShown, isText = llvm::json::isUTF8(name);
  if (isCut) {
    name = name.take_front(kShown);
    // Not within a character.
    while (isText && !llvm::json::isUTF8(name))
      name = name.drop_back();
  }
  std::string text = "'";
  for (unsigned char c : name) {
    if (c < 0x20 || c == 0x7f || (!isText && c >= 0x80))
      text += "\\x" + llvm::utohexstr(c, /*LowerCase=*/true, /*Width=*/2);
    else
      text += char(c);
  }
  return text + (isCut ? "...'" : "'");
}

std::string tessera::onnx::labelOf(const ::onnx::NodeProto &node) {
  if (!node.name().empty())
    return node.name();
  return node.output_size() ? node.op_type() + ":" + node.output(0) : node.op_type();
}

std::string tessera::onnx::qualifiedName(llvm::StringRef domain, llvm::StringRef name) {
  return isDefaultDomain(domain) ? name.str() : (domain + "." + name).str();
}

std::string tessera::onnx::placeOf(const ::onnx::NodeProto &node) {
  std::string name = quoted(qualifiedName(node));
  return "node " + quoted(labelOf(node)) + " (" + name.substr(1, name.size() - 2) + ")";
}
