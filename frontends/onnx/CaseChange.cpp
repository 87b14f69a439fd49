//===- CaseChange.cpp - Small and capital letters -----------------------------------------===//
//
// Characters are found by a table of two levels. Each gives the bytes that it becomes, which a
// running sum of their numbers says the places of.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/CaseChange.h"

#include "frontends/onnx/OpsMl.h"

#include "llvm/Support/ConvertUTF.h"

#include <array>
#include <map>

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::CompareKind;

namespace {
struct CaseRow {
  uint32_t point;
  const char *changed;
};
} // namespace
#include "frontends/onnx/CaseTables.inc"

static ArrayRef<CaseRow> rowsFor(bool toUpper) {
  return toUpper ? ArrayRef<CaseRow>(kUpper) : ArrayRef<CaseRow>(kLower);
}

std::string tessera::onnx::changeCase(StringRef string, bool toUpper) {
  std::map<std::string, StringRef> changes;
  for (const CaseRow &row : rowsFor(toUpper)) {
    char buffer[UNI_MAX_UTF8_BYTES_PER_CODE_POINT], *end = buffer;
    llvm::ConvertCodePointToUTF8(row.point, end);
    changes[std::string(buffer, end)] = row.changed;
  }
  std::string result;
  while (!string.empty()) {
    size_t length = 1;
    while (length < string.size() && (uint8_t(string[length]) & 0xC0) == 0x80)
      ++length;
    auto found = changes.find(string.take_front(length).str());
    result += found == changes.end() ? string.take_front(length) : found->second;
    string = string.drop_front(length);
  }
  return result;
}

namespace {
/// Where a character stands: `firsts` has a block for the upper bits of each character, `blocks`
/// the row of `bytes` for the lower ones. Row 0 is for what stays.
struct CaseTable {
  static constexpr int64_t kBlock = 64, kWidth = 6;
  std::vector<int32_t> firsts, blocks, lengths;
  std::vector<int32_t> bytes;

  explicit CaseTable(ArrayRef<CaseRow> rows) : blocks(kBlock, 0), lengths(1, 0), bytes(kWidth, 0) {
    // One more block: what is behind the last row stays.
    firsts.resize(rows.back().point / kBlock + 2, 0);
    for (const CaseRow &row : rows) {
      int32_t &first = firsts[row.point / kBlock];
      if (first == 0) {
        first = int32_t(blocks.size() / kBlock);
        blocks.resize(blocks.size() + kBlock, 0);
      }
      blocks[size_t(first) * kBlock + row.point % kBlock] = int32_t(lengths.size());
      StringRef changed = row.changed;
      lengths.push_back(int32_t(changed.size()));
      for (int64_t k = 0; k < kWidth; ++k)
        bytes.push_back(k < int64_t(changed.size()) ? uint8_t(changed[size_t(k)]) : 0);
    }
  }
};
} // namespace

Value tessera::onnx::changeCase(Node &node, Value bytes, bool toUpper) {
  constexpr int64_t kWidth = CaseTable::kWidth;
  CaseTable table(rowsFor(toUpper));
  ShapeScalars s(node);
  graph::TensorType type = graph::getTensorType(bytes);
  DimList dims(type.getDims());
  auto lookUp = [&](ArrayRef<int32_t> numbers, Value place) {
    Value all = constantOf<int32_t>(node, numbers, int64_t(numbers.size()));
    return Value(node.create<graph::GatherOp>(all, place, 0));
  };
  // The row for the character at each byte; none for what is no first byte.
  Value point = charactersOf(node, bytes);
  auto number = [&](double value) { return node.fillLike(point, value); };
  Value isFirst = node.compare(CompareKind::ge, point, number(0));
  Value known = node.max(point, 0.0);
  Value upper =
      node.min(node.create<graph::ShrOp>(known, number(6)), double(table.firsts.size() - 1));
  Value row = lookUp(table.blocks, node.add(node.mul(lookUp(table.firsts, upper), 64),
                                            node.create<graph::AndOp>(known, number(63))));
  Value isChanged =
      node.create<graph::AndOp>(isFirst, node.compare(CompareKind::ne, row, number(0)));
  // How many bytes each byte becomes: those behind the first one of a changed character become
  // none.
  Value length = number(1);
  auto isFrom = [&](double least) { return node.compare(CompareKind::ge, point, number(least)); };
  Value own = node.choose(isFrom(0x800), node.choose(isFrom(0x10000), number(4), number(3)),
                          node.choose(isFrom(0x80), number(2), number(1)));
  own = node.choose(isChanged, own, number(0));
  for (int64_t back = 1; back < 4; ++back) {
    Value before = shifted(node, own, back);
    Value isBehind = node.compare(CompareKind::gt, before, number(double(back)));
    length = node.choose(isBehind, number(0), length);
  }
  length = node.choose(isChanged, lookUp(table.lengths, row), length);
  Value count = lengthsOf(node, bytes);
  Value isInside =
      node.compare(CompareKind::lt, node.iota(dims, 1), node.broadcast(count, {0}, dims));
  length = node.convert(node.choose(isInside, length, number(0)), node.si64());
  Value start = node.create<graph::CumulativeOp>(graph::CumulativeKind::sum, length, 1,
                                                 /*exclusive=*/true, /*reverse=*/false);
  Value totals = node.sum(length, {1});
  // No character becomes more than three times as long.
  DimAttr width = bindBytes(node, node.max(node.reduce(graph::ReduceKind::max, totals, {0}), 0.0),
                            DimExpr(dims[1]) * 3, "the number of bytes");
  // Byte k of what stands at each place goes to start + k of its row.
  DimList each{dims[0], dims[1], node.dim(kWidth)};
  auto wide = [&](Value x) { return node.broadcast(x, {0, 1}, each); };
  Value rows = node.reshape(constantOf<int32_t>(node, table.bytes, int64_t(table.bytes.size())),
                            DimList{node.dim(int64_t(table.lengths.size())), node.dim(kWidth)});
  Value changed = node.convert(node.create<graph::GatherOp>(rows, row, 0), type.getElementType());
  Value result = node.choose(wide(isChanged), changed, wide(bytes));
  Value k = node.iota(each, 2), isByte = node.compare(CompareKind::lt, k, wide(length));
  DimExpr all = DimExpr(dims[0]) * DimExpr(width);
  auto scalar = [&](DimAttr dim) { return node.broadcast(s.number(dim), {}, each); };
  Value target = node.add(node.add(node.mul(node.iota(each, 0), scalar(width)), wide(start)), k);
  target = node.choose(isByte, target, scalar(all.get()));
  DimExpr places = DimExpr(dims[0]) * DimExpr(dims[1]) * kWidth;
  Value empty = node.fill(graph::TensorType::get(DimList{all.get()}, type.getElementType()), 0);
  Value scattered = node.create<graph::ScatterOp>(graph::ScatterKind::replace, empty,
                                                  node.reshape(target, DimAttr(places.get())),
                                                  node.reshape(result, DimAttr(places.get())), 0);
  return node.reshape(scattered, {dims[0], width});
}
