//===- SequenceMaps.cpp - SequenceMap of sequences of open length -----------------------------===//

#include "frontends/onnx/LoopImporter.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

namespace {
/// A scan over stacks, where the body gives elements of one shape; else a loop that reads elements
/// and collects what the body makes of them, as the specification says it.
class MapImporter {
public:
  explicit MapImporter(Node &node) : node(node), noted(node.importer.notes()) {}
  LogicalResult run();

private:
  LogicalResult readInputs();
  FailureOr<bool> mapStacks();
  LogicalResult mapInLoop();
  LogicalResult refuseDraws(Block &block);

  Node &node;
  const Importer::Notes noted;
  SmallVector<std::optional<OpenSequence>> sequences; ///< of inputs; none: the same for all
  DimAttr count;
};
} // namespace

LogicalResult MapImporter::readInputs() {
  for (auto [i, input] : llvm::enumerate(node.inputs)) {
    sequences.emplace_back();
    if (!isSequence(input) && !isOpenSequence(input))
      continue;
    FailureOr<OpenSequence> sequence = openInput(node, i);
    if (failed(sequence))
      return failure();
    // All have as many elements, which a run checks.
    Value &counted = sequence->shapes ? sequence->shapes : sequence->values;
    DimList dims(graph::getTensorType(counted).getDims());
    if (count && graph::isKnownDifferent(count, dims[0]))
      return node.error("has sequences of " + count.str() + " and " + dims[0].str() + " elements");
    count = dims[0] = count ? count : dims[0];
    counted = node.reshape(counted, dims);
    sequences.back() = *sequence;
  }
  return success();
}

LogicalResult MapImporter::refuseDraws(Block &block) {
  return drawsNumbers(block) ? node.error("draws random numbers for each of " + count.str() +
                                          " elements, a number that is not known when compiling")
                             : success();
}

/// False: the body gives elements whose shapes depend on data, and nothing was imported.
FailureOr<bool> MapImporter::mapStacks() {
  OpBuilder &outer = node.getBuilder();
  Location loc = node.getLoc();
  OperationState holding(loc, graph::ScanOp::getOperationName());
  Block &block = holding.addRegion()->emplaceBlock();
  Operation *holder = outer.create(holding); // Without types, until the body tells them.
  OpBuilder inner = OpBuilder::atBlockEnd(&block);
  SmallVector<Value> scanned, arguments, results;
  for (auto [input, sequence] : llvm::zip(node.inputs, sequences)) {
    if (!sequence) {
      arguments.push_back(input);
      continue;
    }
    scanned.push_back(sequence->values);
    graph::TensorType type = graph::getTensorType(sequence->values);
    Value element = block.addArgument(type.withDims(sequence->valueDims(1)), loc);
    arguments.push_back(sequence->areStrings ? makeStrings(inner, loc, element) : element);
  }
  if (failed(
          node.importer.importSubgraph(node.attribute("body")->g(), inner, arguments, results)) ||
      failed(refuseDraws(block)))
    return failure();
  SmallVector<Type> types;
  SmallVector<bool> areStrings;
  for (Value &result : results) {
    areStrings.push_back(isStrings(result));
    if (isStructure(result) && !areStrings.back())
      return node.error("its body gives " + describeStructure(result) + ", expected tensors");
    if (areStrings.back())
      result = contentsOf(result).front();
    graph::TensorType type = graph::getTensorType(result);
    if (dependsOnBody(type.getDims(), block)) {
      holder->erase();
      node.importer.restore(noted);
      return false;
    }
    DimList dims{count};
    llvm::append_range(dims, type.getDims());
    types.push_back(type.withDims(dims));
  }
  graph::YieldOp::create(inner, loc, results);
  auto scan = graph::ScanOp::create(outer, loc, types, ValueRange(), scanned, /*axis=*/0,
                                    /*reverse=*/false);
  scan.getBody().takeBody(holder->getRegion(0));
  holder->erase();
  for (auto [all, isText] : llvm::zip(scan->getResults(), areStrings))
    node.setOutput(makeStack(outer, loc, isText ? makeStrings(outer, loc, all) : Value(all)));
  return true;
}

LogicalResult MapImporter::mapInLoop() {
  const ::onnx::GraphProto &body = node.attribute("body")->g();
  if (failed(node.importer.countRepeated(node, body)))
    return failure();
  auto importIteration = [&](OpBuilder &inner, ArrayRef<Value> arguments,
                             SmallVectorImpl<Value> &results) -> LogicalResult {
    Node inside(node.importer, inner, node.getLoc(), node.proto, node.opset);
    DimExpr place = ShapeScalars(inside).bind(arguments[0], "the position");
    SmallVector<Value> elements, made;
    for (auto [input, sequence] : llvm::zip(node.inputs, sequences))
      elements.push_back(sequence ? elementAt(inside, *sequence, place) : input);
    if (failed(node.importer.importSubgraph(body, inner, elements, made)) ||
        failed(refuseDraws(*inner.getInsertionBlock())))
      return failure();
    results.push_back(arguments[1]);
    for (auto [sequence, element] : llvm::zip(arguments.drop_front(2), made)) {
      SmallVector<Value> contents(contentsOf(sequence));
      contents.push_back(element);
      results.push_back(makeGrowing(inner, node.getLoc(), contents));
    }
    return success();
  };
  LoopStart start;
  start.tripCount = ShapeScalars(node).number(count);
  start.tripDim = count;
  start.condition = node.scalar(node.getBuilder().getI1Type(), 1);
  start.states.assign(size_t(body.output_size()),
                      makeSequence(node.getBuilder(), node.getLoc(), {}));
  start.grows.assign(start.states.size(), true);
  return LoopImporter(node, start, importIteration, start.states.size()).run();
}

LogicalResult MapImporter::run() {
  if (failed(readInputs()))
    return failure();
  bool areStacks =
      llvm::none_of(sequences, [](const auto &sequence) { return sequence && sequence->shapes; });
  FailureOr<bool> isDone = false;
  if (areStacks)
    isDone = mapStacks();
  if (failed(isDone) || *isDone)
    return success(succeeded(isDone));
  return mapInLoop();
}

LogicalResult tessera::onnx::mapElements(Node &node) { return MapImporter(node).run(); }
