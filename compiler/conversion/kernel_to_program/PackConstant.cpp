//===- PackConstant.cpp - Constants in the layout a kernel wants ------------------------------===//

#include "compiler/conversion/kernel_to_program/PackConstant.h"

#include "dialects/graph/WeightStore.h"

using namespace mlir;
using namespace tessera;

namespace {
/// Copies elements from row-major order into tiles, front to back in the packed order.
class Packer {
public:
  Packer(ArrayRef<int64_t> shape, kernel::PackedAttr layout, int64_t elementBytes)
      : shape(shape), layout(layout), elementBytes(elementBytes) {
    strides.assign(shape.size(), elementBytes);
    for (size_t d = shape.size(); d-- > 1;)
      strides[d - 1] = strides[d] * shape[d];
    index.assign(shape.size(), 0);
  }

  std::vector<char> run(ArrayRef<char> bytes, int64_t packedElements) {
    packed.assign(packedElements * elementBytes, 0); // What lies outside is zero.
    from = bytes.data();
    to = packed.data();
    outer(0);
    return std::move(packed);
  }

private:
  int64_t tileOf(int64_t dim) const {
    auto *place = llvm::find(layout.getInnerDimsPos(), dim);
    return place == layout.getInnerDimsPos().end()
               ? 1
               : layout.getInnerTiles()[place - layout.getInnerDimsPos().begin()];
  }

  /// Dimension `place` of the outer order and all after it.
  void outer(size_t place) {
    if (place == shape.size())
      return inner(0);
    int64_t dim = layout.getOuterDimsPerm()[place], tile = tileOf(dim);
    for (int64_t start = 0; start < shape[dim]; start += tile) {
      index[dim] = start;
      outer(place + 1);
    }
  }

  /// Tile dimension `place` and all after it, from the corner in `index`.
  void inner(size_t place) {
    if (place == layout.getInnerTiles().size()) {
      const char *element = from;
      for (size_t d = 0; d < shape.size(); ++d) {
        if (index[d] >= shape[d]) {
          to += elementBytes;
          return;
        }
        element += index[d] * strides[d];
      }
      std::memcpy(to, element, elementBytes);
      to += elementBytes;
      return;
    }
    int64_t dim = layout.getInnerDimsPos()[place], corner = index[dim];
    for (int64_t i = 0; i < layout.getInnerTiles()[place]; ++i) {
      index[dim] = corner + i;
      inner(place + 1);
    }
    index[dim] = corner;
  }

  SmallVector<int64_t> shape, strides, index;
  kernel::PackedAttr layout;
  int64_t elementBytes;
  std::vector<char> packed;
  const char *from = nullptr;
  char *to = nullptr;
};
} // namespace

llvm::Expected<graph::WeightAttr>
tessera::packConstant(TypedAttr constant, graph::TensorType logical, kernel::PackedAttr layout) {
  MLIRContext *context = constant.getContext();
  graph::WeightStore &store = context->getLoadedDialect<graph::GraphDialect>()->getWeightStore();
  SmallVector<int64_t> shape(logical.getShape());
  auto packed = layout.packedType(RankedTensorType::get(shape, IntegerType::get(context, 8)));
  std::vector<char> storage;
  llvm::Expected<ArrayRef<char>> bytes = store.getBytes(Attribute(constant), storage);
  if (!bytes)
    return bytes.takeError();
  Packer packer(shape, layout, getElementByteSize(logical.getElementType()));
  std::vector<char> elements = packer.run(*bytes, packed.getNumElements());
  store.doneReading(*bytes);
  return store.addDerived(std::move(elements),
                          logical.withDims(graph::getDims(context, packed.getShape())));
}
