// What a warp does together: shuffles, votes, matrices; and copies that arrive later.
#include "test/gpu/Harness.h"
#include "test/gpu/Number.h"

#include <bit>
#include <random>

using namespace tessera::ptx;

static std::vector<uint32_t> onWarp(const std::string &body, uint32_t threads = 32) {
  std::vector<uint32_t> in(threads), out(threads);
  for (uint32_t i = 0; i < threads; ++i)
    in[i] = i + 100;
  EXPECT_EQ(runBody("ld.global.b32 %r2, [%rd3];\n" + body + "\nst.global.b32 [%rd4], %r1;", in, out,
                    threads),
            "");
  return out;
}

TEST(Warps, Shuffle) {
  const auto butterfly = onWarp("shfl.sync.bfly.b32 %r1, %r2, 16, 31, -1;");
  const auto down = onWarp("shfl.sync.down.b32 %r1|%p1, %r2, 1, 31, -1; @!%p1 mov.u32 %r1, 7;");
  const auto up = onWarp("shfl.sync.up.b32 %r1, %r2, 1, 0, -1;");
  const auto segment = onWarp("shfl.sync.idx.b32 %r1, %r2, 1, 0x1c03, -1;"); // in fours
  for (uint32_t i = 0; i < 32; ++i) {
    EXPECT_EQ(butterfly[i], (i ^ 16) + 100);
    EXPECT_EQ(down[i], i == 31 ? 7 : i + 101);
    EXPECT_EQ(up[i], i ? i + 99 : 100);
    EXPECT_EQ(segment[i], i / 4 * 4 + 1 + 100);
  }
}

TEST(Warps, VoteAndReduce) {
  EXPECT_EQ(onWarp("setp.gt.u32 %p1, %r0, 3; vote.sync.ballot.b32 %r1, %p1, -1;")[5], 0xfffffff0u);
  EXPECT_EQ(onWarp("redux.sync.add.s32 %r1, %r2, -1;")[0], 3200u + 496u);
  EXPECT_EQ(onWarp("redux.sync.max.u32 %r1, %r2, -1;")[9], 131u);
}

TEST(Warps, MeetAfterDivergence) {
  // The halves take different ways and meet again.
  const auto out = onWarp(
      "setp.lt.u32 %p1, %r0, 16; @%p1 bra $A; mov.u32 %r3, 1; bra $B;\n$A:\nmov.u32 %r3, 2;\n$B:\n"
      "shfl.sync.bfly.b32 %r1, %r3, 16, 31, -1;");
  EXPECT_EQ(out[0], 1u);
  EXPECT_EQ(out[20], 2u);
}

TEST(Blocks, SharedMemoryBarriersAtomics) {
  std::vector<uint32_t> in(64), out(64);
  for (uint32_t i = 0; i < 64; ++i)
    in[i] = i;
  EXPECT_EQ(
      runBody(
          "ld.global.b32 %r2, [%rd3]; mov.u64 %rd6, s; add.s64 %rd7, %rd6, %rd2; st.shared.b32 "
          "[%rd7], %r2;\n"
          "bar.sync 0; xor.b32 %r5, %r0, 63; mul.wide.u32 %rd8, %r5, 4; add.s64 %rd7, %rd6, %rd8;\n"
          "ld.shared.b32 %r1, [%rd7]; atom.global.add.u32 %r6, [%rd1], 1; bar.sync 0;\n"
          "setp.eq.u32 %p1, %r0, 0; @%p1 bra $E; st.global.b32 [%rd4], %r1;\n$E:",
          in, out, 64, ".shared .align 4 .b8 s[256];"),
      "");
  EXPECT_EQ(out[0], 64u);
  for (uint32_t i = 1; i < 64; ++i)
    EXPECT_EQ(out[i], 63 - i);
}

TEST(Matrices, LdMatrix) {
  // 8 rows of 8 halves; a lane gets two neighbours of a row, transposed two of a column.
  const char *body =
      "ld.global.b32 %r2, [%rd3]; mov.u64 %rd6, s; add.s64 %rd7, %rd6, %rd2; st.shared.b32 [%rd7], "
      "%r2; "
      "bar.sync 0;\nand.b32 %r5, %r0, 7; mul.wide.u32 %rd8, %r5, 16; add.s64 %rd7, %rd6, %rd8;\n";
  std::vector<uint16_t> in(64);
  for (uint16_t i = 0; i < 64; ++i)
    in[i] = i;
  for (bool trans : {false, true}) {
    std::vector<uint16_t> out(64);
    ASSERT_EQ(runBody(std::string(body) + "ldmatrix.sync.aligned.m8n8.x1" +
                          (trans ? ".trans" : "") +
                          ".shared.b16 {%r1}, [%rd7]; st.global.b32 [%rd4], %r1;",
                      in, out, 32, ".shared .align 16 .b8 s[128];"),
              "");
    for (uint16_t i = 0; i < 64; ++i)
      EXPECT_EQ(out[i], trans ? i % 8 * 8 + i / 8 : i);
  }
}

namespace {
struct Shape {
  const char *name;
  Type a, d;
  unsigned k;
};
} // namespace

class Mma : public testing::TestWithParam<Shape> {};

/// Fragments are laid out here after the tables of section 9.7.14.5, element by element.
TEST_P(Mma, GivesTheProduct) {
  const Shape shape = GetParam();
  const unsigned width = shape.a == Type::TF32 ? 32 : getBytes(shape.a) * 8, e = 32 / width;
  const bool isInteger = shape.a == Type::S8 || shape.a == Type::U8;
  const unsigned aRegs = 16 * shape.k / 32 / e, bRegs = 8 * shape.k / 32 / e,
                 cRegs = shape.d == Type::F16 ? 2 : 4;
  std::mt19937 random(7);
  std::vector<std::vector<double>> a(16, std::vector<double>(shape.k)),
      b(shape.k, std::vector<double>(8));
  const auto draw = [&] { return double(int(random() % 9) - (shape.a == Type::U8 ? 0 : 4)); };
  const auto encode = [&](double v) {
    return isInteger ? uint64_t(uint8_t(int(v))) : fromDouble(shape.a, v, Round::Nearest);
  };
  for (auto &row : a)
    for (double &v : row)
      v = draw();
  for (auto &row : b)
    for (double &v : row)
      v = draw();
  const unsigned words = aRegs + bRegs;
  std::vector<uint32_t> in(32 * words), out(32 * cRegs);
  for (unsigned lane = 0; lane < 32; ++lane) {
    const unsigned group = lane >> 2, inGroup = lane % 4;
    for (unsigned i = 0; i < aRegs * e; ++i) {
      // row = group for ai where i / e is even; col in the first half for i < 2 e.
      const unsigned row = (i / e) % 2 ? group + 8 : group;
      const unsigned col = inGroup * e + i % e + (i < 2 * e ? 0 : 4 * e);
      in[lane * words + i / e] |= uint32_t(encode(a[row][col]) << width * (i % e));
    }
    for (unsigned i = 0; i < bRegs * e; ++i) {
      const unsigned row = inGroup * e + i % e + (i < e ? 0 : 4 * e);
      in[lane * words + aRegs + i / e] |= uint32_t(encode(b[row][group]) << width * (i % e));
    }
  }
  std::string text = "mul.lo.u32 %r1, %r0, " + std::to_string(words * 4) +
                     "; cvt.u64.u32 %rd5, %r1; add.s64 %rd3, %rd0, %rd5;\n";
  const auto list = [&](unsigned first, unsigned count) {
    std::string result = "{";
    for (unsigned i = 0; i < count; ++i)
      result += (i ? ", %r" : "%r") + std::to_string(first + i);
    return result + "}";
  };
  for (unsigned i = 0; i < words; ++i)
    text +=
        "ld.global.b32 %r" + std::to_string(8 + i) + ", [%rd3+" + std::to_string(4 * i) + "];\n";
  for (unsigned i = 0; i < cRegs; ++i)
    text += "mov.b32 %r" + std::to_string(20 + i) + ", 0;\n";
  text += std::string(shape.name) + " " + list(24, cRegs) + ", " + list(8, aRegs) + ", " +
          list(8 + aRegs, bRegs) + ", " + list(20, cRegs) + ";\n" + "mul.lo.u32 %r1, %r0, " +
          std::to_string(cRegs * 4) + "; cvt.u64.u32 %rd5, %r1; add.s64 %rd4, %rd1, %rd5;\n";
  for (unsigned i = 0; i < cRegs; ++i)
    text +=
        "st.global.b32 [%rd4+" + std::to_string(4 * i) + "], %r" + std::to_string(24 + i) + ";\n";
  ASSERT_EQ(runBody(text, in, out, 32), "");
  for (unsigned lane = 0; lane < 32; ++lane)
    for (unsigned i = 0; i < 4; ++i) {
      const unsigned row = lane / 4 + (i < 2 ? 0 : 8), col = lane % 4 * 2 + i % 2;
      double expected = 0;
      for (unsigned k = 0; k < shape.k; ++k)
        expected += a[row][k] * b[k][col];
      const double found = cRegs == 2
                               ? toDouble(Type::F16, out[lane * 2 + i / 2] >> 16 * (i % 2) & 0xffff)
                           : isInteger ? double(int32_t(out[lane * 4 + i]))
                                       : toDouble(Type::F32, out[lane * 4 + i]);
      EXPECT_EQ(found, expected) << row << " " << col;
    }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, Mma,
    testing::Values(
        Shape{"mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32", Type::F16, Type::F32, 16},
        Shape{"mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32", Type::F16, Type::F32, 8},
        Shape{"mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16", Type::F16, Type::F16, 16},
        Shape{"mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32", Type::BF16, Type::F32, 16},
        Shape{"mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32", Type::TF32, Type::F32, 8},
        Shape{"mma.sync.aligned.m16n8k4.row.col.f32.tf32.tf32.f32", Type::TF32, Type::F32, 4},
        Shape{"mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32", Type::S8, Type::S32, 32},
        Shape{"mma.sync.aligned.m16n8k16.row.col.s32.u8.u8.s32", Type::U8, Type::S32, 16},
        Shape{"mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32", Type::E4M3, Type::F32, 32},
        Shape{"mma.sync.aligned.m16n8k32.row.col.f32.e5m2.e5m2.f32", Type::E5M2, Type::F32, 32}));

static const char *kCopy =
    "mov.u64 %rd6, s; shl.b64 %rd8, %rd2, 2; add.s64 %rd7, %rd6, %rd8; add.s64 %rd9, %rd0, %rd8;\n"
    "cp.async.cg.shared.global [%rd7], [%rd9], 16; cp.async.commit_group;\n";

TEST(AsyncCopies, ArriveWhenWaitedFor) {
  std::vector<uint32_t> in(128), out(32);
  for (uint32_t i = 0; i < 128; ++i)
    in[i] = i;
  const std::string end = "bar.sync 0; ld.shared.b32 %r1, [%rd7+4]; st.global.b32 [%rd4], %r1;";
  const char *shared = ".shared .align 16 .b8 s[512];";
  EXPECT_EQ(runBody(kCopy + ("cp.async.wait_group 0;\n" + end), in, out, 32, shared), "");
  for (uint32_t i = 0; i < 32; ++i)
    EXPECT_EQ(out[i], 4 * i + 1);
  EXPECT_NE(runBody(kCopy + end, in, out, 32, shared).find("never written"), std::string::npos);
  EXPECT_NE(runBody(kCopy + ("cp.async.wait_group 1;\n" + end), in, out, 32, shared)
                .find("never written"),
            std::string::npos);
  EXPECT_NE(runBody(kCopy, in, out, 32, shared).find("nobody waited for"), std::string::npos);
}

TEST(AsyncCopies, AreOfSixteenBytesPastTheFirstCache) {
  std::vector<uint32_t> in(32), out(32);
  const std::string copy = "mov.u64 %rd6, s; cp.async.CACHE.shared.global [%rd6], [%rd0], 4;\n"
                           "cp.async.wait_all;";
  const auto with = [&](const char *cache) {
    std::string text = copy;
    return runBody(text.replace(text.find("CACHE"), 5, cache), in, out, 1,
                   ".shared .align 16 .b8 s[512];");
  };
  EXPECT_EQ(with("ca"), "");
  EXPECT_NE(with("cg").find("only copies of 16 bytes"), std::string::npos);
}

TEST(AsyncCopies, FillUpWithZeros) {
  std::vector<uint32_t> in(128, 7), out(32);
  const char *text =
      "mov.u64 %rd6, s; shl.b64 %rd8, %rd2, 2; add.s64 %rd7, %rd6, %rd8; add.s64 %rd9, %rd0, "
      "%rd8; mov.u32 %r5, 8;\ncp.async.cg.shared.global [%rd7], [%rd9], 16, %r5; "
      "cp.async.wait_all; ld.shared.b32 %r1, [%rd7+4]; ld.shared.b32 %r6, [%rd7+8]; "
      "shl.b32 %r6, %r6, 8; or.b32 %r1, %r1, %r6; st.global.b32 [%rd4], %r1;";
  EXPECT_EQ(runBody(text, in, out, 32, ".shared .align 16 .b8 s[512];"), "");
  for (uint32_t value : out)
    EXPECT_EQ(value, 7u);
}

TEST(AsyncCopies, MayArriveAtOnce) {
  std::vector<uint32_t> in(128, 7), out(32);
  const std::string again =
      "add.s64 %rd7, %rd7, 0; cp.async.wait_all; bar.sync 0; ld.shared.b32 %r1, "
      "[s];\n";
  const char *shared = ".shared .align 16 .b8 s[512];";
  const std::string end = "cp.async.wait_all; st.global.b32 [%rd4], %r1;";
  // The memory of the next step is filled while another thread may still read it.
  EXPECT_NE(runBody(kCopy + again + "cp.async.cg.shared.global [%rd7], [%rd9], 16;\n" + end, in,
                    out, 32, shared)
                .find("races with thread"),
            std::string::npos);
  EXPECT_EQ(
      runBody(kCopy + again + "bar.sync 0; cp.async.cg.shared.global [%rd7], [%rd9], 16;\n" + end,
              in, out, 32, shared),
      "");
  // What was there before is not what will be there.
  EXPECT_NE(runBody(kCopy + again +
                        "bar.sync 0; cp.async.cg.shared.global [%rd7], [%rd9], 16;\n"
                        "ld.shared.b32 %r1, [%rd7]; " +
                        end,
                    in, out, 32, shared)
                .find("never written"),
            std::string::npos);
}
