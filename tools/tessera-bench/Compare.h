// Two benchmarks, from their JSON.
#ifndef TESSERA_TOOLS_TESSERA_BENCH_COMPARE_H
#define TESSERA_TOOLS_TESSERA_BENCH_COMPARE_H

#include <string>

namespace tessera::tools {

// Says whether the second is the same, faster or slower: a difference counts when the confidence
// intervals of the medians do not overlap and the medians differ by 2 % or more. "" or the message.
[[nodiscard]] std::string compare(const std::string &before, const std::string &after, bool asJson);

} // namespace tessera::tools

#endif // TESSERA_TOOLS_TESSERA_BENCH_COMPARE_H
