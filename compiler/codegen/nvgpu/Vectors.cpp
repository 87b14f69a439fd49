//===- Vectors.cpp - Neighbours in memory that a thread reads and writes together -----------===//
//
// Where a schedule vectorizes a loop of a split, a thread has some neighbours along it. That they
// may be read and written by instructions for 16 bytes a launch alone can tell: addresses have to
// be multiples of that, and rows have to begin at such. Every block asks, and has code for both:
//
//   if (addresses, strides and extents are multiples)    // all threads of a block agree
//     for each vector of the thread: all its elements, one after the other, without a branch
//   else
//     for each element: neighbouring threads have neighbours, as without vectors
//
// Nothing here makes a vector: addresses are written so that their low bits are known to be zero,
// and LLVM joins what lies side by side.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/nvgpu/GpuFunction.h"
#include "dialects/kernel/VectorReads.h"

using namespace mlir;

namespace tessera::nvgpu {

/// What one instruction moves for a thread.
static constexpr int64_t kVectorBytes = 16;

static int64_t alignmentOf(Type stored, int64_t width) {
  return std::min<int64_t>(kVectorBytes, width * stored.getIntOrFloatBitWidth() / 8);
}

/// What is in memory along the lanes of the stage: arguments, and its results where they are.
FailureOr<GpuFunction::Lanes> GpuFunction::findLanes(linalg::GenericOp stage) {
  Lanes lanes;
  lanes.width = loops.widths.lookup(loops.lane);
  // The loop that was split; of several that became one, the innermost.
  std::string name;
  for (Operation *directive : loops.applied)
    if (auto split = dyn_cast<schedule::SplitOp>(directive);
        split && split.getInner() == loops.lane)
      name = split.getLoop().str();
  for (Operation *directive : llvm::reverse(loops.applied))
    if (auto fuse = dyn_cast<schedule::FuseOp>(directive); fuse && fuse.getFused() == name) {
      name = fuse.getInner().str();
      lanes.isFlat = true;
    }
  const SmallVector<std::string> names = kernel::getLoopNames(stage);
  auto loop = llvm::find(names, name);
  if (loop == names.end())
    return fail(stage, "has lanes of a loop that is none of its own");
  const unsigned number = unsigned(loop - names.begin());
  kernel::VectorReads reads = kernel::findVectorReads(
      stage, number, [&](Value tensor) { return arguments.count(tensor) != 0; });
  if (lanes.isFlat && !reads.isFlat)
    return fail(stage, "has lanes of several loops, and reads at other places than it writes to");
  auto add = [&](Memory &memory, Type element) {
    lanes.memories.push_back({&memory, alignmentOf(stored(element), lanes.width)});
  };
  for (Value tensor : reads.inVectors(lanes.width))
    add(arguments.find(tensor)->second, cast<RankedTensorType>(tensor.getType()).getElementType());
  if (stage.getIteratorTypesArray()[number] == utils::IteratorType::parallel)
    for (auto [memory, result] : llvm::zip_equal(results, returned()))
      if (result.getDefiningOp() == stage)
        add(memory, cast<RankedTensorType>(result.getType()).getElementType());
  lanes.loop = name;
  return lanes;
}

/// Whether the lanes are vectors, for all threads alike.
Value GpuFunction::areVectors(const Lanes &lanes) {
  Value result = arith::ConstantOp::create(b, b.getBoolAttr(true));
  auto require = [&](Value isTrue) { result = arith::AndIOp::create(b, result, isTrue); };
  auto isMultiple = [&](Value number, int64_t of) {
    Value low = arith::AndIOp::create(b, number, i64Constant(of - 1));
    return arith::CmpIOp::create(b, arith::CmpIPredicate::eq, low, i64Constant(0));
  };
  auto number = [&](Value index) -> Value {
    return arith::IndexCastOp::create(b, b.getI64Type(), index);
  };
  for (const auto &[memory, alignment] : lanes.memories) {
    Value address = LLVM::PtrToIntOp::create(b, b.getI64Type(), memory->pointer);
    require(isMultiple(address, alignment));
    for (size_t dim = 0; dim + 1 < memory->strides.size(); ++dim)
      if (lanes.isFlat) // There is nothing between rows.
        require(arith::CmpIOp::create(
            b, arith::CmpIPredicate::eq, memory->strides[dim],
            arith::MulIOp::create(b, memory->strides[dim + 1], memory->extents[dim + 1])));
      else
        require(isMultiple(number(memory->strides[dim]), lanes.width));
  }
  if (!lanes.isFlat)
    require(isMultiple(number(loops.extents[lanes.loop].value), lanes.width));
  // Through a text that LLVM cannot read: where it can, it leaves out the masks of Aligned, as
  // nothing that they change gets there, and when it looks for alignments it knows no conditions.
  Value word = arith::ExtUIOp::create(b, b.getI32Type(), result);
  word = LLVM::InlineAsmOp::create(b, b.getI32Type(), word, "mov.b32 $0, $1;", "=r,r",
                                   /*has_side_effects=*/false, /*is_align_stack=*/false,
                                   LLVM::tailcallkind::TailCallKind::None, LLVM::AsmDialectAttr(),
                                   ArrayAttr())
             .getResult(0);
  return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, word,
                               arith::ConstantOp::create(b, b.getI32IntegerAttr(0)));
}

/// While it lives, LLVM can see that vectors are aligned.
class GpuFunction::Aligned {
public:
  Aligned(GpuFunction &function, const Lanes &lanes) : lanes(lanes) {
    mlir::ImplicitLocOpBuilder &b = function.b;
    for (const auto &[memory, alignment] : lanes.memories) {
      before.push_back(*memory);
      memory->pointer = LLVM::PtrMaskOp::create(b, memory->pointer.getType(), memory->pointer,
                                                function.i64Constant(-alignment));
      if (lanes.isFlat)
        continue;
      for (Value &stride : llvm::MutableArrayRef<Value>(memory->strides).drop_back()) {
        Value mask = arith::ConstantIndexOp::create(b, -lanes.width);
        stride = arith::AndIOp::create(b, stride, mask);
      }
    }
  }
  Aligned(const Aligned &) = delete;
  Aligned &operator=(const Aligned &) = delete;
  ~Aligned() {
    for (auto [entry, memory] : llvm::zip_equal(lanes.memories, before))
      *entry.first = memory;
  }

private:
  const Lanes &lanes;
  SmallVector<Memory> before;
};

/// The places of loops, innermost last, whose number among all of them is known.
void GpuFunction::takeApart(ArrayRef<std::string> names, Value number) {
  for (const std::string &name : llvm::reverse(names.drop_front())) {
    Value size = loops.extents[name].value;
    loops.positions[name] = divide(number, size, /*wantsRest=*/true);
    number = divide(number, size, /*wantsRest=*/false);
  }
  loops.positions[names.front()] = number;
}

/// The work of a thread on a stage whose loop is vectorized, as the head of this file says. `work`
/// gets the positions of one element, or those of the elements of a vector.
FailureOr<SmallVector<Value>> GpuFunction::eachLane(linalg::GenericOp stage, Values begin,
                                                    LaneWork work) {
  FailureOr<Lanes> lanes = findLanes(stage);
  if (failed(lanes))
    return failure();
  SmallVector<std::string> whole; // What one element has a place in.
  for (const std::string &name : kernel::getLoopNames(stage))
    if (loops.extents.count(name) && !loops.positions.count(name))
      whole.push_back(name);
  const SmallVector<std::string> serial = loops.serial();
  if (whole.empty() || whole.back() != lanes->loop || !loops.threads || serial.empty())
    return fail(stage, "has lanes, but not of its innermost loop, or no threads beside them");
  SmallVector<std::string> steps(
      llvm::make_filter_range(serial, [&](const std::string &name) { return name != loops.lane; }));
  Value total = arith::ConstantIndexOp::create(b, 1);
  for (const std::string &name : whole)
    total = arith::MulIOp::create(b, total, loops.extents[name].value);
  // Without steps a block has as many elements as its threads have lanes, else all of them.
  Value width = arith::ConstantIndexOp::create(b, lanes->width);
  Value threads = arith::ConstantIndexOp::create(b, loops.threads);
  Value first = special(/*isThread=*/true, loops.threadAxis), end = total;
  Value fits = areVectors(*lanes);
  if (steps.empty()) {
    if (loops.blockAxes != 1)
      return fail(stage, "has lanes, and not one loop of blocks");
    Value elements = arith::MulIOp::create(b, width, threads);
    Value before = arith::MulIOp::create(b, special(/*isThread=*/false, 0), elements);
    first = arith::AddIOp::create(b, before, first);
    Value behind = arith::AddIOp::create(b, before, elements);
    end = arith::MinUIOp::create(b, behind, total);
    if (lanes->isFlat)
      fits = arith::AndIOp::create(
          b, fits, arith::CmpIOp::create(b, arith::CmpIPredicate::ule, behind, total));
  } else if (lanes->isFlat) {
    return fail(stage, "has lanes of several loops, and steps");
  }
  const Loops own = loops;
  auto vectors = [&](Values values) -> FailureOr<Values> {
    Aligned aligned(*this, *lanes);
    loops.isFlat = lanes->isFlat;
    return loopSerial(steps, values, [&](Values current) {
      loops.positions[loops.lane] = arith::ConstantIndexOp::create(b, 0);
      return guard(place(), current, [&](Values now) {
        SmallVector<Places> places;
        for (int64_t lane = 0; lane < lanes->width; ++lane) {
          loops.positions[loops.lane] = arith::ConstantIndexOp::create(b, lane);
          (void)place();
          places.push_back(loops.positions);
        }
        return work(places, now);
      });
    });
  };
  auto elements = [&](Values values) -> FailureOr<Values> {
    auto wide = [&](Value number) -> Value {
      return arith::IndexCastOp::create(b, b.getI64Type(), number);
    };
    Values carried = {wide(first)};
    carried.append(values);
    FailureOr<Values> last = loopWhile(
        carried,
        [&](Values current) -> FailureOr<Value> {
          return Value(arith::CmpIOp::create(b, arith::CmpIPredicate::ult, current[0], wide(end)));
        },
        [&](Values current) -> FailureOr<Values> {
          takeApart(whole, arith::IndexCastOp::create(b, b.getIndexType(), current[0]));
          FailureOr<Values> next = work(loops.positions, Values(llvm::drop_begin(current)));
          if (failed(next))
            return failure();
          Values following = {arith::AddIOp::create(b, current[0], wide(threads))};
          following.append(*next);
          return following;
        });
    if (failed(last))
      return failure();
    return Values(llvm::drop_begin(*last));
  };
  FailureOr<Values> done = either(fits, begin, vectors, [&](Values values) {
    loops = own;
    return elements(values);
  });
  loops = own;
  return done;
}

} // namespace tessera::nvgpu
