// What can be tried with the schedule of one kernel.
#ifndef TESSERA_TOOLS_TESSERA_TUNE_CANDIDATES_H
#define TESSERA_TOOLS_TESSERA_TUNE_CANDIDATES_H

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tessera::tools {

using Chosen = std::map<std::string, int64_t>;

// As compiler/api/Report.h has them.
struct Choice {
  std::string name; // "acc.rows"
  int64_t value;    // by the rules
  std::vector<int64_t> candidates;
};

// Each changes some choices of what is best so far; always the same order, so that a search that
// was stopped goes on where it was. Tiles of registers first, rows and vectors together; then one
// choice after the other, values near to that of the rules first.
std::vector<Chosen> listCandidates(const std::vector<Choice> &choices);

// "acc.rows=6,acc.vectors=4"; "by rules".
std::string print(const Chosen &chosen);

} // namespace tessera::tools

#endif // TESSERA_TOOLS_TESSERA_TUNE_CANDIDATES_H
