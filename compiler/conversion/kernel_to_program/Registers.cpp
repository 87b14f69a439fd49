//===- Registers.cpp - Extents become registers -------------------------------------------===//

#include "compiler/conversion/kernel_to_program/Converter.h"

using namespace mlir;
using namespace tessera;
using graph::DimAttr;
using graph::DimExpr;
using graph::DimKind;

Value Converter::number(int64_t value) { return reg(graph::getDim(builder.getContext(), value)); }

Value Converter::binary(program::BinaryKind kind, Value x, Value y) {
  return program::BinaryOp::create(builder, loc, builder.getI64Type(), kind, x, y);
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
    return {}; // Bound before.
  case DimKind::Sum: {
    Value sum = fold(Kind::add, reg(operands[0]), operands.drop_front());
    return dim.getValue() ? binary(Kind::add, sum, number(dim.getValue())) : sum;
  }
  case DimKind::Product: {
    Value product = fold(Kind::mul, reg(operands[0]), operands.drop_front());
    return dim.getValue() != 1 ? binary(Kind::mul, product, number(dim.getValue())) : product;
  }
  case DimKind::FloorDiv:
    return binary(Kind::floordiv, reg(operands[0]), reg(operands[1]));
  case DimKind::Mod:
    return binary(Kind::mod, reg(operands[0]), reg(operands[1]));
  case DimKind::Min:
    return fold(Kind::min, reg(operands[0]), operands.drop_front());
  case DimKind::Max:
    return fold(Kind::max, reg(operands[0]), operands.drop_front());
  }
  return {};
}

/// Computed once, in the prologue.
Value Converter::reg(DimAttr dim) {
  if (Value known = registers.lookup(dim))
    return known;
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(bodyMarker);
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
      return llvm::is_contained(llvm::cast<graph::TensorType>(type).getDims(), symbol);
    });
    if (!isBound)
      return function.emitError("symbol '")
             << name
             << "' is the extent of no input alone, so it has no value when the program "
                "starts; give an input this extent, or fix it with --dim";
    auto range = llvm::cast<graph::RangeAttr>(entry.getValue());
    constexpr int64_t kMaxExtent = 0x7fffffff; // Kernels count in 32 bits.
    registers[symbol] =
        program::SymbolOp::create(builder, loc, builder.getI64Type(), name, range.getLo(),
                                  std::min(range.getHi().value_or(kMaxExtent), kMaxExtent));
  }
  return success();
}

/// Element counts that reshapes assume.
void Converter::assertSizes() {
  function.walk([&](graph::ReshapeOp op) {
    DimExpr before =
        graph::multiplyDims(op.getContext(), graph::getTensorType(op.getX()).getDims());
    DimExpr after = graph::multiplyDims(op.getContext(), op.getType().getDims());
    if (!before || !after || before == after)
      return;
    Value x = reg(before), y = reg(after);
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPoint(bodyMarker);
    std::string message = "a reshape needs " + before.get().str() + " = " + after.get().str() +
                          " elements, which these input extents do not give";
    program::AssertOp::create(builder, op.getLoc(), binary(program::BinaryKind::eq, x, y), message);
  });
}
