// The search: in every round some kernels try a candidate each, in one module that runs in turns
// with the best one so far.
#ifndef TESSERA_TOOLS_TESSERA_TUNE_TUNER_H
#define TESSERA_TOOLS_TESSERA_TUNE_TUNER_H

#include "compiler/api/TuningRecords.h"
#include "tools/tessera-tune/Candidates.h"
#include "tools/tessera-tune/Pair.h"

#include <nlohmann/json.hpp>

namespace tessera::tools {

struct TuneOptions {
  std::string model, output, target, quantize, precision, convolution, operators;
  std::map<std::string, int64_t> dims;
  std::vector<std::string> inputs;
  double budget = 60; // seconds, compiling included
  uint32_t threads = 0;
  bool isQuiet = false;
};

class Tuner {
public:
  Tuner(const CompilerLibrary &compiler, const TuneOptions &options)
      : compiler(compiler), options(options) {}
  // Reads the records that are there, searches, and writes records as it goes. "" or one sentence.
  [[nodiscard]] std::string run();
  // What was found, for programs.
  nlohmann::json summary() const;

private:
  // Kernels of equal structure.
  struct Kernel {
    std::string hash, comment;
    std::vector<std::string> names;
    std::vector<Choice> choices;
    std::vector<Chosen> candidates;
    size_t tried = 0;
    Chosen best;
    double share = 0;                // of a run's time
    double seconds = 0, instead = 0; // of a launch
  };
  struct Trial {
    Kernel *kernel;
    Chosen chosen;
  };

  std::string compile(const std::map<std::string, Chosen> &given, Loaded &loaded,
                      std::string *report = nullptr);
  std::map<std::string, Chosen> bestOfAll() const;
  std::string findKernels(const std::string &report);
  std::string readRecords();
  std::string measureDefault();
  std::string writeRecords();
  std::vector<Trial> propose();
  std::string tryOut(std::vector<Trial> trials);
  std::string verify();
  double ratioOf(const Kernel &kernel, const PairTimes &times, double *second = nullptr) const;
  std::string sizes() const;
  void say(const std::string &text) const;
  double left() const;

  const CompilerLibrary &compiler;
  const TuneOptions &options;
  double start = 0;
  std::vector<Kernel> kernels;
  TuningRecords others; // of the file, for kernels that this model does not have
  Loaded best;
  std::string target;
  double compileSeconds = 0;
  size_t atOnce = 4; // kernels that try something in a round
  size_t measured = 0;
  double before = 0, after = 0; // seconds of a run, by rules and as tuned
};

} // namespace tessera::tools

#endif // TESSERA_TOOLS_TESSERA_TUNE_TUNER_H
