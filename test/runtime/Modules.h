// What tests of the runtime share: modules written by hand, kernels that are functions of the test,
// an allocator that counts and fails.
#ifndef TESSERA_TEST_RUNTIME_MODULES_H
#define TESSERA_TEST_RUNTIME_MODULES_H

#include "compiler/module/ModuleWriter.h"
#include "runtime/executor/Context.h"

#include <gtest/gtest.h>
#include <memory>
#include <mutex>

namespace tessera::test {

using module::ModuleDesc;
using rt::Code;
using rt::KernelBuffer;
using rt::KernelContext;

// The image is a jump to `function`, so that a kernel can be written (and instrumented) like
// everything else.
module::Kernel makeKernel(std::string name, rt::KernelEntry function,
                          std::vector<module::KernelArg> args);
module::KernelArg input(rt::ElementType type, uint8_t rank);
module::KernelArg output(rt::ElementType type, uint8_t rank);

inline float *floats(void *const *args, size_t i) {
  return reinterpret_cast<float *>(static_cast<const KernelBuffer *>(args[i])->host);
}
int64_t countElements(void *const *args, size_t i);

// One function, one variant that runs everywhere.
ModuleDesc makeModule(module::Function function, std::vector<module::Kernel> kernels = {});
// y = 2 * x, f32[N, 4], row by row in a parallel loop; N in [0, 100]. The result goes through a
// temporary.
ModuleDesc makeTwice();
std::vector<uint8_t> write(const ModuleDesc &module);

struct Releaser {
  void operator()(rt::Module *module) const { module->release(); }
  void operator()(rt::Context *context) const {
    const rt::Allocator allocator = context->allocator;
    rt::destroy(allocator, context);
  }
};
using ModulePtr = std::unique_ptr<rt::Module, Releaser>;
using ContextPtr = std::unique_ptr<rt::Context, Releaser>;

ModulePtr load(const ModuleDesc &module, rt::LoadOptions options = {});
ContextPtr makeContext(rt::Module &module, uint32_t threads = 1, uint64_t memoryLimit = 0);
// The error of loading these bytes; "" when they load.
std::string loadError(const std::vector<uint8_t> &bytes, Code *code = nullptr,
                      rt::LoadOptions options = {});
std::string loadError(const ModuleDesc &module, Code *code = nullptr);

rt::TensorView view(void *data, rt::ElementType type, std::vector<int64_t> dims);
template <typename T> rt::TensorView view(std::vector<T> &data, std::vector<int64_t> dims) {
  return view(data.data(), std::is_same_v<T, float> ? rt::ElementType::F32 : rt::ElementType::I64,
              std::move(dims));
}

// Hands out malloc's memory; fails the `failAt`th allocation (counted from 1).
class CountingAllocator {
public:
  rt::Allocator get();
  uint64_t count() const { return made; }
  int64_t live() const { return held; }
  uint64_t failAt = 0;

private:
  std::atomic<uint64_t> made{0};
  std::atomic<int64_t> held{0};
};

#define EXPECT_STATUS(expression, expected, text)                                                  \
  do {                                                                                             \
    const ::tessera::rt::Status status_ = (expression);                                            \
    EXPECT_EQ(int(status_.code()), int(expected)) << status_.message();                            \
    EXPECT_NE(std::string(status_.message()).find(text), std::string::npos) << status_.message();  \
  } while (false)
#define EXPECT_OK(expression)                                                                      \
  do {                                                                                             \
    const ::tessera::rt::Status status_ = (expression);                                            \
    EXPECT_TRUE(status_.ok()) << status_.message();                                                \
  } while (false)

} // namespace tessera::test

#endif // TESSERA_TEST_RUNTIME_MODULES_H
