//===- Ahead.cpp - What a product reads once is asked for ahead -------------------------------===//
// A processor follows few loads at a time, and not from one page to the next: what comes from
// memory in order is asked for before. Nothing is gained where it is read again and stays in the
// cache.
#include "compiler/scheduling/rules/Plan.h"

using namespace mlir;

namespace tessera::scheduling {

/// Less than that is known to lie in a cache.
static constexpr int64_t kFewBytes = 256 << 10;

/// Arguments of elements of that type that an access reads, if need be through stages that only
/// move or compute elements; none where an index follows from data.
static void collectArguments(const KernelInfo &info, const Access &read, Type element,
                             llvm::SmallSetVector<int64_t, 2> &arguments) {
  if (llvm::any_of(read.dims, [](const IndexForm &form) { return form.fromData; }))
    return;
  if (auto argument = dyn_cast<BlockArgument>(read.tensor)) {
    auto type = cast<RankedTensorType>(argument.getType());
    const bool isSmall = type.hasStaticShape() &&
                         type.getNumElements() * element.getIntOrFloatBitWidth() / 8 < kFewBytes;
    if (type.getElementType() == element && !isSmall)
      arguments.insert(argument.getArgNumber());
    return;
  }
  Operation *producer = read.tensor.getDefiningOp();
  const StageInfo *stage = producer ? info.lookup(producer) : nullptr;
  if (!stage || stage->reduces())
    return;
  for (const Access &inner : stage->reads)
    collectArguments(info, inner, element, arguments);
}

void noteAhead(std::vector<Ahead> &ahead, const KernelInfo &info, const StageInfo &stage,
               unsigned loop, int64_t elements) {
  for (const Access &read : stage.reads) {
    // Each element is read once: in no iteration of a loop that it does not depend on.
    bool isReadOnce = read.dependsOn(loop);
    for (unsigned other = 0; other < stage.loops.size(); ++other)
      isReadOnce &= read.dependsOn(other) || stage.extents[other] == 1;
    if (!isReadOnce)
      continue;
    const Type element = getElementTypeOrSelf(read.tensor.getType());
    if (!element.isIntOrFloat())
      continue;
    llvm::SmallSetVector<int64_t, 2> arguments;
    collectArguments(info, read, element, arguments);
    const int64_t bits = element.getIntOrFloatBitWidth();
    for (int64_t argument : arguments)
      ahead.push_back({argument, std::max<int64_t>(1, elements * bits / 8)});
  }
}

void writeAhead(StageWriter update, llvm::ArrayRef<Ahead> ahead, const std::string &loop) {
  // 8 KB: a row of 12288 x 8192 products took 15.1 ms on Zen 5, with 2 KB 12.5, with these 10.1.
  constexpr int64_t kBytes = 8192;
  for (const Ahead &one : ahead)
    update.prefetch(one.argument, loop, std::max<int64_t>(1, kBytes / one.bytes));
}

} // namespace tessera::scheduling
