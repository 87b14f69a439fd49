// Sectors and banks: what accesses of warps touch, and what they would have to.
#include "test/gpu/Traffic.h"
#include "test/gpu/Harness.h"

using namespace tessera::ptx;

namespace {
/// Of every kind: accesses, done, needed.
using Figures = std::map<Traffic::Kind, std::array<uint64_t, 3>>;

Figures measure(const std::string &body, uint32_t threads = 32) {
  const Program program = parse(makeKernel(body, ".shared .align 128 .b8 memory[8192];"));
  alignas(128) static uint8_t in[16384], out[16384];
  Launch launch;
  launch.block[0] = threads;
  launch.limit = 100000;
  launch.params.resize(16);
  const uint64_t addresses[] = {reinterpret_cast<uintptr_t>(in), reinterpret_cast<uintptr_t>(out)};
  std::memcpy(launch.params.data(), addresses, 16);
  launch.memory = {{addresses[0], sizeof in, "in", false}, {addresses[1], sizeof out, "out", true}};
  Traffic traffic;
  launch.traffic = &traffic;
  EXPECT_EQ(run(program, "k", launch), "");
  Figures figures;
  for (const Traffic::Count &count : traffic.getCounts()) {
    auto &all = figures[count.kind];
    all[0] += count.accesses;
    all[1] += count.done;
    all[2] += count.needed;
  }
  return figures;
}

/// A word of each thread, so many bytes from the next one's.
std::string apart(uint32_t bytes, const std::string &access) {
  return "mul.wide.u32 %rd5, %r0, " + std::to_string(bytes) +
         "; add.s64 %rd6, %rd0, %rd5; cvt.u32.u64 %r5, %rd5; mov.u32 %r6, memory; add.u32 %r5, "
         "%r5, "
         "%r6;\n" +
         access;
}

using Three = std::array<uint64_t, 3>;
} // namespace

TEST(Traffic, CountsSectors) {
  const auto load = [](uint32_t bytes) {
    return measure(apart(bytes, "ld.global.b32 %r7, [%rd6];"))[Traffic::GlobalLoad];
  };
  EXPECT_EQ(load(0), (Three{1, 1, 1}));
  EXPECT_EQ(load(4), (Three{1, 4, 4}));
  EXPECT_EQ(load(8), (Three{1, 8, 4}));
  EXPECT_EQ(load(128), (Three{1, 32, 4}));
  // Not from the beginning of a sector on.
  EXPECT_EQ(measure("ld.global.b32 %r7, [%rd3+4];")[Traffic::GlobalLoad], (Three{1, 5, 4}));
  EXPECT_EQ(
      measure(apart(16, "ld.global.v4.b32 {%r7, %r8, %r9, %r10}, [%rd6];"))[Traffic::GlobalLoad],
      (Three{1, 16, 16}));
  EXPECT_EQ(measure("mov.b32 %r7, 1; st.global.b32 [%rd4], %r7;", 40)[Traffic::GlobalStore],
            (Three{2, 5, 5}));
}

TEST(Traffic, CountsPassesThroughBanks) {
  const auto store = [](uint32_t bytes) {
    return measure(apart(bytes, "st.shared.b32 [%r5], %r0;"))[Traffic::SharedStore];
  };
  EXPECT_EQ(store(4), (Three{1, 1, 1}));
  EXPECT_EQ(store(8), (Three{1, 2, 1}));
  EXPECT_EQ(store(12), (Three{1, 1, 1}));
  EXPECT_EQ(store(128), (Three{1, 32, 1}));
  EXPECT_EQ(store(132), (Three{1, 1, 1}));
  // 8 and 16 bytes a thread: halves and quarters of a warp.
  const std::string two = "st.shared.v2.b32 [%r5], {%r0, %r0};",
                    four = "st.shared.v4.b32 [%r5], {%r0, %r0, %r0, %r0};";
  EXPECT_EQ(measure(apart(8, two))[Traffic::SharedStore], (Three{1, 2, 2}));
  EXPECT_EQ(measure(apart(16, two))[Traffic::SharedStore], (Three{1, 4, 2}));
  EXPECT_EQ(measure(apart(16, four))[Traffic::SharedStore], (Three{1, 4, 4}));
  EXPECT_EQ(measure(apart(64, four))[Traffic::SharedStore], (Three{1, 16, 4}));
  // All read one word.
  EXPECT_EQ(
      measure(apart(4, "st.shared.b32 [%r5], %r0; bar.warp.sync -1; ld.shared.b32 %r7, [%r6];"))
          [Traffic::SharedLoad],
      (Three{1, 1, 1}));
}

TEST(Traffic, CountsMatrices) {
  const auto load = [](uint32_t bytes) {
    return measure(apart(
        16,
        "st.shared.v4.b32 [%r5], {%r0, %r0, %r0, %r0}; st.shared.v4.b32 "
        "[%r5+512], {%r0, %r0, %r0, %r0}; st.shared.v4.b32 [%r5+1024], {%r0, %r0, "
        "%r0, %r0}; bar.warp.sync -1; and.b32 %r8, %r0, 7; mad.lo.u32 %r8, %r8, " +
            std::to_string(bytes) +
            ", %r6; ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r9}, [%r8];"))[Traffic::SharedLoad];
  };
  EXPECT_EQ(load(16), (Three{1, 1, 1}));
  EXPECT_EQ(load(32), (Three{1, 2, 1}));
  EXPECT_EQ(load(128), (Three{1, 8, 1}));
  EXPECT_EQ(load(144), (Three{1, 1, 1}));
}

// A thread goes through its loop before the next one begins; a warp does not.
TEST(Traffic, PutsTurnsOfLoopsTogether) {
  EXPECT_EQ(
      measure(
          "mov.u32 %r5, 0;\nAGAIN: ld.global.b32 %r7, [%rd3]; add.s64 %rd3, %rd3, 128; "
          "add.u32 %r5, %r5, 1; setp.lt.u32 %p1, %r5, 5;\n@%p1 bra AGAIN;")[Traffic::GlobalLoad],
      (Three{5, 20, 20}));
  // Where a thread leaves out a turn, a meeting puts them side by side again.
  EXPECT_EQ(measure("setp.ne.u32 %p1, %r0, 3;\n@%p1 ld.global.b32 %r7, [%rd3];\nbar.warp.sync -1;\n"
                    "ld.global.b32 %r7, [%rd3];")[Traffic::GlobalLoad],
            (Three{2, 8, 8}));
}
