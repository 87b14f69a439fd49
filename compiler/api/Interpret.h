//===- Interpret.h - Runs a model with the reference interpreter -*- C++ -*-===//
#ifndef TESSERA_COMPILER_API_INTERPRET_H
#define TESSERA_COMPILER_API_INTERPRET_H

#include "compiler/api/HostTensor.h"

#include <map>
#include <memory>

namespace tessera {

/// The first function of a model as the graph's meaning says, without compiling. Slow. Variables
/// keep their values from run to run. Not for several threads at once.
class ReferenceModel {
public:
  /// Null, and sentences in `error`, when the model cannot be read. `dims` gives symbols values,
  /// `operators` is a file of functions for operators of an ONNX model, or "".
  static std::unique_ptr<ReferenceModel> load(const std::string &path,
                                              const std::map<std::string, int64_t> &dims,
                                              const std::string &operators, std::string &error);
  ~ReferenceModel();

  /// Quantizes weights as compiling with CompileOptions::quantize does. "" or sentences.
  std::string quantize(const std::string &mode);
  /// Rounds operands of products as compiling with CompileOptions::precision does; behind
  /// `quantize`. "" or sentences.
  std::string lowerPrecision(const std::string &precision);

  const std::vector<PortInfo> &inputs() const;
  const std::vector<PortInfo> &outputs() const;
  /// One tensor for each input and output, in order. "" or one sentence.
  std::string run(const std::vector<HostTensor> &inputs, std::vector<HostTensor> &outputs);

private:
  struct State;
  explicit ReferenceModel(std::unique_ptr<State> state);
  std::unique_ptr<State> state;
};

} // namespace tessera

#endif
