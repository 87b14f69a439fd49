//===- Harness.h - Kernels of a few lines -----------------------------------*- C++ -*-===//
#ifndef TESSERA_TEST_GPU_HARNESS_H
#define TESSERA_TEST_GPU_HARNESS_H

#include "test/gpu/Machine.h"

#include "gtest/gtest.h"

#include <cstring>

namespace tessera::ptx {

/// A kernel with the registers %r, %rs, %rd, %f (b32), %p, whose parameters are the addresses of
/// `in`
/// (%rd0) and `out` (%rd1); %r0 is the thread, %rd2 four times it, %rd3 and %rd4 are the thread's
/// addresses in `in` and `out`. The body begins at line 17.
inline std::string makeKernel(const std::string &body, const std::string &declarations = "") {
  return ".version 8.4\n.target sm_90a\n.address_size 64\n" + declarations +
         "\n.visible .entry k(\n\t.param .u64 k_param_0,\n\t.param .u64 k_param_1\n)\n{\n"
         "\t.reg .pred %p<8>;\n\t.reg .b16 %rs<8>;\n\t.reg .b32 %r<32>;\n\t.reg .b64 %rd<16>;\n"
         "\tld.param.b64 %rd0, [k_param_0]; ld.param.b64 %rd1, [k_param_1];\n"
         "\tmov.u32 %r0, %tid.x; mul.wide.u32 %rd2, %r0, 4; add.s64 %rd3, %rd0, %rd2; add.s64 "
         "%rd4, %rd1, "
         "%rd2;\n" +
         body + "\n\tret;\n}\n";
}

template <typename In, typename Out>
std::string runBody(const std::string &body, const std::vector<In> &in, std::vector<Out> &out,
                    uint32_t threads = 1, const std::string &declarations = "",
                    uint32_t dynamicShared = 0) {
  const Program program = parse(makeKernel(body, declarations));
  Launch launch;
  launch.block[0] = threads;
  launch.dynamicShared = dynamicShared;
  launch.limit = 100000;
  launch.params.resize(16);
  const uint64_t addresses[] = {reinterpret_cast<uintptr_t>(in.data()),
                                reinterpret_cast<uintptr_t>(out.data())};
  std::memcpy(launch.params.data(), addresses, 16);
  launch.memory = {{addresses[0], in.size() * sizeof(In), "input 0", false},
                   {addresses[1], out.size() * sizeof(Out), "output 0", true}};
  return run(program, "k", launch);
}

/// One thread: what `body` leaves in %r1 (or %rd5) from the inputs %r2, %r3, %r4 (or %rd6 ...).
inline uint32_t compute(const std::string &body, uint32_t a, uint32_t b = 0, uint32_t c = 0) {
  std::vector<uint32_t> in = {a, b, c}, out(1);
  const std::string error = runBody(
      "ld.global.b32 %r2, [%rd0]; ld.global.b32 %r3, [%rd0+4]; ld.global.b32 %r4, [%rd0+8];\n" +
          body + "\nst.global.b32 [%rd1], %r1;",
      in, out);
  EXPECT_EQ(error, "") << body;
  return out[0];
}

inline uint64_t compute64(const std::string &body, uint64_t a, uint64_t b = 0, uint64_t c = 0) {
  std::vector<uint64_t> in = {a, b, c}, out(1);
  const std::string error = runBody("ld.global.b64 %rd6, [%rd0]; ld.global.b64 %rd7, [%rd0+8]; "
                                    "ld.global.b64 %rd8, [%rd0+16];\n" +
                                        body + "\nst.global.b64 [%rd1], %rd5;",
                                    in, out);
  EXPECT_EQ(error, "") << body;
  return out[0];
}

} // namespace tessera::ptx

#endif
