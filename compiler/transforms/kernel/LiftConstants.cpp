//===- LiftConstants.cpp - Kernels that differ in numbers become equal ----------------------===//
//
// Layers of a quantized model are the same kernel with other scales and zero points. Where kernels
// are equal up to scalar constants, those that differ become arguments (tensors of rank 0), and the
// kernels are compiled once: the driver compiles equal kernels once.
//
//   %c = arith.constant 0.03 : f32                   kernel.func @k(..., %c: tensor<f32>, ...)
//   stage ... mulf %in, %c                     =>    stage ins(..., %c) ... mulf %in, %in_c
//
// A constant may become an argument only where code does not depend on which number it is:
// 1. It is neither 0 nor an infinity nor NaN, and where it multiplies or divides no power of two.
// 2. Bodies of stages add, subtract, multiply (floats only), divide by, compare, bound, select,
//    convert or store it, and nothing else.
// 3. No index is computed of it, and no product of integers (zero points in products are what
//    instructions of 8 bits are chosen by).
//
// Kernels with loops of their own keep their numbers, and so do those for GPUs, where an argument
// is read from memory by every thread and a constant is part of the instruction.
//
//===----------------------------------------------------------------------===//
#include "compiler/transforms/kernel/Passes.h"
#include "dialects/graph/Graph.h"
#include "dialects/kernel/Sums.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/SHA256.h"

namespace tessera::transforms {
#define GEN_PASS_DEF_KERNELLIFTCONSTANTS
#include "compiler/transforms/kernel/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;

/// A launch hands every argument over, which takes a few nanoseconds.
static constexpr size_t kMaxLifted = 8;

/// Marks a constant where kernels are compared.
static constexpr llvm::StringLiteral kAnyValue = "any_value";

//===----------------------------------------------------------------------===//
// What may become an argument
//===----------------------------------------------------------------------===//

namespace {
/// Follows a number through the stages of a kernel.
class NumberFlow {
public:
  explicit NumberFlow(Attribute number) : number(number) {}

  /// Whether code is the same whatever the number is.
  bool isFree(Value constant) { return follow(constant, /*isItself=*/true); }

private:
  bool follow(Value value, bool isItself);
  bool followUse(OpOperand &use, bool isItself);
  bool isPowerOfTwo() const;

  Attribute number;
  llvm::DenseSet<Value> visited[2];
};
} // namespace

bool NumberFlow::isPowerOfTwo() const {
  auto real = llvm::dyn_cast<FloatAttr>(number);
  return real && real.getValue().getExactLog2Abs() != INT_MIN;
}

/// `isItself`: the value is the number, moved and converted; else it was computed of it.
bool NumberFlow::follow(Value value, bool isItself) {
  return !visited[isItself].insert(value).second ||
         llvm::all_of(value.getUses(), [&](OpOperand &use) { return followUse(use, isItself); });
}

bool NumberFlow::followUse(OpOperand &use, bool isItself) {
  Operation *op = use.getOwner();
  if (isa<kernel::ReturnOp>(op))
    return true;
  if (auto stage = dyn_cast<linalg::GenericOp>(op)) {
    const bool isInit = stage.isDpsInit(&use);
    return !(isInit && isItself) && follow(stage.getMatchingBlockArgument(&use), isItself) &&
           (!isInit || follow(stage.getTiedOpResult(&use), isItself));
  }
  if (isa<linalg::YieldOp>(op)) {
    auto stage = dyn_cast<linalg::GenericOp>(op->getParentOp());
    return stage && follow(stage.getResult(use.getOperandNumber()), isItself);
  }
  if (isa<tensor::ExtractOp>(op))
    return use.getOperandNumber() == 0 && follow(op->getResult(0), isItself);
  if (isa<arith::ExtFOp, arith::TruncFOp, arith::ExtSIOp, arith::ExtUIOp, arith::TruncIOp,
          arith::SIToFPOp, arith::UIToFPOp>(op))
    return follow(op->getResult(0), isItself);
  if (!isa_and_present<arith::ArithDialect, math::MathDialect>(op->getDialect()) ||
      isa<arith::IndexCastOp, arith::IndexCastUIOp, arith::MulIOp>(op))
    return false;
  if (!isItself)
    return follow(op->getResult(0), false);
  const bool scales =
      isa<arith::MulFOp>(op) || (isa<arith::DivFOp>(op) && use.getOperandNumber() == 1);
  const bool keeps =
      isa<arith::AddFOp, arith::SubFOp, arith::DivFOp, arith::CmpFOp, arith::AddIOp, arith::SubIOp,
          arith::CmpIOp, arith::SelectOp, arith::MaximumFOp, arith::MinimumFOp, arith::MaxNumFOp,
          arith::MinNumFOp, arith::MaxSIOp, arith::MinSIOp, arith::MaxUIOp, arith::MinUIOp>(op);
  return (scales ? !isPowerOfTwo() : keeps) && follow(op->getResult(0), false);
}

static bool mayBeArgument(arith::ConstantOp constant) {
  Attribute number = constant.getValue();
  if (auto real = dyn_cast<FloatAttr>(number)) {
    if (!real.getValue().isFiniteNonZero())
      return false;
  } else {
    auto integer = dyn_cast<IntegerAttr>(number);
    if (!integer || integer.getType().isIndex() || integer.getType().isInteger(1) ||
        integer.getValue().isZero())
      return false;
  }
  // Only bodies of stages can be given another operand.
  for (Operation *user : constant->getUsers())
    if (!isa<linalg::GenericOp>(user->getParentOp()))
      return false;
  return !constant->use_empty() && NumberFlow(number).isFree(constant);
}

static SmallVector<arith::ConstantOp> findConstants(kernel::FuncOp kernel) {
  SmallVector<arith::ConstantOp> constants;
  kernel.walk([&](arith::ConstantOp constant) {
    if (mayBeArgument(constant))
      constants.push_back(constant);
  });
  return constants;
}

//===----------------------------------------------------------------------===//
// Which kernels are equal
//===----------------------------------------------------------------------===//

/// What the driver compares (its name and its place in the model left out), for any numbers.
static std::string hashForAnyNumbers(kernel::FuncOp kernel) {
  OwningOpRef<kernel::FuncOp> copy = kernel.clone();
  copy->setSymName("kernel");
  (*copy)->removeAttr(kernel::KernelDialect::kSourcesAttr);
  (*copy)->removeAttr(kernel::kAskedSumsAttr);
  Builder builder(kernel.getContext());
  for (arith::ConstantOp constant : findConstants(*copy)) {
    constant.setValueAttr(cast<TypedAttr>(builder.getZeroAttr(constant.getType())));
    constant->setAttr(kAnyValue, builder.getUnitAttr());
  }
  std::string text;
  llvm::raw_string_ostream out(text);
  copy->print(out, OpPrintingFlags().useLocalScope());
  auto hash =
      llvm::SHA256::hash(ArrayRef(reinterpret_cast<const uint8_t *>(text.data()), text.size()));
  return std::string(hash.begin(), hash.end());
}

//===----------------------------------------------------------------------===//
// Kernels and launches
//===----------------------------------------------------------------------===//

/// Gives a stage one more operand, and has its body read it instead of the constant.
static void readArgument(linalg::GenericOp stage, Value constant, Value argument) {
  unsigned place = stage.getNumDpsInputs();
  Block &body = stage.getRegion().front();
  BlockArgument number = body.insertArgument(place, constant.getType(), stage.getLoc());
  SmallVector<AffineMap> maps = stage.getIndexingMapsArray();
  maps.insert(maps.begin() + place, AffineMap::get(stage.getNumLoops(), 0, stage.getContext()));
  stage.getInputsMutable().append(argument);
  stage.setIndexingMapsAttr(Builder(stage.getContext()).getAffineMapArrayAttr(maps));
  constant.replaceUsesWithIf(
      number, [&](OpOperand &use) { return use.getOwner()->getParentOp() == stage; });
}

/// `groups`: constants of the same number, and one argument for each.
static void lift(kernel::FuncOp kernel, ArrayRef<SmallVector<arith::ConstantOp>> groups) {
  for (const SmallVector<arith::ConstantOp> &group : groups) {
    unsigned place = kernel.getNumTensorArguments();
    arith::ConstantOp first = group.front();
    (void)kernel.insertArgument(place, RankedTensorType::get({}, first.getType()), {},
                                first.getLoc());
    Value argument = kernel.getBody().getArgument(place);
    for (arith::ConstantOp constant : group) {
      llvm::SetVector<Operation *> stages;
      for (Operation *user : constant->getUsers())
        stages.insert(user->getParentOp());
      for (Operation *stage : stages)
        readArgument(cast<linalg::GenericOp>(stage), constant, argument);
      constant.erase();
    }
  }
}

/// Kernels have integers without a sign, tensors of the graph have signed ones.
static Value makeNumber(OpBuilder &builder, Location loc, TypedAttr number) {
  Type element = number.getType();
  Attribute value = number;
  if (auto integer = dyn_cast<IntegerAttr>(number)) {
    element = builder.getIntegerType(element.getIntOrFloatBitWidth(), /*isSigned=*/true);
    value = IntegerAttr::get(element, integer.getValue());
  }
  auto type = graph::TensorType::getScalar(element);
  return graph::ConstantOp::create(builder, loc, DenseElementsAttr::get(type, value));
}

namespace {
struct KernelLiftConstants : transforms::impl::KernelLiftConstantsBase<KernelLiftConstants> {
  void runOnOperation() override {
    numbers.clear();
    llvm::StringMap<SmallVector<kernel::FuncOp>> classes;
    for (auto kernel : getOperation().getOps<kernel::FuncOp>())
      if (!kernel.isSequential() && !findConstants(kernel).empty())
        classes[hashForAnyNumbers(kernel)].push_back(kernel);
    for (const auto &entry : classes)
      if (entry.getValue().size() > 1)
        unify(entry.getValue());
    if (numbers.empty())
      return;
    getOperation().walk([&](kernel::LaunchOp launch) {
      auto found = numbers.find(launch.getKernelAttr().getAttr());
      if (found == numbers.end())
        return;
      OpBuilder builder(launch);
      for (TypedAttr number : found->second)
        launch.getOperandsMutable().append(makeNumber(builder, launch.getLoc(), number));
    });
  }

  void unify(ArrayRef<kernel::FuncOp> kernels) {
    SmallVector<SmallVector<arith::ConstantOp>> constants;
    for (kernel::FuncOp kernel : kernels)
      constants.push_back(findConstants(kernel));
    // Constants that have the same number in each kernel share an argument.
    llvm::MapVector<ArrayAttr, SmallVector<size_t>> places;
    for (size_t place = 0; place < constants.front().size(); ++place) {
      SmallVector<Attribute> column;
      for (auto &own : constants)
        column.push_back(own[place].getValue());
      if (!llvm::all_equal(column))
        places[ArrayAttr::get(&getContext(), column)].push_back(place);
    }
    if (places.empty() || places.size() > kMaxLifted)
      return;
    for (size_t number = 0; number < kernels.size(); ++number) {
      kernel::FuncOp kernel = kernels[number];
      SmallVector<SmallVector<arith::ConstantOp>> groups;
      for (const auto &[column, group] : places) {
        numbers[kernel.getSymNameAttr()].push_back(cast<TypedAttr>(column[number]));
        groups.push_back(
            llvm::map_to_vector(group, [&](size_t place) { return constants[number][place]; }));
      }
      lift(kernel, groups);
    }
  }

  /// What the launches of a kernel hand over behind their other operands.
  llvm::DenseMap<StringAttr, SmallVector<TypedAttr>> numbers;
};
} // namespace
