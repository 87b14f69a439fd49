//===- WeightStore.cpp - The bytes behind #graph.weight --------------------------===//

#include "dialects/graph/WeightStore.h"
#include "dialects/graph/Graph.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/xxhash.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace tessera;
using namespace tessera::graph;

static llvm::Error fail(const llvm::Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

ConstantOp tessera::graph::getConstantSource(mlir::Value value) {
  while (auto reshape = value.getDefiningOp<ReshapeOp>())
    value = reshape.getX();
  return value.getDefiningOp<ConstantOp>();
}

void WeightStore::setFolder(llvm::StringRef path) {
  std::lock_guard lock(mutex);
  folder = path.str();
}

void WeightStore::addFile(llvm::StringRef name, std::unique_ptr<llvm::MemoryBuffer> buffer) {
  std::lock_guard lock(mutex);
  files[name] = std::move(buffer);
}

/// Opens a file below a folder, whatever happens to the folder meanwhile. Links are followed while
/// they stay below it. -1 and errno. Kernels before 5.6 have no openat2: then part by part, and no
/// link is followed.
static int openBeneath(int folder, llvm::StringRef name) {
  // O_NONBLOCK: opening a pipe must not wait for its writer.
  constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
  std::string path = name.str();
#ifdef SYS_openat2
  open_how how{};
  how.flags = kFlags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  int fd = int(::syscall(SYS_openat2, folder, path.c_str(), &how, sizeof(how)));
  if (fd >= 0 || (errno != ENOSYS && errno != EPERM))
    return fd;
#endif
  namespace sys = llvm::sys::path;
  int at = ::dup(folder);
  for (auto part = sys::begin(name), end = sys::end(name); at >= 0 && part != end;) {
    std::string current = part->str();
    bool isLast = ++part == end;
    int next = ::openat(at, current.c_str(), (isLast ? kFlags : kFlags | O_DIRECTORY) | O_NOFOLLOW);
    int error = errno;
    ::close(at);
    errno = error;
    at = next;
  }
  return at;
}

llvm::Expected<llvm::MemoryBuffer *> WeightStore::openFile(llvm::StringRef name) {
  if (auto it = files.find(name); it != files.end())
    return it->second.get();
  namespace path = llvm::sys::path;
  bool leaves =
      path::is_absolute(name) || std::any_of(path::begin(name), path::end(name),
                                             [](llvm::StringRef part) { return part == ".."; });
  if (name.empty() || name.contains('\0') || leaves)
    return fail("weight file '" + name +
                "' is not inside the model's folder; put it beside the model");
  std::string where = folder.empty() ? "." : folder;
  int root = ::open(where.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0)
    return fail("the model's folder '" + where + "' cannot be read: " + std::strerror(errno));
  int fd = openBeneath(root, name);
  int error = errno;
  ::close(root);
  if (fd < 0 && (error == ELOOP || error == EXDEV || error == ENOTDIR))
    return fail(
        "weight file '" + name +
        "' is reached through a link that leaves the model's folder, which is not followed; "
        "put the file itself beside the model");
  if (fd < 0)
    return fail("weight file '" + name + "' cannot be read: " + std::strerror(error));
  auto close = llvm::scope_exit([&] { ::close(fd); });
  struct stat info;
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
    return fail("weight file '" + name + "' is not a regular file");
  auto buffer = llvm::MemoryBuffer::getOpenFile(llvm::sys::fs::convertFDToNativeFile(fd), name,
                                                uint64_t(info.st_size),
                                                /*RequiresNullTerminator=*/false);
  if (!buffer)
    return fail("weight file '" + name + "' cannot be read: " + buffer.getError().message());
  return (files[name] = std::move(*buffer)).get();
}

llvm::Expected<llvm::ArrayRef<char>> WeightStore::getFile(llvm::StringRef name) {
  std::lock_guard lock(mutex);
  llvm::Expected<llvm::MemoryBuffer *> buffer = openFile(name);
  if (!buffer)
    return buffer.takeError();
  return llvm::ArrayRef<char>((*buffer)->getBufferStart(), (*buffer)->getBufferSize());
}

llvm::Expected<llvm::ArrayRef<char>> WeightStore::getBytes(WeightAttr weight) {
  std::lock_guard lock(mutex);
  llvm::ArrayRef<char> all;
  if (weight.isDerived()) {
    auto it = derived.find(weight.getFile());
    if (it == derived.end())
      return fail("derived weight '" + weight.getFile() + "' is not in memory");
    all = it->second;
  } else {
    llvm::Expected<llvm::MemoryBuffer *> buffer = openFile(weight.getFile());
    if (!buffer)
      return buffer.takeError();
    all = {(*buffer)->getBufferStart(), (*buffer)->getBufferSize()};
  }
  uint64_t offset = weight.getOffset(), length = weight.getLength();
  if (offset > all.size() || length > all.size() - offset)
    return fail("weight file '" + weight.getFile() + "' has " + llvm::Twine(all.size()) +
                " bytes, " + llvm::Twine(length) + " bytes from byte " + llvm::Twine(offset) +
                " on are needed");
  return all.slice(offset, length);
}

/// Row-major bytes of a dense attribute, bools as one byte each.
static std::vector<char> layOut(mlir::DenseElementsAttr dense) {
  std::vector<char> bytes;
  int64_t size = getElementByteSize(dense.getElementType());
  auto append = [&](const llvm::APInt &value) {
    const auto *data = reinterpret_cast<const char *>(value.getRawData());
    bytes.insert(bytes.end(), data, data + size); // Little-endian, as the module is.
  };
  bytes.reserve(dense.getNumElements() * size);
  if (tessera::isFloat(dense.getElementType()))
    for (const llvm::APFloat &value : dense.getValues<llvm::APFloat>())
      append(value.bitcastToAPInt());
  else
    for (const llvm::APInt &value : dense.getValues<llvm::APInt>())
      append(value.zext(64));
  return bytes;
}

llvm::Expected<llvm::ArrayRef<char>> WeightStore::getBytes(mlir::Attribute constant,
                                                           std::vector<char> &storage) {
  if (auto weight = llvm::dyn_cast<WeightAttr>(constant))
    return getBytes(weight);
  auto dense = llvm::dyn_cast<mlir::DenseElementsAttr>(constant);
  if (!dense)
    return fail("a constant of the program has no bytes");
  storage = layOut(dense);
  return llvm::ArrayRef<char>(storage);
}

WeightAttr WeightStore::addDerived(std::vector<char> bytes, TensorType type) {
  llvm::XXH128_hash_t hash =
      llvm::xxh3_128bits({reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()});
  std::string name = "%" + llvm::utohexstr(hash.high64) + llvm::utohexstr(hash.low64) + "_" +
                     std::to_string(bytes.size());
  int64_t length = bytes.size();
  std::lock_guard lock(mutex);
  derived.try_emplace(name, std::move(bytes));
  return WeightAttr::get(type.getContext(), name, 0, length, type);
}

void WeightStore::doneReading(llvm::ArrayRef<char> bytes) {
  std::lock_guard lock(mutex);
  for (const auto &entry : files) {
    const llvm::MemoryBuffer &buffer = *entry.second;
    if (buffer.getBufferKind() != llvm::MemoryBuffer::MemoryBuffer_MMap ||
        bytes.begin() < buffer.getBufferStart() || bytes.end() > buffer.getBufferEnd())
      continue;
    // Whole pages.
    const uintptr_t page = ::sysconf(_SC_PAGESIZE);
    const uintptr_t begin = llvm::alignTo(reinterpret_cast<uintptr_t>(bytes.begin()), page);
    const uintptr_t end = reinterpret_cast<uintptr_t>(bytes.end()) / page * page;
    if (begin < end)
      ::madvise(reinterpret_cast<void *>(begin), end - begin, MADV_DONTNEED);
  }
}

void WeightStore::release(WeightAttr weight) {
  std::lock_guard lock(mutex);
  derived.erase(weight.getFile());
}

void WeightStore::setModules(std::vector<mlir::Operation *> sharing) {
  modules = std::move(sharing);
}

void WeightStore::releaseUnused(mlir::Operation *op, llvm::ArrayRef<WeightAttr> weights) {
  if (weights.empty())
    return;
  llvm::StringSet<> used;
  auto find = [&](mlir::Operation *inner) {
    for (mlir::NamedAttribute attribute : inner->getAttrs())
      attribute.getValue().walk([&](WeightAttr weight) { used.insert(weight.getFile()); });
  };
  op->walk(find);
  for (mlir::Operation *module : modules)
    module->walk(find);
  for (WeightAttr weight : weights)
    if (weight.isDerived() && !used.contains(weight.getFile()))
      release(weight);
}
