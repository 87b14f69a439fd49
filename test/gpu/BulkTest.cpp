// mbarriers order what threads do; bulk copies bring boxes of tensors and arrive at them.
#include "test/gpu/Harness.h"
#include "test/gpu/TensorMap.h"
#include "test/gpu/Traffic.h"

using namespace tessera::ptx;

namespace {

const char *kBegin = ".shared .align 1024 .b8 s[8192]; .shared .align 8 .b8 bar[16];";
/// Thread 0 makes an mbarrier for so many arrivals, all see it; a wait is a loop as in any program.
std::string makeBarrier(const char *name, unsigned count) {
  return "setp.eq.u32 %p1, %r0, 0; @%p1 mbarrier.init.shared::cta.b64 [" + std::string(name) +
         "], " + std::to_string(count) + ";\n";
}
std::string await(const char *name, unsigned parity, const char *label) {
  return std::string(label) + ":\nmbarrier.try_wait.parity.shared::cta.b64 %p2, [" + name + "], " +
         std::to_string(parity) + "; @!%p2 bra " + label + ";\n";
}

/// Threads of warp 0 write, those of warp 1 read the same word.
std::string runPair(const std::string &writer, const std::string &reader) {
  std::vector<uint32_t> in(64), out(64);
  const std::string error = runBody(
      makeBarrier("bar", 32) + makeBarrier("bar+8", 32) +
          "bar.sync 0;\nand.b32 %r1, %r0, 31; mul.wide.u32 %rd5, %r1, 4; mov.u64 %rd6, s; add.s64 "
          "%rd6, %rd6, %rd5; setp.ge.u32 %p3, %r0, 32; @%p3 bra $READ;\n" +
          writer + "ret;\n$READ:\n" + reader + "ret;\n",
      in, out, 64, kBegin);
  if (error.empty())
    for (uint32_t i = 32; i < 64; ++i)
      EXPECT_EQ(out[i], i - 32 + 100);
  return error;
}
const std::string kWrite = "add.u32 %r2, %r0, 100; st.shared.b32 [%rd6], %r2;\n",
                  kRead = "ld.shared.b32 %r2, [%rd6]; st.global.b32 [%rd4], %r2;\n",
                  kArrive = "mbarrier.arrive.shared::cta.b64 _, [bar];\n",
                  kFree = "mbarrier.arrive.shared::cta.b64 %rd8, [bar+8];\n";

void expectFault(const std::string &error, const char *expected) {
  EXPECT_NE(error.find(expected), std::string::npos) << "gives: " << error;
}

} // namespace

TEST(Barriers, OrderThreads) {
  EXPECT_EQ(runPair(kWrite + kArrive, await("bar", 0, "$W") + kRead), "");
  expectFault(runPair(kWrite + kArrive, kRead), "races with thread");
  expectFault(runPair("mov.u32 %r2, 0; st.shared.b32 [%rd6], %r2;\n" + kArrive + kWrite,
                      await("bar", 0, "$W") + kRead),
              "races with thread");
}

TEST(Barriers, GoOnInPhases) {
  // The writer comes again when the reader is done; the reader waits for both phases.
  const std::string zero = "mov.u32 %r2, 0; st.shared.b32 [%rd6], %r2;\n";
  const std::string reader = await("bar", 0, "$W") + kRead + kFree + await("bar", 1, "$V") + kRead;
  EXPECT_EQ(runPair(zero + kArrive + await("bar+8", 0, "$X") + kWrite + kArrive, reader), "");
  // Who goes on too early ends a phase that the other has not seen.
  expectFault(runPair(zero + kArrive + kWrite + kArrive, reader),
              "phase 0 of this mbarrier has ended, and the next one, too");
  // Or the other comes too late: what it takes for the end of its phase is that of a later one.
  expectFault(runPair(zero + kArrive + kWrite + kArrive + kArrive, reader),
              "phase 0 of this mbarrier has ended, and the next one, too");
  // The phase before the first one is over.
  EXPECT_EQ(runPair(await("bar+8", 1, "$X") + kWrite + kArrive, await("bar", 0, "$W") + kRead), "");
}

TEST(Barriers, Faults) {
  expectFault(runPair(kWrite, await("bar", 0, "$W") + kRead),
              "the phase of this mbarrier never ends");
  expectFault(runPair(kWrite + kArrive + "mbarrier.arrive.shared::cta.b64 _, [bar], 33;\n",
                      await("bar", 0, "$W") + kRead),
              "more threads arrive at this mbarrier than it expects");
  expectFault(runPair("mbarrier.arrive.shared::cta.b64 _, [s];\n", ""),
              "there is no mbarrier at 1024 of shared memory");
  expectFault(runPair("", makeBarrier("bar", 1) + "mbarrier.init.shared::cta.b64 [bar], 1;\n"),
              "there is an mbarrier already");
  expectFault(runPair("mov.u32 %r2, 0; st.shared.b32 [bar+4], %r2;\n", ""), "where an mbarrier is");
  expectFault(runPair("mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [bar], 1048576;\n", ""),
              "an mbarrier takes 2^20 - 1 bytes at most");
}

//===-- Copies --------------------------------------------------------------------------===//

namespace {

constexpr unsigned kRows = 9, kColumns = 72, kPitch = 80, kBoxRows = 16, kBoxColumns = 64;

struct Copy {
  std::string init = makeBarrier("bar", 1), fence = "@%p1 fence.mbarrier_init.release.cluster;\n",
              expect = "@%p1 mbarrier.arrive.expect_tx.shared::cta.b64 _, [bar], 2048;\n", between,
              wait = await("bar", 0, "$W"), after;
  int row = 2, column = 16;
  unsigned swizzle = 128;
};

/// Copies a box of 16 rows of 64 halves and writes it out, 16 bytes to a thread.
std::string copyBox(const Copy &copy, std::vector<uint16_t> &out, Traffic *traffic = nullptr) {
  alignas(32) static std::array<uint16_t, kRows * kPitch> in;
  for (size_t i = 0; i < in.size(); ++i)
    in[i] = uint16_t(i + 1);
  out.assign(kBoxRows * kBoxColumns, 0);
  TensorMap map;
  map.rank = 2, map.elementBytes = 2, map.swizzle = uint8_t(copy.swizzle);
  map.address = reinterpret_cast<uintptr_t>(in.data());
  map.extents[0] = kColumns, map.extents[1] = kRows, map.strides[0] = kPitch * 2;
  map.box[0] = kBoxColumns, map.box[1] = kBoxRows;
  std::string text = makeKernel(
      "mov.b64 %rd10, k_param_2; cvta.param.u64 %rd11, %rd10; prefetch.tensormap [%rd11];\n" +
          copy.init + copy.fence + "bar.sync 0;\n" + copy.expect +
          "@%p1 cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
          "[s], "
          "[%rd11, {" +
          std::to_string(copy.column) + ", " + std::to_string(copy.row) + "}], [bar];\n" +
          copy.between + copy.wait +
          "mul.wide.u32 %rd5, %r0, 16; mov.u64 %rd6, s; add.s64 %rd6, %rd6, %rd5; add.s64 %rd7, "
          "%rd1, "
          "%rd5; ld.shared.v4.b32 {%r1, %r2, %r3, %r4}, [%rd6]; st.global.v4.b32 [%rd7], {%r1, "
          "%r2, "
          "%r3, %r4};\n" +
          copy.after,
      kBegin);
  const std::string last = "k_param_1";
  text.insert(text.find(last) + last.size(), ",\n\t.param .align 64 .b8 k_param_2[128]");
  Launch launch;
  launch.block[0] = 128;
  launch.limit = 100000;
  launch.params.resize(192);
  const uint64_t addresses[] = {map.address, reinterpret_cast<uintptr_t>(out.data())};
  std::memcpy(launch.params.data(), addresses, 16);
  std::memcpy(launch.params.data() + 64, &map, 128);
  launch.memory = {{addresses[0], in.size() * 2, "input 0", false},
                   {addresses[1], out.size() * 2, "output 0", true}};
  launch.traffic = traffic;
  return run(parse(text), "k", launch);
}

} // namespace

TEST(BulkCopies, TouchSectors) {
  const auto measure = [](int row, int column) {
    Copy copy;
    copy.row = row, copy.column = column;
    std::vector<uint16_t> out;
    Traffic traffic;
    EXPECT_EQ(copyBox(copy, out, &traffic), "");
    for (const Traffic::Count &count : traffic.getCounts())
      if (count.kind == Traffic::GlobalBulk)
        return std::array{count.accesses, count.done, count.needed};
    return std::array<uint64_t, 3>{};
  };
  // Rows of 160 bytes, of which a box has 128: 9 times 4 sectors; 8 bytes behind, one more of each.
  EXPECT_EQ(measure(0, 0), (std::array<uint64_t, 3>{1, 36, 36}));
  EXPECT_EQ(measure(0, 4), (std::array<uint64_t, 3>{1, 45, 36}));
  EXPECT_EQ(measure(5, 0), (std::array<uint64_t, 3>{1, 16, 16}));
  EXPECT_EQ(measure(20, 0), (std::array<uint64_t, 3>{1, 0, 0}));
}

TEST(BulkCopies, BringBoxes) {
  for (unsigned swizzle : {0u, 128u})
    for (auto [row, column] : {std::pair(2, 16), {0, 0}, {-3, -5}, {20, 0}}) {
      Copy copy;
      copy.row = row, copy.column = column, copy.swizzle = swizzle;
      std::vector<uint16_t> out;
      ASSERT_EQ(copyBox(copy, out), "");
      for (int i = 0; i < int(kBoxRows); ++i)
        for (int j = 0; j < int(kBoxColumns); ++j) {
          const bool isInside =
              row + i >= 0 && row + i < int(kRows) && column + j >= 0 && column + j < int(kColumns);
          const int place = swizzle ? (j / 8 ^ i % 8) * 8 + j % 8 : j;
          ASSERT_EQ(out[size_t(i) * kBoxColumns + size_t(place)],
                    isInside ? (row + i) * int(kPitch) + column + j + 1 : 0)
              << i << " " << j;
        }
    }
}

TEST(BulkCopies, Faults) {
  std::vector<uint16_t> out;
  const auto fault = [&](std::string Copy::*part, const std::string &text) {
    Copy copy;
    copy.*part = text;
    return copyBox(copy, out);
  };
  expectFault(fault(&Copy::wait, ""), "shared memory that was never written");
  expectFault(fault(&Copy::expect, "@%p1 mbarrier.arrive.shared::cta.b64 _, [bar];\n"),
              "shared memory that was never written"); // the phase ended before
  expectFault(
      fault(&Copy::expect, "@%p1 mbarrier.arrive.expect_tx.shared::cta.b64 _, [bar], 2064;\n"),
      "the phase of this mbarrier never ends");
  expectFault(fault(&Copy::fence, ""), "with no fence.mbarrier_init since");
  expectFault(fault(&Copy::init, makeBarrier("bar", 1) +
                                     "mul.wide.u32 %rd5, %r0, 4; mov.u64 %rd6, s; "
                                     "add.s64 %rd6, %rd6, %rd5; st.shared.b32 "
                                     "[%rd6], %r0;\n"),
              "executed no fence.proxy.async since");
  expectFault(fault(&Copy::between, "mov.u32 %r1, 0; st.shared.b32 [s+64], %r1;\n"), "races with");
  // Again, though others may still read.
  const std::string again = "@%p1 mbarrier.arrive.expect_tx.shared::cta.b64 _, [bar], 2048;\n@%p1 "
                            "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::"
                            "complete_tx::bytes [s], [%rd11, {0, "
                            "0}], [bar];\n";
  expectFault(fault(&Copy::after, again), "shared memory that was never written");
  expectFault(fault(&Copy::after, "bar.sync 0;\n" + again), "nobody waits for this bulk copy");
  EXPECT_EQ(fault(&Copy::after, "bar.sync 0;\n" + again + await("bar", 1, "$V")), "");
  Copy misplaced;
  misplaced.expect = "mov.b64 %rd10, k_param_0; cvta.param.u64 %rd11, %rd10;\n" + misplaced.expect;
  expectFault(copyBox(misplaced, out), "there is no tensor map");
}
