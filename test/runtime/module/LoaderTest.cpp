// The file around the metadata: header, checksums, sizes, variants, and files that are no modules.
#include "test/runtime/Modules.h"

#include "runtime/base/Hash.h"
#include "runtime/module/CpuFeatures.h"

#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace tessera::test;
using namespace tessera::rt;

namespace {

// A change of the header with its hash made right again.
template <typename F> std::vector<uint8_t> withHeader(F change) {
  std::vector<uint8_t> bytes = write(makeTwice());
  FileHeader header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  change(header);
  header.headerHash = hashBytes(&header, offsetof(FileHeader, headerHash));
  std::memcpy(bytes.data(), &header, sizeof(header));
  return bytes;
}

template <typename F> void expectRefused(Code expected, const char *message, F change) {
  Code code;
  const std::string error = loadError(withHeader(change), &code);
  EXPECT_EQ(int(code), int(expected)) << error;
  EXPECT_NE(error.find(message), std::string::npos) << error;
}

std::string temporary(const char *name) {
  return testing::TempDir() + "/tessera_" + std::to_string(::getpid()) + name;
}

Status loadFile(const std::string &path, uint64_t offset = 0, uint64_t size = 0) {
  LoadOptions options;
  options.offset = offset;
  options.bytes = size;
  auto result = Module::loadFile(path.c_str(), options);
  if (result.ok())
    ModulePtr release(*result);
  return result.takeStatus();
}

} // namespace

TEST(Loader, everyFieldOfTheHeaderIsChecked) {
  EXPECT_EQ(loadError(write(makeTwice())), "");
  expectRefused(Code::Malformed, "header and metadata differ in their version",
                [](FileHeader &h) { h.version = kOldestModuleVersion; });
  expectRefused(Code::NotAModule, "not a Tessera module", [](FileHeader &h) { h.magic[1] = 'X'; });
  const std::string newer = "format version " + std::to_string(kModuleVersion + 1) +
                            ", this runtime reads up to " + std::to_string(kModuleVersion) +
                            "; use a newer runtime";
  expectRefused(Code::NewerVersion, newer.c_str(),
                [](FileHeader &h) { h.version = kModuleVersion + 1; });
  expectRefused(Code::OlderVersion,
                "format version 0, this runtime reads from 1 on; compile the model",
                [](FileHeader &h) { h.version = kOldestModuleVersion - 1; });
  expectRefused(Code::Malformed, "unexpected sizes", [](FileHeader &h) { h.headerBytes = 65; });
  expectRefused(Code::Malformed, "unexpected sizes", [](FileHeader &h) { h.metadataOffset = 128; });
  expectRefused(Code::Malformed, "unexpected sizes", [](FileHeader &h) { h.reserved = 1; });
  expectRefused(Code::Truncated, "cut short", [](FileHeader &h) { h.fileBytes += 1; });
  expectRefused(Code::Truncated, "cut short", [](FileHeader &h) { h.fileBytes = UINT64_MAX; });
  expectRefused(Code::Corrupt, "its header says", [](FileHeader &h) { h.fileBytes -= 1; });
  expectRefused(Code::LimitExceeded, "kMaxMetadataBytes",
                [](FileHeader &h) { h.metadataBytes = UINT64_MAX; });
  expectRefused(Code::Malformed, "larger than the file",
                [](FileHeader &h) { h.metadataBytes = kMaxMetadataBytes; });
  expectRefused(Code::Corrupt, "the checksum of its metadata differs",
                [](FileHeader &h) { h.metadataBytes -= 4; });
  expectRefused(Code::Corrupt, "the checksum of its metadata differs",
                [](FileHeader &h) { ++h.metadataHash; });
  std::vector<uint8_t> bytes = write(makeTwice());
  bytes[offsetof(FileHeader, headerHash)] ^= 1;
  EXPECT_NE(loadError(bytes).find("the checksum of its header differs"), std::string::npos);
}

TEST(Loader, metadataThatIsNoFlatBufferIsRefused) {
  std::vector<uint8_t> bytes = write(makeTwice());
  FileHeader header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  for (uint64_t i = 0; i < header.metadataBytes; ++i)
    bytes[sizeof(header) + i] = uint8_t(i * 37 + 11);
  header.metadataHash = hashBytes(bytes.data() + sizeof(header), header.metadataBytes);
  header.headerHash = hashBytes(&header, offsetof(FileHeader, headerHash));
  std::memcpy(bytes.data(), &header, sizeof(header));
  Code code;
  EXPECT_NE(loadError(bytes, &code).find("metadata is not well formed"), std::string::npos);
  EXPECT_EQ(int(code), int(Code::Malformed));
}

// The metadata with one byte changed and all hashes right: whatever it then says, the answer is an
// error or a module that can be used.
TEST(Loader, metadataWithRightHashesIsStillNotBelieved) {
  const std::vector<uint8_t> original = write(makeTwice());
  FileHeader header;
  std::memcpy(&header, original.data(), sizeof(header));
  LoadOptions options;
  options.device = findDevice("null");
  int refused = 0;
  for (uint64_t i = 0; i < header.metadataBytes; ++i)
    for (const uint8_t flip : {0x01, 0x80, 0xff}) {
      std::vector<uint8_t> bytes = original;
      FileHeader changed = header;
      bytes[sizeof(header) + i] ^= flip;
      changed.metadataHash = hashBytes(bytes.data() + sizeof(header), header.metadataBytes);
      changed.headerHash = hashBytes(&changed, offsetof(FileHeader, headerHash));
      std::memcpy(bytes.data(), &changed, sizeof(changed));
      auto result = Module::loadMemory(bytes.data(), bytes.size(), options);
      if (!result.ok()) {
        ++refused;
        continue;
      }
      ModulePtr module(*result);
      ContextPtr context = makeContext(*module, 1, 1 << 20);
      std::vector<float> x(8, 1);
      const Span<Function> functions = module->variant().functions;
      if (!functions.empty() && !functions[0].inputs.empty() &&
          context->setInput(0, 0, view(x, {2, 4})).ok())
        (void)context->run(0, 10000000).ok();
    }
  EXPECT_GT(refused, int(header.metadataBytes) / 2);
}

TEST(Loader, memoryThatIsTooSmall) {
  Code code;
  EXPECT_NE(loadError(std::vector<uint8_t>(), &code).find("it has 0 bytes, a module at least 64"),
            std::string::npos);
  EXPECT_EQ(int(code), int(Code::NotAModule));
  loadError(std::vector<uint8_t>(63, 0), &code);
  EXPECT_EQ(int(code), int(Code::NotAModule));
}

TEST(Loader, filesThatAreNoModules) {
  EXPECT_STATUS(loadFile("/no/such/file.tsm"), Code::FileError,
                "'/no/such/file.tsm': No such file");
  EXPECT_STATUS(loadFile("/tmp"), Code::FileError, "not a regular file");
  EXPECT_STATUS(loadFile("/dev/zero"), Code::FileError, "not a regular file");
  const std::string pipe = temporary("pipe"), empty = temporary("empty");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_STATUS(loadFile(pipe), Code::FileError, "not a regular file"); // And does not wait.
  ::unlink(pipe.c_str());
  ::close(::open(empty.c_str(), O_CREAT | O_WRONLY, 0600));
  EXPECT_STATUS(loadFile(empty), Code::NotAModule, "it has 0 bytes");
  ::unlink(empty.c_str());
}

TEST(Loader, filesAreMappedAndErrorsNameThem) {
  const std::string path = temporary("module.tsm");
  ASSERT_EQ(tessera::module::writeModule(makeTwice(), path), "");
  EXPECT_OK(loadFile(path));
  std::vector<uint8_t> bytes = write(makeTwice());
  ASSERT_EQ(::truncate(path.c_str(), off_t(bytes.size() - 1)), 0);
  EXPECT_STATUS(loadFile(path), Code::Truncated,
                ("'" + path + "': the module is cut short").c_str());
  ::unlink(path.c_str());
  EXPECT_NE(
      tessera::module::writeModule(makeTwice(), "/no/such/folder/m.tsm").find("cannot create"),
      std::string::npos);
}

TEST(Loader, aModuleMayBePartOfAFile) {
  const std::string path = temporary("within");
  const std::vector<uint8_t> bytes = write(makeTwice());
  const uint64_t size = bytes.size(), rest = 10;
  std::FILE *file = std::fopen(path.c_str(), "wb");
  std::fseek(file, 2 * kPageBytes, SEEK_SET);
  std::fwrite(bytes.data(), 1, size, file);
  EXPECT_EQ(std::fclose(file), 0);
  EXPECT_OK(loadFile(path, 2 * kPageBytes));
  EXPECT_OK(loadFile(path, 2 * kPageBytes, size));
  ASSERT_EQ(::truncate(path.c_str(), off_t(2 * kPageBytes + size + rest)), 0);
  EXPECT_OK(loadFile(path, 2 * kPageBytes, size));
  EXPECT_STATUS(loadFile(path, 2 * kPageBytes), Code::Corrupt, "its header says");
  EXPECT_STATUS(loadFile(path, 2 * kPageBytes, size + rest + 1), Code::Truncated, "too few");
  EXPECT_STATUS(loadFile(path, 100 * kPageBytes), Code::Truncated, "too few");
  EXPECT_STATUS(loadFile(path, UINT64_MAX - kPageBytes + 1, kPageBytes), Code::Truncated,
                "too few");
  EXPECT_STATUS(loadFile(path, 100), Code::InvalidArgument, "at a multiple of 4096");
  EXPECT_STATUS(loadFile(path, 2 * kPageBytes, 8), Code::NotAModule, "it has 8 bytes");
  ::unlink(path.c_str());
}

TEST(Loader, largeConstantsAreHashedWhenAsked) {
  ModuleDesc desc = makeTwice();
  const std::vector<uint8_t> data(kAlwaysHashedBytes + 5000, 7);
  desc.constants = {
      {"large", ElementType::U8, {int64_t(data.size())}, "", data.data(), data.size()}};
  std::vector<uint8_t> bytes = write(desc);
  size_t at = bytes.size() / 2;
  ASSERT_EQ(bytes[at], 7);
  EXPECT_EQ(loadError(bytes), "");
  bytes[at] = 8;
  EXPECT_EQ(loadError(bytes), "");
  LoadOptions options;
  options.verifyAll = true;
  Code code;
  EXPECT_NE(loadError(bytes, &code, options).find("the checksum of segment 0, chunk"),
            std::string::npos);
  EXPECT_EQ(int(code), int(Code::Corrupt));
}

TEST(Variants, theFirstThatFitsIsChosen) {
  ModuleDesc desc = makeTwice();
  desc.variants.insert(desc.variants.begin(), desc.variants[0]);
  desc.variants[0].level = "x86-64-v9";
  desc.variants[0].features = {"sse4.2", "avx9000", "teleport"};
  ModulePtr module = load(desc);
  EXPECT_STREQ(module->variant().level, "x86-64-v2");
  // Asked for by name it is refused, in one sentence that says what is missing.
  LoadOptions options;
  options.variant = "x86-64-v9";
  Code code;
  EXPECT_EQ(
      loadError(write(desc), &code, options),
      "this CPU cannot run the module: x86-64-v9 needs avx9000 teleport; compile the model for "
      "this machine");
  EXPECT_EQ(int(code), int(Code::UnsupportedCpu));
  options.variant = "x86-64-v3";
  EXPECT_EQ(loadError(write(desc), &code, options),
            "the module has no variant 'x86-64-v3' for device 'cpu'");
}

TEST(Variants, aModuleForAnotherCpuIsRefused) {
  ModuleDesc desc = makeTwice();
  desc.variants[0].family = "gpu";
  Code code;
  EXPECT_EQ(loadError(desc, &code),
            "the module has no code for device 'cpu', it has some for 'gpu'");
  EXPECT_EQ(int(code), int(Code::UnsupportedCpu));
  desc = makeTwice();
  desc.variants.push_back(desc.variants[0]);
  desc.variants[0].level = "x86-64-v9";
  desc.variants[0].features = {"avx9000"};
  desc.variants[1].level = "x86-64-v8";
  desc.variants[1].features = {"teleport"};
  EXPECT_EQ(loadError(desc, &code),
            "this CPU cannot run the module: x86-64-v9 needs avx9000; x86-64-v8 needs teleport; "
            "compile the model for this machine");
}

TEST(Variants, featuresAreThoseOfTheOperatingSystem) {
  EXPECT_TRUE(hasCpuFeature("sse2"));
  EXPECT_FALSE(hasCpuFeature("avx9000"));
  EXPECT_FALSE(hasCpuFeature(""));
  EXPECT_EQ(hasCpuFeature("avx2"), __builtin_cpu_supports("avx2") != 0);
  EXPECT_EQ(hasCpuFeature("avx512f"), __builtin_cpu_supports("avx512f") != 0);
}
