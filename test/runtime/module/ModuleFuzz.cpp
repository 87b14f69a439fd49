// Fuzzes what the loader does behind the checksums: the input is the metadata, around which a file
// with right hashes is made. What loads is run on the null device. With TESSERA_SEEDS=FOLDER it
// writes its seeds and ends.
#include "test/runtime/Modules.h"

#include "runtime/base/Hash.h"

#include <cstdlib>
#include <cstring>
#include <fstream>

using namespace tessera::test;
using namespace tessera::rt;

static const std::vector<uint8_t> &sound() {
  static const std::vector<uint8_t> bytes = write(makeTwice());
  return bytes;
}

extern "C" int LLVMFuzzerInitialize(int *, char ***) {
  if (const char *folder = std::getenv("TESSERA_SEEDS")) {
    FileHeader header;
    std::memcpy(&header, sound().data(), sizeof(header));
    std::ofstream(std::string(folder) + "/twice", std::ios::binary)
        .write(reinterpret_cast<const char *>(sound().data() + sizeof(header)),
               std::streamsize(header.metadataBytes));
    std::_Exit(0);
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  FileHeader header;
  std::memcpy(&header, sound().data(), sizeof(header));
  // The segments of the sound module, at the place that follows from the size.
  const uint64_t segments =
      (sizeof(header) + header.metadataBytes + kPageBytes - 1) / kPageBytes * kPageBytes;
  std::vector<uint8_t> bytes(sizeof(header));
  bytes.insert(bytes.end(), data, data + size);
  bytes.resize((bytes.size() + kPageBytes - 1) / kPageBytes * kPageBytes);
  bytes.insert(bytes.end(), sound().begin() + int64_t(segments), sound().end());
  header.fileBytes = bytes.size();
  header.metadataBytes = size;
  header.metadataHash = hashBytes(data, size);
  header.headerHash = hashBytes(&header, offsetof(FileHeader, headerHash));
  std::memcpy(bytes.data(), &header, sizeof(header));
  LoadOptions options;
  options.device = findDevice("null");
  auto loaded = Module::loadMemory(bytes.data(), bytes.size(), options);
  if (!loaded.ok())
    return 0;
  ModulePtr module(*loaded);
  ContextOptions contextOptions;
  contextOptions.threads = 1;
  contextOptions.memoryLimit = 1 << 20;
  contextOptions.maxPlans = 2;
  auto made = Context::make(*module, contextOptions);
  if (!made.ok())
    return 0;
  ContextPtr context(*made);
  char text[256];
  for (uint32_t f = 0; f < module->variant().functions.size; ++f) {
    const Function &function = module->variant().functions[f];
    for (uint32_t i = 0; i < function.instructions.size; ++i)
      (void)formatInstruction(module->variant(), function, i, text, sizeof(text));
    for (uint32_t i = 0; i < function.inputs.size; ++i) {
      const TensorSignature &signature = function.inputs[i];
      std::vector<int64_t> dims(signature.dims.size);
      int64_t count = 1;
      for (size_t d = 0; d < dims.size(); ++d)
        count *= dims[d] =
            signature.dims[d].isRegister ? 2 : std::min<int64_t>(signature.dims[d].value, 64);
      if (count > 4096)
        return 0;
      static std::vector<int64_t> memory(4096);
      if (!context->setInput(f, i, view(memory.data(), signature.type, dims)).ok())
        return 0;
    }
    (void)context->run(f, 1000000).ok();
  }
  return 0;
}
