//===- Choices.h - Numbers of a schedule that a search may choose otherwise ----------*- C++
//-*-===//
#ifndef TESSERA_COMPILER_SCHEDULING_CHOICES_H
#define TESSERA_COMPILER_SCHEDULING_CHOICES_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tessera::scheduling {

/// The choices of one kernel. Rules ask here with what they would choose: a record may say
/// otherwise. Whatever is chosen, the kernel computes the same (sums of a row in another order).
class Choices {
public:
  struct Choice {
    std::string name;                ///< "acc.rows"
    int64_t value;                   ///< that was chosen
    std::vector<int64_t> candidates; ///< in order; a given one lies between the ends
  };

  Choices() = default;
  explicit Choices(std::map<std::string, int64_t> given) : given(std::move(given)) {}
  /// What was given for the stage's choice, else `byRule`, which is noted with the candidates.
  int64_t choose(llvm::StringRef stage, llvm::StringRef what, int64_t byRule,
                 llvm::ArrayRef<int64_t> candidates);
  const std::vector<Choice> &all() const { return noted; }
  /// What is wrong with what was given; "": nothing.
  std::string problem() const;

private:
  std::map<std::string, int64_t> given;
  std::vector<Choice> noted;
  std::string outOfRange;
};

/// What a search may give to all kernels of a target, and what it learns of them.
struct Tuning {
  /// By hash of the kernel (hashOf).
  std::map<std::string, std::map<std::string, int64_t>> given;
  struct Kernel {
    std::string hash;
    std::vector<Choices::Choice> choices;
    bool isGiven = false;
  };
  std::map<std::string, Kernel> kernels; ///< by name, once they are scheduled
};

} // namespace tessera::scheduling

#endif
