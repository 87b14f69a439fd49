//===- Buffers.cpp - Where values are -------------------------------------------------------===//

#include "compiler/conversion/kernel_to_program/Converter.h"
#include "compiler/conversion/kernel_to_program/PackConstant.h"
#include "dialects/graph/Storage.h"

using namespace mlir;
using namespace tessera;
using graph::DimAttr;

program::BufferType Converter::bufferType(graph::TensorType type) {
  type = graph::getStorageType(type);
  return program::BufferType::get(builder.getContext(), type.getElementType(), type.rank());
}

SmallVector<Value> Converter::extentsOf(graph::TensorType type) {
  return regs(graph::getStorageType(type).getDims());
}

Value Converter::temp(graph::TensorType type) {
  SmallVector<Value> dims = extentsOf(type);
  OpBuilder::InsertionGuard guard(builder);
  unsigned section = sectionOf(ValueRange(dims));
  enter(section);
  return inSection(section, program::TempOp::create(builder, loc, bufferType(type), dims));
}

Value Converter::view(Value buffer, graph::TensorType type) {
  SmallVector<Value> dims = extentsOf(type);
  OpBuilder::InsertionGuard guard(builder);
  unsigned section = std::max(sectionOf(ValueRange(dims)), sectionOf(buffer));
  enter(section);
  return inSection(section, program::ViewOp::create(builder, loc, bufferType(type), buffer, dims));
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
    enter(0);
    return buffers[value] =
               program::ConstantOp::create(builder, loc, bufferType(type), constant.getValue(),
                                           graph::getStorageType(type).getShape(),
                                           /*layout=*/StringAttr());
  }
  // A part is written where the whole tensor is.
  if (llvm::isa_and_present<kernel::LaunchOp>(value.getDefiningOp()) && value.hasOneUse())
    if (auto join = llvm::dyn_cast<kernel::JoinOp>(*value.user_begin())) {
      Value whole = bufferOf(join.getResult());
      return buffers[value] = whole;
    }
  Value place = destination(value);
  return buffers[value] = place;
}

/// A constant in the layout that a kernel reads.
Value Converter::packed(graph::ConstantOp constant, Value operand, kernel::PackedAttr layout) {
  graph::TensorType logical = graph::getStorageType(graph::getTensorType(operand));
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
  enter(0);
  graph::TensorType type = weight->getType();
  return known = program::ConstantOp::create(builder, loc, bufferType(type), *weight,
                                             type.getShape(), builder.getStringAttr(text));
}

/// Where the producer of a value should write it.
Value Converter::destination(Value value) {
  if (auto wished = wishes.find(value); wished != wishes.end())
    return wished->second();
  return temp(graph::getTensorType(value));
}

void Converter::wish(Value value, Target target) {
  Value root = value;
  while (auto reshape = root.getDefiningOp<graph::ReshapeOp>())
    root = reshape.getX();
  // Only launches, host operators and branches write where they are told, and only to one place.
  Operation *launch = root.getDefiningOp();
  if (!llvm::isa_and_present<kernel::LaunchOp, kernel::JoinOp, graph::HostCallOp, graph::IfOp>(
          launch) ||
      launch->getBlock() != value.getDefiningOp()->getBlock() || wishes.count(root) ||
      buffers.count(root))
    return;
  graph::TensorType type = graph::getTensorType(root);
  // The target may have extents that are not known yet where the root is computed.
  auto isKnownAlike = [&](Value of) {
    return llvm::none_of(graph::getTensorType(of).getDims(),
                         [&](DimAttr dim) { return isLate(dim); });
  };
  if (root == value)
    wishes[root] = std::move(target);
  else if (isKnownAlike(value) && isKnownAlike(root))
    wishes[root] = [this, target, type] { return view(target(), type); };
}

/// Copies what its producer did not write in place. Copies may change the extents, so a reshape
/// needs no view here: in a branch that is not taken, its extents may not even fit.
void Converter::deliver(Value value, Value target) {
  auto rootOf = [](Value buffer) {
    while (auto view = buffer.getDefiningOp<program::ViewOp>())
      buffer = view.getSource();
    return buffer;
  };
  while (auto reshape = value.getDefiningOp<graph::ReshapeOp>()) {
    if (buffers.count(value))
      break;
    value = reshape.getX();
  }
  Value buffer = bufferOf(value);
  if (rootOf(buffer) != rootOf(target))
    program::CopyOp::create(builder, loc, buffer, target);
}

/// Made when its extents are known.
Value Converter::outputBuffer(unsigned number) {
  if (outputs[number])
    return outputs[number];
  auto type = llvm::cast<graph::TensorType>(function.getResultTypes()[number]);
  SmallVector<Value> dims = extentsOf(type);
  StringRef name = function.getResultName(number);
  OpBuilder::InsertionGuard guard(builder);
  unsigned section = sectionOf(ValueRange(dims));
  enter(section);
  SmallVector<std::string> texts =
      llvm::map_to_vector(graph::getStorageType(type).getDims(), [](DimAttr d) { return d.str(); });
  SmallVector<StringRef> refs(texts.begin(), texts.end());
  Value output = inSection(
      section,
      program::OutputOp::create(
          builder, function.getLoc(), bufferType(type), builder.getI64IntegerAttr(number),
          builder.getStringAttr(name.empty() ? "output" + llvm::Twine(number) : llvm::Twine(name)),
          dims, builder.getStrArrayAttr(refs)));
  if (Attribute strings = function.getResultAttr(number, "graph.strings"))
    output.getDefiningOp()->setAttr("program.strings", strings);
  if (Attribute axes = function.getResultAttr(number, "graph.squeezed"))
    output.getDefiningOp()->setAttr("program.squeezed", axes);
  return outputs[number] = output;
}
