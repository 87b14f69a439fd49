// The binary interface between generated machine code (the caller's side is
// runtime/executor, the callee's side is compiler/codegen). Nothing else may be assumed by a
// kernel.
//
// A kernel is one function `int32_t entry(const KernelContext *, void *const *args)` in a flat,
// position-independent image: no imports, no relocations, no writable data. It returns 0, or a code
// of `KernelError` (negative); everything it needs from the runtime comes through the context.
//
// args, in order: every input in the order of the kernel's arguments, then every output.
//   a tensor      -> KernelBuffer *   (host is never null when the tensor has elements)
//   a scalar      -> int64_t *        (`index` arguments: symbolic extents, offsets)
//
// Guarantees of the caller, which generated code relies on instead of checking:
//   - type, rank and extents agree with the kernel table and its preconditions were checked;
//   - every extent, stride and element offset fits int32; min is 0;
//   - extents are not 0 for a launch that has outputs: a launch whose outputs are all empty is
//   skipped
//     by the runtime (an *input* may be empty: a reduction over nothing; its memory holds zeros as
//     far as indices that are clamped into it reach, extents of 0 taken as 1);
//   - `host` is aligned to kBufferAlignment for temporaries, variables, constants and buffers owned
//   by
//     the runtime, and only to the element size for memory given by the user;
//   - outputs do not overlap inputs unless the program says so (in-place), and never partly;
//   - the stack has room for 128 KB of buffers, and some for calls.
//
// This header is written for C++ without the standard library, so that test kernels can include it.
#ifndef TESSERA_RUNTIME_BASE_KERNELABI_H
#define TESSERA_RUNTIME_BASE_KERNELABI_H

#include <stddef.h>
#include <stdint.h>

namespace tessera::rt {

constexpr uint32_t kKernelAbiVersion = 1;

// Alignment of every buffer that the runtime itself allocates or maps: one AVX-512 register.
constexpr uint32_t kBufferAlignment = 64;

// Layout of halide_type_t. bool is {UInt, 1, 1} and takes one byte per element.
enum class TypeCode : uint8_t { Int = 0, UInt = 1, Float = 2, Handle = 3, BFloat = 4 };

struct KernelType {
  TypeCode code;
  uint8_t bits;
  uint16_t lanes; // always 1
};

// Layout of halide_dimension_t. Strides count elements.
struct KernelDim {
  int32_t min; // always 0
  int32_t extent;
  int32_t stride;
  uint32_t flags; // always 0
};

// Layout of halide_buffer_t. dim[0] is the innermost dimension: the *last* dimension of the tensor
// type, as Halide counts; dim[rank - 1 - i] belongs to tensor dimension i.
struct KernelBuffer {
  uint64_t device;             // always 0 on the CPU
  const void *deviceInterface; // always null
  uint8_t *host;               // address of element (0, ..., 0)
  uint64_t flags;              // always 0
  KernelType type;
  int32_t dimensions;
  KernelDim *dim;
  void *padding;
};

static_assert(sizeof(KernelType) == 4 && sizeof(KernelDim) == 16 && sizeof(KernelBuffer) == 56);
static_assert(offsetof(KernelBuffer, host) == 16 && offsetof(KernelBuffer, type) == 32 &&
              offsetof(KernelBuffer, dimensions) == 36 && offsetof(KernelBuffer, dim) == 40);

// Codes below -1000 are the runtime's; a kernel may return any other non-zero value, which ends in
// the message of the failing launch.
enum KernelError : int32_t {
  kKernelOk = 0,
  kKernelCancelled = -1001, // returned by parallelFor after a cancellation or a deadline
  kKernelBadIndex = -1002,  // a data-dependent index out of range (gather, scatter)
  kKernelUnreachable = -1003,
};

struct KernelContext;

// One piece of a parallel loop. `closure` is opaque to the runtime. 0 = ok.
typedef int32_t (*KernelTask)(const KernelContext *, int32_t index, uint8_t *closure);

// Handed to every launch; Halide's `user_context` is this pointer. Fields are only appended; `size`
// tells how many bytes the runtime filled in.
struct KernelContext {
  uint32_t version; // kKernelAbiVersion
  uint32_t size;    // sizeof(KernelContext)
  // Runs task(ctx, i, closure) for i in [min, min + extent), in any order, on any thread, and
  // returns when all are done: 0, or the status of the failing task with the smallest index. A call
  // from within a task runs serially.
  int32_t (*parallelFor)(const KernelContext *, KernelTask task, int32_t min, int32_t extent,
                         uint8_t *closure);
  // Notes a KernelError (first one wins) that ends in the call's error message. May be called from
  // any task; the kernel still has to return non-zero.
  void (*report)(const KernelContext *, int32_t code);
  // Non-zero once the call should end; long loops may poll it and return kKernelCancelled.
  const volatile int32_t *cancel;
  void *runtime; // the runtime's own state
  // How many threads share the tasks of parallelFor, at least 1. A kernel may cut its work by it,
  // but computes the same bits for every number.
  uint32_t threads;
  // 1: all that the launch writes is larger than the processor's caches, and none of it takes the
  // place of an input. A kernel may write it past them.
  uint32_t largeResults;
};

static_assert(offsetof(KernelContext, parallelFor) == 8 && offsetof(KernelContext, report) == 16 &&
              offsetof(KernelContext, cancel) == 24 && offsetof(KernelContext, runtime) == 32 &&
              offsetof(KernelContext, threads) == 40 &&
              offsetof(KernelContext, largeResults) == 44 && sizeof(KernelContext) == 48);

typedef int32_t (*KernelEntry)(const KernelContext *, void *const *args);

} // namespace tessera::rt

#endif // TESSERA_RUNTIME_BASE_KERNELABI_H
