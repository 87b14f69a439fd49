// A page (one HTML file, nothing loaded from elsewhere) that shows what a compilation made of a
// model: the graph of kernels, what each computes, moves and saves, its schedule and loops, why it
// is so, and its predicted and measured time beside the roofline.
#ifndef TESSERA_TOOLS_TESSERA_COMPILE_REPORTPAGE_H
#define TESSERA_TOOLS_TESSERA_COMPILE_REPORTPAGE_H

#include "tools/common/CompilerLibrary.h"
#include "tools/common/Files.h"

#include <string>
#include <vector>

namespace tessera::tools {

struct ReportOptions {
  std::string model;               // as the page calls it
  std::vector<std::string> inputs; // NAME=2x3xf32: what is measured with; see bindInputs
  uint32_t threads = 0;            // 0: all CPUs
  std::string machine;             // what times were predicted with
};

// Measures the module where this machine can run it (a second or so), and writes the page. "" or
// one sentence; a module that cannot run here is no problem: the page says so.
[[nodiscard]] std::string writeReport(const CompilerLibrary &compiler,
                                      const tessera_compilation *compilation,
                                      const ReportOptions &options, OutputFile &page);

} // namespace tessera::tools

#endif // TESSERA_TOOLS_TESSERA_COMPILE_REPORTPAGE_H
