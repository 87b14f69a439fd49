//===- Block.cpp - The threads of one block -----------------------------------------------===//
#include "test/gpu/Block.h"

#include <algorithm>
#include <cstring>

namespace tessera::ptx {

static bool isOfGroup(Op op) { return op >= Op::Wgmma && op <= Op::GroupRegisters; }

/// Where threads hand something on by the device's memory: atomics, or loops in kernels that share
/// no other memory. Elsewhere each has elements of its own, and watching them takes time.
static bool meetInGlobalMemory(const Program &program, const Kernel &kernel) {
  const bool isShared =
      std::any_of(program.variables.begin(), program.variables.end(),
                  [](const Variable &variable) { return variable.space == Space::Shared; }) ||
      program.sharedBytes;
  for (size_t i = 0; i < kernel.code.size(); ++i) {
    const Instruction &x = kernel.code[i];
    if ((x.op == Op::Atom || x.op == Op::Red) && x.space != Space::Shared)
      return true;
    if (x.op == Op::Bra && x.target <= i && !isShared)
      return true;
  }
  return false;
}

Block::Block(const Program &program, const Kernel &kernel, const Launch &launch,
             std::vector<uint8_t> &globals)
    : program(program), kernel(kernel), launch(launch), globals(globals),
      threads(size_t(launch.block[0]) * launch.block[1] * launch.block[2]),
      groups((threads.size() + 127) / 128),
      shared((program.sharedBytes + 3) / 4 * 4 + launch.dynamicShared, uint32_t(threads.size())) {
  if (meetInGlobalMemory(program, kernel))
    global = std::make_unique<GlobalMemory>();
  for (Type type : kernel.registerTypes)
    masks.push_back(~uint64_t(0) >> (64 - 8 * getBytes(type)));
  for (size_t i = 0; i < threads.size(); ++i) {
    Thread &thread = threads[i];
    thread.number = uint32_t(i);
    thread.index[0] = thread.number % launch.block[0];
    thread.index[1] = thread.number / launch.block[0] % launch.block[1];
    thread.index[2] = thread.number / launch.block[0] / launch.block[1];
    thread.registers.resize(kernel.registers.size());
    thread.held.resize(kernel.registers.size());
    thread.local.resize(kernel.localBytes);
  }
}

bool Block::run(const uint32_t (&at)[3]) {
  std::copy(at, at + 3, index);
  shared.beginBlock();
  std::fill(groups.begin(), groups.end(), WarpGroup());
  barriers.clear();
  lastRegisters = nullptr;
  for (Thread &thread : threads) {
    thread.next = 0;
    thread.state = Thread::Running;
    thread.copies.clear();
    thread.group = 0;
    std::fill(thread.held.begin(), thread.held.end(), Held::Nothing);
    std::fill(thread.local.begin(), thread.local.end(), uint8_t(0xcd));
  }
  while (true) {
    bool any = false;
    for (Thread &thread : threads) {
      if (thread.state != Thread::Running)
        continue;
      any = true;
      if (!runThread(thread))
        return false;
    }
    if (!any) {
      for (uint32_t w = 0; w * 32 < threads.size(); ++w)
        noteMet(w);
      for (const auto &[place, barrier] : barriers)
        for (const BulkCopy &copy : barrier.copies)
          return fail(threads[copy.thread], *copy.x, "nobody waits for this bulk copy");
      return checkRegisters();
    }
    if (!meet())
      return false;
  }
}

bool Block::fail(const Thread &thread, const Instruction &x, const std::string &message) {
  const auto triple = [](const uint32_t *v) {
    return "(" + std::to_string(v[0]) + ", " + std::to_string(v[1]) + ", " + std::to_string(v[2]) +
           ")";
  };
  if (error.empty())
    error = kernel.name + ", line " + std::to_string(x.line) +
            (x.stage && x.stage <= program.stages.size()
                 ? ", stage '" + program.stages[x.stage - 1] + "'"
                 : "") +
            ", block " + triple(index) + ", thread " + triple(thread.index) + ": " + message;
  return false;
}

bool Block::readOther(Thread &thread, const Instruction &x, const Operand &operand,
                      uint64_t &value) {
  const auto mask = [](uint32_t lane) { return uint32_t(1) << lane; };
  const uint32_t lane = thread.number % 32;
  switch (operand.kind) {
  case Operand::Register:
    if (thread.held[operand.reg] == Held::BeingWritten)
      return fail(thread, x,
                  "register " + kernel.registers[operand.reg] +
                      " is being written by a wgmma that the thread did not wait for");
    return fail(thread, x, "register " + kernel.registers[operand.reg] + " was never written");
  case Operand::Immediate:
    value = operand.value;
    if (operand.reg == 1 + uint32_t(Space::Global) || operand.reg == 1 + uint32_t(Space::Const))
      value += reinterpret_cast<uintptr_t>(globals.data());
    return true;
  case Operand::Special: break;
  default: value = 0; return true;
  }
  switch (Special(operand.value)) {
  case Special::TidX: value = thread.index[0]; break;
  case Special::TidY: value = thread.index[1]; break;
  case Special::TidZ: value = thread.index[2]; break;
  case Special::NtidX: value = launch.block[0]; break;
  case Special::NtidY: value = launch.block[1]; break;
  case Special::NtidZ: value = launch.block[2]; break;
  case Special::CtaidX: value = index[0]; break;
  case Special::CtaidY: value = index[1]; break;
  case Special::CtaidZ: value = index[2]; break;
  case Special::NctaidX: value = launch.grid[0]; break;
  case Special::NctaidY: value = launch.grid[1]; break;
  case Special::NctaidZ: value = launch.grid[2]; break;
  case Special::LaneId: value = lane; break;
  case Special::WarpId: value = thread.number / 32; break;
  case Special::LaneMaskEq: value = mask(lane); break;
  case Special::LaneMaskLt: value = mask(lane) - 1; break;
  case Special::LaneMaskLe: value = mask(lane) | (mask(lane) - 1); break;
  case Special::LaneMaskGt: value = uint32_t(~(mask(lane) | (mask(lane) - 1))); break;
  case Special::LaneMaskGe: value = uint32_t(~(mask(lane) - 1)); break;
  }
  return true;
}

/// The instruction goes on; the thread stops where it waits or ends.
void Block::reportHeld(Thread &thread, const Operand &operand) {
  fail(thread, kernel.code[thread.next],
       "register " + kernel.registers[operand.reg] +
           " is in use by a wgmma that the thread did not wait for");
}

/// Until the thread ends or has to wait.
bool Block::runThread(Thread &thread) {
  while (true) {
    const Instruction &x = kernel.code[thread.next];
    if (++executed > launch.limit)
      return fail(thread, x,
                  "more than " + std::to_string(launch.limit) +
                      " instructions were executed: an endless loop?");
    if (x.guard >= 0) {
      Operand guard{Operand::Register, x.guardNegated, uint32_t(x.guard), 0};
      uint64_t isTaken = 0;
      if (!read(thread, x, guard, isTaken))
        return false;
      if (!isTaken) {
        ++thread.next;
        continue;
      }
    }
    switch (x.op) {
    case Op::Bra: thread.next = x.target; continue;
    case Op::Exit:
      thread.state = Thread::Ended;
      if (!thread.copies.empty())
        return fail(thread, x, "the thread ends with asynchronous copies that nobody waited for");
      if (!groups[thread.number / 128].pending.empty())
        return fail(thread, x, "the thread ends with a wgmma that nobody waited for");
      return error.empty();
    case Op::Trap: return fail(thread, x, "trap");
    case Op::Nothing: break;
    case Op::Barrier:
    case Op::WarpBarrier:
    case Op::Shfl:
    case Op::Vote:
    case Op::Redux:
    case Op::LdMatrix:
    case Op::Mma:
    case Op::Wgmma:
    case Op::WgmmaFence:
    case Op::WgmmaCommit:
    case Op::WgmmaWait:
    case Op::GroupRegisters: thread.state = Thread::Waiting; return error.empty();
    case Op::ProxyFence: shared.fenceProxy(thread.number); break;
    case Op::BarrierInit:
    case Op::BarrierFence:
    case Op::BarrierArrive:
    case Op::BarrierArriveExpect:
    case Op::BarrierExpect:
      if (!barrier(thread, x))
        return false;
      break;
    case Op::BulkTensor:
      if (!beginBulk(thread, x))
        return false;
      break;
    case Op::BarrierWait: {
      bool isOver = false;
      if (!isPhaseOver(thread, x, isOver))
        return false;
      if (!isOver) {
        thread.state = Thread::Waiting;
        return error.empty();
      }
      write(thread, operandsOf(x)[0], 1);
      break;
    }
    case Op::Ld:
      if (!load(thread, x))
        return false;
      break;
    case Op::St:
      if (!store(thread, x))
        return false;
      break;
    case Op::Atom:
    case Op::Red:
      if (!atomic(thread, x))
        return false;
      break;
    case Op::CpAsync:
      if (!beginCopy(thread, x))
        return false;
      break;
    case Op::CpAsyncCommit: ++thread.group; break;
    case Op::CpAsyncWaitGroup:
    case Op::CpAsyncWaitAll:
      if (!finishCopies(thread, x,
                        x.op == Op::CpAsyncWaitAll ? ~uint64_t(0) : operandsOf(x)[0].value))
        return false;
      break;
    default:
      if (!arithmetic(thread, x))
        return false;
    }
    ++thread.next;
  }
}

/// Everybody waits or has ended: lets those go on that have met.
bool Block::meet() {
  bool any = false;
  for (uint32_t w = 0; w * 32 < threads.size(); ++w)
    if (!meetWarp(w, any))
      return false;
  for (uint32_t g = 0; g < groups.size(); ++g)
    if (!meetGroup(g, any))
      return false;
  if (!meetBarrier(any))
    return false;
  // Who waits for the end of a phase tries again.
  for (Thread &thread : threads)
    if (thread.state == Thread::Waiting && kernel.code[thread.next].op == Op::BarrierWait) {
      bool isOver = false;
      if (!isPhaseOver(thread, kernel.code[thread.next], isOver))
        return false;
      if (isOver) {
        thread.state = Thread::Running;
        any = true;
      }
    }
  if (any)
    return true;
  const bool isStuck = std::any_of(threads.begin(), threads.end(), [](const Thread &thread) {
    return thread.state == Thread::Waiting;
  });
  return !isStuck || reportStuck();
}

bool Block::meetWarp(uint32_t w, bool &any) {
  Thread *lanes = threads.data() + w * 32;
  const uint32_t count = lanesOf(w);
  uint32_t done = 0;
  for (uint32_t lane = 0; lane < count; ++lane) {
    Thread &thread = lanes[lane];
    if (thread.state != Thread::Waiting || (done >> lane & 1))
      continue;
    const Instruction &x = kernel.code[thread.next];
    if (x.op == Op::Barrier || x.op == Op::BarrierWait || isOfGroup(x.op))
      continue;
    // Who takes part: a mask is the last operand; matrices need the whole warp.
    uint64_t mask = 0xffffffff;
    if (x.op != Op::LdMatrix && x.op != Op::Mma) {
      const Operand &last = operandsOf(x)[x.operands - 1];
      if (!read(thread, x, last, mask))
        return false;
      mask &= 0xffffffff;
      if (!(mask >> lane & 1))
        return fail(thread, x, "the thread is not in the mask of its own instruction");
    }
    uint32_t arrived = 0;
    for (uint32_t other = 0; other < count; ++other)
      if (lanes[other].state == Thread::Waiting && lanes[other].next == thread.next)
        arrived |= uint32_t(1) << other;
    if (mask == 0xffffffff && count < 32)
      mask = (uint64_t(1) << count) - 1; // of a last warp that is not full
    if ((arrived & mask) != mask)
      continue;
    for (uint32_t other = 0; other < count; ++other) {
      uint64_t theirs = mask;
      if (!(mask >> other & 1) || x.op == Op::LdMatrix || x.op == Op::Mma)
        continue;
      if (!read(lanes[other], x, operandsOf(x)[x.operands - 1], theirs))
        return false;
      if (uint32_t(theirs) != uint32_t(mask) && uint32_t(theirs) != 0xffffffff)
        return fail(lanes[other], x, "threads of one instruction have different masks");
    }
    if (mask == uint32_t((uint64_t(1) << count) - 1))
      noteMet(w);
    if (!warp(lanes, x, uint32_t(mask)))
      return false;
    for (uint32_t other = 0; other < count; ++other)
      if (mask >> other & 1) {
        lanes[other].state = Thread::Running;
        ++lanes[other].next;
      }
    done |= uint32_t(mask);
    any = true;
  }
  return true;
}

/// An instruction of four warps happens when all of their threads are there.
bool Block::meetGroup(uint32_t group, bool &any) {
  const size_t first = size_t(group) * 128;
  if (first + 128 > threads.size())
    return true;
  Thread *own = threads.data() + first;
  const auto isHere = [&](const Thread &thread) {
    return thread.state == Thread::Waiting && thread.next == own->next;
  };
  if (!isOfGroup(kernel.code[own->next].op) || !std::all_of(own, own + 128, isHere))
    return true;
  for (uint32_t w = 0; w < 4; ++w)
    noteMet(group * 4 + w);
  if (!warpGroup(group, kernel.code[own->next]))
    return false;
  for (Thread *thread = own; thread != own + 128; ++thread) {
    thread->state = Thread::Running;
    ++thread->next;
  }
  any = true;
  return true;
}

bool Block::meetBarrier(bool &any) {
  // Barriers are told apart by their number.
  for (size_t first = 0; first < threads.size(); ++first) {
    if (threads[first].state != Thread::Waiting ||
        kernel.code[threads[first].next].op != Op::Barrier)
      continue;
    const Instruction &x = kernel.code[threads[first].next];
    uint64_t number = 0, needed = threads.size();
    if (!read(threads[first], x, operandsOf(x)[0], number) ||
        (x.operands > 1 && !read(threads[first], x, operandsOf(x)[1], needed)))
      return false;
    if (number > 15)
      return fail(threads[first], x, "barrier " + std::to_string(number) + " is none of 0 to 15");
    if (needed % 32 && needed != threads.size())
      return fail(threads[first], x,
                  "a barrier of " + std::to_string(needed) + " threads is no multiple of a warp");
    std::vector<size_t> arrived;
    for (size_t i = first; i < threads.size(); ++i) {
      if (threads[i].state != Thread::Waiting)
        continue;
      const Instruction &y = kernel.code[threads[i].next];
      uint64_t other = 0;
      if (y.op != Op::Barrier || !read(threads[i], y, operandsOf(y)[0], other) || other != number)
        continue;
      if (i / 32 == first / 32 && x.aligned && threads[i].next != threads[first].next)
        return fail(threads[i], y,
                    "barrier divergence: threads of this warp are at the barrier of line " +
                        std::to_string(x.line));
      arrived.push_back(i);
    }
    if (!error.empty())
      return false;
    if (arrived.size() < needed)
      continue;
    shared.blockBarrier();
    any = true;
    for (size_t i : arrived)
      if (i % 32 == 0)
        noteMet(uint32_t(i / 32));
    for (size_t i : arrived) {
      threads[i].state = Thread::Running;
      ++threads[i].next;
    }
  }
  return true;
}

bool Block::reportStuck() {
  const Thread *waiting = nullptr, *other = nullptr;
  for (const Thread &thread : threads)
    if (thread.state == Thread::Waiting && !waiting)
      waiting = &thread;
  const Instruction &x = kernel.code[waiting->next];
  if (x.op == Op::BarrierWait)
    return fail(*waiting, x, "the phase of this mbarrier never ends");
  const uint32_t size = isOfGroup(x.op) ? 128 : 32;
  for (const Thread &thread : threads)
    if (!other && (thread.state == Thread::Ended || thread.next != waiting->next) &&
        (x.op == Op::Barrier || thread.number / size == waiting->number / size))
      other = &thread;
  const std::string kind = x.op == Op::Barrier ? "barrier divergence"
                           : size == 128       ? "divergence in a group of four warps"
                                               : "warp divergence";
  if (!other)
    return fail(*waiting, x, kind + ": the threads that it waits for do not exist");
  return fail(*waiting, x,
              kind + ": thread " + std::to_string(other->number) +
                  (other->state == Thread::Ended
                       ? std::string(" has ended")
                       : " waits at line " + std::to_string(kernel.code[other->next].line)) +
                  " instead of coming here");
}

/// The CUDA programming guide, table of technical specifications by compute capability.
uint64_t getMostShared(std::string_view processor) {
  const unsigned number =
      unsigned(std::atoi(std::string(processor.substr(processor.find('_') + 1)).c_str()));
  const bool isSmall = number == 86 || number == 89 || number >= 120;
  return (number >= 90 && number < 120 ? 227 : isSmall ? 99 : 163) << 10;
}

uint64_t countShared(const Program &program, const Kernel &kernel) {
  uint64_t bytes = kernel.sharedBytes;
  for (const Variable &variable : program.variables)
    if (variable.space == Space::Shared &&
        std::any_of(kernel.operands.begin(), kernel.operands.end(), [&](const Operand &operand) {
          return operand.kind == Operand::Immediate && operand.reg == 1 + uint32_t(Space::Shared) &&
                 operand.value >= variable.offset &&
                 operand.value < variable.offset + variable.size;
        }))
      bytes += variable.size;
  return bytes;
}

std::string run(const Program &program, std::string_view name, const Launch &launch) {
  if (!program.error.empty())
    return program.error;
  const Kernel *kernel = program.find(name);
  if (!kernel)
    return "the module has no kernel '" + std::string(name) + "'";
  const std::string who = kernel->name + ": ";
  uint64_t count = 1;
  for (unsigned i = 0; i < 3; ++i) {
    count *= launch.block[i];
    if (!launch.block[i] || !launch.grid[i] || launch.block[i] > (i < 2 ? 1024 : 64) ||
        launch.grid[i] > (i ? 65535u : 0x7fffffffu))
      return who + "a grid of " + std::to_string(launch.grid[i]) + " blocks of " +
             std::to_string(launch.block[i]) + " threads along axis " + std::to_string(i) +
             " is not possible";
    if (kernel->requiredThreads[0] && kernel->requiredThreads[i] != launch.block[i])
      return who + "the kernel requires blocks of other extents";
  }
  if (count > 1024)
    return who + "a block of " + std::to_string(count) + " threads has more than 1024";
  const uint64_t fixed = countShared(program, *kernel), shared = fixed + launch.dynamicShared;
  if (const uint64_t most = getMostShared(program.target); shared > most)
    return who + "a block of " + std::to_string(shared) + " bytes of shared memory, which has " +
           std::to_string(most) + " on " + program.target;
  if (fixed > 48 << 10)
    return who + "a block of " + std::to_string(fixed) +
           " bytes of static shared memory, which may have 49152";
  if (launch.params.size() != kernel->paramBytes)
    return who + "the kernel takes " + std::to_string(kernel->paramBytes) +
           " bytes of parameters, " + std::to_string(launch.params.size()) + " were given";
  std::vector<uint8_t> globals = program.initial;
  Block block(program, *kernel, launch, globals);
  uint32_t at[3];
  for (at[2] = 0; at[2] < launch.grid[2]; ++at[2])
    for (at[1] = 0; at[1] < launch.grid[1]; ++at[1])
      for (at[0] = 0; at[0] < launch.grid[0]; ++at[0])
        if (!block.run(at))
          return block.error;
  return "";
}

} // namespace tessera::ptx
