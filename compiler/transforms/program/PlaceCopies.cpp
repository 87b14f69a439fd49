//===- PlaceCopies.cpp - Copies between the host and a device's memory ---------------------===//
//
// For each buffer:
//   1. who uses it, through views: the host (host operators, loads) or the device (all else);
//   2. a second buffer where both do, for which the users on one side change;
//   3. copies, so that each side reads what was written last.
//
//===----------------------------------------------------------------------===//
#include "compiler/transforms/program/Passes.h"

#include "mlir/IR/Builders.h"

namespace tessera::transforms {
#define GEN_PASS_DEF_PROGRAMPLACECOPIES
#include "compiler/transforms/program/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;
using namespace tessera::program;

namespace {

/// Below this a copy beside launches costs more (events, and launches that no graph joins) than it
/// saves.
constexpr int64_t kLargeBytes = 1 << 16;

bool isHostOp(Operation *op) { return isa<LoadOp, HostCallOp>(op); }

bool isWrite(OpOperand &use) {
  Operation *owner = use.getOwner();
  unsigned number = use.getOperandNumber();
  if (auto launch = dyn_cast<LaunchOp>(owner))
    return number >= launch.getOutputs().getBeginOperandIndex() &&
           number < launch.getOutputs().getBeginOperandIndex() + launch.getOutputs().size();
  if (auto call = dyn_cast<HostCallOp>(owner))
    return number >= call.getOutputs().getBeginOperandIndex();
  return isa<CopyOp>(owner) && number == 1;
}

/// Extents that are not known are taken for large ones.
bool isLarge(Operation *buffer) {
  auto type = cast<BufferType>(buffer->getResult(0).getType());
  int64_t bytes = (int64_t(type.getElementType().getIntOrFloatBitWidth()) + 7) / 8;
  for (Value extent : buffer->getOperands()) {
    auto number = extent.getDefiningOp<NumberOp>();
    if (!number)
      return true;
    bytes *= std::max<int64_t>(int64_t(number.getValue()), 0);
    if (bytes >= kLargeBytes)
      return true;
  }
  return false;
}

class Placer {
public:
  explicit Placer(FuncOp function)
      : builder(function.getContext()), block(function.getBody().front()) {}
  LogicalResult run();

private:
  struct Uses {
    SmallVector<OpOperand *> host, device;
    SmallVector<Operation *> hostReads, hostWrites, deviceWrites;
  };
  Uses usesOf(Value root) const;
  Value twinOf(Value value, Value root, Value twin);
  void move(ArrayRef<OpOperand *> uses, Value root, Value twin);
  void keepInStep(const Uses &uses, Value onHost, Value onDevice);
  bool isFresh(Operation *reader, const Uses &uses, Value onHost) const;
  void upload(InputOp input, const Uses &uses, Value onDevice);
  void download(OutputOp output, const Uses &uses, Value onDevice);
  LogicalResult place(Operation *buffer);

  Operation *topOf(Operation *op) const { return block.findAncestorOpInBlock(*op); }
  static bool isWork(Operation &op) {
    return op
        .walk([](Operation *inner) {
          return isa<LaunchOp, HostCallOp>(inner) ? WalkResult::interrupt() : WalkResult::advance();
        })
        .wasInterrupted();
  }

  OpBuilder builder;
  Block &block;
  Operation *start = nullptr; ///< Behind it uploads begin.
  llvm::DenseMap<Operation *, unsigned> order;
  llvm::DenseMap<Value, Value> twins;
};

/// Readers in the order of the program, so that one finds what was copied for another.
Placer::Uses Placer::usesOf(Value root) const {
  Uses uses;
  SmallVector<Value> values{root};
  while (!values.empty()) {
    for (OpOperand &use : values.pop_back_val().getUses()) {
      Operation *owner = use.getOwner();
      if (auto view = dyn_cast<ViewOp>(owner)) {
        values.push_back(view.getResult());
        continue;
      }
      const bool isHost = isHostOp(owner), writes = isWrite(use);
      (isHost ? uses.host : uses.device).push_back(&use);
      if (isHost)
        (writes ? uses.hostWrites : uses.hostReads).push_back(owner);
      else if (writes)
        uses.deviceWrites.push_back(owner);
    }
  }
  llvm::sort(uses.hostReads,
             [&](Operation *a, Operation *b) { return order.lookup(a) < order.lookup(b); });
  uses.hostReads.erase(llvm::unique(uses.hostReads), uses.hostReads.end());
  return uses;
}

/// The same view of the other buffer.
Value Placer::twinOf(Value value, Value root, Value twin) {
  if (value == root)
    return twin;
  if (Value known = twins.lookup(value))
    return known;
  auto view = value.getDefiningOp<ViewOp>();
  Value source = twinOf(view.getSource(), root, twin);
  builder.setInsertionPointAfter(view);
  return twins[value] =
             ViewOp::create(builder, view.getLoc(), view.getType(), source, view.getDims());
}

void Placer::move(ArrayRef<OpOperand *> uses, Value root, Value twin) {
  twins.clear();
  for (OpOperand *use : uses)
    use->set(twinOf(use->get(), root, twin));
}

/// Whether the host's copy has what the device has written, without another download.
bool Placer::isFresh(Operation *reader, const Uses &uses, Value onHost) const {
  for (Operation *before = reader->getPrevNode(); before; before = before->getPrevNode()) {
    if (auto copy = dyn_cast<DownloadOp>(before); copy && copy.getTarget() == onHost)
      return true;
    if (llvm::is_contained(uses.hostWrites, before))
      return true;
    if (llvm::any_of(uses.deviceWrites,
                     [&](Operation *write) { return before->isAncestor(write); }) ||
        llvm::any_of(uses.hostWrites, [&](Operation *write) { return before->isAncestor(write); }))
      return false;
  }
  return false;
}

void Placer::keepInStep(const Uses &uses, Value onHost, Value onDevice) {
  for (Operation *write : uses.hostWrites) {
    builder.setInsertionPointAfter(write);
    UploadOp::create(builder, write->getLoc(), onHost, onDevice, /*beside=*/false);
  }
  if (uses.deviceWrites.empty())
    return;
  for (Operation *reader : uses.hostReads) {
    if (isFresh(reader, uses, onHost))
      continue;
    builder.setInsertionPoint(reader);
    DownloadOp::create(builder, reader->getLoc(), onDevice, onHost, /*beside=*/false);
    AwaitOp::create(builder, reader->getLoc(), onHost);
  }
}

void Placer::upload(InputOp input, const Uses &uses, Value onDevice) {
  Operation *first = nullptr;
  for (OpOperand *use : uses.device)
    if (Operation *top = topOf(use->getOwner()); !first || top->isBeforeInBlock(first))
      first = top;
  bool isLate = false;
  for (Operation *before = first->getPrevNode(); before && !isLate; before = before->getPrevNode())
    isLate = isWork(*before);
  const bool beside = isLate && isLarge(input);
  if (beside)
    builder.setInsertionPoint(first);
  else
    builder.setInsertionPointAfter(start);
  auto copy = UploadOp::create(builder, input.getLoc(), input.getResult(), onDevice, beside);
  if (beside)
    AwaitOp::create(builder, input.getLoc(), onDevice);
  else
    start = copy;
}

void Placer::download(OutputOp output, const Uses &uses, Value onDevice) {
  Operation *last = nullptr;
  for (Operation *write : uses.deviceWrites)
    if (Operation *top = topOf(write); !last || last->isBeforeInBlock(top))
      last = top;
  if (!last)
    return; // The host has written all of it.
  bool isEarly = false;
  for (Operation *after = last->getNextNode(); after && !isEarly; after = after->getNextNode())
    isEarly = isWork(*after);
  const bool beside = isEarly && isLarge(output);
  if (beside)
    builder.setInsertionPointAfter(last);
  else
    builder.setInsertionPointToEnd(&block);
  DownloadOp::create(builder, output.getLoc(), onDevice, output.getResult(), beside);
}

LogicalResult Placer::place(Operation *buffer) {
  Value root = buffer->getResult(0);
  const Uses uses = usesOf(root);
  builder.setInsertionPointAfter(buffer);
  Location loc = buffer->getLoc();
  if (isa<InputOp, OutputOp>(buffer)) {
    buffer->setAttr("on_host", builder.getUnitAttr());
    if (uses.device.empty())
      return success();
    Value onDevice = MirrorOp::create(builder, loc, root.getType(), root);
    move(uses.device, root, onDevice);
    keepInStep(uses, root, onDevice);
    if (auto input = dyn_cast<InputOp>(buffer))
      upload(input, uses, onDevice);
    else
      download(cast<OutputOp>(buffer), uses, onDevice);
    return success();
  }
  if (uses.host.empty())
    return success();
  if (isa<VariableOp>(buffer))
    return buffer->emitOpError("is looked at from the host, which does not see it");
  if (uses.device.empty()) {
    buffer->setAttr("on_host", builder.getUnitAttr());
    return success();
  }
  Operation *twin = builder.clone(*buffer);
  twin->setAttr("on_host", builder.getUnitAttr());
  move(uses.host, root, twin->getResult(0));
  if (isa<TempOp>(buffer))
    keepInStep(uses, twin->getResult(0), root);
  return success();
}

LogicalResult Placer::run() {
  SmallVector<Operation *> buffers;
  SmallVector<ViewOp> views;
  block.walk<WalkOrder::PreOrder>([&](Operation *op) {
    order.try_emplace(op, order.size());
    if (isa<InputOp, OutputOp, ConstantOp, VariableOp, TempOp>(op))
      buffers.push_back(op);
    else if (auto view = dyn_cast<ViewOp>(op))
      views.push_back(view);
    else if (isa<BodyOp>(op))
      start = op;
  });
  for (Operation *buffer : buffers)
    if (failed(place(buffer)))
      return failure();
  for (ViewOp view : llvm::reverse(views))
    if (view->use_empty())
      view->erase();
  return success();
}

struct PlaceCopies : transforms::impl::ProgramPlaceCopiesBase<PlaceCopies> {
  void runOnOperation() override {
    auto target = getOperation()->getAttrOfType<StringAttr>("tessera.target");
    if (!target || !target.getValue().starts_with("cuda:"))
      return;
    for (auto function : getOperation().getOps<FuncOp>())
      if (failed(Placer(function).run()))
        return signalPassFailure();
  }
};

} // namespace
