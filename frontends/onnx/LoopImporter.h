//===- LoopImporter.h - Loops whose body is a graph -----------------------------*- C++ -*-===//
//
// A loop becomes a graph.while that carries the number of the iteration, the condition, the values,
// and tensors for what iterations add to sequences and scan outputs, which hold that of all
// iterations. Where it is not as much each time, the loop runs once for how much it is, and then
// again. A scan output is a sequence to which each iteration adds one element, of one shape.
//
// A sequence is tried in three forms: as tensors, where it keeps its length; as what is added to
// it, where it is only made longer; as a whole (CarriedSequence.h). Room for a whole one follows
// from the number of iterations, or is tried out: the loop runs until there is too little, and
// again with more.
//
//===----------------------------------------------------------------------===//
#ifndef TESSERA_FRONTENDS_ONNX_LOOPIMPORTER_H
#define TESSERA_FRONTENDS_ONNX_LOOPIMPORTER_H

#include "frontends/onnx/CarriedSequence.h"
#include "frontends/onnx/CarriedStrings.h"

namespace tessera::onnx {

/// What a loop begins with.
struct LoopStart {
  Value tripCount;                 ///< si64 scalar, null: no limit
  DimAttr tripDim;                 ///< the same as an extent, null where it is none yet
  Value condition;                 ///< i1 scalar
  llvm::SmallVector<Value> states; ///< what the loop carries
  llvm::SmallVector<bool> grows;   ///< of states: a sequence that the body only makes longer
};

class LoopImporter {
public:
  /// One iteration: of its number, the condition, and the states, the next condition, the next
  /// states, and the scan outputs.
  using Body = std::function<LogicalResult(mlir::OpBuilder &inner, llvm::ArrayRef<Value> arguments,
                                           llvm::SmallVectorImpl<Value> &results)>;
  /// The node has an attribute "body" and so many outputs.
  LoopImporter(Node &node, LoopStart start, Body importIteration, size_t outputs);
  /// Sets the node's outputs.
  LogicalResult run();

  /// A carried tensor that gets another extent along an axis, which no tensor of a graph.while can.
  struct Outgrown {
    size_t state, axis;
  };
  /// Why run() failed, if that is why. What it built is gone then.
  std::optional<Outgrown> outgrown;

  /// What an iteration gives fits the states and the outputs.
  static LogicalResult checkResults(Node &node, llvm::ArrayRef<Value> results, size_t states,
                                    size_t outputs);

private:
  /// What an iteration adds to a sequence, or a scan output.
  struct Addition {
    size_t result = 0; ///< of the body, behind the condition
    OpenSequence added;
    bool isFixed = false; ///< as many elements of the same extents each time: a slice
    size_t slice = 0;
    DimAttr length, values; ///< of all iterations, where it is not fixed
  };

  /// How the loop carries a state.
  enum class Form { AsItIs, Additions, Whole };

  LogicalResult importBody();
  LogicalResult tryBody(bool &fits);
  LogicalResult takeResults(bool &fits);
  LogicalResult carryWhole(size_t i);
  FailureOr<OpenSequence> firstElements(size_t i);
  bool wantsAllOf(size_t &i);
  LogicalResult takeAdditions();
  void forgetBody();
  bool addUnitAxes();
  LogicalResult importFittingBody();
  LogicalResult importAgain();
  void bindTripDim();
  LogicalResult checkCarried();
  bool carryUnread(size_t i);
  std::optional<Outgrown> findOutgrown(size_t i, const llvm::StringMap<graph::BindDimOp> &bound);
  LogicalResult sortAdditions();
  /// One more tensor that the loop carries: its argument in the body.
  Value carry(Value init);
  LogicalResult giveRoom(bool &isKnown);
  LogicalResult measure(bool triesRoom);
  mlir::Operation *tryRoom(mlir::Operation *holding, mlir::Operation *loop);
  void addSlices();
  void addGrowth();
  mlir::Operation *buildLoop();
  LogicalResult setOutputs(mlir::Operation *loop);
  FailureOr<Value> longer(Value state, const OpenSequence &added);
  /// The node, with its operations in the body.
  Node inBody(mlir::OpBuilder &inner) {
    return {node.importer, inner, node.getLoc(), node.proto, node.opset};
  }

  Node &node;
  ShapeScalars scalars;
  Body importIteration;
  size_t outputs;
  Value tripCount, condition;
  DimAttr tripDim;
  llvm::SmallVector<Value> states;
  llvm::SmallVector<Form> forms;   // of states
  llvm::SmallVector<Value> tokens; // of states of which additions are carried, in the body
  std::vector<std::optional<CarriedSequence>> wholes; // of states
  const Importer::Notes noted;
  llvm::SmallVector<Value> results; // of the body
  /// A graph.while without types, which holds the body until they are known.
  mlir::Operation *holder = nullptr;
  mlir::Block *body = nullptr; // takes iteration, condition, then what is in `inits`
  Value nextCondition;
  size_t carried = 0;                   // tensors of the states
  llvm::SmallVector<Value> inits, next; // those, then of all iterations
  llvm::SmallVector<bool> areStrings;   // of carried tensors: bytes of strings
  llvm::SmallVector<Value> slices;      // of additions that are as much each time
  llvm::SmallVector<Addition> additions;
  bool alwaysGoesOn = false; // the condition never ends the loop
  bool mayLackRoom = false;  // sequences that are carried as a whole may become too long
  bool isSettled = false;    // what form states have is known
  bool isChecked = false;    // carried tensors keep their extents
};

} // namespace tessera::onnx

#endif
