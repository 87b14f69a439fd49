// Copies between the host and a device's memory, where the program says; and the device's own
// times.
#include "runtime/base/ElementType.h"
#include "runtime/executor/Context.h"

#include <cstring>

namespace tessera::rt {

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

// A tensor that the caller has, or wants, in the device's memory is bound there: nothing is moved.
Status Context::transfer(uint32_t functionIndex, FunctionState &state, uint32_t index) {
  const Function &function = module.variant().functions[functionIndex];
  const Instruction &x = function.instructions[index];
  const bool isUpload = x.op == Opcode::Upload;
  TESSERA_TRY(checkBound(function, state, x.dst));
  TESSERA_TRY(checkBound(function, state, x.a));
  const Bound &to = state.bound[x.dst], &from = state.bound[x.a];
  if (to.elements != from.elements)
    return Status::error(Code::WrongShape, "a copy between tensors of %lld and %lld elements",
                         (long long)from.elements, (long long)to.elements);
  const uint64_t bytes = uint64_t(to.elements) * info(function.buffers[x.dst].type).bytes;
  const Buffer &target = function.buffers[function.buffers[x.dst].root];
  const Buffer &source = function.buffers[function.buffers[x.a].root];
  const bool isBound = isUpload
                           ? target.kind == BufferKind::Input && !state.hostInputs[target.source]
                           : target.kind == BufferKind::Output && !to.buffer.host;
  const uint8_t *begin = from.buffer.host;
  if (!bytes || (memory.isRemote() && isBound) || begin == to.buffer.host)
    return {};
  TESSERA_TRY(beginWrite(function, state, x.dst,
                         target.kind == BufferKind::Variable &&
                             bytes == module.variables[target.source].bytes));
  uint8_t *end = to.buffer.host;
  const int64_t start = recordCapacity ? monotonicNanoseconds() : 0;
  if (!memory.isRemote()) {
    std::memmove(end, begin, bytes);
  } else if (x.imm == 1 && memory.hasSides() && !isUpload) {
    if (deferredCount == deferred.size() && !deferred.push_back({}))
      return Status::outOfMemory();
    Deferred &mine = deferred[deferredCount];
    mine = {mine.mark, end, begin, bytes, index, bytes >= kBesideBytes};
    if (mine.isBeside)
      TESSERA_TRY(memory.mark(Lane::Main, mine.mark));
    ++deferredCount;
    return {};
  }
  const bool isBeside = x.imm == 1 && memory.hasSides() && bytes >= kBesideBytes;
  const Lane lane = isBeside ? Lane::Up : Lane::Main;
  uint32_t first = 0, last = 0;
  if (memory.isRemote()) {
    if (lane == Lane::Up) {
      // Launches do not wait in the queue for what goes beside them.
      TESSERA_TRY(memory.submit());
      TESSERA_TRY(memory.begin(lane));
    }
    // The host may be held up by its own copy until all launches are done.
    if (!isUpload)
      TESSERA_TRY(beginDownloads(functionIndex));
    TESSERA_TRY(note(lane, first));
    // A copy that has to wait finds what kernels did wrong.
    if (Status status =
            isUpload ? memory.upload(end, begin, bytes, lane) : memory.download(end, begin, bytes);
        !status.ok())
      return settle(std::move(status));
    TESSERA_TRY(note(lane, last));
    if (lane == Lane::Up) {
      Arrival &arrival = state.arrivals[function.buffers[x.dst].root];
      TESSERA_TRY(memory.mark(lane, arrival.mark));
      arrival.run = runs;
    } else if (isUpload && memory.hasMarks() &&
               (memory.hasStream() || source.kind != BufferKind::Input)) {
      TESSERA_TRY(memory.mark(lane, lastUpload));
      hasUploaded = true;
    }
  }
  record(isUpload ? RecordKind::Upload : RecordKind::Download, functionIndex, index, -1, start, -1,
         int64_t(bytes), lane, first);
  return {};
}

Status Context::await(const Function &function, FunctionState &state, uint32_t buffer) {
  if (!memory.isRemote())
    return {};
  if (function.buffers[buffer].space == Space::Host)
    return settle(memory.waitMain());
  const Arrival &arrival = state.arrivals[function.buffers[buffer].root];
  return arrival.run == runs ? memory.after(Lane::Main, arrival.mark) : Status();
}

// The host's memory may be written again when this returns.
Status Context::awaitUploads() {
  if (!hasUploaded)
    return {};
  hasUploaded = false;
  return settle(memory.waitFor(lastUpload));
}

// Those that were put off until all launches before them were submitted.
Status Context::beginDownloads(uint32_t functionIndex) {
  if (deferredCount)
    TESSERA_TRY(memory.submit());
  // Those of the main lane may hold up the host: they come behind the others.
  for (size_t i = 0; i < 2 * deferredCount; ++i) {
    const Deferred &each = deferred[i % deferredCount];
    if (each.isBeside != (i < deferredCount))
      continue;
    const int64_t start = recordCapacity ? monotonicNanoseconds() : 0;
    uint32_t first = 0, last = 0;
    const Lane lane = each.isBeside ? Lane::Down : Lane::Main;
    if (each.isBeside) {
      TESSERA_TRY(memory.begin(lane));
      TESSERA_TRY(memory.after(lane, each.mark));
    }
    TESSERA_TRY(note(lane, first));
    TESSERA_TRY(memory.download(each.to, each.from, each.bytes, lane));
    TESSERA_TRY(note(lane, last));
    record(RecordKind::Download, functionIndex, each.instruction, -1, start, -1,
           int64_t(each.bytes), lane, first);
  }
  deferredCount = 0;
  return {};
}

// What the host has computed and the caller wants on the device; downloads beside launches; then
// waits, unless all outputs stay there and are ready when the queue has passed.
Status Context::deliverOutputs(uint32_t functionIndex, FunctionState &state) {
  if (!memory.isRemote())
    return {};
  const Function &function = module.variant().functions[functionIndex];
  bool allStay = memory.hasStream() && !function.outputs.empty();
  for (size_t o = 0; o < function.outputs.size; ++o) {
    allStay &= state.staysOnDevice[o];
    if (!state.staysOnDevice[o] || function.outputBuffers[uint32_t(Space::Kernels)][o] != kNoBuffer)
      continue;
    const uint32_t index = function.outputBuffers[uint32_t(Space::Host)][o];
    const Bound &bound = state.bound[index];
    const uint64_t bytes = uint64_t(bound.elements) * info(function.buffers[index].type).bytes;
    if (!state.isGiven[o])
      TESSERA_TRY(reserve(state.owned[o], bytes));
    TESSERA_TRY(memory.upload(state.isGiven[o] ? static_cast<uint8_t *>(state.outputs[o].data)
                                               : state.owned[o].data(),
                              bound.buffer.host, bytes));
    if (memory.hasMarks())
      TESSERA_TRY(memory.mark(Lane::Main, lastUpload));
    hasUploaded = true;
  }
  TESSERA_TRY(beginDownloads(functionIndex));
  if (!allStay || !memory.hasMarks() || isTiming)
    return memory.wait(); // Also what wrote no output.
  TESSERA_TRY(memory.submit());
  TESSERA_TRY(memory.leave());
  // The caller's memory is the caller's again.
  TESSERA_TRY(awaitUploads());
  return memory.waitBeside();
}

//===----------------------------------------------------------------------===//
// Times
//===----------------------------------------------------------------------===//

// Where the lane is now. Two in a row, before and after what is timed: 0, which no mark is, where
// nothing is timed.
Status Context::note(Lane lane, uint32_t &mark) {
  if (!isTiming)
    return {};
  if (markCount == marks.size() && !marks.push_back(nullptr))
    return Status::outOfMemory();
  TESSERA_TRY(memory.mark(lane, marks[markCount]));
  mark = uint32_t(markCount++);
  return {};
}

// The device's clock and the host's, at one point.
Status Context::beginTimes() {
  isTiming = recordCapacity && memory.hasMarks();
  firstRecord = records.size();
  markCount = 0;
  if (!isTiming)
    return {};
  uint32_t first = 0;
  TESSERA_TRY(note(Lane::Main, first));
  TESSERA_TRY(memory.waitMain());
  timeBase = monotonicNanoseconds();
  return {};
}

// After a run: what was recorded gets the device's times.
Status Context::readTimes() {
  for (size_t i = firstRecord; isTiming && i < records.size(); ++i) {
    Record &each = records[i];
    if (!each.marks)
      continue;
    int64_t begin = 0;
    TESSERA_TRY(memory.elapsed(marks[0], marks[each.marks], begin));
    TESSERA_TRY(memory.elapsed(marks[each.marks], marks[each.marks + 1], each.duration));
    each.start = timeBase + begin;
  }
  return {};
}

} // namespace tessera::rt
