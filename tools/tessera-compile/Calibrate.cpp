#include "tools/tessera-compile/Calibrate.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

namespace tessera::tools {
namespace fs = std::filesystem;
namespace {

constexpr size_t kMostShown = 10;

// 2 before 10, whatever the number of digits.
bool comesBefore(const std::string &a, const std::string &b) {
  const auto isNumber = [](const std::string &text) {
    return !text.empty() && text.size() < 19 &&
           text.find_first_not_of("0123456789") == std::string::npos;
  };
  if (isNumber(a) && isNumber(b) && std::stoull(a) != std::stoull(b))
    return std::stoull(a) < std::stoull(b);
  return a < b;
}

// The .npy files and the folders in a folder, ordered.
std::string list(const std::string &folder, std::vector<std::string> &files,
                 std::vector<std::string> &folders) {
  std::error_code error;
  fs::directory_iterator entries(folder, error);
  if (error)
    return "--calibration: cannot open the folder '" + folder + "': " + error.message();
  for (const fs::directory_iterator end; entries != end; entries.increment(error)) {
    if (error)
      return "--calibration: cannot read the folder '" + folder + "': " + error.message();
    std::error_code ignored;
    if (entries->is_directory(ignored))
      folders.push_back(entries->path().filename().string());
    else if (entries->path().extension() == ".npy")
      files.push_back(entries->path().filename().string());
  }
  std::sort(files.begin(), files.end(), comesBefore);
  std::sort(folders.begin(), folders.end(), comesBefore);
  return "";
}

std::vector<tessera_quantized_layer> layersOf(const CompilerLibrary &compiler,
                                              const tessera_compilation *compilation) {
  std::vector<tessera_quantized_layer> layers(compiler.compilation_layer_count(compilation));
  for (uint32_t i = 0; i < layers.size(); ++i)
    compiler.compilation_layer(compilation, i, &layers[i]);
  return layers;
}

std::vector<tessera_output_accuracy> accuracyOf(const CompilerLibrary &compiler,
                                                const tessera_compilation *compilation) {
  std::vector<tessera_output_accuracy> rows(compiler.compilation_accuracy_count(compilation));
  for (uint32_t i = 0; i < rows.size(); ++i)
    compiler.compilation_accuracy(compilation, i, &rows[i]);
  return rows;
}

// Decibels of signal over noise.
double signalToNoise(double relativeError) { return -20 * std::log10(relativeError); }

} // namespace

std::string CalibrationFolder::readSample(const std::string &folder,
                                          const std::vector<std::string> &files) {
  Sample &sample = owned.emplace_back();
  sample.path = folder;
  for (const std::string &file : files) {
    Entry &entry = sample.entries.emplace_back();
    entry.path = folder + "/" + file;
    entry.input = file.substr(0, file.size() - 4);
    if (std::string problem = readNpy(entry.path, entry.array); !problem.empty())
      return "--calibration: " + problem;
  }
  for (const Entry &entry : sample.entries)
    sample.tensors.push_back(
        {entry.input.c_str(),
         entry.path.c_str(),
         {tessera_type_name(entry.array.type), uint32_t(entry.array.dims.size()),
          entry.array.dims.data(), entry.array.data.data(), entry.array.data.size()}});
  return "";
}

std::string CalibrationFolder::read(const std::string &folder) {
  std::vector<std::string> files, folders;
  if (std::string problem = list(folder, files, folders); !problem.empty())
    return problem;
  if (!files.empty() && !folders.empty())
    return "--calibration: '" + folder + "' has both files (" + files.front() + ") and folders (" +
           folders.front() + "); expected NAME.npy for each input, or a folder of these for each " +
           "sample";
  if (!files.empty())
    if (std::string problem = readSample(folder, files); !problem.empty())
      return problem;
  for (const std::string &name : folders) {
    std::vector<std::string> inside, deeper;
    const std::string path = folder + "/" + name;
    if (std::string problem = list(path, inside, deeper); !problem.empty())
      return problem;
    if (inside.empty())
      return "--calibration: '" + path + "' has no .npy file; expected NAME.npy for each input";
    if (std::string problem = readSample(path, inside); !problem.empty())
      return problem;
  }
  if (owned.empty())
    return "--calibration: '" + folder + "' is empty; expected NAME.npy for each input, or a " +
           "folder of these for each sample";
  for (const Sample &sample : owned)
    views.push_back({sample.path.c_str(), uint32_t(sample.tensors.size()), sample.tensors.data()});
  return "";
}

void printLayers(const CompilerLibrary &compiler, const tessera_compilation *compilation,
                 const std::string &mode, size_t samples) {
  const auto layers = layersOf(compiler, compilation);
  const auto count =
      std::count_if(layers.begin(), layers.end(), [](const auto &layer) { return !*layer.reason; });
  std::fprintf(stderr, "%s: %zu of %zu layers compute with 8 bits\n", mode.c_str(), size_t(count),
               layers.size());
  const auto accuracy = accuracyOf(compiler, compilation);
  if (!accuracy.empty()) {
    std::fprintf(stderr, "outputs, compared with those of the model on %zu sample%s:\n", samples,
                 samples == 1 ? "" : "s");
    for (const tessera_output_accuracy &row : accuracy)
      std::fprintf(stderr, "  %-24s relative error %.3g (%.1f dB), largest %.3g of %.3g\n",
                   row.name, row.relative_error, signalToNoise(row.relative_error),
                   row.largest_error, row.largest_number);
    std::fprintf(stderr, "layers that cost most (relative error with only this one in 8 bits):\n");
    for (size_t i = 0; i < layers.size() && i < kMostShown && layers[i].cost > 0; ++i)
      std::fprintf(stderr, "  %-8.3g %s%s\n", layers[i].cost, layers[i].name,
                   *layers[i].reason ? " (left in f32)" : "");
  }
  for (const tessera_quantized_layer &layer : layers)
    if (*layer.reason && layer.cost == 0)
      std::fprintf(stderr, "  %s is left: %s\n", layer.name, layer.reason);
}

nlohmann::json listLayers(const CompilerLibrary &compiler, const tessera_compilation *compilation) {
  nlohmann::json rows = nlohmann::json::array();
  for (const tessera_quantized_layer &layer : layersOf(compiler, compilation))
    rows.push_back({{"name", layer.name}, {"cost", layer.cost}, {"left", layer.reason}});
  return rows;
}

nlohmann::json listAccuracy(const CompilerLibrary &compiler,
                            const tessera_compilation *compilation) {
  nlohmann::json rows = nlohmann::json::array();
  for (const tessera_output_accuracy &row : accuracyOf(compiler, compilation))
    rows.push_back({{"output", row.name},
                    {"relative_error", row.relative_error},
                    {"largest_error", row.largest_error},
                    {"largest_number", row.largest_number}});
  return rows;
}

} // namespace tessera::tools
