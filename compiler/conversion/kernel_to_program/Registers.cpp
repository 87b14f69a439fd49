//===- Registers.cpp - Extents become registers -------------------------------------------===//

#include "compiler/conversion/kernel_to_program/Converter.h"
#include "dialects/graph/Storage.h"

using namespace mlir;
using namespace tessera;
using graph::DimAttr;
using graph::DimExpr;
using graph::DimKind;

static constexpr int64_t kMaxExtent = 0x7fffffff; // Kernels count in 32 bits.

unsigned Converter::sectionOf(ValueRange values) const {
  unsigned section = 0;
  for (Value value : values)
    section = std::max(section, sectionOf(value));
  return section;
}

Value Converter::inSection(unsigned section, Value value) {
  if (section)
    sections[value] = section;
  return value;
}

Value Converter::number(int64_t value) { return reg(graph::getDim(builder.getContext(), value)); }

/// Computed where both operands are known.
Value Converter::binary(program::BinaryKind kind, Value x, Value y) {
  OpBuilder::InsertionGuard guard(builder);
  unsigned section = std::max(sectionOf(x), sectionOf(y));
  enter(section);
  return inSection(section,
                   program::BinaryOp::create(builder, loc, builder.getI64Type(), kind, x, y));
}

Value Converter::computeDim(DimAttr dim) {
  using Kind = program::BinaryKind;
  ArrayRef<DimAttr> operands = dim.getOperands();
  auto fold = [&](Kind kind, Value start, ArrayRef<DimAttr> rest) {
    for (DimAttr operand : rest)
      start = binary(kind, start, reg(operand));
    return start;
  };
  switch (dim.getKind()) {
  case DimKind::Constant:
    return program::NumberOp::create(builder, loc, builder.getI64Type(), dim.getValue());
  case DimKind::Symbol:
    function.emitError("symbol '")
        << dim.getSymbol()
        << "' is the extent of no input alone and no graph.bind_dim gives it a value; give "
        << "an input this extent, or fix it with --dim";
    hasFailed = true;
    return number(0);
  case DimKind::Sum: {
    Value sum = fold(Kind::add, reg(operands[0]), operands.drop_front());
    return dim.getValue() ? binary(Kind::add, sum, number(dim.getValue())) : sum;
  }
  case DimKind::Product: {
    Value product = fold(Kind::mul, reg(operands[0]), operands.drop_front());
    return dim.getValue() != 1 ? binary(Kind::mul, product, number(dim.getValue())) : product;
  }
  case DimKind::FloorDiv: return binary(Kind::floordiv, reg(operands[0]), reg(operands[1]));
  case DimKind::Mod: return binary(Kind::mod, reg(operands[0]), reg(operands[1]));
  case DimKind::Min: return fold(Kind::min, reg(operands[0]), operands.drop_front());
  case DimKind::Max: return fold(Kind::max, reg(operands[0]), operands.drop_front());
  }
  return {};
}

/// Computed once, in the first section that knows all of its symbols.
Value Converter::reg(DimAttr dim) {
  if (Value known = registers.lookup(dim))
    return known;
  OpBuilder::InsertionGuard guard(builder);
  enter(0);
  Value value = computeDim(dim);
  registers[dim] = value;
  return value;
}

SmallVector<Value> Converter::regs(ArrayRef<DimAttr> dims) {
  return llvm::map_to_vector(dims, [&](DimAttr dim) { return reg(dim); });
}

LogicalResult Converter::bindSymbols() {
  DictionaryAttr dims = function.getDimsAttr();
  if (!dims)
    return success();
  for (NamedAttribute entry : dims) {
    StringRef name = entry.getName().getValue();
    DimAttr symbol = DimExpr::symbol(builder.getContext(), name);
    bool isBound = llvm::any_of(function.getArgumentTypes(), [&](Type type) {
      return llvm::is_contained(
          graph::getStorageType(llvm::cast<graph::TensorType>(type)).getDims(), symbol);
    });
    if (!isBound) // By data, or not used.
      continue;
    auto range = llvm::cast<graph::RangeAttr>(entry.getValue());
    registers[symbol] =
        program::SymbolOp::create(builder, loc, builder.getI64Type(), name, range.getLo(),
                                  std::min(range.getHi().value_or(kMaxExtent), kMaxExtent));
  }
  return success();
}

bool Converter::isLate(DimAttr dim) {
  bool late = false;
  graph::walkDimSymbols(dim, [&](StringRef symbol) { late |= boundSymbols.count(symbol); });
  return late;
}

/// The element count that a reshape assumes.
void Converter::assertSize(graph::ReshapeOp op) {
  DimExpr before = graph::multiplyDims(op.getContext(), graph::getTensorType(op.getX()).getDims());
  DimExpr after = graph::multiplyDims(op.getContext(), op.getType().getDims());
  if (!before || !after || before == after)
    return;
  Value isEqual = binary(program::BinaryKind::eq, reg(before), reg(after));
  OpBuilder::InsertionGuard guard(builder);
  if (op->getBlock() == &function.getBody().front()) // Elsewhere it holds only where it is reached.
    enter(sectionOf(isEqual));
  std::string message = "a reshape needs " + before.get().str() + " = " + after.get().str() +
                        " elements, which these input extents do not give";
  program::AssertOp::create(builder, op.getLoc(), isEqual, message);
}

/// The scalar is loaded, checked against the range of its symbol, and a section begins in which
/// sizes that depend on it are computed. Binding several symbols in a row makes one section.
LogicalResult Converter::convertBindDim(graph::BindDimOp op) {
  using Kind = program::BinaryKind;
  Value source = bufferOf(op.getValue());
  Operation *previous = builder.getInsertionPoint() == builder.getInsertionBlock()->begin()
                            ? nullptr
                            : &*std::prev(builder.getInsertionPoint());
  bool joins = previous && previous == markers.back() && markers.size() > 1 &&
               sectionOf(source) + 1 < markers.size();
  if (!joins)
    markers.push_back(program::PlanOp::create(builder, op.getLoc()));
  unsigned section = markers.size() - 1;
  graph::RangeAttr range = function.getRange(op.getSymbol());
  int64_t highest = std::min(range.getHi().value_or(kMaxExtent), kMaxExtent);
  OpBuilder::InsertionGuard guard(builder);
  enter(section);
  Value value = inSection(
      section, program::LoadOp::create(builder, loc, builder.getI64Type(), source, number(0)));
  std::string what =
      op.getMessage() ? op.getMessage()->str() : "extent '" + op.getSymbol().str() + "'";
  auto check = [&](Value condition, const llvm::Twine &message) {
    program::AssertOp::create(builder, op.getLoc(), condition, message.str());
  };
  check(binary(Kind::le, number(range.getLo()), value),
        what + " is computed from data and comes out below " + llvm::Twine(range.getLo()));
  check(binary(Kind::le, value, number(highest)),
        what + " is computed from data and comes out above " + llvm::Twine(highest));
  registers[DimExpr::symbol(op.getContext(), op.getSymbol()).get()] = value;
  return success();
}
