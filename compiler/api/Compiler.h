//===- Compiler.h - From a model file to a module -------------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_API_COMPILER_H
#define TESSERA_COMPILER_API_COMPILER_H

#include "compiler/api/CalibrationSamples.h"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

/// What compileFile produces.
enum class EmitKind { Module, Graph, Kernel, Schedule, Program, Loops, LLVM, Assembly };

/// Who can do something about a failure; numbers are never reused. The C interface has the same.
enum class CompileCode : int32_t {
  Ok = 0,
  InvalidOption = 100, ///< a target, pass, symbol or schedule that does not exist or fit
  FileError = 200,     ///< a file cannot be read or written
  NotAModel = 201,
  InvalidModel = 202, ///< wrong, or it asks for something that its frontend does not have
  Unsupported = 203,  ///< read, but it cannot be lowered
  CodegenFailed = 300,
  Internal = 900
};

/// How `quantize` finds ranges.
struct CalibrationOptions {
  std::vector<CalibrationSample> samples;
  std::string method;   ///< "min-max" (""), "percentile", "percentile=99.9", "entropy"
  double maxError = -1; ///< the most costly layers are left until outputs are within; < 0: none
  bool weightsPerTensor = false;
};

/// What an input is predicted with.
struct InputShape {
  std::string input;
  std::vector<int64_t> extents;
};

/// What the times of kernels are predicted for.
struct PredictionOptions {
  std::string machine; ///< rates as text (compiler/scheduling/Machine.h); "": nothing is predicted
  std::vector<InputShape> shapes;
  double requireRoofline = 0; ///< a kernel predicted below this share of its roofline is an error
};

struct CompileOptions {
  std::vector<std::string> targets; ///< levels ("x86-64-v3"), or "host"; empty: host
  EmitKind emit = EmitKind::Module;
  std::map<std::string, int64_t> dims; ///< symbols that get a value
  std::string recordsFile;             ///< of tessera-tune: what schedules choose instead; "": none
  std::string scheduleFile;           ///< schedules (text) that replace the default ones, by kernel
  std::vector<std::string> dumpAfter; ///< passes after which the IR goes to standard error
  unsigned jobs = 0;                  ///< kernels compiled at a time; 0: one per core
  std::string cacheFolder;            ///< "": no cache
  /// Imports the model and forms kernels as far as possible, compiles nothing, and fills
  /// CompileResult::unsupported.
  bool checkOnly = false;
  /// Called with what is being done, and how much of all (0 to 1).
  std::function<void(const std::string &stage, double fraction)> progress;
  /// Runs functions before and after every pass on generated inputs (slow); a change is an error.
  bool verifyNumerically = false;
  std::string quantize;           ///< "int4", ...: compiler/pipelines/Quantization.h; "": nothing
  CalibrationOptions calibration; ///< of `quantize` to int8
  /// "bf16" or "f16": operands of contractions and convolutions are rounded to it; sums keep their
  /// type. "": nothing is.
  std::string precision;
  /// "winograd": convolutions of 3x3 by products of matrices where an estimate says that this is
  /// faster ("winograd-always": wherever it is possible), for CPUs; results are rounded otherwise.
  /// "" or "direct": as they are.
  std::string convolution;
  bool report = false; ///< fills CompileResult::report
  /// A file with functions in the textual IR for operators of an ONNX model: @"com.example.Gate".
  std::string operators;
  PredictionOptions prediction;
};

/// Nodes of a model that cannot be compiled, for one reason.
struct UnsupportedNodes {
  std::string name;  ///< of the operator
  int64_t opset = 0; ///< 0: the model has no operator sets
  size_t count = 0;
  std::string firstNode, reason;
};

/// What quantization did with one weight.
struct QuantizedWeight {
  std::string place, type;
  int64_t bytes, newBytes;
  std::string reason; ///< why it was left; empty: it was not
};

/// How far an output of the model in 8 bits is from the model's own, over all samples.
struct OutputAccuracy {
  std::string name;
  double relativeError; ///< root mean square of the differences over that of the output
  double largestError;  ///< |difference|
  double largestNumber; ///< |output|
};

/// What quantization did with the products that read one tensor, or with one product that it left.
struct LayerChoice {
  std::string name;
  double cost;        ///< the largest relative error of an output when only this layer has 8 bits
  std::string reason; ///< why it was left; empty: it was not
};

/// In what types one kernel of one target computes: "f32 bf16"; "" for none.
struct KernelTypes {
  std::string target, kernel;
  std::string reads, sums, writes;
};

struct CompileTiming {
  std::string step;
  double seconds;
};

struct CompileResult {
  CompileCode code = CompileCode::Ok;
  std::string error;          ///< sentences with places, one a line; empty: it worked
  std::vector<uint8_t> bytes; ///< the module, or text, or an object
  std::string header;         ///< of an object
  std::vector<std::string> targets;
  std::vector<CompileTiming> timings;
  size_t kernels = 0, cachedKernels = 0;
  size_t records = 0, staleRecords = 0; ///< that kernels use; for these targets that fit none
  std::vector<KernelTypes> kernelTypes; ///< of a module
  std::vector<QuantizedWeight> weights; ///< with `quantize`
  // With `quantize` to int8: the layers that cost most first, then what was left from the start.
  std::vector<LayerChoice> layers;
  std::vector<OutputAccuracy> accuracy; ///< with calibration
  size_t samples = 0;
  std::string report; ///< JSON (compiler/api/Report.h), of a module
  // Filled by checkOnly.
  std::vector<UnsupportedNodes> unsupported;
  size_t nodes = 0, unexamined = 0; ///< of the model; those that depend on unsupported ones
};

/// The best level this machine can run ("x86-64-v4").
std::string getHostLevel();

/// The default of tools and bindings for CompileOptions::cacheFolder.
std::string getDefaultCacheFolder();

/// Compiles a model. The format is recognised by content: ONNX or the textual IR.
CompileResult compileFile(const std::string &path, const CompileOptions &options);
/// The same for a model in memory; `name` is for messages, `folder` ("": the current one) where
/// files that it refers to are.
CompileResult compileBytes(std::string_view bytes, const std::string &name,
                           const std::string &folder, const CompileOptions &options);

struct ObjectOptions {
  std::string prefix = "model";        ///< of every name; made an identifier
  std::map<std::string, int64_t> dims; ///< values of extents that the module leaves open
  std::string level;                   ///< the variant; "": the module's first for a CPU
};

/// A module becomes an ELF object and a C header (compiler/standalone).
CompileResult compileObject(std::string_view module, const ObjectOptions &options);

} // namespace tessera

#endif
