/* Tessera's runtime: loads compiled modules (.tsm) and runs them. The stable C interface; the
 * library is libtessera_runtime.so (or .a), which exports nothing else.
 *
 *   tessera_module *module; tessera_context *context; tessera_error *error = NULL;
 *   if (tessera_module_load_file("model.tsm", NULL, &module, &error)) ...
 *   if (tessera_context_create(module, NULL, &context, &error)) ...
 *   int64_t dims[2] = {2, 128};
 *   tessera_tensor x, y;
 *   tessera_tensor_init(&x, TESSERA_F32, 2, dims, data);
 *   tessera_set_input(context, 0, 0, &x, &error);     // function 0, input 0; not copied
 *   tessera_run(context, 0, NULL, &error);
 *   tessera_get_output(context, 0, 0, &y, &error);    // y.data belongs to the context
 *
 * Errors     Every function that can fail returns a tessera_code, 0 for success. Where it takes
 *            `tessera_error **error`, error may be NULL; otherwise *error receives an object to be
 *            released with tessera_error_destroy (untouched on success). Nothing is printed, no
 *            exception leaves, no signal handler is installed.
 * Threads    A module may be used from any number of threads at once. A context serves one thread
 *            at a time: a second concurrent call gets TESSERA_BUSY. tessera_cancel is the
 * exception. Ownership  What *_create and *_load_* give is released with *_destroy. A context keeps
 * its module alive. Strings and arrays inside info structs belong to the module, and live as long.
 * Limits     Tensors have at most TESSERA_MAX_RANK dimensions and 2^31 - 1 elements; a context at
 *            most 1024 threads, 4096 remembered shapes and 2^22 records of a profile.
 * Units      Sizes are bytes, extents and strides elements, times nanoseconds (CLOCK_MONOTONIC).
 * Types      Nothing is converted silently: element type, rank and extents must be what the
 *            signature says. */
#ifndef TESSERA_RUNTIME_API_TESSERA_H
#define TESSERA_RUNTIME_API_TESSERA_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define TESSERA_API
#else
#define TESSERA_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Raised when something here is added; nothing is ever removed or changed. */
#define TESSERA_API_VERSION 8
#define TESSERA_MAX_RANK 16

typedef struct tessera_module tessera_module;
typedef struct tessera_context tessera_context;
typedef struct tessera_error tessera_error;

/* ---- errors ---------------------------------------------------------------------------------- */

/* Grouped by who can do something about it; numbers are never reused. */
typedef int32_t tessera_code;
enum {
  TESSERA_OK = 0,
  /* the caller's arguments */
  TESSERA_INVALID_ARGUMENT = 100,
  TESSERA_UNKNOWN_NAME = 101,
  TESSERA_WRONG_COUNT = 102, /* an input was not set */
  TESSERA_WRONG_TYPE = 103,
  TESSERA_WRONG_RANK = 104,
  TESSERA_WRONG_SHAPE = 105,
  TESSERA_BAD_MEMORY = 106, /* null, misaligned, overlapping, or strides that leave memory */
  TESSERA_TOO_LARGE = 107,  /* more than 2^31 - 1 elements */
  /* the module file */
  TESSERA_FILE_ERROR = 200,
  TESSERA_NOT_A_MODULE = 201,
  TESSERA_NEWER_VERSION = 202,
  TESSERA_OLDER_VERSION = 203,
  TESSERA_TRUNCATED = 204,
  TESSERA_CORRUPT = 205,   /* a checksum differs */
  TESSERA_MALFORMED = 206, /* checksums agree, contents do not make sense */
  TESSERA_LIMIT_EXCEEDED = 207,
  /* this machine */
  TESSERA_UNSUPPORTED_CPU = 300,
  TESSERA_SYSTEM_ERROR = 301,
  /* memory */
  TESSERA_OUT_OF_MEMORY = 400,
  TESSERA_MEMORY_LIMIT = 401, /* tessera_context_options.memory_limit */
  /* a run */
  TESSERA_CANCELLED = 500,
  TESSERA_DEADLINE_EXCEEDED = 501,
  TESSERA_KERNEL_FAILED = 502,
  TESSERA_ASSERTION_FAILED = 503,
  TESSERA_ARITHMETIC_OVERFLOW = 504,
  TESSERA_INDEX_OUT_OF_RANGE = 505,
  TESSERA_BUSY = 506,
  /* a bug in Tessera */
  TESSERA_INTERNAL = 900
};

TESSERA_API tessera_code tessera_error_code(const tessera_error *error);
/* One sentence with the model's own names, without a full stop. Lives as long as the error. */
TESSERA_API const char *tessera_error_message(const tessera_error *error);
TESSERA_API void tessera_error_destroy(tessera_error *error); /* NULL is fine */
/* "WRONG_SHAPE"; "UNKNOWN" for a number that is no code. */
TESSERA_API const char *tessera_code_name(tessera_code code);

TESSERA_API const char *tessera_version(void); /* "0.1.0" */
TESSERA_API uint32_t tessera_api_version(void);

/* ---- tensors --------------------------------------------------------------------------------- */

typedef uint32_t tessera_type;
enum {
  TESSERA_F64 = 0,
  TESSERA_F32 = 1,
  TESSERA_F16 = 2,
  TESSERA_BF16 = 3,
  TESSERA_F8E4M3FN = 4,
  TESSERA_F8E5M2 = 5,
  TESSERA_F8E4M3FNUZ = 6,
  TESSERA_F8E5M2FNUZ = 7,
  TESSERA_I8 = 8,
  TESSERA_I16 = 9,
  TESSERA_I32 = 10,
  TESSERA_I64 = 11,
  TESSERA_U8 = 12,
  TESSERA_U16 = 13,
  TESSERA_U32 = 14,
  TESSERA_U64 = 15,
  TESSERA_BOOL = 16, /* one byte, 0 or 1 */
  TESSERA_F8E8M0FNU = 17,
  /* Of fewer than 8 bits: one element in a byte, its code in the low bits (of I4 and I2 a two's
   * complement). The other bits of inputs are not looked at, those of outputs are 0. */
  TESSERA_F4E2M1FN = 18,
  TESSERA_I4 = 19,
  TESSERA_U4 = 20,
  TESSERA_I2 = 21,
  TESSERA_U2 = 22,
  TESSERA_F6E2M3FN = 23,
  TESSERA_F6E3M2FN = 24
};

TESSERA_API const char *tessera_type_name(tessera_type type); /* "f32"; NULL when unknown */
TESSERA_API uint32_t tessera_type_bytes(tessera_type type);   /* 0 when unknown */

/* Memory that somebody else owns, seen as a tensor. Only the first `rank` entries are read. */
typedef struct tessera_tensor {
  void *data; /* element (0, ..., 0); may be NULL when the tensor is empty */
  tessera_type type;
  uint32_t rank;
  int64_t dims[TESSERA_MAX_RANK];    /* outermost first */
  int64_t strides[TESSERA_MAX_RANK]; /* elements; may be 0 or negative for inputs */
} tessera_tensor;

/* Fills a dense row-major tensor; dims beyond TESSERA_MAX_RANK are cut, which tessera_set_* refuse.
 */
TESSERA_API void tessera_tensor_init(tessera_tensor *tensor, tessera_type type, uint32_t rank,
                                     const int64_t *dims, void *data);

/* ---- modules --------------------------------------------------------------------------------- */

/* Called from any thread. `alignment` is a power of two; release gets what allocate got. A context
 * that was given an allocator takes all its memory from it, except thread stacks and error texts.
 */
typedef struct tessera_allocator {
  void *(*allocate)(void *user, size_t size, size_t alignment); /* NULL when there is none */
  void (*release)(void *user, void *memory, size_t size, size_t alignment);
  void *user;
} tessera_allocator;

/* Set `size` to sizeof(tessera_load_options) and everything else to 0 for the defaults. */
typedef struct tessera_load_options {
  uint32_t size;
  /* Check the hashes of large constants too (they are always checked up to 16 MiB). */
  uint32_t verify_all;
  const tessera_allocator *allocator; /* NULL: malloc. Copied. */
  /* "x86-64-v3": only a variant of this level. NULL: the first that this CPU can run. */
  const char *variant;
  /* "cpu" (NULL) or "null": runs programs and every check, but launches no kernel and needs no
   * particular CPU; what kernels would have written keeps its old contents. "cuda" after
   * tessera_cuda_enable (tessera_cuda.h), "cuda:1" for the GPU with number 1. */
  const char *device;
  /* Since version 2. Where the module is in its file: it begins at a multiple of 4096 bytes, and
   * has `bytes` bytes (0: up to the end of the file). tessera_module_load_file alone. */
  uint64_t offset, bytes;
} tessera_load_options;

/* The file is mapped, and must not be changed in place while the module lives (replacing it by
 * rename, as Tessera's tools do, is fine). */
TESSERA_API tessera_code tessera_module_load_file(const char *path,
                                                  const tessera_load_options *options,
                                                  tessera_module **module, tessera_error **error);
/* The bytes are copied. */
TESSERA_API tessera_code tessera_module_load_memory(const void *data, uint64_t size,
                                                    const tessera_load_options *options,
                                                    tessera_module **module, tessera_error **error);
TESSERA_API void tessera_module_destroy(tessera_module *module); /* NULL is fine */

/* Since version 2. Makes a device of another library known: libtessera_cuda, whose function calls
 * this one. `abi` is the layout of the table, which must live as long as the process. Not while
 * other threads load modules. */
typedef struct tessera_device tessera_device;
TESSERA_API tessera_code tessera_add_device(const tessera_device *device, uint32_t abi,
                                            tessera_error **error);

/* ---- signature ------------------------------------------------------------------------------- */

typedef struct tessera_dim_info {
  int64_t extent;   /* -1: known when running */
  const char *text; /* "128", "B", "H + 1" */
  int64_t min, max; /* of the extent */
} tessera_dim_info;

typedef struct tessera_tensor_info {
  const char *name; /* the model's */
  tessera_type type;
  uint32_t rank;
  tessera_dim_info dims[TESSERA_MAX_RANK];
} tessera_tensor_info;

TESSERA_API uint32_t tessera_function_count(const tessera_module *module);
TESSERA_API const char *tessera_function_name(const tessera_module *module, uint32_t function);
TESSERA_API uint32_t tessera_input_count(const tessera_module *module, uint32_t function);
TESSERA_API uint32_t tessera_output_count(const tessera_module *module, uint32_t function);
TESSERA_API tessera_code tessera_input_info(const tessera_module *module, uint32_t function,
                                            uint32_t input, tessera_tensor_info *info);
TESSERA_API tessera_code tessera_output_info(const tessera_module *module, uint32_t function,
                                             uint32_t output, tessera_tensor_info *info);
/* Since version 5. 1: a tensor of strings. Its type is TESSERA_U8 and it has one more axis, the
 * last one, with the bytes of each string's UTF-8 from the first on and zeros behind them: strings
 * "a" and "bcd" are {'a', 0, 0, 'b', 'c', 'd'} of extents [2, 3]. The axis is as long as the
 * longest string, or longer. So no string ends with a zero. 0: numbers, or there is no such tensor.
 */
TESSERA_API uint32_t tessera_input_is_strings(const tessera_module *module, uint32_t function,
                                              uint32_t input);
TESSERA_API uint32_t tessera_output_is_strings(const tessera_module *module, uint32_t function,
                                               uint32_t output);
/* Since version 8. Bit d: the model's own output has no axis d where its extent is 1 (it drops axes
 * of extent 1, whichever they are); the output of the module has it always. 0: as the module says,
 * or there is no such output. */
TESSERA_API uint32_t tessera_output_squeezed(const tessera_module *module, uint32_t function,
                                             uint32_t output);
/* The index, or -1. */
TESSERA_API int32_t tessera_find_function(const tessera_module *module, const char *name);
TESSERA_API int32_t tessera_find_input(const tessera_module *module, uint32_t function,
                                       const char *name);
TESSERA_API int32_t tessera_find_output(const tessera_module *module, uint32_t function,
                                        const char *name);

/* ---- contexts -------------------------------------------------------------------------------- */

/* Set `size` to sizeof(tessera_context_options) and everything else to 0 for the defaults. */
typedef struct tessera_context_options {
  uint32_t size;
  uint32_t threads; /* that compute, the calling one included. 0: as many as CPUs are usable. */
  const tessera_allocator *allocator; /* NULL: the module's. Copied. */
  uint64_t memory_limit;              /* bytes of temporaries and owned outputs; 0: none */
  uint32_t max_plans;                 /* shapes remembered per function; 0: 64 */
} tessera_context_options;

/* Memory, variables and threads of one user of a module. Cheap; weights stay in the module. */
TESSERA_API tessera_code tessera_context_create(tessera_module *module,
                                                const tessera_context_options *options,
                                                tessera_context **context, tessera_error **error);
TESSERA_API void tessera_context_destroy(tessera_context *context); /* NULL is fine */
TESSERA_API uint32_t tessera_context_threads(const tessera_context *context);

/* Names the memory of an input. It is read during tessera_run, not before, and must stay valid
 * until then, aligned to its elements. Dense row-major memory is used in place; anything else is
 * copied at each run. Checked here: type, rank and fixed extents; at the run: extents against each
 * other and their ranges. */
TESSERA_API tessera_code tessera_set_input(tessera_context *context, uint32_t function,
                                           uint32_t input, const tessera_tensor *tensor,
                                           tessera_error **error);
/* Names the caller's memory for an output; it must have the output's exact extents, and must
 * overlap no input and no other output. NULL: the context owns the memory (the default). */
TESSERA_API tessera_code tessera_set_output(tessera_context *context, uint32_t function,
                                            uint32_t output, const tessera_tensor *tensor,
                                            tessera_error **error);

/* Since version 3. As tessera_set_input and tessera_set_output, for memory of the module's device
 * ("cuda": what cuMemAlloc or cudaMalloc gave): nothing is copied. Inputs are dense row-major. An
 * output with NULL stays in the device's memory that the context owns, where tessera_get_output
 * finds it. On devices that compute in the host's memory they are the same as those. The caller's
 * memory must not be freed or changed before the work is done that uses it. */
TESSERA_API tessera_code tessera_set_device_input(tessera_context *context, uint32_t function,
                                                  uint32_t input, const tessera_tensor *tensor,
                                                  tessera_error **error);
TESSERA_API tessera_code tessera_set_device_output(tessera_context *context, uint32_t function,
                                                   uint32_t output, const tessera_tensor *tensor,
                                                   tessera_error **error);

/* Set `size` to sizeof(tessera_run_options) and everything else to 0 for the defaults. */
typedef struct tessera_run_options {
  uint32_t size;
  uint32_t reserved;
  uint64_t timeout; /* nanoseconds from the start of the run; 0: none */
  /* Since version 3. The stream of the device to work in (a CUstream or cudaStream_t), NULL: the
   * default one. In a stream, a run whose outputs all stay in the device's memory returns when the
   * work is queued: events recorded in the stream say when it is done, and what went wrong in a
   * kernel is found where the stream is waited for. Runs of one context in several streams are for
   * the caller to put in order. The stream has to live until the context's next run or its end:
   * variables are read and written in it. */
  void *stream;
  /* Since version 6. 1: waits for each kernel of a device before the next one, so that the error of
   * one that fails has its name. Slow. */
  uint32_t wait_each, reserved2;
} tessera_run_options;

/* Computes the outputs. Allocates nothing when the extents were seen before (and not forgotten, see
 * max_plans). Cancellation and timeout are noticed between kernels, between the tasks of a parallel
 * loop, and in the loops of a program and of its copies. After a failed run the outputs are
 * undefined; variables are as they were before it. */
TESSERA_API tessera_code tessera_run(tessera_context *context, uint32_t function,
                                     const tessera_run_options *options, tessera_error **error);
/* What the last run of the function computed. Memory owned by the context stays valid until the
 * next run of the function or tessera_set_output. */
TESSERA_API tessera_code tessera_get_output(tessera_context *context, uint32_t function,
                                            uint32_t output, tessera_tensor *tensor,
                                            tessera_error **error);
/* Since version 4. As tessera_get_output, and hands over memory of the host that the context owns:
 * `bytes` says how much, which the caller gives back to the context's allocator (size `bytes`,
 * alignment 64; free() where the allocator is the default one). The next run takes new memory. With
 * 0 bytes it stays where it is, as after tessera_get_output: the caller's own memory, a device's,
 * no elements, or memory of which the tensor needs only a part. */
TESSERA_API tessera_code tessera_take_output(tessera_context *context, uint32_t function,
                                             uint32_t output, tessera_tensor *tensor,
                                             uint64_t *bytes, tessera_error **error);
/* Ends the run in progress, or the next one when there is none, with TESSERA_CANCELLED. From any
 * thread, also from a signal handler. */
TESSERA_API void tessera_cancel(tessera_context *context);

/* Bytes that the context holds now: temporaries, owned outputs, staging copies, variables. */
TESSERA_API uint64_t tessera_context_memory(const tessera_context *context);

/* ---- state ----------------------------------------------------------------------------------- */

/* Variables keep their value from run to run of a context. */
TESSERA_API uint32_t tessera_variable_count(const tessera_module *module);
TESSERA_API tessera_code tessera_variable_info(const tessera_module *module, uint32_t variable,
                                               tessera_tensor_info *info);
TESSERA_API int32_t tessera_find_variable(const tessera_module *module, const char *name);
/* `bytes` must be the variable's size; the data is dense row-major. */
TESSERA_API tessera_code tessera_read_variable(tessera_context *context, uint32_t variable,
                                               void *data, uint64_t bytes, tessera_error **error);
TESSERA_API tessera_code tessera_write_variable(tessera_context *context, uint32_t variable,
                                                const void *data, uint64_t bytes,
                                                tessera_error **error);
/* Every variable gets its initial value again. */
TESSERA_API tessera_code tessera_reset(tessera_context *context, tessera_error **error);

/* ---- profile --------------------------------------------------------------------------------- */

typedef uint32_t tessera_record_kind;
enum {
  TESSERA_RECORD_LAUNCH = 0, /* a kernel. On "cuda" the times of launches, uploads and downloads are
                              * the GPU's own, measured by events */
  TESSERA_RECORD_COPY = 1,
  TESSERA_RECORD_FILL = 2,
  TESSERA_RECORD_PLAN = 3,  /* sizes and places of memory, when a shape is new */
  TESSERA_RECORD_RUN = 4,   /* a whole call */
  TESSERA_RECORD_TASKS = 5, /* what one worker thread did for a kernel */
  /* Since version 6. Copies between the host and a device's memory. */
  TESSERA_RECORD_UPLOAD = 6,
  TESSERA_RECORD_DOWNLOAD = 7
};

typedef struct tessera_record {
  tessera_record_kind kind;
  uint32_t function;
  uint32_t instruction; /* in the function's program */
  int32_t kernel;       /* index for tessera_get_kernel of the active variant; -1: none */
  uint32_t thread;      /* 0: the thread that called tessera_run, or the stream of kernels; 1 and 2:
                         * uploads and downloads beside it */
  uint32_t reserved;
  int64_t start;      /* CLOCK_MONOTONIC */
  int64_t duration;   /* nanoseconds */
  int64_t operations; /* arithmetic operations, -1: unknown */
  int64_t bytes;      /* read and written, -1: unknown */
} tessera_record;

/* Starts recording into room for `capacity` records (0 stops and releases it). A run beyond the
 * capacity drops records and counts them. */
TESSERA_API tessera_code tessera_profile_start(tessera_context *context, uint64_t capacity,
                                               tessera_error **error);
TESSERA_API uint64_t tessera_profile_count(const tessera_context *context);
TESSERA_API uint64_t tessera_profile_dropped(const tessera_context *context);
TESSERA_API tessera_code tessera_profile_get(const tessera_context *context, uint64_t index,
                                             tessera_record *record);
TESSERA_API void tessera_profile_clear(tessera_context *context);

/* ---- what is in a module --------------------------------------------------------------------- */

typedef struct tessera_variant_info {
  const char *family; /* "cpu" */
  const char *level;  /* "x86-64-v3" */
  uint32_t feature_count, kernel_count;
  uint64_t code_bytes;
  uint32_t active; /* 1: the one that was chosen */
  uint32_t usable; /* 1: this CPU has all features */
} tessera_variant_info;

typedef struct tessera_kernel_info {
  const char *name;
  uint64_t entry; /* offset in the variant's code */
  uint32_t arg_count, source_count;
} tessera_kernel_info;

typedef struct tessera_constant_info {
  const char *name;
  const char *layout; /* "" = row-major */
  tessera_type type;
  uint32_t rank;
  int64_t dims[TESSERA_MAX_RANK];
  uint64_t bytes, offset; /* in its segment */
  uint32_t segment, reserved;
  const void *data;
} tessera_constant_info;

typedef struct tessera_segment_info {
  const char *kind;       /* "code", "constants" */
  uint64_t offset, bytes; /* in the file */
  uint64_t hash;          /* of the hashes of its chunks */
} tessera_segment_info;

typedef struct tessera_program_info {
  uint32_t registers, prologue, plan_segments, buffers, instructions, symbols;
} tessera_program_info;

typedef struct tessera_symbol_info {
  const char *name;
  int64_t min, max;
} tessera_symbol_info;

TESSERA_API uint32_t tessera_module_format_version(const tessera_module *module);
TESSERA_API const char *tessera_module_compiler(const tessera_module *module);
TESSERA_API uint64_t tessera_module_bytes(const tessera_module *module); /* of the file */
TESSERA_API uint32_t tessera_variant_count(const tessera_module *module);
TESSERA_API uint32_t tessera_active_variant(const tessera_module *module);
/* Since version 7. Variants that fit the device better than the active one, and why they were not
 * chosen: a driver that is older than their code. Empty where there are none. */
TESSERA_API const char *tessera_module_note(const tessera_module *module);
TESSERA_API tessera_code tessera_get_variant(const tessera_module *module, uint32_t variant,
                                             tessera_variant_info *info);
TESSERA_API const char *tessera_variant_feature(const tessera_module *module, uint32_t variant,
                                                uint32_t feature);
TESSERA_API tessera_code tessera_get_kernel(const tessera_module *module, uint32_t variant,
                                            uint32_t kernel, tessera_kernel_info *info);
/* The name of a node of the model that the kernel computes. */
TESSERA_API const char *tessera_kernel_source(const tessera_module *module, uint32_t variant,
                                              uint32_t kernel, uint32_t source);
/* The element types that a kernel reads, in which it keeps running sums (none when it sums nothing,
 * or when the module was made by a compiler that did not say), and that it writes. Each once, in
 * the order of the arguments. Returns how many there are, and gives the first `capacity`. */
typedef uint32_t tessera_type_use;
enum { TESSERA_TYPES_READ = 0, TESSERA_TYPES_SUMMED_IN = 1, TESSERA_TYPES_WRITTEN = 2 };
TESSERA_API uint32_t tessera_kernel_types(const tessera_module *module, uint32_t variant,
                                          uint32_t kernel, tessera_type_use use,
                                          tessera_type *types, uint32_t capacity);
/* "input f32 rank 2", "scalar", ... Like snprintf: returns the length that the text has. */
TESSERA_API uint64_t tessera_kernel_arg_text(const tessera_module *module, uint32_t variant,
                                             uint32_t kernel, uint32_t arg, char *text,
                                             uint64_t size);
TESSERA_API uint32_t tessera_constant_count(const tessera_module *module);
TESSERA_API tessera_code tessera_get_constant(const tessera_module *module, uint32_t constant,
                                              tessera_constant_info *info);
TESSERA_API uint32_t tessera_segment_count(const tessera_module *module);
TESSERA_API tessera_code tessera_get_segment(const tessera_module *module, uint32_t segment,
                                             tessera_segment_info *info);
TESSERA_API tessera_code tessera_get_program(const tessera_module *module, uint32_t variant,
                                             uint32_t function, tessera_program_info *info);
TESSERA_API tessera_code tessera_get_symbol(const tessera_module *module, uint32_t function,
                                            uint32_t symbol, tessera_symbol_info *info);
/* One line each, for people and for diffs. Like snprintf. */
TESSERA_API uint64_t tessera_buffer_text(const tessera_module *module, uint32_t variant,
                                         uint32_t function, uint32_t buffer, char *text,
                                         uint64_t size);
TESSERA_API uint64_t tessera_instruction_text(const tessera_module *module, uint32_t variant,
                                              uint32_t function, uint32_t instruction, char *text,
                                              uint64_t size);

/* ---- host operators (since version 5) -------------------------------------------------------- */

/* What is no numeric kernel (decoding images) is in libtessera_hostops.so, which is opened from the
 * runtime's folder when a module that needs it is loaded. */
/* The name of the operator that a kernel stands for; NULL when it is a kernel with code. */
TESSERA_API const char *tessera_kernel_host_operator(const tessera_module *module, uint32_t variant,
                                                     uint32_t kernel);
/* Calls one by itself, without a module. All tensors are dense and row-major; `inputs` are read,
 * the memory of `outputs` is written. `options` may be NULL. */
TESSERA_API tessera_code tessera_run_host_operator(const char *name, const char *options,
                                                   const tessera_tensor *inputs,
                                                   uint32_t input_count,
                                                   const tessera_tensor *outputs,
                                                   uint32_t output_count, tessera_error **error);

#ifdef __cplusplus
}
#endif

#endif /* TESSERA_RUNTIME_API_TESSERA_H */
