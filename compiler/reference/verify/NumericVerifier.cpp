//===- NumericVerifier.cpp - Whether passes keep what functions compute ---------------===//
#include "compiler/reference/verify/NumericVerifier.h"

#include "compiler/reference/verify/Compare.h"
#include "compiler/reference/verify/GeneratedInputs.h"
#include "compiler/reference/verify/StreamLaws.h"

#include "mlir/Pass/Pass.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::reference;

static std::string describeRun(const llvm::StringMap<int64_t> &extents, StringRef values) {
  std::vector<std::string> parts;
  for (const auto &entry : extents)
    parts.push_back((entry.getKey() + " = " + llvm::Twine(entry.getValue())).str());
  llvm::sort(parts);
  parts.push_back(values.str());
  return llvm::join(parts, ", ");
}

/// The runs that work before any pass. The extents are the first that the function takes.
std::vector<NumericVerifier::Run> NumericVerifier::prepare(graph::FuncOp function) {
  std::vector<Run> runs;
  std::string reason = "its inputs cannot be generated";
  auto attempt = [&](const llvm::StringMap<int64_t> &extents, InputKind kind, StringRef values) {
    auto inputs = generateInputs(function, extents, kind, /*seed=*/runs.size() + 1);
    if (!inputs)
      return false;
    Evaluation evaluation(function->getParentOfType<ModuleOp>(), limits);
    auto results = evaluation.call(function, *inputs);
    if (failed(results)) {
      reason = evaluation.getError();
      return false;
    }
    runs.push_back({describeRun(extents, values), *inputs, *results, evaluation.getVariables()});
    return true;
  };
  unsigned number = 0;
  while (auto extents = chooseExtents(function, number++)) {
    if (!attempt(*extents, InputKind::Ordinary, "ordinary values"))
      continue;
    attempt(*extents, InputKind::Special, "values with NaN and infinities");
    // Empty where a range allows it and the function can take it.
    llvm::StringMap<int64_t> empty = *extents;
    for (auto &entry : empty)
      if (graph::RangeAttr range = function.getRange(entry.getKey()); range.getLo() == 0) {
        int64_t before = std::exchange(entry.getValue(), 0);
        attempt(empty, InputKind::Ordinary, "ordinary values");
        entry.getValue() = before;
      }
    break;
  }
  if (runs.empty())
    function.emitWarning("graph.func @")
        << function.getSymName() << " is not checked numerically: " << reason;
  return runs;
}

void NumericVerifier::runBeforePass(Pass *, Operation *op) {
  auto module = llvm::dyn_cast<ModuleOp>(op);
  if (!module || snapshots.count(module))
    return;
  Snapshot snapshot;
  for (auto function : module.getOps<graph::FuncOp>())
    if (!function.isExternal())
      snapshot.functions[function.getSymName()] = prepare(function);
  snapshots[module] = std::move(snapshot);
}

/// "kernel.launch @k0" or "graph.add".
static std::string describeProducer(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return "an argument";
  std::string text = op->getName().getStringRef().str();
  for (NamedAttribute attribute : op->getAttrs())
    if (auto symbol = llvm::dyn_cast<FlatSymbolRefAttr>(attribute.getValue()))
      text += " @" + symbol.getValue().str();
  return text;
}

bool NumericVerifier::check(ModuleOp module, graph::FuncOp function, Run &run, StringRef pass) {
  Evaluation evaluation(module, limits);
  auto results = evaluation.call(function, run.inputs);
  auto complain = [&](Location loc) {
    return mlir::emitError(loc) << "pass '" << pass << "' changed what graph.func @"
                                << function.getSymName() << " computes (" << run.description
                                << "): ";
  };
  if (failed(results)) {
    complain(evaluation.getErrorLoc()) << evaluation.getError();
    return false;
  }
  bool mayLoseNaN = module
                        .walk([](Operation *op) {
                          return op->hasAttr(graph::kIgnoresNonFinite) ? WalkResult::interrupt()
                                                                       : WalkResult::advance();
                        })
                        .wasInterrupted();
  Operation *terminator = function.getBody().front().getTerminator();
  for (auto [i, result] : llvm::enumerate(*results)) {
    std::string difference =
        i < run.results.size() ? describeDifference(result, run.results[i], mayLoseNaN) : "is new";
    if (difference.empty())
      continue;
    Value value = terminator->getOperand(i);
    StringRef name = function.getResultName(i);
    complain(value.getLoc()) << "result " << i << (name.empty() ? "" : " ('" + name.str() + "')")
                             << ", of " << describeProducer(value) << ", " << difference;
    return false;
  }
  for (const auto &entry : run.variables) {
    auto it = evaluation.getVariables().find(entry.getKey());
    std::string difference = it == evaluation.getVariables().end()
                                 ? "is not touched any more"
                                 : describeDifference(it->second, entry.getValue(), mayLoseNaN);
    if (difference.empty())
      continue;
    complain(function.getLoc()) << "variable @" << entry.getKey() << ' ' << difference;
    return false;
  }
  // The next pass is measured against this one: small differences do not add up.
  run.results = std::move(*results);
  return true;
}

/// Whether the streams keep their laws, as far as a moment suffices to try them.
bool NumericVerifier::checkStreams(ModuleOp module, StringRef pass) {
  constexpr int64_t kSteps = int64_t(1) << 24;
  Limits few{limits.tensorBytes, std::min(limits.steps, kSteps)};
  WalkResult walked = module.walk([&](graph::StreamOp stream) {
    std::optional<std::string> broken = describeBrokenLaw(stream, few);
    if (!broken || broken->empty())
      return WalkResult::advance();
    stream.emitError("graph.stream breaks a law after pass '") << pass << "': " << *broken;
    return WalkResult::interrupt();
  });
  return !walked.wasInterrupted();
}

void NumericVerifier::runAfterPass(Pass *pass, Operation *op) {
  auto module = llvm::dyn_cast<ModuleOp>(op);
  auto it = module ? snapshots.find(module) : snapshots.end();
  if (it == snapshots.end())
    return;
  StringRef name = pass->getArgument().empty() ? pass->getName() : pass->getArgument();
  if (!it->second.hasBrokenStream && !checkStreams(module, name)) {
    it->second.hasBrokenStream = true;
    onChange();
  }
  for (auto &entry : it->second.functions) {
    // Functions that became programs have no reference.
    auto function = module.lookupSymbol<graph::FuncOp>(entry.getKey());
    if (!function)
      continue;
    llvm::erase_if(entry.getValue(), [&](Run &run) {
      if (check(module, function, run, name))
        return false;
      onChange();
      return true;
    });
  }
}
