//===- Search.cpp - Keys that are known, found among data ---------------------------------===//

#include "frontends/onnx/Search.h"

#include "frontends/onnx/OpsMl.h"

#include "llvm/Support/MathExtras.h"

#include <map>

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::CompareKind;

Value tessera::onnx::lowerBound(Node &node, Value sorted, Value x) {
  Type index = IntegerType::get(node.getBuilder().getContext(), 32, IntegerType::Signed);
  Value place = node.fill(graph::getTensorType(x).withElementType(index), 0);
  for (int64_t step = graph::getTensorType(sorted).getDim(0).getValue() / 2; step > 0; step /= 2) {
    Value before = node.create<graph::GatherOp>(sorted, node.add(place, double(step - 1)), 0);
    Value isBelow = node.compare(CompareKind::lt, before, x);
    place = node.choose(isBelow, node.add(place, double(step)), place);
  }
  return place;
}

IntegerMap::IntegerMap(Node &node, ArrayRef<int64_t> keys, ArrayRef<int64_t> results) : node(node) {
  std::map<int64_t, int64_t> all;
  for (auto [key, result] : llvm::zip(keys, results))
    all[key] = result;
  for (auto [key, result] : all) {
    sorted.push_back(key);
    values.push_back(result);
  }
}

Value IntegerMap::find(Value x, int64_t otherwise) {
  // Filled up to a power of two. Of equal numbers the first is found.
  std::vector<int64_t> keys = sorted, results = values;
  int64_t padded = int64_t(llvm::PowerOf2Ceil(sorted.size() + 1));
  keys.resize(size_t(padded), std::numeric_limits<int64_t>::max());
  results.resize(size_t(padded), otherwise);
  Value all = constantOf<int64_t>(node, keys, padded), place = lowerBound(node, all, x);
  Value isKey = node.compare(CompareKind::eq, node.create<graph::GatherOp>(all, place, 0), x);
  Value found = node.create<graph::GatherOp>(constantOf<int64_t>(node, results, padded), place, 0);
  return node.choose(isKey, found, node.fillLike(x, double(otherwise)));
}
