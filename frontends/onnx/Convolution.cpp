//===- Convolution.cpp - Operands of convolutions whose extents are open ----------------------===//

#include "frontends/onnx/Convolution.h"

#include "frontends/onnx/DataShapes.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

namespace {
/// Extents of an operand of a convolution, of which the others say what the type leaves open.
class Operand {
public:
  Operand(Node &node, size_t input, StringRef name)
      : node(node), input(input), name(name), dims(node.type(input).getDims()) {}

  DimAttr operator[](size_t axis) const { return dims[axis]; }
  LogicalResult take(size_t axis, DimAttr extent);
  LogicalResult apply();

private:
  Node &node;
  size_t input;
  StringRef name;
  DimList dims;
  SmallVector<size_t> taken; ///< axes whose extent is taken to be another, which a run checks
};
} // namespace

/// An axis has that extent.
LogicalResult Operand::take(size_t axis, DimAttr extent) {
  if (dims[axis] == extent)
    return success();
  if (graph::isKnownDifferent(dims[axis], extent))
    return node.error("its " + name + " has an extent of " + dims[axis].str() + " along axis " +
                      Twine(axis) + ", expected " + extent.str());
  if (dims[axis].isConstant())
    return success(); // Where it is asked for again it is what is known.
  dims[axis] = extent;
  taken.push_back(axis);
  return success();
}

static void checkEqual(Node &node, DimExpr a, DimExpr b, const Twine &what) {
  ShapeScalars s(node);
  Value difference = s.number(node.known(a - b));
  node.importer.checkInRun(node, s.select(s.isEqual(difference, 0), s.number(1), s.number(0)),
                           what.str());
}

/// The number of elements says whether one extent is what it is taken for; of several each is
/// compared.
LogicalResult Operand::apply() {
  DimList before(node.type(input).getDims());
  if (taken.size() > 1)
    for (size_t axis : taken)
      checkEqual(node, before[axis], dims[axis],
                 "whether the " + name + " has " + dims[axis].str() + " elements along axis " +
                     Twine(axis));
  return node.takesDims(input, dims) ? success() : node.error("its " + name + " does not fit");
}

LogicalResult tessera::onnx::checkDivides(Node &node, int64_t groups, DimAttr extent,
                                          StringRef what) {
  DimExpr rest = DimExpr(extent).mod(groups);
  if (!rest)
    return node.error("its extents overflow");
  std::optional<int64_t> known = rest.get().getConstant();
  if (known.value_or(0))
    return node.error("has " + Twine(groups) + " groups and " + extent.str() + " " + what);
  if (!known)
    checkEqual(node, rest, node.dim(0),
               "whether " + Twine(groups) + " groups divide the " + what + " (" + extent.str() +
                   ")");
  return success();
}

LogicalResult tessera::onnx::fitConvolution(Node &node, bool isTransposed, size_t bias) {
  if (failed(node.needInputs(2)))
    return failure();
  int64_t rank = node.type(0).rank(), groups = node.getInt("group", 1);
  if (rank < 3 || node.type(1).rank() != rank)
    return node.error("needs an input and a weight of equal rank, at least 3");
  if (groups < 1)
    return node.error("has " + Twine(groups) + " groups");
  Operand x(node, 0, "input"), weight(node, 1, "weight");
  if (std::optional<SmallVector<int64_t>> kernel = node.getInts("kernel_shape")) {
    if (int64_t(kernel->size()) != rank - 2)
      return node.error("has " + Twine(kernel->size()) + " entries in kernel_shape, expected " +
                        Twine(rank - 2));
    for (auto [i, extent] : llvm::enumerate(*kernel))
      if (failed(weight.take(2 + i, node.dim(extent))))
        return failure();
  }
  // Channels.
  const size_t inner = isTransposed ? 0 : 1, outer = 1 - inner;
  const int64_t parts = isTransposed ? 1 : groups; // of the channels, for the weight
  if (!isTransposed && x[1].isConstant() && failed(checkDivides(node, groups, x[1], "channels")))
    return failure();
  if ((x[1].isConstant() && failed(weight.take(inner, node.dim(x[1].getValue() / parts)))) ||
      failed(x.take(1, node.known(DimExpr(weight[inner]) * parts))))
    return failure();
  if (isTransposed && failed(checkDivides(node, groups, x[1], "channels")))
    return failure();
  // Results.
  const int64_t repeats = isTransposed ? groups : 1; // of the weight's outputs
  if (node.input(bias)) {
    if (node.type(bias).rank() != 1)
      return node.error("has a bias of rank " + Twine(node.type(bias).rank()) + ", expected 1");
    DimAttr given = node.type(bias).getDim(0);
    if (given.isConstant() && !weight[outer].isConstant()) {
      if (failed(checkDivides(node, repeats, given, "elements of a bias")) ||
          failed(weight.take(outer, node.dim(given.getValue() / repeats))))
        return failure();
    }
    DimAttr outputs = node.known(DimExpr(weight[outer]) * repeats);
    if (!node.takesDims(bias, {outputs}))
      return node.error("has a bias of " + given.str() + " elements for " + outputs.str() +
                        " channels of the result");
  }
  if (!isTransposed && failed(checkDivides(node, groups, weight[outer], "channels of the result")))
    return failure();
  return failed(x.apply()) || failed(weight.apply()) ? failure() : success();
}
