//===- Choices.cpp - Numbers of a schedule that a search may choose otherwise --------------===//
#include "compiler/scheduling/Choices.h"

#include "llvm/ADT/STLExtras.h"

namespace tessera::scheduling {

int64_t Choices::choose(llvm::StringRef stage, llvm::StringRef what, int64_t byRule,
                        llvm::ArrayRef<int64_t> candidates) {
  std::string name = (stage + "." + what).str();
  for (const Choice &choice : noted)
    if (choice.name == name)
      return choice.value;
  Choice choice{name, byRule, candidates.vec()};
  if (!llvm::is_contained(choice.candidates, byRule))
    choice.candidates.push_back(byRule);
  llvm::sort(choice.candidates);
  if (auto found = given.find(name); found != given.end()) {
    const int64_t least = choice.candidates.front(), most = choice.candidates.back();
    if (found->second >= least && found->second <= most)
      choice.value = found->second;
    else if (outOfRange.empty())
      outOfRange = "'" + name + "' is " + std::to_string(found->second) + ": expected " +
                   std::to_string(least) + " to " + std::to_string(most);
  }
  noted.push_back(choice);
  return choice.value;
}

std::string Choices::problem() const {
  if (!outOfRange.empty())
    return outOfRange;
  for (const auto &[name, value] : given)
    if (llvm::none_of(noted, [&](const Choice &choice) { return choice.name == name; })) {
      std::string names;
      for (const Choice &choice : noted)
        names += (names.empty() ? "" : ", ") + choice.name;
      return "there is no choice '" + name + "'" + (names.empty() ? "" : "; there are " + names);
    }
  return "";
}

} // namespace tessera::scheduling
