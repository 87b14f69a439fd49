//===- OpsReduce.cpp - Reductions
//------------------------------------------------------------------===//

#include "frontends/onnx/Importer.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::ReduceKind;

/// The axes: an input in newer versions, an attribute in older ones; all axes when absent.
static LogicalResult readAxes(Node &node, int64_t inputSince, SmallVectorImpl<int64_t> &axes,
                              bool &isNothing) {
  int64_t rank = node.type(0).rank();
  isNothing = false;
  if (node.opset >= inputSince && node.input(1)) {
    if (failed(node.constantInts(1, "the list of axes", axes)))
      return failure();
  } else if (auto listed = node.getInts("axes")) {
    axes.assign(listed->begin(), listed->end());
  }
  if (axes.empty()) {
    isNothing = node.getInt("noop_with_empty_axes", 0);
    if (!isNothing)
      llvm::append_range(axes, llvm::seq<int64_t>(0, rank));
  }
  return node.normalizeAxes(axes, rank);
}

using Before = Value (*)(Node &, Value);
using After = Value (*)(Node &, Value);

static Value unchanged(Node &, Value x) { return x; }

template <ReduceKind kind, int64_t inputSince, Before before = unchanged, After after = unchanged>
static LogicalResult reduce(Node &node) {
  SmallVector<int64_t> axes;
  bool isNothing;
  if (failed(readAxes(node, inputSince, axes, isNothing)))
    return failure();
  Value x = node.input(0);
  if (isNothing) {
    node.setOutput(x);
    return success();
  }
  // Of bools, the largest is whether any is true.
  bool isBool = node.type(0).getElementType().isInteger(1);
  bool isOrder = kind == ReduceKind::max || kind == ReduceKind::min;
  if (isBool && !isOrder)
    return node.error("takes numbers, found bools");
  ReduceKind own = !isBool ? kind : kind == ReduceKind::max ? ReduceKind::or_ : ReduceKind::and_;
  // What is defined on real numbers is computed in them.
  Type element = node.type(0).getElementType();
  Value numbers = after == unchanged ? x : node.convert(x, floatFor(element));
  Value result = node.reduce(own, before(node, numbers), axes);
  result = node.convert(after(node, result), element);
  node.setOutput(node.getInt("keepdims", 1) ? node.keepDims(result, x, axes) : result);
  return success();
}

template <typename OpType> static LogicalResult compositeReduce(Node &node) {
  SmallVector<int64_t> axes;
  bool isNothing;
  if (failed(readAxes(node, 18, axes, isNothing)))
    return failure();
  Value x = node.input(0);
  if (isNothing) {
    node.setOutput(x);
    return success();
  }
  DimList kept;
  for (int64_t i = 0; i < node.type(0).rank(); ++i)
    if (!llvm::is_contained(axes, i))
      kept.push_back(node.type(0).getDim(i));
  Type element = node.type(0).getElementType(), real = floatFor(element);
  Value result =
      node.create<OpType>(graph::TensorType::get(kept, real), node.convert(x, real), axes);
  result = node.convert(result, element);
  node.setOutput(node.getInt("keepdims", 1) ? node.keepDims(result, x, axes) : result);
  return success();
}

static Value absolute(Node &node, Value x) { return node.create<graph::AbsOp>(x); }
static Value squared(Node &node, Value x) { return node.mul(x, x); }
static Value root(Node &node, Value x) { return node.create<graph::SqrtOp>(x); }
static Value logarithm(Node &node, Value x) { return node.create<graph::LogOp>(x); }

template <graph::ArgReduceKind kind> static LogicalResult argReduce(Node &node) {
  int64_t axis = node.getInt("axis", 0);
  if (failed(node.normalizeAxis(axis, node.type(0).rank())))
    return failure();
  DimList dims(node.type(0).getDims());
  dims.erase(dims.begin() + axis);
  Builder &b = node.getBuilder();
  Type si64 = IntegerType::get(b.getContext(), 64, IntegerType::Signed);
  Value result =
      node.create<graph::ArgReduceOp>(graph::TensorType::get(dims, si64), kind, node.input(0), axis,
                                      bool(node.getInt("select_last_index", 0)));
  node.setOutput(node.getInt("keepdims", 1) ? node.keepDims(result, node.input(0), axis) : result);
  return success();
}

ArrayRef<Operator> tessera::onnx::reduceOperators() {
  static const Operator table[] = {
      {"ArgMax", 1, argReduce<graph::ArgReduceKind::max>},
      {"ArgMin", 1, argReduce<graph::ArgReduceKind::min>},
      {"ReduceL1", 1, reduce<ReduceKind::sum, 18, absolute>},
      {"ReduceL2", 1, reduce<ReduceKind::sum, 18, squared, root>},
      {"ReduceLogSum", 1, reduce<ReduceKind::sum, 18, unchanged, logarithm>},
      {"ReduceLogSumExp", 1, compositeReduce<graph::LogSumExpOp>},
      {"ReduceMax", 1, reduce<ReduceKind::max, 18>},
      {"ReduceMean", 1, compositeReduce<graph::MeanOp>},
      {"ReduceMin", 1, reduce<ReduceKind::min, 18>},
      {"ReduceProd", 1, reduce<ReduceKind::prod, 18>},
      {"ReduceSum", 1, reduce<ReduceKind::sum, 13>},
      {"ReduceSumSquare", 1, reduce<ReduceKind::sum, 18, squared>},
  };
  return table;
}
