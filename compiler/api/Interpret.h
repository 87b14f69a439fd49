//===- Interpret.h - Runs a model with the reference interpreter -*- C++ -*-===//
#ifndef TESSERA_COMPILER_API_INTERPRET_H
#define TESSERA_COMPILER_API_INTERPRET_H

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace tessera {

/// Elements in row-major order; the type by the name that the runtime gives it (f32, i64, u8, bool,
/// ...).
struct HostTensor {
  std::string type;
  std::vector<int64_t> dims;
  std::vector<uint8_t> data;
};

/// An input or output of a model.
struct PortInfo {
  struct Dim {
    int64_t extent; ///< -1: an expression over symbols
    std::string text;
    int64_t min, max; ///< of a symbol; max is -1 without an upper end
  };
  std::string name, type;
  std::vector<Dim> dims;
};

/// The first function of a model as the graph's meaning says, without compiling. Slow. Variables
/// keep their values from run to run. Not for several threads at once.
class ReferenceModel {
public:
  /// Null, and sentences in `error`, when the model cannot be read. `dims` gives symbols values.
  static std::unique_ptr<ReferenceModel>
  load(const std::string &path, const std::map<std::string, int64_t> &dims, std::string &error);
  ~ReferenceModel();

  /// Quantizes weights as compiling with CompileOptions::quantize does. "" or sentences.
  std::string quantize(const std::string &mode);

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
