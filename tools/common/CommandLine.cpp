#include "tools/common/CommandLine.h"

#include "compiler/api/Suggest.h"
#include "runtime/api/tessera.h"

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <unistd.h>

namespace tessera::tools {

static bool wantsAll(int argc, char **argv) {
  for (int i = 1; i < argc; ++i)
    if (std::strcmp(argv[i], "--help-all") == 0)
      return true;
  return false;
}

CommandLine::CommandLine(int argc, char **argv, const std::string &name, const std::string &what,
                         const std::string &examples)
    : CLI::App(what, name), more(wantsAll(argc, argv) ? "More options" : ""), argc(argc),
      argv(argv) {
  get_formatter()->column_width(26);
  set_help_flag("-h,--help", "this page");
  set_help_all_flag("--help-all", "this page with all options");
  add_flag("--version", wantsVersion, "the version")->group(more);
  footer("Examples:\n" + examples);
  option_defaults()->always_capture_default(false);
}

std::optional<int> CommandLine::parseArguments() {
  // `--version` needs none of the required arguments.
  for (int i = 1; i < argc; ++i)
    if (std::strcmp(argv[i], "--version") == 0) {
      std::printf("%s %s\n", get_name().c_str(), tessera_version());
      return 0;
    }
  // First of all: what a misspelt option leads to (a missing argument) would say less.
  for (int i = 1; i < argc && std::strcmp(argv[i], "--") != 0; ++i) {
    const std::string name = std::string(argv[i]).substr(0, std::string(argv[i]).find('='));
    if (name.size() < 2 || name[0] != '-' || (name[1] != '-' && !std::isalpha(name[1])))
      continue;
    // "-ox" is option -o with a value.
    if (get_option_no_throw(name[1] == '-' ? name : name.substr(0, 2)))
      continue;
    std::vector<std::string> known;
    for (const CLI::Option *option : get_options())
      if (!option->get_positional() && !option->get_lnames().empty())
        known.push_back("--" + option->get_lnames().front());
    std::fprintf(stderr, "%s: %s\n", get_name().c_str(),
                 suggest("unknown option '" + name + "'", name, known).c_str());
    return 2;
  }
  // In CLI11 an option without a group has no name either, which messages need: for help alone is
  // it hidden.
  std::vector<CLI::Option *> hidden;
  for (CLI::Option *option :
       get_options([](const CLI::Option *o) { return o->get_group().empty(); })) {
    hidden.push_back(option);
    option->group("More options");
  }
  try {
    parse(argc, argv);
  } catch (const CLI::CallForHelp &) {
    for (CLI::Option *option : hidden)
      option->group("");
    std::fputs(help().c_str(), stdout);
    return 0;
  } catch (const CLI::CallForAllHelp &) {
    std::fputs(help().c_str(), stdout);
    return 0;
  } catch (const CLI::ExtrasError &) {
    std::fprintf(stderr, "%s: unexpected argument '%s'\n", get_name().c_str(),
                 remaining().front().c_str());
    return 2;
  } catch (const CLI::ParseError &error) {
    std::fprintf(stderr, "%s: %s; --help shows how it is used\n", get_name().c_str(), error.what());
    return 2;
  }
  return std::nullopt;
}

int complain(const std::string &tool, const std::string &message) {
  std::fprintf(stderr, "%s: %s\n", tool.c_str(), message.c_str());
  return 1;
}

std::string parseDim(const std::string &text, std::map<std::string, int64_t> &dims) {
  const size_t equals = text.find('=');
  char *end = nullptr;
  const char *value = equals == std::string::npos ? "" : text.c_str() + equals + 1;
  errno = 0;
  const long long number = std::strtoll(value, &end, 10);
  if (equals == 0 || end == value || *end || number < 0 || errno)
    return "--dim " + text + ": expected SYMBOL=NUMBER, such as S=128, and no number below 0";
  if (!dims.emplace(text.substr(0, equals), number).second)
    return "--dim " + text.substr(0, equals) + " is given twice";
  return "";
}

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string formatSeconds(double seconds) {
  const struct {
    double unit;
    const char *name;
  } units[] = {{1, "s"}, {1e-3, "ms"}, {1e-6, "us"}, {1e-9, "ns"}};
  char text[48];
  for (const auto &unit : units)
    if (seconds >= unit.unit || unit.unit == 1e-9) {
      const double value = seconds / unit.unit;
      std::snprintf(text, sizeof(text), "%.*f %s",
                    value < 10    ? 2
                    : value < 100 ? 1
                                  : 0,
                    value, unit.name);
      break;
    }
  return text;
}

Progress::Progress(bool isQuiet) : isOn(!isQuiet && ::isatty(STDERR_FILENO)), start(0) {
  start = int64_t(now() * 1000);
}

void Progress::show(const char *stage, double fraction) {
  if (!isOn || int64_t(now() * 1000) - start < 500)
    return;
  isShown = true;
  std::fprintf(stderr, "\r\033[K[%3.0f%%] %s", fraction * 100, stage);
  std::fflush(stderr);
}

void Progress::clear() {
  if (isShown)
    std::fputs("\r\033[K", stderr);
  isShown = false;
}

} // namespace tessera::tools
