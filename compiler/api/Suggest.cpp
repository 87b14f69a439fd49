#include "compiler/api/Suggest.h"

#include <algorithm>

/// Insertions, deletions, replacements and swaps of neighbours that make `a` of `b` (optimal string
/// alignment).
static size_t editDistance(const std::string &a, const std::string &b) {
  std::vector<size_t> before, last, now(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j)
    now[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    before = std::move(last);
    last = std::move(now);
    now.assign(b.size() + 1, i);
    for (size_t j = 1; j <= b.size(); ++j) {
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        now[j] = std::min(now[j], before[j - 2] + 1);
    }
  }
  return now[b.size()];
}

std::string tessera::suggest(const std::string &problem, const std::string &name,
                             const std::vector<std::string> &known) {
  std::string text = problem, list;
  // A third of the letters may differ, and one in any case, but not all.
  size_t best = std::min(std::max<size_t>(name.size() / 3, 1) + 1, name.size());
  const std::string *nearest = nullptr;
  for (size_t i = 0; i < known.size(); ++i) {
    if (size_t distance = editDistance(name, known[i]); distance < best) {
      best = distance;
      nearest = &known[i];
    }
    list += (i == 0 ? "" : i + 1 == known.size() ? " and " : ", ") + known[i];
  }
  if (nearest)
    text += "; did you mean '" + *nearest + "'? Known are " + list;
  else if (!known.empty())
    text += "; known are " + list;
  return text;
}
