//===- Tensors.cpp - tensor and scf in kernels -----------------------------------===//
#include "compiler/reference/kernel/Machine.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::reference;

/// The elements of a cell's tensor and of the cell itself.
static void loadElement(Cell &cell, const Tensor &tensor, int64_t place) {
  if (tensor.isFloat())
    cell.real = tensor.real(place);
  else
    cell.integer = tensor.integer(place);
}

/// The place of an element that an empty tensor has not, and that reads as 0.
constexpr int64_t kBeyondEmpty = -1;

/// The row-major place that index operands name, with an error when it is outside. An empty tensor
/// is as large as its extents are when 0 counts as 1 (runtime/base/KernelAbi.h): indices that are
/// clamped into it are no error.
static FailureOr<int64_t> findPlace(const Instruction &i, Machine &m, const Tensor &tensor,
                                    unsigned firstIndex) {
  SmallVector<int64_t, 6> index;
  bool isInside = true;
  for (unsigned k = firstIndex; k < i.operands.size(); ++k) {
    index.push_back(m.operand(i, k).integer);
    isInside &=
        index.back() >= 0 && index.back() < std::max<int64_t>(tensor.getDim(index.size() - 1), 1);
  }
  if (isInside)
    return tensor.size() == 0 ? kBeyondEmpty : tensor.position(index);
  std::string text;
  llvm::raw_string_ostream os(text);
  llvm::interleaveComma(index, os);
  return m.fail(i.op->getName().getStringRef() + " at [" + text + "] is outside of " +
                describe(tensor.getElementType(), tensor.getShape()));
}

static LogicalResult extract(const Instruction &i, Machine &m) {
  const Tensor &tensor = m.operand(i, 0).tensor;
  FailureOr<int64_t> place = findPlace(i, m, tensor, 1);
  if (failed(place))
    return failure();
  if (*place == kBeyondEmpty)
    m.result(i).real = m.result(i).integer = 0;
  else
    loadElement(m.result(i), tensor, *place);
  return success();
}

static LogicalResult insert(const Instruction &i, Machine &m) {
  FailureOr<int64_t> place = findPlace(i, m, m.operand(i, 1).tensor, 2);
  if (failed(place))
    return failure();
  Tensor tensor = m.take(i, 1);
  if (*place == kBeyondEmpty)
    return m.fail("tensor.insert into an empty tensor");
  if (tensor.isFloat())
    tensor.set(*place, m.operand(i, 0).real);
  else
    tensor.set(*place, m.operand(i, 0).integer);
  m.result(i).tensor = std::move(tensor);
  return success();
}

/// Elements that nobody wrote are NaN or all ones: who reads them is found out.
static LogicalResult makeEmpty(const Instruction &i, Machine &m) {
  auto type = llvm::cast<RankedTensorType>(i.op->getResult(0).getType());
  SmallVector<int64_t> shape(type.getShape());
  unsigned next = 0;
  for (int64_t &extent : shape)
    if (ShapedType::isDynamic(extent))
      extent = m.operand(i, next++).integer;
  FailureOr<Tensor> tensor = m.make(type.getElementType(), shape);
  if (failed(tensor))
    return failure();
  std::fill_n(tensor->at(0), tensor->getByteSize(), char(0xff));
  m.result(i).tensor = std::move(*tensor);
  return success();
}

static LogicalResult readDim(const Instruction &i, Machine &m) {
  const Tensor &tensor = m.operand(i, 0).tensor;
  int64_t dim = m.operand(i, 1).integer;
  if (dim < 0 || dim >= tensor.getRank())
    return m.fail("tensor.dim " + llvm::Twine(dim) + " of rank " + llvm::Twine(tensor.getRank()));
  m.result(i).integer = tensor.getDim(dim);
  return success();
}

//===----------------------------------------------------------------------===//
// Slices
//===----------------------------------------------------------------------===//

namespace {
struct SliceRange {
  SmallVector<int64_t> offsets, sizes, strides;
};
} // namespace

/// Offsets, sizes and strides of an op, checked against the sliced tensor. `first`: its first
/// dynamic operand.
template <typename OpType>
static FailureOr<SliceRange> findRange(OpType op, const Instruction &i, Machine &m,
                                       const Tensor &tensor, unsigned first) {
  SliceRange range;
  auto collect = [&](ArrayRef<int64_t> fixed, SmallVector<int64_t> &values) {
    for (int64_t value : fixed)
      values.push_back(ShapedType::isDynamic(value) ? m.operand(i, first++).integer : value);
  };
  collect(op.getStaticOffsets(), range.offsets);
  collect(op.getStaticSizes(), range.sizes);
  collect(op.getStaticStrides(), range.strides);
  for (int64_t d = 0; d < tensor.getRank(); ++d) {
    int64_t last = range.offsets[d] + (range.sizes[d] - 1) * range.strides[d];
    if (range.sizes[d] < 0 ||
        (range.sizes[d] > 0 && (std::min(range.offsets[d], last) < 0 ||
                                std::max(range.offsets[d], last) >= tensor.getDim(d))))
      return m.fail(i.op->getName().getStringRef() + " of " + llvm::Twine(range.sizes[d]) +
                    " elements from " + llvm::Twine(range.offsets[d]) + " of dim " +
                    llvm::Twine(d) + " is outside of " +
                    describe(tensor.getElementType(), tensor.getShape()));
  }
  return range;
}

static int64_t placeInSlice(const SliceRange &range, const Tensor &tensor,
                            ArrayRef<int64_t> index) {
  SmallVector<int64_t, 6> at;
  for (size_t d = 0; d < index.size(); ++d)
    at.push_back(range.offsets[d] + index[d] * range.strides[d]);
  return tensor.position(at);
}

static LogicalResult extractSlice(const Instruction &i, Machine &m) {
  auto op = llvm::cast<tensor::ExtractSliceOp>(i.op);
  const Tensor &source = m.operand(i, 0).tensor;
  FailureOr<SliceRange> range = findRange(op, i, m, source, 1);
  if (failed(range))
    return failure();
  FailureOr<Tensor> slice = m.make(source.getElementType(), range->sizes);
  if (failed(slice))
    return failure();
  forEachIndex(range->sizes, [&](ArrayRef<int64_t> index, int64_t place) {
    slice->copyElement(place, source, placeInSlice(*range, source, index));
  });
  // Unit dims may be dropped.
  SmallVector<int64_t> shape;
  llvm::SmallBitVector dropped = op.getDroppedDims();
  for (auto [d, size] : llvm::enumerate(range->sizes))
    if (!dropped.test(d))
      shape.push_back(size);
  m.result(i).tensor = slice->withShape(shape);
  return m.spend(slice->size());
}

static LogicalResult insertSlice(const Instruction &i, Machine &m) {
  auto op = llvm::cast<tensor::InsertSliceOp>(i.op);
  FailureOr<SliceRange> range = findRange(op, i, m, m.operand(i, 1).tensor, 2);
  if (failed(range))
    return failure();
  Tensor source = m.operand(i, 0).tensor;
  int64_t count = 1;
  for (int64_t size : range->sizes)
    count *= size;
  if (count != source.size())
    return m.fail("tensor.insert_slice of " + describe(source.getElementType(), source.getShape()) +
                  " where another number of elements is written");
  Tensor target = m.take(i, 1);
  forEachIndex(range->sizes, [&](ArrayRef<int64_t> index, int64_t place) {
    target.copyElement(placeInSlice(*range, target, index), source, place);
  });
  m.result(i).tensor = std::move(target);
  return m.spend(source.size());
}

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

static LogicalResult runFor(const Instruction &i, Machine &m) {
  const Program &body = i.regions.front();
  int64_t upper = m.operand(i, 1).integer, step = m.operand(i, 2).integer;
  if (step <= 0)
    return m.fail("scf.for with a step of " + llvm::Twine(step));
  for (unsigned k = 3; k < i.operands.size(); ++k) {
    bool isTensor = bool(m.operand(i, k).tensor);
    Cell value = isTensor ? Cell{0, 0, m.take(i, k)} : m.operand(i, k);
    m.cell(body.arguments[k - 2]) = std::move(value);
  }
  for (int64_t n = m.operand(i, 0).integer; n < upper; n += step) {
    m.cell(body.arguments[0]).integer = n;
    if (failed(m.spend(1 + int64_t(body.instructions.size()))) || failed(m.execute(body)))
      return failure();
    SmallVector<Cell> next;
    for (unsigned cell : body.yielded)
      next.push_back(m.cell(cell));
    // What is carried lives in the arguments alone, so that the body may change it in place.
    for (unsigned cell : body.yielded)
      m.cell(cell).tensor = {};
    for (auto [k, value] : llvm::enumerate(next))
      m.cell(body.arguments[k + 1]) = std::move(value);
  }
  for (unsigned k = 0; k < i.results.size(); ++k)
    m.result(i, k) = std::exchange(m.cell(body.arguments[k + 1]), {});
  return success();
}

static LogicalResult runIf(const Instruction &i, Machine &m) {
  const Program &chosen = i.regions[m.operand(i, 0).integer ? 0 : 1];
  if (failed(m.execute(chosen)))
    return failure();
  for (auto [k, cell] : llvm::enumerate(chosen.yielded))
    m.result(i, k) = m.cell(cell);
  return success();
}

void reference::addTensorRules(RuleTable &t) {
  t[TypeID::get<tensor::ExtractOp>()] = extract;
  t[TypeID::get<tensor::InsertOp>()] = insert;
  t[TypeID::get<tensor::EmptyOp>()] = makeEmpty;
  t[TypeID::get<tensor::DimOp>()] = readDim;
  t[TypeID::get<tensor::ExtractSliceOp>()] = extractSlice;
  t[TypeID::get<tensor::InsertSliceOp>()] = insertSlice;
  t[TypeID::get<scf::ForOp>()] = runFor;
  t[TypeID::get<scf::IfOp>()] = runIf;
}
