#include "tools/tessera-tune/Candidates.h"

#include <algorithm>
#include <cmath>

namespace tessera::tools {

static const Choice *find(const std::vector<Choice> &choices, const std::string &name) {
  const auto found = std::find_if(choices.begin(), choices.end(),
                                  [&](const Choice &choice) { return choice.name == name; });
  return found == choices.end() ? nullptr : &*found;
}

// How far from what the rules choose, as factors.
static double distance(int64_t value, int64_t byRule) {
  return std::abs(
      std::log(double(std::max<int64_t>(1, value)) / double(std::max<int64_t>(1, byRule))));
}

std::vector<Chosen> listCandidates(const std::vector<Choice> &choices) {
  std::vector<Chosen> list;
  for (const Choice &rows : choices) {
    const size_t dot = rows.name.rfind('.');
    if (dot == std::string::npos || rows.name.substr(dot) != ".rows")
      continue;
    const Choice *vectors = find(choices, rows.name.substr(0, dot) + ".vectors");
    if (!vectors)
      continue;
    struct Tile {
      int64_t rows, vectors;
      double far;
    };
    std::vector<Tile> tiles;
    // Too small a tile waits for its sums, too large a one does not fit registers.
    constexpr int64_t kLeast = 4, kMost = 28;
    for (int64_t r : rows.candidates)
      for (int64_t v : vectors->candidates) {
        const int64_t sums = r * v;
        const bool isOwn = r == rows.value && v == vectors->value;
        const bool isSmall = rows.value * vectors->value < kLeast;
        if (!isOwn && sums <= kMost && (sums >= kLeast || isSmall))
          tiles.push_back({r, v, distance(r, rows.value) + distance(v, vectors->value)});
      }
    std::stable_sort(tiles.begin(), tiles.end(),
                     [](const Tile &a, const Tile &b) { return a.far < b.far; });
    for (const Tile &tile : tiles)
      list.push_back({{rows.name, tile.rows}, {vectors->name, tile.vectors}});
  }
  for (const Choice &choice : choices) {
    if (choice.name.ends_with(".rows"))
      continue; // Together with the vectors, above.
    if (choice.name.ends_with(".vectors") &&
        find(choices, choice.name.substr(0, choice.name.size() - 8) + ".rows"))
      continue;
    std::vector<int64_t> values = choice.candidates;
    std::stable_sort(values.begin(), values.end(), [&](int64_t a, int64_t b) {
      return distance(a, choice.value) < distance(b, choice.value);
    });
    for (int64_t value : values)
      if (value != choice.value)
        list.push_back({{choice.name, value}});
  }
  return list;
}

std::string print(const Chosen &chosen) {
  std::string text;
  for (const auto &[name, value] : chosen)
    text += (text.empty() ? "" : ",") + name + "=" + std::to_string(value);
  return text.empty() ? "by rules" : text;
}

} // namespace tessera::tools
