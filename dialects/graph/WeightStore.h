//===- WeightStore.h - The bytes behind #graph.weight ---------------------------===//
//
// Owned by the graph dialect, one per MLIRContext. Files are mapped once, read-only; a file name is
// relative to the model's folder and cannot leave it. Derived buffers (names that begin with `%`)
// are owned by the store and named by the hash of their content.
//
// Thread-safe. A returned span lives as long as the store, or until its buffer is released.
//
//===----------------------------------------------------------------------===//

#ifndef TESSERA_DIALECTS_GRAPH_WEIGHTSTORE_H
#define TESSERA_DIALECTS_GRAPH_WEIGHTSTORE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"

#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace mlir {
class Attribute;
class Operation;
class Value;
} // namespace mlir

namespace tessera::graph {

class ConstantOp;
class WeightAttr;
class TensorType;

/// The constant whose row-major bytes a value has, seen through reshapes; null when there is none.
ConstantOp getConstantSource(mlir::Value value);

class WeightStore {
public:
  /// The folder that file names are relative to. Must be set before files are read.
  void setFolder(llvm::StringRef folder);

  /// Makes the bytes of a buffer (a model that is already in memory or mapped) known under a name.
  void addFile(llvm::StringRef name, std::unique_ptr<llvm::MemoryBuffer> buffer);

  /// The bytes a weight stands for; an error that names the file when it is missing, outside the
  /// model's folder or too short.
  llvm::Expected<llvm::ArrayRef<char>> getBytes(WeightAttr weight);

  /// The same for the value of any constant (a weight, or dense elements): row-major,
  /// getElementByteSize each. Elements that do not lie in memory like that are laid out in
  /// `storage`.
  llvm::Expected<llvm::ArrayRef<char>> getBytes(mlir::Attribute constant,
                                                std::vector<char> &storage);

  /// All bytes of a file.
  llvm::Expected<llvm::ArrayRef<char>> getFile(llvm::StringRef name);

  /// Keeps the bytes (row-major, getElementByteSize each) and returns the weight that stands for
  /// them.
  WeightAttr addDerived(std::vector<char> bytes, TensorType type);

  /// Says that bytes that were read need not stay in memory: those of a mapped file are read from
  /// the file again, should anybody ask for them.
  void doneReading(llvm::ArrayRef<char> bytes);

  /// Frees a derived buffer; nothing may use its weight any more.
  void release(WeightAttr weight);
  /// Modules that were copied from one another: a weight that one of them has no use for any more
  /// may be another one's.
  void setModules(std::vector<mlir::Operation *> sharing);
  /// Frees those of some weights that are derived, and that nothing in an op (or a module that
  /// shares them) refers to any more.
  void releaseUnused(mlir::Operation *op, llvm::ArrayRef<WeightAttr> weights);

private:
  llvm::Expected<llvm::MemoryBuffer *> openFile(llvm::StringRef name);

  std::mutex mutex;
  std::string folder;
  std::vector<mlir::Operation *> modules;
  llvm::StringMap<std::unique_ptr<llvm::MemoryBuffer>> files;
  llvm::StringMap<std::vector<char>> derived;
};

} // namespace tessera::graph

#endif // TESSERA_DIALECTS_GRAPH_WEIGHTSTORE_H
