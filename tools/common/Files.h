// Files as tools write them: under a temporary name, then renamed, so that nothing leaves a half
// file.
#ifndef TESSERA_TOOLS_COMMON_FILES_H
#define TESSERA_TOOLS_COMMON_FILES_H

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::tools {

// A file that will be written: `open` before the work that makes its contents, so that a place that
// cannot be written to is known first. What was not committed is removed, also by an interrupt (see
// handleInterrupts).
class OutputFile {
public:
  OutputFile() = default;
  ~OutputFile() { discard(); }
  OutputFile(const OutputFile &) = delete;
  OutputFile &operator=(const OutputFile &) = delete;

  // All return "" or one sentence.
  [[nodiscard]] std::string open(const std::string &path);
  [[nodiscard]] std::string append(const void *data, size_t size);
  // Appends, and gives the file its name.
  [[nodiscard]] std::string commit(const void *data, size_t size);
  void discard();
  // What is committed may be executed by whom it may be read by.
  bool isProgram = false;

private:
  std::string failed(const char *what);

  std::string path, temporary;
  std::FILE *file = nullptr;
  int slot = -1;
};

[[nodiscard]] std::string writeFile(const std::string &path, const void *data, size_t size);
inline std::string writeFile(const std::string &path, std::string_view text) {
  return writeFile(path, text.data(), text.size());
}
inline std::string writeFile(const std::string &path, const std::vector<uint8_t> &bytes) {
  return writeFile(path, bytes.data(), bytes.size());
}

// The whole file. "" or one sentence.
[[nodiscard]] std::string readFile(const std::string &path, std::string &contents);

// Ctrl-C and SIGTERM remove the files that are being written, give the terminal its line back, and
// end the process with 128 + the signal's number.
void handleInterrupts();

} // namespace tessera::tools

#endif // TESSERA_TOOLS_COMMON_FILES_H
