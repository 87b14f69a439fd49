// Samples of inputs from a folder, and what calibration with them found.
#ifndef TESSERA_TOOLS_TESSERA_COMPILE_CALIBRATE_H
#define TESSERA_TOOLS_TESSERA_COMPILE_CALIBRATE_H

#include "tools/common/CompilerLibrary.h"
#include "tools/common/Npy.h"

#include <nlohmann/json.hpp>
#include <vector>

namespace tessera::tools {

// DIR/NAME.npy for each input is one sample; or DIR/ANY/NAME.npy, a sample in each folder, in the
// order of their names (numbers by value).
class CalibrationFolder {
public:
  // "" or one sentence.
  [[nodiscard]] std::string read(const std::string &folder);
  // Lives as long as this.
  const std::vector<tessera_calibration_sample> &samples() const { return views; }

private:
  struct Entry {
    std::string input, path;
    Array array;
  };
  struct Sample {
    std::string path;
    std::vector<Entry> entries;
    std::vector<tessera_calibration_tensor> tensors;
  };
  [[nodiscard]] std::string readSample(const std::string &folder,
                                       const std::vector<std::string> &files);

  std::vector<Sample> owned;
  std::vector<tessera_calibration_sample> views;
};

// What int8 made of the layers and the outputs.
void printLayers(const CompilerLibrary &compiler, const tessera_compilation *compilation,
                 const std::string &mode, size_t samples);
nlohmann::json listLayers(const CompilerLibrary &compiler, const tessera_compilation *compilation);
nlohmann::json listAccuracy(const CompilerLibrary &compiler,
                            const tessera_compilation *compilation);

} // namespace tessera::tools

#endif // TESSERA_TOOLS_TESSERA_COMPILE_CALIBRATE_H
