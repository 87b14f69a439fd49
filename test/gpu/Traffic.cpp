//===- Traffic.cpp - What the warps of a kernel ask of memory -----------------------------===//
#include "test/gpu/Traffic.h"

#include <algorithm>

namespace tessera::ptx {

static constexpr uint64_t kSector = 32, kBanks = 32, kWord = 4;

static uint64_t keyOf(uint32_t warp, const Instruction &x, Traffic::Kind kind) {
  return uint64_t(warp) << 40 | uint64_t(x.line) << 8 | kind;
}

void Traffic::note(uint32_t thread, const Instruction &x, Kind kind, uint64_t address,
                   uint64_t bytes) {
  const uint32_t lane = thread % 32;
  Site &site = sites[keyOf(thread / 32, x, kind)];
  site.x = &x;
  const uint64_t number = site.next[lane]++ - site.closed;
  if (number >= site.open.size())
    site.open.resize(number + 1);
  Access &access = site.open[number];
  access.at[lane] = address;
  access.mask |= uint32_t(1) << lane;
  access.bytes = bytes;
  while (!site.open.empty() && site.open.front().mask == ~uint32_t(0)) {
    close(x, kind, site.open.front());
    site.open.pop_front();
    ++site.closed;
  }
}

void Traffic::meet(uint32_t warp) {
  const auto first = sites.lower_bound(uint64_t(warp) << 40),
             last = sites.lower_bound(uint64_t(warp + 1) << 40);
  for (auto site = first; site != last; ++site)
    for (const Access &access : site->second.open)
      close(*site->second.x, Kind(site->first & 0xff), access);
  sites.erase(first, last);
}

Traffic::Count &Traffic::find(const Instruction &x, Kind kind) {
  Count &count = counts[{x.line, kind}];
  count.kind = kind;
  count.line = x.line;
  count.stage = x.stage;
  ++count.accesses;
  return count;
}

/// Passes through the banks, and those that so many different words need.
static void addPasses(std::vector<uint64_t> &words, Traffic::Count &count) {
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  uint64_t inBank[kBanks] = {}, most = 0;
  for (uint64_t word : words)
    most = std::max(most, ++inBank[word % kBanks]);
  count.done += most;
  count.needed += (words.size() + kBanks - 1) / kBanks;
}

void Traffic::close(const Instruction &x, Kind kind, const Access &access) {
  Count &count = find(x, kind);
  if (kind >= SharedLoad) {
    const uint32_t together = access.bytes <= 4 ? 32 : access.bytes <= 8 ? 16 : 8;
    for (uint32_t first = 0; first < 32; first += together) {
      std::vector<uint64_t> words;
      for (uint32_t lane = first; lane < first + together; ++lane)
        if (access.mask >> lane & 1)
          for (uint64_t at = access.at[lane] / kWord * kWord; at < access.at[lane] + access.bytes;
               at += kWord)
            words.push_back(at / kWord);
      addPasses(words, count);
    }
    return;
  }
  std::vector<std::pair<uint64_t, uint64_t>> pieces;
  for (uint32_t lane = 0; lane < 32; ++lane)
    if (access.mask >> lane & 1)
      pieces.push_back({access.at[lane], access.bytes});
  addSectors(pieces, count);
}

void Traffic::addSectors(std::vector<std::pair<uint64_t, uint64_t>> &pieces, Count &count) {
  std::sort(pieces.begin(), pieces.end());
  uint64_t bytes = 0, end = 0, lastSector = ~uint64_t(0);
  for (const auto &[begin, size] : pieces) {
    if (!size)
      continue;
    const uint64_t own = begin + size;
    bytes += own - std::min(std::max(begin, end), own);
    end = std::max(end, own);
    for (uint64_t sector = begin / kSector; sector <= (own - 1) / kSector; ++sector)
      if (lastSector == ~uint64_t(0) || sector > lastSector) {
        ++count.done;
        lastSector = sector;
      }
  }
  count.needed += (bytes + kSector - 1) / kSector;
}

void Traffic::noteBulk(const Instruction &x, std::vector<std::pair<uint64_t, uint64_t>> lines) {
  addSectors(lines, find(x, GlobalBulk));
}

void Traffic::noteMatrix(const Instruction &x, Kind kind, const std::array<uint64_t, 8> &rows) {
  std::vector<uint64_t> words;
  for (uint64_t row : rows)
    for (uint64_t at = row; at < row + 16; at += kWord)
      words.push_back(at / kWord);
  addPasses(words, find(x, kind));
}

std::vector<Traffic::Count> Traffic::getCounts() const {
  std::vector<Count> result;
  for (const auto &[place, count] : counts)
    result.push_back(count);
  return result;
}

std::string Traffic::print(const Program &program, std::string_view kernel) const {
  static constexpr const char *names[] = {"global load",   "global store", "global atomic",
                                          "global bulk",   "shared load",  "shared store",
                                          "shared operand"};
  std::string text;
  for (const Count &count : getCounts()) {
    const bool isKnown = count.stage && count.stage <= program.stages.size();
    text += "{\"kernel\": \"" + std::string(kernel) +
            "\", \"line\": " + std::to_string(count.line) + ", \"stage\": \"" +
            (isKnown ? program.stages[count.stage - 1] : "") + "\", \"kind\": \"" +
            names[count.kind] + "\", \"accesses\": " + std::to_string(count.accesses) +
            ", \"done\": " + std::to_string(count.done) +
            ", \"needed\": " + std::to_string(count.needed) + "}\n";
  }
  return text;
}

} // namespace tessera::ptx
