// One refusal per message of the verifier of programs.
#include "test/runtime/Modules.h"

using namespace tessera::test;
using namespace tessera::rt;
namespace m = tessera::module;

namespace {

constexpr float kNumbers[4] = {1, 2, 3, 4};

// x f32[N, 4] -> y f32[N, 4]; buffers 0 x, 1 y, 2 temp, 3 constant f32[4], 4 variable f32[4], 5
// view of temp. Instructions: 0 r1 = N * 2 (prologue), 1 launch x -> temp, 2 copy view -> y, 3
// return.
ModuleDesc makeSound() {
  m::Function f;
  f.name = "main";
  f.symbols = {{"N", 1, 100}};
  f.registers = 3;
  const std::vector<m::Dim> rows = {m::Dim::reg(0), m::Dim::constant(4)},
                            four = {m::Dim::constant(4)};
  f.inputs = {{"x", ElementType::F32, rows, {"N", "4"}}};
  f.outputs = {{"y", ElementType::F32, rows, {"N", "4"}}};
  f.addBuffer({BufferKind::Input, ElementType::F32, 0, rows});
  f.addBuffer({BufferKind::Output, ElementType::F32, 0, rows});
  f.addBuffer({BufferKind::Temp, ElementType::F32, 0, rows});
  f.addBuffer({BufferKind::Constant, ElementType::F32, 0, four});
  f.addBuffer({BufferKind::Variable, ElementType::F32, 0, four});
  f.addBuffer({BufferKind::View, ElementType::F32, 2, rows});
  f.binary(Opcode::Add, 1, 0, 0);
  f.prologue = 1;
  f.launch(0, {0, 2});
  f.copy(1, 5);
  f.ret();
  f.buffers[2].first = 1;
  f.buffers[2].last = 2;
  ModuleDesc module = makeModule(
      f, {makeKernel("k", nullptr, {input(ElementType::F32, 2), output(ElementType::F32, 2)})});
  module.constants = {{"c", ElementType::F32, {4}, "", kNumbers, sizeof(kNumbers)}};
  module.variables = {{"v", ElementType::F32, {4}, 0}};
  return module;
}

using Change = void (*)(m::Function &f, ModuleDesc &module);

void expectRefused(const char *message, Change change) {
  SCOPED_TRACE(message);
  ModuleDesc module = makeSound();
  change(module.variants[0].functions[0], module);
  Code code;
  const std::string error = loadError(module, &code);
  EXPECT_EQ(int(code), int(Code::Malformed)) << error;
  EXPECT_NE(error.find(message), std::string::npos) << error;
}

} // namespace

TEST(Verifier, acceptsASoundProgram) { EXPECT_EQ(loadError(makeSound()), ""); }

TEST(Verifier, registers) {
  expectRefused("too few registers", [](auto &f, auto &) { f.registers = 0; });
  expectRefused("too few registers or instructions", [](auto &f, auto &) { f.prologue = 4; });
  expectRefused("register 3 does not exist", [](auto &f, auto &) { f.instructions[0].dst = 3; });
  expectRefused("register 7 does not exist", [](auto &f, auto &) { f.instructions[0].a = 7; });
  expectRefused("register 4000000000 does not exist",
                [](auto &f, auto &) { f.instructions[0].b = 4000000000u; });
  expectRefused("input 'x': register 9 does not exist",
                [](auto &f, auto &) { f.inputs[0].dims[1] = m::Dim::reg(9); });
  expectRefused("output 'y': register 9 does not exist",
                [](auto &f, auto &) { f.outputs[0].dims[1] = m::Dim::reg(9); });
  expectRefused("buffer 2: register 9 does not exist",
                [](auto &f, auto &) { f.buffers[2].dims[1] = m::Dim::reg(9); });
  expectRefused("buffer 5: register 9 does not exist",
                [](auto &f, auto &) { f.buffers[5].offset = m::Dim::reg(9); });
  expectRefused("register 8 does not exist", [](auto &f, auto &) { f.instructions[1].dst = 8; });
  expectRefused("register 8 does not exist", [](auto &f, auto &) { f.instructions[1].d = 8; });
  expectRefused("a size names register -1",
                [](auto &f, auto &) { f.buffers[2].dims[1] = {-1, true}; });
}

TEST(Verifier, signatures) {
  expectRefused("no input binds the symbol 'M'",
                [](auto &f, auto &) { f.symbols.push_back({"M", 0, 1}); });
  expectRefused("input 'x' has a negative extent",
                [](auto &f, auto &) { f.inputs[0].dims[1] = m::Dim::constant(-4); });
  expectRefused("the range of 'N' is empty", [](auto &f, auto &) { f.symbols[0] = {"N", 5, 4}; });
  expectRefused("the range of 'N' is empty", [](auto &f, auto &) { f.symbols[0] = {"N", -1, 4}; });
  expectRefused("'x' has 2 dimensions and 1 texts",
                [](auto &f, auto &) { f.inputs[0].dimText = {"N"}; });
}

TEST(Verifier, buffers) {
  expectRefused("buffer 2 lies in plan segment 1",
                [](auto &f, auto &) { f.buffers[2].segment = 1; });
  expectRefused("buffer 2 is no view, but has strides", [](auto &f, auto &) {
    f.buffers[2].strides = {m::Dim::constant(4), m::Dim::constant(1)};
  });
  expectRefused("buffer 3 is no view, but has strides",
                [](auto &f, auto &) { f.buffers[3].offset = m::Dim::constant(4); });
  expectRefused("buffer 0 does not agree with its input",
                [](auto &f, auto &) { f.buffers[0].type = ElementType::F64; });
  expectRefused("buffer 0 does not agree with its input",
                [](auto &f, auto &) { f.buffers[0].source = 1; });
  expectRefused("buffer 1 does not agree with its output",
                [](auto &f, auto &) { f.buffers[1].dims.pop_back(); });
  expectRefused("output 'y' has two buffers", [](auto &f, auto &) { f.addBuffer(f.buffers[1]); });
  expectRefused("output 'y' has no buffer",
                [](auto &f, auto &) { f.buffers[1].kind = BufferKind::Temp; });
  expectRefused("buffer 3 does not agree with its constant",
                [](auto &f, auto &) { f.buffers[3].dims = {m::Dim::constant(5)}; });
  expectRefused("buffer 3 does not agree with its constant",
                [](auto &f, auto &) { f.buffers[3].source = 1; });
  expectRefused("buffer 4 does not agree with its variable",
                [](auto &f, auto &) { f.buffers[4].dims = {m::Dim::reg(0)}; });
  expectRefused("buffer 2 has an impossible live range",
                [](auto &f, auto &) { f.buffers[2].first = 3; });
  expectRefused("buffer 2 has an impossible live range",
                [](auto &f, auto &) { f.buffers[2].last = 4; });
  expectRefused("buffer 5 is a view of buffer 5, which comes later",
                [](auto &f, auto &) { f.buffers[5].source = 5; });
  expectRefused("buffer 5 has 2 dimensions and 1 strides",
                [](auto &f, auto &) { f.buffers[5].strides = {m::Dim::constant(1)}; });
  expectRefused("the size of buffer 2 is computed after its plan",
                [](auto &f, auto &) { f.buffers[2].dims[1] = m::Dim::reg(2); });
  expectRefused("an extent of input 'x' is computed too late", [](auto &f, auto &) {
    f.inputs[0].dims[1] = f.buffers[0].dims[1] = m::Dim::reg(2);
  });
}

TEST(Verifier, uses) {
  expectRefused("buffer 9 does not exist", [](auto &f, auto &) { f.instructions[2].a = 9; });
  expectRefused("buffer 2 is used outside its live range [1, 1]", [](auto &f, auto &) {
    f.buffers[2].last = 1;
    f.instructions[2].a = 2;
  });
  expectRefused("buffer 5 is used outside its live range [1, 1]",
                [](auto &f, auto &) { f.buffers[2].last = 1; });
  expectRefused("buffer 0 is an input or a constant and cannot be written",
                [](auto &f, auto &) { f.instructions[2].dst = 0; });
  expectRefused("buffer 0 is an input or a constant and cannot be written",
                [](auto &f, auto &) { f.operands[1] = 0; });
  expectRefused("buffer 5 is an input or a constant and cannot be written", [](auto &f, auto &) {
    f.buffers[5].source = 0;
    f.instructions[2] = {.op = Opcode::Fill, .dst = 5};
  });
  expectRefused("a copy cannot change the type",
                [](auto &f, auto &) { f.buffers[5].type = ElementType::I32; });
  expectRefused("buffer 1 holds no integers", [](auto &f, auto &) {
    f.instructions[2] = {.op = Opcode::LoadScalar, .dst = 1, .a = 1, .b = 0};
  });
  expectRefused("buffer 1 holds no integers", [](auto &f, auto &) {
    f.instructions[2] = {.op = Opcode::StoreScalar, .dst = 1, .a = 0, .b = 0};
  });
  expectRefused("buffer 5 has strides, which only a launch follows", [](auto &f, auto &) {
    f.buffers[5].strides = {m::Dim::constant(0), m::Dim::constant(1)};
  });
  expectRefused("buffer 5 has strides, which only a launch follows", [](auto &f, auto &) {
    f.buffers[5].strides = {m::Dim::constant(0), m::Dim::constant(1)};
    f.instructions[2] = {.op = Opcode::Fill, .dst = 5};
  });
  expectRefused("message 0 does not exist", [](auto &f, auto &) {
    f.instructions[2] = {.op = Opcode::Assert, .a = 0, .b = 0};
  });
}

TEST(Verifier, launches) {
  expectRefused("kernel 1 does not exist", [](auto &f, auto &) { f.instructions[1].a = 1; });
  expectRefused("kernel 'k' takes 2 arguments, not 1",
                [](auto &f, auto &) { f.instructions[1].c = 1; });
  expectRefused("kernel 'k' takes 2 arguments",
                [](auto &f, auto &) { f.instructions[1].b = 4000000000u; });
  expectRefused("argument 0 of kernel 'k' is f32 of rank 2, buffer 3 is f32 of rank 1",
                [](auto &f, auto &) { f.operands[0] = 3; });
  expectRefused("argument 1 of kernel 'k' cannot have the strides of buffer 5",
                [](auto &f, auto &) {
                  f.buffers[5].strides = {m::Dim::constant(4), m::Dim::constant(1)};
                  f.operands[1] = 5;
                });
  expectRefused("argument 1 of kernel 'k' cannot have the strides of buffer 5",
                [](auto &f, auto &module) {
                  f.buffers[5].strides = {m::Dim::constant(8), m::Dim::constant(2)};
                  f.operands[1] = 5;
                  module.variants[0].kernels[0].args[1].strides = StrideRule::InnerOne;
                });
  expectRefused("register 5 does not exist", [](auto &f, auto &module) {
    module.variants[0].kernels[0].args[0] = {KernelArgKind::Scalar};
    f.operands[0] = 5;
  });
}

TEST(Verifier, jumpsAndLoops) {
  expectRefused("jump to instruction 0", [](auto &f, auto &) {
    f.instructions[2] = {.op = Opcode::Jump, .a = 0}; // Into the prologue.
  });
  expectRefused("jump to instruction 4",
                [](auto &f, auto &) { f.instructions[2] = {.op = Opcode::Jump, .a = 4}; });
  expectRefused("jump to instruction 9", [](auto &f, auto &) {
    f.instructions[2] = {.op = Opcode::Branch, .a = 0, .b = 9, .c = 3};
  });
  expectRefused("jump to instruction 9", [](auto &f, auto &) {
    f.instructions[2] = {.op = Opcode::Branch, .a = 0, .b = 3, .c = 9};
  });
  expectRefused("the program runs off its end", [](auto &f, auto &) { f.instructions.pop_back(); });
  expectRefused("which ends inside the loop from 2 to 3",
                [](auto &f, auto &) { f.instructions[3] = {.op = Opcode::Jump, .a = 2}; });
  expectRefused("the prologue may only compute", [](auto &f, auto &) { f.prologue = 2; });
  expectRefused("instruction 0 of the prologue reads a register that is not set",
                [](auto &f, auto &) { f.instructions[0].b = 2; });
}

TEST(Verifier, planSegments) {
  for (uint32_t segment : {0u, 1u, 7u}) {
    ModuleDesc module = makeSound();
    module.variants[0].functions[0].instructions[2] = {.op = Opcode::Plan, .a = segment};
    EXPECT_NE(loadError(module).find("does not exist, or is 0, which starts by itself"),
              std::string::npos);
  }
  expectRefused("no plan segment", [](auto &f, auto &) { f.planSegments = 0; });
  expectRefused("buffer 2 is no view",
                [](auto &f, auto &) { f.instructions[2] = {.op = Opcode::BindView, .a = 2}; });
  expectRefused("buffer 6 is a view of buffer 5 and needs a bind instruction as well",
                [](auto &f, auto &) {
                  m::Buffer view = f.buffers[5];
                  view.source = 5;
                  f.addBuffer(view);
                  f.instructions[2] = {.op = Opcode::BindView, .a = 5};
                });
}

TEST(Verifier, limitsAreNamed) {
  ModuleDesc module = makeSound();
  module.variants[0].functions[0].planSegments = 5000;
  Code code;
  EXPECT_NE(loadError(module, &code).find("too many registers (3) or plan segments (5000)"),
            std::string::npos);
  EXPECT_EQ(int(code), int(Code::LimitExceeded));
  module = makeSound();
  module.variants[0].functions[0].registers = 1u << 21;
  EXPECT_NE(loadError(module, &code).find("too many registers"), std::string::npos);
  module = makeSound();
  module.variants[0].kernels[0].name = std::string(5000, 'k');
  EXPECT_NE(loadError(module, &code).find("a kernel's name has 5000 bytes, the limit is 4096"),
            std::string::npos);
  module = makeSound();
  module.variants[0].functions[0].buffers[2].dims.assign(17, m::Dim::constant(1));
  EXPECT_NE(loadError(module, &code).find("the limit is 16"), std::string::npos);
  EXPECT_EQ(int(code), int(Code::LimitExceeded));
}
