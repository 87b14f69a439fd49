#include "tools/tessera-compile/Check.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <vector>

namespace tessera::tools {
namespace {

using Row = std::vector<std::string>;

// Columns as wide as their widest entry; the last one is not padded.
void printTable(const std::vector<Row> &rows) {
  std::vector<size_t> widths(rows.front().size());
  for (const Row &row : rows)
    for (size_t c = 0; c < row.size(); ++c)
      widths[c] = std::max(widths[c], row[c].size());
  for (const Row &row : rows) {
    for (size_t c = 0; c + 1 < row.size(); ++c)
      std::printf("%-*s  ", int(widths[c]), row[c].c_str());
    std::printf("%s\n", row.back().c_str());
  }
}

} // namespace

int printCheck(const CompilerLibrary &compiler, const tessera_compilation *compilation,
               const std::string &model, bool asJson) {
  const uint32_t count = compiler.compilation_unsupported_count(compilation);
  uint64_t unexamined = 0;
  const uint64_t nodes = compiler.compilation_node_count(compilation, &unexamined);
  std::vector<Row> rows = {{"operator", "opset", "count", "first node", "reason"}};
  nlohmann::json list = nlohmann::json::array();
  uint64_t affected = 0;
  for (uint32_t i = 0; i < count; ++i) {
    tessera_unsupported row;
    compiler.compilation_unsupported(compilation, i, &row);
    affected += row.count;
    rows.push_back({*row.name ? row.name : "-", row.opset ? std::to_string(row.opset) : "-",
                    std::to_string(row.count), *row.first_node ? row.first_node : "-", row.reason});
    list.push_back({{"operator", row.name},
                    {"opset", row.opset},
                    {"count", row.count},
                    {"first_node", row.first_node},
                    {"reason", row.reason}});
  }
  if (asJson) {
    const nlohmann::json report = {{"schema", 1},
                                   {"model", model},
                                   {"nodes", nodes},
                                   {"unexamined", unexamined},
                                   {"supported", count == 0},
                                   {"unsupported", list}};
    std::printf("%s\n",
                report.dump(1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    return count ? 1 : 0;
  }
  if (count == 0) {
    std::printf("%s: everything is supported", model.c_str());
    if (nodes)
      std::printf(" (%llu nodes)", (unsigned long long)nodes);
    std::printf("\n");
    return 0;
  }
  printTable(rows);
  std::printf("%s: %llu nodes are not supported", model.c_str(), (unsigned long long)affected);
  if (nodes)
    std::printf(" of %llu", (unsigned long long)nodes);
  if (unexamined)
    std::printf("; %llu more read what these compute and were not looked at",
                (unsigned long long)unexamined);
  std::printf("\n");
  return 1;
}

} // namespace tessera::tools
