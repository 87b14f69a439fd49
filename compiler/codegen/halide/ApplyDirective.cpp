//===- ApplyDirective.cpp - Directives of a schedule, as Halide's ----------------------------===//
#include "compiler/codegen/halide/BuiltStage.h"

namespace tessera::halide {

using Halide::RVar;
using Halide::Var;
using Halide::VarOrRVar;

void fail(const std::string &message) { throw std::runtime_error(message); }

static BuiltStage &lookup(const std::string &name, const HalideProgram &program,
                          std::vector<BuiltStage> &built) {
  std::string known;
  for (size_t i = 0; i < program.stages.size(); ++i) {
    if (program.stages[i].name == name)
      return built[i];
    known += (known.empty() ? "" : ", ") + program.stages[i].name;
  }
  fail("the schedule names stage '" + name + "'; the kernel has " + known);
}

static VarOrRVar loop(const Loops &loops, const std::string &name, const std::string &stage) {
  auto found = loops.find(name);
  if (found != loops.end())
    return found->second;
  std::string known;
  for (auto &[other, var] : loops)
    known += (known.empty() ? "" : ", ") + other;
  fail("the schedule names loop '" + name + "' of stage '" + stage + "', which has " + known);
}

static Halide::TailStrategy tail(Directive::Tail tail) {
  switch (tail) {
  case Directive::Auto: return Halide::TailStrategy::Auto;
  case Directive::Guard: return Halide::TailStrategy::GuardWithIf;
  case Directive::ShiftInwards: return Halide::TailStrategy::ShiftInwards;
  case Directive::RoundUp: return Halide::TailStrategy::RoundUp;
  case Directive::Predicate: return Halide::TailStrategy::Predicate;
  }
  return Halide::TailStrategy::Auto;
}

static VarOrRVar fresh(const VarOrRVar &like, const std::string &name) {
  if (like.is_rvar)
    return VarOrRVar(RVar(name));
  return VarOrRVar(Var(name));
}

void applyDirective(const Directive &directive, const HalideProgram &program,
                    const std::vector<Halide::ImageParam> &params, std::vector<BuiltStage> &built) {
  BuiltStage &stage = lookup(directive.stage, program, built);
  if (directive.kind == Directive::TileMultiply)
    return; // It made the stage what it is.
  if (directive.onUpdate && stage.func.num_update_definitions() == 0)
    fail("stage '" + directive.stage + "' reduces nothing, so it has no update to schedule");
  Loops &loops = directive.onUpdate ? stage.update : stage.pure;
  auto at = [&](size_t i) { return loop(loops, directive.names[i], directive.stage); };
  auto onStage = [&](auto &&action) {
    if (directive.onUpdate) {
      Halide::Stage update = stage.func.update();
      action(update);
    } else {
      action(stage.func);
    }
  };
  int number = static_cast<int>(directive.number);
  switch (directive.kind) {
  case Directive::Split: {
    VarOrRVar old = at(0), outer = fresh(old, directive.names[1]),
              inner = fresh(old, directive.names[2]);
    onStage([&](auto &s) { s.split(old, outer, inner, number, tail(directive.tail)); });
    if (directive.onUpdate && stage.ordered.erase(directive.names[0]))
      stage.ordered.insert({directive.names[1], directive.names[2]});
    loops.erase(directive.names[0]);
    loops.insert_or_assign(directive.names[1], outer);
    loops.insert_or_assign(directive.names[2], inner);
    return;
  }
  case Directive::Fuse: {
    VarOrRVar inner = at(0), outer = at(1), fused = fresh(inner, directive.names[2]);
    onStage([&](auto &s) { s.fuse(inner, outer, fused); });
    loops.erase(directive.names[0]);
    loops.erase(directive.names[1]);
    loops.insert_or_assign(directive.names[2], fused);
    return;
  }
  case Directive::Reorder: {
    std::vector<VarOrRVar> order;
    for (size_t i = 0; i < directive.names.size(); ++i)
      order.push_back(at(i));
    if (directive.onUpdate && stage.inOrder >= 0 && !stage.ordered.count(directive.names[0]))
      fail("loop '" + *stage.ordered.begin() + "' of stage '" + directive.stage +
           "' runs in order, so it has to be the innermost one");
    return onStage([&](auto &s) { s.reorder(order); });
  }
  case Directive::Vectorize:
    return onStage([&](auto &s) {
      if (number)
        s.vectorize(at(0), number, tail(directive.tail));
      else
        s.vectorize(at(0));
    });
  case Directive::Unroll:
    return onStage([&](auto &s) {
      if (number)
        s.unroll(at(0), number, tail(directive.tail));
      else
        s.unroll(at(0));
    });
  case Directive::InOrder: return; // buildStage has seen it
  case Directive::Parallel:
    if (directive.onUpdate && stage.inOrder >= 0)
      fail("loop '" + directive.names[0] + "' of stage '" + directive.stage +
           "' cannot be parallel beside a loop that runs in order");
    return onStage([&](auto &s) { s.parallel(at(0)); });
  case Directive::Atomic: return onStage([&](auto &s) { s.atomic(); });
  case Directive::ComputeAt: {
    BuiltStage &consumer = lookup(directive.names[0], program, built);
    const Loops &known =
        consumer.func.num_update_definitions() > 0 && !consumer.pure.count(directive.names[1])
            ? consumer.update
            : consumer.pure;
    VarOrRVar where = loop(known, directive.names[1], directive.names[0]);
    if (where.is_rvar)
      stage.func.compute_at(consumer.func, where.rvar);
    else
      stage.func.compute_at(consumer.func, where.var);
    return;
  }
  case Directive::ComputeRoot: stage.func.compute_root(); return;
  case Directive::StoreStack: stage.func.store_in(Halide::MemoryType::Stack); return;
  case Directive::StoreRegister: stage.func.store_in(Halide::MemoryType::Register); return;
  // Halide shares places on the stack; what it allocates gets one of its own (StackSlots.cpp).
  case Directive::StoreTile: stage.func.store_in(Halide::MemoryType::Heap); return;
  case Directive::BoundStorage: stage.func.bound_storage(at(0).var, number); break;
  case Directive::Prefetch:
    return onStage([&](auto &s) {
      s.prefetch(params[directive.tensor], at(0), at(0), number,
                 Halide::PrefetchBoundStrategy::NonFaulting);
    });
  case Directive::BoundExtent: stage.func.bound_extent(at(0).var, number); return;
  }
}

} // namespace tessera::halide
