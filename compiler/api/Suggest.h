//===- Suggest.h - "Did you mean" -----------------------------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_API_SUGGEST_H
#define TESSERA_COMPILER_API_SUGGEST_H

#include <string>
#include <vector>

namespace tessera {

/// "PROBLEM; did you mean 'x'? known are x, y and z". The question stands only where a name is
/// near.
std::string suggest(const std::string &problem, const std::string &name,
                    const std::vector<std::string> &known);

} // namespace tessera

#endif
