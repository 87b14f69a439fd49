//===- FakeGraphs.cpp - CUDA graphs of the fake driver ---------------------------------------===//
//
// A graph is a list of what its steps call. As with a GPU a launch runs what was instantiated, with
// what was changed in it since, and memory that is no more is an error when it runs.
//
//===----------------------------------------------------------------------===//
#include "runtime/device/cuda/Driver.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

using namespace tessera::rt::cuda;

#define EXPORT extern "C" __attribute__((visibility("default"))) Result

EXPORT cuLaunchKernel(FunctionRecord *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                      unsigned, StreamRecord *, void **, void **);
EXPORT cuMemcpyDtoDAsync_v2(DevicePtr, DevicePtr, size_t, StreamRecord *);
EXPORT cuMemsetD8Async(DevicePtr, unsigned char, size_t, StreamRecord *);
EXPORT cuMemsetD16Async(DevicePtr, unsigned short, size_t, StreamRecord *);
EXPORT cuMemsetD32Async(DevicePtr, unsigned, size_t, StreamRecord *);
EXPORT cuMemsetD2D32Async(DevicePtr, size_t, unsigned, size_t, size_t, StreamRecord *);
extern "C" void countFakeCall(const char *name, long by);
std::recursive_mutex &fakeCudaMutex();

namespace {
constexpr Result kInvalidValue = 1, kNotSupported = 801;
enum class Kind { Kernel, Copy, Fill };
} // namespace

struct tessera::rt::cuda::GraphNode {
  Kind kind;
  KernelNode kernel;
  std::vector<uint8_t> parameters;
  CopyNode copy;
  FillShape fill;
};
struct tessera::rt::cuda::GraphRecord {
  std::vector<std::unique_ptr<GraphNode>> nodes;
};
struct tessera::rt::cuda::GraphExec {
  std::vector<GraphNode> steps;
  std::vector<GraphNode *> nodes; ///< of the graph
};

namespace {

std::set<GraphNode *> nodes; ///< of all graphs that there are

Result add(GraphNode **node, GraphRecord *graph, GraphNode *const *before, size_t count,
           GraphNode made) {
  // This one runs in the order in which it was made: that is what its edges have to say.
  if (count != (graph->nodes.empty() ? 0 : 1) || (count && *before != graph->nodes.back().get()))
    return kInvalidValue;
  graph->nodes.push_back(std::make_unique<GraphNode>(std::move(made)));
  *node = graph->nodes.back().get();
  nodes.insert(*node);
  return kSuccess;
}

GraphNode ofKernel(const KernelNode *kernel) {
  GraphNode node{Kind::Kernel, *kernel, {}, {}, {}};
  const auto *bytes = static_cast<const uint8_t *>(kernel->extra[1]);
  node.parameters.assign(bytes, bytes + *static_cast<const size_t *>(kernel->extra[3]));
  return node;
}
GraphNode ofCopy(const CopyNode *copy) { return {Kind::Copy, {}, {}, *copy, {}}; }
GraphNode ofFill(const FillShape *fill) { return {Kind::Fill, {}, {}, {}, *fill}; }

/// Empty ones, and bits that elements do not have, are refused.
bool isPossible(const CopyNode &copy) { return copy.width && copy.height && copy.depth; }
bool isPossible(const FillShape &fill) {
  const unsigned bits = 8 * fill.elementBytes;
  return fill.width && fill.height && (bits == 8 || bits == 16 || bits == 32) &&
         (bits == 32 || !(fill.value >> bits));
}

Result change(GraphExec *exec, GraphNode *node, GraphNode changed) {
  const auto found = std::find(exec->nodes.begin(), exec->nodes.end(), node);
  if (found == exec->nodes.end() || !nodes.count(node))
    return kInvalidValue;
  GraphNode &step = exec->steps[size_t(found - exec->nodes.begin())];
  if (step.kind != changed.kind || step.kernel.function != changed.kernel.function)
    return kInvalidValue;
  step = std::move(changed);
  return kSuccess;
}

Result run(GraphNode &step, StreamRecord *stream) {
  if (step.kind == Kind::Kernel) {
    size_t bytes = step.parameters.size();
    void *extra[] = {kParameterPointer, step.parameters.data(), kParameterSize, &bytes, nullptr};
    const KernelNode &k = step.kernel;
    return cuLaunchKernel(k.function, k.gridX, k.gridY, k.gridZ, k.blockX, k.blockY, k.blockZ,
                          k.sharedBytes, stream, nullptr, extra);
  }
  if (step.kind == Kind::Copy)
    return cuMemcpyDtoDAsync_v2(step.copy.to.device, step.copy.from.device, step.copy.width,
                                stream);
  const FillShape &fill = step.fill;
  if (fill.height > 1)
    return cuMemsetD2D32Async(fill.to, fill.pitch, fill.value, fill.width, fill.height, stream);
  return fill.elementBytes == 1 ? cuMemsetD8Async(fill.to, uint8_t(fill.value), fill.width, stream)
         : fill.elementBytes == 2
             ? cuMemsetD16Async(fill.to, uint16_t(fill.value), fill.width, stream)
             : cuMemsetD32Async(fill.to, fill.value, fill.width, stream);
}

} // namespace

EXPORT cuGraphCreate(GraphRecord **graph, unsigned) {
  std::lock_guard lock(fakeCudaMutex());
  if (const char *setting = std::getenv("FAKE_CUDA_GRAPHS"); setting && *setting == '0')
    return kNotSupported;
  *graph = new GraphRecord;
  return kSuccess;
}
EXPORT cuGraphDestroy(GraphRecord *graph) {
  std::lock_guard lock(fakeCudaMutex());
  for (const auto &node : graph->nodes)
    nodes.erase(node.get());
  delete graph;
  return kSuccess;
}
EXPORT cuGraphAddKernelNode(GraphNode **node, GraphRecord *graph, GraphNode *const *before,
                            size_t count, const KernelNode *kernel) {
  std::lock_guard lock(fakeCudaMutex());
  return add(node, graph, before, count, ofKernel(kernel));
}
EXPORT cuGraphAddMemcpyNode(GraphNode **node, GraphRecord *graph, GraphNode *const *before,
                            size_t count, const CopyNode *copy, ContextRecord *) {
  std::lock_guard lock(fakeCudaMutex());
  return isPossible(*copy) ? add(node, graph, before, count, ofCopy(copy)) : kInvalidValue;
}
EXPORT cuGraphAddMemsetNode(GraphNode **node, GraphRecord *graph, GraphNode *const *before,
                            size_t count, const FillShape *fill, ContextRecord *) {
  std::lock_guard lock(fakeCudaMutex());
  return isPossible(*fill) ? add(node, graph, before, count, ofFill(fill)) : kInvalidValue;
}
EXPORT cuGraphInstantiateWithFlags(GraphExec **exec, GraphRecord *graph, unsigned long long) {
  std::lock_guard lock(fakeCudaMutex());
  countFakeCall(__func__, 1);
  *exec = new GraphExec;
  for (const auto &node : graph->nodes) {
    (*exec)->steps.push_back(*node);
    (*exec)->nodes.push_back(node.get());
  }
  return kSuccess;
}
EXPORT cuGraphExecDestroy(GraphExec *exec) {
  std::lock_guard lock(fakeCudaMutex());
  delete exec;
  return kSuccess;
}
EXPORT cuGraphExecKernelNodeSetParams(GraphExec *exec, GraphNode *node, const KernelNode *kernel) {
  std::lock_guard lock(fakeCudaMutex());
  countFakeCall(__func__, 1);
  return change(exec, node, ofKernel(kernel));
}
EXPORT cuGraphExecMemcpyNodeSetParams(GraphExec *exec, GraphNode *node, const CopyNode *copy,
                                      ContextRecord *) {
  std::lock_guard lock(fakeCudaMutex());
  countFakeCall(__func__, 1);
  return isPossible(*copy) ? change(exec, node, ofCopy(copy)) : kInvalidValue;
}
EXPORT cuGraphExecMemsetNodeSetParams(GraphExec *exec, GraphNode *node, const FillShape *fill,
                                      ContextRecord *) {
  std::lock_guard lock(fakeCudaMutex());
  countFakeCall(__func__, 1);
  return isPossible(*fill) ? change(exec, node, ofFill(fill)) : kInvalidValue;
}
EXPORT cuGraphLaunch(GraphExec *exec, StreamRecord *stream) {
  std::lock_guard lock(fakeCudaMutex());
  countFakeCall(__func__, 1);
  for (GraphNode &step : exec->steps) {
    const Result result = run(step, stream);
    // Nobody called these.
    countFakeCall(step.kind == Kind::Kernel ? "cuLaunchKernel" : "cuMemcpyDtoDAsync_v2",
                  step.kind == Kind::Fill ? 0 : -1);
    if (result)
      return result;
  }
  return kSuccess;
}
