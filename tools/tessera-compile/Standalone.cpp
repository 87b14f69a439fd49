#include "tools/tessera-compile/Standalone.h"

#include "tools/common/Attached.h"
#include "tools/common/Session.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tessera::tools {
namespace {

// A folder that is gone at the end.
class TemporaryFolder {
public:
  TemporaryFolder() {
    std::error_code none;
    std::string name = (std::filesystem::temp_directory_path(none) / "tessera-XXXXXX").string();
    if (::mkdtemp(name.data()))
      path = name;
  }
  ~TemporaryFolder() {
    std::error_code none;
    if (!path.empty())
      std::filesystem::remove_all(path, none);
  }
  std::string path; // "": it cannot be made
};

// -1: the program is not there.
int runProgram(std::vector<std::string> command) {
  std::vector<char *> arguments;
  for (std::string &argument : command)
    arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  pid_t child = 0;
  if (::posix_spawnp(&child, arguments[0], nullptr, nullptr, arguments.data(), environ) != 0)
    return -1;
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR)
    ;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// An object, in place, becomes a shared library. Libraries have to be linked: the only step that
// asks for a tool of the system.
std::string link(std::string &object, const std::string &name) {
  const TemporaryFolder folder;
  if (folder.path.empty())
    return "cannot make a temporary folder: " + std::string(std::strerror(errno));
  const std::string from = folder.path + "/a.o", to = folder.path + "/a.so";
  if (std::string problem = writeFile(from, object); !problem.empty())
    return problem;
  std::vector<std::string> linkers = {"ld.lld-22", "ld.lld", "ld"};
  if (const char *given = std::getenv("TESSERA_LINKER"))
    linkers = {given};
  for (const std::string &linker : linkers) {
    const int status = runProgram(
        {linker, "-shared", "--gc-sections", "-z", "noexecstack", "-soname", name, "-o", to, from});
    if (status == 0)
      return readFile(to, object);
    if (status != -1)
      return linker + " cannot link the library: it ended with status " + std::to_string(status);
  }
  return "a library needs a linker, and there is none: install lld or binutils, set TESSERA_LINKER "
         "to one, or take --emit object";
}

} // namespace

std::string Standalone::write(OutputFile &output, const void *module, size_t size) const {
  return emit == "exe" ? writeProgram(output, module, size) : writeObject(output, module, size);
}

std::string Standalone::writeObject(OutputFile &output, const void *module, size_t size) const {
  // "libmodel.so" and "model.o" have names that begin with model_, and model.h.
  const std::filesystem::path place = path;
  std::string prefix = place.stem().string();
  if (emit == "library" && prefix.starts_with("lib") && prefix.size() > 3)
    prefix = prefix.substr(3);
  const std::string headerPath = (place.parent_path() / (prefix + ".h")).string();
  if (headerPath == path)
    return "'" + path + "' is where the header goes; name the " + emit + " otherwise";
  OutputFile header;
  if (std::string problem = header.open(headerPath); !problem.empty())
    return problem;

  std::string problem;
  const CompilerLibrary *compiler = openCompiler(problem);
  if (!compiler)
    return problem;
  std::vector<tessera_compile_dim> list;
  for (const auto &[name, value] : dims)
    list.push_back({name.c_str(), value});
  tessera_object_options options{};
  options.size = sizeof(options);
  options.dims = list.data();
  options.dim_count = uint32_t(list.size());
  options.prefix = prefix.c_str();
  options.level = level.empty() ? nullptr : level.c_str();
  const Compilation made(compiler->compile_object(module, size, &options));
  if (!made)
    return "out of memory";
  if (problem = compileMessage(*compiler, made.get()); !problem.empty())
    return problem;
  std::string object(static_cast<const char *>(compiler->compilation_bytes(made.get())),
                     compiler->compilation_size(made.get()));
  if (emit == "library") {
    if (problem = link(object, place.filename().string()); !problem.empty())
      return problem;
    output.isProgram = true;
  }
  const std::string text = compiler->compilation_header(made.get());
  if (problem = header.commit(text.data(), text.size()); !problem.empty())
    return problem;
  return output.commit(object.data(), object.size());
}

} // namespace tessera::tools
