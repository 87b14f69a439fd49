// Derivatives of every rule, and of graphs put together at random, against differences of the
// interpreter's values in f64.
#include "compiler/pipelines/Register.h"
#include "compiler/reference/graph/Evaluation.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/StringExtras.h"

#include <gtest/gtest.h>
#include <random>

using namespace mlir;
using namespace tessera;
using reference::Tensor;

namespace {

/// "f(2, 3)" stands for a tensor of f64, i() of si64, s() of f32.
std::string spell(const std::string &text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    const char letter = text[i];
    const bool isType = (letter == 'f' || letter == 'i' || letter == 's') && text[i + 1] == '(' &&
                        (i == 0 || !llvm::isAlnum(text[i - 1]));
    if (!isType) {
      result += letter;
      continue;
    }
    result += "!graph.tensor<[";
    int depth = 1;
    for (i += 2; depth > 0; ++i) {
      depth += text[i] == '(' ? 1 : text[i] == ')' ? -1 : 0;
      if (depth > 0)
        result += text[i];
    }
    --i;
    result += letter == 'f' ? "], f64>" : letter == 'i' ? "], si64>" : "], f32>";
  }
  return result;
}

/// A region of arguments %a, %b, ... that computes %y.
struct Case {
  std::string name;
  std::vector<std::string> arguments; ///< types
  std::string body, result;           ///< the ops, the type of %y
  double low = 0.2, high = 0.9;       ///< of the numbers
};

std::string nameOf(size_t i) { return std::string("%") + char('a' + i); }

/// The yielded value is weighted from outside, so that no sum hides an error.
std::string write(const Case &c) {
  std::string inputs, inits, types, results, region;
  for (size_t i = 0; i < c.arguments.size(); ++i) {
    inputs += nameOf(i) + "0: " + c.arguments[i] + ", ";
    inits += (i ? ", " : "") + nameOf(i) + " = " + nameOf(i) + "0";
    types += (i ? ", " : "") + c.arguments[i];
    results += ", %r#" + std::to_string(i + 1);
  }
  return spell("graph.func @main(" + inputs + "%weights: " + c.result + ") -> (" + c.result + ", " +
               types + ") {\n  %r:" + std::to_string(c.arguments.size() + 1) +
               " = graph.gradient (" + inits + ") : " + types + " -> " + c.result + " {\n" +
               c.body + "\n    %weighted = graph.mul %y, %weights : " + c.result +
               "\n    graph.yield %weighted : " + c.result + "\n  }\n  graph.return %r#0" +
               results + " : " + c.result + ", " + types + "\n}\n");
}

class Gradient : public testing::Test {
protected:
  Gradient() {
    DialectRegistry registry;
    registerAllDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadDialect<graph::GraphDialect>();
  }

  Tensor random(Type type, double low, double high) {
    auto tensor = llvm::cast<graph::TensorType>(type);
    SmallVector<int64_t> shape;
    for (graph::DimAttr dim : tensor.getDims()) // A symbol is 5.
      shape.push_back(
          *graph::evaluateDim(dim, [](StringRef) { return std::optional<int64_t>(5); }));
    Tensor result(tensor.getElementType(), shape);
    std::uniform_real_distribution<double> uniform(low, high);
    for (int64_t i = 0; i < result.size(); ++i)
      result.set(i, uniform(generator));
    return result;
  }

  /// The largest derivative that was compared.
  double compare(const Case &c);
  void check(const Case &c) {
    EXPECT_GT(compare(c), 0) << c.name << ": nothing was differentiated";
  }

  MLIRContext context;
  std::mt19937 generator{5};
};

double Gradient::compare(const Case &c) {
  SCOPED_TRACE(c.name);
  std::string text = write(c);
  auto module = parseSourceString<ModuleOp>(text, &context);
  EXPECT_TRUE(module) << text;
  if (!module)
    return 0;
  auto function = *module->getOps<graph::FuncOp>().begin();
  SmallVector<Tensor> inputs;
  for (Type type : function.getArgumentTypes())
    inputs.push_back(random(type, c.low, c.high));
  reference::Evaluation evaluation(*module);
  auto results = evaluation.call(function, inputs);
  EXPECT_TRUE(succeeded(results)) << evaluation.getError() << "\n" << text;
  if (failed(results))
    return 0;
  auto sumAt = [&](ArrayRef<Tensor> at) {
    auto values = evaluation.call(function, at);
    double sum = 0;
    for (double number : values->front().reals())
      sum += number;
    return sum;
  };
  double largest = 0;
  for (size_t i = 0; i < c.arguments.size(); ++i)
    for (int64_t k = 0; k < inputs[i].size(); ++k) {
      const double step = 1e-5;
      double sums[2];
      for (int side : {0, 1}) {
        SmallVector<Tensor> moved(inputs);
        moved[i] = inputs[i].copy();
        moved[i].set(k, inputs[i].real(k) + (side ? step : -step));
        sums[side] = sumAt(moved);
      }
      double expected = (sums[1] - sums[0]) / (2 * step), found = (*results)[i + 1].real(k);
      EXPECT_NEAR(found, expected, 2e-7 * (1 + std::abs(expected)))
          << "argument " << i << ", element " << k << "\n"
          << text;
      largest = std::max(largest, std::abs(found));
    }
  return largest;
}

TEST_F(Gradient, FunctionsOfOneElement) {
  for (const char *op :
       {"neg",   "abs",   "sqrt", "rsqrt", "exp",     "exp2", "expm1",    "log",  "log1p",
        "sin",   "cos",   "tan",  "asin",  "acos",    "atan", "sinh",     "cosh", "tanh",
        "asinh", "atanh", "erf",  "relu",  "sigmoid", "silu", "softplus", "mish", "gelu"})
    check({op, {"f(7)"}, std::string("%y = graph.") + op + " %a : f(7)", "f(7)"});
  check({"acosh", {"f(7)"}, "%y = graph.acosh %a : f(7)", "f(7)", 1.2, 3});
  check({"abs below 0", {"f(7)"}, "%y = graph.abs %a : f(7)", "f(7)", -1, 1});
}

TEST_F(Gradient, FunctionsOfTwoElements) {
  for (const char *op : {"add", "sub", "mul", "div", "pow", "min", "max", "atan2", "rem", "mod"})
    check({op,
           {"f(3, 5)", "f(3, 5)"},
           std::string("%y = graph.") + op + " %a, %b : f(3, 5)",
           "f(3, 5)"});
  for (const char *op : {"rem", "mod"})
    check({std::string(op) + ", both signs",
           {"f(9)", "f(9)"},
           std::string("%y = graph.") + op + " %a, %b : f(9)",
           "f(9)",
           -2,
           2});
  check({"select",
         {"f(9)", "f(9)"},
         R"(
    %c = graph.compare lt %a, %b : f(9)
    %s = graph.sin %a : f(9)
    %y = graph.select %c, %s, %b : f(9))",
         "f(9)"});
  check({"one value twice", {"f(9)"}, "%y = graph.mul %a, %a : f(9)", "f(9)"});
}

TEST_F(Gradient, Movement) {
  const std::vector<Case> cases = {
      {"broadcast",
       {"f(3, 1)"},
       "%y = graph.broadcast %a, dims = [2, 0] : f(3, 1) -> f(4, 2, 3)",
       "f(4, 2, 3)"},
      {"broadcast, dims exchanged",
       {"f(3, 4)"},
       "%y = graph.broadcast %a, dims = [2, 0] : f(3, 4) -> f(4, 2, 3)",
       "f(4, 2, 3)"},
      {"reshape", {"f(3, 4)"}, "%y = graph.reshape %a : f(3, 4) -> f(2, 6)", "f(2, 6)"},
      {"transpose",
       {"f(2, 3, 4)"},
       "%y = graph.transpose %a, perm = [2, 0, 1] : f(2, 3, 4) -> f(4, 2, 3)",
       "f(4, 2, 3)"},
      {"reverse", {"f(2, 3)"}, "%y = graph.reverse %a, axes = [1] : f(2, 3) -> f(2, 3)", "f(2, 3)"},
      {"slice",
       {"f(5, 7)"},
       "%y = graph.slice %a, starts = [1, 2], steps = [1, 1] : f(5, 7) -> f(3, 4)",
       "f(3, 4)"},
      {"slice by steps",
       {"f(5, 8)"},
       "%y = graph.slice %a, starts = [1, 1], steps = [1, 3] : f(5, 8) -> f(4, 3)",
       "f(4, 3)"},
      {"slice of an open extent",
       {"f(N)"},
       "%y = graph.slice %a, starts = [N - 2], steps = [1] : f(N) -> f(2)",
       "f(2)"},
      {"concat",
       {"f(2, 3)", "f(2, 1)"},
       "%y = graph.concat %a, %b, %a axis = 1 : (f(2, 3), f(2, 1), f(2, 3)) -> f(2, 7)",
       "f(2, 7)"},
      {"pad",
       {"f(2, 3)", "f()"},
       "%y = graph.pad constant %a, %b, lo = [1, 0], hi = [0, 2] : (f(2, 3), f()) -> f(3, 5)",
       "f(3, 5)"},
      {"gather, repeated, clamped and from the end",
       {"f(4, 3)"},
       R"(
        %i = graph.constant dense<[[1, -1, 1], [0, 9, -9]]> : i(2, 3)
        %y = graph.gather %a, %i, axis = 0 : (f(4, 3), i(2, 3)) -> f(2, 3, 3))",
       "f(2, 3, 3)"},
      {"scatter add",
       {"f(4, 2)", "f(5, 2)"},
       R"(
        %i = graph.constant dense<[1, -1, 1, 7, -9]> : i(5)
        %y = graph.scatter add %a, %i, %b, axis = 0 : (f(4, 2), i(5), f(5, 2)) -> f(4, 2))",
       "f(4, 2)"},
      {"scatter replace, twice the same place",
       {"f(2, 4)", "f(2, 5)"},
       R"(
        %i = graph.constant dense<[1, -1, 1, 7, -9]> : i(5)
        %y = graph.scatter replace %a, %i, %b, axis = 1 : (f(2, 4), i(5), f(2, 5)) -> f(2, 4))",
       "f(2, 4)"},
      {"sort",
       {"f(2, 5, 3)"},
       "%y, %i = graph.sort %a, axis = 1 descending : f(2, 5, 3) -> f(2, 5, 3), i(2, 5, 3)",
       "f(2, 5, 3)"},
      {"top_k",
       {"f(2, 5)"},
       "%y, %i = graph.top_k %a, k = 2, axis = 1 : f(2, 5) -> f(2, 2), i(2, 2)",
       "f(2, 2)"}};
  for (const Case &c : cases)
    check(c);
}

TEST_F(Gradient, Reductions) {
  for (const char *kind : {"sum", "prod", "max", "min"})
    check({kind,
           {"f(2, 3, 4)"},
           std::string("%y = graph.reduce ") + kind + " %a, axes = [0, 2] : f(2, 3, 4) -> f(3)",
           "f(3)"});
  for (const char *how : {"", " exclusive", " reverse", " exclusive reverse"})
    check({std::string("cumulative") + how,
           {"f(2, 4)"},
           std::string("%y = graph.cumulative sum %a, axis = 1") + how + " : f(2, 4)",
           "f(2, 4)"});
  check({"softmax", {"f(2, 5)"}, "%y = graph.softmax %a, axes = [1] : f(2, 5)", "f(2, 5)"});
  check({"log_softmax", {"f(2, 5)"}, "%y = graph.log_softmax %a, axes = [1] : f(2, 5)", "f(2, 5)"});
  check(
      {"logsumexp", {"f(2, 5)"}, "%y = graph.logsumexp %a, axes = [1] : f(2, 5) -> f(2)", "f(2)"});
  check({"variance", {"f(2, 5)"}, "%y = graph.variance %a, axes = [1] : f(2, 5) -> f(2)", "f(2)"});
  check({"layer_norm",
         {"f(2, 5)", "f(5)", "f(5)"},
         "%y = graph.layer_norm %a, %b, %c, axis = 1 {epsilon = 1.0e-3 : f64} : (f(2, 5), f(5), "
         "f(5)) -> f(2, 5)",
         "f(2, 5)"});
}

TEST_F(Gradient, Products) {
  const std::vector<Case> cases = {
      {"product",
       {"f(3, 4)", "f(4, 5)"},
       "%y = graph.contract \"mk,kn->mn\" %a, %b : (f(3, 4), f(4, 5)) -> f(3, 5)",
       "f(3, 5)"},
      {"product of rows in batches",
       {"f(2, 3, N)", "f(N, 2)"},
       "%y = graph.contract \"bmk,kb->bm\" %a, %b : (f(2, 3, N), f(N, 2)) -> f(2, 3)",
       "f(2, 3)"},
      {"a letter of one operand alone",
       {"f(3, 4)", "f(5, 2)"},
       "%y = graph.contract \"mk,nj->nm\" %a, %b : (f(3, 4), f(5, 2)) -> f(5, 3)",
       "f(5, 3)"},
      {"conv",
       {"f(2, 3, 7)", "f(4, 3, 3)"},
       "%y = graph.conv %a, %b, strides = [2], dilations = [1], lo = [1], hi = [0] : (f(2, 3, 7), "
       "f(4, 3, 3)) -> f(2, 4, 3)",
       "f(2, 4, 3)"},
      {"conv in groups, windows that do not reach the end",
       {"f(2, 4, 8, 6)", "f(6, 2, 2, 3)"},
       "%y = graph.conv %a, %b, strides = [3, 2], dilations = [2, 1], lo = [0, 1], hi = [1, 1], "
       "groups = 2 "
       ": (f(2, 4, 8, 6), f(6, 2, 2, 3)) -> f(2, 6, 3, 3)",
       "f(2, 6, 3, 3)"},
      {"conv of an open extent, channels last",
       {"f(2, N, 3)", "f(2, 3, 4)"},
       "%y = graph.conv %a, %b, strides = [2], dilations = [1], lo = [0], hi = [0], layout = "
       "\"NWC,WIO->NWC\" "
       ": (f(2, N, 3), f(2, 3, 4)) -> f(2, floordiv(N - 2, 2) + 1, 4)",
       "f(2, floordiv(N - 2, 2) + 1, 4)"},
      {"conv_transpose",
       {"f(2, 4, 3, 2)", "f(4, 3, 2, 3)"},
       "%y = graph.conv_transpose %a, %b, strides = [2, 3], dilations = [1, 2], lo = [1, 0], hi = "
       "[0, 1], "
       "output_padding = [1, 3], groups = 2 : (f(2, 4, 3, 2), f(4, 3, 2, 3)) -> f(2, 6, 6, 10)",
       "f(2, 6, 6, 10)"},
      {"window_reduce sum",
       {"f(7, 2, 6)"},
       "%y = graph.window_reduce sum %a, axes = [0, 2], window = [3, 2], strides = [2, 3], "
       "dilations = [1, 2], "
       "lo = [1, 0], hi = [0, 0] : f(7, 2, 6) -> f(3, 2, 2)",
       "f(3, 2, 2)"},
      {"window_reduce max",
       {"f(2, 3, 7, 6)"},
       "%y = graph.window_reduce max %a, axes = [2, 3], window = [3, 2], strides = [2, 1], "
       "dilations = [1, 2], "
       "lo = [1, 0], hi = [0, 1] : f(2, 3, 7, 6) -> f(2, 3, 3, 5)",
       "f(2, 3, 3, 5)"},
      {"window_reduce min of an open extent",
       {"f(2, N)"},
       "%y = graph.window_reduce min %a, axes = [1], window = [3], strides = [2], "
       "dilations = [1], "
       "lo = [0], hi = [0] : f(2, N) -> f(2, floordiv(N - 3, 2) + 1)",
       "f(2, floordiv(N - 3, 2) + 1)"}};
  for (const Case &c : cases)
    check(c);
}

TEST_F(Gradient, GraphsPutTogetherAtRandom) {
  auto pick = [&](size_t count) {
    return std::uniform_int_distribution<size_t>(0, count - 1)(generator);
  };
  const std::vector<std::string> unary = {"sin", "tanh", "sigmoid", "softplus",
                                          "erf", "cos",  "atan",    "neg"};
  const std::vector<std::string> binary = {"add", "sub", "mul", "max", "min"};
  int notZero = 0;
  for (int round = 0; round < 60; ++round) {
    // Square matrices, so that everything fits everywhere.
    Case c{"round " + std::to_string(round), {"f(3, 3)", "f(3, 3)"}, "", "f(3, 3)", -1, 1};
    std::vector<std::string> values = {"%a", "%b"};
    for (int k = 0; k < 10; ++k) {
      // The newest value is part of it, so that the last one depends on all.
      std::string name = k == 9 ? "%y" : "%v" + std::to_string(k), x = values.back(),
                  y = values[pick(values.size())];
      switch (pick(6)) {
      case 0:
        c.body += name + " = graph." + unary[pick(unary.size())] + " " + x + " : f(3, 3)\n";
        break;
      case 1:
      case 2:
        c.body +=
            name + " = graph." + binary[pick(binary.size())] + " " + x + ", " + y + " : f(3, 3)\n";
        break;
      case 3:
        c.body += name + " = graph.contract \"mk,kn->mn\" " + x + ", " + y +
                  " : (f(3, 3), f(3, 3)) -> f(3, 3)\n";
        break;
      case 4: c.body += name + " = graph.softmax " + x + ", axes = [1] : f(3, 3)\n"; break;
      default:
        c.body += name + "s = graph.reduce sum " + x + ", axes = [0] : f(3, 3) -> f(3)\n" + name +
                  " = graph.broadcast " + name + "s, dims = [1] : f(3) -> f(3, 3)\n";
      }
      values.push_back(name);
    }
    notZero += compare(c) > 0;
  }
  EXPECT_GT(notZero, 50); // x - x may be the last op.
}

TEST_F(Gradient, Recurrences) {
  for (const char *direction : {"", " reverse"})
    check({std::string("a network with a counter, weights from outside") + direction,
           {"f(2, 3)", "f(2, 5, 3)", "f(3, 3)"},
           std::string(R"(
    %zero = graph.constant dense<0> : i()
    %one = graph.constant dense<1> : i()
    %last, %n, %all = graph.scan (%h = %a, %k = %zero) over (%e = %b), axis = 1)") +
               direction + R"( : (f(2, 3), i()), (f(2, 5, 3)) -> (f(2, 3), i(), f(2, 5, 3)) {
      %p = graph.contract "mk,kn->mn" %h, %c : (f(2, 3), f(3, 3)) -> f(2, 3)
      %s = graph.add %p, %e : f(2, 3)
      %t = graph.tanh %s : f(2, 3)
      %g = graph.mul %t, %h : f(2, 3)
      %next = graph.add %k, %one : i()
      graph.yield %t, %next, %g : f(2, 3), i(), f(2, 3)
    }
    %w = graph.broadcast %last, dims = [0, 2] : f(2, 3) -> f(2, 5, 3)
    %y = graph.add %w, %all : f(2, 5, 3))",
           "f(2, 5, 3)"});
  check({"a state that is not used before its last value",
         {"f(3)", "f(N)"},
         R"(
    %last = graph.scan (%h = %a) over (%e = %b), axis = 0 : (f(3)), (f(N)) -> (f(3)) {
      %r = graph.broadcast %e, dims = [] : f() -> f(3)
      %m = graph.mul %h, %r : f(3)
      %y = graph.sin %m : f(3)
      graph.yield %y : f(3)
    }
    %y = graph.neg %last : f(3))",
         "f(3)"});
}

TEST_F(Gradient, DerivativesOfDerivatives) {
  check({"of a product and a sine",
         {"f(4)", "f(4)"},
         R"(
    %in:2 = graph.gradient (%u = %a) : f(4) -> f(4) {
      %s = graph.sin %u : f(4)
      %c = graph.mul %s, %b : f(4)
      %t = graph.mul %c, %u : f(4)
      graph.yield %t : f(4)
    }
    %y = graph.mul %in#1, %in#0 : f(4))",
         "f(4)"});
}

/// The derivatives at given numbers.
class AtNumbers : public Gradient {
protected:
  std::vector<double> at(const Case &c, std::vector<std::vector<double>> numbers) {
    std::string text = write(c);
    auto module = parseSourceString<ModuleOp>(text, &context);
    auto function = *module->getOps<graph::FuncOp>().begin();
    SmallVector<Tensor> inputs;
    for (auto [i, type] : llvm::enumerate(function.getArgumentTypes())) {
      inputs.push_back(random(type, 1, 1)); // The weights are ones.
      for (size_t k = 0; i < numbers.size() && k < numbers[i].size(); ++k)
        inputs[i].set(k, numbers[i][k]);
    }
    reference::Evaluation evaluation(*module);
    auto results = evaluation.call(function, inputs);
    EXPECT_TRUE(succeeded(results)) << evaluation.getError();
    return (*results)[1].reals();
  }
};

TEST_F(AtNumbers, WhatIsEqualSharesAndConstantsTakeNothing) {
  using Numbers = std::vector<double>;
  EXPECT_EQ(at({"max", {"f(2)", "f(2)"}, "%y = graph.max %a, %b : f(2)", "f(2)"}, {{1, 2}, {1, 1}}),
            (Numbers{0.5, 1}));
  EXPECT_EQ(at({"relu", {"f(3)"}, "%y = graph.relu %a : f(3)", "f(3)"}, {{-1, 0, 1}}),
            (Numbers{0, 0, 1}));
  EXPECT_EQ(at({"reduce", {"f(3)"}, "%y = graph.reduce max %a, axes = [0] : f(3) -> f()", "f()"},
               {{2, 1, 2}}),
            (Numbers{0.5, 0, 0.5}));
  EXPECT_EQ(at({"prod", {"f(3)"}, "%y = graph.reduce prod %a, axes = [0] : f(3) -> f()", "f()"},
               {{0, 2, 3}}),
            (Numbers{6, 0, 0}));
  EXPECT_EQ(at({"convert",
                {"f(2)"},
                R"(
    %n = graph.convert %a : f(2) -> s(2)
    %q = graph.mul %n, %n : s(2)
    %y = graph.convert %q : s(2) -> f(2))",
                "f(2)"},
               {{1.5, -2}}),
            (Numbers{3, -4}));
  EXPECT_EQ(at({"window",
                {"f(3)"},
                "%y = graph.window_reduce max %a, axes = [0], window = [2], strides = [1], "
                "dilations = [1], lo = [0], hi = [0] : f(3) -> f(2)",
                "f(2)"},
               {{2, 2, 1}}),
            (Numbers{0.5, 1.5, 0}));
  EXPECT_EQ(at({"pow",
                {"f(2)"},
                "%z = graph.constant dense<0.0> : f(2)\n%y = graph.pow %a, %z : f(2)",
                "f(2)"},
               {{0, 3}}),
            (Numbers{0, 0}));
  EXPECT_EQ(at({"stopped",
                {"f(2)"},
                "%s = graph.stop_gradient %a : f(2)\n%y = graph.mul %a, %s : f(2)",
                "f(2)"},
               {{3, 4}}),
            (Numbers{3, 4}));
  EXPECT_EQ(
      at({"steps", {"f(2)"}, "%s = graph.floor %a : f(2)\n%y = graph.mul %a, %s : f(2)", "f(2)"},
         {{3.5, 4.5}}),
      (Numbers{3, 4}));
}

TEST_F(Gradient, WhatHasNoRuleIsNamed) {
  auto whyNot = [&](const std::string &body) {
    std::string text = write({"", {"f(4)"}, body, "f(4)"});
    auto module = parseSourceString<ModuleOp>(text, &context);
    EXPECT_TRUE(module) << text;
    reference::Evaluation evaluation(*module);
    auto function = *module->getOps<graph::FuncOp>().begin();
    EXPECT_TRUE(failed(evaluation.call(function, {random(function.getArgumentTypes()[0], 0, 1),
                                                  random(function.getArgumentTypes()[1], 0, 1)})));
    return evaluation.getError();
  };
  EXPECT_EQ(whyNot("%p = graph.pad edge %a, lo = [1], hi = [0] : (f(4)) -> f(5)\n"
                   "%y = graph.slice %p, starts = [0], steps = [1] : f(5) -> f(4)"),
            "graph.gradient: graph.pad has no rule for derivatives in mode 'edge'");
  EXPECT_EQ(whyNot("%y = graph.scan () over (%e = %a), axis = 0 : (), (f(4)) -> (f(4)) {\n"
                   "%b = graph.bitcast %e : f() -> i()\n%c = graph.bitcast %e : f() -> f()\n"
                   "graph.yield %c : f() }"),
            "graph.gradient: graph.scan has a step that cannot be differentiated: graph.bitcast "
            "has no rule for derivatives");
}

} // namespace
