// One user of a module: memory, variables, threads, and the calls.
#ifndef TESSERA_RUNTIME_EXECUTOR_CONTEXT_H
#define TESSERA_RUNTIME_EXECUTOR_CONTEXT_H

#include "runtime/executor/Placement.h"
#include "runtime/executor/ThreadPool.h"
#include "runtime/module/CpuFeatures.h"
#include "runtime/module/Module.h"

namespace tessera::rt {

// What a caller may ask for; more is refused by the limit's name.
constexpr uint32_t kMaxThreads = 1u << 10;
constexpr uint32_t kMaxPlans = 1u << 12;
constexpr uint64_t kMaxRecords = uint64_t(1) << 22;
// Fewer bytes are not worth the events that a copy beside launches takes.
constexpr uint64_t kBesideBytes = uint64_t(1) << 16;

struct ContextOptions {
  uint32_t threads = 0;                 // 0: as many as CPUs are usable
  const Allocator *allocator = nullptr; // null: the module's
  uint64_t memoryLimit = 0;             // 0: none
  uint32_t maxPlans = 64;               // shapes remembered per function
};

// Memory seen as a tensor, dims outermost first, strides in elements.
struct TensorView {
  void *data = nullptr;
  ElementType type = ElementType::F32;
  uint32_t rank = 0;
  int64_t dims[kMaxRank] = {};
  int64_t strides[kMaxRank] = {};
  bool isOnDevice = false;      // `data` is an address of the device's memory
  uintptr_t begin = 0, end = 0; // the bytes it reaches, found by Context::set*
};

bool isDense(const TensorView &tensor);

enum class RecordKind : uint32_t {
  Launch = 0,
  Copy = 1,
  Fill = 2,
  Plan = 3,
  Run = 4,
  Upload = 6,
  Download = 7,
};

struct Record {
  RecordKind kind;
  uint32_t function, instruction;
  int32_t kernel;
  int64_t start, duration, operations, bytes;
  Lane lane = Lane::Main;
  uint32_t marks = 0; // of its begin, the next is of its end; 0: the times are the host's
};

class Context {
public:
  static Result<Context *> make(Module &module, const ContextOptions &options);
  ~Context();

  Status setInput(uint32_t function, uint32_t input, const TensorView &tensor);
  Status setOutput(uint32_t function, uint32_t output, const TensorView *tensor,
                   bool staysOnDevice = false);
  // In a queue of the device, a run whose outputs all stay there ends when everything is in it.
  // `waitEach`: after each launch, so that an error of a kernel has its name.
  Status run(uint32_t function, uint64_t timeout, void *queue = nullptr, bool waitEach = false);
  Status getOutput(uint32_t function, uint32_t output, TensorView &tensor);
  // `bytes`: of the allocator's memory that is the caller's now; 0 when it stays the context's.
  Status takeOutput(uint32_t function, uint32_t output, TensorView &tensor, uint64_t &bytes);
  void cancel() { cancelled = 1; }

  // All bytes of the variable.
  Status readVariable(uint32_t index, void *data);
  Status writeVariable(uint32_t index, const void *data);
  Status resetVariables();
  uint64_t memoryBytes() const { return heldBytes; }

  Status startProfile(uint64_t capacity);

  Module &module;
  const Allocator allocator;
  ThreadPool pool;
  List<Record> records;
  uint64_t recordCapacity = 0, recordsDropped = 0;

  Context(Module &module, const Allocator &allocator)
      : module(module), allocator(allocator), pool(this->allocator), records(this->allocator),
        arena(this->allocator), memory(module.device->memory),
        zeros(this->allocator, module.device->memory), deferred(this->allocator),
        marks(this->allocator) {}

private:
  // A buffer as it is bound now.
  struct Bound {
    KernelBuffer buffer;
    int64_t elements;
    uint64_t stamp; // that its segment had; another one now: out of date
  };
  // Where the temporaries of a segment lie, for one tuple of its key registers.
  struct Plan {
    int64_t *keys;
    uint64_t *offsets; // one per buffer of the segment
    uint64_t bytes[kSpaces];
  };
  struct SegmentState {
    SegmentState(const Allocator &allocator, const DeviceMemory *remote)
        : memory(allocator, remote), hostMemory(allocator) {}
    DeviceBlock memory;
    Block hostMemory; // of temporaries that are the host's
    Plan *plans = nullptr;
    uint32_t count = 0, oldest = 0;
    uint64_t stamp = 0; // of the last plan, or of what made it invalid
    Span<Place> places; // room for placing the temporaries
    uint32_t *scratch = nullptr;
  };
  // A run writes to the other copy, which becomes the value when the run has succeeded.
  struct VariableState {
    VariableState(const Allocator &allocator, const DeviceMemory *remote)
        : memory{{allocator, remote}, {allocator, remote}} {}
    DeviceBlock memory[2];
    uint8_t current = 0;
    bool isWritten = false; // by the run in progress

    uint8_t *value() const { return memory[current].data(); }
    uint8_t *seen() const { return memory[isWritten ? 1 - current : current].data(); }
  };
  // One call at a time.
  class Occupied {
  public:
    explicit Occupied(Context &context)
        : flag(context.busy), isMine(!flag.exchange(true, std::memory_order_acquire)) {}
    ~Occupied() {
      if (isMine)
        flag.store(false, std::memory_order_release);
    }
    Status status() const;

  private:
    std::atomic<bool> &flag;
    bool isMine;
  };
  struct Arrival {
    void *mark;
    uint64_t run; // in which it was set
  };
  // A download beside launches that waits for the end of the run: a copy to the host's memory may
  // keep the calling thread.
  struct Deferred {
    void *mark; // what it comes after
    void *to;
    const uint8_t *from;
    uint64_t bytes;
    uint32_t instruction;
    bool isBeside; // false: too small for that, in order
  };
  struct FunctionState {
    TensorView *inputs;
    bool *isSet;
    TensorView *outputs; // the caller's, data null when owned
    bool *isGiven;
    bool *staysOnDevice;      // no copy for the host
    uint8_t **inputMemory;    // what kernels read: the caller's memory, or a copy
    uint8_t **hostInputs;     // what the host reads
    Arrival *arrivals;        // of buffers that were uploaded beside launches
    Block *staging;           // of inputs that are not dense, or that the host reads as well
    DeviceBlock *owned;       // of outputs that kernels do not write to the caller's memory
    DeviceBlock *inputCopies; // of inputs, for devices with memory of their own
    Block *outputCopies;      // of outputs, for the caller, from such devices
    int64_t *registers;
    Bound *bound;
    SegmentState *segments;
    void **arguments;               // of one launch
    Span<uint32_t> variableBuffers; // that are a variable, or views of one
    bool isDisjoint;                // the caller's tensors do not overlap, as far as they must not
    bool hasRun;
  };

  Status initialize(const ContextOptions &options);
  Status initialize(const Function &function, FunctionState &state);
  Status findOutput(uint32_t function, uint32_t output, TensorView &tensor) const;
  template <typename Block> Status reserve(Block &block, uint64_t bytes);
  Status bindInputs(const Function &function, FunctionState &state);
  Status checkInputs(const Function &function, FunctionState &state);
  Status checkOverlap(const Function &function, FunctionState &state);
  Status planSegment(const Function &function, FunctionState &state, uint32_t segment);
  Status findPlan(const Function &function, FunctionState &state, uint32_t segment, Plan *&plan);
  Status predictMemory(const Function &function, const FunctionState &state, uint32_t segment,
                       const Plan &plan) const;
  void place(const Function &function, FunctionState &state, uint32_t segment, Plan &plan);
  Status checkBound(const Function &function, const FunctionState &state, uint32_t buffer) const;
  Status beginWrite(const Function &function, FunctionState &state, uint32_t buffer,
                    bool isComplete);
  Status beginDownloads(uint32_t functionIndex);
  Status deliverOutputs(uint32_t functionIndex, FunctionState &state);
  Status transfer(uint32_t functionIndex, FunctionState &state, uint32_t index);
  Status await(const Function &function, FunctionState &state, uint32_t buffer);
  Status awaitUploads();
  Status note(Lane lane, uint32_t &mark);
  Status beginTimes();
  Status readTimes();
  Status settle(Status status);
  Status bindShape(const Function &function, FunctionState &state, uint32_t buffer);
  Status bindMemory(const Function &function, FunctionState &state, uint32_t buffer,
                    uint8_t *segmentMemory, uint64_t offset);
  Status execute(uint32_t functionIndex, FunctionState &state, uint32_t begin, uint32_t end);
  Status launch(uint32_t functionIndex, FunctionState &state, uint32_t index);
  bool hasLargeResults(const Function &function, const FunctionState &state, const Kernel &kernel,
                       uint32_t operands) const;
  Status callHost(const Function &function, FunctionState &state, const Instruction &x,
                  const Kernel &kernel);
  Status bindEmptyInputs(const Function &function, FunctionState &state, const Kernel &kernel,
                         uint32_t operands);
  Status loadScalar(FunctionState &state, const Instruction &x, const Buffer &buffer);
  Status storeScalar(FunctionState &state, const Instruction &x, const Buffer &buffer);
  Status copy(FunctionState &state, const Function &function, const Instruction &x);
  Status fill(FunctionState &state, const Function &function, const Instruction &x);
  Status call(uint32_t functionIndex);
  Status initializeVariables();
  Status checkStop();
  void record(RecordKind kind, uint32_t function, uint32_t instruction, int32_t kernel,
              int64_t start, int64_t operations, int64_t bytes, Lane lane = Lane::Main,
              uint32_t marks = 0);

  static int32_t parallelFor(const KernelContext *context, KernelTask task, int32_t min,
                             int32_t extent, uint8_t *closure);
  static void report(const KernelContext *context, int32_t code);
  static bool shouldStop(const KernelContext *context);
  static bool shouldStopHost(const HostCall *call);

  // Kernels of which nobody knows how they ended.
  struct Pending {
    const Kernel *first, *last;
    uint32_t count;
  };

  Arena arena;
  Memory memory;
  Pending pending{};
  DeviceBlock zeros; // what kernels see of inputs that are empty
  List<Deferred> deferred;
  size_t deferredCount = 0;
  void *lastUpload = nullptr; // a mark
  bool hasUploaded = false, waitsEach = false;
  uint64_t runs = 0;
  // Device times of a run: marks, the first of which was reached at `timeBase`.
  List<void *> marks;
  size_t markCount = 0;
  size_t firstRecord = 0;
  int64_t timeBase = 0;
  bool isTiming = false;
  VariableState *variables = nullptr;
  FunctionState *functions = nullptr;
  KernelContext kernelContext{};
  const uint64_t cacheBytes = lastCacheBytes();
  uint64_t memoryLimit = 0, heldBytes = 0;
  uint32_t maxPlans = 64;
  uint64_t lastStamp = 0;
  std::atomic<int32_t> cancelled{0};
  std::atomic<int32_t> reported{0};
  std::atomic<bool> busy{false};
  int64_t deadline = 0; // CLOCK_MONOTONIC nanoseconds; 0: none
};

template <typename Block> Status Context::reserve(Block &block, uint64_t bytes) {
  if (bytes <= block.size())
    return {};
  const uint64_t others = heldBytes - block.size();
  if (memoryLimit && others + bytes > memoryLimit)
    return Status::error(Code::MemoryLimit,
                         "%llu bytes of memory are needed, the context's limit is %llu",
                         (unsigned long long)(others + bytes), (unsigned long long)memoryLimit);
  heldBytes = others;
  block.reset();
  TESSERA_TRY(block.reserve(bytes));
  heldBytes += block.size();
  return {};
}

int64_t monotonicNanoseconds();
// The node of the model that a kernel computes first.
inline const char *sourceOf(const Kernel &kernel) {
  return kernel.sources.empty() ? kernel.name : kernel.sources[0];
}

} // namespace tessera::rt

#endif // TESSERA_RUNTIME_EXECUTOR_CONTEXT_H
