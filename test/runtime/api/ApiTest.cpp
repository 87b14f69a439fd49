// The C interface with arguments that nobody should pass.
#include "runtime/api/tessera.h"
#include "test/runtime/Modules.h"

#include <cstdlib>
#include <cstring>

using namespace tessera::test;
namespace rt = tessera::rt;

extern "C" int tessera_test_header_is_c89(void);

namespace {

class Api : public testing::Test {
protected:
  void SetUp() override {
    const std::vector<uint8_t> bytes = write(makeTwice());
    ASSERT_EQ(tessera_module_load_memory(bytes.data(), bytes.size(), nullptr, &module, &error), 0);
    tessera_context_options options{};
    options.size = sizeof(options);
    options.threads = 1;
    ASSERT_EQ(tessera_context_create(module, &options, &context, &error), 0);
    x = tensor(data, {2, 4});
  }
  void TearDown() override {
    tessera_context_destroy(context);
    tessera_module_destroy(module);
    tessera_error_destroy(error);
  }

  tessera_tensor tensor(void *memory, std::vector<int64_t> dims, tessera_type type = TESSERA_F32) {
    tessera_tensor result;
    tessera_tensor_init(&result, type, uint32_t(dims.size()), dims.data(), memory);
    return result;
  }
  void expectError(tessera_code code, tessera_code expected, const char *text) {
    EXPECT_EQ(code, expected) << tessera_error_message(error);
    EXPECT_EQ(tessera_error_code(error), expected);
    EXPECT_NE(std::string(tessera_error_message(error)).find(text), std::string::npos)
        << tessera_error_message(error);
    tessera_error_destroy(error);
    error = nullptr;
  }
  void expectInputError(const tessera_tensor &tensor, tessera_code expected, const char *text) {
    expectError(tessera_set_input(context, 0, 0, &tensor, &error), expected, text);
  }

  alignas(64) float data[32] = {1, 2, 3, 4, 5, 6, 7, 8};
  tessera_module *module = nullptr;
  tessera_context *context = nullptr;
  tessera_error *error = nullptr;
  tessera_tensor x{};
};

} // namespace

TEST_F(Api, computes) {
  ASSERT_EQ(tessera_set_input(context, 0, 0, &x, &error), 0);
  ASSERT_EQ(tessera_run(context, 0, nullptr, &error), 0);
  tessera_tensor y;
  ASSERT_EQ(tessera_get_output(context, 0, 0, &y, &error), 0);
  EXPECT_EQ(y.type, uint32_t(TESSERA_F32));
  for (int i = 0; i < 8; ++i)
    EXPECT_EQ(static_cast<float *>(y.data)[i], 2 * data[i]);
  EXPECT_TRUE(tessera_test_header_is_c89());
}

TEST_F(Api, handsOverTheMemoryOfOutputs) {
  uint64_t bytes = 7;
  tessera_tensor y;
  expectError(tessera_take_output(context, 0, 0, &y, &bytes, &error), TESSERA_INVALID_ARGUMENT,
              "has not run");
  EXPECT_EQ(bytes, 0u);
  expectError(tessera_take_output(context, 0, 0, &y, nullptr, &error), TESSERA_INVALID_ARGUMENT,
              "bytes");
  ASSERT_EQ(tessera_set_input(context, 0, 0, &x, &error), 0);
  ASSERT_EQ(tessera_run(context, 0, nullptr, &error), 0);
  const uint64_t before = tessera_context_memory(context);
  ASSERT_EQ(tessera_take_output(context, 0, 0, &y, &bytes, &error), 0);
  EXPECT_GE(bytes, 8 * sizeof(float));
  EXPECT_EQ(tessera_context_memory(context), before - bytes);
  // It is gone, until the next run computes into new memory.
  tessera_tensor again;
  expectError(tessera_get_output(context, 0, 0, &again, &error), TESSERA_INVALID_ARGUMENT,
              "was taken");
  data[0] = 10;
  ASSERT_EQ(tessera_run(context, 0, nullptr, &error), 0);
  ASSERT_EQ(tessera_get_output(context, 0, 0, &again, &error), 0);
  EXPECT_NE(again.data, y.data);
  EXPECT_EQ(static_cast<float *>(again.data)[0], 20);
  EXPECT_EQ(static_cast<float *>(y.data)[0], 2);
  free(y.data); // The default allocator's.
  // The caller's own memory is not handed over.
  alignas(64) float mine[8];
  tessera_tensor target = tensor(mine, {2, 4});
  ASSERT_EQ(tessera_set_output(context, 0, 0, &target, &error), 0);
  ASSERT_EQ(tessera_run(context, 0, nullptr, &error), 0);
  ASSERT_EQ(tessera_take_output(context, 0, 0, &y, &bytes, &error), 0);
  EXPECT_EQ(bytes, 0u);
  EXPECT_EQ(y.data, mine);
}

TEST_F(Api, wrongTensors) {
  expectInputError(tensor(data, {2, 4}, TESSERA_F64), TESSERA_WRONG_TYPE,
                   "input 'x' has elements of type f64, expected f32");
  expectInputError(tensor(data, {2, 4}, 31), TESSERA_WRONG_TYPE,
                   "input 'x': 31 is no element type");
  expectInputError(tensor(data, {8}), TESSERA_WRONG_RANK, "input 'x' has 1 dimensions, expected 2");
  tessera_tensor deep = x;
  deep.rank = 4000000000u;
  expectInputError(deep, TESSERA_WRONG_RANK, "at most 16 are possible");
  expectInputError(tensor(data, {2, 5}), TESSERA_WRONG_SHAPE,
                   "input 'x' has extent 5 in dimension 1, expected 4");
  expectInputError(tensor(data, {-1, 4}), TESSERA_WRONG_SHAPE,
                   "extent -1 in dimension 0, expected N");
  expectInputError(tensor(nullptr, {2, 4}), TESSERA_BAD_MEMORY, "input 'x' has no memory");
  expectInputError(tensor(reinterpret_cast<char *>(data) + 2, {2, 4}), TESSERA_BAD_MEMORY,
                   "input 'x' is not aligned to its elements of 4 bytes");
  expectInputError(tensor(data, {INT64_C(1) << 31, 4}), TESSERA_TOO_LARGE,
                   "more than 2147483647 elements");
  expectInputError(tensor(data, {INT64_C(1) << 29, 4}), TESSERA_TOO_LARGE,
                   "more than 2147483647 elements");
  expectInputError(tensor(data, {INT64_MAX, 4}), TESSERA_TOO_LARGE,
                   "more than 2147483647 elements");
  for (int64_t stride : {INT64_MAX, INT64_MIN, INT64_MAX / 4, INT64_MIN / 4, INT64_MIN / 8}) {
    tessera_tensor far = x;
    far.strides[0] = stride;
    expectInputError(far, TESSERA_BAD_MEMORY, "the strides of input 'x' reach outside of memory");
  }
}

TEST_F(Api, stridesAreFollowed) {
  tessera_tensor back = x;
  back.data = data + 7;
  back.strides[0] = -4;
  back.strides[1] = -1;
  tessera_tensor same = x; // Both rows are the first.
  same.strides[0] = 0;
  struct {
    const tessera_tensor &tensor;
    float expected[8];
  } cases[] = {{back, {16, 14, 12, 10, 8, 6, 4, 2}}, {same, {2, 4, 6, 8, 2, 4, 6, 8}}};
  for (const auto &c : cases) {
    ASSERT_EQ(tessera_set_input(context, 0, 0, &c.tensor, &error), 0);
    ASSERT_EQ(tessera_run(context, 0, nullptr, &error), 0);
    tessera_tensor y;
    ASSERT_EQ(tessera_get_output(context, 0, 0, &y, &error), 0);
    EXPECT_EQ(std::memcmp(y.data, c.expected, sizeof(c.expected)), 0);
  }
}

TEST_F(Api, extentsBeyondTheDeclaredRange) {
  std::vector<float> many(404);
  tessera_tensor large = tensor(many.data(), {101, 4});
  ASSERT_EQ(tessera_set_input(context, 0, 0, &large, &error), 0);
  expectError(tessera_run(context, 0, nullptr, &error), TESSERA_WRONG_SHAPE,
              "input 'x' has extent 101 in dimension 0, but 'N' must be from 0 to 100");
}

TEST_F(Api, outputsOfTheCaller) {
  ASSERT_EQ(tessera_set_input(context, 0, 0, &x, &error), 0);
  tessera_tensor y = tensor(data + 16, {2, 4});
  ASSERT_EQ(tessera_set_output(context, 0, 0, &y, &error), 0);
  ASSERT_EQ(tessera_run(context, 0, nullptr, &error), 0);
  EXPECT_EQ(data[16 + 7], 16);
  y = tensor(data + 16, {3, 4});
  ASSERT_EQ(tessera_set_output(context, 0, 0, &y, &error), 0);
  expectError(tessera_run(context, 0, nullptr, &error), TESSERA_WRONG_SHAPE,
              "the memory of output 'y' has extent 3 in dimension 0, the result has 2");
  for (int shift : {0, 4, 7}) {
    y = tensor(data + shift, {2, 4});
    ASSERT_EQ(tessera_set_output(context, 0, 0, &y, &error), 0);
    expectError(tessera_run(context, 0, nullptr, &error), TESSERA_BAD_MEMORY,
                "the memory of output 'y' overlaps input 'x'");
  }
  y.strides[0] = 8;
  expectError(tessera_set_output(context, 0, 0, &y, &error), TESSERA_WRONG_SHAPE,
              "the memory of output 'y' is not dense row-major");
  ASSERT_EQ(tessera_set_output(context, 0, 0, nullptr, &error), 0);
  ASSERT_EQ(tessera_run(context, 0, nullptr, &error), 0);
}

TEST_F(Api, missingInput) {
  expectError(tessera_run(context, 0, nullptr, &error), TESSERA_WRONG_COUNT,
              "input 'x' was not set");
  tessera_tensor y;
  expectError(tessera_get_output(context, 0, 0, &y, &error), TESSERA_INVALID_ARGUMENT,
              "function 'main' has not run");
}

TEST_F(Api, numbersThatNameNothing) {
  expectError(tessera_set_input(context, 1, 0, &x, &error), TESSERA_INVALID_ARGUMENT,
              "there is no function 1");
  expectError(tessera_set_input(context, 0, 1, &x, &error), TESSERA_INVALID_ARGUMENT,
              "there is no input 1");
  expectError(tessera_set_output(context, 0, 7, &x, &error), TESSERA_INVALID_ARGUMENT,
              "there is no output 7");
  expectError(tessera_run(context, 3, nullptr, &error), TESSERA_INVALID_ARGUMENT,
              "there is no function 3");
  expectError(tessera_read_variable(context, 0, data, 4, &error), TESSERA_INVALID_ARGUMENT,
              "there is no variable 0");
  tessera_tensor_info info;
  EXPECT_EQ(tessera_input_info(module, 0, 9, &info), TESSERA_INVALID_ARGUMENT);
  EXPECT_EQ(tessera_find_input(module, 0, "z"), -1);
  EXPECT_EQ(tessera_find_function(module, nullptr), -1);
  EXPECT_EQ(tessera_type_name(99), nullptr);
  EXPECT_EQ(tessera_type_bytes(99), 0u);
  EXPECT_EQ(tessera_function_name(module, 4), nullptr);
  tessera_record record;
  EXPECT_EQ(tessera_profile_get(context, 0, &record), TESSERA_INVALID_ARGUMENT);
}

TEST_F(Api, nullPointers) {
  const char *const context_ = "the context must not be null";
  expectError(tessera_set_input(nullptr, 0, 0, &x, &error), TESSERA_INVALID_ARGUMENT, context_);
  expectError(tessera_set_output(nullptr, 0, 0, &x, &error), TESSERA_INVALID_ARGUMENT, context_);
  expectError(tessera_get_output(nullptr, 0, 0, &x, &error), TESSERA_INVALID_ARGUMENT, context_);
  expectError(tessera_run(nullptr, 0, nullptr, &error), TESSERA_INVALID_ARGUMENT, context_);
  expectError(tessera_reset(nullptr, &error), TESSERA_INVALID_ARGUMENT, context_);
  expectError(tessera_profile_start(nullptr, 1, &error), TESSERA_INVALID_ARGUMENT, context_);
  expectError(tessera_read_variable(nullptr, 0, data, 4, &error), TESSERA_INVALID_ARGUMENT,
              context_);
  expectError(tessera_set_input(context, 0, 0, nullptr, &error), TESSERA_INVALID_ARGUMENT,
              "input 'x': the tensor must not be null");
  expectError(tessera_get_output(context, 0, 0, nullptr, &error), TESSERA_INVALID_ARGUMENT,
              "output 'y': the tensor must not be null");
  expectError(tessera_module_load_file(nullptr, nullptr, &module, &error), TESSERA_INVALID_ARGUMENT,
              "must not be null");
  expectError(tessera_module_load_memory(nullptr, 0, nullptr, &module, &error),
              TESSERA_INVALID_ARGUMENT, "must not be null");
  tessera_allocator none{};
  tessera_context_options options{};
  options.size = sizeof(options);
  options.allocator = &none;
  tessera_context *other = nullptr;
  expectError(tessera_context_create(module, &options, &other, &error), TESSERA_INVALID_ARGUMENT,
              "the allocator has no functions");
  EXPECT_EQ(other, nullptr);
  // Without a place for the error there is still the code.
  EXPECT_EQ(tessera_run(nullptr, 0, nullptr, nullptr), TESSERA_INVALID_ARGUMENT);
  EXPECT_EQ(tessera_input_info(module, 0, 0, nullptr), TESSERA_INVALID_ARGUMENT);
  EXPECT_EQ(tessera_get_variant(module, 0, nullptr), TESSERA_INVALID_ARGUMENT);
  EXPECT_EQ(tessera_get_kernel(module, 0, 0, nullptr), TESSERA_INVALID_ARGUMENT);
  tessera_cancel(nullptr);
  tessera_error_destroy(nullptr);
  tessera_module_destroy(nullptr);
  tessera_context_destroy(nullptr);
  EXPECT_STREQ(tessera_error_message(nullptr), "out of memory");
}

TEST_F(Api, optionsOfOlderAndNewerCallers) {
  // A caller that knows only the first fields: the rest, whatever it holds, is not read.
  tessera_context_options options;
  std::memset(&options, 0xff, sizeof(options));
  options.size = 8;
  options.threads = 1;
  tessera_context *other = nullptr;
  ASSERT_EQ(tessera_context_create(module, &options, &other, &error), 0);
  EXPECT_EQ(tessera_context_threads(other), 1u);
  tessera_context_destroy(other);
  struct {
    tessera_context_options known;
    uint64_t future;
  } newer{};
  newer.known.size = sizeof(newer);
  newer.known.threads = 2;
  ASSERT_EQ(tessera_context_create(module, &newer.known, &other, &error), 0);
  EXPECT_EQ(tessera_context_threads(other), 2u);
  tessera_context_destroy(other);
}

TEST_F(Api, unknownDevice) {
  tessera_load_options options{};
  options.size = sizeof(options);
  options.device = "abacus";
  const std::vector<uint8_t> bytes = write(makeTwice());
  tessera_module *other = nullptr;
  expectError(tessera_module_load_memory(bytes.data(), bytes.size(), &options, &other, &error),
              TESSERA_UNKNOWN_NAME, "unknown device 'abacus'; known are cpu and null");
}

TEST_F(Api, sumsOfKernelsCanBeRead) {
  ModuleDesc summing = makeTwice();
  summing.variants[0].kernels[0].sums = {rt::ElementType::F32, rt::ElementType::I32};
  const std::vector<uint8_t> bytes = write(summing);
  tessera_module *other = nullptr;
  ASSERT_EQ(tessera_module_load_memory(bytes.data(), bytes.size(), nullptr, &other, &error), 0);
  tessera_type types[2] = {};
  EXPECT_EQ(tessera_kernel_types(other, 0, 0, TESSERA_TYPES_SUMMED_IN, types, 2), 2u);
  EXPECT_EQ(types[0], tessera_type(TESSERA_F32));
  EXPECT_EQ(types[1], tessera_type(TESSERA_I32));
  tessera_module_destroy(other);
}

TEST_F(Api, stringsAndSqueezedAxesAreMarked) {
  EXPECT_EQ(tessera_input_is_strings(module, 0, 0), 0u);
  tessera::module::Function f;
  f.name = "main";
  const std::vector<tessera::module::Dim> dims = {tessera::module::Dim::constant(2),
                                                  tessera::module::Dim::constant(3)};
  f.inputs = {{"x", rt::ElementType::U8, dims, {}, true}};
  f.outputs = {{"y", rt::ElementType::U8, dims, {}, false, /*squeezed=*/2}};
  const uint32_t x = f.addBuffer({rt::BufferKind::Input, rt::ElementType::U8, 0, dims});
  const uint32_t y = f.addBuffer({rt::BufferKind::Output, rt::ElementType::U8, 0, dims});
  f.copy(y, x);
  f.ret();
  const std::vector<uint8_t> bytes = write(makeModule(f));
  tessera_module *other = nullptr;
  ASSERT_EQ(tessera_module_load_memory(bytes.data(), bytes.size(), nullptr, &other, &error), 0);
  EXPECT_EQ(tessera_input_is_strings(other, 0, 0), 1u);
  EXPECT_EQ(tessera_output_is_strings(other, 0, 0), 0u);
  EXPECT_EQ(tessera_input_is_strings(other, 0, 9), 0u);
  EXPECT_EQ(tessera_output_is_strings(other, 9, 0), 0u);
  EXPECT_EQ(tessera_output_squeezed(other, 0, 0), 2u);
  EXPECT_EQ(tessera_output_squeezed(other, 0, 9), 0u);
  EXPECT_EQ(tessera_output_squeezed(module, 0, 0), 0u);
  tessera_module_destroy(other);
}

TEST_F(Api, everythingInAModuleCanBeRead) {
  tessera_tensor_info tensorInfo;
  ASSERT_EQ(tessera_input_info(module, 0, 0, &tensorInfo), 0);
  EXPECT_STREQ(tensorInfo.name, "x");
  EXPECT_EQ(tensorInfo.dims[0].extent, -1);
  EXPECT_EQ(tensorInfo.dims[0].max, 100);
  EXPECT_STREQ(tensorInfo.dims[0].text, "N");
  EXPECT_EQ(tensorInfo.dims[1].extent, 4);
  tessera_variant_info variant;
  ASSERT_EQ(tessera_get_variant(module, 0, &variant), 0);
  EXPECT_STREQ(variant.level, "x86-64-v2");
  EXPECT_TRUE(variant.active);
  EXPECT_STREQ(tessera_variant_feature(module, 0, 0), "sse4.2");
  EXPECT_EQ(tessera_variant_feature(module, 0, 1), nullptr);
  EXPECT_STREQ(tessera_kernel_source(module, 0, 0, 0), "node/twice");
  tessera_type types[2] = {99, 99};
  EXPECT_EQ(tessera_kernel_types(module, 0, 0, TESSERA_TYPES_READ, types, 2), 1u);
  EXPECT_EQ(types[0], tessera_type(TESSERA_F32));
  EXPECT_EQ(types[1], 99u);
  EXPECT_EQ(tessera_kernel_types(module, 0, 0, TESSERA_TYPES_WRITTEN, types + 1, 0), 1u);
  EXPECT_EQ(types[1], 99u);
  EXPECT_EQ(tessera_kernel_types(module, 0, 0, TESSERA_TYPES_SUMMED_IN, nullptr, 0), 0u);
  EXPECT_EQ(tessera_kernel_types(module, 0, 9, TESSERA_TYPES_READ, nullptr, 0), 0u);
  tessera_program_info program;
  ASSERT_EQ(tessera_get_program(module, 0, 0, &program), 0);
  EXPECT_EQ(program.buffers, 3u);
  char text[200];
  for (uint32_t i = 0; i < program.instructions; ++i) {
    const uint64_t size = tessera_instruction_text(module, 0, 0, i, text, sizeof(text));
    EXPECT_EQ(size, std::strlen(text));
    char little[4] = "zzz"; // Like snprintf: cut, terminated, and the whole length returned.
    EXPECT_EQ(tessera_instruction_text(module, 0, 0, i, little, 3), size);
    EXPECT_EQ(little[2], 0);
    EXPECT_EQ(little[3], 0);
    EXPECT_EQ(tessera_instruction_text(module, 0, 0, i, nullptr, 0), size);
  }
  EXPECT_EQ(tessera_instruction_text(module, 0, 0, 99, text, sizeof(text)), 0u);
  EXPECT_GT(tessera_buffer_text(module, 0, 0, 2, text, sizeof(text)), 0u);
  EXPECT_GT(tessera_kernel_arg_text(module, 0, 0, 1, text, sizeof(text)), 0u);
}
