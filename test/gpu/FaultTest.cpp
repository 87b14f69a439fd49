// Every fault that the interpreter reports, provoked: in the text, and while it runs.
#include "test/gpu/Harness.h"

using namespace tessera::ptx;

static void expectFault(const std::string &body, const std::string &expected, uint32_t threads = 1,
                        const std::string &declarations = "") {
  std::vector<uint32_t> in(64), out(64);
  const std::string error = runBody(body, in, out, threads, declarations);
  EXPECT_NE(error.find(expected), std::string::npos) << body << "\n  gives: " << error;
}

static void expectError(const std::string &text, const std::string &expected) {
  const std::string error = parse(text).error;
  EXPECT_NE(error.find(expected), std::string::npos) << text << "\n  gives: " << error;
}

TEST(Text, UnknownInstructionsHaveTheirLine) {
  expectFault("foo.b32 %r1, %r2;", "line 16: unknown instruction 'foo.b32' of 2 operands");
  expectFault("add.b32 %r1, %r2, %r3;", "unknown instruction 'add.b32'");
  expectFault("add.rn.wide.f32 %r1, %r2, %r3;", "unknown instruction");
  expectFault("add.s32 %r1, %r2;", "unknown instruction 'add.s32' of 2 operands");
  expectFault("mma.sync.aligned.m16n8k9.row.col.f32.f16.f16.f32 {%r1}, {%r1}, {%r1}, {%r1};",
              "unknown instruction");
  expectFault("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%r1}, {%r1}, {%r1}, {%r1};",
              "operand 0 has 1 registers, expected 4");
}

TEST(Text, NamesAndTypes) {
  expectFault("mov.u32 %r99, 1;", "unknown register '%r99'");
  expectFault("mov.u32 %r1, nothing;", "unknown name 'nothing'");
  expectFault("bra $NOWHERE;", "unknown label '$NOWHERE'");
  expectFault("@%r1 bra $L;\n$L:", "'%r1' is no predicate");
  expectFault("mov.u32 %r1, 1", "expected ';'");
  expectFault("mov.u32 %r1, 12x;", "is no number");
  expectError(".version 8.0\n.bogus 3\n", "line 2: unknown directive '.bogus'");
  expectError(".shared .align 3 .b8 s[4];", "an alignment of 3 is no power of two");
  expectError(".shared .b7 s[4];", "unknown type '.b7'");
  expectError(".global .align 4 .b32 g[1] = {1, 2};", "more values than 'g' has elements");
  expectError("", "the text has no kernel");
}

TEST(Memory, OutOfBounds) {
  expectFault("ld.global.b32 %r1, [%rd0+256];", "out of bounds: read of 4 bytes");
  expectFault("ld.global.b32 %r1, [%rd0+256];",
              "256 bytes behind the start of input 0 (256 bytes)");
  expectFault("ld.global.v2.b32 {%r1, %r2}, [%rd0+256];", "out of bounds: read of 8 bytes");
  expectFault("mov.u32 %r1, 0; st.global.b32 [%rd1+256], %r1;", "out of bounds: write of 4 bytes");
  expectFault("mov.u32 %r1, 0; st.global.b32 [%rd0], %r1;", "input 0 may only be read");
  expectFault("ld.shared.b32 %r1, [s+16];",
              "out of bounds: read of 4 bytes at shared address 0x14, of 20 bytes", 1,
              ".shared .align 4 .b8 s[16];");
  expectFault("ld.param.b64 %rd5, [k_param_1+8];", "out of bounds");
}

TEST(Memory, NotCoherent) {
  std::vector<uint32_t> in(64), out(64);
  EXPECT_EQ(runBody("ld.global.nc.b32 %r1, [%rd0];", in, out), "");
  expectFault("ld.global.nc.b32 %r1, [%rd1];", "not coherent (nc) of memory that may be written");
}

TEST(Memory, Misaligned) {
  expectFault("ld.global.b32 %r1, [%rd0+2];", "misaligned read of 4 bytes");
  expectFault("mov.u32 %r1, 0; st.global.v2.b32 [%rd1+4], {%r1, %r1};",
              "misaligned write of 8 bytes");
}

TEST(Memory, NeverWritten) {
  expectFault("add.s32 %r1, %r2, 1;", "register %r2 was never written");
  expectFault("@%p1 mov.u32 %r1, 1;", "register %p1 was never written");
  expectFault("ld.shared.b32 %r1, [s];", "shared memory that was never written: byte 4", 1,
              ".shared .b32 s;");
}

TEST(Races, OnSharedMemory) {
  const std::string s = ".shared .align 4 .b8 s[256];";
  const std::string own = "mov.u64 %rd6, s; add.s64 %rd7, %rd6, %rd2; st.shared.b32 [%rd7], %r0;\n";
  expectFault("mov.u32 %r1, 3; st.shared.b32 [s], %r1;", "races with thread 0, which wrote byte 4",
              64, s);
  expectFault(own + "ld.shared.b32 %r1, [s];", "races with thread 0", 64, s);
  expectFault(own + "bar.sync 0; setp.lt.u32 %p1, %r0, 63; @%p1 ld.shared.b32 %r1, [s]; @!%p1 "
                    "st.shared.b32 [s], %r0;",
              "which read byte 4", 64, s);
  // A barrier of the warp orders its threads, but not those of another.
  expectFault(own + "bar.warp.sync -1; ld.shared.b32 %r1, [s];", "races with thread 0", 64, s);
  std::vector<uint32_t> in(64), out(64);
  EXPECT_EQ(runBody(own + "bar.warp.sync -1; ld.shared.b32 %r1, [s];", in, out, 32, s), "");
  EXPECT_EQ(runBody(own + "bar.sync 0; ld.shared.b32 %r1, [s];", in, out, 64, s), "");
  EXPECT_EQ(runBody("setp.ne.u32 %p1, %r0, 0; @%p1 bra $L; mov.u32 %r1, 0; st.shared.b32 [s], "
                    "%r1;\n$L:\nbar.sync 0; "
                    "atom.shared.add.u32 %r1, [s], 1;",
                    in, out, 64, s),
            "");
  expectFault("setp.ne.u32 %p1, %r0, 0; @%p1 bra $L; mov.u32 %r1, 0; st.shared.b32 [s], "
              "%r1;\n$L:\nbar.sync 0; "
              "atom.shared.add.u32 %r1, [s], 1; ld.shared.b32 %r2, [s];",
              "races", 64, s);
}

TEST(Divergence, AtBarriers) {
  const std::string half = "setp.lt.u32 %p1, %r0, 32; @%p1 bra $L;\n";
  expectFault(half + "bar.sync 0;\n$L:", "barrier divergence: thread 0 has ended", 64);
  expectFault(half + "bar.sync 0; bra $E;\n$L:\nbar.sync 1;\n$E:",
              "barrier divergence: thread 32 waits at line", 64);
  expectFault("setp.lt.u32 %p1, %r0, 16; @%p1 bra $L;\nbar.sync 0; bra $E;\n$L:\nbar.sync 0;\n$E:",
              "barrier divergence: threads of this warp", 32);
  expectFault("bar.sync 16;", "none of 0 to 15");
  expectFault("setp.lt.u32 %p1, %r0, 16; @%p1 bra $L;\nbar.warp.sync -1;\n$L:",
              "warp divergence: thread 0 has ended", 32);
  expectFault("shfl.sync.bfly.b32 %r1, %r0, 16, 31, 2;", "not in the mask of its own", 32);
  expectFault(
      "setp.lt.u32 %p1, %r0, 16; @!%p1 bra $L;\nshfl.sync.bfly.b32 %r1, %r0, 16, 31, 0xffff;\n$L:",
      "lane 16, which does not take part", 32);
}

// What a driver would refuse.
TEST(Text, InstructionsNeedVersionsAndProcessors) {
  const auto errorOf = [](const std::string &version, const std::string &target,
                          const std::string &instruction) {
    return parse(".version " + version + "\n.target " + target +
                 "\n.address_size 64\n.visible .entry k()\n{\n.reg .b32 %r<9>;\n.reg .b16 "
                 "%rs<9>;\n.reg .b64 %rd<9>;\n.reg .pred %p<2>;\n" +
                 instruction + "\nret;\n}\n")
        .error;
  };
  const auto expect = [&](const char *version, const char *target, const char *instruction,
                          const std::string &problem) {
    const std::string error = errorOf(version, target, instruction);
    EXPECT_TRUE(problem.empty() ? error.empty() : error.find(problem) != error.npos)
        << instruction << ": " << error;
  };
  const char *products = "mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32 {%r0, %r1, %r2, "
                         "%r3}, {%r0, %r1, %r2, %r3}, {%r4, %r5}, {%r0, %r1, %r2, %r3};";
  expect("8.4", "sm_89", products, "");
  expect("8.0", "sm_89", products, "it needs PTX 8.4, the text is of 8.0");
  expect("8.4", "sm_80", products, "it needs sm_89, the text is for sm_80");
  const char *fence = "wgmma.fence.sync.aligned;";
  expect("8.0", "sm_90a", fence, "");
  expect("7.8", "sm_90a", fence, "it needs PTX 8.0");
  expect("8.6", "sm_90", fence, "it needs sm_90a, the text is for sm_90");
  expect("8.6", "sm_100a", fence, "it needs sm_90a, the text is for sm_100a");
  expect("7.0", "sm_80", "cp.async.commit_group;", "");
  expect("7.0", "sm_75", "cp.async.commit_group;", "it needs sm_80");
  expect("7.0", "sm_80", "cvt.rn.bf16.f32 %rs0, %r0;", "");
  expect("7.8", "sm_89", "add.rn.bf16 %rs0, %rs1, %rs2;", "it needs sm_90");
  expect("7.8", "sm_80", "mbarrier.try_wait.parity.shared::cta.b64 %p0, [%rd0], 0;",
         "it needs sm_90");
}

// setmaxnreg moves registers between warps; nobody checks that there are so many.
TEST(Text, RegistersOfFourWarps) {
  const auto errorOf = [](const std::string &first, const std::string &second,
                          const std::string &bound = ".maxntid 256") {
    const Program program =
        parse(".version 8.0\n.target sm_90a\n.address_size 64\n.visible .entry k()\n" + bound +
              "\n{\n.reg .b32 %r<2>;\n.reg .pred %p<2>;\nmov.u32 %r0, %tid.x;\nsetp.lt.u32 %p0, "
              "%r0, 128;\n@%p0 bra $L;\n" +
              first + "\nret;\n$L:\n" + second + "\nret;\n}\n");
    Launch launch;
    launch.block[0] = 256;
    return run(program, "k", launch);
  };
  const auto expect = [](const std::string &error, const std::string &problem) {
    EXPECT_NE(error.find(problem), std::string::npos) << error;
  };
  const auto set = [](const char *direction, int count) {
    return "setmaxnreg." + std::string(direction) + ".sync.aligned.u32 " + std::to_string(count) +
           ";";
  };
  EXPECT_EQ(errorOf(set("dec", 40), set("inc", 216), ".maxntid 512"), "");
  expect(errorOf(set("dec", 72), set("inc", 192), ".maxntid 512"), "asks for 264 registers");
  expect(errorOf(set("dec", 41), ""), "takes 24 to 256 registers, in eights");
  expect(errorOf(set("dec", 16), ""), "takes 24 to 256 registers");
  expect(errorOf(set("inc", 64), "", ".maxntid 512"), "the other direction");
  expect(errorOf(set("dec", 40), "", ""), "does not bound the threads");
  expect(errorOf("setp.lt.u32 %p1, %r0, 160;\n@%p1 " + set("dec", 40), ""), "warp");
}

// Lines say of which stage an instruction is.
TEST(Text, FaultsNameTheStage) {
  const std::string head = ".version 7.0\n.target sm_80\n.address_size 64\n",
                    tail = "ret;\n}\n.section .debug_macinfo { }\n.file 1 \"first,second\"\n";
  const auto faultOf = [&](const std::string &body) {
    return run(parse(head + ".visible .entry k()\n{\n.reg .b32 %r<3>;\n" + body + tail), "k", {});
  };
  EXPECT_EQ(faultOf(".loc 1 2 0 // one\nadd.s32 %r1, %r2, 1;\n"),
            "k, line 8, stage 'second', block (0, 0, 0), thread (0, 0, 0): register %r2 was never "
            "written");
  EXPECT_NE(faultOf(".loc 1 1 0\nmov.u32 %r0, 1;\n.loc 1 0 0\nadd.s32 %r1, %r2, 1;\n")
                .find("k, line 10, block"),
            std::string::npos);
}

// Between blocks nothing is ordered, between threads of a block only what barriers order; atomics
// may meet. Looked for in kernels that have atomics, or loops and no shared memory.
TEST(Races, OnTheDevicesMemory) {
  const auto expect = [](const std::string &body, const std::string &expected) {
    const Program program = parse(makeKernel(body));
    std::vector<uint32_t> out(64);
    Launch launch;
    launch.block[0] = 32;
    launch.grid[0] = 2;
    launch.limit = 100000;
    launch.params.resize(16);
    const uint64_t addresses[] = {reinterpret_cast<uintptr_t>(out.data()),
                                  reinterpret_cast<uintptr_t>(out.data())};
    std::memcpy(launch.params.data(), addresses, 16);
    launch.memory = {{addresses[1], out.size() * 4, "output 0", true}};
    const std::string error = run(program, "k", launch);
    if (expected.empty())
      EXPECT_EQ(error, "") << body;
    else
      EXPECT_NE(error.find(expected), std::string::npos) << body << "\n  gives: " << error;
    return out[0];
  };
  const std::string block = "mov.u32 %r1, %ctaid.x; mov.u32 %r2, 1;\n",
                    add = "red.global.add.u32 [%rd1], %r2;\n",
                    load = "ld.global.b32 %r3, [%rd1];\n", store = "st.global.b32 [%rd1], %r2;\n",
                    first = "setp.eq.u32 %p1, %r0, 0; @!%p1 bra $E;\n",
                    onlyBlock0 = "setp.eq.u32 %p2, %r1, 0; @!%p2 bra $E;\n";
  EXPECT_EQ(expect(block + add, ""), 64u);
  EXPECT_EQ(expect(block + "atom.global.add.u32 %r3, [%rd1], %r2;\n" + add, ""), 128u);
  // Of one thread, and with a barrier between; not of two blocks.
  expect(block + onlyBlock0 + first + store + load + add + "$E:", "");
  expect(block + onlyBlock0 + add + "bar.sync 0;\n" + load + "$E:", "");
  expect(block + onlyBlock0 + add + load + "$E:", "races with block 0, thread");
  expect(block + add + "bar.sync 0;\n" + load, "races with block 0, thread 31, which read it");
  expect(block + load + first + add + "$E:", "races with block 0, thread 0, which updated it");
  expect(block + first + store + "red.global.add.u32 [%rd1+4], %r2;\n$E:",
         "write of 4 bytes at global address");
  // Other bytes.
  expect(block + "add.s64 %rd5, %rd1, %rd2; st.global.b32 [%rd5+64], %r2;\n" + onlyBlock0 + add +
             "$E:",
         "which wrote it");
}

TEST(Launches, Impossible) {
  const Program program = parse(makeKernel(""));
  Launch launch;
  EXPECT_NE(run(program, "k", launch).find("takes 16 bytes of parameters, 0 were given"),
            std::string::npos);
  EXPECT_NE(run(program, "other", launch).find("no kernel 'other'"), std::string::npos);
  launch.block[0] = 2048;
  EXPECT_NE(run(program, "k", launch).find("is not possible"), std::string::npos);
  launch.block[0] = 64, launch.block[1] = 32;
  EXPECT_NE(run(program, "k", launch).find("more than 1024"), std::string::npos);
  launch.block[1] = 1, launch.params.resize(16), launch.dynamicShared = 228 << 10;
  EXPECT_NE(
      run(program, "k", launch).find("233472 bytes of shared memory, which has 232448 on sm_90a"),
      std::string::npos);
  EXPECT_EQ(getMostShared("sm_86"), 99u << 10);
  EXPECT_EQ(getMostShared("sm_90a"), 227u << 10);
  EXPECT_EQ(getMostShared("sm_120"), 99u << 10);
  launch.dynamicShared = 0;
  const Program fixed = parse(makeKernel("mov.u32 %r1, s;", ".shared .align 4 .b8 s[50000];"));
  EXPECT_NE(run(fixed, "k", launch).find("static shared memory, which may have 49152"),
            std::string::npos);
  // What the kernel declares itself counts, too.
  launch.dynamicShared = (227 << 10) - 1000;
  const Program within = parse(makeKernel(".shared .align 4 .b8 t[1004];\nmov.u32 %r1, t;"));
  EXPECT_EQ(countShared(within, within.kernels[0]), 1004u);
  EXPECT_NE(
      run(within, "k", launch).find("232452 bytes of shared memory, which has 232448 on sm_90a"),
      std::string::npos);
  launch.dynamicShared = 0;
  launch.block[0] = 1, launch.block[2] = 65;
  EXPECT_NE(run(program, "k", launch).find("blocks of 65 threads along axis 2 is not possible"),
            std::string::npos);
  launch.block[2] = 1, launch.grid[1] = 65536;
  EXPECT_NE(run(program, "k", launch).find("a grid of 65536 blocks of 1 threads along axis 1"),
            std::string::npos);
  expectFault("$L:\nbra $L;", "an endless loop?");
  expectFault("trap;", "trap");
}
