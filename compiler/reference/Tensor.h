//===- Tensor.h - The values of the interpreters ----------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_REFERENCE_TENSOR_H
#define TESSERA_COMPILER_REFERENCE_TENSOR_H

#include "compiler/reference/ElementFormat.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"

#include <memory>

namespace tessera::reference {

/// Elements in row-major order, getElementByteSize bytes each (a packed block: its bytes; a string:
/// a pointer to its StringAttr). A handle: copies share the bytes, so only who made a tensor writes
/// it.
class Tensor {
public:
  Tensor() = default;
  /// All bytes zero. The element type has a format, and the size was checked (Evaluation::make).
  Tensor(mlir::Type elementType, llvm::ArrayRef<int64_t> shape);
  /// Bytes that live elsewhere, and longer.
  static Tensor borrow(mlir::Type elementType, llvm::ArrayRef<int64_t> shape,
                       llvm::ArrayRef<char> bytes);

  explicit operator bool() const { return bool(elementType); }
  mlir::Type getElementType() const { return elementType; }
  const ElementFormat &getFormat() const { return format; }
  llvm::ArrayRef<int64_t> getShape() const { return shape; }
  int64_t getDim(int64_t i) const { return shape[i]; }
  int64_t getRank() const { return shape.size(); }
  int64_t size() const { return count; }
  int64_t getByteSize() const { return count * format.getByteSize(); }
  bool isFloat() const { return format.isFloat(); }
  bool isShared() const { return bytes.use_count() != 1; }

  const char *at(int64_t i) const { return bytes.get() + i * format.getByteSize(); }
  char *at(int64_t i) { return bytes.get() + i * format.getByteSize(); }
  double real(int64_t i) const { return format.loadReal(at(i)); }
  int64_t integer(int64_t i) const { return format.loadInteger(at(i)); }
  /// Round and wrap to the element type.
  void set(int64_t i, double value) { format.storeReal(at(i), value); }
  void set(int64_t i, int64_t value) { format.storeInteger(at(i), value); }
  /// The bytes of one element of a tensor of the same type.
  void copyElement(int64_t i, const Tensor &from, int64_t j);

  /// All elements at once, for loops that read each of them often.
  std::vector<double> reals() const;
  std::vector<int64_t> integers() const;

  /// The row-major place of an index; the number of places that a step along dim i skips.
  int64_t position(llvm::ArrayRef<int64_t> index) const;
  llvm::SmallVector<int64_t> strides() const;

  /// The same bytes, seen otherwise.
  Tensor withShape(llvm::ArrayRef<int64_t> newShape) const;
  Tensor withElementType(mlir::Type type) const;
  /// Bytes of its own.
  Tensor copy() const;

  llvm::ArrayRef<char> getBytes() const { return {bytes.get(), size_t(getByteSize())}; }

private:
  mlir::Type elementType;
  ElementFormat format;
  llvm::SmallVector<int64_t, 6> shape;
  int64_t count = 0;
  std::shared_ptr<char[]> bytes;
};

/// Calls back for every index of a shape, in row-major order, with its row-major place.
void forEachIndex(llvm::ArrayRef<int64_t> shape,
                  llvm::function_ref<void(llvm::ArrayRef<int64_t>, int64_t)> callback);

/// The elements of a constant. Weights and long constants are not copied.
llvm::Expected<Tensor> toTensor(mlir::TypedAttr value);
/// A dense attribute of the graph type of the tensor's elements and shape.
mlir::DenseElementsAttr toDense(const Tensor &tensor);

/// "f32[2x3]".
std::string describe(mlir::Type elementType, llvm::ArrayRef<int64_t> shape);
/// One element as text, floats with enough digits to tell them apart.
std::string printElement(const Tensor &tensor, int64_t i);

} // namespace tessera::reference

#endif
