//===- OpsEinsum.cpp - Einsum
//--------------------------------------------------------------------===//

#include "frontends/onnx/Importer.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

namespace {
/// A value and one letter for each of its dims.
struct Term {
  Value value;
  std::string letters;
};

class Einsum {
public:
  explicit Einsum(Node &node) : node(node) {}

  LogicalResult run() {
    if (failed(readEquation()))
      return failure();
    Term all = terms.front();
    for (size_t i = 1; i < terms.size(); ++i)
      all = multiply(all, terms[i], i + 1);
    node.setOutput(arrange(reduce(all)));
    return success();
  }

private:
  LogicalResult readEquation() {
    std::string equation = node.getString("equation", "");
    llvm::erase_if(equation, [](char c) { return c == ' '; });
    auto [left, right] = StringRef(equation).split("->");
    bool isExplicit = equation.find("->") != std::string::npos;
    SmallVector<StringRef> parts;
    left.split(parts, ',');
    if (parts.size() != node.inputCount())
      return node.error("'" + equation + "' names " + Twine(parts.size()) + " operands, it has " +
                        Twine(node.inputCount()));
    for (auto [i, part] : llvm::enumerate(parts)) {
      std::string letters;
      if (failed(expand(part, node.type(i).rank(), letters)))
        return failure();
      for (auto [d, letter] : llvm::enumerate(letters)) {
        DimAttr extent = node.type(i).getDim(d);
        auto [known, isNew] = extents.try_emplace(letter, extent);
        if (!isNew && known->second != extent && known->second.isConstant() && extent.isConstant())
          return node.error("letter '" + Twine(letter) + "' stands for extents " +
                            known->second.str() + " and " + extent.str());
      }
      terms.push_back({node.input(i), letters});
    }
    // Extents that are not known to be equal are taken to be.
    for (Term &term : terms) {
      DimList dims;
      for (char letter : term.letters)
        dims.push_back(extents.lookup(letter));
      term.value = node.reshape(term.value, dims);
      takeDiagonals(term);
    }
    if (isExplicit) {
      if (failed(expand(right, ellipsis + right.size() - (right.contains("...") ? 3 : 0), result)))
        return failure();
      for (char letter : result)
        if (!extents.contains(letter) || StringRef(result).count(letter) > 1)
          return node.error("'" + equation + "' has letter '" + Twine(letter) +
                            "' in its result twice, or nowhere else");
      return success();
    }
    result = StringRef("0123456789").take_front(ellipsis);
    for (char letter = 'A'; letter <= 'z'; ++letter)
      if (left.count(letter) == 1)
        result += letter;
    return success();
  }

  /// A letter that an operand has twice stands for a diagonal: with both dims as one of n * n
  /// elements, every (n + 1)th of them.
  void takeDiagonals(Term &term) {
    for (size_t first = 0; first < term.letters.size(); ++first) {
      size_t second;
      while ((second = term.letters.find(term.letters[first], first + 1)) != std::string::npos) {
        SmallVector<int64_t> perm;
        for (size_t d = 0; d < term.letters.size(); ++d)
          if (d != first && d != second)
            perm.push_back(d);
        std::string letters;
        DimList dims;
        for (int64_t d : perm) {
          letters += term.letters[d];
          dims.push_back(extents.lookup(term.letters[d]));
        }
        char letter = term.letters[first];
        DimExpr n(extents.lookup(letter));
        perm.append({int64_t(first), int64_t(second)});
        dims.push_back(node.known(n * n));
        Value square = node.reshape(node.transpose(term.value, perm), dims);
        DimList starts(dims.size(), node.dim(0)), steps(dims.size(), node.dim(1));
        steps.back() = node.known(n + 1);
        dims.back() = n;
        term.value = node.create<graph::SliceOp>(square, starts, steps, dims);
        term.letters = letters + letter;
        first = 0;
      }
    }
  }

  /// Letters of one operand; the dims of an ellipsis are called 0, 1, ..., aligned from the right.
  LogicalResult expand(StringRef part, int64_t rank, std::string &letters) {
    auto [before, after] = part.split("...");
    bool hasEllipsis = part.contains("...");
    int64_t named = before.size() + after.size(), hidden = rank - named;
    if (hidden < 0 || (!hasEllipsis && hidden != 0) || hidden > 10)
      return node.error("'" + part + "' does not fit an operand of rank " + Twine(rank));
    if (hasEllipsis && ellipsis != 0 && hidden != ellipsis)
      return node.error("has ellipses of different length, which is not supported");
    ellipsis = hasEllipsis ? hidden : ellipsis;
    letters = (before + StringRef("0123456789").take_front(hidden) + after).str();
    for (char letter : (before + after).str())
      if (!llvm::isAlpha(letter))
        return node.error("has '" + Twine(letter) + "' in its equation");
    return success();
  }

  bool isNeeded(char letter, size_t next) {
    return StringRef(result).contains(letter) ||
           llvm::any_of(ArrayRef<Term>(terms).drop_front(next),
                        [&](const Term &term) { return StringRef(term.letters).contains(letter); });
  }

  /// The product, summed over what no later operand and no result needs.
  Term multiply(const Term &a, const Term &b, size_t next) {
    std::string kept;
    for (char letter : a.letters + b.letters)
      if (isNeeded(letter, next) && !StringRef(kept).contains(letter))
        kept += letter;
    DimList dims;
    for (char letter : kept)
      dims.push_back(extents.lookup(letter));
    std::string equation = rename(a.letters) + "," + rename(b.letters) + "->" + rename(kept);
    graph::TensorType type = graph::getTensorType(a.value);
    return {node.create<graph::ContractOp>(type.withDims(dims),
                                           node.getBuilder().getStringAttr(equation), a.value,
                                           b.value, TypeAttr()),
            kept};
  }

  /// Letters for graph.contract, where the digits of ellipses are letters too.
  std::string rename(StringRef letters) {
    std::string renamed;
    for (char letter : letters) {
      size_t at = names.find(letter);
      if (at == std::string::npos) {
        at = names.size();
        names += letter;
      }
      renamed += at < 26 ? char('a' + at) : char('A' + at - 26);
    }
    return renamed;
  }

  Term reduce(Term term) {
    SmallVector<int64_t> axes;
    std::string kept;
    for (auto [d, letter] : llvm::enumerate(term.letters)) {
      if (StringRef(result).contains(letter))
        kept += letter;
      else
        axes.push_back(d);
    }
    if (!axes.empty())
      term.value = node.GraphBuilder::reduce(graph::ReduceKind::sum, term.value, axes);
    return {term.value, kept};
  }

  Value arrange(const Term &term) {
    SmallVector<int64_t> perm;
    for (char letter : result)
      perm.push_back(term.letters.find(letter));
    bool isInOrder = llvm::equal(perm, llvm::seq<int64_t>(0, perm.size()));
    return isInOrder ? term.value : node.transpose(term.value, perm);
  }

  Node &node;
  SmallVector<Term> terms;
  llvm::DenseMap<char, DimAttr> extents;
  std::string result, names;
  int64_t ellipsis = 0;
};
} // namespace

static LogicalResult importEinsum(Node &node) { return Einsum(node).run(); }

ArrayRef<Operator> tessera::onnx::einsumOperators() {
  static const Operator table[] = {{"Einsum", 12, importEinsum}};
  return table;
}
