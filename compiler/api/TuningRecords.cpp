//===- TuningRecords.cpp - What a search found for schedules, as text ------------------------===//
#include "compiler/api/TuningRecords.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <set>

namespace tessera {
namespace {

constexpr std::string_view kHeader = "tessera-tune ";

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  size_t begin = 0;
  while (begin <= text.size()) {
    const size_t end = std::min(text.find(separator, begin), text.size());
    if (end > begin)
      parts.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

bool toNumber(const std::string &text, double &value) {
  char *end = nullptr;
  value = std::strtod(text.c_str(), &end);
  return !text.empty() && *end == 0 && std::isfinite(value) && value >= 0;
}

bool toWhole(const std::string &text, int64_t &value) {
  double number = 0;
  constexpr double kMost = 1e15;
  if (!toNumber(text, number) || number > kMost || number != std::floor(number))
    return false;
  value = int64_t(number);
  return true;
}

/// "" or what is wrong.
std::string parseChoices(const std::string &text, std::map<std::string, int64_t> &choices) {
  if (text == "-")
    return "";
  for (const std::string &part : split(text, ',')) {
    const size_t equals = part.find('=');
    int64_t value = 0;
    if (equals == std::string::npos || equals == 0 || !toWhole(part.substr(equals + 1), value))
      return "'" + part + "' is no choice: expected NAME=NUMBER";
    if (!choices.emplace(part.substr(0, equals), value).second)
      return "'" + part.substr(0, equals) + "' is chosen twice";
  }
  return "";
}

std::string parseRecord(const std::string &line, TuningRecord &record) {
  const std::vector<std::string> words = split(line, ' ');
  if (words.size() % 2)
    return "expected pairs of a word and its value";
  std::set<std::string> seen;
  for (size_t i = 0; i < words.size(); i += 2) {
    const std::string &key = words[i], &value = words[i + 1];
    int64_t whole = 0;
    if (!seen.insert(key).second)
      return "'" + key + "' stands there twice";
    if (key == "kernel") {
      record.kernel = value;
    } else if (key == "target") {
      record.target = value;
    } else if (key == "sizes") {
      record.sizes = value == "-" ? "" : value;
    } else if (key == "tried") {
      if (!toWhole(value, whole))
        return "'" + value + "' is no number of candidates";
      record.tried = uint64_t(whole);
    } else if (key == "choose") {
      if (std::string problem = parseChoices(value, record.choices); !problem.empty())
        return problem;
    } else if (key == "seconds" || key == "instead") {
      if (!toNumber(value, key == "seconds" ? record.seconds : record.instead))
        return "'" + value + "' is no time";
    } else {
      return "a record has no '" + key + "'";
    }
  }
  for (const char *key : {"kernel", "target", "choose"})
    if (!seen.count(key))
      return "a record needs '" + std::string(key) + "'";
  const bool isHash = record.kernel.size() == 16 &&
                      record.kernel.find_first_not_of("0123456789abcdef") == std::string::npos;
  return isHash ? "" : "'" + record.kernel + "' is no kernel: expected 16 hexadecimal digits";
}

} // namespace

std::string TuningRecords::parse(std::string_view text) {
  cpu.clear();
  records.clear();
  if (text.find('\0') != std::string_view::npos || !text.starts_with(kHeader))
    return "line 1: these are no records of tessera-tune: expected '" + std::string(kHeader) +
           std::to_string(kVersion) + "'";
  unsigned number = 0;
  std::string comment;
  std::set<std::string> seen;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string line(text.substr(begin, end - begin));
    begin = end + 1;
    ++number;
    while (!line.empty() && (line.back() == '\r' || line.back() == ' '))
      line.pop_back();
    const std::string place = "line " + std::to_string(number) + ": ";
    if (number == 1) {
      const std::string version = line.substr(kHeader.size());
      if (version != std::to_string(kVersion))
        return place + "records of version '" + version + "', this Tessera reads version " +
               std::to_string(kVersion) + "; run tessera-tune again";
    } else if (line.empty() || line[0] == '#') {
      comment = line.size() > 2 ? line.substr(2) : "";
    } else if (line.starts_with("cpu ")) {
      cpu = line.substr(4);
    } else {
      TuningRecord record;
      if (std::string problem = parseRecord(line, record); !problem.empty())
        return place + problem;
      if (!seen.insert(record.kernel + " " + record.target).second)
        return place + "a second record for kernel " + record.kernel + " and target " +
               record.target;
      record.comment = comment;
      record.line = number;
      comment.clear();
      records.push_back(std::move(record));
    }
  }
  return "";
}

std::string TuningRecords::print() const {
  std::string text = std::string(kHeader) + std::to_string(kVersion) + "\ncpu " + cpu + "\n";
  for (const TuningRecord &record : records) {
    if (!record.comment.empty())
      text += "# " + record.comment + "\n";
    std::string choices;
    for (const auto &[name, value] : record.choices)
      choices += (choices.empty() ? "" : ",") + name + "=" + std::to_string(value);
    char times[96];
    std::snprintf(times, sizeof(times), " seconds %.4g instead %.4g", record.seconds,
                  record.instead);
    text += "kernel " + record.kernel + " target " + record.target + " sizes " +
            (record.sizes.empty() ? "-" : record.sizes) + " tried " + std::to_string(record.tried) +
            " choose " + (choices.empty() ? "-" : choices) + times + "\n";
  }
  return text;
}

} // namespace tessera
