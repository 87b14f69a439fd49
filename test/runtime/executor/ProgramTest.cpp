// The interpreter, opcode by opcode, and control flow.
#include "test/runtime/Modules.h"

#include <cstring>

using namespace tessera::test;
using namespace tessera::rt;
namespace m = tessera::module;

namespace {

// A function with an output i64[size] and room to write numbers into it.
struct Program {
  m::Function f;
  uint32_t out, index;

  explicit Program(int64_t size = 1) {
    f.name = "main";
    f.outputs = {{"y", ElementType::I64, {m::Dim::constant(size)}, {}}};
    out = f.addBuffer({BufferKind::Output, ElementType::I64, 0, {m::Dim::constant(size)}});
    index = f.newRegister();
  }
  uint32_t number(int64_t value) {
    const uint32_t r = f.newRegister();
    f.constant(r, value);
    return r;
  }
  void store(int64_t at, uint32_t value) {
    f.constant(index, at);
    f.storeScalar(out, index, value);
  }
};

// What the function gives for i64 inputs.
Status run(const ModuleDesc &desc, std::vector<int64_t> &result,
           std::vector<std::vector<int64_t>> inputs = {}) {
  ModulePtr module = load(desc);
  if (!module)
    return Status::error(Code::Internal, "does not load");
  ContextPtr context = makeContext(*module);
  for (size_t i = 0; i < inputs.size(); ++i)
    TESSERA_TRY(context->setInput(0, uint32_t(i), view(inputs[i], {int64_t(inputs[i].size())})));
  TESSERA_TRY(context->run(0, 0));
  TensorView y;
  TESSERA_TRY(context->getOutput(0, 0, y));
  result.assign(static_cast<int64_t *>(y.data), static_cast<int64_t *>(y.data) + y.dims[0]);
  return {};
}

Status binary(Opcode op, int64_t a, int64_t b, int64_t &result) {
  Program p;
  const uint32_t x = p.number(a), y = p.number(b), r = p.f.newRegister();
  p.f.binary(op, r, x, y);
  p.store(0, r);
  p.f.ret();
  std::vector<int64_t> results;
  TESSERA_TRY(run(makeModule(p.f), results));
  result = results[0];
  return {};
}

} // namespace

TEST(Program, arithmetic) {
  struct {
    Opcode op;
    int64_t a, b, expected;
  } cases[] = {{Opcode::Add, 5, -7, -2},
               {Opcode::Sub, 5, 7, -2},
               {Opcode::Mul, -5, 7, -35},
               {Opcode::FloorDiv, -7, 2, -4},
               {Opcode::CeilDiv, -7, 2, -3},
               {Opcode::Mod, -7, 2, 1},
               {Opcode::Min, -7, 2, -7},
               {Opcode::Max, -7, 2, 2},
               {Opcode::Add, INT64_MAX, 0, INT64_MAX}};
  for (const auto &c : cases) {
    int64_t result = 0;
    EXPECT_OK(binary(c.op, c.a, c.b, result));
    EXPECT_EQ(result, c.expected) << int(c.op);
  }
}

TEST(Program, overflowAndDivisionByZeroEndTheCall) {
  struct {
    Opcode op;
    int64_t a, b;
  } cases[] = {{Opcode::Add, INT64_MAX, 1},      {Opcode::Sub, INT64_MIN, 1},
               {Opcode::Mul, INT64_MAX, 2},      {Opcode::FloorDiv, 1, 0},
               {Opcode::CeilDiv, 1, 0},          {Opcode::Mod, 1, 0},
               {Opcode::FloorDiv, INT64_MIN, -1}};
  for (const auto &c : cases) {
    int64_t result;
    EXPECT_STATUS(binary(c.op, c.a, c.b, result), Code::ArithmeticOverflow, "overflows 64 bits");
  }
}

TEST(Program, comparisonsMoveAndSelect) {
  const m::CompareKind kinds[] = {m::CompareKind::Eq, m::CompareKind::Ne, m::CompareKind::Lt,
                                  m::CompareKind::Le, m::CompareKind::Gt, m::CompareKind::Ge};
  const std::pair<int64_t, int64_t> pairs[] = {{1, 2}, {2, 2}, {3, 2}};
  Program p(20);
  int64_t at = 0;
  for (const auto &[a, b] : pairs)
    for (m::CompareKind kind : kinds) {
      const uint32_t x = p.number(a), y = p.number(b), r = p.f.newRegister();
      p.f.compare(kind, r, x, y);
      p.store(at++, r);
    }
  const uint32_t seven = p.number(7), nine = p.number(9), zero = p.number(0), r = p.f.newRegister();
  p.f.select(r, zero, seven, nine);
  p.store(at++, r);
  p.f.move(r, seven);
  p.store(at++, r);
  p.f.ret();
  std::vector<int64_t> y;
  EXPECT_OK(run(makeModule(p.f), y));
  EXPECT_EQ(y, (std::vector<int64_t>{0, 1, 1, 1, 0, 0, 1, 0, 0, 1, 0, 1, 0, 1, 0, 0, 1, 1, 9, 7}));
}

TEST(Program, scalarsOfEveryIntegerTypeRoundTrip) {
  struct {
    ElementType type;
    int64_t in, out;
  } cases[] = {{ElementType::I8, -1, -1},
               {ElementType::U8, -1, 255},
               {ElementType::I16, 40000, -25536},
               {ElementType::U16, 40000, 40000},
               {ElementType::I32, -5, -5},
               {ElementType::U32, -5, 4294967291},
               {ElementType::I64, INT64_MIN, INT64_MIN},
               {ElementType::U64, 77, 77},
               {ElementType::Bool, 12, 1}};
  for (const auto &c : cases) {
    Program p;
    const uint32_t t = p.f.addBuffer({BufferKind::Temp, c.type, 0, {m::Dim::constant(3)}});
    p.f.buffers[t].last = 6;
    const uint32_t two = p.number(2), value = p.number(c.in), r = p.f.newRegister();
    p.f.storeScalar(t, two, value);
    p.f.loadScalar(r, t, two);
    p.store(0, r);
    p.f.ret();
    std::vector<int64_t> y;
    EXPECT_OK(run(makeModule(p.f), y));
    EXPECT_EQ(y[0], c.out) << int(c.type);
  }
}

TEST(Program, scalarIndicesAreChecked) {
  for (int64_t at : {int64_t(-1), int64_t(1), INT64_MAX})
    for (const bool isLoad : {true, false}) {
      Program p;
      const uint32_t i = p.number(at), r = p.f.newRegister();
      isLoad ? p.f.loadScalar(r, p.out, i) : p.f.storeScalar(p.out, i, r);
      p.f.ret();
      std::vector<int64_t> y;
      EXPECT_STATUS(run(makeModule(p.f), y), Code::IndexOutOfRange,
                    isLoad ? "of a tensor of 1 is read" : "of a tensor of 1 is written");
    }
}

TEST(Program, branches) {
  for (int64_t condition : {0, 1, -3}) {
    Program p;
    const uint32_t c = p.number(condition), one = p.number(1), two = p.number(2);
    const uint32_t branch = p.f.branch(c, 0, 0);
    p.f.instructions[branch].b = branch + 1;
    p.store(0, one);
    const uint32_t jump = p.f.jump(0);
    p.f.instructions[branch].c = jump + 1;
    p.store(0, two);
    p.f.instructions[jump].a = uint32_t(p.f.instructions.size());
    p.f.ret();
    std::vector<int64_t> y;
    EXPECT_OK(run(makeModule(p.f), y));
    EXPECT_EQ(y[0], condition ? 1 : 2);
  }
}

// sum = 0; while (n != 0) { sum += n; n -= 1; }, n read from the input.
TEST(Program, loops) {
  for (int64_t n : {0, 1, 1000}) {
    Program p;
    p.f.inputs = {{"n", ElementType::I64, {m::Dim::constant(1)}, {}}};
    const uint32_t in =
        p.f.addBuffer({BufferKind::Input, ElementType::I64, 0, {m::Dim::constant(1)}});
    const uint32_t zero = p.number(0), one = p.number(1), sum = p.number(0), i = p.f.newRegister();
    p.f.loadScalar(i, in, zero);
    const uint32_t branch = p.f.branch(i, 0, 0);
    p.f.instructions[branch].b = branch + 1;
    p.f.binary(Opcode::Add, sum, sum, i);
    p.f.binary(Opcode::Sub, i, i, one);
    p.f.jump(branch);
    p.f.instructions[branch].c = uint32_t(p.f.instructions.size());
    p.store(0, sum);
    p.f.ret();
    std::vector<int64_t> y;
    EXPECT_OK(run(makeModule(p.f), y, {{n}}));
    EXPECT_EQ(y[0], n * (n + 1) / 2);
  }
}

TEST(Program, assertionsCarryTheirMessage) {
  Program p;
  const uint32_t zero = p.number(0);
  p.f.assertTrue(zero, "'a' and 'b' must have the same length");
  p.f.ret();
  std::vector<int64_t> y;
  EXPECT_STATUS(run(makeModule(p.f), y), Code::AssertionFailed,
                "'a' and 'b' must have the same length");
}

TEST(Program, copyAndFill) {
  Program p(4);
  const uint32_t t = p.f.addBuffer({BufferKind::Temp, ElementType::I64, 0, {m::Dim::constant(4)}});
  p.f.fill(t, 42);
  p.f.copy(p.out, t);
  p.f.ret();
  p.f.buffers[t].last = 1;
  std::vector<int64_t> y;
  EXPECT_OK(run(makeModule(p.f), y));
  EXPECT_EQ(y, (std::vector<int64_t>(4, 42)));
}

// y[4] from a view of the middle of x[8].
TEST(Program, viewsShowPartOfATensor) {
  Program p(4);
  p.f.inputs = {{"x", ElementType::I64, {m::Dim::constant(8)}, {}}};
  const uint32_t x = p.f.addBuffer({BufferKind::Input, ElementType::I64, 0, {m::Dim::constant(8)}});
  m::Buffer buffer{BufferKind::View, ElementType::I64, x, {m::Dim::constant(4)}};
  buffer.offset = m::Dim::constant(16);
  p.f.copy(p.out, p.f.addBuffer(buffer));
  p.f.ret();
  std::vector<int64_t> y;
  EXPECT_OK(run(makeModule(p.f), y, {{0, 1, 2, 3, 4, 5, 6, 7}}));
  EXPECT_EQ(y, (std::vector<int64_t>{2, 3, 4, 5}));
  for (int64_t offset : {40, -8, 1000}) {
    p.f.buffers.back().offset = m::Dim::constant(offset);
    EXPECT_STATUS(run(makeModule(p.f), y, {{0, 1, 2, 3, 4, 5, 6, 7}}), Code::IndexOutOfRange,
                  "a view of function 'main' reaches outside its tensor");
  }
}

// A view whose offset a loop moves: y[i] = x[i] for i = 3, 2, 1, copied one by one.
TEST(Program, viewsAreBoundAgain) {
  Program p(4);
  p.f.inputs = {{"x", ElementType::I64, {m::Dim::constant(4)}, {}}};
  const uint32_t x = p.f.addBuffer({BufferKind::Input, ElementType::I64, 0, {m::Dim::constant(4)}});
  const uint32_t i = p.number(3), offset = p.f.newRegister(), eight = p.number(8),
                 one = p.number(1);
  m::Buffer from{BufferKind::View, ElementType::I64, x, {m::Dim::constant(1)}};
  from.offset = m::Dim::reg(offset);
  m::Buffer to = from;
  to.source = p.out;
  const uint32_t source = p.f.addBuffer(from), target = p.f.addBuffer(to);
  p.f.fill(p.out, 0);
  const uint32_t begin = p.f.binary(Opcode::Mul, offset, i, eight);
  p.f.bindView(source);
  p.f.bindView(target);
  p.f.copy(target, source);
  p.f.binary(Opcode::Sub, i, i, one);
  const uint32_t branch = p.f.branch(i, begin, 0);
  p.f.instructions[branch].c = branch + 1;
  p.f.ret();
  std::vector<int64_t> y;
  EXPECT_OK(run(makeModule(p.f), y, {{10, 11, 12, 13}}));
  EXPECT_EQ(y, (std::vector<int64_t>{0, 11, 12, 13}));
}

// A second plan segment whose size is read from data.
static Program sizedByData(bool isPlanned) {
  Program p;
  m::Function &f = p.f;
  f.planSegments = 2;
  f.inputs = {{"n", ElementType::I64, {m::Dim::constant(1)}, {}}};
  const uint32_t in = f.addBuffer({BufferKind::Input, ElementType::I64, 0, {m::Dim::constant(1)}});
  const uint32_t n = f.newRegister(), zero = p.number(0);
  f.outputs[0].dims = {m::Dim::reg(n)};
  f.buffers[p.out].dims = {m::Dim::reg(n)};
  f.buffers[p.out].segment = 1;
  f.loadScalar(n, in, zero);
  if (isPlanned)
    f.plan(1);
  f.fill(p.out, 5);
  f.ret();
  return p;
}

TEST(Program, sizesThatDependOnData) {
  ModulePtr module = load(makeModule(sizedByData(true).f));
  ContextPtr context = makeContext(*module);
  for (int64_t n : {3, 0, 1000, 2}) {
    std::vector<int64_t> x = {n};
    EXPECT_OK(context->setInput(0, 0, view(x, {1})));
    EXPECT_OK(context->run(0, 0));
    TensorView y;
    EXPECT_OK(context->getOutput(0, 0, y));
    ASSERT_EQ(y.dims[0], n);
    for (int64_t i = 0; i < n; ++i)
      EXPECT_EQ(static_cast<int64_t *>(y.data)[i], 5);
  }
  for (int64_t n : {int64_t(-1), int64_t(1) << 31, INT64_MAX}) {
    std::vector<int64_t> x = {n};
    EXPECT_OK(context->setInput(0, 0, view(x, {1})));
    EXPECT_STATUS(context->run(0, 0), Code::TooLarge, "more than 2147483647 elements");
  }
}

TEST(Program, buffersAreNotUsedBeforeTheirPlan) {
  std::vector<int64_t> y;
  EXPECT_STATUS(run(makeModule(sizedByData(false).f), y, {{3}}), Code::Malformed,
                "is used before its size is known");
}

TEST(Program, copiesBetweenDifferentSizesAreRefused) {
  Program p(4);
  const uint32_t t = p.f.addBuffer({BufferKind::Temp, ElementType::I64, 0, {m::Dim::constant(3)}});
  p.f.copy(p.out, t);
  p.f.ret();
  std::vector<int64_t> y;
  EXPECT_STATUS(run(makeModule(p.f), y), Code::WrongShape,
                "a copy between tensors of 3 and 4 elements");
}

static int32_t failing(const KernelContext *context, void *const *args) {
  const float what = floats(args, 0)[0];
  if (what == 1)
    context->report(context, kKernelBadIndex);
  return what == 0 ? 0 : -7;
}

TEST(Program, kernelsMayFail) {
  ModuleDesc desc = makeTwice();
  desc.variants[0].kernels[0] =
      makeKernel("failing", failing, {input(ElementType::F32, 2), output(ElementType::F32, 2)});
  ModulePtr module = load(desc);
  ContextPtr context = makeContext(*module);
  std::vector<float> x(4, 0);
  EXPECT_OK(context->setInput(0, 0, view(x, {1, 4})));
  EXPECT_OK(context->run(0, 0));
  x[0] = 1;
  EXPECT_STATUS(context->run(0, 0), Code::IndexOutOfRange,
                "an index is out of range in 'node/failing'");
  TensorView y;
  EXPECT_STATUS(context->getOutput(0, 0, y), Code::InvalidArgument, "function 'main' has not run");
  x[0] = 2;
  EXPECT_STATUS(context->run(0, 0), Code::KernelFailed,
                "kernel 'failing' of 'node/failing' failed with status -7");
}

TEST(Program, preconditionsOfKernelsAreChecked) {
  using Kind = m::PreconditionKind;
  struct {
    Kind kind;
    int64_t value;
    bool holds;
  } cases[] = {{Kind::MinExtent, 3, true},  {Kind::MinExtent, 4, false},
               {Kind::MaxExtent, 3, true},  {Kind::MaxExtent, 2, false},
               {Kind::MultipleOf, 3, true}, {Kind::MultipleOf, 2, false},
               {Kind::EqualTo, 3, true},    {Kind::EqualTo, 5, false}};
  for (const auto &c : cases) {
    ModuleDesc desc = makeTwice();
    desc.variants[0].kernels[0].preconditions = {{0, 0, c.kind, c.value}};
    ModulePtr module = load(desc);
    ContextPtr context = makeContext(*module);
    std::vector<float> x(12, 1);
    EXPECT_OK(context->setInput(0, 0, view(x, {3, 4})));
    const Status status = context->run(0, 0);
    EXPECT_EQ(status.ok(), c.holds) << int(c.kind) << " " << c.value;
    if (!c.holds)
      EXPECT_NE(std::string(status.message()).find("extent 3 of dimension 0"), std::string::npos);
  }
}

TEST(Program, theNullDeviceRunsEverythingButKernels) {
  LoadOptions options;
  options.device = findDevice("null");
  ASSERT_NE(options.device, nullptr);
  EXPECT_EQ(findDevice("gpu"), nullptr);
  ModuleDesc desc = makeTwice();
  desc.variants[0].features = {"no-such-feature"}; // No code runs, so none is needed.
  desc.variants[0].kernels[0] =
      makeKernel("failing", failing, {input(ElementType::F32, 2), output(ElementType::F32, 2)});
  ModulePtr module = load(desc, options);
  ContextPtr context = makeContext(*module);
  std::vector<float> x(8, 2);
  EXPECT_OK(context->setInput(0, 0, view(x, {2, 4})));
  EXPECT_OK(context->run(0, 0));
  TensorView y;
  EXPECT_OK(context->getOutput(0, 0, y));
  EXPECT_EQ(y.dims[0], 2);
}
