// Refusals of everything in a module but bytecode: constants, variables, kernels, variants, names.
#include "test/runtime/Modules.h"

using namespace tessera::test;
using namespace tessera::rt;
namespace m = tessera::module;

namespace {

constexpr float kNumbers[4] = {1, 2, 3, 4};

using Change = void (*)(ModuleDesc &module);
void expectRefused(Code expected, const char *message, Change change) {
  SCOPED_TRACE(message);
  ModuleDesc module = makeTwice();
  module.constants = {{"c", ElementType::F32, {4}, "", kNumbers, sizeof(kNumbers)}};
  module.variables = {{"v", ElementType::F32, {4}, 0}};
  ASSERT_EQ(loadError(module), "");
  change(module);
  Code code;
  const std::string error = loadError(module, &code);
  EXPECT_EQ(int(code), int(expected)) << error;
  EXPECT_NE(error.find(message), std::string::npos) << error;
}

} // namespace

TEST(Tables, constants) {
  expectRefused(Code::Malformed, "constant 'c' has 16 bytes, its shape needs 20",
                [](auto &module) { module.constants[0].dims = {5}; });
  expectRefused(Code::TooLarge, "constant 'c': more than 2147483647 elements",
                [](auto &module) { module.constants[0].dims = {INT64_C(1) << 31}; });
  expectRefused(Code::TooLarge, "constant 'c': more than 2147483647 elements",
                [](auto &module) { module.constants[0].dims = {1 << 16, 1 << 16}; });
  expectRefused(Code::TooLarge, "or a negative extent",
                [](auto &module) { module.constants[0].dims = {-4}; });
  expectRefused(Code::Malformed, "constant 'c': unknown element type 255",
                [](auto &module) { module.constants[0].type = ElementType(255); });
  expectRefused(Code::LimitExceeded, "the limit is 16",
                [](auto &module) { module.constants[0].dims.assign(17, 1); });
}

TEST(Tables, variables) {
  expectRefused(Code::Malformed, "variable 'v' starts with constant 1, which does not exist",
                [](auto &module) { module.variables[0].initial = 1; });
  expectRefused(Code::Malformed, "variable 'v' starts with constant -2, which does not exist",
                [](auto &module) { module.variables[0].initial = -2; });
  expectRefused(Code::Malformed, "variable 'v' starts with constant 'c' of another type or size",
                [](auto &module) { module.variables[0].dims = {2}; });
  expectRefused(Code::TooLarge, "variable 'v': more than",
                [](auto &module) { module.variables[0].dims = {INT64_MAX, INT64_MAX}; });
}

TEST(Tables, strings) {
  expectRefused(Code::Malformed, "'x' holds strings, but no bytes along an axis",
                [](auto &module) { module.variants[0].functions[0].inputs[0].areStrings = true; });
}

TEST(Tables, squeezedAxes) {
  expectRefused(Code::Malformed, "leaves out axes that it has not", [](auto &module) {
    auto &output = module.variants[0].functions[0].outputs[0];
    output.squeezed = uint32_t(1) << output.dims.size();
  });
}

TEST(Tables, kernels) {
  expectRefused(Code::Malformed, "kernel 'twice' has an input after an output", [](auto &module) {
    std::swap(module.variants[0].kernels[0].args[0], module.variants[0].kernels[0].args[1]);
  });
  expectRefused(
      Code::Malformed, "argument 0 of kernel 'twice' is of unknown kind",
      [](auto &module) { module.variants[0].kernels[0].args[0].kind = KernelArgKind(3); });
  expectRefused(Code::Malformed, "argument 0 of kernel 'twice' is of unknown kind",
                [](auto &module) { module.variants[0].kernels[0].args[0].rank = 17; });
  expectRefused(Code::Malformed, "kernel 'twice' sums in unknown element type 255",
                [](auto &module) { module.variants[0].kernels[0].sums = {ElementType(255)}; });
  expectRefused(
      Code::LimitExceeded,
      ("types of sums of a kernel, the limit is " + std::to_string(kElementTypeCount)).c_str(),
      [](auto &module) { module.variants[0].kernels[0].sums.resize(kElementTypeCount + 1); });
  for (const m::Precondition &wrong : {m::Precondition{2, 0, PreconditionKind::MinExtent, 1},
                                       m::Precondition{0, 2, PreconditionKind::MinExtent, 1},
                                       m::Precondition{0, 0, PreconditionKind(4), 1},
                                       m::Precondition{0, 0, PreconditionKind::MultipleOf, 0},
                                       m::Precondition{0, 0, PreconditionKind::MultipleOf, -1}}) {
    ModuleDesc module = makeTwice();
    module.variants[0].kernels[0].preconditions = {wrong};
    EXPECT_NE(loadError(module).find("precondition 0 of kernel 'twice' makes no sense"),
              std::string::npos);
  }
}

TEST(Tables, variantsHaveTheSameFunctions) {
  expectRefused(Code::Malformed, "variants disagree about the signature of 'main'",
                [](auto &module) {
                  module.variants.push_back(module.variants[0]);
                  module.variants[1].functions[0].inputs[0].name = "z";
                });
  expectRefused(Code::Malformed, "variants have different numbers of functions", [](auto &module) {
    module.variants.push_back(module.variants[0]);
    module.variants[1].functions.push_back(module.variants[0].functions[0]);
  });
  expectRefused(Code::Malformed, "two functions are named 'main'", [](auto &module) {
    module.variants[0].functions.push_back(module.variants[0].functions[0]);
  });
}

TEST(Tables, enumerators) {
  expectRefused(Code::Malformed, "buffer 0 is of unknown kind", [](auto &module) {
    module.variants[0].functions[0].buffers[0].kind = BufferKind(6);
  });
  expectRefused(Code::Malformed, "instruction 0 has unknown opcode 26", [](auto &module) {
    module.variants[0].functions[0].instructions[0].op = Opcode(kOpcodeCount);
  });
  expectRefused(Code::Malformed, "instruction 0 has unknown opcode", [](auto &module) {
    module.variants[0].functions[0].instructions[0].kind = CompareKind(6);
  });
  expectRefused(Code::Malformed, "unknown element type 99", [](auto &module) {
    module.variants[0].functions[0].inputs[0].type = ElementType(99);
  });
}

TEST(Tables, namesHaveNoZeroBytes) {
  expectRefused(Code::Malformed, "a tensor's name contains a zero byte", [](auto &module) {
    module.variants[0].functions[0].inputs[0].name = std::string("x\0y", 3);
  });
  expectRefused(Code::Malformed, "a constant's name contains a zero byte",
                [](auto &module) { module.constants[0].name = std::string("\0", 1); });
}

TEST(Tables, hostileNamesAreOnlyText) {
  ModuleDesc module = makeTwice();
  const std::string name = "a\n%s%n\"';\x1b[31m\xff";
  module.variants[0].functions[0].inputs[0].name = name;
  ModulePtr loaded = load(module);
  ContextPtr context = makeContext(*loaded);
  EXPECT_STATUS(context->run(0, 0), Code::WrongCount, name.c_str());
}
