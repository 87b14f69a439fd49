//===- Stacks.cpp - Sequences of open length --------------------------------------------------===//

#include "frontends/onnx/Stacks.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

static void setStack(Node &node, Value elements) {
  node.setOutput(makeStack(node.getBuilder(), node.getLoc(), elements));
}

DimAttr tessera::onnx::lengthOf(Value stack) {
  return graph::getTensorType(contentsOf(stack).front()).getDim(0);
}

FailureOr<Value> tessera::onnx::stackOf(Node &node, graph::GraphBuilder &builder,
                                        ArrayRef<Value> parts) {
  SmallVector<Value> rows;
  for (Value part : parts) {
    if (isStructure(part) && !isStack(part))
      return node.error("makes a sequence of open length, of which an element is " +
                        describeStructure(part) + ", expected tensors");
    Value row = isStack(part) ? contentsOf(part).front() : part;
    DimList dims(graph::getTensorType(row).getDims());
    if (!isStack(part))
      dims.insert(dims.begin(), node.dim(1));
    if (!rows.empty()) {
      graph::TensorType first = graph::getTensorType(rows.front());
      if (size_t(first.rank()) != dims.size() ||
          first.getElementType() != graph::getTensorType(row).getElementType())
        return node.error(
            "makes a sequence of open length of elements of different ranks or types");
      for (size_t d = 1; d < dims.size(); ++d) {
        if (graph::isKnownDifferent(dims[d], first.getDim(d)))
          return node.error("makes a sequence of open length of elements with extents " +
                            first.getDim(d).str() + " and " + dims[d].str() +
                            "; they have to have one shape");
        dims[d] = first.getDim(d);
      }
    }
    rows.push_back(builder.reshape(row, dims));
  }
  if (rows.empty())
    return node.error("makes a sequence of open length that nothing is put into, so what its "
                      "elements are is not known");
  return rows.size() == 1 ? rows[0] : builder.create<graph::ConcatOp>(rows, 0);
}

/// Input `i`, a place in a stack, or behind it where that is allowed; negative ones count from the
/// end. What is not known now is checked when the model runs.
static FailureOr<DimExpr> positionIn(Node &node, size_t i, bool mayBeBehind = false) {
  if (isStructure(node.input(i)) || node.type(i).getElementCount() != 1)
    return node.error("needs one number as its position");
  DimAttr given = graph::getShapeScalar(node.input(i)), count = lengthOf(node.input(0));
  const int64_t least = mayBeBehind ? 0 : 1; // what lies behind
  if (given && given.isConstant() && count.isConstant()) {
    int64_t place = given.getValue() + (given.getValue() < 0 ? count.getValue() : 0);
    if (place < 0 || place > count.getValue() - least)
      return node.error("asks for position " + given.str() + " of " + count.str() + " elements");
    return DimExpr(node.dim(place));
  }
  ShapeScalars s(node);
  Value at = node.convert(node.reshape(node.input(i), {}), node.si64());
  at = s.select(s.isNegative(at), node.add(at, s.number(count)), at);
  s.bind(at, "the position");
  // Neither is what lies behind it negative.
  Value behind = node.sub(node.sub(s.number(count), at), s.number(least));
  return DimExpr(count) - node.dim(least) -
         DimExpr(s.bind(behind, "the number of elements behind the position"));
}

LogicalResult tessera::onnx::insertIntoStack(Node &node) {
  Value whole = contentsOf(node.input(0)).front();
  SmallVector<Value> parts{node.input(0), node.input(1)};
  if (node.input(2)) {
    DimAttr count = lengthOf(node.input(0));
    FailureOr<DimExpr> place = positionIn(node, 2, true);
    if (failed(place))
      return failure();
    auto part = [&](DimExpr start, DimExpr extent) {
      return makeStack(node.getBuilder(), node.getLoc(),
                       node.cut(whole, 0, node.known(start), node.known(extent)));
    };
    parts = {part(node.dim(0), *place), node.input(1), part(*place, DimExpr(count) - *place)};
  }
  FailureOr<Value> all = stackOf(node, node, parts);
  if (succeeded(all))
    setStack(node, *all);
  return success(succeeded(all));
}

LogicalResult tessera::onnx::eraseFromStack(Node &node) {
  Value whole = contentsOf(node.input(0)).front();
  DimExpr count = lengthOf(node.input(0)), place = count - node.dim(1);
  if (node.input(1)) {
    FailureOr<DimExpr> given = positionIn(node, 1);
    if (failed(given))
      return failure();
    place = *given;
  }
  DimExpr behind = place + node.dim(1);
  setStack(node, node.concat({node.cut(whole, 0, node.dim(0), node.known(place)),
                              node.cut(whole, 0, node.known(behind), node.known(count - behind))},
                             0));
  return success();
}

LogicalResult tessera::onnx::readFromStack(Node &node) {
  Value whole = contentsOf(node.input(0)).front();
  FailureOr<DimExpr> place = positionIn(node, 1);
  if (failed(place))
    return failure();
  DimList dims(graph::getTensorType(whole).getDims().drop_front());
  node.setOutput(node.reshape(node.cut(whole, 0, node.known(*place), node.dim(1)), dims));
  return success();
}

LogicalResult tessera::onnx::joinStack(Node &node) {
  Value whole = contentsOf(node.input(0)).front();
  graph::TensorType type = graph::getTensorType(whole);
  bool isNew = node.getInt("new_axis", 0);
  int64_t axis = node.getInt("axis", 0);
  if (failed(node.normalizeAxis(axis, type.rank() - !isNew)))
    return failure();
  Value moved = node.moveAxis(whole, 0, axis);
  if (!isNew) {
    DimList dims(graph::getTensorType(moved).getDims());
    dims[axis] = node.known(DimExpr(dims[axis]) * DimExpr(dims[axis + 1]));
    dims.erase(dims.begin() + axis + 1);
    moved = node.reshape(moved, dims);
  }
  node.setOutput(moved);
  return success();
}

LogicalResult tessera::onnx::mapStacks(Node &node) {
  // Sequences are what the scan goes over, tensors are seen from outside.
  SmallVector<Value> scanned;
  DimAttr count;
  for (Value input : node.inputs) {
    if (!isSequence(input) && !isStack(input))
      continue;
    SmallVector<Value> parts;
    if (isStack(input))
      parts.push_back(input);
    else
      llvm::append_range(parts, contentsOf(input));
    FailureOr<Value> all = stackOf(node, node, parts);
    if (failed(all))
      return failure();
    DimList dims(graph::getTensorType(*all).getDims());
    if (count && graph::isKnownDifferent(count, dims[0]))
      return node.error("has sequences of " + count.str() + " and " + dims[0].str() + " elements");
    count = dims[0] = count ? count : dims[0];
    scanned.push_back(node.reshape(*all, dims));
  }
  OpBuilder &outer = node.getBuilder();
  Location loc = node.getLoc();
  OperationState holding(loc, graph::ScanOp::getOperationName());
  Block &block = holding.addRegion()->emplaceBlock();
  Operation *holder = outer.create(holding); // Without types, until the body tells them.
  OpBuilder inner = OpBuilder::atBlockEnd(&block);
  SmallVector<Value> arguments, results;
  size_t next = 0;
  for (Value input : node.inputs) {
    if (!isSequence(input) && !isStack(input)) {
      arguments.push_back(input);
      continue;
    }
    graph::TensorType type = graph::getTensorType(scanned[next++]);
    arguments.push_back(block.addArgument(type.withDims(type.getDims().drop_front()), loc));
  }
  if (failed(node.importer.importSubgraph(node.attribute("body")->g(), inner, arguments, results)))
    return failure();
  if (drawsNumbers(block))
    return node.error("draws random numbers for each of " + count.str() +
                      " elements, a number that is "
                      "not known when compiling");
  SmallVector<Type> types;
  for (Value result : results) {
    if (isStructure(result))
      return node.error("its body gives " + describeStructure(result) + ", expected tensors");
    graph::TensorType type = graph::getTensorType(result);
    if (dependsOnBody(type.getDims(), block))
      return node.error("its body gives elements whose shapes depend on data, while their number "
                        "is not known when compiling");
    DimList dims{count};
    llvm::append_range(dims, type.getDims());
    types.push_back(type.withDims(dims));
  }
  graph::YieldOp::create(inner, loc, results);
  auto scan = graph::ScanOp::create(outer, loc, types, ValueRange(), scanned, /*axis=*/0,
                                    /*reverse=*/false);
  scan.getBody().takeBody(holder->getRegion(0));
  holder->erase();
  for (Value all : scan->getResults())
    setStack(node, all);
  return success();
}

LogicalResult tessera::onnx::splitToStack(Node &node, int64_t axis, bool keepsAxis) {
  Value moved = node.moveAxis(node.input(0), axis, 0);
  if (keepsAxis) {
    DimList dims(graph::getTensorType(moved).getDims());
    dims.insert(dims.begin() + 1 + axis, node.dim(1));
    moved = node.reshape(moved, dims);
  }
  setStack(node, moved);
  return success();
}
