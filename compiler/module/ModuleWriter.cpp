#include "compiler/module/ModuleWriter.h"

#include "compiler/codegen/CpuLevels.h"
#include "runtime/base/Hash.h"
#include "runtime/schema/module_generated.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <map>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

namespace tessera::module {
namespace {

using namespace tessera::rt;
using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

uint64_t alignUp(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

// Receives the file front to back; false stops the writing.
using Sink = std::function<bool(const void *data, size_t size)>;

// A segment as a list of pieces with zero gaps between them.
struct SegmentDesc {
  struct Piece {
    uint64_t offset;
    const void *data;
    uint64_t bytes;
    std::function<void()> release;
  };
  SegmentKind kind;
  std::vector<Piece> pieces;
  uint64_t size = 0;

  uint64_t append(const void *data, uint64_t bytes, uint64_t alignment,
                  std::function<void()> release = {}) {
    const uint64_t offset = alignUp(size, alignment);
    pieces.push_back({offset, data, bytes, std::move(release)});
    size = offset + bytes;
    return offset;
  }

  // Calls `use` with consecutive chunks of kChunkBytes (the last one is shorter). `isLast`: the
  // pieces are not asked for again.
  bool forEachChunk(const Sink &use, bool isLast = false) const {
    std::vector<uint8_t> chunk;
    size_t piece = 0, released = 0;
    for (uint64_t begin = 0; begin < size; begin += kChunkBytes) {
      const uint64_t end = std::min(begin + kChunkBytes, size);
      chunk.assign(end - begin, 0);
      while (piece < pieces.size() && pieces[piece].offset < end) {
        const Piece &p = pieces[piece];
        const uint64_t from = std::max(p.offset, begin), to = std::min(p.offset + p.bytes, end);
        if (to > from)
          std::memcpy(chunk.data() + (from - begin),
                      static_cast<const uint8_t *>(p.data) + (from - p.offset), to - from);
        if (p.offset + p.bytes > end)
          break; // continues in the next chunk
        ++piece;
      }
      if (!use(chunk.data(), chunk.size()))
        return false;
      for (; isLast && released < piece; ++released)
        if (pieces[released].release)
          pieces[released].release();
    }
    return true;
  }
};

fb::Dim toFb(const Dim &dim) {
  return fb::Dim(dim.value, uint32_t(dim.isRegister ? DimKind::Register : DimKind::Constant), 0);
}

std::vector<fb::Dim> toFb(const std::vector<Dim> &dims) {
  std::vector<fb::Dim> result;
  for (const Dim &dim : dims)
    result.push_back(toFb(dim));
  return result;
}

class Writer {
public:
  explicit Writer(const ModuleDesc &module) : module(module) {}

  std::string prepare();
  uint64_t fileBytes() const;
  bool emit(const Sink &sink) const;

private:
  std::string placeConstants();
  std::string placeKernels();
  Offset<fb::Kernel> build(const Kernel &kernel, uint64_t imageOffset);
  Offset<fb::TensorSignature> build(const TensorSignature &signature, const Function &function);
  Offset<fb::Function> build(const Function &function);
  void buildMetadata(const std::vector<fb::Segment> &table);

  const ModuleDesc &module;
  FlatBufferBuilder builder;
  std::vector<SegmentDesc> segments; // constants, then the code of each variant
  std::vector<uint64_t> hashes;
  std::vector<uint64_t> constantOffsets;
  std::vector<std::vector<uint64_t>> imageOffsets; // per variant, per kernel
  std::vector<uint8_t> metadata;
};

std::string Writer::placeConstants() {
  segments.push_back({SegmentKind::Constants, {}, 0});
  // By hash, then by content: equal hashes alone would be a silent corruption.
  std::multimap<uint64_t, size_t> known;
  for (size_t i = 0; i < module.constants.size(); ++i) {
    const Constant &constant = module.constants[i];
    if (constant.bytes && !constant.data)
      return "constant '" + constant.name + "' has a size but no data";
    const uint64_t hash = hashBytes(constant.data, constant.bytes);
    auto [begin, end] = known.equal_range(hash);
    auto same = std::find_if(begin, end, [&](const auto &entry) {
      const Constant &other = module.constants[entry.second];
      return other.bytes == constant.bytes &&
             (!constant.bytes || !std::memcmp(other.data, constant.data, constant.bytes));
    });
    if (same != end) {
      constantOffsets.push_back(constantOffsets[same->second]);
      continue;
    }
    known.emplace(hash, i);
    constantOffsets.push_back(
        segments[0].append(constant.data, constant.bytes, kKernelImageAlignment, constant.release));
  }
  return {};
}

std::string Writer::placeKernels() {
  for (const Variant &variant : module.variants) {
    SegmentDesc segment{SegmentKind::Code, {}, 0};
    std::vector<uint64_t> offsets;
    std::map<std::vector<uint8_t>, uint64_t> known;
    for (const Kernel &kernel : variant.kernels) {
      if (!kernel.host.empty()) {
        offsets.push_back(0);
        continue;
      }
      if (kernel.image.empty())
        return "kernel '" + kernel.name + "' has no code";
      if (kernel.entry >= kernel.image.size())
        return "the entry of kernel '" + kernel.name + "' lies outside its code";
      auto [place, isNew] = known.try_emplace(kernel.image, 0);
      if (isNew)
        place->second =
            segment.append(kernel.image.data(), kernel.image.size(), kKernelImageAlignment);
      offsets.push_back(place->second);
    }
    segments.push_back(std::move(segment));
    imageOffsets.push_back(std::move(offsets));
  }
  return {};
}

Offset<fb::Kernel> Writer::build(const Kernel &kernel, uint64_t imageOffset) {
  std::vector<Offset<fb::KernelArg>> args;
  for (const KernelArg &arg : kernel.args)
    args.push_back(fb::CreateKernelArg(builder, uint8_t(arg.kind), uint8_t(arg.type), arg.rank,
                                       uint8_t(arg.strides)));
  std::vector<fb::Precondition> preconditions;
  for (const Precondition &p : kernel.preconditions)
    preconditions.emplace_back(p.arg, p.dim, uint32_t(p.kind), 0, p.value);
  std::vector<uint8_t> sums;
  for (ElementType type : kernel.sums)
    sums.push_back(uint8_t(type));
  return fb::CreateKernel(builder, builder.CreateString(kernel.name), imageOffset + kernel.entry,
                          builder.CreateVector(args), builder.CreateVectorOfStructs(preconditions),
                          builder.CreateVectorOfStrings(kernel.sources),
                          sums.empty() ? 0 : builder.CreateVector(sums),
                          kernel.host.empty() ? 0 : builder.CreateString(kernel.host),
                          kernel.options.empty() ? 0 : builder.CreateString(kernel.options));
}

Offset<fb::TensorSignature> Writer::build(const TensorSignature &signature,
                                          const Function &function) {
  std::vector<std::string> text = signature.dimText;
  if (text.empty())
    for (const Dim &dim : signature.dims)
      text.push_back(!dim.isRegister ? std::to_string(dim.value)
                     : uint64_t(dim.value) < function.symbols.size()
                         ? function.symbols[dim.value].name
                         : "?");
  const auto dims = toFb(signature.dims);
  return fb::CreateTensorSignature(builder, builder.CreateString(signature.name),
                                   uint8_t(signature.type), builder.CreateVectorOfStructs(dims),
                                   builder.CreateVectorOfStrings(text), signature.areStrings,
                                   signature.squeezed);
}

Offset<fb::Function> Writer::build(const Function &function) {
  std::vector<Offset<fb::Symbol>> symbols;
  for (const Symbol &symbol : function.symbols)
    symbols.push_back(
        fb::CreateSymbol(builder, builder.CreateString(symbol.name), symbol.min, symbol.max));
  std::vector<Offset<fb::TensorSignature>> inputs, outputs;
  for (const TensorSignature &input : function.inputs)
    inputs.push_back(build(input, function));
  for (const TensorSignature &output : function.outputs)
    outputs.push_back(build(output, function));
  std::vector<Offset<fb::Buffer>> buffers;
  for (const Buffer &buffer : function.buffers) {
    const auto dims = builder.CreateVectorOfStructs(toFb(buffer.dims));
    const auto strides =
        buffer.strides.empty() ? 0 : builder.CreateVectorOfStructs(toFb(buffer.strides));
    const fb::Dim offset = toFb(buffer.offset);
    buffers.push_back(fb::CreateBuffer(builder, uint8_t(buffer.kind), uint8_t(buffer.type),
                                       buffer.source, dims, strides, &offset, buffer.segment,
                                       buffer.first, buffer.last, buffer.onHost));
  }
  std::vector<fb::Instruction> instructions;
  for (const Instruction &i : function.instructions)
    instructions.emplace_back(uint16_t(i.op), uint16_t(i.kind), i.dst, i.a, i.b, i.c, i.d, i.imm);
  return fb::CreateFunction(
      builder, builder.CreateString(function.name), builder.CreateVector(symbols),
      builder.CreateVector(inputs), builder.CreateVector(outputs), function.registers,
      function.prologue, function.planSegments, builder.CreateVector(buffers),
      builder.CreateVectorOfStructs(instructions), builder.CreateVector(function.operands),
      builder.CreateVectorOfStrings(function.messages));
}

void Writer::buildMetadata(const std::vector<fb::Segment> &table) {
  builder.Clear();
  // Defaults are written too: the size of the metadata must not depend on the values in it, because
  // segment offsets follow from that size.
  builder.ForceDefaults(true);
  std::vector<Offset<fb::Constant>> constants;
  for (size_t i = 0; i < module.constants.size(); ++i) {
    const Constant &c = module.constants[i];
    constants.push_back(fb::CreateConstant(
        builder, builder.CreateString(c.name), 0, constantOffsets[i], c.bytes, uint8_t(c.type),
        builder.CreateVector(c.dims), c.layout.empty() ? 0 : builder.CreateString(c.layout)));
  }
  std::vector<Offset<fb::Variable>> variables;
  for (const Variable &v : module.variables)
    variables.push_back(fb::CreateVariable(builder, builder.CreateString(v.name), uint8_t(v.type),
                                           builder.CreateVector(v.dims), v.initial));
  std::vector<Offset<fb::Variant>> variants;
  for (size_t v = 0; v < module.variants.size(); ++v) {
    const Variant &variant = module.variants[v];
    std::vector<Offset<fb::Kernel>> kernels;
    for (size_t k = 0; k < variant.kernels.size(); ++k)
      kernels.push_back(build(variant.kernels[k], imageOffsets[v][k]));
    std::vector<Offset<fb::Function>> functions;
    for (const Function &function : variant.functions)
      functions.push_back(build(function));
    variants.push_back(fb::CreateVariant(
        builder, builder.CreateString(variant.family), builder.CreateString(variant.level),
        builder.CreateVectorOfStrings(variant.features), uint32_t(1 + v),
        builder.CreateVector(kernels), builder.CreateVector(functions)));
  }
  const auto compiler = builder.CreateString(module.compiler);
  const auto segmentTable = builder.CreateVectorOfStructs(table);
  const auto hashTable = builder.CreateVector(hashes);
  builder.Finish(fb::CreateModule(builder, kModuleVersion, compiler, segmentTable, hashTable,
                                  builder.CreateVector(constants), builder.CreateVector(variables),
                                  builder.CreateVector(variants)),
                 fb::ModuleIdentifier());
  metadata.assign(builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize());
}

std::string Writer::prepare() {
  if (module.variants.empty())
    return "a module needs at least one variant";
  if (std::string error = placeConstants(); !error.empty())
    return error;
  if (std::string error = placeKernels(); !error.empty())
    return error;
  for (const SegmentDesc &segment : segments)
    segment.forEachChunk([&](const void *data, size_t size) {
      hashes.push_back(hashBytes(data, size));
      return true;
    });
  // Twice: the offsets depend on the size of the metadata, which does not depend on the offsets.
  std::vector<fb::Segment> table(segments.size());
  buildMetadata(table);
  const size_t size = metadata.size();
  uint64_t offset = sizeof(FileHeader) + size;
  for (size_t i = 0; i < segments.size(); ++i) {
    offset = alignUp(offset, kPageBytes);
    table[i] = fb::Segment(uint32_t(segments[i].kind), 0, offset, segments[i].size);
    offset += segments[i].size;
  }
  buildMetadata(table);
  if (metadata.size() != size)
    return "internal error: the metadata changed its size with the segment offsets";
  if (size > kMaxMetadataBytes)
    return "the module's metadata takes " + std::to_string(size) + " bytes, the limit is " +
           std::to_string(kMaxMetadataBytes);
  return {};
}

uint64_t Writer::fileBytes() const {
  uint64_t bytes = sizeof(FileHeader) + metadata.size();
  for (const SegmentDesc &segment : segments)
    bytes = alignUp(bytes, kPageBytes) + segment.size;
  return bytes;
}

bool Writer::emit(const Sink &sink) const {
  uint64_t position = sizeof(FileHeader) + metadata.size();
  FileHeader header{};
  std::memcpy(header.magic, kFileMagic, sizeof(kFileMagic));
  header.version = kModuleVersion;
  header.headerBytes = sizeof(FileHeader);
  header.fileBytes = fileBytes();
  header.metadataOffset = sizeof(FileHeader);
  header.metadataBytes = metadata.size();
  header.metadataHash = hashBytes(metadata.data(), metadata.size());
  header.headerHash = hashBytes(&header, offsetof(FileHeader, headerHash));
  if (!sink(&header, sizeof(header)) || !sink(metadata.data(), metadata.size()))
    return false;
  const std::vector<uint8_t> zeros(kPageBytes, 0);
  for (const SegmentDesc &segment : segments) {
    const uint64_t begin = alignUp(position, kPageBytes);
    if (!sink(zeros.data(), begin - position) || !segment.forEachChunk(sink, /*isLast=*/true))
      return false;
    position = begin + segment.size;
  }
  return true;
}

bool writeAll(int fd, const void *data, size_t size) {
  const char *from = static_cast<const char *>(data);
  while (size) {
    const ssize_t written = ::write(fd, from, size);
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return false;
    from += written;
    size -= size_t(written);
  }
  return true;
}

} // namespace

std::vector<std::string> featuresOfLevel(const std::string &name) {
  const codegen::CpuLevel *level = codegen::findCpuLevel(name);
  if (!level)
    return {};
  std::vector<std::string> features = {"sse3", "ssse3", "sse4.1", "sse4.2", "popcnt"};
  if (level->base != "x86-64-v2")
    features.insert(features.end(),
                    {"avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"});
  if (level->base == "x86-64-v4")
    features.insert(features.end(), {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"});
  std::istringstream more{std::string(level->more)};
  for (std::string feature; std::getline(more, feature, ',');)
    features.push_back(feature);
  return features;
}

std::string writeModule(const ModuleDesc &module, std::vector<uint8_t> &bytes) {
  Writer writer(module);
  if (std::string error = writer.prepare(); !error.empty())
    return error;
  bytes.clear();
  bytes.reserve(writer.fileBytes());
  writer.emit([&](const void *data, size_t size) {
    const uint8_t *from = static_cast<const uint8_t *>(data);
    bytes.insert(bytes.end(), from, from + size);
    return true;
  });
  return {};
}

std::string writeModule(const ModuleDesc &module, const std::string &path) {
  Writer writer(module);
  if (std::string error = writer.prepare(); !error.empty())
    return error;
  const auto failed = [&](const char *what) {
    return "cannot " + std::string(what) + " '" + path + "': " + std::strerror(errno);
  };
  std::string temporary = path + ".XXXXXX";
  const int fd = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0)
    return failed("create");
  // mkostemp makes private files; a module gets what the umask grants any new file.
  const mode_t mask = ::umask(0);
  ::umask(mask);
  std::string error;
  if (::fchmod(fd, 0666 & ~mask) != 0 ||
      !writer.emit([&](const void *data, size_t size) { return writeAll(fd, data, size); }) ||
      ::fsync(fd) != 0)
    error = failed("write");
  if (::close(fd) != 0 && error.empty())
    error = failed("write");
  if (error.empty() && ::rename(temporary.c_str(), path.c_str()) != 0)
    error = failed("create");
  if (!error.empty())
    ::unlink(temporary.c_str());
  return error;
}

} // namespace tessera::module
