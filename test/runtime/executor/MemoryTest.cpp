// Shapes, memory, and what happens when there is none.
#include "test/runtime/Modules.h"

#include <cmath>
#include <cstring>
#include <thread>

using namespace tessera::test;
using namespace tessera::rt;

static Status runTwice(Context &context, std::vector<float> &x, bool check = true) {
  const int64_t rows = int64_t(x.size()) / 4;
  TESSERA_TRY(context.setInput(0, 0, view(x, {rows, 4})));
  TESSERA_TRY(context.run(0, 0));
  TensorView y;
  TESSERA_TRY(context.getOutput(0, 0, y));
  EXPECT_EQ(y.dims[0], rows);
  for (size_t i = 0; check && i < x.size(); ++i)
    EXPECT_EQ(static_cast<float *>(y.data)[i], 2 * x[i]);
  return {};
}

TEST(Memory, everyShapeIncludingNoRows) {
  ModulePtr module = load(makeTwice());
  ContextPtr context = makeContext(*module, 2);
  for (size_t rows : {3, 0, 1, 100, 3, 0}) {
    std::vector<float> x(rows * 4);
    for (size_t i = 0; i < x.size(); ++i)
      x[i] = float(i) - 7;
    EXPECT_OK(runTwice(*context, x));
  }
}

// As a pad does: an index that is clamped into the input reads its row 0.
static int32_t readFirstRow(const KernelContext *, void *const *args) {
  const auto *x = static_cast<const KernelBuffer *>(args[0]);
  for (int i = 0; i < x->dim[0].extent; ++i)
    floats(args, 1)[i] = floats(args, 0)[i];
  return 0;
}

TEST(Memory, kernelsReadZerosWhereAnInputIsEmpty) {
  tessera::module::Function f;
  f.name = "main";
  f.symbols = {{"N", 0, 100}, {"M", 0, INT32_MAX}};
  f.registers = 2;
  const std::vector<tessera::module::Dim> rows = {tessera::module::Dim::reg(0),
                                                  tessera::module::Dim::reg(1)},
                                          row = {rows[1]};
  f.inputs = {{"x", ElementType::F32, rows, {"N", "M"}}};
  f.outputs = {{"y", ElementType::F32, row, {"M"}}};
  const uint32_t x = f.addBuffer({BufferKind::Input, ElementType::F32, 0, rows});
  const uint32_t y = f.addBuffer({BufferKind::Output, ElementType::F32, 0, row});
  f.launch(0, {x, y});
  f.ret();
  ModulePtr module =
      load(makeModule(f, {makeKernel("first", readFirstRow,
                                     {input(ElementType::F32, 2), output(ElementType::F32, 1)})}));
  ContextPtr context = makeContext(*module, 1, 1 << 20);
  std::vector<float> nothing, ones(2 * 5000, 1);
  for (int64_t columns : {3, 5000, 3}) {
    for (int64_t count : {0, 2}) {
      EXPECT_OK(context->setInput(0, 0, view(count ? ones : nothing, {count, columns})));
      EXPECT_OK(context->run(0, 0));
      TensorView result;
      EXPECT_OK(context->getOutput(0, 0, result));
      for (int64_t i = 0; i < columns; ++i)
        ASSERT_EQ(static_cast<float *>(result.data)[i], count ? 1 : 0);
    }
  }
  EXPECT_OK(context->setInput(0, 0, view(nothing, {0, 1 << 20})));
  EXPECT_EQ(context->run(0, 0).code(), Code::MemoryLimit);
}

TEST(Memory, aCallWhoseShapeWasSeenAllocatesNothing) {
  CountingAllocator counting;
  const Allocator allocator = counting.get();
  LoadOptions options;
  options.allocator = &allocator;
  {
    ModulePtr module = load(makeTwice(), options);
    ContextPtr context = makeContext(*module, 2);
    std::vector<float> large(400, 1), small(8, 2);
    EXPECT_OK(runTwice(*context, small));
    EXPECT_OK(runTwice(*context, large));
    const uint64_t before = counting.count();
    for (int i = 0; i < 10; ++i) {
      EXPECT_OK(runTwice(*context, small));
      EXPECT_OK(runTwice(*context, large));
    }
    EXPECT_EQ(counting.count(), before);
    EXPECT_GT(counting.live(), 0);
  }
  EXPECT_EQ(counting.live(), 0);
}

TEST(Memory, moreShapesThanPlansAreRememberedInTurn) {
  ModulePtr module = load(makeTwice());
  ContextOptions options;
  options.threads = 1;
  options.maxPlans = 2;
  auto made = Context::make(*module, options);
  ASSERT_TRUE(made.ok());
  ContextPtr context(*made);
  for (int round = 0; round < 3; ++round)
    for (size_t rows : {1, 2, 3, 2, 5}) {
      std::vector<float> x(rows * 4, float(round + 1));
      EXPECT_OK(runTwice(*context, x));
    }
}

// Load, context, two shapes, a strided input: each allocation fails once.
TEST(Memory, failingEachAllocationInTurnGivesAnErrorAndNoLeak) {
  const std::vector<uint8_t> bytes = write(makeTwice());
  uint64_t n = 0;
  for (bool succeeded = false; !succeeded;) {
    CountingAllocator counting;
    counting.failAt = ++n;
    const Allocator allocator = counting.get();
    LoadOptions options;
    options.allocator = &allocator;
    const Status status = [&]() -> Status {
      auto loaded = Module::loadMemory(bytes.data(), bytes.size(), options);
      if (!loaded.ok())
        return loaded.takeStatus();
      ModulePtr module(*loaded);
      ContextOptions contextOptions;
      contextOptions.threads = 2;
      auto made = Context::make(*module, contextOptions);
      if (!made.ok())
        return made.takeStatus();
      ContextPtr context(*made);
      TESSERA_TRY(context->startProfile(300));
      std::vector<float> x(8, 1), large(80, 1);
      TESSERA_TRY(runTwice(*context, x));
      TESSERA_TRY(runTwice(*context, large));
      TensorView strided = view(large, {5, 4});
      strided.strides[0] = 8;
      TESSERA_TRY(context->setInput(0, 0, strided));
      return context->run(0, 0);
    }();
    EXPECT_EQ(counting.live(), 0) << "allocation " << n;
    succeeded = status.ok();
    if (!succeeded)
      EXPECT_EQ(int(status.code()), int(Code::OutOfMemory)) << "allocation " << n;
    else
      EXPECT_LT(counting.count(), n);
    ASSERT_LT(n, 200u);
  }
  EXPECT_GT(n, 10u);
}

TEST(Memory, aContextWorksAgainAfterMemoryEnded) {
  CountingAllocator counting;
  const Allocator allocator = counting.get();
  LoadOptions options;
  options.allocator = &allocator;
  ModulePtr module = load(makeTwice(), options);
  ContextPtr context = makeContext(*module);
  std::vector<float> small(8, 1), large(400, 3);
  EXPECT_OK(runTwice(*context, small));
  for (int i = 0; i < 3; ++i) {
    counting.failAt = counting.count() + 1;
    EXPECT_STATUS(runTwice(*context, large), Code::OutOfMemory, "out of memory");
    if (i == 0)
      EXPECT_OK(runTwice(*context, small));
  }
  EXPECT_OK(runTwice(*context, large));
}

TEST(Memory, theLimitIsRespected) {
  ModulePtr module = load(makeTwice());
  ContextPtr context = makeContext(*module, 1, 1024);
  std::vector<float> small(64, 1), large(400, 1);
  EXPECT_OK(runTwice(*context, small));
  EXPECT_LE(context->memoryBytes(), 1024u);
  EXPECT_STATUS(runTwice(*context, large), Code::MemoryLimit, "the context's limit is 1024");
  EXPECT_LE(context->memoryBytes(), 1024u);
  EXPECT_OK(runTwice(*context, small));
}

TEST(Memory, whatAContextMayAskForIsLimited) {
  ModulePtr module = load(makeTwice());
  for (const ContextOptions &options :
       {ContextOptions{4000000000u, nullptr, 0, 0}, ContextOptions{1, nullptr, 0, 4000000000u}}) {
    auto made = Context::make(*module, options);
    EXPECT_STATUS(made.takeStatus(), Code::InvalidArgument, "at most 1024 (kMaxThreads)");
  }
  ContextPtr context = makeContext(*module);
  EXPECT_STATUS(context->startProfile(UINT64_MAX), Code::InvalidArgument, "kMaxRecords");
}

TEST(Memory, twoContextsOfOneModuleRunAtOnce) {
  ModulePtr module = load(makeTwice());
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t)
    threads.emplace_back([&module, t] {
      ContextPtr context = makeContext(*module, 2);
      for (int round = 0; round < 200; ++round) {
        std::vector<float> x(size_t(4 * ((round * 7 + t) % 50)), float(round + t));
        EXPECT_OK(runTwice(*context, x));
      }
    });
  for (std::thread &thread : threads)
    thread.join();
}

TEST(Memory, aContextServesOneThreadAtATime) {
  ModuleDesc desc = makeTwice();
  static std::atomic<int> stage{0};
  desc.variants[0].kernels[0] =
      makeKernel("waits",
                 [](const KernelContext *, void *const *) {
                   stage = 1;
                   while (stage != 2)
                     std::this_thread::yield();
                   return int32_t(0);
                 },
                 {input(ElementType::F32, 2), output(ElementType::F32, 2)});
  ModulePtr module = load(desc);
  ContextPtr context = makeContext(*module);
  std::vector<float> x(8, 1);
  EXPECT_OK(context->setInput(0, 0, view(x, {2, 4})));
  std::thread running([&] { EXPECT_OK(context->run(0, 0)); });
  while (stage != 1)
    std::this_thread::yield();
  TensorView y;
  EXPECT_STATUS(context->run(0, 0), Code::Busy, "in use by another thread");
  EXPECT_STATUS(context->setInput(0, 0, view(x, {2, 4})), Code::Busy, "in use");
  EXPECT_STATUS(context->setOutput(0, 0, nullptr), Code::Busy, "in use");
  EXPECT_STATUS(context->getOutput(0, 0, y), Code::Busy, "in use");
  EXPECT_STATUS(context->resetVariables(), Code::Busy, "in use");
  EXPECT_STATUS(context->startProfile(1), Code::Busy, "in use");
  stage = 2;
  running.join();
  EXPECT_OK(context->getOutput(0, 0, y));
}

TEST(Memory, aContextKeepsItsModuleAlive) {
  ModulePtr module = load(makeTwice());
  ContextPtr context = makeContext(*module);
  module.reset();
  std::vector<float> x(8, 1);
  EXPECT_OK(runTwice(*context, x));
}
