//===- Buffers.cpp - Where values are -------------------------------------------------------===//

#include "compiler/conversion/kernel_to_program/Converter.h"
#include "compiler/conversion/kernel_to_program/PackConstant.h"

using namespace mlir;
using namespace tessera;
using graph::DimAttr;

program::BufferType Converter::bufferType(graph::TensorType type) {
  return program::BufferType::get(builder.getContext(), type.getElementType(), type.rank());
}

Value Converter::temp(graph::TensorType type) {
  SmallVector<Value> dims = regs(type.getDims());
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(bodyMarker);
  return program::TempOp::create(builder, loc, bufferType(type), dims);
}

Value Converter::view(Value buffer, graph::TensorType type) {
  SmallVector<Value> dims = regs(type.getDims());
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(bodyMarker);
  return program::ViewOp::create(builder, loc, bufferType(type), buffer, dims);
}

Value Converter::bufferOf(Value value) {
  Value &buffer = buffers[value];
  if (buffer)
    return buffer;
  if (auto reshape = value.getDefiningOp<graph::ReshapeOp>()) {
    Value source = bufferOf(reshape.getX());
    return buffers[value] = view(source, reshape.getType());
  }
  if (auto constant = value.getDefiningOp<graph::ConstantOp>()) {
    graph::TensorType type = graph::getTensorType(value);
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPoint(bodyMarker);
    return buffers[value] = program::ConstantOp::create(builder, loc, bufferType(type),
                                                        constant.getValue(), type.getShape(),
                                                        /*layout=*/StringAttr());
  }
  return buffer = destination(value);
}

/// A constant in the layout that a kernel reads.
Value Converter::packed(graph::ConstantOp constant, Value operand, kernel::PackedAttr layout) {
  graph::TensorType logical = graph::getTensorType(operand);
  Value &known = packedConstants[{constant.getValue().getAsOpaquePointer(),
                                  logical.getAsOpaquePointer(), layout.getAsOpaquePointer()}];
  if (known)
    return known;
  llvm::Expected<graph::WeightAttr> weight = packConstant(constant.getValue(), logical, layout);
  if (!weight) {
    constant.emitError(llvm::toString(weight.takeError()));
    return {};
  }
  std::string text;
  llvm::raw_string_ostream(text) << layout;
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(bodyMarker);
  graph::TensorType type = weight->getType();
  return known = program::ConstantOp::create(builder, loc, bufferType(type), *weight,
                                             type.getShape(), builder.getStringAttr(text));
}

/// Where the producer of a value should write it.
Value Converter::destination(Value value) {
  if (Value wished = wishes.lookup(value))
    return wished;
  return temp(graph::getTensorType(value));
}

void Converter::wish(ValueRange values, ValueRange targets) {
  for (auto [value, target] : llvm::zip(values, targets)) {
    Value root = value;
    while (auto reshape = root.getDefiningOp<graph::ReshapeOp>())
      root = reshape.getX();
    // Only a launch writes where it is told, and only to one place.
    auto launch = root.getDefiningOp<kernel::LaunchOp>();
    if (!launch || launch->getBlock() != value.getDefiningOp()->getBlock() || wishes.count(root) ||
        buffers.count(root))
      continue;
    wishes[root] = root == value ? target : view(target, graph::getTensorType(root));
  }
}

/// Copies what its producer did not write in place.
void Converter::deliver(ValueRange values, ValueRange targets) {
  auto rootOf = [](Value buffer) {
    while (auto view = buffer.getDefiningOp<program::ViewOp>())
      buffer = view.getSource();
    return buffer;
  };
  for (auto [value, target] : llvm::zip(values, targets)) {
    Value buffer = bufferOf(value);
    if (rootOf(buffer) != rootOf(target))
      program::CopyOp::create(builder, loc, buffer, target);
  }
}
