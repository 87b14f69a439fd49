//===- WinogradConv.cpp - Convolutions of 3x3 in tiles of 2x2
//------------------------------------===//
// Winograd's minimal filtering F(2x2, 3x3): A. Lavin, S. Gray, "Fast Algorithms for Convolutional
// Neural Networks" (2015), arXiv:1509.09308, section 4.1. A tile d of 4x4 elements of a channel, of
// which neighbours share two rows or columns, gives a tile of 2x2 results,
//
//   Y = A^T ((G g G^T) * (B^T d B)) A,  * element by element, summed over channels,
//
//   B^T = 1  0 -1  0    G = 1     0    0     A^T = 1  1  1  0
//         0  1  1  0        1/2  1/2  1/2          0  1 -1 -1
//         0 -1  1  0        1/2 -1/2  1/2
//         0  1  0 -1        0     0    1
//
// with 16 multiplications instead of 36. The sums over channels are 16 products of matrices:
//
// 1. The picture, padded to whole tiles, gives 16 matrices: one for each element of B^T d B, of
// tiles
//    by channels. Each element of d is a slice with steps of 2.
// 2. The filter gives 16 of channels by outputs. Where it is constant it is transformed now.
// 3. One contraction multiplies them.
// 4. Element (y, x) of the result takes from tile (y / 2, x / 2) what y mod 2 and x mod 2 say.
//
// Differences of elements are rounded before they are multiplied, so results differ from those of a
// convolution, and an infinity makes NaN of what is computed from its tile. Whoever asks for this
// pass allows that.

#include "compiler/transforms/graph/Passes.h"

#include "dialects/graph/Folding.h"
#include "dialects/graph/GraphBuilder.h"

#include "llvm/Support/FormatVariadic.h"

namespace tessera::transforms {
#define GEN_PASS_DEF_GRAPHWINOGRADCONV
#include "compiler/transforms/graph/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;
using graph::DimArrayAttr;
using graph::DimAttr;
using graph::DimExpr;
using graph::GraphBuilder;

static constexpr int64_t kTile = 2, kWindow = 3, kSpan = 4, kPlanes = kSpan * kSpan;

static constexpr float kFilter[kSpan][kWindow] = {
    {1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};

/// What an unknown extent is taken for, as where layouts are chosen, and of pictures one at a time.
static constexpr int64_t kAssumedExtent = 128, kAssumedBatch = 1;

static double extentOf(DimAttr dim, int64_t assumed = kAssumedExtent) {
  auto value = graph::evaluateDim(dim, [&](StringRef) { return std::optional<int64_t>(assumed); });
  return double(std::max<int64_t>(1, value.value_or(assumed)));
}

namespace {
/// What a form of a convolution takes.
struct Cost {
  double flops = 0; ///< a multiply-add is two
  double bytes = 0; ///< read and written
  double time = 0;  ///< in what a multiply-add's half takes
};

class Winograd {
public:
  explicit Winograd(graph::ConvOp op)
      : op(op), layout(op.getConvLayout()), builder(op), b(builder, op.getLoc()) {}

  /// Why it cannot be computed so; "": it can.
  std::string check();
  void replace();
  double pictures() const { return extentOf(batch, kAssumedBatch); }
  double places() const { return extentOf(height.result) * extentOf(width.result); }
  double tiles() const { return extentOf(height.tiles.get()) * extentOf(width.tiles.get()); }
  int64_t getInputs() const { return inputs; }
  int64_t getOutputs() const { return outputs; }
  int64_t getGroups() const { return groups; }

private:
  /// One axis of the picture.
  struct Axis {
    int64_t place;       ///< in x
    DimAttr result;      ///< extent of the result
    DimExpr tiles;       ///< half of it, rounded up
    DimExpr missing;     ///< what x, padded as the convolution wants it, lacks for whole tiles
    bool isOpen = false; ///< that is not known: the last tile reads its last element again
  };
  bool readAxis(size_t number, Axis &axis);
  void spreadPlanes();
  Value zero() { return b.scalar(element(), 0); }
  Type element() { return op.getType().getElementType(); }
  DimAttr dim(int64_t value) { return graph::getDim(op.getContext(), value); }
  DimArrayAttr dims(ArrayRef<DimAttr> list) { return DimArrayAttr::get(op.getContext(), list); }
  Value padPicture();
  Value transformPicture();
  Value transformFilter();
  Value transformBack(Value sums);
  Value isEven(int64_t axis, ArrayRef<DimAttr> result);

  graph::ConvOp op;
  graph::ConvLayout layout;
  OpBuilder builder;
  GraphBuilder b;
  Axis height, width;
  DimAttr batch;
  int64_t inputs = 0, outputs = 0, groups = 1;
};
} // namespace

bool Winograd::readAxis(size_t number, Axis &axis) {
  axis.place = layout.xSpatial[number];
  axis.result = op.getType().getDim(layout.resultSpatial[number]);
  axis.tiles = DimExpr(axis.result).ceilDiv(kTile);
  DimExpr padded = DimExpr(graph::getTensorType(op.getX()).getDim(axis.place)) +
                   DimExpr(op.getLo()[number]) + DimExpr(op.getHi()[number]);
  axis.missing = axis.tiles * kTile + (kSpan - kTile) - padded;
  if (!axis.missing)
    return false;
  axis.isOpen = !axis.missing.get().isConstant();
  return true;
}

/// The 16 matrices are written side by side. Where they begin a multiple of the bytes of a way of
/// the first cache apart (the same on all x86 processors that this is compiled for), their lines
/// meet in one set (64 channels, Zen 5: on 56 places 111 us, on 58 places 42, on 54 places 35):
/// then there is one row or column of tiles more, which nobody reads.
void Winograd::spreadPlanes() {
  constexpr int64_t kWayBytes = 4096, kFloat = 4;
  auto meet = [&](int64_t rows, int64_t columns) {
    std::optional<int64_t> pictures = batch.getConstant();
    return pictures && *pictures * rows * columns * inputs * kFloat % kWayBytes == 0;
  };
  std::optional<int64_t> rows = height.tiles.get().getConstant(),
                         columns = width.tiles.get().getConstant();
  if (!rows || !columns || height.isOpen || width.isOpen || !meet(*rows, *columns))
    return;
  Axis &axis = *rows < *columns ? width : height;
  if (meet(*rows + (&axis == &height), *columns + (&axis == &width)))
    return;
  axis.tiles = axis.tiles + 1;
  axis.missing = axis.missing + kTile;
}

std::string Winograd::check() {
  graph::TensorType x = graph::getTensorType(op.getX()),
                    weight = graph::getTensorType(op.getWeight());
  if (!x.getElementType().isF32() || !element().isF32() || !op.getAccumulatorType().isF32())
    return "its numbers are not f32";
  if (layout.spatialRank() != 2)
    return "its window has not two axes";
  for (size_t i = 0; i < 2; ++i)
    if (weight.getDim(layout.weightSpatial[i]).getConstant() != kWindow)
      return "its window is not 3x3";
  auto isOne = [](int64_t step) { return step == 1; };
  if (!llvm::all_of(op.getStrides(), isOne) || !llvm::all_of(op.getDilations(), isOne))
    return "it has steps or dilations";
  std::optional<int64_t> in = x.getDim(layout.xChannel).getConstant(),
                         out = weight.getDim(layout.weightOutput).getConstant();
  if (!in || !out)
    return "its channels are not known";
  inputs = *in, outputs = *out, groups = op.getGroups();
  if (inputs == groups || outputs == groups)
    return "its groups have one channel: nothing is summed by matrix products";
  batch = x.getDim(layout.xBatch);
  if (!readAxis(0, height) || !readAxis(1, width))
    return "its extents are not representable";
  spreadPlanes();
  return "";
}

/// The picture with its channels last, and rows and columns for whole tiles where it is known how
/// many these are. What is not read by a result is of no importance; the convolution's own padding
/// and this one are one.
Value Winograd::padPicture() {
  Value x = op.getX();
  SmallVector<DimAttr> lo(4, dim(0)), hi(4, dim(0));
  for (auto [number, axis] : llvm::enumerate(std::array<Axis *, 2>{&height, &width})) {
    lo[axis->place] = op.getLo()[number];
    hi[axis->place] =
        axis->isOpen ? op.getHi()[number] : (DimExpr(op.getHi()[number]) + axis->missing).get();
  }
  auto isZero = [](DimAttr amount) { return amount.getConstant() == 0; };
  if (!llvm::all_of(lo, isZero) || !llvm::all_of(hi, isZero)) {
    auto before = x.getDefiningOp<graph::PadOp>();
    auto filler = before && before.getMode() == graph::PadMode::constant
                      ? llvm::dyn_cast_or_null<FloatAttr>(graph::getSplat(before.getValue()))
                      : FloatAttr();
    if (filler && filler.getValue().isPosZero()) {
      for (auto [mine, theirs] : llvm::zip(lo, before.getLo()))
        mine = (DimExpr(mine) + DimExpr(theirs)).get();
      for (auto [mine, theirs] : llvm::zip(hi, before.getHi()))
        mine = (DimExpr(mine) + DimExpr(theirs)).get();
      x = before.getX();
    }
    x = b.create<graph::PadOp>(graph::PadMode::constant, x, zero(), dims(lo), dims(hi));
  }
  SmallVector<int64_t> last{layout.xBatch, height.place, width.place, layout.xChannel};
  return llvm::is_sorted(last) ? x : b.transpose(x, last);
}

/// (1) B^T d B: columns of d first, then rows of what they gave.
Value Winograd::transformPicture() {
  Value x = padPicture();
  SmallVector<DimAttr> whole(graph::getTensorType(x).getDims());
  whole.insert(whole.begin(), dim(1));
  x = b.reshape(x, whole);
  SmallVector<DimAttr> steps{dim(1), dim(1), dim(kTile), dim(kTile), dim(1)}, none(5, dim(0)),
      tile{dim(1), batch, height.tiles.get(), width.tiles.get(), dim(inputs)};
  auto read = [&](int64_t row, int64_t column) {
    SmallVector<DimAttr> past(none), starts(none);
    past[2] = dim(height.isOpen && row == kSpan - 1);
    past[3] = dim(width.isOpen && column == kSpan - 1);
    starts[2] = dim(row);
    starts[3] = dim(column);
    Value source = x;
    if (past != none)
      source = b.create<graph::PadOp>(graph::PadMode::edge, x, Value(), dims(none), dims(past));
    return graph::SliceOp::create(builder, op.getLoc(), source, starts, steps, tile).getResult();
  };
  using Four = std::array<Value, kSpan>;
  auto combine = [&](const Four &d) {
    return Four{b.sub(d[0], d[2]), b.add(d[1], d[2]), b.sub(d[2], d[1]), b.sub(d[1], d[3])};
  };
  std::array<Four, kSpan> columns; // by column of the tile
  for (int64_t column = 0; column < kSpan; ++column)
    columns[column] = combine({read(0, column), read(1, column), read(2, column), read(3, column)});
  SmallVector<Value> planes;
  for (int64_t row = 0; row < kSpan; ++row)
    llvm::append_range(
        planes, combine({columns[0][row], columns[1][row], columns[2][row], columns[3][row]}));
  Value all = b.create<graph::ConcatOp>(planes, int64_t(0));
  SmallVector<DimAttr> matrices{dim(kPlanes), (DimExpr(batch) * height.tiles * width.tiles).get(),
                                dim(inputs / groups)};
  if (groups > 1)
    matrices.insert(matrices.begin() + 2, dim(groups));
  return b.reshape(all, matrices);
}

/// (2) G g G^T, summed in f64 and rounded once: a product with the 16 x 9 numbers of both sides.
Value Winograd::transformFilter() {
  SmallVector<float> numbers;
  for (int64_t row = 0; row < kSpan; ++row)
    for (int64_t column = 0; column < kSpan; ++column)
      for (int64_t y = 0; y < kWindow; ++y)
        for (int64_t x = 0; x < kWindow; ++x)
          numbers.push_back(kFilter[row][y] * kFilter[column][x]);
  auto type = graph::TensorType::get({dim(kPlanes), dim(kWindow * kWindow)}, element());
  Value both = b.create<graph::ConstantOp>(
      type, DenseElementsAttr::get(llvm::cast<ShapedType>(type), ArrayRef<float>(numbers)));
  SmallVector<int64_t> perm{layout.weightOutput, layout.weightInput, layout.weightSpatial[0],
                            layout.weightSpatial[1]};
  Value weight = op.getWeight();
  if (!llvm::is_sorted(perm))
    weight = b.transpose(weight, perm);
  weight = b.reshape(
      weight, {dim(groups), dim(outputs / groups), dim(inputs / groups), dim(kWindow * kWindow)});
  SmallVector<DimAttr> shape{dim(kPlanes), dim(groups), dim(inputs / groups),
                             dim(outputs / groups)};
  Value filter =
      b.create<graph::ContractOp>(graph::TensorType::get(shape, element()), "pt,gkct->pgck", both,
                                  weight, TypeAttr::get(builder.getF64Type()));
  filter.getDefiningOp()->setAttr(graph::kFoldAttr, builder.getUnitAttr());
  if (groups == 1)
    shape.erase(shape.begin() + 1);
  return b.reshape(filter, shape);
}

/// Whether the index along an axis is even.
Value Winograd::isEven(int64_t axis, ArrayRef<DimAttr> result) {
  auto type =
      graph::TensorType::get(result, IntegerType::get(op.getContext(), 32, IntegerType::Unsigned));
  Value place = b.create<graph::IotaOp>(type, axis);
  Value rest = b.create<graph::RemOp>(place, b.fillLike(place, kTile));
  return b.compare(graph::CompareKind::eq, rest, b.fillLike(place, 0));
}

/// (4) A^T m A at the places of the result: rows first.
Value Winograd::transformBack(Value sums) {
  sums = b.reshape(sums, {(DimExpr(batch) * kPlanes).get(), height.tiles.get(), width.tiles.get(),
                          dim(outputs)});
  SmallVector<DimAttr> ones(4, dim(1)),
      tile{batch, height.tiles.get(), width.tiles.get(), dim(outputs)},
      result{batch, height.result, width.result, dim(outputs)};
  MLIRContext *context = op.getContext();
  auto read = [&](int64_t row, int64_t column) {
    SmallVector<DimAttr> starts(4, dim(0));
    starts[0] = (DimExpr(batch) * (row * kSpan + column)).get();
    Value plane =
        graph::SliceOp::create(builder, op.getLoc(), sums, starts, ones, tile).getResult();
    return b.create<graph::ResizeOp>(
        graph::TensorType::get(result, element()),
        graph::ResizeModeAttr::get(context, graph::ResizeMode::nearest), plane,
        builder.getDenseI64ArrayAttr({1, 2}),
        graph::CoordinateModeAttr::get(context, graph::CoordinateMode::asymmetric),
        graph::NearestModeAttr::get(context, graph::NearestMode::floor),
        builder.getDenseF64ArrayAttr({double(kTile), double(kTile)}),
        builder.getF64FloatAttr(-0.75), UnitAttr());
  };
  auto combine = [&](Value even, std::array<Value, kSpan> m) {
    Value first = b.add(b.add(m[0], m[1]), m[2]), second = b.sub(b.sub(m[1], m[2]), m[3]);
    return b.create<graph::SelectOp>(even, first, second);
  };
  Value evenRow = isEven(1, result), evenColumn = isEven(2, result);
  std::array<Value, kSpan> rows;
  for (int64_t column = 0; column < kSpan; ++column)
    rows[column] =
        combine(evenRow, {read(0, column), read(1, column), read(2, column), read(3, column)});
  Value places = combine(evenColumn, rows);
  SmallVector<int64_t> perm(4), where{layout.resultBatch, layout.resultSpatial[0],
                                      layout.resultSpatial[1], layout.resultChannel};
  for (auto [from, to] : llvm::enumerate(where))
    perm[to] = int64_t(from);
  return llvm::is_sorted(perm) ? places : b.transpose(places, perm);
}

void Winograd::replace() {
  Value picture = transformPicture(), filter = transformFilter();
  SmallVector<DimAttr> matrices(graph::getTensorType(picture).getDims());
  matrices.back() = dim(outputs / groups);
  Value sums = b.create<graph::ContractOp>(graph::TensorType::get(matrices, element()),
                                           groups == 1 ? "pmc,pck->pmk" : "pmgc,pgck->pmgk",
                                           picture, filter, TypeAttr());
  op.replaceAllUsesWith(transformBack(sums));
  Operation *padding = op.getX().getDefiningOp();
  op.erase();
  if (padding && isOpTriviallyDead(padding))
    padding->erase();
}

namespace {
struct GraphWinogradConv : transforms::impl::GraphWinogradConvBase<GraphWinogradConv> {
  using GraphWinogradConvBase::GraphWinogradConvBase;

  void runOnOperation() override {
    SmallVector<graph::ConvOp> ops;
    getOperation().walk([&](graph::ConvOp op) {
      if (!op->getParentOfType<graph::StreamOp>())
        ops.push_back(op);
    });
    for (graph::ConvOp op : ops) {
      Winograd winograd(op);
      std::string reason = winograd.check(), figures;
      if (reason.empty()) {
        auto [direct, tiled] = costs(winograd);
        figures = llvm::formatv("{0:F2} of {1:F2} million operations, {2:F1} instead of {3:F1} MB "
                                "read and written, {4:F2} of the time estimated",
                                tiled.flops * 1e-6, direct.flops * 1e-6, tiled.bytes * 1e-6,
                                direct.bytes * 1e-6, tiled.time / direct.time);
        if (!always && tiled.time > kWorthwhile * direct.time)
          reason = "it would take " + figures;
      }
      if (explain)
        op.emitRemark() << (reason.empty() ? "is computed in tiles of 2x2 (Winograd): " + figures
                                           : "is not computed in tiles of 2x2: " + reason);
      if (reason.empty()) {
        winograd.replace();
        ++numTiled;
      }
    }
  }

private:
  /// Estimates are no better than this.
  static constexpr double kWorthwhile = 0.9;

  /// Operations of the time in which so many bytes come, if they are read over and over.
  double arrival(double bytes) const {
    return bytes * (bytes <= l2Bytes / 2   ? flopsPerL2Byte
                    : bytes <= l3Bytes / 2 ? flopsPerL3Byte
                                           : flopsPerMemoryByte);
  }

  /// As it is, and in tiles. The picture and the result are read and written in both; the 16
  /// matrices of either side are written and read as well, and the filter is longer.
  std::pair<Cost, Cost> costs(const Winograd &w) const {
    constexpr double kFloat = 4, kRowTile = 8;
    const double in = double(w.getInputs()), out = double(w.getOutputs()),
                 filter = in * out / double(w.getGroups());
    const double tiles = w.pictures() * w.tiles();
    Cost direct, tiled;
    const double outside = kFloat * w.pictures() * w.places() * (in + out);
    direct.flops = 2 * kWindow * kWindow * filter * w.pictures() * w.places();
    direct.bytes = outside + kFloat * kWindow * kWindow * filter;
    direct.time = std::max(direct.flops, arrival(kFloat * kWindow * kWindow * filter));
    // Sums and differences, of 32 and 24 for a tile and channel, are half of a multiply-add.
    const double transforms = tiles * (32 * in + 24 * out);
    const double matrices = kFloat * kPlanes * tiles * (in + out);
    tiled.flops = 2 * kPlanes * filter * tiles + transforms;
    tiled.bytes = outside + 2 * matrices + kFloat * kPlanes * filter;
    const double rows = std::ceil(tiles / kRowTile) * kRowTile;
    tiled.time = std::max(2 * kPlanes * filter * rows, arrival(kFloat * kPlanes * filter)) +
                 2 * transforms + 2 * arrival(matrices);
    return {direct, tiled};
  }
};
} // namespace
