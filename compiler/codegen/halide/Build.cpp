//===- Build.cpp - From the plain description to Halide -------------------------------===//
#include "compiler/codegen/halide/BuiltStage.h"
#include "compiler/codegen/halide/MatrixProduct.h"
#include "compiler/codegen/halide/PrefetchLines.h"

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <sstream>
#include <sys/mman.h>
#include <unistd.h>

namespace tessera::halide {
namespace {

using Halide::Expr;
using Halide::Func;
using Halide::RVar;
using Halide::Var;
using Halide::VarOrRVar;

Halide::Type toHalide(Type type) {
  switch (type.kind) {
  case TypeKind::Int: return Halide::Int(type.bits);
  case TypeKind::UInt: return Halide::UInt(type.bits);
  case TypeKind::Float: return Halide::Float(type.bits);
  }
  return {};
}

class Builder {
public:
  Builder(const HalideProgram &program, const HalideTarget &target)
      : program(program), target(target) {}

  std::string run(std::string *loops) {
    declareArguments();
    std::string error;
    matrixProducts = findMatrixProducts(program, error);
    if (!error.empty())
      fail(error);
    for (const Stage &stage : program.stages)
      hasDotProducts |= matchDotProduct(stage).has_value();
    for (const Stage &stage : program.stages)
      buildStage(stage);
    constrainOutputs();
    for (const Directive &directive : program.directives) {
      if (directive.kind == Directive::BoundStorage)
        boundWhole(directive);
      applyDirective(directive, program, params, built);
    }
    if (loops)
      *loops = printLoops();
    return compile();
  }

private:
  void declareArguments() {
    for (const TensorArgument &tensor : program.tensors) {
      int rank = static_cast<int>(tensor.shape.size());
      Halide::ImageParam param(toHalide(tensor.type), rank, tensor.name);
      constrain(param, tensor.shape);
      params.push_back(param);
    }
    for (uint32_t i = 0; i < program.extents; ++i)
      extents.emplace_back("extent" + std::to_string(i));
  }

  /// Tensors are row-major and start at 0; whatever is static is told. Of a tuple's buffers Halide
  /// wants to hear the bounds of the first one only.
  template <typename Param>
  static void constrain(Param param, const std::vector<int64_t> &shape, bool withBounds = true,
                        std::vector<int64_t> whole = {}) {
    if (whole.empty())
      whole = shape;
    int rank = static_cast<int>(shape.size());
    int64_t stride = 1;
    for (int d = 0; d < rank; ++d) {
      int64_t extent = shape[rank - 1 - d];
      if (withBounds)
        param.dim(d).set_min(0);
      if (withBounds && extent >= 0)
        param.dim(d).set_bounds(0, static_cast<int>(extent));
      if (stride >= 0 && stride <= INT32_MAX)
        param.dim(d).set_stride(static_cast<int>(stride));
      extent = whole[rank - 1 - d];
      stride = extent >= 0 && stride >= 0 ? stride * std::max<int64_t>(extent, 1) : -1;
    }
  }

  /// The shape of an output, with the extents unknown that are taken in blocks where stages are
  /// kept for so many rows of a block (bound_storage). Halide's simplifier proves that bound from
  /// the shape of the expressions; when it may fold the extent into them, it finds the extent
  /// instead.
  std::vector<int64_t> hideBlockedExtents(const Output &output) const {
    std::vector<int64_t> shape = output.shape;
    const Stage &stage = program.stages[output.stage];
    bool isBounded = false;
    for (const Directive &directive : program.directives)
      isBounded |= directive.kind == Directive::BoundStorage;
    if (!isBounded)
      return shape;
    for (const Directive &directive : program.directives)
      if (directive.kind == Directive::Split && directive.stage == stage.name)
        for (size_t d = 0; d < shape.size(); ++d)
          if (stage.loops[stage.outputDims[d]] == directive.names[0])
            shape[d] = -1;
    return shape;
  }

  void constrainOutputs() {
    for (const Output &output : program.outputs) {
      Func func = built[output.stage].func;
      if (func.dimensions() == 0)
        continue;
      std::vector<int64_t> shape = hideBlockedExtents(output);
      bool isFirst = true;
      for (Halide::OutputImageParam &buffer : func.output_buffers()) {
        constrain(buffer, shape, isFirst, output.whole);
        isFirst = false;
      }
      // Nothing outside of the tensor is computed. Left alone, Halide adds what later stages read,
      // and the interval of the clamped reads of an empty dimension is [-1, -1].
      Halide::OutputImageParam buffer = func.output_buffers().front();
      for (int d = 0; d < func.dimensions(); ++d)
        func.bound(func.args()[d], 0, buffer.dim(d).extent());
    }
  }

  Expr expr(const Stage &stage, const BuiltStage &here, int32_t id, std::map<int32_t, Expr> &done) {
    auto found = done.find(id);
    if (found != done.end())
      return found->second;
    const Node &node = program.nodes[id];
    std::vector<Expr> operands;
    for (int32_t operand : node.operands)
      operands.push_back(expr(stage, here, operand, done));
    Expr value = combine(stage, node, here, operands);
    done.emplace(id, value);
    return value;
  }

  /// Whether a value follows from what memory holds.
  bool followsFromData(int32_t id) {
    auto found = dataDependent.find(id);
    if (found != dataDependent.end())
      return found->second;
    const Node &node = program.nodes[id];
    bool follows = node.op == Op::LoadArg || node.op == Op::LoadStage || node.op == Op::Carried;
    for (int32_t operand : node.operands)
      follows = follows || followsFromData(operand);
    dataDependent.emplace(id, follows);
    return follows;
  }

  /// Coordinates of a gather, as Halide shall know them: its simplifier drops clamps that it proves
  /// needless from ranges of types and shifts, and then its bounds inference misses them.
  std::vector<Expr> inBounds(const Node &read, std::vector<Expr> coordinates) {
    const Halide::ImageParam &param = params[read.number];
    for (size_t i = 0; i < coordinates.size(); ++i)
      if (followsFromData(read.operands[i]))
        coordinates[i] = Halide::unsafe_promise_clamped(
            coordinates[i], 0,
            param.dim(static_cast<int>(coordinates.size() - 1 - i)).extent() - 1);
    return coordinates;
  }

  static std::vector<Expr> innermostFirst(std::vector<Expr> coordinates) {
    std::reverse(coordinates.begin(), coordinates.end());
    return coordinates;
  }

  Expr combine(const Stage &stage, const Node &node, const BuiltStage &here,
               const std::vector<Expr> &x) {
    Halide::Type type = toHalide(node.type);
    switch (node.op) {
    case Op::IntConst:
      return type.is_bool() ? Halide::Internal::make_const(type, node.number != 0)
                            : Halide::Internal::make_const(type, node.number);
    case Op::FloatConst: {
      double value;
      std::memcpy(&value, &node.number, sizeof value);
      return Halide::Internal::FloatImm::make(type, value);
    }
    case Op::Extent: return extents[node.number];
    case Op::ArgExtent: {
      const Halide::ImageParam &param = params[node.number];
      return param.dim(param.dimensions() - 1 - node.detail).extent();
    }
    case Op::Loop: return here.loopExprs[node.number];
    case Op::Carried: {
      std::vector<Var> vars = here.func.args();
      std::vector<Expr> place(vars.begin(), vars.end());
      if (here.inOrder >= 0)
        for (size_t dim = 0; dim < place.size(); ++dim)
          if (stage.outputDims[place.size() - 1 - dim] == here.inOrder) {
            Expr last = exprs(stage, here, {stage.extents[here.inOrder]})[0] - 1;
            place[dim] =
                stage.alike[here.inOrder][node.number] ? last : here.loopExprs[here.inOrder];
          }
      Halide::FuncRef ref = Func(here.func)(place);
      return here.func.outputs() == 1 ? Expr(ref) : Expr(ref[static_cast<int>(node.number)]);
    }
    case Op::LoadArg: return params[node.number](innermostFirst(inBounds(node, x)));
    case Op::LoadStage: {
      Func func = built[node.number].func;
      Halide::FuncRef ref = func(innermostFirst(x));
      return func.outputs() == 1 ? Expr(ref) : Expr(ref[node.detail]);
    }
    case Op::LoadTable: // codegen/llvm/LookupTables.h
      return Halide::Internal::Call::make(type, "tessera_table_" + std::to_string(node.number), x,
                                          Halide::Internal::Call::PureExtern);
    case Op::Add: return x[0] + x[1];
    case Op::Sub: return x[0] - x[1];
    case Op::Mul: return x[0] * x[1];
    case Op::Div: return x[0] / x[1];
    case Op::DivTrunc: return Halide::div_round_to_zero(x[0], x[1]);
    case Op::RemTrunc: return Halide::mod_round_to_zero(x[0], x[1]);
    case Op::DivFloor: // Halide's own division: floors for the positive divisors used in indices.
      return x[0] / x[1];
    case Op::RemFloor: return x[0] % x[1];
    case Op::Min: return Halide::min(x[0], x[1]);
    case Op::Max: return Halide::max(x[0], x[1]);
    case Op::And: return type.is_bool() ? x[0] && x[1] : x[0] & x[1];
    case Op::Or: return type.is_bool() ? x[0] || x[1] : x[0] | x[1];
    case Op::Xor: return type.is_bool() ? x[0] != x[1] : x[0] ^ x[1];
    case Op::Shl: return x[0] << x[1];
    case Op::Shr: return x[0] >> x[1];
    case Op::Less: return x[0] < x[1];
    case Op::LessEqual: return x[0] <= x[1];
    case Op::Equal: return x[0] == x[1];
    case Op::NotEqual: return x[0] != x[1];
    case Op::Select: return Halide::select(x[0], x[1], x[2]);
    case Op::Neg: return -x[0];
    case Op::Abs: return Halide::abs(x[0]);
    case Op::Floor: return Halide::floor(x[0]);
    case Op::Ceil: return Halide::ceil(x[0]);
    case Op::Trunc: return Halide::trunc(x[0]);
    case Op::RoundEven: return Halide::round(x[0]);
    case Op::Sqrt: return Halide::sqrt(x[0]);
    case Op::Convert: return Halide::cast(type, x[0]);
    case Op::Likely: return Halide::likely(x[0]);
    case Op::Reinterpret: return Halide::reinterpret(type, x[0]);
    case Op::FromBf16: return Halide::reinterpret(type, Halide::cast(Halide::UInt(32), x[0]) << 16);
    }
    return {};
  }

  std::vector<Expr> exprs(const Stage &stage, const BuiltStage &here,
                          const std::vector<int32_t> &ids) {
    std::map<int32_t, Expr> done;
    std::vector<Expr> values;
    for (int32_t id : ids)
      values.push_back(expr(stage, here, id, done));
    return values;
  }

  /// Beside dot products all else is strict, expression by expression. A sum of its own stays
  /// recognizable as one, so that its loops may change places; nothing is folded into it.
  void makeStrict(Expr &value) const {
    if (!hasDotProducts)
      return; // The target says it.
    if (const auto *sum = value.as<Halide::Internal::Add>();
        sum && sum->a.as<Halide::Internal::Call>())
      value = Halide::Internal::Add::make(sum->a, Halide::strict_float(sum->b));
    else
      value = Halide::strict_float(value);
  }

  void define(Func func, const std::vector<Expr> &place, std::vector<Expr> values) const {
    for (Expr &value : values)
      makeStrict(value);
    if (values.size() == 1)
      func(place) = values[0];
    else
      func(place) = Halide::Tuple(values);
  }

  /// The two values whose product a step adds up, if both are bf16 and the schedule takes several
  /// steps for one instruction.
  std::optional<std::pair<int32_t, int32_t>> matchDotProduct(const Stage &stage) const {
    bool isGrouped = false;
    for (const Directive &directive : program.directives)
      isGrouped |= directive.kind == Directive::Atomic && directive.stage == stage.name;
    if (!target.bf16 || !isGrouped || stage.body.size() != 1)
      return std::nullopt;
    const Node &sum = program.nodes[stage.body[0]];
    if (sum.op != Op::Add || program.nodes[sum.operands[0]].op != Op::Carried)
      return std::nullopt;
    const Node &product = program.nodes[sum.operands[1]];
    if (product.op != Op::Mul)
      return std::nullopt;
    const Node &lhs = program.nodes[product.operands[0]];
    const Node &rhs = program.nodes[product.operands[1]];
    if (lhs.op != Op::FromBf16 || rhs.op != Op::FromBf16)
      return std::nullopt;
    return std::pair(lhs.operands[0], rhs.operands[0]);
  }

  /// Halide finds the instruction where it may choose how sums are rounded, and knows the type.
  void defineDotProduct(const Stage &stage, const BuiltStage &here, const std::vector<Expr> &place,
                        std::pair<int32_t, int32_t> factors) {
    auto extend = [](const Expr &bits) {
      return Halide::cast(Halide::Float(32), Halide::reinterpret(Halide::BFloat(16), bits));
    };
    std::vector<Expr> bits = exprs(stage, here, {factors.first, factors.second});
    Func func = here.func;
    func(place) += extend(bits[0]) * extend(bits[1]);
  }

  void buildStage(const Stage &stage) {
    // Halide inlines by name, and its intrinsics have names as stages have: "abs", "round".
    BuiltStage here{Func("stage_" + stage.name), {}, {}, {}, -1, {}};
    // Parallel loops are variables; reduction loops get their place in one domain.
    std::vector<Expr> loops(stage.loops.size());
    for (size_t i = 0; i < loops.size(); ++i) {
      if (stage.isReduction[i])
        continue;
      Var var(stage.loops[i]);
      here.pure.emplace(stage.loops[i], var);
      here.update.emplace(stage.loops[i], var);
      loops[i] = var;
    }
    here.loopExprs = loops;
    std::vector<Expr> place;
    for (auto dim = stage.outputDims.rbegin(); dim != stage.outputDims.rend(); ++dim)
      place.push_back(loops[*dim]);
    if (!stage.reduces()) {
      define(here.func, place, exprs(stage, here, stage.body));
      built.push_back(std::move(here));
      return;
    }
    for (const MatrixProduct &product : matrixProducts)
      if (&program.stages[product.stage] == &stage)
        return callForProduct(stage, std::move(here), product);
    define(here.func, place, exprs(stage, here, stage.init));

    here.inOrder = inOrderLoop(stage);
    Halide::Region ranges;
    std::vector<size_t> reductions;
    if (here.inOrder >= 0) { // The innermost one of the domain.
      here.ordered.insert(stage.loops[here.inOrder]);
      reductions.push_back(here.inOrder);
      ranges.emplace_back(0, exprs(stage, here, {stage.extents[here.inOrder]})[0]);
    }
    for (size_t i = loops.size(); i-- > 0;) {
      if (!stage.isReduction[i])
        continue;
      reductions.push_back(i);
      ranges.emplace_back(0, exprs(stage, here, {stage.extents[i]})[0]);
    }
    Halide::RDom domain(ranges, stage.name + "_r");
    for (size_t r = 0; r < reductions.size(); ++r) {
      RVar var = domain[static_cast<int>(r)];
      here.loopExprs[reductions[r]] = var;
      here.update.insert_or_assign(stage.loops[reductions[r]], VarOrRVar(var));
    }
    if (stage.predicate >= 0)
      domain.where(exprs(stage, here, {stage.predicate})[0]);
    if (here.inOrder >= 0)
      for (size_t dim = 0; dim < place.size(); ++dim)
        if (stage.outputDims[place.size() - 1 - dim] == here.inOrder)
          place[dim] = here.loopExprs[here.inOrder];
    if (std::optional<std::pair<int32_t, int32_t>> factors = matchDotProduct(stage))
      defineDotProduct(stage, here, place, *factors);
    else
      define(here.func, place, exprs(stage, here, stage.body));
    // Its iterations may lie on vectors: each reads only its own place, or the last one.
    if (here.inOrder >= 0)
      here.func.update().allow_race_conditions();
    built.push_back(std::move(here));
  }

  /// A function computes the stage, block by block.
  void callForProduct(const Stage &stage, BuiltStage here, const MatrixProduct &product) {
    auto factor = [&](int32_t load) -> Halide::ExternFuncArgument {
      const Node &node = program.nodes[load];
      if (node.op == Op::LoadArg)
        return params[node.number];
      return built[node.number].func;
    };
    std::vector<Var> dims;
    for (auto dim = stage.outputDims.rbegin(); dim != stage.outputDims.rend(); ++dim)
      dims.emplace_back(stage.loops[*dim]);
    std::vector<Halide::ExternFuncArgument> arguments{factor(product.lhs), factor(product.rhs)};
    for (const Expr &extent : exprs(stage, here, product.extents))
      arguments.emplace_back(extent);
    arguments.emplace_back(product.lastRow < 0 ? Halide::Int(32).max()
                                               : exprs(stage, here, {product.lastRow})[0] + 1);
    here.func.define_extern(product.tiles.name, arguments, toHalide(stage.types[0]), dims,
                            Halide::NameMangling::C);
    built.push_back(std::move(here));
  }

  /// The loop of a stage that its update shall run in order, or -1.
  int inOrderLoop(const Stage &stage) {
    for (const Directive &directive : program.directives) {
      if (directive.kind != Directive::InOrder || directive.stage != stage.name)
        continue;
      auto found = std::find(stage.loops.begin(), stage.loops.end(), directive.names[0]);
      size_t loop = found - stage.loops.begin();
      if (!directive.onUpdate || found == stage.loops.end() || stage.isReduction[loop] ||
          stage.alike.empty())
        fail("'" + directive.names[0] + "' of stage '" + stage.name +
             "' is no loop of an update with several results that can run in order");
      return static_cast<int>(loop);
    }
    return -1;
  }

  /// Of a dimension that is kept as a whole, min(extent, n) in room for n, all is computed. Halide
  /// would take the union of what is read, and not see that it begins at 0.
  void boundWhole(const Directive &directive) {
    for (size_t number = 0; number < built.size(); ++number) {
      const Stage &stage = program.stages[number];
      auto found = std::find(stage.loops.begin(), stage.loops.end(), directive.names[0]);
      if (stage.name != directive.stage || found == stage.loops.end())
        continue;
      const int32_t extent = stage.extents[found - stage.loops.begin()];
      if (extent < 0 || program.nodes[extent].op != Op::Min)
        continue;
      for (int32_t operand : program.nodes[extent].operands)
        if (const Node &most = program.nodes[operand];
            most.op == Op::IntConst && most.number == directive.number)
          built[number].func.bound(Var(*found), 0, exprs(stage, built[number], {extent})[0]);
    }
  }

  //===-- Compilation ---------------------------------------------------------------===//

  std::vector<Func> outputs() const {
    std::vector<Func> funcs;
    for (const Output &output : program.outputs)
      funcs.push_back(built[output.stage].func);
    return funcs;
  }

  /// Halide prints to the standard error stream only.
  std::string printLoops() {
    std::ostringstream text;
    std::streambuf *before = std::cerr.rdbuf(text.rdbuf());
    Halide::Pipeline(outputs()).print_loop_nest();
    std::cerr.rdbuf(before);
    return text.str();
  }

  std::string compile() {
    using T = Halide::Target;
    std::vector<T::Feature> features = {T::SSE41,     T::AVX,           T::AVX2,
                                        T::FMA,       T::F16C,          T::NoRuntime,
                                        T::NoAsserts, T::NoBoundsQuery, T::UserContext};
    if (!hasDotProducts)
      features.push_back(T::StrictFloat);
    if (target.avx512) {
      features.push_back(T::AVX512);
      features.push_back(T::AVX512_Skylake);
    }
    // Halide knows these instructions on this processor only. It uses no others of its own accord:
    // the vectors are as long as the schedule says.
    if (target.vnni)
      for (T::Feature feature :
           {T::AVX512, T::AVX512_Skylake, T::AVX512_Cannonlake, T::AVX512_Zen4})
        features.push_back(feature);
    // Halide optimises before we do. Its LLVM would gather the addresses of a tile's rows in
    // vectors, and take them apart again in the inner loop.
    setenv("HL_LLVM_ARGS", "-vectorize-slp=false", 1);
    T halideTarget(T::Linux, T::X86, 64, features);
    std::vector<Halide::Argument> arguments(params.begin(), params.end());
    for (const Halide::Param<int32_t> &extent : extents)
      arguments.push_back(extent);

    // Halide only writes files; this one lives in memory.
    int file = memfd_create("tessera-kernel", MFD_CLOEXEC);
    if (file < 0)
      fail("no memory for the bitcode of kernel '" + program.name + "'");
    std::string path = "/proc/self/fd/" + std::to_string(file);
    Halide::Pipeline pipeline(outputs());
    pipeline.add_custom_lowering_pass(new PrefetchLines);
    pipeline.compile_to_bitcode(path, arguments, program.name, halideTarget);
    std::ifstream in(path, std::ios::binary);
    std::stringstream bytes;
    bytes << in.rdbuf();
    close(file);
    return bytes.str();
  }

  const HalideProgram &program;
  const HalideTarget &target;
  std::vector<Halide::ImageParam> params;
  std::vector<Halide::Param<int32_t>> extents;
  std::vector<BuiltStage> built;
  std::map<int32_t, bool> dataDependent; ///< of program.nodes
  bool hasDotProducts = false;
  std::vector<MatrixProduct> matrixProducts;
};

} // namespace

/// Halide's messages have lines of their own; a diagnostic of ours is one.
static std::string asOneLine(std::string_view text) {
  std::string line;
  for (char c : text)
    if (c != '\n')
      line += c;
    else if (!line.empty() && line.back() != ' ')
      line += ' ';
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

std::string buildBitcode(const HalideProgram &program, const HalideTarget &target,
                         std::string &error, std::string *loops) {
  try {
    return Builder(program, target).run(loops);
  } catch (const Halide::Error &e) {
    error = asOneLine(e.what());
  } catch (const std::exception &e) {
    error = asOneLine(e.what());
  }
  return {};
}

} // namespace tessera::halide
