//===- Names.h - Names of a model in messages ----------------------------------*- C++ -*-===//
#ifndef TESSERA_FRONTENDS_ONNX_NAMES_H
#define TESSERA_FRONTENDS_ONNX_NAMES_H

#include "frontends/onnx/onnx-ml.pb.h"

#include "llvm/ADT/StringRef.h"

#include <string>

namespace tessera::onnx {

/// Names longer than this are refused: a module could not hold them
/// (runtime/schema/ModuleFormat.h).
constexpr size_t kMaxNameBytes = 4096;

/// The name in single quotes, on one line and of bearable length: control characters, and bytes
/// that are no UTF-8, as \x0a; what is too long ends in dots.
std::string quoted(llvm::StringRef name);

/// The name that a node has in locations and messages.
std::string labelOf(const ::onnx::NodeProto &node);
/// "Relu", "com.example.Own": the default domain is left out.
std::string qualifiedName(llvm::StringRef domain, llvm::StringRef name);
inline std::string qualifiedName(const ::onnx::NodeProto &node) {
  return qualifiedName(node.domain(), node.op_type());
}
/// "node 'label' (Relu)", with which messages about a node begin.
std::string placeOf(const ::onnx::NodeProto &node);

inline bool isDefaultDomain(llvm::StringRef domain) {
  return domain.empty() || domain == "ai.onnx";
}

} // namespace tessera::onnx

#endif
