//===- CodePoints.cpp - Sets of characters ------------------------------------------------===//

#include "frontends/onnx/CodePoints.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Unicode.h"

#include <algorithm>
#include <map>

using namespace tessera::onnx;

namespace {
struct CategoryRow {
  uint32_t first, last;
  char category[3];
};
struct ScriptRow {
  uint32_t first, last;
  const char *script;
};
#include "frontends/onnx/CategoryTables.inc"
} // namespace

bool Points::addNamed(llvm::StringRef name) {
  if (name == "Any") {
    add(0, kLastPoint);
    return true;
  }
  bool isKnown = false;
  for (const CategoryRow &row : kCategories)
    if (!name.empty() && llvm::StringRef(row.category).starts_with(name)) {
      add(row.first, row.last);
      isKnown = true;
    }
  for (const ScriptRow &row : kScripts)
    if (name == row.script) {
      add(row.first, row.last);
      isKnown = true;
    }
  return isKnown;
}

void Points::normalize() {
  std::sort(ranges.begin(), ranges.end());
  std::vector<std::pair<uint32_t, uint32_t>> joined;
  for (auto [low, high] : ranges) {
    if (!joined.empty() && low <= joined.back().second + 1)
      joined.back().second = std::max(joined.back().second, high);
    else
      joined.push_back({low, high});
  }
  ranges = joined;
}

void Points::invert() {
  normalize();
  std::vector<std::pair<uint32_t, uint32_t>> rest;
  uint32_t next = 0;
  for (auto [low, high] : ranges) {
    if (low > next)
      rest.push_back({next, low - 1});
    next = high + 1;
  }
  if (next <= kLastPoint)
    rest.push_back({next, kLastPoint});
  ranges = rest;
}

bool Points::contains(uint32_t point) const {
  auto after = llvm::upper_bound(ranges, std::pair(point, kLastPoint));
  return after != ranges.begin() && std::prev(after)->second >= point;
}

/// Characters that differ in case only, by what they fold to.
static const std::map<uint32_t, std::vector<uint32_t>> &casesOfAll() {
  static const std::map<uint32_t, std::vector<uint32_t>> all = [] {
    std::map<uint32_t, std::vector<uint32_t>> cases;
    constexpr uint32_t kEnd = 0x20000; // No script behind it has cases.
    for (uint32_t c = 0; c < kEnd; ++c)
      if (auto folded = uint32_t(llvm::sys::unicode::foldCharSimple(int(c))); folded != c)
        cases[folded].push_back(c);
    for (auto &[folded, list] : cases)
      list.push_back(folded);
    return cases;
  }();
  return all;
}

void Points::foldCase() {
  normalize();
  Points more;
  for (const auto &[folded, list] : casesOfAll())
    if (llvm::any_of(list, [&](uint32_t c) { return contains(c); }))
      for (uint32_t c : list)
        more.add(c, c);
  add(more);
  normalize();
}
