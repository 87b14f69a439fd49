#include "runtime/device/cuda/Queue.h"

#include <cstring>

namespace tessera::rt::cuda {

namespace {

// All but addresses and parameters, which can change in a graph.
bool isAlike(const Step &a, const Step &b) {
  if (a.kind != b.kind || a.bytes != b.bytes)
    return false;
  switch (a.kind) {
  case Step::Kernel:
    return a.function == b.function && a.sharedBytes == b.sharedBytes &&
           a.parameters == b.parameters && std::memcmp(&a.grid, &b.grid, sizeof(a.grid)) == 0;
  case Step::Copy: return true;
  case Step::Fill:
    return a.fill.elementBytes == b.fill.elementBytes && a.fill.width == b.fill.width &&
           a.fill.height == b.fill.height && a.fill.pitch == b.fill.pitch;
  }
  return false;
}

// How a kernel takes its parameters.
struct Extra {
  Extra(uint64_t *parameters, uint32_t count) : bytes(size_t(count) * 8) {
    values[0] = kParameterPointer;
    values[1] = parameters;
    values[2] = kParameterSize;
    values[3] = &bytes;
    values[4] = nullptr;
  }
  size_t bytes;
  void *values[5];
};

KernelNode describe(const Step &step, Extra &extra) {
  const uint32_t *grid = step.grid.grid, *block = step.grid.block;
  return {step.function, grid[0],  grid[1],          grid[2], block[0],
          block[1],      block[2], step.sharedBytes, nullptr, extra.values};
}

CopyNode describeCopy(const Step &step) {
  CopyNode node{};
  node.from.memoryType = node.to.memoryType = kDeviceMemoryType;
  node.from.device = step.from;
  node.to.device = step.to;
  node.width = step.bytes;
  node.height = node.depth = 1;
  return node;
}

FillShape describeFill(const Step &step) {
  FillShape shape = step.fill;
  shape.to = step.to;
  return shape;
}

} // namespace

Status Queue::launch(const Driver &driver, FunctionRecord *function, const char *name,
                     const DeviceGrid &grid, uint32_t sharedBytes, const uint64_t *parameters,
                     uint32_t count) {
  Step step{};
  step.kind = Step::Kernel;
  step.function = function;
  step.name = name;
  step.grid = grid;
  step.sharedBytes = sharedBytes;
  step.parameters = count;
  return add(driver, step, parameters);
}

Status Queue::copy(const Driver &driver, DevicePtr to, DevicePtr from, size_t bytes) {
  Step step{};
  step.kind = Step::Copy;
  step.to = to;
  step.from = from;
  step.bytes = bytes;
  return add(driver, step, nullptr);
}

Status Queue::fill(const Driver &driver, DevicePtr to, const FillShape &shape) {
  Step step{};
  step.kind = Step::Fill;
  step.to = to;
  step.fill = shape;
  return add(driver, step, nullptr);
}

Status Queue::add(const Driver &driver, Step step, const uint64_t *parameters) {
  step.firstParameter = values.size();
  for (uint32_t i = 0; i < step.parameters; ++i)
    if (!values.push_back(parameters[i]))
      return Status::outOfMemory();
  if (!steps.push_back(step))
    return Status::outOfMemory();
  const size_t count = steps.size();
  if (submitted + 1 < count || count == 1) { // Nothing was submitted yet: is there still a graph?
    if (!expected || !begins(*expected, count))
      expected = submitted == 0 ? find(count, /*isWhole=*/false) : nullptr;
    if (expected)
      return {};
  }
  return submitFrom(driver, submitted);
}

Status Queue::submitFrom(const Driver &driver, size_t first) {
  expected = nullptr;
  submitted = steps.size(); // Also where one fails: none is submitted twice.
  for (size_t i = first; i < steps.size(); ++i)
    TESSERA_TRY(submit(driver, steps[i]));
  return {};
}

Status Queue::submit(const Driver &driver, const Step &step) {
  switch (step.kind) {
  case Step::Kernel: {
    Extra extra(&values[step.firstParameter], step.parameters);
    const uint32_t *grid = step.grid.grid, *block = step.grid.block;
    const Result result =
        driver.launchKernel(step.function, grid[0], grid[1], grid[2], block[0], block[1], block[2],
                            step.sharedBytes, stream, nullptr, extra.values);
    Status status = driver.check(result, "a launch").at("'%s'", step.name);
    // What was wrong with this one, and not with one before it.
    if (status.code() == Code::SystemError && !Driver::isLost(result))
      return Status::error(Code::KernelFailed, "%s", status.message());
    return status;
  }
  case Step::Copy:
    return driver.check(driver.copyOnDevice(step.to, step.from, step.bytes, stream),
                        "a copy on the device");
  case Step::Fill: break;
  }
  const FillShape &fill = step.fill;
  Result result;
  if (fill.height > 1)
    result = driver.fillRows32(step.to, fill.pitch, fill.value, fill.width, fill.height, stream);
  else if (fill.elementBytes == 1)
    result = driver.fill8(step.to, uint8_t(fill.value), fill.width, stream);
  else if (fill.elementBytes == 2)
    result = driver.fill16(step.to, uint16_t(fill.value), fill.width, stream);
  else
    result = driver.fill32(step.to, fill.value, fill.width, stream);
  return driver.check(result, "a fill on the device");
}

Status Queue::flush(const Driver &driver) {
  Status status;
  if (submitted < steps.size()) {
    Graph *whole = find(steps.size(), /*isWhole=*/true);
    status = whole && whole->exec ? run(driver, *whole) : submitFrom(driver, submitted);
    if (status.ok() && submitted)
      remember(driver);
  } else if (submitted) {
    remember(driver);
  }
  discard();
  return status;
}

void Queue::discard() {
  steps.clear();
  values.clear();
  expected = nullptr;
  submitted = 0;
}

bool Queue::begins(const Graph &graph, size_t count) const {
  return graph.exec && graph.steps.size() >= count &&
         isAlike(graph.steps[count - 1], steps[count - 1]);
}

// One whose first steps are those that wait; `isWhole`: and that has no others, built or not.
Queue::Graph *Queue::find(size_t count, bool isWhole) const {
  for (Graph *graph : graphs) {
    if (!graph ||
        (isWhole ? graph->steps.size() != count : !graph->exec || graph->steps.size() < count))
      continue;
    size_t same = 0;
    while (same < count && isAlike(graph->steps[same], steps[same]))
      ++same;
    if (same == count)
      return graph;
  }
  return nullptr;
}

// Makes what has changed known to the graph. False: the driver does not change that.
bool Queue::change(const Driver &driver, Graph &graph, size_t number) {
  const Step &step = steps[number];
  Step &old = graph.steps[number];
  switch (step.kind) {
  case Step::Kernel: {
    uint64_t *now = values.begin() + step.firstParameter,
             *before = graph.parameters.begin() + old.firstParameter;
    const size_t bytes = size_t(step.parameters) * 8;
    if (!bytes || std::memcmp(now, before, bytes) == 0)
      return true;
    Extra extra(now, step.parameters);
    const KernelNode node = describe(step, extra);
    if (driver.graphSetKernel(graph.exec, graph.nodes[number], &node) != kSuccess)
      return false;
    std::memcpy(before, now, bytes);
    return true;
  }
  case Step::Copy: {
    if (step.to == old.to && step.from == old.from)
      return true;
    const CopyNode node = describeCopy(step);
    if (driver.graphSetCopy(graph.exec, graph.nodes[number], &node, driver.context) != kSuccess)
      return false;
    break;
  }
  case Step::Fill: {
    if (step.to == old.to && step.fill.value == old.fill.value)
      return true;
    const FillShape node = describeFill(step);
    if (driver.graphSetFill(graph.exec, graph.nodes[number], &node, driver.context) != kSuccess)
      return false;
    break;
  }
  }
  old.to = step.to;
  old.from = step.from;
  old.fill = step.fill;
  return true;
}

Status Queue::run(const Driver &driver, Graph &graph) {
  graph.lastUse = ++uses;
  for (size_t i = 0; i < steps.size(); ++i)
    if (!change(driver, graph, i)) {
      clear(driver, graph);
      graph.isRefused = true;
      return submitFrom(driver, 0);
    }
  return driver.check(driver.graphLaunch(graph.exec, stream), "launching a graph");
}

// After steps were submitted one by one: a graph for the next time, when they came before.
void Queue::remember(const Driver &driver) {
  if (!driver.graphLaunch || steps.size() < kMinGraphSteps)
    return;
  if (Graph *known = find(steps.size(), /*isWhole=*/true)) {
    known->lastUse = ++uses;
    if (!known->exec && !known->isRefused)
      build(driver, *known);
    return;
  }
  Graph **place = &graphs[0];
  for (Graph *&graph : graphs)
    if (!graph || (*place && graph->lastUse < (*place)->lastUse))
      place = &graph;
  destroy(&driver, *place);
  *place = create<Graph>(systemAllocator());
  if (!*place)
    return; // There is room for no graph: all goes on without.
  Graph &made = **place;
  made.lastUse = ++uses;
  bool fits = true;
  for (const Step &step : steps)
    fits = fits && made.steps.push_back(step);
  for (uint64_t value : values)
    fits = fits && made.parameters.push_back(value);
  if (!fits) {
    destroy(&driver, *place);
    *place = nullptr;
  }
}

// Every step after the one before it, as a stream has them.
void Queue::build(const Driver &driver, Graph &graph) {
  graph.isRefused = true; // unless all goes well
  if (driver.graphCreate(&graph.record, 0) != kSuccess) {
    graph.record = nullptr;
    return;
  }
  bool isGood = true;
  graph.nodes.clear();
  for (size_t i = 0; i < values.size(); ++i)
    graph.parameters[i] = values[i];
  for (size_t i = 0; i < steps.size() && isGood; ++i) {
    const Step &step = steps[i];
    graph.steps[i] = step;
    GraphNode *node = nullptr, *before = i ? graph.nodes[i - 1] : nullptr;
    Result result = kSuccess;
    if (step.kind == Step::Kernel) {
      Extra extra(&values[step.firstParameter], step.parameters);
      const KernelNode kernel = describe(step, extra);
      result = driver.graphAddKernel(&node, graph.record, &before, i ? 1 : 0, &kernel);
    } else if (step.kind == Step::Copy) {
      const CopyNode copy = describeCopy(step);
      result = driver.graphAddCopy(&node, graph.record, &before, i ? 1 : 0, &copy, driver.context);
    } else {
      const FillShape fill = describeFill(step);
      result = driver.graphAddFill(&node, graph.record, &before, i ? 1 : 0, &fill, driver.context);
    }
    isGood = result == kSuccess && graph.nodes.push_back(node);
  }
  graph.isRefused = !isGood || driver.graphInstantiate(&graph.exec, graph.record, 0) != kSuccess;
  if (graph.isRefused) {
    graph.exec = nullptr;
    clear(driver, graph);
  }
}

void Queue::clear(const Driver &driver, Graph &graph) {
  if (graph.exec)
    (void)driver.graphExecDestroy(graph.exec);
  if (graph.record)
    (void)driver.graphDestroy(graph.record);
  graph.exec = nullptr;
  graph.record = nullptr;
}

void Queue::destroy(const Driver *driver, Graph *graph) {
  if (graph && driver)
    clear(*driver, *graph);
  rt::destroy(systemAllocator(), graph);
}

void Queue::release(const Driver *driver) {
  for (Graph *&graph : graphs) {
    destroy(driver, graph);
    graph = nullptr;
  }
}

} // namespace tessera::rt::cuda
