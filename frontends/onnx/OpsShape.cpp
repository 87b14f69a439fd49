//===- OpsShape.cpp - Shapes and movement
//------------------------------------------------------===//

#include "frontends/onnx/Strings.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

//===----------------------------------------------------------------------===//
// Constants and shapes
//===----------------------------------------------------------------------===//

static LogicalResult importConstant(Node &node) {
  MLIRContext *context = node.getBuilder().getContext();
  if (const ::onnx::AttributeProto *value = node.attribute("value")) {
    Value constant = importTensor(node, value->t(), node.proto.output(0));
    if (!constant)
      return failure();
    node.setOutput(constant);
    return success();
  }
  Type f32 = Float32Type::get(context);
  Type si64 = IntegerType::get(context, 64, IntegerType::Signed);
  auto dense = [&](ArrayRef<int64_t> shape, Type element, ArrayRef<Attribute> values) {
    auto type = graph::TensorType::get(shape, element);
    node.setOutput(node.create<graph::ConstantOp>(
        type, DenseElementsAttr::get(llvm::cast<ShapedType>(type), values)));
    return success();
  };
  if (const auto *a = node.attribute("value_float"))
    return dense({}, f32, {FloatAttr::get(f32, a->f())});
  if (const auto *a = node.attribute("value_int"))
    return dense({}, si64, {IntegerAttr::get(si64, a->i())});
  SmallVector<Attribute> values;
  if (const auto *a = node.attribute("value_floats")) {
    for (float value : a->floats())
      values.push_back(FloatAttr::get(f32, value));
    return dense({a->floats_size()}, f32, values);
  }
  if (const auto *a = node.attribute("value_ints")) {
    for (int64_t value : a->ints())
      values.push_back(IntegerAttr::get(si64, value));
    return dense({a->ints_size()}, si64, values);
  }
  SmallVector<StringRef> strings;
  if (const auto *a = node.attribute("value_strings"))
    strings.append(a->strings().begin(), a->strings().end());
  else if (const auto *a = node.attribute("value_string"))
    strings.push_back(a->s());
  else
    return node.error("has no value of a supported kind");
  DimList all;
  if (node.attribute("value_strings"))
    all.push_back(node.dim(int64_t(strings.size())));
  Value rows = constantRows(node, strings, "value_strings");
  if (!rows)
    return failure();
  node.setOutput(stringsOf(node, rows, all));
  return success();
}

static LogicalResult importConstantOfShape(Node &node) {
  DimList dims;
  if (failed(node.sizesOf(0, "the shape", dims)))
    return failure();
  Value scalar;
  if (const ::onnx::AttributeProto *value = node.attribute("value")) {
    Value constant = importTensor(node, value->t(), "value");
    if (!constant)
      return failure();
    if (isStructure(constant))
      return node.error("fills a shape with strings, which is not supported");
    scalar = node.reshape(constant, {});
  } else {
    scalar = node.scalar(node.getBuilder().getF32Type(), 0);
  }
  node.setOutput(node.broadcast(scalar, {}, dims));
  return success();
}

static LogicalResult importShape(Node &node) {
  int64_t rank = node.type(0).rank();
  int64_t start = node.getInt("start", 0), end = node.getInt("end", rank);
  auto clamp = [&](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank); };
  start = clamp(start);
  end = std::max(clamp(end), start);
  node.setOutput(node.extents(node.type(0).getDims().slice(start, end - start)));
  return success();
}

static LogicalResult importSize(Node &node) {
  DimExpr count = graph::multiplyDims(node.getBuilder().getContext(), node.type(0).getDims());
  if (!count)
    return node.error("the number of elements overflows");
  node.setOutput(node.create<graph::DimValueOp>(count.get()));
  return success();
}

static LogicalResult importReshape(Node &node) {
  DimList wanted;
  if (node.opset < 5)
    wanted = graph::getDims(node.getBuilder().getContext(),
                            node.getInts("shape").value_or(SmallVector<int64_t>()));
  else if (failed(node.needInputs(2)) || failed(readReshape(node, wanted)))
    return failure();
  graph::TensorType type = node.type(0);
  bool zeroIsZero = node.getInt("allowzero", 0);
  DimExpr known = node.dim(1);
  int64_t open = -1;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i].getConstant() == 0 && !zeroIsZero) {
      if (int64_t(i) >= type.rank())
        return node.error("keeps extent " + Twine(i) + " of an input of rank " +
                          Twine(type.rank()));
      wanted[i] = type.getDim(i);
    }
    if (wanted[i].getConstant() == -1) {
      if (open >= 0)
        return node.error("leaves two extents open");
      open = i;
    } else {
      known = known * DimExpr(wanted[i]);
    }
  }
  if (open >= 0) {
    DimExpr all = graph::multiplyDims(node.getBuilder().getContext(), type.getDims());
    DimExpr quotient = all && known ? graph::divideExactly(all, known) : DimExpr();
    if (!quotient && all && known)
      quotient = all.floorDiv(known);
    if (!quotient)
      return node.error("its extents overflow");
    wanted[open] = quotient;
  }
  node.setOutput(node.reshape(node.input(0), wanted));
  return success();
}

static LogicalResult importFlatten(Node &node) {
  int64_t rank = node.type(0).rank(), axis = node.getInt("axis", 1);
  if (axis != rank && failed(node.normalizeAxis(axis, rank)))
    return failure();
  MLIRContext *context = node.getBuilder().getContext();
  DimExpr rows = graph::multiplyDims(context, node.type(0).getDims().take_front(axis));
  DimExpr columns = graph::multiplyDims(context, node.type(0).getDims().drop_front(axis));
  node.setOutput(node.reshape(node.input(0), {node.known(rows), node.known(columns)}));
  return success();
}

static LogicalResult readAxes(Node &node, SmallVectorImpl<int64_t> &axes, bool &isGiven) {
  isGiven = true;
  if (node.opset >= 13 && node.input(1))
    return node.constantInts(1, "the list of axes", axes);
  auto listed = node.getInts("axes");
  isGiven = listed.has_value();
  if (listed)
    axes.assign(listed->begin(), listed->end());
  return success();
}

static LogicalResult importSqueeze(Node &node) {
  SmallVector<int64_t> axes;
  bool isGiven;
  int64_t rank = node.type(0).rank();
  if (failed(readAxes(node, axes, isGiven)) || failed(node.normalizeAxes(axes, rank)))
    return failure();
  DimList dims;
  SmallVector<int64_t> mayBeDropped;
  for (int64_t i = 0; i < rank; ++i) {
    DimAttr dim = node.type(0).getDim(i);
    bool drop = isGiven ? llvm::is_contained(axes, i) : dim.getConstant() == 1;
    if (drop && dim.isConstant() && dim.getValue() != 1)
      return node.error("drops an axis of extent " + dim.str());
    if (drop)
      continue;
    if (!isGiven && !dim.isConstant())
      mayBeDropped.push_back(int64_t(dims.size()));
    dims.push_back(dim);
  }
  if (mayBeDropped.empty()) {
    node.setOutput(node.reshape(node.input(0), dims));
    return success();
  }
  // A value of its own, also where it has the input's type.
  Value squeezed = node.create<graph::ReshapeOp>(node.type(0).withDims(dims), node.input(0));
  squeezed.getDefiningOp()->setAttr("graph.squeezed",
                                    node.getBuilder().getDenseI64ArrayAttr(mayBeDropped));
  node.setOutput(squeezed);
  return success();
}

static LogicalResult importUnsqueeze(Node &node) {
  SmallVector<int64_t> axes;
  bool isGiven;
  if (failed(readAxes(node, axes, isGiven)))
    return failure();
  if (!isGiven)
    return node.error("has no axes");
  int64_t rank = node.type(0).rank() + axes.size();
  if (failed(node.normalizeAxes(axes, rank)))
    return failure();
  DimList dims(node.type(0).getDims());
  for (int64_t axis : axes)
    dims.insert(dims.begin() + axis, node.dim(1));
  node.setOutput(node.reshape(node.input(0), dims));
  return success();
}

static LogicalResult importExpand(Node &node) {
  DimList wanted, dims;
  if (failed(node.needInputs(2)) || failed(readExpand(node, wanted)) ||
      failed(node.broadcastDims(node.type(0).getDims(), wanted, dims)))
    return failure();
  node.setOutput(node.broadcastTo(node.input(0), dims));
  return success();
}

//===----------------------------------------------------------------------===//
// Movement
//===----------------------------------------------------------------------===//

static LogicalResult importTranspose(Node &node) {
  int64_t rank = node.type(0).rank();
  auto perm = node.getInts("perm");
  SmallVector<int64_t> order =
      perm ? *perm : llvm::to_vector(llvm::reverse(llvm::seq<int64_t>(0, rank)));
  SmallVector<int64_t> sorted(order);
  llvm::sort(sorted);
  if (!llvm::equal(sorted, llvm::seq<int64_t>(0, rank)))
    return node.error("perm is no permutation of " + Twine(rank) + " axes");
  node.setOutput(node.transpose(node.input(0), order));
  return success();
}

static LogicalResult importConcat(Node &node) {
  int64_t axis = node.getInt("axis", node.opset < 4 ? 1 : 0);
  if (failed(node.needInputs(node.inputCount())) ||
      failed(node.normalizeAxis(axis, node.type(0).rank())))
    return failure();
  // Extents outside the axis that cannot be compared are taken to be equal.
  SmallVector<Value> values;
  for (Value value : node.inputs) {
    DimList dims(node.type(0).getDims());
    if (graph::getTensorType(value).rank() != node.type(0).rank())
      return node.error("its inputs have different ranks");
    dims[axis] = graph::getTensorType(value).getDim(axis);
    values.push_back(node.reshape(value, dims));
  }
  node.setOutput(node.create<graph::ConcatOp>(values, axis));
  return success();
}

static LogicalResult importGather(Node &node) {
  int64_t axis = node.getInt("axis", 0);
  if (failed(node.needInputs(2)) || failed(node.normalizeAxis(axis, node.type(0).rank())))
    return failure();
  node.setOutput(node.create<graph::GatherOp>(node.input(0), node.input(1), axis));
  return success();
}

/// One axis of a slice.
static LogicalResult sliceAxis(Node &node, Value &x, int64_t axis, DimExpr start, DimExpr end,
                               int64_t step) {
  graph::TensorType type = graph::getTensorType(x);
  DimExpr extent = type.getDim(axis), zero = node.dim(0);
  if (step < 0) {
    // Backwards: reverse the axis, then forwards from the mirrored start.
    x = node.create<graph::ReverseOp>(x, ArrayRef<int64_t>{axis});
    auto mirror = [&](DimExpr at) -> DimExpr {
      std::optional<int64_t> constant = at.get().getConstant();
      if (constant && *constant < 0) // Counted from the end; a huge one means before the first.
        return *constant < INT32_MIN ? extent : DimExpr(node.dim(-1 - *constant));
      if (constant && *constant > INT32_MAX)
        return zero;
      return extent - 1 - at;
    };
    start = DimExpr::max(mirror(start), zero);
    end = mirror(end);
    step = -step;
  } else {
    auto resolve = [&](DimExpr at) -> DimExpr {
      std::optional<int64_t> constant = at.get().getConstant();
      if (constant && *constant >= INT32_MAX)
        return extent;
      return constant && *constant < 0 ? DimExpr::max(extent + at, zero) : at;
    };
    start = resolve(start);
    end = resolve(end);
  }
  // Inside [0, extent], where it is not known to be.
  start = DimExpr::min(start, extent);
  end = DimExpr::min(end, extent);
  DimExpr count = DimExpr::max((end - start).ceilDiv(step), zero);
  if (!count)
    return node.error("its extents overflow");
  DimList starts(type.rank(), zero), steps(type.rank(), node.dim(1)), dims(type.getDims());
  starts[axis] = start;
  steps[axis] = node.dim(step);
  dims[axis] = count;
  x = node.create<graph::SliceOp>(x, starts, steps, dims);
  return success();
}

namespace {
/// base + offset
struct Sum {
  Value base;
  int64_t offset = 0;
};
} // namespace

/// What a single integer adds to another one. Sums wrap around, which makes slices shorter.
static Sum sumOf(ShapeScalars &scalars, Value x) {
  constexpr int kMaxDepth = 100; // Hostile chains take no time of a square.
  Sum sum{x};
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    Operation *op = sum.base.getDefiningOp();
    if (llvm::isa_and_nonnull<graph::ReshapeOp, graph::BroadcastOp>(op)) {
      if (!llvm::all_of(graph::getTensorType(op->getOperand(0)).getDims(),
                        [](DimAttr dim) { return dim.getConstant() == 1; }))
        break;
      sum.base = op->getOperand(0);
      continue;
    }
    if (!llvm::isa_and_nonnull<graph::AddOp>(op))
      break;
    bool isFound = false;
    for (unsigned i = 0; i < 2 && !isFound; ++i) {
      DimAttr known = scalars.known(op->getOperand(i), 0);
      if (!known || !known.isConstant() || !llvm::isInt<31>(known.getValue()))
        continue;
      sum.offset += known.getValue();
      sum.base = op->getOperand(1 - i);
      isFound = true;
    }
    if (!isFound)
      break;
  }
  return sum;
}

/// x - y of two lists of one integer.
static std::optional<int64_t> knownDifference(ShapeScalars &scalars, Value x, Value y) {
  Sum a = sumOf(scalars, x), b = sumOf(scalars, y);
  if (a.base != b.base)
    return std::nullopt;
  return a.offset - b.offset;
}

/// The lists of a slice have one length: what is open in one is known of another, or is 1 where
/// there cannot be more. A run checks it.
static bool takesSliceLength(Node &node, size_t list) {
  if (node.type(list).hasStaticShape())
    return true;
  for (size_t other = 1; other <= 4; ++other)
    if (node.input(other) && node.type(other).rank() == 1 && node.type(other).hasStaticShape())
      return node.takesDims(list, node.type(other).getDims());
  const DimAttr one = node.dim(1);
  return graph::isKnownLessEqual(node.type(list).getDim(0), one) && node.takesDims(list, {one});
}

static LogicalResult importSlice(Node &node) {
  DimList starts, ends;
  SmallVector<int64_t> axes, steps;
  auto constants = [&](const SmallVector<int64_t> &values) {
    return graph::getDims(node.getBuilder().getContext(), values);
  };
  if (node.opset < 10) {
    auto from = node.getInts("starts"), to = node.getInts("ends"), along = node.getInts("axes");
    if (!from || !to)
      return node.error("has no starts or ends");
    starts = constants(*from);
    ends = constants(*to);
    if (along)
      axes = *along;
  } else {
    if (!node.input(1) || !node.input(2))
      return node.error("has no starts or ends");
    ShapeScalars scalars(node);
    for (auto [input, list] : {std::pair(1, &starts), std::pair(2, &ends)}) {
      if (node.type(input).rank() != 1 || !takesSliceLength(node, input))
        return node.error("slices a number of axes that depends on data");
      if (node.type(input).getDim(0).getValue() > node.type(0).rank())
        return node.error("slices more axes than its input has");
      for (int64_t k = 0, e = node.type(input).getDim(0).getValue(); k < e; ++k)
        list->push_back(scalars.known(node.input(input), k));
    }
    if (node.input(3) && failed(node.constantInts(3, "the list of axes", axes)))
      return failure();
    if (node.input(4) && failed(node.constantInts(4, "the list of steps", steps)))
      return failure();
  }
  if (axes.empty())
    axes = llvm::to_vector(llvm::seq<int64_t>(0, starts.size()));
  if (steps.empty())
    steps.assign(starts.size(), 1);
  if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size())
    return node.error("its lists have different lengths");
  Value x = node.input(0);
  for (size_t i = 0; i < starts.size(); ++i) {
    if (steps[i] == 0 || steps[i] == INT64_MIN)
      return node.error("has a step of " + Twine(steps[i]));
    if (failed(node.normalizeAxis(axes[i], node.type(0).rank())))
      return failure();
    if (starts[i] && ends[i]) {
      if (failed(sliceAxis(node, x, axes[i], starts[i], ends[i], steps[i])))
        return failure();
      continue;
    }
    ShapeScalars scalars(node);
    auto place = [&](size_t input, DimAttr known) {
      return known ? scalars.number(known) : scalars.element(node.input(input), i);
    };
    std::optional<int64_t> length;
    if (starts.size() == 1)
      length = knownDifference(scalars, node.input(2), node.input(1));
    if (failed(sliceByData(node, x, axes[i], place(1, starts[i]), place(2, ends[i]), steps[i],
                           length)))
      return failure();
  }
  node.setOutput(x);
  return success();
}

static LogicalResult importSplit(Node &node) {
  int64_t axis = node.getInt("axis", 0), count = node.proto.output_size();
  graph::TensorType type = node.type(0);
  if (failed(node.normalizeAxis(axis, type.rank())))
    return failure();
  DimList sizes;
  if (node.opset >= 13 && node.input(1)) {
    if (failed(node.sizesOf(1, "the list of sizes", sizes)))
      return failure();
  } else if (auto listed = node.getInts("split")) {
    sizes = graph::getDims(node.getBuilder().getContext(), *listed);
  }
  Value x = node.input(0);
  if (!sizes.empty()) {
    if (int64_t(sizes.size()) != count)
      return node.error("has " + Twine(count) + " outputs and " + Twine(sizes.size()) + " sizes");
    DimExpr sum = node.dim(0);
    for (DimAttr size : sizes)
      sum = sum + DimExpr(size);
    DimAttr whole = type.getDim(axis), all = node.known(sum);
    if (whole.isConstant() && all.isConstant() && whole != all)
      return node.error("splits " + whole.str() + " elements in parts of " + all.str());
    // Where that cannot be compared it is checked when the model runs.
    DimList dims(type.getDims());
    dims[axis] = all;
    x = node.reshape(x, dims);
  }
  DimExpr start = node.dim(0);
  for (int64_t i = 0; i < count; ++i) {
    DimExpr size = DimExpr(type.getDim(axis)).ceilDiv(count);
    if (i + 1 == count && sizes.empty())
      size = DimExpr(type.getDim(axis)) - start;
    if (!sizes.empty())
      size = sizes[i];
    if (!start || !size)
      return node.error("its extents overflow");
    DimList starts(type.rank(), node.dim(0)), steps(type.rank(), node.dim(1)), dims(type.getDims());
    starts[axis] = start;
    dims[axis] = size;
    node.setOutput(node.create<graph::SliceOp>(x, starts, steps, node.valid(dims)));
    start = start + size;
  }
  return success();
}

ArrayRef<Operator> tessera::onnx::shapeOperators() {
  static const Operator table[] = {
      {"Concat", 1, importConcat},
      {"Constant", 1, importConstant},
      {"ConstantOfShape", 9, importConstantOfShape},
      {"Expand", 8, importExpand},
      {"Flatten", 1, importFlatten},
      {"Gather", 1, importGather},
      {"Reshape", 1, importReshape},
      {"Shape", 1, importShape},
      {"Size", 1, importSize},
      {"Slice", 1, importSlice},
      {"Split", 2, importSplit},
      {"Squeeze", 1, importSqueeze},
      {"Transpose", 1, importTranspose},
      {"Unsqueeze", 1, importUnsqueeze},
  };
  return table;
}
