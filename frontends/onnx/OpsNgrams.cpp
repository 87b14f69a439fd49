//===- OpsNgrams.cpp - TfIdfVectorizer: how often n-grams of a pool occur -------------------===//
//
// The n-grams of the pool are a tree: a step for each token leads from what was read so far to what
// is read then, by a search among all steps that there are. Where an n-gram ends, one is added to
// its column.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/OpsMl.h"
#include "frontends/onnx/Search.h"
#include "frontends/onnx/Strings.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::CompareKind;

namespace {
/// Tokens of an n-gram, times the ways to skip some.
constexpr int64_t kMaxNgramSteps = 1024;

class Vectorizer {
public:
  explicit Vectorizer(Node &node) : node(node) {}
  LogicalResult run();

private:
  LogicalResult readPool();
  LogicalResult readTokens();
  void growTree();
  /// si64 [places, rows], for each token that an n-gram begins with and one way to go on: the
  /// columns of all n-grams that are there, the number of columns where there is none.
  void walk(int64_t skip, SmallVectorImpl<Value> &found);
  LogicalResult setResult(ArrayRef<Value> found);

  Node &node;
  SmallVector<int64_t> pool, starts, columns; ///< tokens by their number, in the end
  int64_t least = 1, most = 1, skips = 0, width = 0, tokenCount = 0;
  SmallVector<std::string> words;   ///< of a pool of strings
  Value tokens;                     ///< si64 [places, rows]; tokenCount for what is in no n-gram
  SmallVector<int64_t> keys, nexts; ///< of steps: node * (tokenCount + 1) + token leads to a node
  SmallVector<int64_t> columnOf;    ///< of each node, `width` where no n-gram ends
  bool isBatch = false;
};
} // namespace

LogicalResult Vectorizer::readPool() {
  auto listed = [&](StringRef name) { return node.getInts(name).value_or(SmallVector<int64_t>()); };
  starts = listed("ngram_counts");
  columns = listed("ngram_indexes");
  least = node.getInt("min_gram_length", 1);
  most = node.getInt("max_gram_length", 1);
  skips = node.getInt("max_skip_count", 0);
  words = node.getStrings("pool_strings").value_or(SmallVector<std::string>());
  pool = listed("pool_int64s");
  if (!words.empty() && !pool.empty())
    return node.error("has both pool_strings and pool_int64s");
  for (size_t i = 0; i < words.size(); ++i)
    pool.push_back(int64_t(i));
  if (least < 1 || most < least || skips < 0 || int64_t(starts.size()) < most)
    return node.error("has n-grams of " + Twine(least) + " to " + Twine(most) + " tokens, " +
                      Twine(skips) + " skips and " + Twine(starts.size()) + " counts");
  if (most > kMaxNgramSteps || skips >= kMaxNgramSteps || most * (skips + 1) > kMaxNgramSteps)
    return node.error("takes " + Twine(most) + " tokens with up to " + Twine(skips) +
                      " skips, which are more than " + Twine(kMaxNgramSteps) +
                      " steps (kMaxNgramSteps)");
  size_t ngrams = 0;
  for (size_t k = 0; k < starts.size(); ++k) {
    int64_t end = k + 1 < starts.size() ? starts[k + 1] : int64_t(pool.size());
    if (starts[k] < 0 || end < starts[k] || end > int64_t(pool.size()) ||
        (end - starts[k]) % int64_t(k + 1))
      return node.error("has n-grams of " + Twine(k + 1) + " tokens from " + Twine(starts[k]) +
                        " to " + Twine(end) + " of a pool of " + Twine(pool.size()));
    ngrams += size_t(end - starts[k]) / (k + 1);
  }
  constexpr int64_t kMaxColumns = int64_t(1) << 24;
  if (columns.size() != ngrams || columns.empty() ||
      llvm::any_of(columns, [](int64_t column) { return column < 0 || column >= kMaxColumns; }))
    return node.error("has " + Twine(columns.size()) + " places for " + Twine(ngrams) +
                      " n-grams, or one that is no place");
  width = *llvm::max_element(columns) + 1;
  return success();
}

/// Tokens get numbers: equal ones the same.
LogicalResult Vectorizer::readTokens() {
  DimList dims;
  SmallVector<int64_t> numbers(pool.size());
  if (isStrings(node.input(0))) {
    if (words.empty())
      return node.error("has strings but a pool of numbers");
    FailureOr<Rows> rows = rowsOf(node, 0);
    if (failed(rows))
      return failure();
    dims = rows->dims;
    tokens = indexAmong(node, rows->bytes, llvm::to_vector_of<StringRef>(words));
    if (!tokens)
      return failure();
    // Of equal words the last one is found.
    llvm::StringMap<int64_t> last;
    for (auto [i, word] : llvm::enumerate(words))
      last[word] = int64_t(i);
    for (auto [number, word] : llvm::zip(numbers, words))
      number = last[word];
  } else {
    if (isStructure(node.input(0)) || !words.empty() ||
        !llvm::isa<IntegerType>(node.type(0).getElementType()))
      return node.error("needs integers, or strings and a pool of strings");
    dims = DimList(node.type(0).getDims());
    for (auto [i, number] : llvm::enumerate(numbers))
      number = int64_t(i);
    IntegerMap map(node, pool, numbers);
    tokens = map.find(node.convert(node.input(0), node.si64()), -1);
    llvm::DenseMap<int64_t, int64_t> last;
    for (auto [i, token] : llvm::enumerate(pool))
      last[token] = int64_t(i);
    for (auto [number, token] : llvm::zip(numbers, pool))
      number = last[token];
  }
  pool = numbers;
  tokenCount = int64_t(pool.size());
  if (dims.size() < 1 || dims.size() > 2)
    return node.error("needs tokens of rank 1 or 2");
  isBatch = dims.size() == 2;
  if (!isBatch)
    dims.insert(dims.begin(), node.dim(1));
  Value isKnown = node.compare(CompareKind::ge, tokens, node.fillLike(tokens, 0));
  tokens = node.choose(isKnown, tokens, node.fillLike(tokens, double(tokenCount)));
  tokens = node.transpose(node.reshape(tokens, dims), {1, 0});
  return success();
}

void Vectorizer::growTree() {
  llvm::DenseMap<int64_t, int64_t> steps;
  columnOf.push_back(width); // the root
  size_t ngram = 0;
  for (size_t k = 0; k < starts.size(); ++k) {
    int64_t n = int64_t(k) + 1;
    int64_t end = k + 1 < starts.size() ? starts[k + 1] : int64_t(pool.size());
    for (int64_t at = starts[k]; at < end; at += n, ++ngram) {
      if (n < least || n > most)
        continue;
      int64_t here = 0;
      for (int64_t token : ArrayRef(pool).slice(size_t(at), size_t(n))) {
        int64_t key = here * (tokenCount + 1) + token;
        auto [known, isNew] = steps.try_emplace(key, int64_t(columnOf.size()));
        here = known->second;
        if (!isNew)
          continue;
        keys.push_back(key);
        nexts.push_back(here);
        columnOf.push_back(width);
      }
      columnOf[size_t(here)] = columns[ngram]; // Of equal n-grams the last one counts.
    }
  }
}

void Vectorizer::walk(int64_t skip, SmallVectorImpl<Value> &found) {
  graph::TensorType type = graph::getTensorType(tokens);
  // No step begins at this node.
  int64_t lost = int64_t(columnOf.size());
  std::vector<int64_t> ends(columnOf.begin(), columnOf.end());
  ends.push_back(width);
  Value columnsOfNodes = constantOf<int64_t>(node, ends, int64_t(ends.size()));
  IntegerMap tree(node, keys, nexts);
  Value here = node.fill(type, 0);
  for (int64_t k = 0; k < most; ++k) {
    // Behind the end there is no token.
    Value token = tokens;
    if (int64_t distance = k * (skip + 1)) {
      Value none =
          node.fill(type.withDims({node.dim(distance), type.getDim(1)}), double(tokenCount));
      token = node.cut(node.concat({tokens, none}, 0), 0, node.dim(distance), type.getDim(0));
    }
    Value key = node.add(node.mul(here, double(tokenCount + 1)), token);
    here = tree.find(key, lost);
    // A single token is counted once: it has no distances.
    if (k + 1 >= least && (k > 0 || skip == 0))
      found.push_back(node.create<graph::GatherOp>(columnsOfNodes, here, 0));
  }
}

/// Counts as they are (TF), as whether there are any (IDF), weighted.
LogicalResult Vectorizer::setResult(ArrayRef<Value> found) {
  std::string mode = node.getString("mode", "");
  if (mode != "TF" && mode != "IDF" && mode != "TFIDF")
    return node.error("has mode " + quoted(mode) + ", expected TF, IDF or TFIDF");
  ShapeScalars s(node);
  Type f32 = node.getBuilder().getF32Type();
  Value all = node.concat(found, 0);
  DimList dims(graph::getTensorType(all).getDims());
  DimAttr rows = dims[1];
  DimExpr cells = DimExpr(rows) * width, places = DimExpr(dims[0]) * DimExpr(rows);
  if (!cells || !places)
    return node.error("its extents overflow");
  // What is in no column lies behind the last row.
  Value isFound = node.compare(CompareKind::lt, all, node.fillLike(all, double(width)));
  Value cell = node.add(node.mul(node.iota(dims, 1), double(width)), all);
  cell = node.choose(isFound, cell, node.broadcast(s.number(cells.get()), {}, dims));
  cell = node.reshape(cell, DimAttr(places.get()));
  Value zeros = node.fill(graph::TensorType::get(DimList{cells.get()}, f32), 0);
  Value counts = node.create<graph::ScatterOp>(
      graph::ScatterKind::add, zeros, cell,
      node.fill(graph::TensorType::get(DimList{places.get()}, f32), 1), 0);
  if (mode == "IDF")
    counts = node.min(counts, 1.0);
  DimList result;
  if (isBatch)
    result.push_back(rows);
  result.push_back(node.dim(width));
  counts = node.reshape(counts, result);
  SmallVector<float> weights = node.getFloats("weights").value_or(SmallVector<float>());
  if (mode != "TF" && !weights.empty()) {
    if (weights.size() != columns.size())
      return node.error("has " + Twine(weights.size()) + " weights for " + Twine(columns.size()) +
                        " n-grams");
    std::vector<float> each(size_t(width), 1);
    for (auto [column, weight] : llvm::zip(columns, weights))
      each[size_t(column)] = weight;
    counts = node.mul(counts, node.broadcastTo(constantOf<float>(node, each, width), result));
  }
  node.setOutput(counts);
  return success();
}

LogicalResult Vectorizer::run() {
  if (failed(readPool()) || failed(readTokens()))
    return failure();
  growTree();
  SmallVector<Value> found;
  for (int64_t skip = 0; skip <= skips; ++skip)
    walk(skip, found);
  return setResult(found);
}

static LogicalResult importTfIdf(Node &node) { return Vectorizer(node).run(); }

ArrayRef<Operator> tessera::onnx::ngramOperators() {
  static const Operator table[] = {{"TfIdfVectorizer", 9, importTfIdf, true}};
  return table;
}
