//===- PrefetchLines.cpp - Prefetches of Halide, by lines of the cache ------------------------===//
#include "compiler/codegen/halide/PrefetchLines.h"

#include <optional>
#include <string_view>

namespace tessera::halide {

using namespace Halide::Internal;
using Halide::Expr;

Stmt PrefetchLines::visit(const For *loop) {
  constexpr std::string_view kLines = "prefetch_split_"; // what Halide calls these loops
  constexpr int64_t kMostUnrolled = 64;
  if (!std::string_view(loop->name).starts_with(kLines))
    return IRMutator::visit(loop);
  Stmt body = loop->body;
  while (const auto *let = body.as<LetStmt>())
    body = substitute(let->name, let->value, let->body);
  const auto *evaluate = body.as<Evaluate>();
  const Call *call = evaluate ? evaluate->value.as<Call>() : nullptr;
  if (!call || !call->is_intrinsic(Call::prefetch))
    return IRMutator::visit(loop);
  const auto fetch = [&](const Expr &line) {
    // The offset is linear in the number of the line; only the step is in bytes.
    const Expr first = substitute(loop->name, Halide::Expr(0), call->args[1]);
    const Expr step = simplify(substitute(loop->name, Halide::Expr(1), call->args[1]) - first);
    std::vector<Expr> arguments = call->args;
    arguments[1] = simplify(first + line * simplify(step / call->type.bytes()));
    return Evaluate::make(Call::make(call->type, Call::prefetch, arguments, Call::Intrinsic));
  };
  const std::optional<int64_t> lines = as_const_int(loop->extent);
  if (!lines || *lines > kMostUnrolled)
    return For::make(loop->name, loop->min, loop->extent, loop->for_type, loop->partition_policy,
                     loop->device_api, fetch(Variable::make(Halide::Int(32), loop->name)));
  std::vector<Stmt> all;
  for (int64_t line = 0; line < *lines; ++line)
    all.push_back(fetch(int32_t(line)));
  return Block::make(all);
}

} // namespace tessera::halide
