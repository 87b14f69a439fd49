//===- Squeezed.cpp - Axes that are there or not, as their extents say ------------------------===//
//
// ONNX's Squeeze without axes drops those of extent 1, whichever they are. Here the number of axes
// never depends on extents: open ones stay, with a mark. What does not go along them gives the same
// numbers with and without them, and a result lacks them as its operand does.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/DataShapes.h"

#include "llvm/ADT/DenseSet.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

/// The axes that an op names: it goes along them.
static SmallVector<int64_t> namedAxes(Operation &op) {
  if (auto axis = op.getAttrOfType<IntegerAttr>("axis"))
    return {axis.getInt()};
  auto axes = op.getAttrOfType<DenseI64ArrayAttr>("axes");
  return axes ? SmallVector<int64_t>(axes.asArrayRef()) : SmallVector<int64_t>();
}

static ArrayRef<DimAttr> dimsOf(Value value) { return graph::getTensorType(value).getDims(); }

/// Whether the elements along an axis of an operand are not all treated alike, each for itself.
static bool goesAlong(OpOperand &use, int64_t axis) {
  Operation &op = *use.getOwner();
  if (llvm::isa<graph::ReshapeOp, graph::BroadcastOp>(op) || op.getNumResults() == 0)
    return false;
  // Indices and updates have axes of their own.
  const bool isMain = use.getOperandNumber() == 0 || llvm::isa<graph::ConcatOp>(op);
  if (isMain && llvm::is_contained(namedAxes(op), axis))
    return true;
  if (auto slice = llvm::dyn_cast<graph::SliceOp>(op);
      slice &&
      (slice.getStarts()[axis].getConstant() != 0 || slice.getSteps()[axis].getConstant() != 1))
    return true;
  if (!llvm::isa<graph::SliceOp, graph::PadOp>(op))
    return false;
  return dimsOf(op.getResult(0))[axis] != dimsOf(use.get())[axis];
}

/// Whether a result has the axes of the op's first operand where that has these.
static bool keepsAxes(Operation &op, DenseI64ArrayAttr axes) {
  if (op.getNumResults() == 0 || op.getNumOperands() == 0 || op.getNumRegions() ||
      llvm::isa<graph::ReshapeOp, graph::BroadcastOp, graph::TransposeOp, graph::ContractOp>(op))
    return false;
  ArrayRef<DimAttr> from = dimsOf(op.getOperand(0)), to = dimsOf(op.getResult(0));
  return from.size() == to.size() && llvm::all_of(axes.asArrayRef(), [&](int64_t axis) {
           return from[axis] == to[axis] && !goesAlong(op.getOpOperand(0), axis);
         });
}

/// One number, with no more axes than are left in any case.
static bool isOneNumber(Value value, int64_t mostAxes) {
  auto broadcast = value.getDefiningOp<graph::BroadcastOp>();
  ArrayRef<DimAttr> dims = dimsOf(broadcast ? broadcast.getX() : value);
  return int64_t(dims.size()) <= mostAxes &&
         llvm::all_of(dims, [](DimAttr dim) { return dim.getConstant() == 1; });
}

/// What an op gives when its operands lack axes; nothing when they do not, or it is not known.
static std::optional<Importer::Squeezed> follow(Operation &op,
                                                const Importer::SqueezedValues &known) {
  std::optional<Importer::Squeezed> found;
  for (Value operand : op.getOperands())
    if (auto own = known.find(operand); own != known.end())
      found = own->second;
  if (!found)
    return std::nullopt;
  auto lacksThem = [&](Value operand) {
    auto own = known.find(operand);
    return own != known.end() && own->second.axes == found->axes;
  };
  if (!op.hasTrait<graph::Elementwise>())
    return lacksThem(op.getOperand(0)) && keepsAxes(op, found->axes) ? found : std::nullopt;
  const int64_t mostAxes = dimsOf(op.getResult(0)).size() - found->axes.size();
  return llvm::all_of(
             op.getOperands(),
             [&](Value operand) { return lacksThem(operand) || isOneNumber(operand, mostAxes); })
             ? found
             : std::nullopt;
}

static std::string nameAt(Location loc) {
  auto named = llvm::dyn_cast<NameLoc>(loc);
  return named ? named.getName().str() : "";
}

Importer::SqueezedValues Importer::findSqueezed(OpBuilder &builder) {
  SqueezedValues known;
  for (Operation &op : function.getBody().front()) {
    std::optional<Squeezed> found;
    if (auto axes = llvm::cast_if_present<DenseI64ArrayAttr>(op.removeAttr("graph.squeezed")))
      found = Squeezed{axes, op.getLoc()};
    else if (!known.empty())
      found = follow(op, known);
    if (found)
      known.insert({op.getResult(0), *found});
  }
  llvm::SmallDenseSet<DimAttr> checked;
  for (auto &[value, squeezed] : known) {
    ::onnx::NodeProto proto;
    proto.set_name(nameAt(squeezed.loc));
    proto.set_op_type("Squeeze");
    Node node(*this, builder, squeezed.loc, proto, opset);
    ShapeScalars s(node);
    for (OpOperand &use : value.getUses())
      for (int64_t axis : squeezed.axes.asArrayRef()) {
        DimAttr dim = dimsOf(value)[axis];
        if (!goesAlong(use, axis) || !checked.insert(dim).second)
          continue;
        std::string what = "whether axis " + std::to_string(axis) +
                           " is longer than 1 (else it is dropped, and node '" +
                           nameAt(use.getOwner()->getLoc()) + "' goes along it";
        if (dim.isSymbol())
          what += "; for an extent of 1 compile with --dim " + dim.getSymbol().str() + "=1";
        Value isLonger = s.select(s.isEqual(s.number(dim), 1), s.number(0), s.number(1));
        checkInRun(node, isLonger, what + ")");
      }
  }
  return known;
}
