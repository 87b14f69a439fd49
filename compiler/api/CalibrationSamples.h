//===- CalibrationSamples.h - The inputs that calibration runs ------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_API_CALIBRATIONSAMPLES_H
#define TESSERA_COMPILER_API_CALIBRATIONSAMPLES_H

#include "compiler/api/HostTensor.h"

namespace tessera {

/// A tensor for each input of a model.
struct CalibrationSample {
  struct Entry {
    std::string input;
    std::string source; ///< where the tensor is from, for messages: a file
    HostTensor tensor;
  };
  std::string source; ///< a folder
  std::vector<Entry> tensors;
};

/// Whether the samples fit the inputs of a model: "" or a sentence. Orders their tensors as the
/// inputs are.
std::string checkSamples(const std::vector<PortInfo> &inputs,
                         std::vector<CalibrationSample> &samples);

} // namespace tessera

#endif
