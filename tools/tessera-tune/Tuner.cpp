#include "tools/tessera-tune/Tuner.h"

#include "tools/common/CommandLine.h"
#include "tools/common/Files.h"
#include "tools/common/MachinePeak.h"

#include <algorithm>
#include <filesystem>
#include <sys/mman.h>
#include <unistd.h>

using nlohmann::json;

namespace tessera::tools {
namespace {

// A candidate has to take less than this share of the time, twice, to be kept.
constexpr double kGain = 0.97, kKeptGain = 0.98;
// Kernels that take less than this share of a run are left alone.
constexpr double kLeastShare = 0.01;

// Text as a file that only this process has.
class TextFile {
public:
  explicit TextFile(const std::string &text) : file(::memfd_create("records", MFD_CLOEXEC)) {
    size_t done = 0;
    while (file >= 0 && done < text.size()) {
      const ssize_t count = ::write(file, text.data() + done, text.size() - done);
      if (count <= 0)
        break;
      done += size_t(count);
    }
  }
  ~TextFile() {
    if (file >= 0)
      ::close(file);
  }
  std::string path() const { return "/proc/self/fd/" + std::to_string(file); }

private:
  int file;
};

// A word of a record: no blanks.
std::string asWord(const std::string &text) {
  std::string word;
  for (const char letter : text)
    word += std::isalnum(static_cast<unsigned char>(letter)) || letter == '_' ? letter : '_';
  return word;
}

} // namespace

void Tuner::say(const std::string &text) const {
  if (!options.isQuiet)
    std::fprintf(stderr, "%6.1f s  %s\n", now() - start, text.c_str());
}

double Tuner::left() const { return options.budget - (now() - start); }

std::string Tuner::compile(const std::map<std::string, Chosen> &given, Loaded &loaded,
                           std::string *report) {
  TuningRecords records;
  records.cpu = cpuName();
  for (const auto &[hash, chosen] : given)
    if (!chosen.empty()) {
      TuningRecord &record = records.records.emplace_back();
      record.kernel = hash;
      record.target = target;
      record.choices = chosen;
    }
  const TextFile file(records.print());
  const std::string path = file.path();
  std::vector<tessera_compile_dim> dims;
  for (const auto &[name, value] : options.dims)
    dims.push_back({name.c_str(), value});
  const char *level = target.c_str();
  tessera_compile_options compile{};
  compile.size = sizeof(compile);
  compile.targets = &level;
  compile.target_count = 1;
  compile.dims = dims.data();
  compile.dim_count = uint32_t(dims.size());
  compile.quantize = options.quantize.empty() ? nullptr : options.quantize.c_str();
  compile.precision = options.precision.empty() ? nullptr : options.precision.c_str();
  compile.convolution = options.convolution.empty() ? nullptr : options.convolution.c_str();
  compile.operators_file = options.operators.empty() ? nullptr : options.operators.c_str();
  compile.records_file = path.c_str();
  compile.report = report != nullptr;
  const double begin = now();
  const Compilation compilation(compiler.compile_file(options.model.c_str(), &compile));
  compileSeconds = now() - begin;
  if (!compilation)
    return "out of memory";
  if (std::string problem = compileMessage(compiler, compilation.get()); !problem.empty())
    return problem;
  if (report)
    *report = compiler.compilation_report(compilation.get());
  return loaded.load(compiler, compilation.get(), options.inputs, options.threads);
}

std::map<std::string, Chosen> Tuner::bestOfAll() const {
  std::map<std::string, Chosen> all;
  for (const Kernel &kernel : kernels)
    all[kernel.hash] = kernel.best;
  return all;
}

std::string Tuner::findKernels(const std::string &text) {
  const json report = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!report.is_object())
    return "the compiler's report cannot be read";
  std::map<std::string, std::string> nodes;
  for (const json &function : report["functions"])
    for (const json &node : function["nodes"])
      if (node.contains("kernel"))
        for (const json &source : node["sources"]) {
          std::string &list = nodes[node["kernel"].get<std::string>()];
          constexpr size_t kMost = 60;
          if (list.size() < kMost)
            list += (list.empty() ? "" : ", ") + source.get<std::string>();
        }
  for (const json &entry : report["variants"][0]["kernels"]) {
    if (!entry.contains("hash"))
      continue;
    const std::string hash = entry["hash"], name = entry["name"];
    auto found = std::find_if(kernels.begin(), kernels.end(),
                              [&](const Kernel &kernel) { return kernel.hash == hash; });
    if (found == kernels.end()) {
      Kernel &kernel = kernels.emplace_back();
      kernel.hash = hash;
      kernel.comment = name + ": " + nodes[name];
      std::replace(kernel.comment.begin(), kernel.comment.end(), '\n', ' ');
      for (const json &choice : entry["choices"])
        kernel.choices.push_back({choice["name"], choice["value"], choice["candidates"]});
      kernel.candidates = listCandidates(kernel.choices);
      found = kernels.end() - 1;
    }
    found->names.push_back(name);
  }
  return "";
}

std::string Tuner::readRecords() {
  std::error_code none;
  if (!std::filesystem::exists(options.output, none))
    return "";
  std::string text;
  if (std::string problem = readFile(options.output, text); !problem.empty())
    return problem;
  TuningRecords records;
  if (std::string problem = records.parse(text); !problem.empty())
    return "'" + options.output + "': " + problem + "; remove it to begin anew";
  if (records.cpu != cpuName())
    return "'" + options.output + "' was measured on '" + records.cpu + "', this is '" + cpuName() +
           "'; write to another file (-o) or remove it";
  size_t found = 0;
  for (TuningRecord &record : records.records) {
    auto kernel = std::find_if(kernels.begin(), kernels.end(), [&](const Kernel &one) {
      return one.hash == record.kernel && target == record.target;
    });
    if (kernel == kernels.end() || record.sizes != sizes()) {
      if (kernel == kernels.end())
        others.records.push_back(record);
      continue; // What was best for other sizes is tried anew.
    }
    kernel->best = record.choices;
    kernel->tried = size_t(record.tried);
    kernel->seconds = record.seconds;
    kernel->instead = record.instead;
    ++found;
  }
  say(std::to_string(found) + " records of '" + options.output + "' go on");
  return "";
}

std::string Tuner::sizes() const {
  std::string text;
  for (const BoundInput &input : best.inputs) {
    text += (text.empty() ? "" : ",") + asWord(input.name) + "=";
    for (size_t d = 0; d < input.array.dims.size(); ++d)
      text += (d ? "x" : "") + std::to_string(input.array.dims[d]);
  }
  return text;
}

double Tuner::ratioOf(const Kernel &kernel, const PairTimes &times, double *second) const {
  double a = 0, b = 0, launches = 0;
  for (const std::string &name : kernel.names)
    if (auto found = times.kernels.find(name); found != times.kernels.end()) {
      a += found->second.first;
      b += found->second.second;
      launches += found->second.launches;
    }
  if (second)
    *second = launches > 0 ? b / launches : 0;
  return a > 0 && b > 0 ? b / a : 1;
}

std::string Tuner::measureDefault() {
  PairTimes times;
  if (std::string problem =
          compareInTurns(best, best, std::min(1.0, options.budget / 20), 3, times);
      !problem.empty())
    return problem;
  before = times.first;
  double all = 0;
  for (const auto &[name, kernel] : times.kernels)
    all += kernel.second;
  for (Kernel &kernel : kernels) {
    double sum = 0;
    for (const std::string &name : kernel.names)
      if (auto found = times.kernels.find(name); found != times.kernels.end())
        sum += found->second.second;
    kernel.share = all > 0 ? sum / all : 0;
    (void)ratioOf(kernel, times, &kernel.instead);
    kernel.seconds = kernel.instead;
  }
  return "";
}

std::string Tuner::writeRecords() {
  TuningRecords records;
  records.cpu = cpuName();
  for (const Kernel &kernel : kernels)
    if (kernel.tried > 0 || !kernel.best.empty()) {
      TuningRecord &record = records.records.emplace_back();
      record.kernel = kernel.hash;
      record.target = target;
      record.sizes = sizes();
      record.choices = kernel.best;
      record.tried = kernel.tried;
      record.seconds = kernel.seconds;
      record.instead = kernel.instead;
      record.comment = kernel.comment;
    }
  for (const TuningRecord &record : others.records)
    records.records.push_back(record);
  return writeFile(options.output, records.print());
}

// The kernels that take longest of those that have something left.
std::vector<Tuner::Trial> Tuner::propose() {
  std::vector<Kernel *> order;
  for (Kernel &kernel : kernels)
    if (kernel.share >= kLeastShare && kernel.tried < kernel.candidates.size())
      order.push_back(&kernel);
  std::stable_sort(order.begin(), order.end(),
                   [](const Kernel *a, const Kernel *b) { return a->share > b->share; });
  std::vector<Trial> trials;
  for (Kernel *kernel : order) {
    if (trials.size() == atOnce)
      break;
    Chosen chosen = kernel->best;
    for (const auto &[name, value] : kernel->candidates[kernel->tried])
      chosen[name] = value;
    trials.push_back({kernel, chosen});
  }
  return trials;
}

std::string Tuner::tryOut(std::vector<Trial> trials) {
  for (const Trial &trial : trials)
    ++trial.kernel->tried;
  Loaded candidate;
  std::string problem;
  do {
    std::map<std::string, Chosen> given = bestOfAll();
    for (const Trial &trial : trials)
      given[trial.kernel->hash] = trial.chosen;
    problem = compile(given, candidate);
    if (problem.empty())
      break;
    // What cannot be compiled is named; without a name any of them may be at fault.
    const size_t count = trials.size();
    std::erase_if(trials, [&](const Trial &trial) {
      return std::any_of(trial.kernel->names.begin(), trial.kernel->names.end(),
                         [&](const std::string &name) {
                           return problem.find("'" + name + "'") != std::string::npos;
                         });
    });
    if (trials.size() == count)
      trials.clear();
  } while (!trials.empty());
  if (trials.empty())
    return writeRecords();
  // As long as compiling takes, and no more than the time that is left.
  const double seconds = std::clamp(compileSeconds, 0.1, std::max(0.1, left() / 4));
  PairTimes times;
  if (problem = compareInTurns(best, candidate, seconds, 5, times); !problem.empty())
    return problem;
  measured += trials.size();
  std::vector<Trial> faster;
  for (const Trial &trial : trials)
    if (ratioOf(*trial.kernel, times) < kGain)
      faster.push_back(trial);
  if (!faster.empty()) {
    PairTimes again;
    if (problem = compareInTurns(best, candidate, 2 * seconds, 10, again); !problem.empty())
      return problem;
    bool isAny = false;
    for (const Trial &trial : faster) {
      Kernel &kernel = *trial.kernel;
      double time = 0;
      const double ratio = ratioOf(kernel, again, &time);
      if (ratio >= kKeptGain)
        continue;
      isAny = true;
      say(kernel.comment + ": " + formatSeconds(time / ratio) + " -> " + formatSeconds(time) +
          " (" + print(trial.chosen) + ")");
      kernel.best = trial.chosen;
      kernel.seconds = time;
    }
    if (isAny)
      if (problem = compile(bestOfAll(), best); !problem.empty())
        return problem;
  }
  // Rounds are short beside the budget.
  if (compileSeconds < options.budget / 20)
    atOnce = std::min<size_t>(atOnce * 2, 64);
  else if (compileSeconds > options.budget / 6)
    atOnce = std::max<size_t>(1, atOnce / 2);
  return writeRecords();
}

// What does not hold against the rules' own choice, measured anew, goes.
std::string Tuner::verify() {
  const auto isTuned = [&] {
    return std::any_of(kernels.begin(), kernels.end(),
                       [](const Kernel &kernel) { return !kernel.best.empty(); });
  };
  Loaded byRules;
  if (std::string problem = compile({}, byRules); !problem.empty())
    return problem;
  const double seconds = std::clamp(options.budget / 20, 0.2, 5.0);
  PairTimes times;
  for (unsigned round = 0; round < 3 && isTuned(); ++round) {
    if (std::string problem = compareInTurns(byRules, best, seconds, 10, times); !problem.empty())
      return problem;
    bool isChanged = false;
    // The last time the run as a whole decides.
    const bool isSlower = round == 2 && times.second > times.first;
    for (Kernel &kernel : kernels) {
      if (kernel.best.empty())
        continue;
      double time = 0;
      const double ratio = ratioOf(kernel, times, &time);
      if (ratio < kKeptGain && !isSlower) {
        kernel.seconds = time;
        kernel.instead = time / ratio;
        continue;
      }
      say(kernel.comment + ": by rules after all");
      kernel.best.clear();
      kernel.seconds = kernel.instead;
      isChanged = true;
    }
    if (!isChanged)
      break;
    if (std::string problem = compile(bestOfAll(), best); !problem.empty())
      return problem;
  }
  before = times.rounds ? times.first : before;
  after = isTuned() ? times.second : before;
  return writeRecords();
}

std::string Tuner::run() {
  start = now();
  target = options.target.empty() || options.target == "host" ? compiler.compiler_host_target()
                                                              : options.target;
  Progress progress(options.isQuiet);
  progress.show("compiling by rules", 0);
  std::string report;
  std::string problem = compile({}, best, &report);
  if (problem.empty())
    problem = findKernels(report);
  if (problem.empty())
    problem = measureDefault();
  if (problem.empty())
    problem = readRecords();
  if (problem.empty() && std::any_of(kernels.begin(), kernels.end(),
                                     [](const Kernel &kernel) { return !kernel.best.empty(); }))
    problem = compile(bestOfAll(), best);
  // The end wants a compilation and some runs.
  while (problem.empty() && left() > options.budget / 5 + compileSeconds) {
    std::vector<Trial> trials = propose();
    if (trials.empty()) {
      say("nothing is left to try");
      break;
    }
    progress.show(("trying " + trials.front().kernel->comment).c_str(),
                  std::min(1.0, (now() - start) / options.budget));
    problem = tryOut(std::move(trials));
    progress.clear();
  }
  progress.clear();
  return problem.empty() ? verify() : problem;
}

json Tuner::summary() const {
  json list = json::array();
  for (const Kernel &kernel : kernels)
    if (!kernel.best.empty())
      list.push_back({{"kernel", kernel.comment},
                      {"hash", kernel.hash},
                      {"choices", kernel.best},
                      {"seconds", kernel.seconds},
                      {"instead", kernel.instead}});
  return {{"schema", 1},     {"records", options.output}, {"measured", measured},
          {"tuned", list},   {"kernels", kernels.size()}, {"seconds_by_rules", before},
          {"seconds", after}};
}

} // namespace tessera::tools
