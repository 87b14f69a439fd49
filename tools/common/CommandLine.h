// What the command lines of all tools have in common.
#ifndef TESSERA_TOOLS_COMMON_COMMANDLINE_H
#define TESSERA_TOOLS_COMMON_COMMANDLINE_H

#include <CLI/CLI.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace tessera::tools {

// A CLI11 application with `--help` that fits a screen, `--help-all`, `--version`, and "did you
// mean" for unknown options. Options in `more` are shown by --help-all alone.
class CommandLine : public CLI::App {
public:
  CommandLine(int argc, char **argv, const std::string &name, const std::string &what,
              const std::string &examples);
  // The status to exit with, when there is nothing to do.
  std::optional<int> parseArguments();

  const std::string more; // group of the options that most people do not need
  std::string getName() const { return get_name(); }

private:
  int argc;
  char **argv;
  bool wantsVersion = false;
};

// Prints "NAME: MESSAGE" and gives the exit status 1.
int complain(const std::string &tool, const std::string &message);

// "S=128" into `dims`. "" or one sentence.
std::string parseDim(const std::string &text, std::map<std::string, int64_t> &dims);

// Prints "[ 42%] stage" on one line of a terminal, and nothing elsewhere or for the first half
// second.
class Progress {
public:
  explicit Progress(bool isQuiet);
  ~Progress() { clear(); }
  void show(const char *stage, double fraction);
  void clear();
  // For C interfaces.
  static void show(void *self, const char *stage, double fraction) {
    static_cast<Progress *>(self)->show(stage, fraction);
  }

private:
  bool isOn, isShown = false;
  int64_t start;
};

// Seconds of a clock that only goes forward.
double now();

// "1.23 ms", with three digits.
std::string formatSeconds(double seconds);

} // namespace tessera::tools

#endif // TESSERA_TOOLS_COMMON_COMMANDLINE_H
