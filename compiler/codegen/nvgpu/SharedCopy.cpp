//===- SharedCopy.cpp - Lines of a factor, from memory to shared memory by many threads ------===//
//
// Asynchronously 16 bytes at a time (PTX ISA, section 9.7.9.25.3) where the memory lets them, else
// words of 4 bytes (of an element, where that has more), else element by element. Threads beside
// each other always bring what lies beside each other.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/nvgpu/SharedTile.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace tessera::nvgpu {

/// What the narrowest asynchronous copy brings.
static int64_t wordBytes(int64_t perChunk) { return std::max<int64_t>(4, 16 / perChunk); }

SharedTile::Alignment SharedTile::alignmentOf(const GpuFunction::Memory &from, int64_t perChunk,
                                              ArrayRef<Value> others) {
  const int64_t bytes = 16 / perChunk;
  return {isAligned(from, bytes, others, 16),
          perChunk > 4 ? isAligned(from, bytes, others, wordBytes(perChunk)) : Value()};
}

LogicalResult SharedTile::copyWhere(const Alignment &alignment, int64_t perChunk,
                                    llvm::function_ref<LogicalResult(int64_t)> pieces,
                                    llvm::function_ref<LogicalResult()> elements) {
  using Copy = llvm::function_ref<LogicalResult()>;
  auto choose = [&](Value condition, Copy then, Copy otherwise) {
    auto run = [](Copy copy) {
      return [copy](Values) -> FailureOr<Values> {
        if (failed(copy()))
          return failure();
        return Values();
      };
    };
    return success(succeeded(f.either(condition, {}, run(then), run(otherwise))));
  };
  auto words = [&] { return pieces(wordBytes(perChunk) * perChunk / 16); };
  auto narrow = [&]() -> LogicalResult {
    return alignment.ofWords ? choose(alignment.ofWords, words, elements) : words();
  };
  return choose(alignment.ofChunks, [&] { return pieces(perChunk); }, narrow);
}

LogicalResult SharedTile::share(const Crew &crew, int64_t total, bool isRolled,
                                llvm::function_ref<LogicalResult(Value)> take) {
  auto turn = [&](Value turn, Values) -> FailureOr<Values> {
    Value before = mul(arith::IndexCastUIOp::create(b, b.getI32Type(), turn), crew.count);
    Value number = add(before, crew.own);
    auto bring = [&](Values) -> FailureOr<Values> {
      if (failed(take(number)))
        return failure();
      return Values();
    };
    if (total % crew.count == 0)
      return bring({});
    Value isThere = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, number, i32(total));
    return f.guard(isThere, {}, bring);
  };
  return success(
      succeeded(f.loop(index((total + crew.count - 1) / crew.count), {}, turn, isRolled)));
}

LogicalResult SharedTile::shareElements(const Crew &crew, int64_t lines, int64_t perLine,
                                        int64_t bytes,
                                        llvm::function_ref<FailureOr<Value>(Value, Value)> load,
                                        llvm::function_ref<Value(Value, Value)> place) {
  int64_t together = 8;
  while (together > 1 && (lines % together || lines / together * perLine % crew.count != 0))
    together /= 2;
  const int64_t apart = lines / together;
  return share(crew, apart * perLine, /*isRolled=*/true, [&](Value number) -> LogicalResult {
    Value first = div(number, perLine), element = rem(number, perLine);
    Values values;
    for (int64_t part = 0; part < together; ++part) {
      FailureOr<Value> value = load(add(first, part * apart), element);
      if (failed(value))
        return failure();
      values.push_back(*value);
    }
    for (auto [part, value] : llvm::enumerate(values))
      LLVM::StoreOp::create(b, value, shared(place(add(first, int64_t(part) * apart), element)),
                            unsigned(bytes));
    return success();
  });
}

void SharedTile::copyAsync(Value to, Value from, int64_t bytes, Value given) {
  NVVM::CpAsyncOp::create(
      b, shared(to), from, int32_t(bytes),
      bytes == 16 ? NVVM::LoadCacheModifierKind::CG : NVVM::LoadCacheModifierKind::CA, given);
}

} // namespace tessera::nvgpu
