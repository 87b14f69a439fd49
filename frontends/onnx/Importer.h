//===- Importer.h - What the operators of ONNX are imported with ----------------*- C++ -*-===//
#ifndef TESSERA_FRONTENDS_ONNX_IMPORTER_H
#define TESSERA_FRONTENDS_ONNX_IMPORTER_H

#include "dialects/graph/GraphBuilder.h"
#include "dialects/graph/ShapeContents.h"
#include "frontends/onnx/Check.h"
#include "frontends/onnx/Import.h"
#include "frontends/onnx/Names.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

namespace tessera::onnx {

using graph::DimAttr;
using graph::DimExpr;
using graph::DimList;
using graph::TensorType;
using mlir::failed;
using mlir::failure;
using mlir::FailureOr;
using mlir::LogicalResult;
using mlir::success;
using mlir::Value;

class Importer;

/// One node while it is imported.
class Node : public graph::GraphBuilder {
public:
  Node(Importer &importer, mlir::OpBuilder &builder, mlir::Location loc,
       const ::onnx::NodeProto &proto, int64_t opset);

  Importer &importer;
  const ::onnx::NodeProto &proto;
  int64_t opset;

  size_t inputCount() const { return inputs.size(); }
  /// Null when the optional input is absent.
  Value input(size_t i) const { return i < inputs.size() ? inputs[i] : Value(); }
  TensorType type(size_t i) const { return graph::getTensorType(inputs[i]); }
  void setOutput(Value value) { outputs.push_back(value); }

  const ::onnx::AttributeProto *attribute(llvm::StringRef name) const;
  int64_t getInt(llvm::StringRef name, int64_t otherwise) const;
  double getFloat(llvm::StringRef name, double otherwise) const;
  std::string getString(llvm::StringRef name, llvm::StringRef otherwise) const;
  std::optional<llvm::SmallVector<int64_t>> getInts(llvm::StringRef name) const;
  std::optional<llvm::SmallVector<float>> getFloats(llvm::StringRef name) const;
  std::optional<llvm::SmallVector<std::string>> getStrings(llvm::StringRef name) const;
  /// Null when it is absent.
  const ::onnx::TensorProto *getTensor(llvm::StringRef name) const;
  /// Fails when an attribute that was asked for is of another type.
  LogicalResult checkAttributes();

  /// Fails when one of the first inputs is absent.
  LogicalResult needInputs(size_t count);
  /// The operations from this one on are legal; else the node is what is wrong.
  LogicalResult verify(mlir::Operation *first);

  /// "node 'name' (Operator): message".
  LogicalResult error(const llvm::Twine &message);
  /// Axis in [-rank, rank) to [0, rank); fails with an error.
  LogicalResult normalizeAxis(int64_t &axis, int64_t rank);
  LogicalResult normalizeAxes(llvm::SmallVectorImpl<int64_t> &axes, int64_t rank);
  /// The constant integers of an input; fails with an error when they depend on data or symbols.
  LogicalResult constantInts(size_t input, llvm::StringRef what,
                             llvm::SmallVectorImpl<int64_t> &values);
  /// The extents an input holds.
  LogicalResult extentsOf(size_t input, llvm::StringRef what, DimList &dims);

  /// NumPy's broadcasting of extents. Where nothing is known of two extents they are taken to be
  /// equal.
  LogicalResult broadcastDims(llvm::ArrayRef<DimAttr> a, llvm::ArrayRef<DimAttr> b,
                              DimList &result);
  /// x at the result's dims; extents that were taken to be equal become a checked assumption.
  Value broadcastTo(Value x, llvm::ArrayRef<DimAttr> dims);
  /// An input at the dims that its operator asks for, and whether it may have them: extents of
  /// which nothing is known become a checked assumption.
  bool takesDims(size_t input, llvm::ArrayRef<DimAttr> dims);
  LogicalResult broadcastAll(llvm::SmallVectorImpl<Value> &values);
  /// Keeps reduced axes as extents of 1.
  Value keepDims(Value reduced, Value x, llvm::ArrayRef<int64_t> axes);

  // What is computed of numbers in the file may overflow (a null extent) or be negative. Here that
  // ends the node's import with its reason, and 1 stands in until then.
  DimAttr known(DimExpr extent);
  DimList valid(llvm::ArrayRef<DimAttr> dims);
  graph::TensorType typeOf(llvm::ArrayRef<DimAttr> dims, mlir::Type element);
  Value reshape(Value x, llvm::ArrayRef<DimAttr> dims) {
    return GraphBuilder::reshape(x, valid(dims));
  }
  Value broadcast(Value x, llvm::ArrayRef<int64_t> dims, llvm::ArrayRef<DimAttr> resultDims) {
    return GraphBuilder::broadcast(x, dims, valid(resultDims));
  }
  /// The same for extents that an input holds.
  LogicalResult sizesOf(size_t input, llvm::StringRef what, DimList &dims);
  /// Builds elsewhere, and ends this node's import where operands do not fit.
  graph::GraphBuilder at(mlir::OpBuilder &builder);
  DimAttr dim(int64_t value) { return graph::getDim(getBuilder().getContext(), value); }

  // Short ways to build what operators are made of.
  mlir::Type si64();
  Value choose(Value condition, Value x, Value y);
  /// The index along an axis, in si64.
  Value iota(llvm::ArrayRef<DimAttr> dims, int64_t axis);
  /// A part of one axis.
  Value cut(Value x, int64_t axis, DimAttr start, DimAttr extent, int64_t step = 1);
  /// What stands at one place of an axis, which disappears.
  Value dropAxis(Value x, int64_t axis, int64_t place);
  Value concat(llvm::ArrayRef<Value> values, int64_t axis);
  /// Axis `from` becomes axis `to`, the others keep their order.
  Value moveAxis(Value x, int64_t from, int64_t to);
  /// All elements along one axis, in row-major order.
  FailureOr<Value> flatten(Value x);
  Value sum(Value x, llvm::ArrayRef<int64_t> axes);
  /// [batch, rows, heads * width] as [batch, rows, heads, width].
  FailureOr<Value> splitHeads(Value x, int64_t heads);

  llvm::SmallVector<Value> inputs, outputs;

private:
  const ::onnx::AttributeProto *typed(llvm::StringRef name,
                                      ::onnx::AttributeProto::AttributeType type) const;
  mutable std::string wrongAttribute;
};

/// An operator: its name, the first version of its specification that is read, and how.
/// Tables of one domain hold a name once. The first version counts in the default domain only: the
/// others' versions differ in attributes, which are looked at.
struct Operator {
  const char *name;
  int64_t since;
  LogicalResult (*import)(Node &);
  bool takesStructures = false; ///< also sequences, optional values and strings
};
llvm::ArrayRef<Operator> activationOperators();
llvm::ArrayRef<Operator> attentionOperators();
llvm::ArrayRef<Operator> branchOperators();
llvm::ArrayRef<Operator> castOperators();
llvm::ArrayRef<Operator> controlOperators();
llvm::ArrayRef<Operator> dataOperators();
llvm::ArrayRef<Operator> decoderOperators();
llvm::ArrayRef<Operator> elementwiseOperators();
llvm::ArrayRef<Operator> imageOperators();
llvm::ArrayRef<Operator> mathOperators();
llvm::ArrayRef<Operator> ngramOperators();
llvm::ArrayRef<Operator> normOperators();
llvm::ArrayRef<Operator> quantizeOperators();
llvm::ArrayRef<Operator> rearrangeOperators();
llvm::ArrayRef<Operator> randomOperators();
llvm::ArrayRef<Operator> reduceOperators();
llvm::ArrayRef<Operator> resizeOperators();
llvm::ArrayRef<Operator> placeOperators();
llvm::ArrayRef<Operator> sampleOperators();
llvm::ArrayRef<Operator> selectOperators();
llvm::ArrayRef<Operator> signalOperators();
llvm::ArrayRef<Operator> shapeOperators();
llvm::ArrayRef<Operator> stringOperators();
llvm::ArrayRef<Operator> windowOperators();
llvm::ArrayRef<Operator> sequenceOperators();
llvm::ArrayRef<Operator> sequentialOperators();
llvm::ArrayRef<Operator> recurrentOperators();
llvm::ArrayRef<Operator> einsumOperators();
/// ai.onnx.ml
llvm::ArrayRef<Operator> mlFeatureOperators();
llvm::ArrayRef<Operator> mlMapOperators();
llvm::ArrayRef<Operator> mlLabelOperators();
llvm::ArrayRef<Operator> mlLinearOperators();
llvm::ArrayRef<Operator> mlTreeOperators();
/// com.microsoft
llvm::ArrayRef<Operator> microsoftOperators();
llvm::ArrayRef<Operator> microsoftAttentionOperators();
llvm::ArrayRef<Operator> microsoftCacheOperators();
llvm::ArrayRef<Operator> microsoftModelOperators();
llvm::ArrayRef<Operator> microsoftQuantizeOperators();
llvm::ArrayRef<Operator> microsoftRecurrentOperators();
llvm::ArrayRef<Operator> microsoftStringOperators();
/// ai.onnx.preview
llvm::ArrayRef<Operator> previewOperators();
/// ai.onnx.preview.training
llvm::ArrayRef<Operator> trainingOperators();

/// The first output of an operator of the default domain, with the attributes of this node;
/// products of integers are in their own type.
mlir::FailureOr<Value> importAs(Node &node, llvm::StringRef name, llvm::ArrayRef<Value> inputs);

/// Angles by which pairs of columns are turned: tables [batch, rows, columns / 2], or of rank 2
/// with a row for each position ([batch, rows] of them).
struct Rotation {
  Value cosines, sines, positions;
  DimAttr columns; ///< the first ones, which are turned; null: all
  bool isInterleaved = false, hasHeadsLast = false;
};
/// x is [batch, heads, rows, width], or [batch, rows, heads, width].
FailureOr<Value> turnPairs(Node &node, Value x, const Rotation &by);

/// The type itself, f32 for narrower ones: what sums and elementary functions are computed in.
mlir::Type atLeastF32(mlir::Type type);
/// A float type that holds the integers of a type, of 64 bits those up to 2^53; floats stay.
mlir::Type floatFor(mlir::Type type);
/// Bools as bytes of 0 and 1, for what is defined on numbers, and back.
Value bytesOfBools(Node &node, Value bools);
Value boolsOfBytes(Node &node, Value bytes);

/// The element type of TensorProto.DataType; null when Tessera has none.
mlir::Type getElementType(mlir::MLIRContext *context, int64_t dataType);
/// A constant of a TensorProto, which may be strings (Structures.h); null after an error.
Value importTensor(graph::GraphBuilder &builder, const ::onnx::TensorProto &tensor,
                   llvm::StringRef name);
/// The same of a SparseTensorProto, which becomes dense.
Value importSparseTensor(graph::GraphBuilder &builder, const ::onnx::SparseTensorProto &tensor);
/// The numbers of a TensorProto; fails with an error.
FailureOr<std::vector<double>> readNumbers(graph::GraphBuilder &builder,
                                           const ::onnx::TensorProto &tensor, llvm::StringRef name);

/// Imports the nodes of one graph and its subgraphs.
class Importer {
public:
  /// `dims` are values of symbols.
  Importer(mlir::ModuleOp module, int64_t opset, const NodeOpsets &opsets,
           const std::map<std::string, int64_t> &dims, ImportReport *report)
      : module(module), opset(opset), opsets(opsets), dims(dims), report(report) {}

  /// `library` has functions for operators (CustomOps.cpp), or is null.
  LogicalResult importMain(const ::onnx::GraphProto &graph, mlir::ModuleOp library);

  /// Values of the function that lack axes where their extent is 1, and the Squeeze that drops
  /// them.
  struct Squeezed {
    mlir::DenseI64ArrayAttr axes;
    mlir::Location loc;
  };
  using SqueezedValues = llvm::MapVector<Value, Squeezed>;
  /// Finds them. Where an operator goes along such an axis a run checks that it is longer.
  SqueezedValues findSqueezed(mlir::OpBuilder &builder);
  /// The nodes of a branch or body at the builder's place; `arguments` are its inputs.
  LogicalResult importSubgraph(const ::onnx::GraphProto &graph, mlir::OpBuilder &builder,
                               mlir::ValueRange arguments, llvm::SmallVectorImpl<Value> &results);

  /// The same of a body that is imported once for each of several elements or iterations.
  LogicalResult importUnrolled(Node &node, const ::onnx::GraphProto &body,
                               mlir::ValueRange arguments, llvm::SmallVectorImpl<Value> &results);

  /// Counts a body that is imported once more; fails with an error when those are too many.
  LogicalResult countRepeated(Node &node, const ::onnx::GraphProto &body);

  /// A new symbol whose value is an si64 scalar when the model runs, at most `highest`; `what` is
  /// for the message when it is no extent.
  DimAttr bindDim(Node &node, Value scalar, llvm::StringRef what,
                  std::optional<int64_t> highest = std::nullopt);
  /// A run fails unless the si64 scalar, 0 or 1, is 1; `what` is for the message: "whether ...".
  void checkInRun(Node &node, Value isTrue, llvm::StringRef what);
  /// What a name of the model stands for here; null when it is defined nowhere before.
  Value lookup(llvm::StringRef name) const { return values.lookup(name); }
  /// How often the context has drawn random numbers (ui32 scalar); it has drawn once more then.
  Value drawCount(mlir::OpBuilder &builder, mlir::Location loc);
  /// Elements of lists that became symbols.
  DimAttr lookupBound(Value list, int64_t k) const { return boundElements.lookup({list, k}); }
  void noteBound(Value list, int64_t k, DimAttr dim) { boundElements[{list, k}] = dim; }

  /// Why an operation that a node asks for cannot be; "" while all can.
  std::string misfit;

  /// All of a sequence of which a loop carries only what it adds (isGrowing) is asked for. Fails
  /// without a message, up to that loop, whose body is imported again.
  LogicalResult needAllOf(Value growing);
  /// The token of that sequence; null while none is asked for.
  Value needed;

  /// Erases a body that is imported again; its symbols may be bound to other extents.
  void forget(mlir::Operation *op);

  /// What is noted of values and nodes, to be taken back where a body is imported again.
  struct Notes {
    llvm::DenseMap<std::pair<Value, int64_t>, DimAttr> boundElements;
    size_t nodes = 0, unexamined = 0;
  };
  Notes notes() const {
    return {boundElements, report ? report->nodes : 0, report ? report->unexamined : 0};
  }
  void restore(const Notes &notes) {
    boundElements = notes.boundElements;
    if (report) {
      report->nodes = notes.nodes;
      report->unexamined = notes.unexamined;
    }
  }

  /// What is noted of nodes that cannot be imported, to be taken back like Notes.
  struct Report {
    std::vector<UnsupportedOperator> unsupported;
    llvm::StringSet<> unavailable;
  };
  Report saveReport() const {
    return {report ? report->unsupported : std::vector<UnsupportedOperator>(), unavailable};
  }
  void restoreReport(const Report &saved) {
    unavailable = saved.unavailable;
    if (report)
      report->unsupported = saved.unsupported;
  }

private:
  Value checkedRagged(llvm::StringRef name, mlir::OpBuilder &builder, Value ragged);
  LogicalResult importInputs(const ::onnx::GraphProto &graph);
  LogicalResult importInitializers(const ::onnx::GraphProto &graph, mlir::OpBuilder &builder);
  LogicalResult importNodes(const ::onnx::GraphProto &graph, mlir::OpBuilder &builder);
  LogicalResult importNode(const ::onnx::NodeProto &node, mlir::OpBuilder &builder);
  LogicalResult importCustom(Node &node, graph::FuncOp callee);
  LogicalResult addCustomOperators(mlir::ModuleOp library);

  // What is not supported (Unsupported.cpp).
  /// Why no operator of ours reads the node; "" when one does.
  std::string whyUnknown(const ::onnx::NodeProto &node) const;
  /// All nodes of the graph and its subgraphs that no operator of ours reads.
  void findUnknown(const ::onnx::GraphProto &graph, ImportReport &into) const;
  /// Fails with one error per operator that Tessera does not have.
  LogicalResult checkOperators(const ::onnx::GraphProto &graph);
  /// Imports a node, or notes in the report why it cannot be.
  void tryNode(const ::onnx::NodeProto &node, mlir::OpBuilder &builder);
  void note(ImportReport &into, const ::onnx::NodeProto &node, llvm::StringRef reason) const;
  LogicalResult define(llvm::StringRef name, Value value, mlir::Location loc);
  int64_t opsetOf(const ::onnx::NodeProto &node) const {
    auto own = opsets.find(&node);
    return own == opsets.end() ? opset : own->second;
  }

  mlir::ModuleOp module;
  int64_t opset;
  const NodeOpsets &opsets; ///< of nodes that came out of functions
  const std::map<std::string, int64_t> &dims;
  graph::FuncOp function;
  llvm::StringMap<graph::FuncOp> customs; ///< by qualified name: functions of the user
  llvm::StringMap<Value> values;
  llvm::SmallVector<std::string> order; ///< of definition: names of a branch end with it
  ImportReport *report;
  llvm::StringSet<> unavailable; ///< what unsupported nodes would have defined
  Value drawn; ///< the count of draws at the call's beginning, once it was asked for
  unsigned depth = 0;
  size_t unrolledNodes = 0;
  llvm::DenseMap<std::pair<Value, int64_t>, DimAttr> boundElements;
  size_t dataExtents = 0;                          ///< that became symbols
  llvm::SmallVector<std::string> forgottenSymbols; ///< of them, which nothing has any more
};

/// Of an argument or a result of the function.
mlir::DictionaryAttr attributesOfValue(mlir::OpBuilder &builder, llvm::StringRef name,
                                       bool areStrings);
/// Null when the domain has no such operator, or is not known.
const Operator *findOperator(llvm::StringRef domain, llvm::StringRef name);
bool isKnownDomain(llvm::StringRef domain);

} // namespace tessera::onnx

#endif
