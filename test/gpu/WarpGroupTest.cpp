// Matrices that four warps multiply: every layout in shared memory, and what must be waited for.
#include "test/gpu/Harness.h"
#include "test/gpu/Number.h"

#include <random>

using namespace tessera::ptx;

namespace {

struct Factor {
  bool isAcross = false; ///< memory runs along rows (columns), not along the depth
  unsigned swizzle = 0;  ///< bytes
};
struct GroupShape {
  const char *types;
  Type a, b;
  unsigned n, k;
  Factor left, right;
  bool inRegisters = false;
};

/// The tables of section 9.7.15.5.1.2.1.3, element by element.
struct Layout {
  unsigned bytes, width, leading, stride; ///< of an element; chunks of 16 bytes; bytes
  Factor kind;

  Layout(Factor kind, unsigned extent, unsigned k, unsigned bytes)
      : bytes(bytes), width(kind.swizzle ? kind.swizzle / 16 : 1), kind(kind) {
    const unsigned group = 8 * width * 16;
    if (kind.isAcross) {
      leading = kind.swizzle ? group * (k / 8) : group;
      stride = kind.swizzle ? group : group * (k / 8);
    } else {
      leading = kind.swizzle ? 16 : group * (extent / 8);
      stride = group;
    }
  }
  unsigned place(unsigned i, unsigned depth) const {
    const unsigned t = 16 / bytes, outer = kind.isAcross ? i : depth,
                   line = kind.isAcross ? depth : i;
    const unsigned chunk = outer / t;
    unsigned at = outer % t * bytes + line % 8 * width * 16;
    if (kind.swizzle)
      at += chunk % width * 16 + chunk / width * leading + line / 8 * stride;
    else
      at +=
          kind.isAcross ? chunk * stride + line / 8 * leading : chunk * leading + line / 8 * stride;
    return at ^ (at >> 7 & (width - 1)) << 4;
  }
  uint64_t descriptor(unsigned start) const {
    const uint64_t mode = width == 8 ? 1 : width == 4 ? 2 : width == 2 ? 3 : 0;
    start += 1024; // That is where the interpreter places `s`.
    return start >> 4 | uint64_t(leading >> 4) << 16 | uint64_t(stride >> 4) << 32 | mode << 62;
  }
};

std::string list(const char *name, unsigned count) {
  std::string result = "{";
  for (unsigned i = 0; i < count; ++i)
    result += (i ? ", " : "") + std::string(name) + std::to_string(i);
  return result + "}";
}

/// Copies `bytes` of the input to shared memory; sums begin as 1, and 1.0.
std::string begin(unsigned bytes, unsigned sums, bool isInteger, const char *fence) {
  std::string text = ".reg .b32 %d<128>; .reg .b32 %a<4>; mov.u64 %rd6, s; shl.b64 %rd7, %rd2, 2; "
                     "add.s64 %rd8, %rd0, %rd7; add.s64 %rd9, %rd6, %rd7;\n";
  for (unsigned at = 0; at < bytes; at += 2048) {
    const std::string offset = "+" + std::to_string(at) + "]";
    text += "ld.global.v4.b32 {%r1, %r2, %r3, %r4}, [%rd8" + offset + "; st.shared.v4.b32 [%rd9" +
            offset + ", {%r1, %r2, %r3, %r4};\n";
  }
  for (unsigned i = 0; i < sums; ++i)
    text += "mov.b32 %d" + std::to_string(i) + (isInteger ? ", 1;\n" : ", 0x3f800000;\n");
  return text + fence + "bar.sync 0;\nsetp.eq.u32 %p1, 0, 0;\n";
}

std::string store(unsigned sums) {
  std::string text = "mul.lo.u32 %r1, %r0, " + std::to_string(sums * 4) +
                     "; cvt.u64.u32 %rd5, %r1; add.s64 %rd4, %rd1, %rd5;\n";
  for (unsigned i = 0; i < sums; ++i)
    text += "st.global.b32 [%rd4+" + std::to_string(4 * i) + "], %d" + std::to_string(i) + ";\n";
  return text;
}

const char *kFence = "fence.proxy.async.shared::cta;\n";
const char *kWait = "wgmma.commit_group.sync.aligned; wgmma.wait_group.sync.aligned 0;\n";

} // namespace

class Wgmma : public testing::TestWithParam<GroupShape> {};

TEST_P(Wgmma, GivesTheProduct) {
  const GroupShape shape = GetParam();
  const unsigned bytes = getBytes(shape.a), sums = shape.n / 2, k = shape.k;
  const bool isInteger = !isFloat(shape.a);
  std::mt19937 random(5);
  const auto draw = [&](Type type) {
    return double(int(random() % 9) - (type == Type::U8 ? 0 : 4));
  };
  const auto encode = [&](Type type, double v) {
    return isInteger ? uint64_t(uint8_t(int(v))) : fromDouble(type, v, Round::Nearest);
  };
  std::vector<std::vector<double>> a(64, std::vector<double>(k)),
      b(shape.n, std::vector<double>(k));
  const Layout left(shape.left, 64, k, bytes), right(shape.right, shape.n, k, bytes);
  constexpr unsigned kRight = 8192, kAll = kRight + 32768;
  std::vector<uint8_t> in(kAll + 128 * 16);
  for (unsigned depth = 0; depth < k; ++depth) {
    for (unsigned i = 0; i < 64; ++i) {
      const uint64_t bits = encode(shape.a, a[i][depth] = draw(shape.a));
      std::memcpy(&in[left.place(i, depth)], &bits, bytes);
      // Of a warp's 16 rows a lane has rows lane / 4 and 8 behind; of each chunk of 4 words one.
      const unsigned e = 4 / bytes, lane = i % 8 * 4 + depth / e % 4,
                     word = i / 8 % 2 + depth / (4 * e) * 2;
      std::memcpy(&in[kAll + (i / 16 * 32 + lane) * 16 + word * 4 + depth % e * bytes], &bits,
                  bytes);
    }
    for (unsigned i = 0; i < shape.n; ++i) {
      const uint64_t bits = encode(shape.b, b[i][depth] = draw(shape.b));
      std::memcpy(&in[kRight + right.place(i, depth)], &bits, bytes);
    }
  }
  std::string text = begin(kAll, sums, isInteger, kFence);
  text += "ld.global.v4.b32 {%a0, %a1, %a2, %a3}, [%rd8+" + std::to_string(kAll) + "];\n" +
          "mov.b64 %rd10, " + std::to_string(left.descriptor(0)) + "; mov.b64 %rd11, " +
          std::to_string(right.descriptor(kRight)) + ";\nwgmma.fence.sync.aligned;\n" +
          "wgmma.mma_async.sync.aligned." + shape.types + " " + list("%d", sums) + ", " +
          (shape.inRegisters ? "{%a0, %a1, %a2, %a3}" : "%rd10") + ", %rd11, %p1";
  if (!isInteger)
    text += ", 1, -1";
  if (bytes == 2 && !shape.inRegisters)
    text += shape.left.isAcross ? ", 1" : ", 0";
  if (bytes == 2)
    text += shape.right.isAcross ? ", 1" : ", 0";
  std::vector<uint32_t> out(128 * sums);
  ASSERT_EQ(runBody(text + ";\n" + kWait + store(sums), in, out, 128,
                    ".shared .align 1024 .b8 s[" + std::to_string(kAll) + "];"),
            "");
  for (unsigned m = 0; m < 64; ++m)
    for (unsigned n = 0; n < shape.n; ++n) {
      double expected = 0;
      for (unsigned depth = 0; depth < k; ++depth)
        expected += a[m][depth] * b[n][depth];
      expected = isInteger ? 1 + expected : 1 - expected;
      const unsigned thread = m / 16 * 32 + m % 8 * 4 + n % 8 / 2,
                     place = n / 8 * 4 + m / 8 % 2 * 2 + n % 2;
      const uint32_t word = out[thread * sums + place];
      ASSERT_EQ(isInteger ? double(int32_t(word)) : toDouble(Type::F32, word), expected)
          << m << " " << n;
    }
}

static constexpr Factor kAlong{false, 128}, kAcross{true, 128};
INSTANTIATE_TEST_SUITE_P(
    Shapes, Wgmma,
    testing::Values(
        GroupShape{"m64n64k16.f32.f16.f16", Type::F16, Type::F16, 64, 16, kAlong, kAlong},
        GroupShape{"m64n256k16.f32.bf16.bf16", Type::BF16, Type::BF16, 256, 16, kAlong, kAcross},
        GroupShape{"m64n64k16.f32.f16.f16", Type::F16, Type::F16, 64, 16, kAcross, kAcross},
        GroupShape{"m64n128k16.f32.f16.f16", Type::F16, Type::F16, 128, 16, {}, kAcross, true},
        GroupShape{"m64n40k16.f32.f16.f16", Type::F16, Type::F16, 40, 16, {false, 64}, {false, 32}},
        GroupShape{"m64n32k16.f32.f16.f16", Type::F16, Type::F16, 32, 16, {true, 64}, {true, 32}},
        GroupShape{"m64n8k16.f32.f16.f16", Type::F16, Type::F16, 8, 16, {false, 0}, {true, 0}},
        GroupShape{"m64n24k16.f32.f16.f16", Type::F16, Type::F16, 24, 16, {true, 0}, {false, 0}},
        GroupShape{"m64n16k8.f32.tf32.tf32", Type::TF32, Type::TF32, 16, 8, kAlong, kAlong},
        GroupShape{"m64n16k8.f32.tf32.tf32", Type::TF32, Type::TF32, 16, 8, {}, {false, 32}, true},
        GroupShape{"m64n32k32.f32.e4m3.e5m2", Type::E4M3, Type::E5M2, 32, 32, kAlong, kAlong},
        GroupShape{"m64n48k32.s32.s8.u8", Type::S8, Type::U8, 48, 32, kAlong, kAlong},
        GroupShape{"m64n64k32.s32.u8.s8", Type::U8, Type::S8, 64, 32, {}, {false, 64}, true}));

//===-- What goes wrong -------------------------------------------------------------===//

/// m64n8k16 of ones, with text at its places.
struct Text {
  std::string fence = kFence, before = "wgmma.fence.sync.aligned;\n", between, wait = kWait;
};
static Text with(std::string Text::*part, const char *text) {
  Text result;
  result.*part = text;
  return result;
}

static std::string fault(const Text &text, uint32_t threads = 128) {
  static constexpr unsigned kBytes = 4096;
  std::vector<uint16_t> in(kBytes / 2 + 4096, 0x3c00);
  std::vector<uint32_t> out(threads * 4);
  const Layout left({false, 0}, 64, 16, 2), right({false, 0}, 8, 16, 2);
  const std::string multiply =
      "wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%d0, %d1, %d2, %d3}, " +
      std::to_string(left.descriptor(0)) + ", " + std::to_string(right.descriptor(2048)) +
      ", %p1, 1, 1, 0, 0;\n";
  return runBody(begin(kBytes, 4, false, text.fence.c_str()) + text.before + multiply +
                     text.between + text.wait + store(4),
                 in, out, threads, ".shared .align 1024 .b8 s[8192];");
}

static void expectFault(const Text &text, const std::string &expected, uint32_t threads = 128) {
  const std::string error = fault(text, threads);
  EXPECT_NE(error.find(expected), std::string::npos) << "gives: " << error;
}

TEST(WgmmaFaults, NothingIsWrong) { EXPECT_EQ(fault({}), ""); }

TEST(WgmmaFaults, RegistersInUse) {
  expectFault(with(&Text::between, "mov.b32 %r5, %d0;\n"),
              "register %d0 is being written by a wgmma that the thread did not wait for");
  expectFault(with(&Text::between, "mov.b32 %d3, 0;\n"),
              "register %d3 is in use by a wgmma that the thread did not wait for");
  expectFault(
      with(&Text::wait, "wgmma.commit_group.sync.aligned; wgmma.wait_group.sync.aligned 1;\n"),
      "did not wait for");
  expectFault(with(&Text::wait, "wgmma.wait_group.sync.aligned 0;\n"),
              "did not wait for"); // no commit
  expectFault(with(&Text::wait, "ret;\n"), "the thread ends with a wgmma that nobody waited for");
}

TEST(WgmmaFaults, Fences) {
  expectFault(with(&Text::before, ""), "register %d0 was written with no wgmma.fence since");
  expectFault(with(&Text::before, "wgmma.fence.sync.aligned; mov.b32 %d1, 0;\n"),
              "register %d1 was written with no wgmma.fence since");
  expectFault(with(&Text::fence, ""), "which executed no fence.proxy.async since");
}

TEST(WgmmaFaults, SharedMemory) {
  // Written by another warp while it is read, with barriers or without; and behind its end.
  expectFault(with(&Text::between, "mov.b32 %r5, 7; st.shared.b32 [s+2048], %r5;\n"),
              "races with thread");
  expectFault(with(&Text::between,
                   "bar.sync 0; setp.eq.u32 %p2, %r0, 9; mov.b32 %r5, 7; @%p2 st.shared.b32 "
                   "[s+2048], %r5; bar.sync 0;\n"),
              "shared memory at 3072 changed before the wait of line");
  expectFault(with(&Text::before,
                   "wgmma.fence.sync.aligned;\nwgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 "
                   "{%d0, %d1, %d2, %d3}, 1023, 0, %p1, 1, 1, 0, 0;\n"),
              "out of bounds");
  expectFault(with(&Text::before,
                   "wgmma.fence.sync.aligned;\nwgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 "
                   "{%d0, %d1, %d2, %d3}, 320, 0, %p1, 1, 1, 0, 0;\n"),
              "shared memory that was never written");
}

TEST(WgmmaFaults, Divergence) {
  expectFault(
      with(&Text::before, "wgmma.fence.sync.aligned; setp.eq.u32 %p2, %r0, 70; @%p2 ret;\n"),
      "divergence in a group of four warps: thread 70 has ended", 128);
  expectFault({}, "divergence in a group of four warps", 96);
}

TEST(WgmmaFaults, Text) {
  const auto error = [](const std::string &body) { return parse(makeKernel(body)).error; };
  EXPECT_NE(
      error("wgmma.mma_async.sync.aligned.m64n8k8.f32.f16.f16 {%r1, %r2, %r3, %r4}, %rd1, %rd2, "
            "%p1, 1, 1, 0, 0;")
          .find("unknown instruction"),
      std::string::npos);
  EXPECT_NE(
      error("wgmma.mma_async.sync.aligned.m64n16k16.f32.f16.f16 {%r1, %r2, %r3, %r4}, %rd1, %rd2, "
            "%p1, 1, 1, 0, 0;")
          .find("wgmma of these types takes 8 operands"),
      std::string::npos);
  EXPECT_NE(
      error("wgmma.mma_async.sync.aligned.m64n8k32.s32.s8.s8 {%r1, %r2, %r3, %r4}, %rd1, %rd2, "
            "%p1, 1, 1;")
          .find("takes 4 operands"),
      std::string::npos);
}
