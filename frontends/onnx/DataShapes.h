//===- DataShapes.h - Shapes that depend on data ---------------------------------*- C++ -*-===//
#ifndef TESSERA_FRONTENDS_ONNX_DATASHAPES_H
#define TESSERA_FRONTENDS_ONNX_DATASHAPES_H

#include "frontends/onnx/Importer.h"

namespace tessera::onnx {

/// Arithmetic on si64 scalars that become extents.
class ShapeScalars {
public:
  explicit ShapeScalars(Node &node) : node(node) {}

  Value number(int64_t value);
  Value number(DimAttr dim);
  Value select(Value condition, Value x, Value y);
  Value isEqual(Value x, int64_t value);
  Value isNegative(Value x);
  Value clamp(Value x, Value low, Value high);
  Value element(Value list, int64_t k);
  DimAttr known(Value list, int64_t k, int depth = 0);
  /// A new symbol with the value of the scalar; `what` is for the message when it is no extent.
  DimAttr bind(Value scalar, llvm::StringRef what);

private:
  DimAttr knownBefore(graph::ConvertOp convert, int64_t k, int depth);

  Node &node;
};

/// Whether extents may be these: as many, none of them known to be another. A reshape to them is a
/// checked assumption then.
bool mayBe(llvm::ArrayRef<DimAttr> dims, llvm::ArrayRef<DimAttr> wanted);
/// The second input of Reshape or Expand, when it depends on data.
LogicalResult readReshape(Node &node, DimList &dims);
LogicalResult readExpand(Node &node, DimList &dims);
/// Whether an extent is bound inside of a block, so that nothing outside has it.
bool dependsOnBody(llvm::ArrayRef<DimAttr> dims, mlir::Block &body);
/// Whether what stands in a block draws random numbers, others each time.
bool drawsNumbers(mlir::Block &body);
/// Where a rank-1 bool is true: si64 of a new extent; `what` is for the message.
Value placesOf(Node &node, Value isSet, llvm::StringRef what);
/// A slice of x between places that depend on data (si64 scalars in the convention of the
/// operator); `length` is end - start, where it is known: there are as many elements at most.
LogicalResult sliceByData(Node &node, Value &x, int64_t axis, Value start, Value end, int64_t step,
                          std::optional<int64_t> length = std::nullopt);

} // namespace tessera::onnx

#endif
