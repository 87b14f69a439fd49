//===- TuningRecords.h - What a search found for schedules, as text -------------*- C++ -*-===//
// The file that tessera-tune writes and compilations read. Needs no MLIR: tools share it.
//
//   tessera-tune 1
//   cpu AMD EPYC 9B45
//   # k3_contract: /model/MatMul
//   kernel 5f0c1a2b3c4d5e6f target x86-64-v4 sizes B=1,S=128 tried 14 choose
//   acc.rows=6,acc.vectors=4
//       seconds 1.23e-05 instead 1.41e-05           (one line)
//
// A kernel is named by a hash of its structure, so that a record fits equal kernels of any model
// and none that has changed. `choose -`: the rules' own choice was the best of those tried.
// `sizes`: what it was measured with. Lines that begin with # are for people.
#ifndef TESSERA_COMPILER_API_TUNINGRECORDS_H
#define TESSERA_COMPILER_API_TUNINGRECORDS_H

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

struct TuningRecord {
  std::string kernel, target, sizes;
  std::map<std::string, int64_t> choices; ///< "acc.rows": instead of what the rules choose
  uint64_t tried = 0;                     ///< candidates that were measured
  double seconds = 0, instead = 0;        ///< of a launch, measured so and by the rules' choice
  std::string comment;                    ///< what people call it
  unsigned line = 0;                      ///< of the file
};

struct TuningRecords {
  static constexpr unsigned kVersion = 1;
  std::string cpu; ///< that they were measured on
  std::vector<TuningRecord> records;

  /// "" or a sentence with the line. What it cannot use, it refuses.
  std::string parse(std::string_view text);
  std::string print() const;
};

} // namespace tessera

#endif
