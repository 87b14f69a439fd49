//===- CInterface.cpp - The compiler's C interface ------------------------------------------===//
#include "compiler/api/Compiler.h"
#include "compiler/api/Suggest.h"
#include "compiler/api/tessera_compiler.h"

#include <cstring>
#include <new>

struct tessera_compilation {
  tessera::CompileResult result;
};

namespace {

constexpr tessera::EmitKind kKinds[] = {tessera::EmitKind::Module,  tessera::EmitKind::Graph,
                                        tessera::EmitKind::Kernel,  tessera::EmitKind::Schedule,
                                        tessera::EmitKind::Program, tessera::EmitKind::Loops,
                                        tessera::EmitKind::LLVM,    tessera::EmitKind::Assembly};
const std::vector<std::string> kKindNames = {"module",  "graph", "kernel", "schedule",
                                             "program", "loops", "llvm",   "asm"};

void convert(const tessera_calibration &given, tessera::CalibrationOptions &to) {
  tessera_calibration from{};
  std::memcpy(&from, &given, given.size < sizeof(from) ? given.size : sizeof(from));
  for (uint32_t i = 0; i < from.sample_count; ++i) {
    const tessera_calibration_sample &sample = from.samples[i];
    tessera::CalibrationSample &copy = to.samples.emplace_back();
    copy.source = sample.source ? sample.source : "sample " + std::to_string(i);
    for (uint32_t k = 0; k < sample.tensor_count; ++k) {
      const tessera_calibration_tensor &entry = sample.tensors[k];
      const tessera_reference_tensor &tensor = entry.tensor;
      const auto *data = static_cast<const uint8_t *>(tensor.data);
      tessera::HostTensor elements{tensor.type, {tensor.dims, tensor.dims + tensor.rank}, {}};
      if (tensor.bytes)
        elements.data.assign(data, data + tensor.bytes);
      copy.tensors.push_back({entry.input,
                              entry.source ? entry.source : copy.source + ": " + entry.input,
                              std::move(elements)});
    }
  }
  if (from.method)
    to.method = from.method;
  if (from.has_max_error)
    to.maxError = from.max_error;
  to.weightsPerTensor = from.weights_per_tensor != 0;
}

void convert(const tessera_prediction &given, tessera::PredictionOptions &to) {
  tessera_prediction from{};
  std::memcpy(&from, &given, given.size < sizeof(from) ? given.size : sizeof(from));
  if (from.machine)
    to.machine = from.machine;
  to.requireRoofline = from.require_roofline;
  for (uint32_t i = 0; i < from.shape_count; ++i) {
    const tessera_input_shape &shape = from.shapes[i];
    to.shapes.push_back({shape.input, {shape.extents, shape.extents + shape.rank}});
  }
}

/// "" or one sentence.
std::string convert(const tessera_compile_options *given, tessera::CompileOptions &to) {
  // Fields that a caller compiled with an older header does not have are 0.
  tessera_compile_options from{};
  if (given)
    std::memcpy(&from, given, given->size < sizeof(from) ? given->size : sizeof(from));
  to.jobs = from.jobs;
  for (uint32_t i = 0; i < from.target_count; ++i)
    to.targets.push_back(from.targets[i]);
  for (uint32_t i = 0; i < from.dim_count; ++i)
    to.dims[from.dims[i].name] = from.dims[i].value;
  for (uint32_t i = 0; i < from.dump_after_count; ++i)
    to.dumpAfter.push_back(from.dump_after[i]);
  if (from.schedule_file)
    to.scheduleFile = from.schedule_file;
  to.cacheFolder = from.cache_folder ? from.cache_folder : tessera::getDefaultCacheFolder();
  to.checkOnly = from.check_only != 0;
  to.verifyNumerically = from.verify_numerically != 0;
  to.report = from.report != 0;
  if (from.quantize)
    to.quantize = from.quantize;
  if (from.precision)
    to.precision = from.precision;
  if (from.convolution)
    to.convolution = from.convolution;
  if (from.operators_file)
    to.operators = from.operators_file;
  if (from.records_file)
    to.recordsFile = from.records_file;
  if (from.prediction)
    convert(*from.prediction, to.prediction);
  if (from.calibration) {
    if (from.calibration->has_max_error && !(from.calibration->max_error >= 0))
      return "calibration: a largest error is a number that is not negative";
    convert(*from.calibration, to.calibration);
  }
  if (from.progress)
    to.progress = [call = from.progress, user = from.user](const std::string &stage,
                                                           double fraction) {
      call(user, stage.c_str(), fraction);
    };
  if (!from.emit)
    return {};
  for (size_t i = 0; i < kKindNames.size(); ++i)
    if (kKindNames[i] == from.emit) {
      to.emit = kKinds[i];
      return {};
    }
  return tessera::suggest("unknown --emit '" + std::string(from.emit) + "'", from.emit, kKindNames);
}

template <typename Compile>
tessera_compilation *compile(const tessera_compile_options *given, Compile &&run) {
  auto *compilation = new (std::nothrow) tessera_compilation;
  if (!compilation)
    return nullptr;
  tessera::CompileOptions options;
  if (std::string problem = convert(given, options); !problem.empty()) {
    compilation->result.code = tessera::CompileCode::InvalidOption;
    compilation->result.error = problem + "\n";
    return compilation;
  }
  compilation->result = run(options);
  return compilation;
}

} // namespace

extern "C" {

const char *tessera_compile_code_name(tessera_compile_code code) {
  switch (code) {
  case TESSERA_COMPILE_OK: return "OK";
  case TESSERA_COMPILE_INVALID_OPTION: return "INVALID_OPTION";
  case TESSERA_COMPILE_FILE_ERROR: return "FILE_ERROR";
  case TESSERA_COMPILE_NOT_A_MODEL: return "NOT_A_MODEL";
  case TESSERA_COMPILE_INVALID_MODEL: return "INVALID_MODEL";
  case TESSERA_COMPILE_UNSUPPORTED: return "UNSUPPORTED";
  case TESSERA_COMPILE_CODEGEN_FAILED: return "CODEGEN_FAILED";
  case TESSERA_COMPILE_INTERNAL: return "INTERNAL";
  }
  return "UNKNOWN";
}

const char *tessera_compiler_version(void) { return "0.1.0"; }
uint32_t tessera_compiler_api_version(void) { return TESSERA_COMPILER_API_VERSION; }
const char *tessera_compiler_host_target(void) {
  static const std::string level = tessera::getHostLevel();
  return level.c_str();
}

tessera_compilation *tessera_compile_file(const char *path,
                                          const tessera_compile_options *options) {
  return compile(options, [&](const tessera::CompileOptions &converted) {
    return tessera::compileFile(path, converted);
  });
}
tessera_compilation *tessera_compile_bytes(const void *data, uint64_t size, const char *name,
                                           const char *folder,
                                           const tessera_compile_options *options) {
  return compile(options, [&](const tessera::CompileOptions &converted) {
    return tessera::compileBytes({static_cast<const char *>(data), size}, name ? name : "model",
                                 folder ? folder : "", converted);
  });
}
tessera_compilation *tessera_compile_object(const void *module, uint64_t size,
                                            const tessera_object_options *given) {
  auto *compilation = new (std::nothrow) tessera_compilation;
  if (!compilation)
    return nullptr;
  tessera_object_options from{};
  if (given)
    std::memcpy(&from, given, given->size < sizeof(from) ? given->size : sizeof(from));
  tessera::ObjectOptions options;
  for (uint32_t i = 0; i < from.dim_count; ++i)
    options.dims[from.dims[i].name] = from.dims[i].value;
  if (from.prefix)
    options.prefix = from.prefix;
  if (from.level)
    options.level = from.level;
  compilation->result = tessera::compileObject({static_cast<const char *>(module), size}, options);
  return compilation;
}
const char *tessera_compilation_header(const tessera_compilation *compilation) {
  return compilation->result.header.c_str();
}
void tessera_compilation_destroy(tessera_compilation *compilation) { delete compilation; }

tessera_compile_code tessera_compilation_code(const tessera_compilation *compilation) {
  return tessera_compile_code(compilation->result.code);
}
const char *tessera_compilation_message(const tessera_compilation *compilation) {
  return compilation->result.error.c_str();
}
const void *tessera_compilation_bytes(const tessera_compilation *compilation) {
  return compilation->result.bytes.data();
}
uint64_t tessera_compilation_size(const tessera_compilation *compilation) {
  return compilation->result.bytes.size();
}

const char *tessera_compilation_target(const tessera_compilation *compilation, uint32_t index) {
  const auto &targets = compilation->result.targets;
  return index < targets.size() ? targets[index].c_str() : nullptr;
}
uint64_t tessera_compilation_kernel_count(const tessera_compilation *compilation) {
  return compilation->result.kernels;
}
uint64_t tessera_compilation_cached_kernel_count(const tessera_compilation *compilation) {
  return compilation->result.cachedKernels;
}
const char *tessera_compilation_step(const tessera_compilation *compilation, uint32_t index,
                                     double *seconds) {
  const auto &timings = compilation->result.timings;
  if (index >= timings.size())
    return nullptr;
  if (seconds)
    *seconds = timings[index].seconds;
  return timings[index].step.c_str();
}

uint32_t tessera_compilation_unsupported_count(const tessera_compilation *compilation) {
  return uint32_t(compilation->result.unsupported.size());
}
void tessera_compilation_unsupported(const tessera_compilation *compilation, uint32_t index,
                                     tessera_unsupported *unsupported) {
  const tessera::UnsupportedNodes &row = compilation->result.unsupported[index];
  *unsupported = {row.name.c_str(), row.opset, row.count, row.firstNode.c_str(),
                  row.reason.c_str()};
}
uint64_t tessera_compilation_node_count(const tessera_compilation *compilation,
                                        uint64_t *unexamined) {
  if (unexamined)
    *unexamined = compilation->result.unexamined;
  return compilation->result.nodes;
}

uint32_t tessera_compilation_weight_count(const tessera_compilation *compilation) {
  return uint32_t(compilation->result.weights.size());
}
void tessera_compilation_weight(const tessera_compilation *compilation, uint32_t index,
                                tessera_quantized_weight *weight) {
  const tessera::QuantizedWeight &row = compilation->result.weights[index];
  *weight = {row.place.c_str(), row.type.c_str(), uint64_t(row.bytes), uint64_t(row.newBytes),
             row.reason.c_str()};
}

void tessera_compilation_records(const tessera_compilation *compilation, uint64_t *used,
                                 uint64_t *stale) {
  *used = compilation->result.records;
  *stale = compilation->result.staleRecords;
}
const char *tessera_compilation_report(const tessera_compilation *compilation) {
  return compilation->result.report.c_str();
}
uint32_t tessera_compilation_kernel_types_count(const tessera_compilation *compilation) {
  return uint32_t(compilation->result.kernelTypes.size());
}
void tessera_compilation_kernel_types(const tessera_compilation *compilation, uint32_t index,
                                      tessera_compiled_kernel *kernel) {
  const tessera::KernelTypes &row = compilation->result.kernelTypes[index];
  *kernel = {row.target.c_str(), row.kernel.c_str(), row.reads.c_str(), row.sums.c_str(),
             row.writes.c_str()};
}

uint32_t tessera_compilation_layer_count(const tessera_compilation *compilation) {
  return uint32_t(compilation->result.layers.size());
}
void tessera_compilation_layer(const tessera_compilation *compilation, uint32_t index,
                               tessera_quantized_layer *layer) {
  const tessera::LayerChoice &row = compilation->result.layers[index];
  *layer = {row.name.c_str(), row.cost, row.reason.c_str()};
}
uint32_t tessera_compilation_accuracy_count(const tessera_compilation *compilation) {
  return uint32_t(compilation->result.accuracy.size());
}
void tessera_compilation_accuracy(const tessera_compilation *compilation, uint32_t index,
                                  tessera_output_accuracy *accuracy) {
  const tessera::OutputAccuracy &row = compilation->result.accuracy[index];
  *accuracy = {row.name.c_str(), row.relativeError, row.largestError, row.largestNumber};
}

} // extern "C"
