// What a context asks of a GPU, in order. A row of launches that came twice becomes a CUDA graph:
// when it comes again, nothing is launched until all of it is known, addresses that changed are
// changed in the graph, and one call of the driver runs it. Whatever comes otherwise is submitted
// one by one. Which rows those are nobody has to say: shapes, branches and data decide what comes.
#ifndef TESSERA_RUNTIME_DEVICE_CUDA_QUEUE_H
#define TESSERA_RUNTIME_DEVICE_CUDA_QUEUE_H

#include "runtime/base/Allocator.h"
#include "runtime/device/Launch.h"
#include "runtime/device/cuda/Driver.h"
#include "runtime/device/cuda/Staging.h"

namespace tessera::rt::cuda {

// Graphs that a queue keeps; the one that was not used for longest goes first.
constexpr uint32_t kMaxGraphs = 16;
// A graph of fewer steps saves nothing.
constexpr size_t kMinGraphSteps = 2;

struct Step {
  enum Kind : uint32_t { Kernel, Copy, Fill } kind;
  // Kernel
  FunctionRecord *function;
  const char *name;
  DeviceGrid grid;
  uint32_t sharedBytes;
  uint32_t parameters; // of 8 bytes
  size_t firstParameter;
  // Copy, Fill
  DevicePtr to, from;
  FillShape fill; // without its address
  size_t bytes;
};

class Queue {
public:
  // Submits what waits to be, alone.
  Status flush(const Driver &driver);
  // What waits to be submitted never will be.
  void discard();

  Status launch(const Driver &driver, FunctionRecord *function, const char *name,
                const DeviceGrid &grid, uint32_t sharedBytes, const uint64_t *parameters,
                uint32_t count);
  Status copy(const Driver &driver, DevicePtr to, DevicePtr from, size_t bytes);
  Status fill(const Driver &driver, DevicePtr to, const FillShape &shape);

  // Also of steps that were submitted; the driver may be gone.
  void release(const Driver *driver);

  StreamRecord *stream = nullptr;
  bool ownsStream = false;
  Staging staging; // of a queue beside the others

private:
  struct Graph {
    List<Step> steps{systemAllocator()};
    List<uint64_t> parameters{systemAllocator()};
    List<GraphNode *> nodes{systemAllocator()};
    GraphRecord *record = nullptr; // has the nodes
    GraphExec *exec = nullptr;     // null: it came once
    uint64_t lastUse = 0;
    bool isRefused = false; // by the driver
  };

  Status add(const Driver &driver, Step step, const uint64_t *parameters);
  Status submit(const Driver &driver, const Step &step);
  Status submitFrom(const Driver &driver, size_t first);
  bool begins(const Graph &graph, size_t count) const;
  Graph *find(size_t count, bool isWhole) const;
  Status run(const Driver &driver, Graph &graph);
  bool change(const Driver &driver, Graph &graph, size_t number);
  void remember(const Driver &driver);
  void build(const Driver &driver, Graph &graph);
  static void clear(const Driver &driver, Graph &graph);
  static void destroy(const Driver *driver, Graph *graph);

  List<Step> steps{systemAllocator()}; // since the last flush
  List<uint64_t> values{systemAllocator()};
  Graph *graphs[kMaxGraphs] = {};
  Graph *expected = nullptr; // what all steps so far are the beginning of
  size_t submitted = 0;
  uint64_t uses = 0;
};

} // namespace tessera::rt::cuda

#endif // TESSERA_RUNTIME_DEVICE_CUDA_QUEUE_H
