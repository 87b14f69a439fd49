//===- PlaceResults.cpp - Producers write where their results go ------------------------------===//
// A padding and a concatenation compute nothing. What their operands' kernels give is a part of
// their result, and these kernels can write it there:
//
//   %a = launch @conv(%x)
//   %b = pad constant %a, %zero
//
// becomes two kernels with places (kernel.place), all but the border and a side each:
//
//   %p = launch @conv(%x)
//   %q:4 = launch @border()
//   %b = kernel.join %p, %q#0, ...
//
// Places in places are places: a concatenation that is padded is written into the padded tensor.
#include "compiler/conversion/graph_to_kernel/PlaceResults.h"

#include "compiler/conversion/graph_to_kernel/Emitter.h"
#include "compiler/conversion/graph_to_kernel/Groups.h"
#include "compiler/conversion/graph_to_kernel/LaunchCost.h"

#include "dialects/kernel/Kernel.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"

using namespace mlir;
using namespace tessera;
using graph::DimAttr;
using graph::DimExpr;
using kernel::PlaceAttr;

static kernel::FuncOp kernelOf(kernel::LaunchOp launch) {
  return SymbolTable::lookupNearestSymbolFrom<kernel::FuncOp>(launch, launch.getKernelAttr());
}

/// Shape of a place: -1 where an extent is known when it runs only.
static SmallVector<int64_t> shapeOf(graph::TensorType type) {
  return llvm::map_to_vector(type.getDims(),
                             [](DimAttr dim) { return dim.isConstant() ? dim.getValue() : -1; });
}

static PlaceAttr placeOf(kernel::FuncOp kernel, unsigned result) {
  return kernel.getResultAttrOfType<PlaceAttr>(result, kernel::KernelDialect::kPlaceAttr);
}

/// Whether the kernel that gives the value can write it elsewhere: nobody else reads it, no stage
/// of the kernel either (what a stage keeps is taken to be aligned, and parts are not), and it is
/// computed by one stage (code for tuples writes all of them alike, loops have their own way to
/// address memory).
static bool isMovable(Value value, Block *block) {
  auto launch = value.getDefiningOp<kernel::LaunchOp>();
  if (!launch || launch->getBlock() != block || !value.hasOneUse())
    return false;
  kernel::FuncOp kernel = kernelOf(launch);
  if (!kernel || kernel.isSequential())
    return false;
  Operation *terminator = kernel.getBody().front().getTerminator();
  Value result = terminator->getOperand(llvm::cast<OpResult>(value).getResultNumber());
  auto stage = result.getDefiningOp<linalg::GenericOp>();
  return stage && stage->getNumResults() == 1 && result.hasOneUse();
}

namespace {
/// Makes the tensor that replaces an op.
class Placer {
public:
  Placer(Operation *op, OpBuilder &moduleBuilder,
         llvm::function_ref<std::string(StringRef)> makeName)
      : op(op), type(graph::getTensorType(op->getResult(0))), moduleBuilder(moduleBuilder),
        makeName(makeName), builder(op) {}

  bool pad(graph::PadOp pad);
  bool concat(graph::ConcatOp concat);

private:
  void move(Value part, PlaceAttr place);
  void copy(Value operand, PlaceAttr place);
  void border(ArrayRef<DimAttr> inner, ArrayRef<int64_t> lo, ArrayRef<int64_t> hi,
              TypedAttr filler);
  /// A kernel whose results are the given parts of the tensor.
  void launch(StringRef name, ValueRange inputs,
              llvm::function_ref<SmallVector<Value>(KernelEmitter &)> emit,
              ArrayRef<PlaceAttr> places, ArrayRef<Type> types);
  bool finish();

  Operation *op;
  graph::TensorType type;
  OpBuilder &moduleBuilder;
  llvm::function_ref<std::string(StringRef)> makeName;
  OpBuilder builder;
  SmallVector<Value> parts;
};
} // namespace

void Placer::move(Value part, PlaceAttr place) {
  auto launch = part.getDefiningOp<kernel::LaunchOp>();
  kernelOf(launch).setResultAttr(llvm::cast<OpResult>(part).getResultNumber(),
                                 kernel::KernelDialect::kPlaceAttr, place);
  part.setType(type);
  parts.push_back(part);
}

void Placer::launch(StringRef name, ValueRange inputs,
                    llvm::function_ref<SmallVector<Value>(KernelEmitter &)> emit,
                    ArrayRef<PlaceAttr> places, ArrayRef<Type> types) {
  SmallVector<Type> inputTypes;
  for (Value input : inputs)
    inputTypes.push_back(getKernelType(graph::getTensorType(input)));
  auto kernel = kernel::FuncOp::create(moduleBuilder, op->getLoc(), makeName(name),
                                       moduleBuilder.getFunctionType(inputTypes, TypeRange()));
  Block &entry = kernel.getBody().front();
  OpBuilder inner = OpBuilder::atBlockBegin(&entry);
  KernelEmitter emitter(inner, kernel);
  emitter.setLoc(op->getLoc());
  for (auto [input, argument] : llvm::zip(inputs, entry.getArguments()))
    emitter.bind(input, argument);
  SmallVector<Value> results = emit(emitter);
  if (!entry.empty() && entry.back().hasTrait<OpTrait::IsTerminator>())
    entry.back().erase();
  kernel::ReturnOp::create(inner, kernel.getLoc(), results);
  kernel.setFunctionType(
      moduleBuilder.getFunctionType(entry.getArgumentTypes(), ValueRange(results).getTypes()));
  for (auto [number, place] : llvm::enumerate(places))
    kernel.setResultAttr(number, kernel::KernelDialect::kPlaceAttr, place);
  SmallVector<Attribute> extents(emitter.getIndexArguments().begin(),
                                 emitter.getIndexArguments().end());
  // As long as costs are counted, the results are the parts alone.
  auto launch = kernel::LaunchOp::create(builder, op->getLoc(), types,
                                         FlatSymbolRefAttr::get(kernel.getSymNameAttr()), inputs,
                                         builder.getArrayAttr(extents));
  annotateCost(launch, kernel);
  for (Value result : launch.getResults())
    result.setType(type);
  llvm::append_range(parts, launch.getResults());
}

/// An operand that stays where it is, too.
void Placer::copy(Value operand, PlaceAttr place) {
  graph::TensorType from = graph::getTensorType(operand);
  launch(
      "copy", operand,
      [&](KernelEmitter &emitter) {
        AffineMap map = builder.getMultiDimIdentityMap(from.rank());
        Value source = emitter.lookup(operand);
        return SmallVector<Value>{emitter.map(
            "copy", from.getDims(), getKernelElementType(from.getElementType()), {{source, map}},
            [](ImplicitLocOpBuilder &, ValueRange read) { return read[0]; })};
      },
      place, Type(from));
}

/// The sides along a dimension reach from edge to edge along those behind it, and lie between the
/// sides along those before it.
void Placer::border(ArrayRef<DimAttr> inner, ArrayRef<int64_t> lo, ArrayRef<int64_t> hi,
                    TypedAttr filler) {
  const size_t rank = type.rank();
  SmallVector<PlaceAttr> places;
  SmallVector<SmallVector<DimAttr>> sides;
  SmallVector<Type> types;
  for (size_t d = 0; d < rank; ++d) {
    SmallVector<int64_t> begin(rank, 0), end(rank, 0);
    SmallVector<DimAttr> dims(type.getDims());
    for (size_t before = 0; before < d; ++before) {
      begin[before] = lo[before];
      end[before] = -hi[before];
      dims[before] = inner[before];
    }
    auto side = [&](int64_t from, int64_t to, int64_t extent) {
      if (extent == 0)
        return;
      begin[d] = from;
      end[d] = to;
      dims[d] = graph::getDim(op->getContext(), extent);
      places.push_back(PlaceAttr::get(op->getContext(), begin, end, shapeOf(type)));
      sides.push_back(dims);
      types.push_back(type.withDims(dims));
    };
    side(0, lo[d], lo[d]);
    side(-hi[d], 0, hi[d]);
  }
  launch(
      "border", {},
      [&](KernelEmitter &emitter) {
        Type element = getKernelElementType(type.getElementType());
        SmallVector<Value> results;
        for (const SmallVector<DimAttr> &dims : sides)
          results.push_back(emitter.map("side", dims, element, {},
                                        [&](ImplicitLocOpBuilder &b, ValueRange) -> Value {
                                          return arith::ConstantOp::create(b, filler);
                                        }));
        return results;
      },
      places, types);
}

bool Placer::finish() {
  auto join = kernel::JoinOp::create(builder, op->getLoc(), type, parts);
  op->getResult(0).replaceAllUsesWith(join.getResult());
  op->erase();
  return true;
}

bool Placer::pad(graph::PadOp pad) {
  Attribute filler = pad.getValue() ? graph::getSplat(pad.getValue()) : Attribute();
  Value x = pad.getX();
  Type element = getKernelElementType(type.getElementType());
  if (pad.getMode() != graph::PadMode::constant || !filler || !x.hasOneUse() ||
      !element.isIntOrFloat())
    return false;
  TypedAttr number = llvm::dyn_cast<FloatAttr>(filler);
  if (auto integer = llvm::dyn_cast<IntegerAttr>(filler))
    number = IntegerAttr::get(element, integer.getValue());
  if (!number || number.getType() != element)
    return false;
  SmallVector<int64_t> lo, hi;
  for (auto [before, behind] : llvm::zip(pad.getLo(), pad.getHi())) {
    if (!before.isConstant() || !behind.isConstant())
      return false;
    lo.push_back(before.getValue());
    hi.push_back(behind.getValue());
  }
  if (llvm::all_of(lo, [](int64_t n) { return n == 0; }) &&
      llvm::all_of(hi, [](int64_t n) { return n == 0; }))
    return false;
  SmallVector<DimAttr> inner(graph::getTensorType(x).getDims());
  auto join = x.getDefiningOp<kernel::JoinOp>();
  if (join && join->getBlock() == op->getBlock()) {
    SmallVector<Value> moved(join.getParts());
    op->dropAllReferences();
    join.erase();
    for (Value part : moved) {
      kernel::FuncOp kernel = kernelOf(part.getDefiningOp<kernel::LaunchOp>());
      move(part, placeOf(kernel, llvm::cast<OpResult>(part).getResultNumber()).padded(lo, hi));
    }
  } else {
    if (!isMovable(x, op->getBlock()))
      return false;
    SmallVector<int64_t> end = llvm::map_to_vector(hi, [](int64_t n) { return -n; });
    op->dropAllReferences();
    move(x, PlaceAttr::get(op->getContext(), lo, end, shapeOf(type)));
  }
  border(inner, lo, hi, number);
  return finish();
}

bool Placer::concat(graph::ConcatOp concat) {
  const int64_t axis = concat.getAxis();
  SmallVector<Value> operands(concat.getInputs());
  int64_t moved = 0, all = 0;
  for (Value operand : operands) {
    DimAttr extent = graph::getTensorType(operand).getDims()[axis];
    if (!extent.isConstant() || extent.getValue() == 0)
      return false;
    // What kernels compute for themselves lies nowhere.
    if (Operation *producer = operand.getDefiningOp();
        producer && isRecomputed(producer) && !llvm::isa<graph::ConstantOp>(producer))
      return false;
    all += extent.getValue();
    moved += isMovable(operand, op->getBlock()) ? extent.getValue() : 0;
  }
  if (2 * moved < all || operands.size() < 2 || !type.getElementType().isIntOrFloat())
    return false;
  SmallVector<bool> movable =
      llvm::map_to_vector(operands, [&](Value v) { return isMovable(v, op->getBlock()); });
  op->dropAllReferences();
  SmallVector<int64_t> begin(type.rank(), 0), end(type.rank(), 0);
  for (auto [operand, moves] : llvm::zip(operands, movable)) {
    end[axis] = begin[axis] + graph::getTensorType(operand).getDims()[axis].getValue();
    auto place = PlaceAttr::get(op->getContext(), begin, end, shapeOf(type));
    if (moves)
      move(operand, place);
    else
      copy(operand, place);
    begin[axis] = end[axis];
  }
  return finish();
}

bool tessera::placeResults(Operation *op, OpBuilder &moduleBuilder,
                           llvm::function_ref<std::string(StringRef)> makeName) {
  if (auto pad = llvm::dyn_cast<graph::PadOp>(op))
    return Placer(op, moduleBuilder, makeName).pad(pad);
  if (auto concat = llvm::dyn_cast<graph::ConcatOp>(op))
    return Placer(op, moduleBuilder, makeName).concat(concat);
  return false;
}
