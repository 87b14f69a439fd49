//===- WeightStore.cpp - The bytes behind #graph.weight --------------------------===//

#include "dialects/graph/WeightStore.h"
#include "dialects/graph/Graph.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/xxhash.h"

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

/// The path with all links resolved must still be inside the folder.
llvm::Expected<llvm::MemoryBuffer *> WeightStore::openFile(llvm::StringRef name) {
  if (auto it = files.find(name); it != files.end())
    return it->second.get();
  namespace path = llvm::sys::path;
  bool leaves =
      path::is_absolute(name) || std::any_of(path::begin(name), path::end(name),
                                             [](llvm::StringRef part) { return part == ".."; });
  if (name.empty() || leaves)
    return fail("weight file '" + name +
                "' is not inside the model's folder; put it beside the model");
  llvm::SmallString<256> full(folder.empty() ? "." : folder), root, resolved;
  if (llvm::sys::fs::real_path(full, root))
    return fail("the model's folder '" + folder + "' cannot be read");
  path::append(full, name);
  if (std::error_code error = llvm::sys::fs::real_path(full, resolved))
    return fail("weight file '" + name + "' cannot be read: " + error.message());
  if (!llvm::StringRef(resolved).starts_with(root.str()) ||
      !(root == "/" || path::is_separator(resolved[root.size()])))
    return fail("weight file '" + name + "' is a link that leaves the model's folder");
  auto buffer = llvm::MemoryBuffer::getFile(resolved, /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
  if (!buffer)
    return fail("weight file '" + name + "' cannot be read: " + buffer.getError().message());
  return (files[name] = std::move(*buffer)).get();
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
                " bytes, bytes " + llvm::Twine(offset) + " to " + llvm::Twine(offset + length) +
                " are needed");
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

void WeightStore::release(WeightAttr weight) {
  std::lock_guard lock(mutex);
  derived.erase(weight.getFile());
}
