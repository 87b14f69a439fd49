#include "tools/tessera-bench/Compare.h"

#include "tools/common/CommandLine.h"
#include "tools/common/Files.h"

#include <cstdio>
#include <nlohmann/json.hpp>

namespace tessera::tools {
namespace {

struct Side {
  std::string model, machine;
  double median, low, high;
  bool isNoisy;
};

std::string read(const std::string &path, Side &side) {
  std::string text;
  if (std::string problem = readFile(path, text); !problem.empty())
    return problem;
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  const nlohmann::json seconds =
      json.is_object() ? json.value("seconds", nlohmann::json()) : nlohmann::json();
  const auto number = [&](const char *name) {
    const bool isThere = seconds.is_object() && seconds.contains(name) && seconds[name].is_number();
    return isThere ? seconds[name].get<double>() : 0.0;
  };
  side.median = number("median");
  side.low = number("low");
  side.high = number("high");
  if (!(side.median > 0 && side.low > 0 && side.high > 0) || json.value("schema", 0) != 1)
    return "'" + path + "' is no result of tessera-bench --json (schema 1)";
  side.model = json.value("model", "");
  side.machine = json.value("machine", nlohmann::json::object()).value("cpu", "");
  side.isNoisy = !json.value("warnings", nlohmann::json::array()).empty();
  return "";
}

} // namespace

std::string compare(const std::string &before, const std::string &after, bool asJson) {
  Side a, b;
  if (std::string problem = read(before, a); !problem.empty())
    return problem;
  if (std::string problem = read(after, b); !problem.empty())
    return problem;
  const double ratio = b.median / a.median;
  const bool overlaps = a.low <= b.high && b.low <= a.high;
  const char *verdict = overlaps || std::abs(ratio - 1) < 0.02 ? "same"
                        : ratio < 1                            ? "faster"
                                                               : "slower";
  if (asJson) {
    const nlohmann::json result = {{"schema", 1}, {"verdict", verdict}, {"ratio", ratio}};
    std::printf("%s\n", result.dump(1).c_str());
  } else {
    std::printf("%s: %s -> %s (%+.1f %%)\n", verdict, formatSeconds(a.median).c_str(),
                formatSeconds(b.median).c_str(), (ratio - 1) * 100);
  }
  const auto warn = [](const char *text) {
    std::fprintf(stderr, "tessera-bench: warning: %s\n", text);
  };
  if (a.machine != b.machine)
    warn("the results come from different machines");
  if (a.model != b.model)
    warn("the results are of different models");
  if (a.isNoisy || b.isNoisy)
    warn("a result was measured on a disturbed machine");
  return "";
}

} // namespace tessera::tools
