// Host operators: found by name when a module is loaded, called with the tensors of a launch; what
// they refuse is the run's error, with the node's name.
#include "test/runtime/Modules.h"

#include <cstdio>
#include <cstring>

using namespace tessera::test;
using namespace tessera::rt;
namespace m = tessera::module;

namespace {

// The last call, as the function saw it.
struct Seen {
  std::string options;
  std::vector<int64_t> dims;
  uint64_t memory = 0;
  bool shouldStop = false;
} seen;

// y = x + 1, or what the options ask for.
int32_t addOne(const HostCall *call) {
  seen = {call->options,
          {call->inputs[0].dims, call->inputs[0].dims + call->inputs[0].rank},
          call->memory,
          call->shouldStop(call)};
  if (!std::strncmp(call->options, "fail ", 5)) {
    std::snprintf(call->message, call->messageBytes, "the bytes are wrong");
    return std::atoi(call->options + 5);
  }
  if (!std::strcmp(call->options, "fill"))
    std::memset(call->message, 'x', call->messageBytes); // No end.
  if (!std::strcmp(call->options, "fill") || !std::strcmp(call->options, "silent"))
    return kHostBadData;
  const auto *x = static_cast<const int64_t *>(call->inputs[0].data);
  auto *y = static_cast<int64_t *>(call->outputs[0].data);
  for (int64_t i = 0; i < call->outputs[0].dims[0]; ++i)
    y[i] = x[i] + 1;
  return kHostOk;
}

constexpr HostFunction kFunctions[] = {{"other", nullptr}, {"test.add_one", addOne}};
Result<const HostTable *> openTable() {
  static constexpr HostTable table{kHostAbi, 2, kFunctions};
  return &table;
}
Result<const HostTable *> openNewer() {
  static constexpr HostTable table{kHostAbi + 1, 2, kFunctions};
  return &table;
}
Result<const HostTable *> openNothing() {
  return Status::error(Code::SystemError, "there is no such library");
}

m::Kernel makeHost(std::string options = "", std::string name = "test.add_one") {
  m::Kernel kernel;
  kernel.name = kernel.host = std::move(name);
  kernel.options = std::move(options);
  kernel.args = {input(ElementType::I64, 1), output(ElementType::I64, 1)};
  kernel.sources = {"node/host"};
  return kernel;
}

// y = x + 1 for i64[N], by the host operator alone: the variant has no code.
ModuleDesc makeModuleOf(m::Kernel kernel) {
  m::Function f;
  f.name = "main";
  f.symbols = {{"N", 0, 100}};
  f.registers = 1;
  const std::vector<m::Dim> dims = {m::Dim::reg(0)};
  f.inputs = {{"x", ElementType::I64, dims, {"N"}}};
  f.outputs = {{"y", ElementType::I64, dims, {"N"}}};
  const uint32_t x = f.addBuffer({m::BufferKind::Input, ElementType::I64, 0, dims});
  const uint32_t y = f.addBuffer({m::BufferKind::Output, ElementType::I64, 0, dims});
  f.launch(0, {x, y});
  f.ret();
  return makeModule(f, {std::move(kernel)});
}

LoadOptions with(HostOpener open) {
  LoadOptions options;
  options.openHost = open;
  return options;
}

Status run(const ModuleDesc &desc, std::vector<int64_t> x, std::vector<int64_t> &y,
           uint64_t memoryLimit = 0) {
  ModulePtr module = load(desc, with(openTable));
  if (!module)
    return Status::error(Code::Internal, "does not load");
  ContextPtr context = makeContext(*module, 1, memoryLimit);
  TESSERA_TRY(context->setInput(0, 0, view(x, {int64_t(x.size())})));
  TESSERA_TRY(context->run(0, 0));
  TensorView result;
  TESSERA_TRY(context->getOutput(0, 0, result));
  y.assign(static_cast<int64_t *>(result.data),
           static_cast<int64_t *>(result.data) + result.dims[0]);
  return {};
}

} // namespace

TEST(HostOperators, areCalled) {
  std::vector<int64_t> y;
  EXPECT_OK(run(makeModuleOf(makeHost("loud")), {5, -1, 7}, y));
  EXPECT_EQ(y, (std::vector<int64_t>{6, 0, 8}));
  EXPECT_EQ(seen.options, "loud");
  EXPECT_EQ(seen.dims, (std::vector<int64_t>{3}));
  EXPECT_EQ(seen.memory, UINT64_MAX);
  EXPECT_FALSE(seen.shouldStop);
}

TEST(HostOperators, knowTheMemoryThatIsLeft) {
  std::vector<int64_t> y;
  EXPECT_OK(run(makeModuleOf(makeHost()), {5}, y, 1 << 20));
  EXPECT_LT(seen.memory, uint64_t(1) << 20);
  EXPECT_GT(seen.memory, uint64_t(1) << 18);
}

TEST(HostOperators, errorsNameTheNode) {
  std::vector<int64_t> y;
  const char *where = "'node/host': host operator 'test.add_one': the bytes are wrong";
  const std::pair<const char *, Code> codes[] = {
      {"fail 1", Code::InvalidArgument}, {"fail 2", Code::TooLarge},
      {"fail 3", Code::MemoryLimit},     {"fail 4", Code::OutOfMemory},
      {"fail 6", Code::KernelFailed},    {"fail 77", Code::KernelFailed}};
  for (auto [options, code] : codes)
    EXPECT_STATUS(run(makeModuleOf(makeHost(options)), {5}, y), code, where);
  EXPECT_STATUS(run(makeModuleOf(makeHost("silent")), {5}, y), Code::InvalidArgument,
                "it failed without a reason");
  EXPECT_STATUS(run(makeModuleOf(makeHost("fill")), {5}, y), Code::InvalidArgument, "xxxx");
}

TEST(HostOperators, areFoundWhenLoading) {
  const std::vector<uint8_t> bytes = write(makeModuleOf(makeHost()));
  Code code;
  EXPECT_EQ(loadError(bytes, &code, with(openTable)), "");
  EXPECT_EQ(loadError(bytes, &code, with(openNothing)),
            "'node/host': host operator 'test.add_one': there is no such library");
  EXPECT_EQ(code, Code::SystemError);
  EXPECT_EQ(loadError(bytes, &code),
            "'node/host': host operator 'test.add_one': there are no host operators here");
  EXPECT_NE(loadError(bytes, &code, with(openNewer)).find("the runtime needs version 1"),
            std::string::npos);
  EXPECT_EQ(loadError(write(makeModuleOf(makeHost("", "test.none"))), &code, with(openTable)),
            "'node/host': libtessera_hostops.so has no host operator 'test.none'");
  EXPECT_EQ(code, Code::UnknownName);
}

TEST(HostOperators, areNotNeededWhereNothingIsComputed) {
  LoadOptions options;
  options.device = &nullDevice();
  ModulePtr module = load(makeModuleOf(makeHost("fail 1")), options);
  ASSERT_TRUE(module);
  ContextPtr context = makeContext(*module);
  std::vector<int64_t> x = {1, 2};
  EXPECT_OK(context->setInput(0, 0, view(x, {2})));
  EXPECT_OK(context->run(0, 0));
}

TEST(HostOperators, takeDenseTensorsOnly) {
  const auto error = [](void (*change)(m::Kernel &)) {
    m::Kernel kernel = makeHost();
    change(kernel);
    return loadError(makeModuleOf(std::move(kernel)));
  };
  const std::string message = "host operator 'test.add_one' needs dense tensors";
  EXPECT_NE(
      error([](m::Kernel &kernel) { kernel.args[0].strides = StrideRule::InnerOne; }).find(message),
      std::string::npos);
  EXPECT_NE(
      error([](m::Kernel &kernel) { kernel.args[0].kind = KernelArgKind::Scalar; }).find(message),
      std::string::npos);
  EXPECT_NE(error([](m::Kernel &kernel) { kernel.args.pop_back(); }).find(message),
            std::string::npos);
  EXPECT_NE(error([](m::Kernel &kernel) {
              kernel.args.assign(kMaxHostTensors + 1, kernel.args.back());
            }).find(message),
            std::string::npos);
  EXPECT_NE(error([](m::Kernel &kernel) { kernel.entry = 64; }).find("lies outside its code"),
            std::string::npos);
  EXPECT_NE(
      error([](m::Kernel &kernel) { kernel.options.assign(5000, 'x'); }).find("host operator"),
      std::string::npos);
}
