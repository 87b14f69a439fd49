// Two modules of one model, run in turns, so that both meet the same disturbances.
#ifndef TESSERA_TOOLS_TESSERA_TUNE_PAIR_H
#define TESSERA_TOOLS_TESSERA_TUNE_PAIR_H

#include "tools/common/Bindings.h"
#include "tools/common/Session.h"

namespace tessera::tools {

// A module with inputs in place.
struct Loaded {
  ModulePointer module;
  ContextPointer context;
  std::vector<BoundInput> inputs;

  // Of a compilation, which may end afterwards. "" or one sentence.
  [[nodiscard]] std::string load(const CompilerLibrary &compiler,
                                 const tessera_compilation *compilation,
                                 const std::vector<std::string> &inputTexts, uint32_t threads);
};

struct PairTimes {
  struct Kernel {
    double first = 0, second = 0; // seconds in a run, of all its launches
    double launches = 0;          // of a run
  };
  std::map<std::string, Kernel> kernels; // by name
  double first = 0, second = 0;          // of a run
  size_t rounds = 0;
};

// Runs both in turns for about so long, at least `rounds` times. Times are those of quiet runs: a
// quarter of all were faster. "" or one sentence.
[[nodiscard]] std::string compareInTurns(Loaded &first, Loaded &second, double seconds,
                                         size_t rounds, PairTimes &times);

} // namespace tessera::tools

#endif // TESSERA_TOOLS_TESSERA_TUNE_PAIR_H
