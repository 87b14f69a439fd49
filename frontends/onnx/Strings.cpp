//===- Strings.cpp - Tensors of strings as tensors of bytes -------------------------------===//

#include "frontends/onnx/Strings.h"

#include "frontends/onnx/OpenSequences.h"
#include "frontends/onnx/OpsMl.h"
#include "frontends/onnx/Search.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/Support/MathExtras.h"

#include <map>

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::CompareKind;

FailureOr<Rows> tessera::onnx::rowsOf(Node &node, size_t input) {
  Value strings = node.input(input);
  if (!isStrings(strings))
    return node.error("needs strings as input " + Twine(input) + ", found " +
                      (strings ? describeStructure(strings) : "none"));
  Value bytes = contentsOf(strings).front();
  Rows rows;
  rows.dims = DimList(graph::getTensorType(bytes).getDims());
  rows.width = rows.dims.pop_back_val();
  DimExpr count = graph::multiplyDims(node.getBuilder().getContext(), rows.dims);
  if (!count)
    return node.error("its extents overflow");
  rows.count = count;
  rows.bytes = node.reshape(bytes, {rows.count, rows.width});
  return rows;
}

Value tessera::onnx::stringsOf(Node &node, Value bytes, ArrayRef<DimAttr> dims) {
  DimList all(dims);
  all.push_back(graph::getTensorType(bytes).getDims().back());
  return makeStrings(node.getBuilder(), node.getLoc(), node.reshape(bytes, all));
}

Value tessera::onnx::stringsAt(Node &node, ArrayRef<std::string> strings, Value places) {
  Value rows = constantRows(node, llvm::to_vector_of<StringRef>(strings), node.proto.name());
  return rows ? makeStrings(node.getBuilder(), node.getLoc(),
                            node.create<graph::GatherOp>(rows, places, 0))
              : Value();
}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

Value tessera::onnx::constantRows(graph::GraphBuilder &b, ArrayRef<StringRef> strings,
                                  StringRef name) {
  auto error = [&]() { return emitError(b.getLoc()) << "constant " << quoted(name) << " "; };
  size_t width = 0;
  for (StringRef string : strings) {
    width = std::max(width, string.size());
    if (string.ends_with(StringRef("\0", 1)))
      return error() << "has a string that ends with a zero, which is not supported", Value();
  }
  if (width && strings.size() > kMaxStringBytes / width)
    return error() << "has " << strings.size() << " strings of up to " << width
                   << " bytes, more than fit (kMaxStringBytes)",
           Value();
  std::string bytes(strings.size() * width, '\0');
  for (auto [i, string] : llvm::enumerate(strings))
    std::copy(string.begin(), string.end(), bytes.begin() + int64_t(i * width));
  ::onnx::TensorProto tensor;
  tensor.set_data_type(::onnx::TensorProto::UINT8);
  tensor.add_dims(int64_t(strings.size()));
  tensor.add_dims(int64_t(width));
  tensor.set_raw_data(std::move(bytes));
  return importTensor(b, tensor, name);
}

Value tessera::onnx::importStrings(graph::GraphBuilder &b, const ::onnx::TensorProto &tensor,
                                   StringRef name) {
  auto error = [&]() { return emitError(b.getLoc()) << "constant " << quoted(name) << " "; };
  SmallVector<StringRef> strings(tensor.string_data().begin(), tensor.string_data().end());
  uint64_t count = 1;
  DimList dims;
  for (int64_t extent : tensor.dims()) {
    if (extent < 0 || __builtin_mul_overflow(count, uint64_t(extent), &count))
      return error() << "has an extent that is no size, " << extent, Value();
    dims.push_back(graph::getDim(b.getBuilder().getContext(), extent));
  }
  if (count != strings.size())
    return error() << "has " << strings.size() << " strings, its shape needs " << count, Value();
  Value rows = constantRows(b, strings, name);
  if (!rows)
    return {};
  dims.push_back(graph::getTensorType(rows).getDim(1));
  return makeStrings(b.getBuilder(), b.getLoc(), b.reshape(rows, dims));
}

//===----------------------------------------------------------------------===//
// Rows of bytes
//===----------------------------------------------------------------------===//

Value tessera::onnx::padded(Node &node, Value x, int64_t axis, DimExpr before, DimExpr behind) {
  MLIRContext *context = node.getBuilder().getContext();
  graph::TensorType type = graph::getTensorType(x);
  DimList lo(type.rank(), node.dim(0)), hi(lo);
  lo[axis] = node.known(before);
  hi[axis] = node.known(behind);
  return node.create<graph::PadOp>(graph::PadMode::constant, x,
                                   node.scalar(type.getElementType(), 0),
                                   graph::DimArrayAttr::get(context, ArrayRef<DimAttr>(lo)),
                                   graph::DimArrayAttr::get(context, ArrayRef<DimAttr>(hi)));
}

Value tessera::onnx::widen(Node &node, Value bytes, DimAttr width) {
  graph::TensorType type = graph::getTensorType(bytes);
  DimAttr own = type.getDims().back();
  if (own == width)
    return bytes;
  return padded(node, bytes, type.rank() - 1, node.dim(0), DimExpr(width) - DimExpr(own));
}

Value tessera::onnx::shifted(Node &node, Value x, int64_t by) {
  DimAttr width = graph::getTensorType(x).getDim(1);
  DimExpr none = node.dim(0), more = node.dim(std::abs(by));
  Value wide = padded(node, x, 1, by > 0 ? more : none, by > 0 ? none : more);
  return node.cut(wide, 1, by > 0 ? none : more, width);
}

DimAttr tessera::onnx::bindBytes(Node &node, Value scalar, DimExpr most, StringRef what) {
  Operation *around = node.getBuilder().getInsertionBlock()->getParentOp();
  return llvm::isa_and_nonnull<graph::FuncOp>(around) ? ShapeScalars(node).bind(scalar, what)
                                                      : most.get();
}

Value tessera::onnx::lengthsOf(Node &node, Value bytes) {
  ArrayRef<DimAttr> dims = graph::getTensorType(bytes).getDims();
  Value end = node.add(node.iota(dims, 1), 1);
  Value isByte = node.compare(CompareKind::ne, bytes, node.fillLike(bytes, 0));
  end = node.choose(isByte, end, node.fillLike(end, 0));
  // The largest of nothing is the smallest number.
  return node.max(node.reduce(graph::ReduceKind::max, end, {1}), 0.0);
}

Value tessera::onnx::bytesAt(Node &node, Value bytes, Value places) {
  graph::TensorType type = graph::getTensorType(bytes);
  ArrayRef<DimAttr> dims = graph::getTensorType(places).getDims();
  ShapeScalars s(node);
  auto each = [&](Value scalar) { return node.broadcast(scalar, {}, dims); };
  DimExpr all = node.known(DimExpr(type.getDim(0)) * DimExpr(type.getDim(1)));
  Value width = each(s.number(type.getDim(1)));
  Value isInside =
      node.create<graph::AndOp>(node.compare(CompareKind::ge, places, node.fillLike(places, 0)),
                                node.compare(CompareKind::lt, places, width));
  Value at = node.add(node.mul(node.iota(dims, 0), width), places);
  // One zero stands behind all rows.
  Value table = padded(node, node.reshape(bytes, DimAttr(all.get())), 0, node.dim(0), node.dim(1));
  return node.create<graph::GatherOp>(table, node.choose(isInside, at, each(s.number(all.get()))),
                                      0);
}

Value tessera::onnx::charactersOf(Node &node, Value bytes) {
  auto si32 = IntegerType::get(node.getBuilder().getContext(), 32, IntegerType::Signed);
  Value b[4];
  for (int64_t k = 0; k < 4; ++k)
    b[k] = node.convert(k ? shifted(node, bytes, -k) : bytes, si32);
  auto constant = [&](double number) { return node.fillLike(b[0], number); };
  auto bits = [&](Value x, double mask) {
    return Value(node.create<graph::AndOp>(x, constant(mask)));
  };
  auto join = [&](Value high, Value low) { return node.add(node.mul(high, 64), bits(low, 63)); };
  auto isBelow = [&](double end) { return node.compare(CompareKind::lt, b[0], constant(end)); };
  Value two = join(bits(b[0], 31), b[1]), three = join(join(bits(b[0], 15), b[1]), b[2]);
  Value four = join(join(join(bits(b[0], 7), b[1]), b[2]), b[3]);
  Value point = node.choose(isBelow(0xF0), three, four);
  point = node.choose(isBelow(0xE0), two, point);
  point = node.choose(isBelow(0xC0), constant(-1), point);
  return node.choose(isBelow(0x80), b[0], point);
}

//===----------------------------------------------------------------------===//
// Known strings
//===----------------------------------------------------------------------===//

namespace {
/// A number for a string: the sum of its bytes, each times a number that its place gives. Zeros
/// behind the string change nothing.
class Hash {
public:
  int64_t of(StringRef string) const {
    uint64_t sum = 0;
    for (auto [i, c] : llvm::enumerate(string))
      sum += uint64_t(uint8_t(c)) * factor(i);
    return int64_t(sum);
  }
  Value of(Node &node, Value bytes) const {
    ArrayRef<DimAttr> dims = graph::getTensorType(bytes).getDims();
    Value place = node.iota({dims[1]}, 0);
    auto number = [&](uint64_t value) {
      return node.broadcast(constantOf<int64_t>(node, int64_t(value), {}), {}, {dims[1]});
    };
    Value x = node.add(node.mul(place, number(kStep)), number(start));
    Value factors = node.add(node.mul(x, x), x);
    Value terms = node.mul(node.convert(bytes, node.si64()), node.broadcast(factors, {1}, dims));
    return node.reduce(graph::ReduceKind::sum, terms, {1});
  }
  void change() { start = start * kStep + 1; }

private:
  // The multiplier of Knuth's MMIX generator, and the fraction of the golden ratio.
  static constexpr uint64_t kStep = 6364136223846793005;
  uint64_t start = 0x9E3779B97F4A7C15;
  uint64_t factor(uint64_t place) const {
    uint64_t x = place * kStep + start;
    return x * x + x;
  }
};
} // namespace

/// Rows have a number that tells the known strings apart; it is searched for, and what is found is
/// compared.
Value tessera::onnx::indexAmong(Node &node, Value bytes, ArrayRef<StringRef> strings) {
  Hash hash;
  std::map<int64_t, size_t> places;
  llvm::StringMap<size_t> last;
  for (auto [i, string] : llvm::enumerate(strings))
    last[string] = i;
  for (;; hash.change()) {
    places.clear();
    for (const auto &entry : last)
      places[hash.of(entry.first())] = entry.second;
    if (places.size() == last.size())
      break;
  }
  std::vector<int64_t> keys, indices;
  SmallVector<StringRef> sorted;
  for (auto [key, i] : places) {
    keys.push_back(key);
    indices.push_back(int64_t(i));
    sorted.push_back(strings[i]);
  }
  int64_t padded = int64_t(llvm::PowerOf2Ceil(keys.size() + 1));
  keys.resize(size_t(padded), std::numeric_limits<int64_t>::max());
  indices.resize(size_t(padded), -1);
  sorted.resize(size_t(padded));
  Value known = constantRows(node, sorted, node.proto.name());
  if (!known)
    return {};
  Value place = lowerBound(node, constantOf<int64_t>(node, keys, padded), hash.of(node, bytes));
  Value found = node.create<graph::GatherOp>(known, place, 0);
  DimExpr width =
      DimExpr::max(graph::getTensorType(bytes).getDim(1), graph::getTensorType(found).getDim(1));
  Value isEqual = node.reduce(
      graph::ReduceKind::and_,
      node.compare(CompareKind::eq, widen(node, bytes, width), widen(node, found, width)), {1});
  Value index = node.create<graph::GatherOp>(constantOf<int64_t>(node, indices, padded), place, 0);
  return node.choose(isEqual, index, node.fillLike(index, -1));
}

//===----------------------------------------------------------------------===//
// Operators that have strings among others
//===----------------------------------------------------------------------===//

LogicalResult tessera::onnx::equalStrings(Node &node) {
  FailureOr<Rows> x = rowsOf(node, 0), y = rowsOf(node, 1);
  DimList dims;
  if (failed(x) || failed(y) || failed(node.broadcastDims(x->dims, y->dims, dims)))
    return failure();
  int64_t last = dims.size();
  dims.push_back(DimExpr::max(x->width, y->width));
  Value sides[2];
  for (auto [side, i] : llvm::zip(sides, llvm::seq<size_t>(0, 2)))
    side = node.broadcastTo(widen(node, contentsOf(node.input(i)).front(), dims.back()), dims);
  node.setOutput(node.reduce(graph::ReduceKind::and_,
                             node.compare(CompareKind::eq, sides[0], sides[1]), {last}));
  return success();
}

bool tessera::onnx::holdsStrings(Value value) {
  return isStrings(value) || (isSequence(value) && llvm::any_of(contentsOf(value), holdsStrings));
}

/// Operators whose results do not depend on what elements are, only on where. What they fill up
/// with is zero.
bool tessera::onnx::movesStrings(const ::onnx::NodeProto &node) {
  static const llvm::StringSet<> names = {"ArrayFeatureExtractor",
                                          "CenterCropPad",
                                          "Compress",
                                          "Concat",
                                          "ConcatFromSequence",
                                          "DepthToSpace",
                                          "Expand",
                                          "Flatten",
                                          "Gather",
                                          "GatherElements",
                                          "GatherND",
                                          "OneHot",
                                          "Pad",
                                          "Reshape",
                                          "ReverseSequence",
                                          "Scatter",
                                          "ScatterElements",
                                          "ScatterND",
                                          "SequenceAt",
                                          "Shape",
                                          "Size",
                                          "Slice",
                                          "SpaceToDepth",
                                          "Split",
                                          "SplitToSequence",
                                          "Squeeze",
                                          "TensorScatter",
                                          "Tile",
                                          "Transpose",
                                          "Trilu",
                                          "Unsqueeze",
                                          "Where"};
  // Those that take the nearest element.
  static const llvm::StringSet<> sampling = {"GridSample", "Resize", "Upsample"};
  auto isNearest = [](const ::onnx::AttributeProto &a) {
    return a.name() == "mode" && a.s() == "nearest";
  };
  bool takesNearest =
      sampling.contains(node.op_type()) &&
      (node.op_type() != "GridSample" || llvm::any_of(node.attribute(), isNearest)) &&
      llvm::none_of(node.attribute(), [&](const ::onnx::AttributeProto &a) {
        return a.name() == "mode" && !isNearest(a);
      });
  return (isDefaultDomain(node.domain()) || node.domain() == "ai.onnx.ml") &&
         (names.contains(node.op_type()) || takesNearest);
}

namespace {
/// Strings of all inputs as one table, whose first row is empty: what is filled up with 0 is that.
class Mover {
public:
  explicit Mover(Node &node) : node(node), total(node.dim(1)), width(node.dim(0)) {}
  LogicalResult run(LogicalResult (*import)(Node &));

private:
  Value withPlaces(Value value);
  Value withStrings(Value value);

  Node &node;
  SmallVector<std::pair<Value, Value>> inputs; // places, and their strings
  DimExpr total, width;
  Value table;
};
} // namespace

Value Mover::withPlaces(Value value) {
  if (isSequence(value)) {
    SmallVector<Value> elements;
    for (Value element : contentsOf(value))
      elements.push_back(withPlaces(element));
    return makeSequence(node.getBuilder(), node.getLoc(), elements);
  }
  if (!isStrings(value))
    return value;
  Value bytes = contentsOf(value).front();
  DimList dims(graph::getTensorType(bytes).getDims());
  DimAttr own = dims.pop_back_val();
  DimExpr count = graph::multiplyDims(node.getBuilder().getContext(), dims);
  if (!count || !total)
    return value;
  DimList line{count.get()};
  Value first = node.broadcast(ShapeScalars(node).number(total.get()), {}, line);
  Value places = node.reshape(node.add(node.iota(line, 0), first), dims);
  inputs.emplace_back(places, bytes);
  width = DimExpr::max(width, own);
  total = total + count;
  return places;
}

Value Mover::withStrings(Value value) {
  if (isSequence(value)) {
    SmallVector<Value> elements;
    for (Value element : contentsOf(value))
      elements.push_back(withStrings(element));
    return makeSequence(node.getBuilder(), node.getLoc(), elements);
  }
  if (isOpenSequence(value)) {
    OpenSequence sequence = takeApart(value);
    sequence.values = contentsOf(withStrings(sequence.values)).front();
    sequence.areStrings = true;
    return putTogether(node, sequence);
  }
  // What changes the shape alone needs no table.
  auto source = [](Value places) {
    while (auto reshape = places.getDefiningOp<graph::ReshapeOp>())
      places = reshape.getX();
    return places;
  };
  for (auto [places, bytes] : inputs)
    if (source(places) == source(value))
      return stringsOf(node, bytes, graph::getTensorType(value).getDims());
  if (!table) {
    SmallVector<Value> tables;
    for (auto [places, bytes] : inputs) {
      DimList own(graph::getTensorType(bytes).getDims());
      DimList dims{DimExpr(graph::multiplyDims(node.getBuilder().getContext(),
                                               ArrayRef<DimAttr>(own).drop_back()))
                       .get(),
                   own.back()};
      tables.push_back(widen(node, node.reshape(bytes, dims), width));
    }
    Value all = tables.size() == 1 ? tables.front() : node.concat(tables, 0);
    table = padded(node, all, 0, node.dim(1), node.dim(0));
  }
  return makeStrings(node.getBuilder(), node.getLoc(),
                     node.create<graph::GatherOp>(table, value, 0));
}

LogicalResult Mover::run(LogicalResult (*import)(Node &)) {
  if (node.getString("reduction", "none") != "none")
    return node.error("combines strings, expected reduction none");
  for (Value &input : node.inputs)
    if (holdsStrings(input))
      input = withPlaces(input);
  if (!total || llvm::any_of(node.inputs, holdsStrings))
    return node.error("its extents overflow");
  if (failed(import(node)))
    return failure();
  if (node.proto.op_type() == "Shape" || node.proto.op_type() == "Size")
    return success();
  for (Value &output : node.outputs)
    output = withStrings(output);
  return success();
}

LogicalResult tessera::onnx::importMoved(Node &node, LogicalResult (*import)(Node &)) {
  return Mover(node).run(import);
}
