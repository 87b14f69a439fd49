//===- Features.cpp - Which PTX and which processor an instruction needs --------------------===//
//
// The "PTX ISA Notes" and "Target ISA Notes" of each instruction. A driver refuses a module that
// has one instruction for which its `.version` is too old or its `.target` too small; NVIDIA's
// assembler does, too, but is not on every machine.
//
//===----------------------------------------------------------------------===//
#include "test/gpu/Parse.h"

#include <algorithm>
#include <cstdlib>

namespace tessera::ptx {
namespace {

struct Need {
  const char *begin; ///< of the name, up to a dot or the end
  const char *parts; ///< what it has besides: all of these
  unsigned version;  ///< 84 of 8.4
  unsigned processor;
  bool isAlone = false; ///< on this one ("sm_90a"), not on later ones
};
constexpr Need kNeeds[] = {
    {"cp.async", "", 70, 80},
    {"cp.async", "L2::128B", 74, 80},
    {"cp.async.bulk", "", 80, 90},
    {"mbarrier", "", 70, 80},
    {"mbarrier", "shared::cta", 78, 80},
    {"mbarrier.try_wait", "", 78, 90},
    {"mbarrier", "expect_tx", 80, 90},
    {"fence.mbarrier_init", "", 80, 90},
    {"fence.proxy.async", "", 80, 90},
    {"setmaxnreg", "", 80, 90, true},
    {"wgmma", "", 80, 90, true},
    {"ldmatrix", "", 65, 75},
    {"mma", "", 70, 80},
    {"mma", "e4m3", 84, 89},
    {"mma", "e5m2", 84, 89},
    {"redux", "", 70, 80},
    {"min", "NaN", 70, 80},
    {"max", "NaN", 70, 80},
    {"min", "f16", 70, 80},
    {"max", "f16", 70, 80},
    {"min", "f16x2", 70, 80},
    {"max", "f16x2", 70, 80},
    {"min", "bf16", 70, 80},
    {"max", "bf16", 70, 80},
    {"min", "bf16x2", 70, 80},
    {"max", "bf16x2", 70, 80},
    {"min", "s16x2", 80, 90},
    {"max", "s16x2", 80, 90},
    {"min", "u16x2", 80, 90},
    {"max", "u16x2", 80, 90},
    {"add", "s16x2", 80, 90},
    {"add", "u16x2", 80, 90},
    {"fma", "relu", 70, 80},
    {"fma", "bf16", 70, 80},
    {"fma", "bf16x2", 70, 80},
    {"abs", "bf16", 70, 80},
    {"neg", "bf16", 70, 80},
    {"add", "bf16", 78, 90},
    {"sub", "bf16", 78, 90},
    {"mul", "bf16", 78, 90},
    {"add", "bf16x2", 78, 90},
    {"sub", "bf16x2", 78, 90},
    {"mul", "bf16x2", 78, 90},
    {"setp", "bf16", 78, 90},
    {"ex2", "f16", 70, 75},
    {"ex2", "bf16", 78, 90},
    {"tanh", "", 70, 75},
    {"tanh", "bf16", 78, 90},
    {"cvt", "bf16", 70, 80},
    {"cvt", "bf16x2", 70, 80},
    {"cvt", "tf32", 70, 80},
    {"cvt.f32.bf16", "", 71, 90},
    {"cvt", "e4m3x2", 81, 89},
    {"cvt", "e5m2x2", 81, 89},
    {"atom", "bf16", 78, 90},
    {"ld", "shared::cta", 78, 30},
    {"st", "shared::cta", 78, 30},
};

bool beginsWith(std::string_view name, std::string_view begin) {
  return name.substr(0, begin.size()) == begin &&
         (name.size() == begin.size() || name[begin.size()] == '.');
}

bool hasPart(std::string_view name, std::string_view part) {
  for (size_t at = name.find(part); at != name.npos; at = name.find(part, at + 1))
    if (at && name[at - 1] == '.' &&
        (at + part.size() == name.size() || name[at + part.size()] == '.'))
      return true;
  return part.empty();
}

/// "sm_90a": 90 and 'a'.
bool splitTarget(std::string_view target, unsigned &number, char &kind) {
  const std::string text(target.substr(std::min<size_t>(target.size(), 3)));
  char *end = nullptr;
  number = unsigned(std::strtoul(text.c_str(), &end, 10));
  kind = *end;
  return target.substr(0, 3) == "sm_" && number && (!kind || !end[1]);
}

std::string print(unsigned number, const char *between) {
  return std::to_string(number / 10) + between + std::to_string(number % 10);
}

} // namespace

std::string checkNeeds(std::string_view name, const Program &program) {
  unsigned processor = 0;
  char kind = 0;
  if (!program.version || !splitTarget(program.target, processor, kind))
    return "";
  for (const Need &need : kNeeds) {
    if (!beginsWith(name, need.begin) || !hasPart(name, need.parts))
      continue;
    if (program.version < need.version)
      return "it needs PTX " + print(need.version, ".") + ", the text is of " +
             print(program.version, ".");
    if (need.isAlone ? processor != need.processor || kind != 'a' : processor < need.processor)
      return "it needs sm_" + std::to_string(need.processor) + (need.isAlone ? "a" : "") +
             ", the text is for " + program.target;
  }
  return "";
}

bool runsOn(std::string_view target, int device) {
  unsigned number = 0;
  char kind = 0;
  if (!splitTarget(target, number, kind))
    return false;
  return kind == 'a'   ? int(number) == device
         : kind == 'f' ? int(number) <= device && int(number) / 10 == device / 10
                       : int(number) <= device;
}

} // namespace tessera::ptx
