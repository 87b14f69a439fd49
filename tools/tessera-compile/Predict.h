// What the compiler predicts the times of kernels for: this machine, and the sizes of inputs.
#ifndef TESSERA_TOOLS_TESSERA_COMPILE_PREDICT_H
#define TESSERA_TOOLS_TESSERA_COMPILE_PREDICT_H

#include "compiler/api/tessera_compiler.h"
#include "tools/common/MachineRates.h"

#include <string>
#include <vector>

namespace tessera::tools {

class PredictionRequest {
public:
  // Measures the machine. `threads`: 0 is all CPUs; `inputs`: NAME=2x3xf32 or NAME=@file.npy. "" or
  // one sentence.
  [[nodiscard]] std::string prepare(const std::vector<std::string> &inputs,
                                    const std::vector<std::string> &targets, uint32_t threads,
                                    double requireRoofline);
  const tessera_prediction *request() const { return &prediction; }
  const MachineRates &rates() const { return machine; }

private:
  MachineRates machine;
  std::string machineText;
  std::vector<std::string> names;
  std::vector<std::vector<int64_t>> extents;
  std::vector<tessera_input_shape> shapes;
  tessera_prediction prediction{};
};

} // namespace tessera::tools

#endif // TESSERA_TOOLS_TESSERA_COMPILE_PREDICT_H
