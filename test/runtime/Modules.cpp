#include "test/runtime/Modules.h"

#include <cstdlib>
#include <cstring>

namespace tessera::test {

using module::BufferKind;
using rt::ElementType;

module::Kernel makeKernel(std::string name, rt::KernelEntry function,
                          std::vector<module::KernelArg> args) {
  module::Kernel kernel;
  kernel.name = std::move(name);
  // movabs rax, function; jmp rax
  kernel.image = {0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xe0};
  std::memcpy(kernel.image.data() + 2, &function, sizeof(function));
  kernel.args = std::move(args);
  kernel.sources = {"node/" + kernel.name};
  return kernel;
}

module::KernelArg input(ElementType type, uint8_t rank) {
  return {rt::KernelArgKind::Input, type, rank, rt::StrideRule::Dense};
}
module::KernelArg output(ElementType type, uint8_t rank) {
  return {rt::KernelArgKind::Output, type, rank, rt::StrideRule::Dense};
}

int64_t countElements(void *const *args, size_t i) {
  const auto *buffer = static_cast<const KernelBuffer *>(args[i]);
  int64_t count = 1;
  for (int32_t d = 0; d < buffer->dimensions; ++d)
    count *= buffer->dim[d].extent;
  return count;
}

ModuleDesc makeModule(module::Function function, std::vector<module::Kernel> kernels) {
  ModuleDesc module;
  module.compiler = "test";
  if (kernels.empty()) // A variant's code is never empty.
    kernels.push_back(makeKernel("none", nullptr, {}));
  module.variants.push_back(
      {"cpu", "x86-64-v2", {"sse4.2"}, std::move(kernels), {std::move(function)}});
  return module;
}

static int32_t twice(const KernelContext *context, void *const *args) {
  return context->parallelFor(
      context,
      [](const KernelContext *, int32_t row, uint8_t *closure) {
        void *const *args = reinterpret_cast<void *const *>(closure);
        for (int i = 0; i < 4; ++i)
          floats(args, 1)[row * 4 + i] = 2 * floats(args, 0)[row * 4 + i];
        return int32_t(0);
      },
      0, static_cast<const KernelBuffer *>(args[0])->dim[1].extent,
      reinterpret_cast<uint8_t *>(const_cast<void **>(args)));
}

ModuleDesc makeTwice() {
  module::Function f;
  f.name = "main";
  f.symbols = {{"N", 0, 100}};
  f.registers = 1;
  const std::vector<module::Dim> dims = {module::Dim::reg(0), module::Dim::constant(4)};
  f.inputs = {{"x", ElementType::F32, dims, {"N", "4"}}};
  f.outputs = {{"y", ElementType::F32, dims, {"N", "4"}}};
  const uint32_t x = f.addBuffer({BufferKind::Input, ElementType::F32, 0, dims});
  const uint32_t y = f.addBuffer({BufferKind::Output, ElementType::F32, 0, dims});
  const uint32_t t = f.addBuffer({BufferKind::Temp, ElementType::F32, 0, dims});
  f.launch(0, {x, t});
  f.copy(y, t);
  f.ret();
  f.buffers[t].first = 0;
  f.buffers[t].last = 1;
  return makeModule(
      f, {makeKernel("twice", twice, {input(ElementType::F32, 2), output(ElementType::F32, 2)})});
}

std::vector<uint8_t> write(const ModuleDesc &module) {
  std::vector<uint8_t> bytes;
  EXPECT_EQ(module::writeModule(module, bytes), "");
  return bytes;
}

ModulePtr load(const ModuleDesc &module, rt::LoadOptions options) {
  const std::vector<uint8_t> bytes = write(module);
  auto result = rt::Module::loadMemory(bytes.data(), bytes.size(), options);
  EXPECT_TRUE(result.ok()) << result.status().message();
  return ModulePtr(result.ok() ? *result : nullptr);
}

ContextPtr makeContext(rt::Module &module, uint32_t threads, uint64_t memoryLimit) {
  rt::ContextOptions options;
  options.threads = threads;
  options.memoryLimit = memoryLimit;
  auto result = rt::Context::make(module, options);
  EXPECT_TRUE(result.ok()) << result.status().message();
  return ContextPtr(result.ok() ? *result : nullptr);
}

std::string loadError(const std::vector<uint8_t> &bytes, Code *code, rt::LoadOptions options) {
  auto result = rt::Module::loadMemory(bytes.data(), bytes.size(), options);
  if (code)
    *code = result.status().code();
  if (!result.ok())
    return result.status().message();
  ModulePtr release(*result);
  return "";
}

std::string loadError(const ModuleDesc &module, Code *code) {
  return loadError(write(module), code);
}

rt::TensorView view(void *data, ElementType type, std::vector<int64_t> dims) {
  rt::TensorView tensor;
  tensor.data = data;
  tensor.type = type;
  tensor.rank = uint32_t(dims.size());
  int64_t stride = 1;
  for (size_t d = dims.size(); d-- > 0;) {
    tensor.dims[d] = dims[d];
    tensor.strides[d] = stride;
    stride *= dims[d];
  }
  return tensor;
}

rt::Allocator CountingAllocator::get() {
  return {[](void *user, size_t size, size_t alignment) -> void * {
            auto *self = static_cast<CountingAllocator *>(user);
            if (++self->made == self->failAt)
              return nullptr;
            void *memory =
                std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
            if (memory)
              ++self->held;
            return memory;
          },
          [](void *user, void *memory, size_t, size_t) {
            --static_cast<CountingAllocator *>(user)->held;
            std::free(memory);
          },
          this};
}

} // namespace tessera::test
