#include "tools/common/Attached.h"

#include "tools/common/Session.h"
#include "tools/common/ThisProgram.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <unistd.h>

namespace tessera::tools {
namespace {

constexpr uint64_t kPageBytes = 4096; // Modules are mapped.
constexpr char kMagic[16] = "Tessera module\n";

struct Trailer {
  uint64_t offset, bytes;
  char magic[16];
};
static_assert(sizeof(Trailer) == 32 && sizeof(kMagic) == 16);

} // namespace

std::string findAttached(const std::string &path, AttachedModule &found) {
  found = {};
  std::FILE *file = std::fopen(path.c_str(), "rb");
  if (!file)
    return "cannot open '" + path + "': " + std::strerror(errno);
  Trailer trailer{};
  const bool isWhole = std::fseek(file, -long(sizeof(Trailer)), SEEK_END) == 0;
  const long end = std::ftell(file);
  const bool isRead = isWhole && std::fread(&trailer, sizeof(trailer), 1, file) == 1;
  std::fclose(file);
  if (!isRead || end < 0 || std::memcmp(trailer.magic, kMagic, sizeof(kMagic)) != 0)
    return "";
  if (trailer.offset % kPageBytes != 0 || trailer.offset > uint64_t(end) ||
      trailer.bytes != uint64_t(end) - trailer.offset || trailer.bytes == 0)
    return "'" + path + "' is damaged: its module is not where the end of the file says";
  found = {trailer.offset, trailer.bytes};
  return "";
}

bool hasFamily(const tessera_module *module, const char *family) {
  for (uint32_t i = 0; i < tessera_variant_count(module); ++i) {
    tessera_variant_info info{};
    if (!tessera_get_variant(module, i, &info) && std::strcmp(info.family, family) == 0)
      return true;
  }
  return false;
}

// A static program opens no libraries.
static std::string checkHostOperators(const tessera_module *module) {
  for (uint32_t v = 0; v < tessera_variant_count(module); ++v) {
    tessera_variant_info info{};
    if (tessera_get_variant(module, v, &info))
      continue;
    for (uint32_t k = 0; k < info.kernel_count; ++k)
      if (const char *name = tessera_kernel_host_operator(module, v, k))
        return "'" + std::string(tessera_kernel_source(module, v, k, 0)) +
               "' needs the host operator '" + name +
               "', which is in a library, and programs are static: compile to a module (.tsm) and "
               "run "
               "it with tessera-run or the runtime";
  }
  return "";
}

std::string writeProgram(OutputFile &output, const void *module, size_t size) {
  tessera_load_options options{};
  options.size = sizeof(options);
  options.device = "null"; // which takes all
  tessera_module *loaded = nullptr;
  tessera_error *error = nullptr;
  if (tessera_module_load_memory(module, size, &options, &loaded, &error))
    return take(error);
  const std::string name = hasFamily(loaded, "cuda") ? "tessera-runner-cuda" : "tessera-runner";
  const std::string refused = checkHostOperators(loaded);
  tessera_module_destroy(loaded);
  if (!refused.empty())
    return refused;
  std::string runner, path = std::getenv("TESSERA_RUNNER") ? std::getenv("TESSERA_RUNNER") : "";
  if (path.empty())
    path = findBesideThis(name);
  if (path.empty())
    return "the runner, " + name +
           ", was not found beside this program; set TESSERA_RUNNER to its path";
  if (std::string problem = readFile(path, runner); !problem.empty())
    return problem;
  runner.resize((runner.size() + kPageBytes - 1) / kPageBytes * kPageBytes);
  Trailer trailer{runner.size(), size, {}};
  std::memcpy(trailer.magic, kMagic, sizeof(kMagic));
  output.isProgram = true;
  if (std::string problem = output.append(runner.data(), runner.size()); !problem.empty())
    return problem;
  if (std::string problem = output.append(module, size); !problem.empty())
    return problem;
  return output.commit(&trailer, sizeof(trailer));
}

} // namespace tessera::tools
