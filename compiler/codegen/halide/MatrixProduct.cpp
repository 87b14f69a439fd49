//===- MatrixProduct.cpp - Which products a schedule wants by matrix tiles -------------------===//
#include "compiler/codegen/halide/MatrixProduct.h"

#include <algorithm>

namespace tessera::halide {

namespace {

/// Reads what one step adds up, and checks that it is what the function computes.
class Matcher {
public:
  Matcher(const HalideProgram &program, const Stage &stage, const Directive &directive)
      : program(program), stage(stage), directive(directive) {}

  std::string run(MatrixProduct &product) {
    codegen::MatrixTiles &tiles = product.tiles;
    tiles.name = "tessera_tiles_" + stage.name;
    tiles.rank = unsigned(stage.outputDims.size());
    if (tiles.rank < 4 || stage.body.size() != 1 || !isZero(stage.init[0]))
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
    const int64_t wide = codegen::kMatrixRowBytes / (tiles.isFloat ? 2 : 1);
    const int64_t group = tiles.isFloat ? 2 : 4;
    int32_t loops[2] = {-1, -1};
    const bool isInOrder =
        matchFactor(multiply.operands[0], wide, tiles.rowTiles, tiles.rank - 2, loops[0],
                    product.lhs, tiles.lhsOuter, tiles.lhsUnsigned) &&
        matchFactor(multiply.operands[1], group, tiles.columnTiles, tiles.rank - 1, loops[1],
                    product.rhs, tiles.rhsOuter, tiles.rhsUnsigned);
    const bool isSwapped =
        !isInOrder &&
        matchFactor(multiply.operands[1], wide, tiles.rowTiles, tiles.rank - 2, loops[0],
                    product.lhs, tiles.lhsOuter, tiles.lhsUnsigned) &&
        matchFactor(multiply.operands[0], group, tiles.columnTiles, tiles.rank - 1, loops[1],
                    product.rhs, tiles.rhsOuter, tiles.rhsUnsigned);
    if ((!isInOrder && !isSwapped) || loops[0] != loops[1] ||
        std::count(stage.isReduction.begin(), stage.isReduction.end(), true) != 1)
      return "does not read its factors in tiles of 32 rows by " + std::to_string(wide) +
             " steps, and of 32 columns by " + std::to_string(group);
    product.steps = stage.extents[loops[0]];
    return "";
  }

private:
  const Node &at(int32_t id) const { return program.nodes[id]; }
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
  bool isConst(int32_t id, int64_t value) const {
    return at(id).op == Op::IntConst && at(id).number == value;
  }

  bool findDim(const std::string &name, unsigned &dim) const {
    for (size_t d = 0; d < stage.outputDims.size(); ++d)
      if (stage.loops[stage.outputDims[d]] == name) {
        dim = unsigned(d);
        return true;
      }
    return false;
  }

  /// Which dimension of the sums an index is.
  bool follows(int32_t id, unsigned &dim) const {
    const Node &node = at(id);
    if (node.op != Op::Loop)
      return false;
    auto found = std::find(stage.outputDims.begin(), stage.outputDims.end(), node.number);
    dim = unsigned(found - stage.outputDims.begin());
    return found != stage.outputDims.end();
  }

  /// `[..., tiles, k / step, place, k % step]`, extended.
  bool matchFactor(int32_t id, int64_t step, unsigned tilesDim, unsigned placeDim, int32_t &loop,
                   int32_t &load, std::vector<unsigned> &outer, bool &isUnsigned) const {
    outer.clear();
    id = strip(id);
    const bool isFloat = at(id).type.kind == TypeKind::Float;
    if (at(id).op != (isFloat ? Op::FromBf16 : Op::Convert))
      return false;
    isUnsigned = at(at(id).operands[0]).type.kind == TypeKind::UInt;
    load = strip(at(id).operands[0]);
    const Node &read = at(load);
    if ((read.op != Op::LoadArg && read.op != Op::LoadStage) ||
        read.type.bits != (isFloat ? 16 : 8) || read.operands.size() < 4)
      return false;
    const size_t first = read.operands.size() - 4;
    for (size_t d = 0; d < first; ++d)
      if (!follows(read.operands[d], outer.emplace_back()))
        return false;
    unsigned tiles = 0, place = 0;
    const Node &which = at(read.operands[first + 1]), &where = at(read.operands[first + 3]);
    if (!follows(read.operands[first], tiles) || tiles != tilesDim ||
        !follows(read.operands[first + 2], place) || place != placeDim ||
        which.op != Op::DivFloor || where.op != Op::RemFloor || !isConst(which.operands[1], step) ||
        !isConst(where.operands[1], step) || which.operands[0] != where.operands[0])
      return false;
    const Node &k = at(which.operands[0]);
    loop = int32_t(k.number);
    return k.op == Op::Loop && stage.isReduction[k.number];
  }

  const HalideProgram &program;
  const Stage &stage;
  const Directive &directive;
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
          stage.reduces() ? Matcher(program, stage, directive).run(product) : "reduces nothing";
      if (!problem.empty())
        error = "tile_multiply: stage '" + stage.name + "' " + problem;
      products.push_back(std::move(product));
    }
  }
  return products;
}

} // namespace tessera::halide
