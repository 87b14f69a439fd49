//===- OpsData.cpp - Shapes that depend on data
//-------------------------------------------------===//
//
// Where a model computes an extent from data, the scalar is bound to a new symbol (graph.bind_dim),
// and everything behind it goes on as with any other symbol.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/DataShapes.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;
using graph::CompareKind;

//===----------------------------------------------------------------------===//
// Scalars
//===----------------------------------------------------------------------===//

static Type si64(Node &node) {
  return IntegerType::get(node.getBuilder().getContext(), 64, IntegerType::Signed);
}

Value ShapeScalars::number(int64_t value) {
  auto type = llvm::cast<ShapedType>(Type(TensorType::getScalar(si64(node))));
  return node.create<graph::ConstantOp>(TensorType::getScalar(si64(node)),
                                        DenseElementsAttr::get(type, value));
}
Value ShapeScalars::number(DimAttr dim) {
  dim = node.known(dim);
  return dim.isConstant() ? number(dim.getValue()) : node.create<graph::DimValueOp>(dim);
}
Value ShapeScalars::select(Value condition, Value x, Value y) {
  return node.create<graph::SelectOp>(condition, x, y);
}
Value ShapeScalars::isEqual(Value x, int64_t value) {
  return node.compare(CompareKind::eq, x, number(value));
}
Value ShapeScalars::isNegative(Value x) { return node.compare(CompareKind::lt, x, number(0)); }
Value ShapeScalars::clamp(Value x, Value low, Value high) {
  return node.max(node.min(x, high), low);
}

/// Element k of a list of integers, as an si64 scalar.
Value ShapeScalars::element(Value list, int64_t k) {
  graph::TensorType type = graph::getTensorType(list);
  Value one = list;
  if (type.rank() == 1 && type.getDim(0).getConstant() != 1)
    one = node.create<graph::SliceOp>(list, DimList{node.dim(k)}, DimList{node.dim(1)},
                                      DimList{node.dim(1)});
  return node.convert(node.reshape(one, {}), si64(node));
}

/// The value of an element when it follows from extents; null when it depends on data. Sees through
/// lists that are put together of both.
DimAttr ShapeScalars::known(Value list, int64_t k, int depth) {
  constexpr int kMaxDepth = 200; // Hostile chains stay off the stack.
  if (depth > kMaxDepth)
    return {};
  if (DimAttr bound = node.importer.lookupBound(list, k))
    return bound;
  if (std::optional<DimList> contents = graph::getShapeContents(list))
    return (*contents)[k];
  Operation *op = list.getDefiningOp();
  graph::TensorType type = graph::getTensorType(list);
  if (auto concat = llvm::dyn_cast_or_null<graph::ConcatOp>(op)) {
    for (Value part : concat.getInputs()) {
      DimAttr extent = graph::getTensorType(part).getDim(0);
      if (graph::getTensorType(part).rank() != 1 || !extent.isConstant())
        return {};
      if (k < extent.getValue())
        return known(part, k, depth + 1);
      k -= extent.getValue();
    }
  }
  if (llvm::isa_and_nonnull<graph::ReshapeOp>(op) &&
      graph::getTensorType(op->getOperand(0)).rank() <= 1)
    return known(op->getOperand(0), k, depth + 1);
  if (auto convert = llvm::dyn_cast_or_null<graph::ConvertOp>(op))
    return knownBefore(convert, k, depth + 1);
  if (auto slice = llvm::dyn_cast_or_null<graph::SliceOp>(op); slice && type.rank() == 1) {
    std::optional<int64_t> start = slice.getStarts()[0].getConstant(),
                           step = slice.getSteps()[0].getConstant();
    return start && step ? known(slice.getX(), *start + k * *step, depth + 1) : DimAttr();
  }
  return {};
}

/// What integers of any width hold alike.
DimAttr ShapeScalars::knownBefore(graph::ConvertOp convert, int64_t k, int depth) {
  auto from = llvm::dyn_cast<IntegerType>(graph::getTensorType(convert.getX()).getElementType());
  auto to = llvm::dyn_cast<IntegerType>(convert.getType().getElementType());
  if (!from || !to || from.getWidth() < 32 || to.getWidth() < 32)
    return {};
  DimAttr dim = known(convert.getX(), k, depth);
  std::optional<int64_t> value = dim ? dim.getConstant() : std::nullopt;
  return value && llvm::isInt<31>(*value) ? dim : DimAttr();
}

DimAttr ShapeScalars::bind(Value scalar, StringRef what) {
  return node.importer.bindDim(node, scalar, what);
}

//===----------------------------------------------------------------------===//
// Lists of extents
//===----------------------------------------------------------------------===//

/// A list of extents that are data: each becomes a symbol.
static LogicalResult checkLength(Node &node, graph::TensorType list) {
  int64_t count = list.rank() ? list.getDim(0).getValue() : 1;
  return count <= int64_t(kMaxSequence)
             ? success()
             : node.error("takes a list of " + Twine(count) + " extents, more than " +
                          Twine(kMaxSequence) + " (kMaxSequence)");
}

LogicalResult Node::extentsOf(size_t i, StringRef what, DimList &dims) {
  if (!input(i))
    return error(what + " is absent");
  graph::TensorType type = this->type(i);
  bool isList = type.rank() <= 1 && isInteger(type.getElementType());
  dims.clear();
  if (std::optional<DimList> contents = graph::getShapeContents(input(i))) {
    dims = *contents;
    return success();
  }
  if (!isList || !type.hasStaticShape())
    return error(what + " is no list of integers of a length that is known when compiling");
  if (failed(checkLength(*this, type)))
    return failure();
  ShapeScalars scalars(*this);
  for (int64_t k = 0, e = type.rank() ? type.getDim(0).getValue() : 1; k < e; ++k) {
    DimAttr dim = scalars.known(input(i), k);
    if (!dim) {
      dim = scalars.bind(scalars.element(input(i), k), (what + " [" + Twine(k) + "]").str());
      importer.noteBound(input(i), k, dim);
    }
    dims.push_back(dim);
  }
  return success();
}

/// Elements of 0 keep the extent, one of -1 takes what is left; both may be found out only when the
/// model runs.
bool tessera::onnx::dependsOnBody(ArrayRef<DimAttr> dims, Block &body) {
  bool isInside = false;
  for (DimAttr dim : dims)
    graph::walkDimSymbols(dim, [&](StringRef symbol) {
      body.walk([&](graph::BindDimOp bind) { isInside |= bind.getSymbol() == symbol; });
    });
  return isInside;
}

bool tessera::onnx::drawsNumbers(Block &body) {
  return body.walk([](graph::WriteVariableOp) { return WalkResult::interrupt(); }).wasInterrupted();
}

bool tessera::onnx::mayBe(ArrayRef<DimAttr> dims, ArrayRef<DimAttr> wanted) {
  return dims.size() == wanted.size() && llvm::none_of(llvm::zip(dims, wanted), [](auto pair) {
           return graph::isKnownDifferent(std::get<0>(pair), std::get<1>(pair));
         });
}

LogicalResult tessera::onnx::readReshape(Node &node, DimList &dims) {
  graph::TensorType type = node.type(0), list = node.type(1);
  if (list.rank() != 1 || !list.hasStaticShape())
    return node.error("reshapes to a rank that depends on data");
  if (failed(checkLength(node, list)))
    return failure();
  ShapeScalars s(node);
  bool zeroIsZero = node.getInt("allowzero", 0);
  int64_t count = list.getDim(0).getValue();
  SmallVector<Value> values(count);
  dims.assign(count, DimAttr());
  bool hasOpen = false;
  for (int64_t k = 0; k < count; ++k) {
    dims[k] = s.known(node.input(1), k);
    if (dims[k] && dims[k].getConstant() == -1)
      hasOpen = true;
    if (dims[k])
      continue;
    values[k] = s.element(node.input(1), k);
    if (!zeroIsZero && k < type.rank())
      values[k] = s.select(s.isEqual(values[k], 0), s.number(type.getDim(k)), values[k]);
  }
  if (!hasOpen) {
    // Which one is -1, if any, is data too.
    Value rest = s.number(1);
    for (int64_t k = 0; k < count; ++k) {
      DimAttr dim = dims[k];
      if (dim && dim.getConstant() == 0 && !zeroIsZero && k < type.rank())
        dim = type.getDim(k);
      rest = node.mul(rest, dim ? s.number(dim)
                                : s.select(s.isEqual(values[k], -1), s.number(1), values[k]));
    }
    DimExpr all = graph::multiplyDims(node.getBuilder().getContext(), type.getDims());
    if (!all)
      return node.error("its extents overflow");
    Value left = node.div(s.number(all.get()), rest);
    for (Value &value : values)
      if (value)
        value = s.select(s.isEqual(value, -1), left, value);
  }
  for (int64_t k = 0; k < count; ++k)
    if (!dims[k])
      dims[k] = s.bind(values[k], ("extent " + Twine(k) + " of the shape").str());
  return success();
}

/// Extents of 1 stretch: also those that come out as 1 only when the model runs.
LogicalResult tessera::onnx::readExpand(Node &node, DimList &dims) {
  graph::TensorType type = node.type(0), list = node.type(1);
  if (list.rank() != 1 || !list.hasStaticShape())
    return node.error("expands to a rank that depends on data");
  if (failed(checkLength(node, list)))
    return failure();
  ShapeScalars s(node);
  int64_t count = list.getDim(0).getValue();
  for (int64_t k = 0; k < count; ++k) {
    DimAttr dim = s.known(node.input(1), k);
    if (!dim) {
      Value value = s.element(node.input(1), k);
      int64_t own = k + type.rank() - count;
      if (own >= 0)
        value = s.select(s.isEqual(value, 1), s.number(type.getDim(own)), value);
      dim = s.bind(value, ("extent " + Twine(k) + " of the shape").str());
    }
    dims.push_back(dim);
  }
  return success();
}

LogicalResult tessera::onnx::sliceByData(Node &node, Value &x, int64_t axis, Value start, Value end,
                                         int64_t step, std::optional<int64_t> length) {
  ShapeScalars s(node);
  DimAttr extentDim = graph::getTensorType(x).getDim(axis);
  Value extent = s.number(extentDim), zero = s.number(0), last = node.sub(extent, s.number(1));
  auto fromEnd = [&](Value at) { return s.select(s.isNegative(at), node.add(at, extent), at); };
  start = fromEnd(start);
  end = fromEnd(end);
  const bool isForward = step > 0;
  if (!isForward) {
    // Backwards: reverse the axis, then forwards between the mirrored places.
    x = node.create<graph::ReverseOp>(x, ArrayRef<int64_t>{axis});
    start = node.sub(last, s.clamp(start, s.number(-1), last));
    end = node.sub(last, s.clamp(end, s.number(-1), last));
    step = -step;
  }
  start = s.clamp(start, zero, extent);
  end = s.clamp(end, zero, extent);
  Value between = node.max(node.sub(end, start), zero);
  Value count = node.div(node.add(between, s.number(step - 1)), s.number(step));
  std::string which = " along axis " + std::to_string(axis);
  DimAttr first = s.bind(start, "the start of the slice" + which);
  DimAttr dim = s.bind(count, "the number of elements" + which);
  if (length && *length >= 0 && isForward)
    dim = node.known(
        DimExpr::min(dim, node.dim(llvm::divideCeil(uint64_t(*length), uint64_t(step)))));
  graph::TensorType type = graph::getTensorType(x);
  DimList starts(type.rank(), node.dim(0)), steps(type.rank(), node.dim(1)), dims(type.getDims());
  starts[axis] = first;
  steps[axis] = node.dim(step);
  dims[axis] = dim;
  x = node.create<graph::SliceOp>(x, starts, steps, dims);
  return success();
}

//===----------------------------------------------------------------------===//
// Operators
//===----------------------------------------------------------------------===//

static LogicalResult importRange(Node &node) {
  if (!node.input(1) || !node.input(2))
    return node.error("needs a start, a limit and a step");
  Value start = node.reshape(node.input(0), {}), limit = node.reshape(node.input(1), {});
  Value step = node.reshape(node.input(2), {});
  Type element = node.type(0).getElementType();
  ShapeScalars s(node);
  DimAttr first = graph::getShapeScalar(start), end = graph::getShapeScalar(limit);
  DimAttr by = graph::getShapeScalar(step);
  DimAttr count;
  if (first && end && by && by.isConstant() && by.getValue() != 0 && by.getValue() != INT64_MIN) {
    DimExpr length =
        by.getValue() > 0 ? DimExpr(end) - DimExpr(first) : DimExpr(first) - DimExpr(end);
    DimExpr number = DimExpr::max(length.ceilDiv(std::abs(by.getValue())), node.dim(0));
    if (!number)
      return node.error("its extents overflow");
    count = number;
  } else {
    Value number;
    if (isFloat(element)) {
      Value exact = node.div(node.sub(limit, start), step);
      number = node.convert(node.create<graph::CeilOp>(exact), si64(node));
    } else {
      // Rounded up whatever the signs: -floor(-length / step).
      Value length = node.sub(node.convert(start, si64(node)), node.convert(limit, si64(node)));
      Value wide = node.convert(step, si64(node));
      Value rest = node.create<graph::ModOp>(length, wide);
      number = node.sub(s.number(0), node.div(node.sub(length, rest), wide));
    }
    count = s.bind(node.max(number, s.number(0)), "the number of elements");
  }
  auto type = graph::TensorType::get({count}, element);
  Value index = node.create<graph::IotaOp>(type, 0);
  Value steps = node.mul(index, node.broadcast(step, {}, {count}));
  node.setOutput(node.add(node.broadcast(start, {}, {count}), steps));
  return success();
}

static LogicalResult importTile(Node &node) {
  DimList repeats;
  if (failed(node.needInputs(2)) || failed(node.sizesOf(1, "the list of repeats", repeats)))
    return failure();
  ArrayRef<DimAttr> own = node.type(0).getDims();
  if (repeats.size() != own.size())
    return node.error("has " + Twine(repeats.size()) + " repeats for rank " + Twine(own.size()));
  DimList apart, result;
  SmallVector<int64_t> places;
  for (size_t i = 0; i < own.size(); ++i) {
    DimExpr extent = DimExpr(own[i]) * DimExpr(repeats[i]);
    if (!extent)
      return node.error("its extents overflow");
    apart.append({repeats[i], own[i]});
    places.push_back(2 * i + 1);
    result.push_back(extent);
  }
  node.setOutput(node.reshape(node.broadcast(node.input(0), places, apart), result));
  return success();
}

ArrayRef<Operator> tessera::onnx::dataOperators() {
  static const Operator table[] = {
      {"Range", 11, importRange},
      {"Tile", 6, importTile},
  };
  return table;
}
