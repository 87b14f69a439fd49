//===- Layers.h - What of a function can compute in 8 bits -----------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_TRANSFORMS_QUANTIZE_LAYERS_H
#define TESSERA_COMPILER_TRANSFORMS_QUANTIZE_LAYERS_H

#include "compiler/reference/Tensor.h"
#include "dialects/graph/Graph.h"

#include <string>
#include <vector>

namespace tessera::transforms {

/// A contraction or convolution of something computed with a constant (or, of a contraction, with
/// something else that is computed: its layers are those of both tensors).
struct QuantizableProduct {
  mlir::Operation *op;
  unsigned activation, weight;       ///< numbers of operands
  std::optional<int64_t> weightAxis; ///< along which results have weights of their own
};

/// The products that read one tensor of 8 bits, perhaps placed otherwise (padded, transposed, the
/// largest of windows): they are quantized together or not at all. Or a tensor between products
/// that none of them reads, but several kernels do.
struct QuantizedLayer {
  std::string name; ///< of its products, or of what makes the tensor: their nodes
  /// The values that get one scale: of these are made, by placing elements only, what the products
  /// read.
  llvm::SmallVector<mlir::Value> roots;
  /// Those that have a constant operand.
  std::vector<QuantizableProduct> products;
  /// All products take it as the operand that stands where weights stand: in si8 around 0.
  bool isSigned = false;
  bool isBetween = false; ///< no product reads it
  /// It has one product, of a matrix, in a loop: each row has a range of its own in each step. Who
  /// else reads the matrix reads it as it is, as errors of a state would add up.
  bool isStep = false;
};

struct LeftProduct {
  std::string place, reason;
};

struct LayerList {
  std::vector<QuantizedLayer> layers;
  std::vector<LeftProduct> left;
};

/// The layers of a function, in the order of their first products: the same for its copies.
/// `withSteps`: those in loops, too, whose ranges are known only when they run.
LayerList findLayers(graph::FuncOp function, bool withSteps = false);

/// The elements of a product's weight.
reference::Tensor readWeight(const QuantizableProduct &product);

} // namespace tessera::transforms

#endif
