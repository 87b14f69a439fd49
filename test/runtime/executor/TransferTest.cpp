// Programs for a device with memory of its own: what the instructions copy, when it is there, and
// programs that do not say it.
#include "test/runtime/Modules.h"

#include "runtime/base/Hash.h"

#include <cstring>

using namespace tessera::test;
using namespace tessera::rt;
namespace m = tessera::module;

namespace {

// A device "far", whose memory is new memory of the host and whose kernels are functions of the
// test. What is asked for is written down: "up", "down", "launch", "mark", "after". Copies beside
// launches happen at once, the others when somebody waits.
struct Far {
  std::vector<std::string> log;
  std::vector<std::function<void()>> waiting;
  uint64_t allocated = 0;

  void reset() {
    log.clear();
    waiting.clear();
  }
  void catchUp() {
    for (auto &work : waiting)
      work();
    waiting.clear();
  }
  void move(const char *what, void *queue, void *to, const void *from, uint64_t bytes) {
    log.push_back(std::string(what) + (queue ? " beside" : ""));
    auto work = [=] { std::memcpy(to, from, bytes); };
    if (queue)
      work();
    else
      waiting.push_back(work);
  }
} far;

int side; // Its address is the one queue beside the ordinary one.

constexpr DeviceMemory makeMemory(bool hasSides) {
  DeviceMemory memory{
      [](void *, uint64_t bytes, void *&address) -> Status {
        far.allocated += bytes;
        address = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
        std::memset(address, 0xA5, bytes);
        return {};
      },
      [](void *, void *address) { std::free(address); },
      [](void *, void *queue, void *to, const void *from, uint64_t bytes) -> Status {
        far.move("up", queue, to, from, bytes);
        return {};
      },
      [](void *, void *queue, void *to, const void *from, uint64_t bytes) -> Status {
        // Launches before the mark are done.
        if (queue)
          far.catchUp();
        far.move("down", queue, to, from, bytes);
        return {};
      },
      [](void *, void *, void *to, const void *from, uint64_t bytes) -> Status {
        far.waiting.push_back([=] { std::memcpy(to, from, bytes); });
        return {};
      },
      [](void *, void *, void *, uint64_t, uint32_t, uint64_t) { return Status(); },
      [](void *, void *) -> Status {
        far.log.push_back("wait");
        far.catchUp();
        return {};
      },
  };
  if (!hasSides)
    return memory;
  memory.mark = [](void *, void *queue, void *&mark) -> Status {
    far.log.push_back(queue ? "mark beside" : "mark");
    mark = &side;
    return {};
  };
  memory.elapsed = [](void *, void *, void *, int64_t &nanoseconds) -> Status {
    nanoseconds = 1000;
    return {};
  };
  memory.releaseMark = [](void *, void *) {};
  memory.makeSide = [](void *, void *&queue) -> Status {
    queue = &side;
    return {};
  };
  memory.releaseQueue = [](void *, void *) {};
  memory.after = [](void *, void *queue, void *) -> Status {
    far.log.push_back(queue ? "after beside" : "after");
    return {};
  };
  memory.waitFor = [](void *, void *) -> Status {
    far.catchUp();
    return {};
  };
  return memory;
}

constexpr DeviceMemory kOneQueue = makeMemory(false), kSides = makeMemory(true);

// Launches wait as the copies do.
int32_t launch(void *kernel, const KernelContext *context, void *, void *const *args, Status &) {
  far.log.push_back("launch");
  std::vector<KernelBuffer> buffers;
  for (int i = 0; i < 2; ++i)
    buffers.push_back(*static_cast<const KernelBuffer *>(args[i]));
  far.waiting.push_back([=]() mutable {
    void *now[] = {&buffers[0], &buffers[1]};
    reinterpret_cast<KernelEntry>(kernel)(context, now);
  });
  return 0;
}

constexpr Device kFar{"far", "cpu", true, launch, nullptr, nullptr, &kOneQueue};
constexpr Device kFarSides{"far", "cpu", true, launch, nullptr, nullptr, &kSides};

int32_t addOne(const KernelContext *, void *const *args) {
  for (int64_t i = 0; i < countElements(args, 0); ++i)
    floats(args, 1)[i] = floats(args, 0)[i] + 1;
  return 0;
}

// y = x + 1 and, after it, z = w + 1, f32[N]. Buffers: x, w, y, z on the host, then on the device.
m::Function makeTwo() {
  m::Function f;
  f.name = "main";
  f.symbols = {{"N", 0, 100000}};
  f.registers = 1;
  const std::vector<m::Dim> dims = {m::Dim::reg(0)};
  f.inputs = {{"x", ElementType::F32, dims, {"N"}}, {"w", ElementType::F32, dims, {"N"}}};
  f.outputs = {{"y", ElementType::F32, dims, {"N"}}, {"z", ElementType::F32, dims, {"N"}}};
  for (bool onHost : {true, false})
    for (BufferKind kind : {BufferKind::Input, BufferKind::Output})
      for (uint32_t source : {0u, 1u}) {
        m::Buffer buffer{kind, ElementType::F32, source, dims};
        buffer.onHost = onHost;
        f.addBuffer(buffer);
      }
  f.upload(4, 0);
  f.launch(0, {4, 6});
  f.download(2, 6, true);
  f.upload(5, 1, true);
  f.await(5);
  f.launch(0, {5, 7});
  f.download(3, 7);
  f.ret();
  return f;
}

ModuleDesc describe(m::Function f) {
  return makeModule(
      std::move(f),
      {makeKernel("add_one", addOne, {input(ElementType::F32, 1), output(ElementType::F32, 1)})});
}

LoadOptions on(const Device &device) {
  LoadOptions options;
  options.device = &device;
  return options;
}

void expectRight(const Device &device, int64_t size) {
  ModulePtr module = load(describe(makeTwo()), on(device));
  ASSERT_TRUE(module);
  ContextPtr context = makeContext(*module);
  std::vector<float> x(size, 1), w(size, 5), y(size), z(size);
  for (int run = 0; run < 2; ++run) {
    for (float &value : x)
      ++value;
    far.reset();
    EXPECT_OK(context->setInput(0, 0, view(x, {size})));
    EXPECT_OK(context->setInput(0, 1, view(w, {size})));
    const TensorView given = view(y, {size});
    EXPECT_OK(context->setOutput(0, 0, &given));
    EXPECT_OK(context->run(0, 0));
    EXPECT_EQ(y, std::vector<float>(size, x.empty() ? 0 : x[0] + 1));
    TensorView owned;
    EXPECT_OK(context->getOutput(0, 1, owned));
    for (int64_t i = 0; i < size; ++i)
      ASSERT_EQ(static_cast<float *>(owned.data)[i], 6) << i;
  }
}

// As if an older compiler had written the file.
void setVersion(std::vector<uint8_t> &bytes, uint32_t version) {
  FileHeader header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  uint8_t *metadata = bytes.data() + header.metadataOffset;
  const auto at = [&](uint8_t *place) {
    uint32_t value;
    std::memcpy(&value, place, 4);
    return value;
  };
  // FlatBuffers: the root table begins with the distance to its list of fields, the first of which
  // is the version.
  uint8_t *root = metadata + at(metadata), *fields = root - int32_t(at(root));
  uint16_t offset;
  std::memcpy(&offset, fields + 4, 2);
  ASSERT_EQ(at(root + offset), kModuleVersion);
  std::memcpy(root + offset, &version, 4);
  header.version = version;
  header.metadataHash = hashBytes(metadata, header.metadataBytes);
  header.headerHash = hashBytes(&header, offsetof(FileHeader, headerHash));
  std::memcpy(bytes.data(), &header, sizeof(header));
}

void expectRefused(const char *message, void (*change)(m::Function &f)) {
  SCOPED_TRACE(message);
  m::Function f = makeTwo();
  change(f);
  Code code;
  const std::string error = loadError(write(describe(f)), &code, on(kFar));
  EXPECT_EQ(int(code), int(Code::Malformed)) << error;
  EXPECT_NE(error.find(message), std::string::npos) << error;
}

} // namespace

TEST(Transfers, areInOrderWhereThereIsOneQueue) {
  expectRight(kFar, 3);
  EXPECT_EQ(far.log,
            (std::vector<std::string>{"up", "launch", "down", "up", "launch", "down", "wait"}));
  expectRight(kFar, 0);
  EXPECT_EQ(far.log, (std::vector<std::string>{"wait"}));
}

// The late input goes beside the first launch; the early output comes when all is launched, after
// what was noted behind its kernel.
TEST(Transfers, largeOnesGoBesideLaunches) {
  expectRight(kFarSides, 50000);
  EXPECT_EQ(far.log,
            (std::vector<std::string>{"up", "launch", "mark", "up beside", "mark beside", "after",
                                      "launch", "after beside", "down beside", "down",
                                      "mark beside", "after", "mark beside", "after", "wait"}));
}

TEST(Transfers, smallOnesAreInOrder) {
  expectRight(kFarSides, 3);
  EXPECT_EQ(far.log,
            (std::vector<std::string>{"up", "launch", "up", "launch", "down", "down", "wait"}));
}

// In the host's memory the two buffers of a tensor are one.
TEST(Transfers, areNothingInTheHostsMemory) {
  const uint64_t before = far.allocated;
  expectRight(cpuDevice(), 3);
  EXPECT_EQ(far.allocated, before);
}

TEST(Transfers, areLeftOutForTensorsOfTheDevice) {
  ModulePtr module = load(describe(makeTwo()), on(kFar));
  ContextPtr context = makeContext(*module);
  std::vector<float> x(3, 1), w(3, 5), y(3);
  TensorView onDevice = view(x, {3});
  onDevice.isOnDevice = true;
  EXPECT_OK(context->setInput(0, 0, onDevice));
  EXPECT_OK(context->setInput(0, 1, view(w, {3})));
  const TensorView given = view(y, {3});
  EXPECT_OK(context->setOutput(0, 0, &given, /*staysOnDevice=*/true));
  EXPECT_OK(context->setOutput(0, 1, nullptr, /*staysOnDevice=*/true));
  far.reset();
  EXPECT_OK(context->run(0, 0));
  EXPECT_EQ(far.log, (std::vector<std::string>{"launch", "up", "launch", "wait"}));
  EXPECT_EQ(y, std::vector<float>(3, 2));
  TensorView z;
  EXPECT_OK(context->getOutput(0, 1, z));
  EXPECT_EQ(static_cast<float *>(z.data)[2], 6);
}

TEST(Transfers, haveTheDevicesTimes) {
  ModulePtr module = load(describe(makeTwo()), on(kFarSides));
  ContextPtr context = makeContext(*module);
  std::vector<float> x(50000, 1);
  EXPECT_OK(context->setInput(0, 0, view(x, {50000})));
  EXPECT_OK(context->setInput(0, 1, view(x, {50000})));
  EXPECT_OK(context->startProfile(100));
  EXPECT_OK(context->run(0, 0));
  std::vector<std::pair<RecordKind, Lane>> found;
  for (const Record &record : context->records) {
    if (record.kind == RecordKind::Plan || record.kind == RecordKind::Run)
      continue;
    found.push_back({record.kind, record.lane});
    EXPECT_EQ(record.duration, 1000);
  }
  EXPECT_EQ(found, (std::vector<std::pair<RecordKind, Lane>>{{RecordKind::Upload, Lane::Main},
                                                             {RecordKind::Launch, Lane::Main},
                                                             {RecordKind::Upload, Lane::Up},
                                                             {RecordKind::Launch, Lane::Main},
                                                             {RecordKind::Download, Lane::Down},
                                                             {RecordKind::Download, Lane::Main}}));
}

// Until version 4 a program said nothing of copies.
TEST(Transfers, programsOfOlderVersionsAreRefused) {
  std::vector<uint8_t> bytes = write(makeTwice());
  Code code;
  for (uint32_t version : {1u, 3u}) {
    setVersion(bytes = write(makeTwice()), version);
    EXPECT_EQ(loadError(bytes), "") << version;
    const std::string error = loadError(bytes, &code, on(kFar));
    EXPECT_EQ(int(code), int(Code::OlderVersion)) << error;
    EXPECT_EQ(error, "the module has format version " + std::to_string(version) +
                         ", whose programs for device 'far' do not say what is copied there and "
                         "back; this runtime runs those of version 4 and newer: compile the model "
                         "again");
  }
  EXPECT_NE(loadError(write(makeTwice()), &code, on(kFar))
                .find("output 'y' of function 'main' never comes to the host"),
            std::string::npos);
}

TEST(Transfers, areVerified) {
  expectRefused("buffers 0 and 0 are not in the spaces of this copy",
                [](m::Function &f) { f.instructions[0].dst = 0; });
  expectRefused("buffers 4 and 2 are not in the spaces of this copy", [](m::Function &f) {
    f.instructions[2] = {.op = Opcode::Download, .dst = 4, .a = 2};
    f.buffers[4].kind = BufferKind::Output;
    f.buffers[4].source = 0;
    f.buffers[6].kind = BufferKind::Input;
    f.buffers[6].source = 0;
    f.instructions[0] = f.instructions[1] = {.op = Opcode::Await, .a = 0};
  });
  expectRefused("buffers 5 and 0 are not of one tensor",
                [](m::Function &f) { f.instructions[0].dst = 5; });
  expectRefused("buffer 99 or 0 does not exist",
                [](m::Function &f) { f.instructions[0].dst = 99; });
  expectRefused("buffer 99 does not exist", [](m::Function &f) { f.instructions[4].a = 99; });
  expectRefused("cannot go beside launches", [](m::Function &f) { f.instructions[0].imm = 2; });
  expectRefused("buffer 0 is in the host's memory, which kernels do not see",
                [](m::Function &f) { f.operands[0] = 0; });
  expectRefused("buffer 2 is in the host's memory",
                [](m::Function &f) { f.instructions[2] = {.op = Opcode::Copy, .dst = 6, .a = 2}; });
  expectRefused("buffer 2 is in the host's memory",
                [](m::Function &f) { f.instructions[2] = {.op = Opcode::Fill, .dst = 2}; });
  expectRefused("output 'y' has two buffers", [](m::Function &f) {
    f.addBuffer({BufferKind::Output, ElementType::F32, 0, f.outputs[0].dims});
  });
  expectRefused("in another space", [](m::Function &f) {
    m::Buffer view{BufferKind::View, ElementType::F32, 4, f.outputs[0].dims};
    view.onHost = true;
    f.addBuffer(view);
  });
  expectRefused("looks at the device's memory from the host", [](m::Function &f) {
    f.inputs[0].type = f.buffers[0].type = f.buffers[4].type = ElementType::I64;
    f.instructions[1] = {.op = Opcode::LoadScalar, .dst = 0, .a = 4, .b = 0};
  });
}
