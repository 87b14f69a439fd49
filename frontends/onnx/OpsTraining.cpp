//===- OpsTraining.cpp - Steps of optimizers, and gradients -----------------------------------===//
//
// Of optimizers: inputs are the rate, how many steps came before, then all parameters, all
// gradients, and the states of all; outputs are the parameters, then the states.
//
//===----------------------------------------------------------------------===//

#include "dialects/graph/Gradient.h"
#include "frontends/onnx/Importer.h"
#include "frontends/onnx/Structures.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

using graph::CompareKind;

namespace {
/// What a step does with one parameter: next values of the parameter and of its states.
struct Step {
  Value rate, count; ///< scalars: of the parameter's element type, si64
  Value x, gradient;
  SmallVector<Value> states;
};
using Update = SmallVector<Value> (*)(Node &, const Step &);
} // namespace

static LogicalResult optimize(Node &node, size_t states, Update update) {
  if (node.inputCount() < 4 + states || (node.inputCount() - 2) % (2 + states) ||
      failed(node.needInputs(node.inputCount())))
    return node.error("has " + Twine(node.inputCount()) +
                      " inputs, expected a rate, a count, and " + Twine(2 + states) +
                      " for each parameter");
  size_t parameters = (node.inputCount() - 2) / (2 + states);
  SmallVector<SmallVector<Value>> results;
  for (size_t p = 0; p < parameters; ++p) {
    Step step;
    step.x = node.input(2 + p);
    graph::TensorType type = graph::getTensorType(step.x);
    step.rate = node.convert(node.reshape(node.input(0), {}), type.getElementType());
    step.count = node.convert(node.reshape(node.input(1), {}), node.si64());
    for (size_t k = 1; k < 2 + states; ++k) {
      Value value = node.reshape(node.input(2 + k * parameters + p), type.getDims());
      if (value.getType() != step.x.getType())
        return node.error("has a gradient or state of another type than its parameter");
      if (k == 1)
        step.gradient = value;
      else
        step.states.push_back(value);
    }
    // The penalty on large parameters is part of the gradient.
    double penalty = node.getFloat("norm_coefficient", 0);
    step.gradient = node.add(step.gradient, node.mul(step.x, penalty));
    results.push_back(update(node, step));
  }
  for (size_t k = 0; k <= states; ++k)
    for (const SmallVector<Value> &each : results)
      node.setOutput(each[k]);
  return success();
}

static Value spread(Node &node, Value scalar, Value like) {
  return node.broadcast(scalar, {}, graph::getTensorType(like).getDims());
}
static Value isFirst(Node &node, const Step &step) {
  return node.compare(CompareKind::le, step.count, node.fillLike(step.count, 0));
}

static LogicalResult importAdagrad(Node &node) {
  return optimize(node, 1, [](Node &node, const Step &step) {
    Value decay =
        node.mul(node.convert(step.count, graph::getTensorType(step.rate).getElementType()),
                 node.getFloat("decay_factor", 0));
    Value rate = spread(node, node.div(step.rate, node.add(decay, 1)), step.x);
    Value squares = node.add(step.states[0], node.mul(step.gradient, step.gradient));
    Value size = node.add(node.create<graph::SqrtOp>(squares), node.getFloat("epsilon", 1e-6f));
    Value change = node.div(node.mul(rate, step.gradient), size);
    return SmallVector<Value>{node.sub(step.x, change), squares};
  });
}

static LogicalResult importAdam(Node &node) {
  return optimize(node, 2, [](Node &node, const Step &step) {
    double alpha = node.getFloat("alpha", 0.9f), beta = node.getFloat("beta", 0.999f);
    Value mean = node.add(node.mul(step.states[0], alpha), node.mul(step.gradient, 1 - alpha));
    Value squares = node.add(node.mul(step.states[1], beta),
                             node.mul(node.mul(step.gradient, step.gradient), 1 - beta));
    // Averages that began at zero are too small by what is missing of one.
    Type wide = atLeastF32(graph::getTensorType(step.rate).getElementType());
    Value count = node.convert(step.count, wide), rate = node.convert(step.rate, wide);
    auto missing = [&](double factor) {
      Value power = node.create<graph::PowOp>(node.fillLike(count, factor), count);
      return node.sub(node.fillLike(count, 1), power);
    };
    Value scaled =
        node.div(node.mul(rate, node.create<graph::SqrtOp>(missing(beta))), missing(alpha));
    rate = node.convert(node.choose(isFirst(node, step), rate, scaled),
                        graph::getTensorType(step.rate).getElementType());
    Value size = node.add(node.create<graph::SqrtOp>(squares), node.getFloat("epsilon", 1e-6f));
    Value change = node.div(node.mul(spread(node, rate, step.x), mean), size);
    Value next = node.mul(node.sub(step.x, change), 1 - node.getFloat("norm_coefficient_post", 0));
    return SmallVector<Value>{next, mean, squares};
  });
}

static LogicalResult importMomentum(Node &node) {
  std::string mode = node.getString("mode", "");
  if (mode != "standard" && mode != "nesterov")
    return node.error("has mode '" + mode + "', expected standard or nesterov");
  return optimize(node, 1, [](Node &node, const Step &step) {
    double alpha = node.getFloat("alpha", 0), beta = node.getFloat("beta", 0);
    Value one = node.fillLike(step.rate, 1), share = node.fillLike(step.rate, beta);
    Value weight = spread(node, node.choose(isFirst(node, step), one, share), step.x);
    Value speed = node.add(node.mul(step.states[0], alpha), node.mul(step.gradient, weight));
    Value change = speed;
    if (node.getString("mode", "") == "nesterov")
      change = node.add(step.gradient, node.mul(speed, alpha));
    Value next = node.sub(step.x, node.mul(spread(node, step.rate, step.x), change));
    return SmallVector<Value>{next, speed};
  });
}

//===----------------------------------------------------------------------===//
// Gradient
//===----------------------------------------------------------------------===//

/// The values that an op and its regions take from outside of it.
static SmallVector<Value> usedBy(Operation *op) {
  SmallVector<Value> used;
  op->walk([&](Operation *inner) {
    for (Value operand : inner->getOperands())
      if (!op->isAncestor(operand.getParentRegion()->getParentOp()))
        used.push_back(operand);
  });
  return used;
}

/// The ops between the roots and a value, each behind those that it uses: all that changes when a
/// root does. A list instead of recursion: the model chooses the depth.
static SmallVector<Operation *> opsBetween(const llvm::SetVector<Value> &roots, Value to) {
  SmallVector<Operation *> order, result;
  llvm::DenseSet<Operation *> seen;
  SmallVector<std::pair<Operation *, bool>> todo;
  auto visit = [&](Value value) {
    Operation *op = roots.contains(value) ? nullptr : value.getDefiningOp();
    if (op && !seen.contains(op))
      todo.push_back({op, false});
  };
  visit(to);
  while (!todo.empty()) {
    auto [op, isDone] = todo.pop_back_val();
    if (isDone) {
      order.push_back(op);
    } else if (seen.insert(op).second) {
      todo.push_back({op, true});
      llvm::for_each(usedBy(op), visit);
    }
  }
  llvm::DenseSet<Value> depends(roots.begin(), roots.end());
  for (Operation *op : order)
    if (llvm::any_of(usedBy(op), [&](Value value) { return depends.contains(value); })) {
      result.push_back(op);
      depends.insert(op->result_begin(), op->result_end());
    }
  return result;
}

/// "y" is a function of the tensors that "xs" and "zs" name; the inputs say where its derivatives
/// by "xs" are wanted. What lies between is copied into the region of a graph.gradient.
static LogicalResult importGradient(Node &node) {
  auto xs = node.getStrings("xs"), zs = node.getStrings("zs");
  std::string yName = node.getString("y", "");
  if (!xs || xs->empty())
    return node.error("has no attribute xs: the tensors to differentiate by");
  const size_t count = xs->size() + (zs ? zs->size() : 0);
  if (node.inputCount() != count || failed(node.needInputs(count)))
    return node.error("has " + Twine(node.inputCount()) + " inputs, its attributes name " +
                      Twine(count) + " tensors (xs, zs)");
  auto named = [&](StringRef name) -> FailureOr<Value> {
    Value value = node.importer.lookup(name);
    if (!value || isStructure(value))
      return node.error("names " + quoted(name) + ", which is no tensor that is defined before it");
    return value;
  };
  FailureOr<Value> y = named(yName);
  if (failed(y))
    return failure();
  llvm::SetVector<Value> roots;
  SmallVector<Value> inits;
  IRMapping mapping;
  for (size_t i = 0; i < count; ++i) {
    const bool isX = i < xs->size();
    const std::string &name = isX ? (*xs)[i] : (*zs)[i - xs->size()];
    FailureOr<Value> value = named(name);
    if (failed(value))
      return failure();
    if (value->getType() != node.type(i))
      return node.error("takes as input " + Twine(i) + " a tensor of another type than " +
                        quoted(name) + " has");
    if (isX && !llvm::isa<FloatType>(node.type(i).getElementType()))
      return node.error("differentiates by " + quoted(name) + ", which is no tensor of floats");
    if (!roots.insert(*value))
      return node.error("names " + quoted(name) + " twice (xs, zs)");
    if (isX)
      inits.push_back(node.input(i));
    else
      mapping.map(*value, node.input(i));
  }
  if (!llvm::isa<FloatType>(graph::getTensorType(*y).getElementType()))
    return node.error("differentiates " + quoted(yName) + ", which is no tensor of floats");
  OpBuilder &builder = node.getBuilder();
  SmallVector<Type> types = {y->getType()};
  llvm::append_range(types, ValueRange(inits).getTypes());
  auto gradient = graph::GradientOp::create(builder, node.getLoc(), types, inits);
  Block &body = gradient.getBody().emplaceBlock();
  for (auto [i, init] : llvm::enumerate(inits))
    mapping.map(node.importer.lookup((*xs)[i]), body.addArgument(init.getType(), node.getLoc()));
  OpBuilder inside = OpBuilder::atBlockBegin(&body);
  for (Operation *op : opsBetween(roots, *y))
    inside.clone(*op, mapping);
  graph::YieldOp::create(inside, node.getLoc(), mapping.lookupOrDefault(*y));
  for (Value result : llvm::drop_begin(gradient.getResults()))
    node.setOutput(result);
  return success();
}

ArrayRef<Operator> tessera::onnx::trainingOperators() {
  static const Operator table[] = {
      {"Adagrad", 1, importAdagrad},
      {"Adam", 1, importAdam},
      {"Gradient", 1, importGradient},
      {"Momentum", 1, importMomentum},
  };
  return table;
}
