//===- Link.cpp - From an object file to a kernel image -------------------------------===//
// A linker for the little that kernels are: text and read-only data that refer to each other by
// distance only. (System V ABI, AMD64 supplement, section 4.4: relocation types.)
#include "compiler/codegen/llvm/Finish.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace llvm::object;

namespace tessera::codegen {
namespace {

using ELFObject = ELF64LEObjectFile;

/// What a kernel may call without knowing it, and what that says about it.
std::string explain(StringRef symbol) {
  if (symbol == "halide_malloc" || symbol == "halide_free")
    return "it keeps an intermediate whose size is not constant, which would be allocated";
  return ("it needs '" + symbol + "', which is not part of the kernel").str();
}

class Linker {
public:
  explicit Linker(ELFObject &object) : object(object) {}

  Expected<KernelImage> run() {
    // Code first: the entry is then close to the start, and data shares its last page.
    for (bool code : {true, false})
      for (const SectionRef &section : object.sections())
        if (Error error = place(ELFSectionRef(section), code))
          return error;
    for (const SectionRef &section : object.sections())
      if (Error error = relocate(section))
        return error;
    for (const ELFSymbolRef symbol : object.symbols()) {
      Expected<StringRef> name = symbol.getName();
      if (!name)
        return name.takeError();
      if (*name != kEntryName)
        continue;
      Expected<uint64_t> address = addressOf(symbol);
      if (!address)
        return address.takeError();
      image.entry = *address;
      return std::move(image);
    }
    return createStringError("the object has no entry function");
  }

private:
  Error place(ELFSectionRef section, bool code) {
    uint64_t flags = section.getFlags();
    bool isCode = flags & ELF::SHF_EXECINSTR;
    if (!(flags & ELF::SHF_ALLOC) || isCode != code || section.getSize() == 0)
      return Error::success();
    Expected<StringRef> name = section.getName();
    if (!name)
      return name.takeError();
    if (*name == ".eh_frame" || section.getType() == ELF::SHT_NOTE)
      return Error::success(); // Nothing unwinds through a kernel.
    if ((flags & ELF::SHF_WRITE) || section.isBSS())
      return createStringError("it has writable data (section " + *name + ")");
    Expected<StringRef> contents = section.getContents();
    if (!contents)
      return contents.takeError();
    uint64_t start = alignTo(image.bytes.size(), section.getAlignment());
    image.bytes.resize(start, code ? 0xcc : 0);
    image.bytes.insert(image.bytes.end(), contents->bytes_begin(), contents->bytes_end());
    offsets[section.getIndex()] = start;
    return Error::success();
  }

  Expected<uint64_t> addressOf(ELFSymbolRef symbol) {
    Expected<StringRef> name = symbol.getName();
    if (!name)
      return name.takeError();
    Expected<section_iterator> section = symbol.getSection();
    if (!section)
      return section.takeError();
    if (*section == object.section_end())
      return createStringError(explain(*name));
    auto start = offsets.find((*section)->getIndex());
    if (start == offsets.end())
      return createStringError("it refers to '" + *name + "' in a section that is left out");
    Expected<uint64_t> value = symbol.getValue();
    if (!value)
      return value.takeError();
    return start->second + *value;
  }

  Error relocate(const SectionRef &relocations) {
    Expected<section_iterator> target = relocations.getRelocatedSection();
    if (!target)
      return target.takeError();
    if (*target == object.section_end())
      return Error::success();
    auto start = offsets.find((*target)->getIndex());
    if (start == offsets.end())
      return Error::success();
    for (const ELFRelocationRef relocation : relocations.relocations()) {
      Expected<int64_t> addend = relocation.getAddend();
      if (!addend)
        return addend.takeError();
      Expected<uint64_t> symbol = addressOf(*relocation.getSymbol());
      if (!symbol)
        return symbol.takeError();
      uint64_t place = start->second + relocation.getOffset();
      int64_t distance = static_cast<int64_t>(*symbol) + *addend - static_cast<int64_t>(place);
      switch (relocation.getType()) {
      case ELF::R_X86_64_PC32:
      case ELF::R_X86_64_PLT32:
        if (!isInt<32>(distance) || place + 4 > image.bytes.size())
          return createStringError("a relocation is out of range");
        support::endian::write32le(&image.bytes[place], static_cast<uint32_t>(distance));
        break;
      case ELF::R_X86_64_PC64:
        if (place + 8 > image.bytes.size())
          return createStringError("a relocation is out of range");
        support::endian::write64le(&image.bytes[place], static_cast<uint64_t>(distance));
        break;
      default: {
        SmallString<32> type;
        relocation.getTypeName(type);
        return createStringError("it depends on the address it is loaded at (relocation " +
                                 type.str() + ")");
      }
      }
    }
    return Error::success();
  }

  ELFObject &object;
  KernelImage image;
  DenseMap<uint64_t, uint64_t> offsets; ///< of section numbers, in the image
};

} // namespace

Expected<KernelImage> linkKernel(ArrayRef<char> bytes) {
  auto object =
      ELFObject::create(MemoryBufferRef(StringRef(bytes.data(), bytes.size()), "kernel object"));
  if (!object)
    return object.takeError();
  return Linker(*object).run();
}

} // namespace tessera::codegen
