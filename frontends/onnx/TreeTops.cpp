//===- TreeTops.cpp - The part of decision trees that is asked at once
//--------------------------===//

#include "frontends/onnx/TreeTops.h"

#include "llvm/Support/MathExtras.h"

using namespace tessera;
using namespace tessera::onnx;

namespace {
struct Part {
  int32_t at;
  int32_t yes = -1, no = -1; ///< parts below; else a way out
};

struct Top {
  std::vector<int32_t> nodes, ways;
  std::vector<uint32_t> open;
};
} // namespace

static int32_t heightOf(const TreeEnsemble &forest, int32_t at) {
  return at < 0 ? 0 : forest.heights[size_t(at)];
}

/// Ways are numbered in the order of the answers, "yes" first.
static void visit(llvm::ArrayRef<Part> parts, int32_t number, Top &top) {
  const Part &part = parts[size_t(number)];
  if (part.yes < 0) {
    top.ways.push_back(part.at);
    return;
  }
  size_t first = top.ways.size();
  visit(parts, part.yes, top);
  unsigned count = unsigned(top.ways.size() - first);
  top.nodes.push_back(part.at);
  top.open.push_back(~(llvm::maskTrailingOnes<uint32_t>(count) << first));
  visit(parts, part.no, top);
}

static Top topOf(const TreeEnsemble &forest, int32_t root, size_t ways) {
  std::vector<Part> parts{{root}};
  for (size_t count = 1; count < ways; ++count) {
    size_t highest = 0;
    int32_t most = 0;
    for (size_t i = 0; i < parts.size(); ++i)
      if (int32_t height = heightOf(forest, parts[i].at); parts[i].yes < 0 && height > most) {
        highest = i;
        most = height;
      }
    if (most == 0)
      break;
    const TreeNode &branch = forest.nodes[size_t(parts[highest].at)];
    parts[highest].yes = int32_t(parts.size());
    parts[highest].no = int32_t(parts.size() + 1);
    parts.push_back({branch.next[1]});
    parts.push_back({branch.next[0]});
  }
  Top top;
  visit(parts, 0, top);
  return top;
}

TreeTops tessera::onnx::topsOf(const TreeEnsemble &forest, llvm::ArrayRef<int32_t> roots,
                               size_t ways) {
  TreeTops tops;
  std::vector<Top> all;
  for (int32_t root : roots) {
    all.push_back(topOf(forest, root, ways));
    tops.asked = std::max(tops.asked, all.back().nodes.size());
    tops.ways = std::max(tops.ways, all.back().ways.size());
    for (int32_t at : all.back().ways)
      tops.depth = std::max<int64_t>(tops.depth, heightOf(forest, at));
  }
  for (Top &top : all) {
    top.nodes.resize(tops.asked, -1);
    top.open.resize(tops.asked, UINT32_MAX);
    top.ways.resize(tops.ways, -1);
    llvm::append_range(tops.nodes, top.nodes);
    llvm::append_range(tops.open, top.open);
    llvm::append_range(tops.below, top.ways);
  }
  return tops;
}
