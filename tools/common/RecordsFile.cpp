#include "tools/common/RecordsFile.h"

#include "compiler/api/TuningRecords.h"
#include "tools/common/Files.h"
#include "tools/common/MachinePeak.h"

#include <filesystem>

namespace tessera::tools {

std::string recordsPath(const std::string &model) { return model + ".tune"; }

FoundRecords findRecords(const std::string &model) {
  FoundRecords found;
  const std::string path = recordsPath(model);
  std::error_code none;
  if (!std::filesystem::exists(path, none))
    return found;
  std::string text;
  TuningRecords records;
  std::string problem = readFile(path, text);
  if (problem.empty())
    problem = records.parse(text);
  if (problem.empty() && records.cpu != cpuName())
    problem = "measured on '" + records.cpu + "', not on this '" + cpuName() +
              "'; --records takes them all the same";
  if (problem.empty())
    found.path = path;
  else
    found.note = "'" + path + "' is left aside: " + problem;
  return found;
}

} // namespace tessera::tools
