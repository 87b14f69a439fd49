//===- MatrixProduct.cpp - Which products a schedule wants by matrix tiles -------------------===//
#include "compiler/codegen/halide/MatrixProduct.h"

#include <algorithm>
#include <map>

namespace tessera::halide {

namespace {

using codegen::kMatrixColumns;
using codegen::kMatrixGroupBytes;
using codegen::kMatrixRowBytes;
using codegen::kMatrixRows;
using codegen::MatrixFactor;

/// Reads what one step adds up, and checks that it is what the function computes.
class Matcher {
public:
  Matcher(const HalideProgram &program, const Stage &stage, const Directive &directive,
          MatrixProduct &product)
      : program(program), stage(stage), directive(directive), product(product),
        tiles(product.tiles) {}

  std::string run() {
    tiles.name = "tessera_tiles_" + stage.name;
    tiles.rank = unsigned(stage.outputDims.size());
    if (tiles.rank < 4 || stage.body.size() != 1 || stage.predicate >= 0 || !isZero(stage.init[0]))
      return "is no sum of its own that starts from zero";
    if (!findDim(directive.names[0], tiles.rowTiles) ||
        !findDim(directive.names[1], tiles.columnTiles))
      return "has no dimensions '" + directive.names[0] + "' and '" + directive.names[1] + "'";
    const Node &sum = at(stage.body[0]);
    if (sum.op != Op::Add || stripped(sum.operands[0]).op != Op::Carried)
      return "adds up something else than products";
    const Node &multiply = stripped(sum.operands[1]);
    if (multiply.op != Op::Mul)
      return "adds up something else than products";
    tiles.isFloat = multiply.type.kind == TypeKind::Float;
    std::optional<int64_t> rows = constant(stage.extents[loopOf(tiles.rank - 2)]),
                           columns = constant(stage.extents[loopOf(tiles.rank - 1)]);
    if (!rows || *rows > kMatrixRows || columns != kMatrixColumns)
      return "is not kept in tiles of at most 16 rows and of 32 columns";
    tiles.rows = *rows;
    if (!matchFactors(multiply.operands[0], multiply.operands[1]) &&
        !matchFactors(multiply.operands[1], multiply.operands[0]))
      return "does not read one factor by rows and steps, the other in tiles of 32 columns by "
             "groups of 4 bytes";
    for (unsigned dim = 0; dim + 2 < tiles.rank; ++dim)
      product.extents.push_back(stage.extents[loopOf(dim)]);
    for (int32_t loop : reductions)
      product.extents.push_back(stage.extents[loop]);
    return "";
  }

private:
  const Node &at(int32_t id) const { return program.nodes[id]; }
  int32_t loopOf(unsigned dim) const { return stage.outputDims[dim]; }
  /// Integers wrap (ScalarTranslator::wrapping): computed as others, their bits are the same.
  int32_t strip(int32_t id) const {
    while (at(id).op == Op::Reinterpret ||
           (at(id).op == Op::Convert && at(id).type.bits == at(at(id).operands[0]).type.bits))
      id = at(id).operands[0];
    return id;
  }
  const Node &stripped(int32_t id) const { return at(strip(id)); }

  bool isZero(int32_t id) const {
    const Node &node = stripped(id);
    return (node.op == Op::IntConst || node.op == Op::FloatConst) && node.number == 0;
  }
  std::optional<int64_t> constant(int32_t id) const {
    return at(id).op == Op::IntConst ? std::optional(at(id).number) : std::nullopt;
  }

  bool findDim(const std::string &name, unsigned &dim) const {
    for (size_t d = 0; d < stage.outputDims.size(); ++d)
      if (stage.loops[stage.outputDims[d]] == name) {
        dim = unsigned(d);
        return true;
      }
    return false;
  }

  /// What an index is: so much of each loop of the stage. A row that is taken for the last one
  /// where it is past that counts as itself: the function does not read it.
  struct Index {
    std::map<int32_t, int64_t> loops;
    int64_t constant = 0;
  };
  bool isRow(const Index &index) const {
    return index.constant == 0 && index.loops.size() == 2 &&
           index.loops.count(loopOf(tiles.rowTiles)) &&
           index.loops.at(loopOf(tiles.rowTiles)) == tiles.rows &&
           index.loops.count(loopOf(tiles.rank - 2)) && index.loops.at(loopOf(tiles.rank - 2)) == 1;
  }
  std::optional<Index> linear(int32_t id) {
    const Node &node = at(id);
    switch (node.op) {
    case Op::Loop: return Index{{{int32_t(node.number), 1}}, 0};
    case Op::IntConst: return Index{{}, node.number};
    case Op::Likely: return linear(node.operands[0]);
    case Op::Add: {
      std::optional<Index> a = linear(node.operands[0]), b = linear(node.operands[1]);
      if (!a || !b)
        return std::nullopt;
      for (auto [loop, by] : b->loops)
        a->loops[loop] += by;
      a->constant += b->constant;
      return a;
    }
    case Op::Mul: {
      for (int side : {0, 1})
        if (std::optional<int64_t> by = constant(node.operands[side])) {
          std::optional<Index> other = linear(node.operands[1 - side]);
          if (!other)
            return std::nullopt;
          for (auto &[loop, number] : other->loops)
            number *= *by;
          other->constant *= *by;
          return other;
        }
      return std::nullopt;
    }
    case Op::Min:
      for (int side : {0, 1})
        if (std::optional<Index> row = linear(node.operands[side]); row && isRow(*row)) {
          product.lastRow = node.operands[1 - side];
          return row;
        }
      return std::nullopt;
    default: return std::nullopt;
    }
  }

  bool matchFactors(int32_t lhs, int32_t rhs) {
    tiles.lhs = tiles.rhs = {};
    reductions.clear();
    tiles.reductions.clear();
    product.lastRow = -1;
    const Node *left = element(lhs, tiles.lhs, product.lhs),
               *right = element(rhs, tiles.rhs, product.rhs);
    if (!left || !right || !findReductions(*right))
      return false;
    const int32_t k = reductions.back();
    const int64_t bytes = tiles.elementBytes();
    const std::optional<int64_t> depth = constant(stage.extents[k]);
    // Rows as they lie in memory end with a step, so that nothing behind them is read.
    const bool isPacked = at(left->operands.back()).op == Op::RemFloor;
    tiles.stepBytes = isPacked ? kMatrixRowBytes
                      : depth  ? schedule::matrixStepBytes(*depth * bytes)
                               : 0;
    if (tiles.stepBytes == 0)
      return false;
    const int64_t step = tiles.stepBytes / bytes, group = kMatrixGroupBytes / bytes;
    const unsigned row = tiles.rank - 2, column = tiles.rank - 1;
    return matchReads(*left, isPacked ? step : 1, step, tiles.lhs, column, tiles.columnTiles) &&
           matchReads(*right, group, step, tiles.rhs, row, tiles.rowTiles) &&
           endsInTile(tiles.rhs, column);
  }

  /// What is extended to become a factor.
  const Node *element(int32_t id, MatrixFactor &factor, int32_t &load) const {
    id = strip(id);
    const bool isFloat = at(id).type.kind == TypeKind::Float;
    if (at(id).op != (isFloat ? Op::FromBf16 : Op::Convert))
      return nullptr;
    factor.isUnsigned = at(at(id).operands[0]).type.kind == TypeKind::UInt;
    load = strip(at(id).operands[0]);
    const Node &read = at(load);
    const bool fits = (read.op == Op::LoadArg || read.op == Op::LoadStage) &&
                      read.type.bits == (isFloat ? 16 : 8) && read.operands.size() >= 2;
    return fits ? &read : nullptr;
  }

  /// The reductions in their order, the one that is read in groups last.
  bool findReductions(const Node &rhs) {
    const Node &place = at(rhs.operands.back());
    if (place.op != Op::RemFloor || at(place.operands[0]).op != Op::Loop)
      return false;
    const int32_t last = int32_t(at(place.operands[0]).number);
    for (int32_t loop = 0; loop < int32_t(stage.loops.size()); ++loop)
      if (stage.isReduction[loop] && loop != last)
        reductions.push_back(loop);
    if (!stage.isReduction[last])
      return false;
    reductions.push_back(last);
    for (int32_t loop : reductions)
      tiles.reductions.push_back(constant(stage.extents[loop]).value_or(-1));
    return true;
  }

  /// `..., k / tile, ..., k % tile`, or (1) `..., k`; other loops move indices by constants, those
  /// of the other factor not at all.
  bool matchReads(const Node &read, int64_t tile, int64_t step, MatrixFactor &factor,
                  unsigned otherPlace, unsigned otherTiles) {
    const int32_t k = reductions.back();
    const unsigned stepLoop = unsigned(tiles.rank + reductions.size() - 1);
    auto isOfK = [&](const Node &node, Op op) {
      return node.op == op && constant(node.operands[1]) == tile &&
             at(node.operands[0]).op == Op::Loop && at(node.operands[0]).number == k;
    };
    bool hasSteps = false, hasPlaces = tile == 1;
    for (size_t d = 0; d < read.operands.size(); ++d) {
      const Node &node = at(read.operands[d]);
      const bool isLast = d + 1 == read.operands.size();
      factor.widths.push_back(1);
      if (tile > 1 && isOfK(node, Op::RemFloor)) {
        if (!isLast)
          return false;
        factor.widths.back() = tile;
        hasPlaces = true;
        continue;
      }
      if (tile > 1 ? isOfK(node, Op::DivFloor)
                   : isLast && node.op == Op::Loop && node.number == k) {
        if (hasSteps)
          return false;
        hasSteps = true;
        factor.widths.back() = step / tile;
        factor.moves.push_back({unsigned(d), stepLoop, step / tile});
        continue;
      }
      std::optional<Index> index = linear(read.operands[d]);
      if (!index || index->constant != 0)
        return false;
      for (auto [loop, by] : index->loops) {
        std::optional<unsigned> number = numberOf(loop);
        if (!number || by <= 0 || *number == otherPlace || *number == otherTiles ||
            *number == stepLoop)
          return false;
        factor.moves.push_back({unsigned(d), *number, by});
      }
    }
    return hasSteps && hasPlaces;
  }

  std::optional<unsigned> numberOf(int32_t loop) const {
    auto dim = std::find(stage.outputDims.begin(), stage.outputDims.end(), loop);
    if (dim != stage.outputDims.end())
      return unsigned(dim - stage.outputDims.begin());
    auto reduction = std::find(reductions.begin(), reductions.end(), loop);
    if (reduction == reductions.end())
      return std::nullopt;
    return unsigned(tiles.rank + (reduction - reductions.begin()));
  }

  /// `..., place in the tile, place in the group`, groups of steps one after the other.
  bool endsInTile(const MatrixFactor &factor, unsigned place) const {
    const unsigned rank = unsigned(factor.widths.size()),
                   stepLoop = unsigned(tiles.rank + reductions.size() - 1);
    if (rank < 4)
      return false;
    bool placed = false, stepped = false;
    for (const MatrixFactor::Move &move : factor.moves) {
      placed |= move.loop == place && move.dim == rank - 2 && move.by == 1;
      stepped |= move.loop == stepLoop && move.dim == rank - 3;
      if ((move.dim == rank - 2 && move.loop != place) ||
          (move.loop == place && move.dim != rank - 2))
        return false;
    }
    return placed && stepped;
  }

  const HalideProgram &program;
  const Stage &stage;
  const Directive &directive;
  MatrixProduct &product;
  codegen::MatrixTiles &tiles;
  std::vector<int32_t> reductions; ///< loops of the stage
};

} // namespace

std::vector<MatrixProduct> findMatrixProducts(const HalideProgram &program, std::string &error) {
  std::vector<MatrixProduct> products;
  for (const Directive &directive : program.directives) {
    if (directive.kind != Directive::TileMultiply)
      continue;
    for (size_t number = 0; number < program.stages.size(); ++number) {
      const Stage &stage = program.stages[number];
      if (stage.name != directive.stage)
        continue;
      MatrixProduct product;
      product.stage = int32_t(number);
      std::string problem =
          stage.reduces() ? Matcher(program, stage, directive, product).run() : "reduces nothing";
      if (!problem.empty())
        error = "tile_multiply: stage '" + stage.name + "' " + problem;
      products.push_back(std::move(product));
    }
  }
  return products;
}

} // namespace tessera::halide
