// Variables: a call that fails leaves them as they were before it.
#include "test/runtime/Modules.h"

#include <cstring>

using namespace tessera::test;
using namespace tessera::rt;
namespace m = tessera::module;

namespace {

// state[2], initially {10, 20}. One function: changes `state` in one of several ways, then asserts
// that the input ok[1] is not 0, then y = state.
enum class Write { Copy, PartialCopy, Fill, Scalar, Kernel, ThroughView, SelfCopy };

int32_t addOne(const KernelContext *, void *const *args) {
  auto *state = reinterpret_cast<int64_t *>(static_cast<const KernelBuffer *>(args[1])->host);
  const auto *x = reinterpret_cast<int64_t *>(static_cast<const KernelBuffer *>(args[0])->host);
  for (int i = 0; i < 2; ++i)
    state[i] = x[i] + 1;
  return 0;
}

constexpr int64_t kInitial[2] = {10, 20}, kOther[2] = {7, 8};

ModuleDesc makeStateful(Write write) {
  const std::vector<m::Dim> one = {m::Dim::constant(1)}, two = {m::Dim::constant(2)};
  m::Function f;
  f.name = "main";
  f.inputs = {{"ok", ElementType::I64, one, {}}};
  f.outputs = {{"y", ElementType::I64, two, {}}};
  const uint32_t ok = f.addBuffer({BufferKind::Input, ElementType::I64, 0, one});
  const uint32_t y = f.addBuffer({BufferKind::Output, ElementType::I64, 0, two});
  const uint32_t state = f.addBuffer({BufferKind::Variable, ElementType::I64, 0, two});
  const uint32_t other = f.addBuffer({BufferKind::Constant, ElementType::I64, 1, two});
  // Read through a second buffer and a view: both have to follow the write.
  const uint32_t again = f.addBuffer({BufferKind::Variable, ElementType::I64, 0, two});
  const uint32_t seen = f.addBuffer({BufferKind::View, ElementType::I64, again, two});
  tessera::module::Buffer half{BufferKind::View, ElementType::I64, state, one};
  half.offset = m::Dim::constant(8);
  const uint32_t upper = f.addBuffer(half);
  tessera::module::Buffer otherHalf = half;
  otherHalf.source = other;
  const uint32_t otherUpper = f.addBuffer(otherHalf);
  const uint32_t zero = f.newRegister(), value = f.newRegister();
  f.constant(zero, 0);
  switch (write) {
  case Write::Copy: f.copy(state, other); break;
  case Write::PartialCopy: f.copy(upper, otherUpper); break;
  case Write::Fill: f.fill(state, 3); break;
  case Write::Scalar: f.storeScalar(state, zero, zero); break;
  case Write::Kernel: f.launch(0, {state, state}); break;
  case Write::ThroughView: f.launch(0, {other, seen}); break;
  case Write::SelfCopy: f.copy(state, again); break;
  }
  f.loadScalar(value, ok, zero);
  f.assertTrue(value, "asked to fail");
  f.copy(y, seen);
  f.ret();
  ModuleDesc module = makeModule(
      f,
      {makeKernel("add one", addOne, {input(ElementType::I64, 1), output(ElementType::I64, 1)})});
  module.constants = {{"initial", ElementType::I64, {2}, "", kInitial, sizeof(kInitial)},
                      {"other", ElementType::I64, {2}, "", kOther, sizeof(kOther)}};
  module.variables = {{"state", ElementType::I64, {2}, 0}};
  return module;
}

class Variables : public testing::TestWithParam<std::pair<Write, std::vector<int64_t>>> {};

std::vector<int64_t> stateOf(Context &context) {
  std::vector<int64_t> state(2);
  EXPECT_OK(context.readVariable(0, state.data()));
  return state;
}

} // namespace

TEST_P(Variables, keepTheirValueWhenTheCallFails) {
  const auto &[write, expected] = GetParam();
  ModulePtr module = load(makeStateful(write));
  ContextPtr context = makeContext(*module);
  const std::vector<int64_t> initial(kInitial, kInitial + 2);
  std::vector<int64_t> ok = {0}, y(2);
  EXPECT_OK(context->setInput(0, 0, view(ok, {1})));
  EXPECT_EQ(stateOf(*context), initial);
  for (int i = 0; i < 2; ++i) {
    EXPECT_STATUS(context->run(0, 0), Code::AssertionFailed, "asked to fail");
    EXPECT_EQ(stateOf(*context), initial);
  }
  ok[0] = 1;
  EXPECT_OK(context->setOutput(0, 0, [&] {
    static TensorView t;
    t = view(y, {2});
    return &t;
  }()));
  EXPECT_OK(context->run(0, 0));
  EXPECT_EQ(stateOf(*context), expected);
  EXPECT_EQ(y, expected); // Later instructions see the new value.
  ok[0] = 0;
  EXPECT_STATUS(context->run(0, 0), Code::AssertionFailed, "asked to fail");
  EXPECT_EQ(stateOf(*context), expected);
  EXPECT_OK(context->resetVariables());
  EXPECT_EQ(stateOf(*context), initial);
}

INSTANTIATE_TEST_SUITE_P(EachWrite, Variables,
                         testing::Values(std::pair{Write::Copy, std::vector<int64_t>{7, 8}},
                                         std::pair{Write::PartialCopy, std::vector<int64_t>{10, 8}},
                                         std::pair{Write::Fill, std::vector<int64_t>{3, 3}},
                                         std::pair{Write::Scalar, std::vector<int64_t>{0, 20}},
                                         std::pair{Write::Kernel, std::vector<int64_t>{11, 21}},
                                         std::pair{Write::ThroughView, std::vector<int64_t>{8, 9}},
                                         std::pair{Write::SelfCopy, std::vector<int64_t>{10, 20}}));

TEST(VariablesOfContexts, areTheirOwn) {
  ModulePtr module = load(makeStateful(Write::Kernel));
  ContextPtr first = makeContext(*module), second = makeContext(*module);
  std::vector<int64_t> ok = {1};
  for (int i = 1; i <= 3; ++i) {
    EXPECT_OK(first->setInput(0, 0, view(ok, {1})));
    EXPECT_OK(first->run(0, 0));
    EXPECT_EQ(stateOf(*first), (std::vector<int64_t>{10 + i, 20 + i}));
  }
  EXPECT_EQ(stateOf(*second), (std::vector<int64_t>{10, 20}));
  const int64_t given[2] = {100, 200};
  EXPECT_OK(second->writeVariable(0, given));
  EXPECT_OK(second->setInput(0, 0, view(ok, {1})));
  EXPECT_OK(second->run(0, 0));
  EXPECT_EQ(stateOf(*second), (std::vector<int64_t>{101, 201}));
}
