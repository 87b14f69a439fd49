#include "tools/common/Trace.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace tessera::tools {

std::vector<std::string> nodesOf(const tessera_module *module, uint32_t kernel) {
  const uint32_t variant = tessera_active_variant(module);
  tessera_kernel_info info{};
  tessera_get_kernel(module, variant, kernel, &info);
  std::vector<std::string> nodes;
  for (uint32_t s = 0; s < info.source_count; ++s)
    nodes.push_back(tessera_kernel_source(module, variant, kernel, s));
  return nodes;
}

std::string kernelName(const tessera_module *module, uint32_t kernel) {
  tessera_kernel_info info{};
  tessera_get_kernel(module, tessera_active_variant(module), kernel, &info);
  return info.name ? info.name : "";
}

// Names may hold bytes that are no UTF-8: they come from the model.
static std::string dump(const nlohmann::json &json) {
  return json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string traceJson(const tessera_module *module, const tessera_context *context) {
  nlohmann::json events = nlohmann::json::array();
  events.push_back(
      {{"ph", "M"}, {"pid", 1}, {"name", "process_name"}, {"args", {{"name", "tessera"}}}});
  int64_t first = INT64_MAX;
  const uint64_t count = tessera_profile_count(context);
  tessera_record record{};
  bool hasLane[3] = {true, false, false};
  for (uint64_t i = 0; i < count; ++i) {
    if (tessera_profile_get(context, i, &record) != TESSERA_OK)
      continue;
    first = std::min(first, record.start);
    if (record.thread < 3)
      hasLane[record.thread] = true;
  }
  static const char *const lanes[] = {"caller", "uploads beside", "downloads beside"};
  for (int lane = 0; lane < 3; ++lane)
    if (hasLane[lane])
      events.push_back({{"ph", "M"},
                        {"pid", 1},
                        {"tid", lane},
                        {"name", "thread_name"},
                        {"args", {{"name", lanes[lane]}}}});
  for (uint64_t i = 0; i < count; ++i) {
    if (tessera_profile_get(context, i, &record) != TESSERA_OK)
      continue;
    static const char *const names[] = {"launch", "copy",  "fill",   "plan",
                                        "run",    "tasks", "upload", "download"};
    const char *kind = record.kind < 8 ? names[record.kind] : "other";
    nlohmann::json event = {{"ph", "X"},
                            {"pid", 1},
                            {"tid", record.thread},
                            {"ts", double(record.start - first) / 1000},
                            {"dur", double(record.duration) / 1000},
                            {"cat", kind},
                            {"name", kind}};
    nlohmann::json args = {{"function", tessera_function_name(module, record.function)},
                           {"instruction", record.instruction}};
    if (record.kernel >= 0) {
      const std::vector<std::string> nodes = nodesOf(module, uint32_t(record.kernel));
      const std::string name = kernelName(module, uint32_t(record.kernel));
      event["name"] = nodes.empty()       ? name
                      : nodes.size() == 1 ? nodes.front()
                                          : nodes.front() + " .. " + nodes.back();
      args["kernel"] = name;
      args["nodes"] = nodes;
    }
    if (record.operations >= 0) {
      args["operations"] = record.operations;
      if (record.duration > 0)
        args["GFLOP/s"] = double(record.operations) / double(record.duration);
    }
    if (record.bytes >= 0) {
      args["bytes"] = record.bytes;
      if (record.duration > 0)
        args["GB/s"] = double(record.bytes) / double(record.duration);
    }
    event["args"] = args;
    events.push_back(event);
  }
  nlohmann::json other = {{"dropped_records", tessera_profile_dropped(context)}};
  if (const char *note = tessera_module_note(module); *note)
    other["note"] = note;
  return dump({{"traceEvents", events}, {"displayTimeUnit", "ns"}, {"otherData", other}});
}

} // namespace tessera::tools
