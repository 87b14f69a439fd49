// What kernels hear of results that are larger than the caches.
#include "test/runtime/Modules.h"

#include "runtime/module/CpuFeatures.h"

using namespace tessera::test;
using namespace tessera::rt;
namespace m = tessera::module;

namespace {

std::vector<uint32_t> heard;

int32_t hear(const KernelContext *context, void *const *) {
  heard.push_back(context->largeResults);
  return 0;
}

// x -> t, t -> t in its place, t -> y and a small z.
ModuleDesc makeHearing() {
  m::Function f;
  f.name = "main";
  f.symbols = {{"N", 0, int64_t(1) << 30}};
  f.registers = 1;
  const std::vector<m::Dim> dims = {m::Dim::reg(0)}, few = {m::Dim::constant(4)};
  f.inputs = {{"x", ElementType::F32, dims, {"N"}}};
  f.outputs = {{"y", ElementType::F32, dims, {"N"}}, {"z", ElementType::F32, few, {"4"}}};
  const uint32_t x = f.addBuffer({BufferKind::Input, ElementType::F32, 0, dims});
  const uint32_t y = f.addBuffer({BufferKind::Output, ElementType::F32, 0, dims});
  const uint32_t z = f.addBuffer({BufferKind::Output, ElementType::F32, 1, few});
  const uint32_t t = f.addBuffer({BufferKind::Temp, ElementType::F32, 0, dims});
  f.launch(0, {x, t});
  f.launch(0, {t, t});
  f.launch(0, {t, y});
  f.launch(1, {t, y, z});
  f.ret();
  f.buffers[t].first = 0;
  f.buffers[t].last = 3;
  const m::KernelArg in = input(ElementType::F32, 1), out = output(ElementType::F32, 1);
  return makeModule(f,
                    {makeKernel("one", hear, {in, out}), makeKernel("two", hear, {in, out, out})});
}

} // namespace

TEST(LargeResults, areThoseThatNoCacheHoldsAndNoInputLiesIn) {
  const uint64_t bytes = lastCacheBytes();
  EXPECT_GE(bytes, uint64_t(64) << 10);
  if (bytes > uint64_t(256) << 20)
    GTEST_SKIP() << "results larger than this processor's cache would take too much memory";
  ModulePtr module = load(makeHearing());
  ContextPtr context = makeContext(*module);
  for (const bool isLarge : {true, false}) {
    std::vector<float> x(bytes / sizeof(float) - (isLarge ? 0 : 1));
    EXPECT_OK(context->setInput(0, 0, view(x, {int64_t(x.size())})));
    heard.clear();
    EXPECT_OK(context->run(0, 0));
    EXPECT_EQ(heard, isLarge ? std::vector<uint32_t>({1, 0, 1, 0}) : std::vector<uint32_t>(4, 0));
  }
}
