//===- HostModule.h - Runs what was compiled, on this machine --------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_API_HOSTMODULE_H
#define TESSERA_COMPILER_API_HOSTMODULE_H

#include "compiler/api/HostTensor.h"
#include "runtime/api/tessera.h"

#include <memory>

namespace tessera {

/// The first function of a module. Variables keep their values from run to run.
class HostModule {
public:
  /// Null, and a sentence in `error`. `threads`: 0 for all cores.
  static std::unique_ptr<HostModule> load(const std::vector<uint8_t> &bytes, unsigned threads,
                                          std::string &error);
  ~HostModule();

  /// One tensor for each input, in order. "" or one sentence.
  std::string run(const std::vector<const HostTensor *> &inputs);
  /// Variables as they were first. "" or one sentence.
  std::string reset();
  size_t getOutputCount() const;
  /// What the last run computed.
  HostTensor getOutput(size_t index) const;
  /// The same without a copy, until the next run; row-major.
  tessera_tensor viewOutput(size_t index) const;

private:
  tessera_module *module = nullptr;
  tessera_context *context = nullptr;
};

} // namespace tessera

#endif
