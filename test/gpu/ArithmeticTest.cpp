// Arithmetic of one thread, against the host's where that has it and against numbers worked out by
// hand.
#include "test/gpu/Harness.h"
#include "test/gpu/Number.h"

#include <bit>
#include <cmath>
#include <random>

using namespace tessera::ptx;

static uint32_t bits(float value) { return std::bit_cast<uint32_t>(value); }
static uint64_t bits(double value) { return std::bit_cast<uint64_t>(value); }

TEST(Integers, WrapAndWiden) {
  EXPECT_EQ(compute("add.s32 %r1, %r2, %r3;", 0x7fffffff, 1), 0x80000000u);
  EXPECT_EQ(compute("add.sat.s32 %r1, %r2, %r3;", 0x7fffffff, 1), 0x7fffffffu);
  EXPECT_EQ(compute("mul.hi.u32 %r1, %r2, %r3;", 0xffffffff, 0xffffffff), 0xfffffffeu);
  EXPECT_EQ(compute("mul.hi.s32 %r1, %r2, %r3;", 0xffffffff, 2), 0xffffffffu);
  EXPECT_EQ(compute("mad.lo.s32 %r1, %r2, %r3, %r4;", 7, 0xfffffffd, 1), uint32_t(-20));
  EXPECT_EQ(compute64("cvt.u32.u64 %r2, %rd6; mul.wide.s32 %rd5, %r2, -3;", 0xffffffff), 3u);
  EXPECT_EQ(compute64("mul.hi.u64 %rd5, %rd6, %rd7;", ~0ull, ~0ull), ~0ull - 1);
  EXPECT_EQ(compute64("mul.hi.s64 %rd5, %rd6, %rd7;", ~0ull, ~0ull), 0u);
}

TEST(Integers, Pairs) {
  EXPECT_EQ(compute("max.s16x2 %r1, %r2, %r3;", 0x0001ffff, 0x8000fffe), 0x0001ffffu);
  EXPECT_EQ(compute("min.s16x2 %r1, %r2, %r3;", 0x0001ffff, 0x80000001), 0x8000ffffu);
  EXPECT_EQ(compute("max.u16x2 %r1, %r2, %r3;", 0x0001ffff, 0x80000001), 0x8000ffffu);
  EXPECT_EQ(compute("add.u16x2 %r1, %r2, %r3;", 0x0001ffff, 0x00020001), 0x00030000u);
}

TEST(Integers, DivideAndShift) {
  EXPECT_EQ(compute("div.s32 %r1, %r2, %r3;", uint32_t(-7), 2), uint32_t(-3));
  EXPECT_EQ(compute("rem.s32 %r1, %r2, %r3;", uint32_t(-7), 2), uint32_t(-1));
  EXPECT_EQ(compute("div.s32 %r1, %r2, %r3;", 0x80000000, uint32_t(-1)), 0x80000000u);
  EXPECT_EQ(compute("shl.b32 %r1, %r2, %r3;", 1, 32), 0u);
  EXPECT_EQ(compute("shr.s32 %r1, %r2, %r3;", 0x80000000, 99), 0xffffffffu);
  EXPECT_EQ(compute("shr.u32 %r1, %r2, %r3;", 0x80000000, 31), 1u);
  EXPECT_EQ(compute("shf.l.wrap.b32 %r1, %r2, %r3, %r4;", 0x80000000, 1, 33), 3u);
  EXPECT_EQ(compute("shf.r.clamp.b32 %r1, %r2, %r3, %r4;", 5, 9, 40), 9u);
}

TEST(Integers, Bits) {
  EXPECT_EQ(compute("bfe.u32 %r1, %r2, 4, 8;", 0x12345678), 0x67u);
  EXPECT_EQ(compute("bfe.s32 %r1, %r2, 4, 8;", 0x00000ff0), 0xffffffffu);
  EXPECT_EQ(compute("bfi.b32 %r1, %r2, %r3, 8, 8;", 0xab, 0x11111111), 0x1111ab11u);
  EXPECT_EQ(compute("clz.b32 %r1, %r2;", 1), 31u);
  EXPECT_EQ(compute("clz.b32 %r1, %r2;", 0), 32u);
  EXPECT_EQ(compute("popc.b32 %r1, %r2;", 0xf0f0), 8u);
  EXPECT_EQ(compute("brev.b32 %r1, %r2;", 1), 0x80000000u);
  EXPECT_EQ(compute("bfind.u32 %r1, %r2;", 0x1000), 12u);
  EXPECT_EQ(compute("prmt.b32 %r1, %r2, %r3, 0x7610;", 0x33221100, 0x77665544), 0x77661100u);
  EXPECT_EQ(compute("lop3.b32 %r1, %r2, %r3, %r4, 0x96;", 1, 3, 7), 1u ^ 3u ^ 7u);
  EXPECT_EQ(compute("dp4a.s32.s32 %r1, %r2, %r3, %r4;", 0x01ff02fe, 0x01010101, 10), 10u);
}

TEST(Floats, MatchTheHost) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 2000; ++i) {
    const float a = std::bit_cast<float>(uint32_t(random())),
                b = std::bit_cast<float>(uint32_t(random())),
                c = std::bit_cast<float>(uint32_t(random()));
    const auto check = [&](uint64_t found, float expected) {
      EXPECT_TRUE(std::isnan(expected) ? found == 0x7fffffff : found == bits(expected))
          << a << " " << b << " " << c << ": " << std::hex << found << " " << bits(expected);
    };
    check(fusedMultiplyAdd(Type::F32, a, b, c, Round::Nearest), std::fmaf(a, b, c));
    check(add(Type::F32, a, b, Round::Nearest), a + b);
    check(multiply(Type::F32, a, b, Round::Nearest), a * b);
    check(divide(Type::F32, a, b, Round::Nearest), a / b);
    check(squareRoot(Type::F32, std::fabs(a), Round::Nearest), std::sqrt(std::fabs(a)));
    const _Float16 h = std::bit_cast<_Float16>(uint16_t(random()));
    EXPECT_TRUE(h != h || fromDouble(Type::F16, toDouble(Type::F16, std::bit_cast<uint16_t>(h)),
                                     Round::Nearest) == std::bit_cast<uint16_t>(h));
    EXPECT_TRUE(a != a ||
                fromDouble(Type::F16, a, Round::Nearest) == std::bit_cast<uint16_t>(_Float16(a)));
  }
}

TEST(Floats, RoundInEveryDirection) {
  EXPECT_EQ(compute("add.rz.f32 %r1, %r2, %r3;", bits(1.0f), bits(std::ldexp(1.5f, -24))),
            bits(1.0f));
  EXPECT_EQ(compute("add.rp.f32 %r1, %r2, %r3;", bits(1.0f), bits(1e-30f)),
            bits(std::nextafter(1.0f, 2.0f)));
  EXPECT_EQ(compute("add.rm.f32 %r1, %r2, %r3;", bits(-1.0f), bits(-1e-30f)),
            bits(std::nextafter(-1.0f, -2.0f)));
  EXPECT_EQ(compute64("add.rp.f64 %rd5, %rd6, %rd7;", bits(1.0), bits(1e-300)),
            bits(std::nextafter(1.0, 2.0)));
  EXPECT_EQ(compute("mul.rn.f32 %r1, %r2, %r3;", bits(3e38f), bits(10.0f)), bits(INFINITY));
  EXPECT_EQ(compute("mul.rz.f32 %r1, %r2, %r3;", bits(3e38f), bits(10.0f)), 0x7f7fffffu);
  // One rounding, not two: 1 + 2^-11 + 2^-24 is above the middle of 1 and its f16 neighbour.
  EXPECT_EQ(fusedMultiplyAdd(Type::F16, 1 + 0x1p-10, 0x1p-11, 1.0, Round::Nearest), 0x3c01u);
  EXPECT_EQ(add(Type::F16, 1.0, 0x1p-11, Round::Nearest), 0x3c00u);
  EXPECT_EQ(add(Type::BF16, 1.0, 0x1p-8 + 0x1p-30, Round::Nearest), 0x3f81u);
}

TEST(Floats, NaNZerosAndSubnormals) {
  EXPECT_EQ(compute("min.f32 %r1, %r2, %r3;", 0x7fc00001, bits(2.0f)), bits(2.0f));
  EXPECT_EQ(compute("min.NaN.f32 %r1, %r2, %r3;", 0x7fc00001, bits(2.0f)), 0x7fffffffu);
  EXPECT_EQ(compute("max.f32 %r1, %r2, %r3;", bits(-0.0f), bits(0.0f)), 0u);
  EXPECT_EQ(compute("min.f32 %r1, %r2, %r3;", bits(0.0f), bits(-0.0f)), 0x80000000u);
  EXPECT_EQ(compute("add.f32 %r1, %r2, %r3;", 1, 1), 2u);
  EXPECT_EQ(compute("add.ftz.f32 %r1, %r2, %r3;", 1, 1), 0u);
  EXPECT_EQ(compute("mul.sat.f32 %r1, %r2, %r3;", bits(3.0f), bits(3.0f)), bits(1.0f));
  EXPECT_EQ(compute("neg.f32 %r1, %r2;", bits(2.0f)), bits(-2.0f));
  EXPECT_EQ(compute("setp.num.f32 %p1, %r2, %r3; selp.b32 %r1, 1, 0, %p1;", 0x7fc00000, 0), 0u);
  EXPECT_EQ(compute("setp.ltu.f32 %p1, %r2, %r3; selp.b32 %r1, 1, 0, %p1;", 0x7fc00000, 0), 1u);
  EXPECT_EQ(compute("setp.lt.f32 %p1, %r2, %r3; selp.b32 %r1, 1, 0, %p1;", 0x7fc00000, 0), 0u);
  EXPECT_EQ(compute("setp.gt.s32 %p1|%p2, %r2, %r3; selp.b32 %r1, 1, 0, %p2;", uint32_t(-1), 0),
            1u);
}

TEST(Floats, Approximations) {
  EXPECT_EQ(compute("ex2.approx.ftz.f32 %r1, %r2;", bits(-3.0f)), bits(0.125f));
  EXPECT_EQ(compute("lg2.approx.f32 %r1, %r2;", bits(8.0f)), bits(3.0f));
  EXPECT_EQ(compute("rcp.rn.f32 %r1, %r2;", bits(3.0f)), bits(1 / 3.0f));
  EXPECT_EQ(compute("rsqrt.approx.f32 %r1, %r2;", bits(4.0f)), bits(0.5f));
  EXPECT_EQ(compute("sqrt.rn.f32 %r1, %r2;", bits(2.0f)), bits(std::sqrt(2.0f)));
  EXPECT_EQ(compute("div.full.f32 %r1, %r2, %r3;", bits(2.0f), bits(3.0f)), bits(2.0f / 3.0f));
}

TEST(Conversions, Integers) {
  EXPECT_EQ(compute("cvt.rni.s32.f32 %r1, %r2;", bits(2.5f)), 2u);
  EXPECT_EQ(compute("cvt.rzi.s32.f32 %r1, %r2;", bits(-2.5f)), uint32_t(-2));
  EXPECT_EQ(compute("cvt.rzi.u32.f32 %r1, %r2;", bits(-2.5f)), 0u);
  EXPECT_EQ(compute("cvt.rzi.s32.f32 %r1, %r2;", bits(1e20f)), 0x7fffffffu);
  EXPECT_EQ(compute("cvt.rzi.s32.f32 %r1, %r2;", 0x7fc00000), 0u);
  EXPECT_EQ(compute("cvt.rni.f32.f32 %r1, %r2;", bits(-0.4f)), bits(-0.0f));
  EXPECT_EQ(compute("cvt.s32.s8 %r1, %r2;", 0x80), uint32_t(-128));
  EXPECT_EQ(compute("cvt.sat.u8.s32 %r1, %r2;", 300), 255u);
  EXPECT_EQ(compute("cvt.rn.f32.s32 %r1, %r2;", 16777217), bits(16777216.0f));
  EXPECT_EQ(compute64("cvt.rn.f64.u64 %rd5, %rd6;", ~0ull), bits(18446744073709551616.0));
  EXPECT_EQ(compute64("cvt.u32.u64 %r2, %rd6; cvt.s64.s32 %rd5, %r2;", 0xffffffff), ~0ull);
}

TEST(Conversions, SmallFloats) {
  EXPECT_EQ(compute("cvt.rn.f16.f32 %rs1, %r2; cvt.u32.u16 %r1, %rs1;", bits(65520.0f)), 0x7c00u);
  EXPECT_EQ(compute("cvt.rna.tf32.f32 %r1, %r2;", 0x3f801000), 0x3f802000u);
  EXPECT_EQ(compute("cvt.rna.tf32.f32 %r1, %r2;", 0xbf800fff), 0xbf800000u);
  EXPECT_EQ(compute("cvt.rna.tf32.f32 %r1, %r2;", 0x7f7fffff), 0x7f800000u);
  EXPECT_EQ(compute("cvt.rn.bf16.f32 %rs1, %r2; cvt.u32.u16 %r1, %rs1;", 0x3f808000), 0x3f80u);
  EXPECT_EQ(compute("cvt.rn.f16x2.f32 %r1, %r2, %r3;", bits(1.0f), bits(2.0f)), 0x3c004000u);
  EXPECT_EQ(compute("cvt.rn.bf16x2.f32 %r1, %r2, %r3;", bits(1.0f), bits(2.0f)), 0x3f804000u);
  EXPECT_EQ(compute("cvt.rn.satfinite.e4m3x2.f32 %rs1, %r2, %r3; cvt.u32.u16 %r1, %rs1;",
                    bits(1000.0f), bits(-0.001953125f)),
            0x7e81u);
  EXPECT_EQ(compute("mov.b32 {%rs1, %rs2}, %r2; mov.b32 %r1, {%rs2, %rs1};", 0x12345678),
            0x56781234u);
  EXPECT_EQ(compute("fma.rn.f16x2 %r1, %r2, %r3, %r4;", 0x3c004000, 0x40004000, 0x3c003c00),
            0x42004500u);
  for (Type type : {Type::E4M3, Type::E5M2})
    for (unsigned v = 0; v < 256; ++v)
      if (!isNan(type, v))
        EXPECT_EQ(fromDouble(type, toDouble(type, v), Round::Nearest), v);
  EXPECT_EQ(toDouble(Type::E4M3, 0x7e), 448);
  EXPECT_TRUE(isNan(Type::E4M3, 0x7f));
}

TEST(Control, LoopsAndBranches) {
  EXPECT_EQ(
      compute("mov.u32 %r1, 0; mov.u32 %r5, 0;\n$L1:\nadd.s32 %r1, %r1, %r5; add.s32 %r5, %r5, 1;\n"
              "setp.le.u32 %p1, %r5, %r2; @%p1 bra $L1;",
              100),
      5050u);
}

TEST(Scopes, HaveRegistersOfTheirOwn) {
  const char *body =
      "{ .reg .b16 tmp; mov.b32 {%rs1, tmp}, %r2; }\n"
      "{ .reg .b32 tmp; add.s32 tmp, %r3, 1; cvt.u32.u16 %r1, %rs1; add.s32 %r1, %r1, tmp; }";
  EXPECT_EQ(compute(body, 0x00050003, 7), 11u);
  std::vector<uint32_t> in(1), out(1);
  EXPECT_NE(runBody("{ .reg .b32 tmp; mov.u32 tmp, 1; }\nmov.u32 %r1, tmp;", in, out)
                .find("unknown name 'tmp'"),
            std::string::npos);
}
