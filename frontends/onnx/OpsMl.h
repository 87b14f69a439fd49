//===- OpsMl.h - What operators of ai.onnx.ml share -------------------------------*- C++ -*-===//
#ifndef TESSERA_FRONTENDS_ONNX_OPSML_H
#define TESSERA_FRONTENDS_ONNX_OPSML_H

#include "frontends/onnx/Importer.h"

namespace tessera::onnx {

/// A constant of f32, f64, si32, ui32 or si64.
template <typename T>
Value constantOf(Node &node, llvm::ArrayRef<T> numbers, llvm::ArrayRef<int64_t> dims);

/// The first input as rows of features: one row where it has rank 1. Of that element type.
FailureOr<Value> rowsOf(Node &node, mlir::Type element);
/// The same with so many features, which becomes a checked assumption where it is not known.
FailureOr<Value> rowsOf(Node &node, mlir::Type element, int64_t features);
mlir::Type f32(Node &node);

enum class PostTransform { None, Softmax, Logistic, SoftmaxZero, Probit };
/// Attribute post_transform; fails with an error.
FailureOr<PostTransform> postTransformOf(Node &node);
/// [rows, classes]. One column is left alone by all transforms but the last: onnxruntime's reading.
Value transformScores(Node &node, Value scores, PostTransform transform);
/// [rows, 1] is the score of the second of two classes: the scores of both. A mixed score is
/// positive for the second class, one that is not mixed is its share of 1.
Value scoresOfBoth(Node &node, Value score, PostTransform transform, bool isMixed);

/// Labels of classes: numbers, or names.
struct ClassLabels {
  llvm::SmallVector<int64_t> numbers;
  llvm::SmallVector<std::string> names;
  size_t size() const { return numbers.empty() ? names.size() : numbers.size(); }
};
/// Those of classlabels_strings, or numbers of that attribute; fails with an error.
FailureOr<ClassLabels> classLabelsOf(Node &node, llvm::StringRef attribute);
/// The label of each index: si64, or strings.
Value labelsAt(Node &node, const ClassLabels &labels, Value index);
/// The place of the largest score of each row, of equal ones the first: si64 [rows].
Value largestOf(Node &node, Value scores);
/// The label of the largest score of each row, of equal ones the first.
Value labelsOfLargest(Node &node, const ClassLabels &labels, Value scores);
/// The label of the second class where a column [rows, 1] is above the limit.
Value labelsAbove(Node &node, const ClassLabels &labels, Value score, double limit);

} // namespace tessera::onnx

#endif
