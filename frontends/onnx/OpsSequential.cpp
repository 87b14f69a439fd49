//===- OpsSequential.cpp - Cumulative sums, sorting, scattering and gathering by place, Scan
//-----===//

#include "frontends/onnx/CarriedStrings.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::ScatterKind;

//===----------------------------------------------------------------------===//
// CumSum, TopK
//===----------------------------------------------------------------------===//

template <graph::CumulativeKind kind> static LogicalResult cumulative(Node &node) {
  SmallVector<int64_t> axis;
  if (!node.input(1))
    return node.error("needs the axis as its second input");
  if (failed(node.constantInts(1, "the axis", axis)))
    return failure();
  if (axis.size() != 1)
    return node.error("has " + Twine(axis.size()) + " axes, expected one");
  if (failed(node.normalizeAxis(axis[0], node.type(0).rank())))
    return failure();
  node.setOutput(node.create<graph::CumulativeOp>(kind, node.input(0), axis[0],
                                                  bool(node.getInt("exclusive", 0)),
                                                  bool(node.getInt("reverse", 0))));
  return success();
}

static LogicalResult importTopK(Node &node) {
  int64_t axis = node.getInt("axis", -1);
  if (failed(node.normalizeAxis(axis, node.type(0).rank())))
    return failure();
  DimList k{node.dim(node.getInt("k", 0))};
  if (node.opset >= 10) {
    if (!node.input(1))
      return node.error("needs K as its second input");
    if (failed(node.extentsOf(1, "the number of elements", k)))
      return failure();
  }
  if (k.size() != 1)
    return node.error("has " + Twine(k.size()) + " values of K, expected one");
  if (graph::isKnownLess(node.type(0).getDim(axis), k[0]) || graph::isKnownLess(k[0], node.dim(0)))
    return node.error("asks for " + k[0].str() + " of " + node.type(0).getDim(axis).str() +
                      " elements");
  auto op = graph::TopKOp::create(node.getBuilder(), node.getLoc(), node.input(0), k[0], axis,
                                  !node.getInt("largest", 1));
  node.setOutput(op.getValues());
  node.setOutput(op.getIndices());
  return success();
}

//===----------------------------------------------------------------------===//
// Elements by place
//===----------------------------------------------------------------------===//

static Type si64(Node &node) {
  return IntegerType::get(node.getBuilder().getContext(), 64, IntegerType::Signed);
}

/// An extent at every element of a type of si64.
static Value extentAt(Node &node, DimAttr extent, graph::TensorType type) {
  if (extent.isConstant())
    return node.fill(type, extent.getValue());
  return node.broadcast(node.create<graph::DimValueOp>(extent), {}, type.getDims());
}

namespace {
/// Places in some leading dims of a tensor as places in all of them side by side. Negative indices
/// count from the end.
class Places {
public:
  Places(Node &node, graph::TensorType indices)
      : node(node), type(graph::TensorType::get(indices.getDims(), si64(node))) {}

  /// The place along the next dim is the index along dim `axis` of the indices themselves.
  void addOwn(DimAttr extent, int64_t axis) { add(extent, node.create<graph::IotaOp>(type, axis)); }

  void addIndex(DimAttr extent, Value index) {
    index = node.convert(index, si64(node));
    Value zero = node.fill(type, 0), length = extentAt(node, extent, type);
    Value isNegative = node.compare(graph::CompareKind::lt, index, zero);
    index = node.create<graph::SelectOp>(isNegative, node.add(index, length), index);
    Value inside = node.create<graph::AndOp>(node.compare(graph::CompareKind::ge, index, zero),
                                             node.compare(graph::CompareKind::lt, index, length));
    isInside = isInside ? node.create<graph::AndOp>(isInside, inside) : inside;
    add(extent, index);
  }

  /// All dims as one; what is outside in any of them is outside.
  Value get() {
    Value end = extentAt(node, getTotal(), type);
    return isInside ? node.create<graph::SelectOp>(isInside, place, end) : place;
  }
  DimAttr getTotal() { return node.known(total); }

private:
  void add(DimAttr extent, Value index) {
    place = place ? node.add(node.mul(place, extentAt(node, extent, type)), index) : index;
    total = total ? total * DimExpr(extent) : DimExpr(extent);
  }

  Node &node;
  graph::TensorType type;
  Value place, isInside;
  DimExpr total;
};
} // namespace

/// The leading dims that the places are in become one.
static Value joinLeading(Node &node, Value x, DimAttr total, size_t count) {
  DimList dims{total};
  llvm::append_range(dims, graph::getTensorType(x).getDims().drop_front(count));
  return node.reshape(x, dims);
}

/// ScatterElements and GatherElements: indices name places along the axis, the other dims are their
/// own.
static LogicalResult elementPlaces(Node &node, std::optional<Places> &places) {
  if (!node.input(1))
    return node.error("needs indices");
  int64_t axis = node.getInt("axis", 0), rank = node.type(0).rank();
  if (failed(node.normalizeAxis(axis, rank)))
    return failure();
  if (node.type(1).rank() != rank)
    return node.error("has indices of rank " + Twine(node.type(1).rank()) + ", expected " +
                      Twine(rank));
  places.emplace(node, node.type(1));
  for (int64_t d = 0; d < rank; ++d) {
    if (d == axis)
      places->addIndex(node.type(0).getDim(d), node.input(1));
    else
      places->addOwn(node.type(0).getDim(d), d);
  }
  return success();
}

static LogicalResult importGatherElements(Node &node) {
  std::optional<Places> places;
  if (failed(elementPlaces(node, places)))
    return failure();
  Value flat = joinLeading(node, node.input(0), places->getTotal(), node.type(0).rank());
  node.setOutput(node.create<graph::GatherOp>(flat, places->get(), 0));
  return success();
}

static LogicalResult readReduction(Node &node, ScatterKind &kind) {
  std::string name = node.getString("reduction", "none");
  auto known = name == "none" ? ScatterKind::replace : graph::symbolizeScatterKind(name);
  if (!known || name == "replace")
    return node.error("has reduction '" + name + "'");
  kind = *known;
  return success();
}

static void scatter(Node &node, ScatterKind kind, Places &places, size_t leading) {
  Value x = joinLeading(node, node.input(0), places.getTotal(), leading), updates = node.input(2);
  // A sum of bools is whether any is true, a product whether all are.
  const bool isBool = node.type(0).getElementType().isInteger(1) && kind != ScatterKind::replace;
  if (isBool) {
    kind = kind == ScatterKind::add   ? ScatterKind::max
           : kind == ScatterKind::mul ? ScatterKind::min
                                      : kind;
    x = bytesOfBools(node, x);
    updates = bytesOfBools(node, updates);
  }
  Value result = node.create<graph::ScatterOp>(kind, x, places.get(), updates, 0);
  result = node.reshape(result, node.type(0).getDims());
  node.setOutput(isBool ? boolsOfBytes(node, result) : result);
}

static LogicalResult importScatterElements(Node &node) {
  std::optional<Places> places;
  ScatterKind kind;
  if (failed(elementPlaces(node, places)) || failed(readReduction(node, kind)))
    return failure();
  if (!node.takesDims(2, node.type(1).getDims()))
    return node.error("needs updates of the shape of the indices");
  scatter(node, kind, *places, node.type(0).rank());
  return success();
}

/// ScatterND and GatherND: the last dim of the indices names a place in leading dims, after `batch`
/// dims that indices and data have in common.
static LogicalResult tuplePlaces(Node &node, int64_t batch, std::optional<Places> &places,
                                 size_t &leading) {
  if (!node.input(1) || node.type(1).rank() == 0)
    return node.error("needs indices of rank 1 or more");
  graph::TensorType indices = node.type(1), data = node.type(0);
  std::optional<int64_t> count = indices.getDims().back().getConstant();
  if (!count || *count < 1 || batch < 0 || batch >= indices.rank() || *count > data.rank() - batch)
    return node.error("has tuples of " + indices.getDims().back().str() +
                      " indices for data of rank " + Twine(data.rank()));
  DimList dims(indices.getDims().drop_back());
  graph::TensorType each = indices.withDims(dims);
  places.emplace(node, each);
  for (int64_t d = 0; d < batch; ++d)
    places->addOwn(data.getDim(d), d);
  for (int64_t k = 0; k < *count; ++k) {
    DimList starts(indices.rank(), node.dim(0)), steps(indices.rank(), node.dim(1)),
        one(indices.getDims());
    starts.back() = node.dim(k);
    one.back() = node.dim(1);
    Value column =
        node.reshape(node.create<graph::SliceOp>(node.input(1), starts, steps, one), dims);
    places->addIndex(data.getDim(batch + k), column);
  }
  leading = batch + *count;
  return success();
}

static LogicalResult importGatherND(Node &node) {
  std::optional<Places> places;
  size_t leading;
  if (failed(tuplePlaces(node, node.getInt("batch_dims", 0), places, leading)))
    return failure();
  Value x = joinLeading(node, node.input(0), places->getTotal(), leading);
  node.setOutput(node.create<graph::GatherOp>(x, places->get(), 0));
  return success();
}

static LogicalResult importScatterND(Node &node) {
  std::optional<Places> places;
  size_t leading;
  ScatterKind kind;
  if (failed(tuplePlaces(node, 0, places, leading)) || failed(readReduction(node, kind)))
    return failure();
  DimList expected(node.type(1).getDims().drop_back());
  llvm::append_range(expected, node.type(0).getDims().drop_front(leading));
  if (!node.takesDims(2, expected))
    return node.error(
        "needs updates of the indices' shape without the last extent, then the data's rest");
  scatter(node, kind, *places, leading);
  return success();
}

//===----------------------------------------------------------------------===//
// OneHot, Trilu
//===----------------------------------------------------------------------===//

static LogicalResult importOneHot(Node &node) {
  if (!node.input(1) || !node.input(2) || node.type(2).rank() != 1)
    return node.error("needs indices, depth and two values");
  int64_t axis = node.getInt("axis", -1), rank = node.type(0).rank() + 1;
  if (failed(node.normalizeAxis(axis, rank)))
    return failure();
  DimList depth;
  node.inputs[1] = node.convert(node.input(1), si64(node));
  if (failed(node.extentsOf(1, "the depth", depth)))
    return failure();
  if (depth.size() != 1 || graph::isKnownLess(depth[0], node.dim(1)))
    return node.error("needs one depth above 0");
  DimList dims(node.type(0).getDims());
  dims.insert(dims.begin() + axis, depth[0]);
  auto places = graph::TensorType::get(dims, si64(node));
  SmallVector<int64_t> at;
  for (int64_t d = 0; d < rank; ++d)
    if (d != axis)
      at.push_back(d);
  Value index = node.broadcast(node.convert(node.input(0), si64(node)), at, dims);
  Value isNegative = node.compare(graph::CompareKind::lt, index, node.fill(places, 0));
  index = node.create<graph::SelectOp>(isNegative,
                                       node.add(index, extentAt(node, depth[0], places)), index);
  Value isHot =
      node.compare(graph::CompareKind::eq, index, node.create<graph::IotaOp>(places, axis));
  auto value = [&](int64_t which) {
    Value one = node.create<graph::SliceOp>(node.input(2), DimList{node.dim(which)},
                                            DimList{node.dim(1)}, DimList{node.dim(1)});
    return node.broadcast(node.reshape(one, {}), {}, dims);
  };
  node.setOutput(node.create<graph::SelectOp>(isHot, value(1), value(0)));
  return success();
}

static LogicalResult importTrilu(Node &node) {
  graph::TensorType type = node.type(0);
  if (type.rank() < 2)
    return node.error("needs an input of rank 2 or more");
  auto places = graph::TensorType::get(type.getDims(), si64(node));
  Value row = node.create<graph::IotaOp>(places, type.rank() - 2);
  Value column = node.create<graph::IotaOp>(places, type.rank() - 1);
  if (node.input(1))
    row = node.add(row, node.broadcast(node.reshape(node.input(1), {}), {}, type.getDims()));
  bool upper = node.getInt("upper", 1);
  Value isKept = node.compare(upper ? graph::CompareKind::ge : graph::CompareKind::le, column, row);
  node.setOutput(
      node.create<graph::SelectOp>(isKept, node.input(0), node.fillLike(node.input(0), 0)));
  return success();
}

//===----------------------------------------------------------------------===//
// Scan
//===----------------------------------------------------------------------===//

namespace {
/// A loop while it is built: bytes stand for strings, which are marked.
struct ScanParts {
  SmallVector<Value> inits, xs, results;
  SmallVector<bool> stringInputs, stringResults; // of inits and xs; of results
  void addInput(Value &x, bool areStrings) {
    if (areStrings)
      x = contentsOf(x).front();
    stringInputs.push_back(areStrings);
  }
};
} // namespace

/// The loop itself at the builder's place: `inits` are its states, `xs` are scanned along axis 0,
/// and outputs are stacked there.
static LogicalResult buildScan(Node &node, OpBuilder &outer, ScanParts &parts) {
  DimAttr time = graph::getTensorType(parts.xs.front()).getDim(0);
  auto trips = [&] { return time; };
  CarriedStrings strings(node, trips);
  size_t states = parts.inits.size();
  std::unique_ptr<Region> region;
  SmallVector<Value> yielded;
  OpBuilder inner(outer.getContext());
  for (bool fits = false; !fits;) {
    region = std::make_unique<Region>();
    Block &block = region->emplaceBlock();
    yielded.clear();
    parts.stringResults.clear();
    for (Value init : parts.inits)
      block.addArgument(init.getType(), node.getLoc());
    for (Value x : parts.xs) {
      graph::TensorType type = graph::getTensorType(x);
      block.addArgument(type.withDims(DimList(type.getDims().drop_front())), node.getLoc());
    }
    // The body is built where the loop will stand, so that it sees what is around it.
    inner.setInsertionPointToEnd(&block);
    SmallVector<Value> arguments;
    for (auto [argument, areStrings] : llvm::zip(block.getArguments(), parts.stringInputs))
      arguments.push_back(areStrings ? makeStrings(inner, node.getLoc(), argument)
                                     : Value(argument));
    if (failed(
            node.importer.importSubgraph(node.attribute("body")->g(), inner, arguments, yielded)))
      return failure();
    for (auto [i, value] : llvm::enumerate(yielded)) {
      bool areStrings = isStrings(value);
      if ((isStructure(value) && !areStrings) ||
          (i < states && areStrings != parts.stringInputs[i]))
        return node.error("result " + Twine(i) + " of its body is " + describeStructure(value));
      if (areStrings)
        value = contentsOf(value).front();
      parts.stringResults.push_back(areStrings);
    }
    graph::GraphBuilder b = node.at(inner);
    FailureOr<bool> fit = strings.fit(b, parts.inits, parts.stringInputs,
                                      MutableArrayRef(yielded).take_front(states));
    if (failed(fit))
      return failure();
    fits = *fit;
  }
  SmallVector<Type> types;
  for (auto [i, value] : llvm::enumerate(yielded)) {
    graph::TensorType type = graph::getTensorType(value);
    if (i < states) {
      if (type != parts.inits[i].getType())
        return node.error("state " + Twine(i) + " changes its type in the body");
      types.push_back(type);
      continue;
    }
    DimList dims(type.getDims());
    dims.insert(dims.begin(), time);
    types.push_back(type.withDims(dims));
  }
  graph::YieldOp::create(inner, node.getLoc(), yielded);
  auto op = graph::ScanOp::create(outer, node.getLoc(), types, parts.inits, parts.xs, /*axis=*/0,
                                  /*reverse=*/false);
  op.getBody().takeBody(*region);
  parts.results.assign(op.getResults().begin(), op.getResults().end());
  return success();
}

static Value reversed(Node &node, Value x, int64_t axis) {
  return node.create<graph::ReverseOp>(x, ArrayRef<int64_t>{axis});
}

/// Version 8 has sequences in a batch: axis 0 of every input and output; time is axis 1. A loop
/// over the batch holds the loop over time.
static LogicalResult importBatchedScan(Node &node, int64_t scanned) {
  if (node.input(0))
    return node.error("has lengths of sequences, which are not supported");
  size_t states = node.inputCount() - 1 - scanned;
  SmallVector<int64_t> directions =
      node.getInts("directions").value_or(SmallVector<int64_t>(scanned, 0));
  directions.resize(scanned, 0);
  DimAttr batch, time;
  SmallVector<Value> all;
  SmallVector<Type> types;
  ScanParts parts;
  for (size_t i = 0; i + 1 < node.inputCount(); ++i) {
    Value x = node.input(i + 1);
    int64_t own = i < states ? 1 : 2;
    bool areStrings = isStrings(x);
    if (!x || (isStructure(x) && !areStrings))
      return node.error("lacks input " + Twine(i + 1));
    parts.addInput(x, areStrings);
    if (graph::getTensorType(x).rank() < own + areStrings)
      return node.error("lacks a batch in input " + Twine(i + 1));
    DimList dims(graph::getTensorType(x).getDims());
    dims[0] = batch = batch ? batch : dims[0];
    if (own == 2)
      dims[1] = time = time ? time : dims[1];
    x = node.reshape(x, dims);
    if (own == 2 && directions[i - states])
      x = reversed(node, x, 1);
    all.push_back(x);
  }
  auto region = std::make_unique<Region>();
  Block &block = region->emplaceBlock();
  for (Value x : all) {
    graph::TensorType type = graph::getTensorType(x);
    block.addArgument(type.withDims(DimList(type.getDims().drop_front())), node.getLoc());
  }
  OpBuilder inner(node.getBuilder().getContext());
  inner.setInsertionPointToEnd(&block);
  SmallVector<Value> arguments(block.getArguments());
  parts.inits.assign(arguments.begin(), arguments.begin() + states);
  parts.xs.assign(arguments.begin() + states, arguments.end());
  // Strings that need more room get it in the loop over the batch.
  OpBuilder &builder = node.getBuilder();
  OpBuilder::InsertPoint before = builder.saveInsertionPoint();
  builder.setInsertionPointToEnd(&block);
  LogicalResult built = buildScan(node, builder, parts);
  inner.setInsertionPointToEnd(&block);
  builder.restoreInsertionPoint(before);
  if (failed(built))
    return failure();
  for (Value value : parts.results) {
    graph::TensorType type = graph::getTensorType(value);
    DimList dims(type.getDims());
    dims.insert(dims.begin(), batch);
    types.push_back(type.withDims(dims));
  }
  graph::YieldOp::create(inner, node.getLoc(), parts.results);
  auto op = graph::ScanOp::create(builder, node.getLoc(), types, ValueRange(), all,
                                  /*axis=*/0, /*reverse=*/false);
  op.getBody().takeBody(*region);
  for (auto [result, areStrings] : llvm::zip(op.getResults(), parts.stringResults))
    node.setOutput(areStrings ? makeStrings(builder, node.getLoc(), result) : Value(result));
  return success();
}

/// Axes and directions of scanned inputs and outputs become transposes and reversals around the
/// loop.
static LogicalResult importScan(Node &node) {
  const ::onnx::AttributeProto *body = node.attribute("body");
  bool isBatched = node.opset < 9;
  int64_t scanned = node.getInt("num_scan_inputs", 0);
  int64_t inputs = int64_t(node.inputCount()) - isBatched;
  // Of a number of scanned inputs that is not there, nothing is computed.
  int64_t states = scanned < 1 || scanned > inputs ? -1 : inputs - scanned;
  if (!body || states < 0 || body->g().input_size() != inputs || body->g().output_size() < states)
    return node.error("needs a body that takes its inputs, at least one of them scanned");
  if (isBatched)
    return importBatchedScan(node, scanned);
  int64_t outputs = body->g().output_size() - states;
  auto listed = [&](StringRef name, int64_t count) {
    SmallVector<int64_t> list = node.getInts(name).value_or(SmallVector<int64_t>());
    list.resize(count, 0);
    return list;
  };
  SmallVector<int64_t> inputAxes = listed("scan_input_axes", scanned);
  SmallVector<int64_t> inputDirections = listed("scan_input_directions", scanned);
  SmallVector<int64_t> outputAxes = listed("scan_output_axes", outputs);
  SmallVector<int64_t> outputDirections = listed("scan_output_directions", outputs);
  ScanParts parts;
  DimAttr time;
  for (int64_t i = 0; i < states + scanned; ++i) {
    Value x = node.input(i);
    bool areStrings = isStrings(x);
    if (!x || (isStructure(x) && !areStrings))
      return node.error("lacks input " + Twine(i) + ", or it is no tensor");
    parts.addInput(x, areStrings);
    if (i < states) {
      parts.inits.push_back(x);
      continue;
    }
    int64_t k = i - states;
    if (failed(node.normalizeAxis(inputAxes[k], graph::getTensorType(x).rank() - areStrings)))
      return failure();
    x = node.moveAxis(x, inputAxes[k], 0);
    if (inputDirections[k])
      x = reversed(node, x, 0);
    DimList dims(graph::getTensorType(x).getDims());
    time = time ? time : dims[0];
    dims[0] = time;
    parts.xs.push_back(node.reshape(x, dims));
  }
  if (failed(buildScan(node, node.getBuilder(), parts)))
    return failure();
  for (auto [i, result] : llvm::enumerate(parts.results)) {
    bool areStrings = parts.stringResults[i];
    if (int64_t k = int64_t(i) - states; k >= 0) {
      int64_t axis = outputAxes[k];
      if (failed(node.normalizeAxis(axis, graph::getTensorType(result).rank() - areStrings)))
        return failure();
      if (outputDirections[k])
        result = reversed(node, result, 0);
      result = node.moveAxis(result, 0, axis);
    }
    node.setOutput(areStrings ? makeStrings(node.getBuilder(), node.getLoc(), result) : result);
  }
  return success();
}

ArrayRef<Operator> tessera::onnx::sequentialOperators() {
  static const Operator table[] = {
      {"CumProd", 26, cumulative<graph::CumulativeKind::prod>},
      {"CumSum", 11, cumulative<graph::CumulativeKind::sum>},
      {"GatherElements", 11, importGatherElements},
      {"GatherND", 11, importGatherND},
      {"OneHot", 9, importOneHot},
      {"Scan", 8, importScan, true},
      {"Scatter", 9, importScatterElements},
      {"ScatterElements", 11, importScatterElements},
      {"ScatterND", 11, importScatterND},
      {"TopK", 1, importTopK},
      {"Trilu", 14, importTrilu},
  };
  return table;
}
