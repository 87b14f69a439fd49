/* Tessera's compiler as a library: model files in, modules (.tsm) out. The stable C interface; the
 * library is libtessera_compiler.so, which exports nothing else. tessera.h runs the modules.
 *
 *   tessera_compilation *done = tessera_compile_file("model.onnx", NULL);
 *   if (tessera_compilation_code(done) != TESSERA_COMPILE_OK)
 *     puts(tessera_compilation_message(done));
 *   else
 *     fwrite(tessera_compilation_bytes(done), 1, tessera_compilation_size(done), file);
 *   tessera_compilation_destroy(done);
 *
 * Errors     A compilation always comes back, or NULL when there is no memory even for that; its
 *            code says whether it worked. Nothing is printed (but what dump_after asks for), no
 *            exception leaves, no signal handler is installed.
 * Threads    Compilations are independent: any number at once, from any threads.
 * Processes  Machine code is made in child processes, the program tessera-kernelc beside the
 * library
 *            ($TESSERA_KERNELC names another).
 * Ownership  A compilation owns everything that its functions return. */
#ifndef TESSERA_COMPILER_API_TESSERA_COMPILER_H
#define TESSERA_COMPILER_API_TESSERA_COMPILER_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define TESSERA_COMPILER_API
#else
#define TESSERA_COMPILER_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Raised when something here is added; nothing is ever removed or changed. */
#define TESSERA_COMPILER_API_VERSION 13

typedef int32_t tessera_compile_code;
enum {
  TESSERA_COMPILE_OK = 0,
  TESSERA_COMPILE_INVALID_OPTION = 100, /* a target, pass, extent or schedule that does not fit */
  TESSERA_COMPILE_FILE_ERROR = 200,
  TESSERA_COMPILE_NOT_A_MODEL = 201,
  TESSERA_COMPILE_INVALID_MODEL =
      202,                           /* wrong, or with something that its frontend does not have */
  TESSERA_COMPILE_UNSUPPORTED = 203, /* read, but it cannot be lowered */
  TESSERA_COMPILE_CODEGEN_FAILED = 300,
  TESSERA_COMPILE_INTERNAL = 900 /* a bug in Tessera */
};
/* "INVALID_MODEL"; "UNKNOWN" for a number that is no code. */
TESSERA_COMPILER_API const char *tessera_compile_code_name(tessera_compile_code code);

TESSERA_COMPILER_API const char *tessera_compiler_version(void); /* "0.1.0" */
TESSERA_COMPILER_API uint32_t tessera_compiler_api_version(void);
/* The best level this machine can run, "x86-64-v3": what target "host" means. */
TESSERA_COMPILER_API const char *tessera_compiler_host_target(void);

/* A symbolic extent that gets a value. */
typedef struct tessera_compile_dim {
  const char *name;
  int64_t value;
} tessera_compile_dim;

/* Elements in row-major order; `type` by the name that tessera_type_name gives it. */
typedef struct tessera_reference_tensor {
  const char *type;
  uint32_t rank;
  const int64_t *dims;
  const void *data;
  uint64_t bytes;
} tessera_reference_tensor;

/* Since version 4: inputs that a model is run with, to find the ranges of what it computes. */
typedef struct tessera_calibration_tensor {
  const char *input;  /* the model's name */
  const char *source; /* where it is from, for messages: a file */
  tessera_reference_tensor tensor;
} tessera_calibration_tensor;
typedef struct tessera_calibration_sample {
  const char *source;
  uint32_t tensor_count; /* one for each input, in any order */
  const tessera_calibration_tensor *tensors;
} tessera_calibration_sample;
/* Set `size` to sizeof(tessera_calibration) and everything else to 0 for the defaults. */
typedef struct tessera_calibration {
  uint32_t size;
  /* Run in order; variables keep their values. Extents may differ. */
  uint32_t sample_count;
  const tessera_calibration_sample *samples;
  /* "min-max" (NULL); "percentile" or "percentile=99.9", the share of numbers that is kept;
   * "entropy". */
  const char *method;
  /* With has_max_error: layers that cost most are left as they are until the relative error of each
   * output (see tessera_output_accuracy) is at most this. */
  double max_error;
  uint32_t has_max_error;
  uint32_t weights_per_tensor; /* 1: one scale for a weight, not one for each output channel */
} tessera_calibration;

/* Since version 10: what the times of kernels are predicted for. Set `size` to
 * sizeof(tessera_prediction) and everything else to 0 for the defaults. */
typedef struct tessera_input_shape {
  const char *input; /* the model's name */
  uint32_t rank;
  const int64_t *extents;
} tessera_input_shape;
typedef struct tessera_prediction {
  uint32_t size;
  /* Extents that no shape gives count as the least they may be. */
  uint32_t shape_count;
  const tessera_input_shape *shapes;
  /* What the machine can do, "flops=1.5e11 memory_rate=3e10 ..." (compiler/scheduling/Machine.h);
   * fields that are not there have the values of a plain machine. */
  const char *machine;
  /* Above 0: kernels of CPUs that are predicted below this share of their roofline are an error,
   * which names them with the nodes of the model and why. Every extent then needs a value. */
  double require_roofline;
} tessera_prediction;

/* Set `size` to sizeof(tessera_compile_options) and everything else to 0 for the defaults. */
typedef struct tessera_compile_options {
  uint32_t size;
  uint32_t jobs; /* kernels compiled at a time; 0: one per core */
  /* Levels ("x86-64-v3") or "host"; one variant of the module each. None: host. */
  const char *const *targets;
  uint32_t target_count;
  uint32_t dim_count;
  const tessera_compile_dim *dims;
  /* "module" (NULL), or text: "graph", "kernel", "schedule", "program", "loops", "llvm",
   * "asm". */
  const char *emit;
  const char *schedule_file; /* schedules (text) that replace the default ones; NULL: none */
  /* Where compiled kernels are kept. NULL: $TESSERA_CACHE_DIR, $XDG_CACHE_HOME/tessera or
   * ~/.cache/tessera. "": nowhere. */
  const char *cache_folder;
  /* Passes after which the IR goes to standard error. */
  const char *const *dump_after;
  uint32_t dump_after_count;
  /* 1: compile nothing, say what of the model is not supported. The code is then OK also when there
   * is something: see tessera_compilation_unsupported_count. */
  uint32_t check_only;
  /* Called from the threads of the compiler, one at a time, with what is being done and how much of
   * all (0 to 1). */
  void (*progress)(void *user, const char *stage, double fraction);
  void *user;
  /* Since version 2. 1: runs functions before and after every pass on generated inputs (slow); a
   * pass that changes a value is an error. */
  uint32_t verify_numerically;
  /* Since version 3. How constant weights of products are stored: "int8-weights", "int4", "nf4",
   * "mxfp4", "fp8-e4m3", ... (an unknown one is an error that lists all). They are decoded where
   * they are read. NULL: as they are. Since version 4 also "int8", "int8-symmetric" (with
   * `calibration`), "int8-dynamic" and "int8-dynamic-symmetric": products compute with 8-bit
   * integers. */
  const char *quantize;
  /* Since version 4. Read during the call only; NULL: none. */
  const tessera_calibration *calibration;
  /* Since version 5. "bf16" or "f16": operands of contractions and convolutions are rounded to it
   * (to nearest, ties to even; beyond the largest f16: infinite), sums and results keep their
   * types, and so does everything else. NULL: nothing is rounded. */
  const char *precision;
  /* Since version 8. 1: tessera_compilation_report says what was decided, and why. */
  uint32_t report;
  /* Since version 9. Functions in the textual IR for operators of an ONNX model, named as they are:
   * graph.func @"com.example.Gate"(...). A node's inputs are the first arguments; those behind them
   * take the attributes of their names. NULL: none. */
  const char *operators_file;
  /* Since version 10. Read during the call only; the report then has predictions. NULL: none. */
  const tessera_prediction *prediction;
  /* Since version 10. Records of tessera-tune: what schedules choose instead of what rules would.
   * A file that cannot be read, or whose records do not fit their kernels, is an error. NULL: none.
   */
  const char *records_file;
  /* Since version 13. "winograd": convolutions of 3x3 in f32 by products of matrices, F(2x2, 3x3),
   * where an estimate says that this is faster ("winograd-always": wherever it is possible), on
   * processors. Results are rounded otherwise, and an
   * infinity makes NaN of results near it. NULL or "direct": as they are. */
  const char *convolution;
} tessera_compile_options;

typedef struct tessera_compilation tessera_compilation;

/* The format is recognised by content: ONNX, or the textual IR. */
TESSERA_COMPILER_API tessera_compilation *
tessera_compile_file(const char *path, const tessera_compile_options *options);
/* `name` is what messages call the model (NULL: "model"); files that it refers to are looked for in
 * `folder` (NULL: the current one). The bytes are read during the call only. */
TESSERA_COMPILER_API tessera_compilation *
tessera_compile_bytes(const void *data, uint64_t size, const char *name, const char *folder,
                      const tessera_compile_options *options);

/* Since version 6. Set `size` to sizeof(tessera_object_options) and everything else to 0 for the
 * defaults. */
typedef struct tessera_object_options {
  uint32_t size;
  uint32_t dim_count;
  const tessera_compile_dim *dims; /* values of the extents that the module leaves open */
  const char *prefix;              /* of the object's names; NULL: "model" */
  const char *level;               /* which variant of the module; NULL: the first */
} tessera_object_options;
/* A module (.tsm) becomes a relocatable ELF object: its bytes are the compilation's, with a C
 * header beside them that declares a function for each function of the model. They allocate
 * nothing: the extents are fixed, and scratch memory is the caller's. An extent without a value is
 * an error, and so are tensors whose extents depend on data. */
TESSERA_COMPILER_API tessera_compilation *
tessera_compile_object(const void *module, uint64_t size, const tessera_object_options *options);
/* "" for what is no object. */
TESSERA_COMPILER_API const char *tessera_compilation_header(const tessera_compilation *compilation);

TESSERA_COMPILER_API void tessera_compilation_destroy(tessera_compilation *compilation);

TESSERA_COMPILER_API tessera_compile_code
tessera_compilation_code(const tessera_compilation *compilation);
/* Sentences with places ("model.mlir:3:5: ..."), one a line; "" when it worked. */
TESSERA_COMPILER_API const char *
tessera_compilation_message(const tessera_compilation *compilation);
/* The module, or text (not ended by a zero). */
TESSERA_COMPILER_API const void *tessera_compilation_bytes(const tessera_compilation *compilation);
TESSERA_COMPILER_API uint64_t tessera_compilation_size(const tessera_compilation *compilation);

/* The levels compiled for, most demanding first. NULL beyond the last. */
TESSERA_COMPILER_API const char *tessera_compilation_target(const tessera_compilation *compilation,
                                                            uint32_t index);
TESSERA_COMPILER_API uint64_t
tessera_compilation_kernel_count(const tessera_compilation *compilation);
TESSERA_COMPILER_API uint64_t
tessera_compilation_cached_kernel_count(const tessera_compilation *compilation);
/* What took how long, in the order it happened. NULL beyond the last step. */
TESSERA_COMPILER_API const char *tessera_compilation_step(const tessera_compilation *compilation,
                                                          uint32_t index, double *seconds);

/* Nodes that cannot be compiled for one reason. */
typedef struct tessera_unsupported {
  const char *name; /* of the operator; "" where the model's format has no operators */
  int64_t opset;    /* 0: none */
  uint64_t count;
  const char *first_node, *reason;
} tessera_unsupported;
/* With check_only. */
TESSERA_COMPILER_API uint32_t
tessera_compilation_unsupported_count(const tessera_compilation *compilation);
TESSERA_COMPILER_API void tessera_compilation_unsupported(const tessera_compilation *compilation,
                                                          uint32_t index,
                                                          tessera_unsupported *unsupported);
/* Nodes of the model, and of these the ones that read what an unsupported node computes: they were
 * not looked at. */
TESSERA_COMPILER_API uint64_t tessera_compilation_node_count(const tessera_compilation *compilation,
                                                             uint64_t *unexamined);

/* Since version 3: with `quantize`, what became of one constant operand of one product. */
typedef struct tessera_quantized_weight {
  const char *place;         /* of the product: its node's name, or file:line */
  const char *type;          /* as it was: "f32[64x32]" */
  uint64_t bytes, new_bytes; /* before and after */
  const char *reason;        /* why it was left; "": it was not */
} tessera_quantized_weight;
TESSERA_COMPILER_API uint32_t
tessera_compilation_weight_count(const tessera_compilation *compilation);
TESSERA_COMPILER_API void tessera_compilation_weight(const tessera_compilation *compilation,
                                                     uint32_t index,
                                                     tessera_quantized_weight *weight);

/* Since version 4: with `quantize` to int8, what became of the products that read one tensor: those
 * that cost most first, then what was left from the start. */
typedef struct tessera_quantized_layer {
  const char *name; /* nodes of the products */
  double cost;      /* relative error of the outputs when only this layer has 8 bits; 0: unknown */
  const char *reason; /* why it was left; "": it was not */
} tessera_quantized_layer;
TESSERA_COMPILER_API uint32_t
tessera_compilation_layer_count(const tessera_compilation *compilation);
TESSERA_COMPILER_API void tessera_compilation_layer(const tessera_compilation *compilation,
                                                    uint32_t index, tessera_quantized_layer *layer);
/* Since version 4: with calibration, how far an output is from what the model gives without
 * quantizing, over all samples. */
typedef struct tessera_output_accuracy {
  const char *name;
  double relative_error; /* root mean square of the differences over that of the output */
  double largest_error;  /* |difference| */
  double largest_number; /* |output| */
} tessera_output_accuracy;
TESSERA_COMPILER_API uint32_t
tessera_compilation_accuracy_count(const tessera_compilation *compilation);
TESSERA_COMPILER_API void tessera_compilation_accuracy(const tessera_compilation *compilation,
                                                       uint32_t index,
                                                       tessera_output_accuracy *accuracy);

/* Since version 7: in what element types a kernel of the module reads, keeps running sums, and
 * writes: "f32 bf16", "" for none. A compilation fails rather than sum in fewer bits than the model
 * asks for. */
typedef struct tessera_compiled_kernel {
  const char *target, *name;
  const char *reads, *sums, *writes;
} tessera_compiled_kernel;
TESSERA_COMPILER_API uint32_t
tessera_compilation_kernel_types_count(const tessera_compilation *compilation);
TESSERA_COMPILER_API void tessera_compilation_kernel_types(const tessera_compilation *compilation,
                                                           uint32_t index,
                                                           tessera_compiled_kernel *kernel);

/* Since version 10: records that kernels use, and those for its targets that fit no kernel (the
 * model or the compiler has changed). */
TESSERA_COMPILER_API void tessera_compilation_records(const tessera_compilation *compilation,
                                                      uint64_t *used, uint64_t *stale);

/* Since version 8: what was decided, as JSON, where the options ask for it (else ""): kernels, what
 * they compute of the model, move and save, their schedules and loops, and why. The fields stand in
 * compiler/api/Report.h. Lives as long as the compilation. */
TESSERA_COMPILER_API const char *tessera_compilation_report(const tessera_compilation *compilation);

/* Since version 2: the reference interpreter. It runs the first function of a model as the graph's
 * meaning says, without compiling; slowly. Variables keep their values from run to run. A reference
 * serves one thread at a time and owns everything that its functions return. */
typedef struct tessera_reference tessera_reference;
/* An extent of a signature: a number, or -1 and an expression over symbols. */
typedef struct tessera_reference_dim {
  int64_t extent;
  const char *text;
  int64_t min, max; /* of a symbol; max is -1 when it has no upper end */
} tessera_reference_dim;
/* An input or output, `type` by the name that tessera_type_name gives it. */
typedef struct tessera_reference_port {
  const char *name, *type;
  uint32_t rank;
  const tessera_reference_dim *dims;
  /* Since version 11. 1: strings, whose bytes are along the last axis. */
  uint32_t strings;
} tessera_reference_port;
TESSERA_COMPILER_API tessera_reference *
tessera_reference_load(const char *path, const tessera_compile_dim *dims, uint32_t dim_count);
/* Since version 12. `operators`: a file of functions for operators of an ONNX model, as the option
 * of compiling; NULL: none. */
TESSERA_COMPILER_API tessera_reference *
tessera_reference_load_operators(const char *path, const tessera_compile_dim *dims,
                                 uint32_t dim_count, const char *operators);
/* Since version 3: quantizes the weights as compiling with this option would, before the first run.
 * 0 when it worked. */
TESSERA_COMPILER_API int32_t tessera_reference_quantize(tessera_reference *reference,
                                                        const char *quantize);
/* Since version 7: rounds the operands of products as compiling with this `precision` would, before
 * the first run, and behind tessera_reference_quantize. 0 when it worked. */
TESSERA_COMPILER_API int32_t tessera_reference_lower_precision(tessera_reference *reference,
                                                               const char *precision);
TESSERA_COMPILER_API void tessera_reference_destroy(tessera_reference *reference);
/* Why loading or the last run failed; "" when it did not. */
TESSERA_COMPILER_API const char *tessera_reference_message(const tessera_reference *reference);
/* Null beyond the last. */
TESSERA_COMPILER_API const tessera_reference_port *
tessera_reference_input(const tessera_reference *reference, uint32_t index);
TESSERA_COMPILER_API const tessera_reference_port *
tessera_reference_output(const tessera_reference *reference, uint32_t index);
/* One tensor for each input, in order. 0 when it worked. */
TESSERA_COMPILER_API int32_t tessera_reference_run(tessera_reference *reference,
                                                   const tessera_reference_tensor *inputs,
                                                   uint32_t input_count);
/* What the last run computed; null beyond the last output, or when it failed. */
TESSERA_COMPILER_API const tessera_reference_tensor *
tessera_reference_result(const tessera_reference *reference, uint32_t index);

#ifdef __cplusplus
}
#endif

#endif /* TESSERA_COMPILER_API_TESSERA_COMPILER_H */
