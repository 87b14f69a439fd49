// Modules and contexts as Python sees them.
#ifndef TESSERA_TOOLS_PYTHON_RUNNING_H
#define TESSERA_TOOLS_PYTHON_RUNNING_H

#include "tools/common/Session.h"
#include "tools/python/Arrays.h"

#include <memory>
#include <mutex>
#include <vector>

namespace tessera::python {

struct TensorInfo {
  std::string name, type;
  nb::tuple shape;
  std::string text; // "x: f32[B, 128]"
};

// A module, shared by its contexts.
class LoadedModule {
public:
  LoadedModule(tools::ModulePointer module, std::string path, std::string bytes, uint32_t threads)
      : module(std::move(module)), path(std::move(path)), bytes(std::move(bytes)),
        threads(threads) {}

  nb::list tensors(bool isInput, uint32_t function) const;
  nb::list variables() const;
  nb::list functions() const;
  std::string repr() const;
  void save(const std::string &to) const;

  const tools::ModulePointer module;
  const std::string path, bytes; // one of them is where it came from
  const uint32_t threads;
};
using ModuleRef = std::shared_ptr<LoadedModule>;

class RunContext {
public:
  RunContext(ModuleRef module, uint32_t threads);

  // A function's name, or none for the first. `outputs` may name arrays that are written to.
  nb::dict run(nb::handle inputs, nb::handle outputs, nb::handle function, nb::handle timeout);
  nb::object read(const std::string &variable);
  void write(const std::string &variable, nb::handle value);
  void reset();
  uint32_t findVariable(const std::string &name) const;

  const ModuleRef module;
  const std::shared_ptr<MemoryPool> memory = std::make_shared<MemoryPool>();
  tools::ContextPointer context;
  std::mutex inUse;

private:
  tessera_code takeResult(uint32_t function, uint32_t output, OwnedArray &result,
                          tessera_error **error);
};

// What `Module` is in Python: runs take a free context, or make one. A module with variables has
// one context, so that its state is one; its runs wait for each other.
class Module {
public:
  explicit Module(ModuleRef module) : module(std::move(module)) {}
  nb::dict run(nb::handle inputs, nb::handle outputs, nb::handle function, nb::handle timeout);
  // The context that holds the state.
  std::shared_ptr<RunContext> stateContext();

  const ModuleRef module;
  nb::object report = nb::none(); // what compiling said; None for a module from a file

private:
  std::mutex turns; // of runs that share the state
  std::mutex mutex; // of `idle` and `state`; held for moments, never while Python code runs
  std::vector<std::shared_ptr<RunContext>> idle;
  std::shared_ptr<RunContext> state;
};

} // namespace tessera::python

#endif // TESSERA_TOOLS_PYTHON_RUNNING_H
