// Every op of the graph dialect has all its parts. Nothing here lists ops, but the gaps that are
// known.
#include "compiler/conversion/graph_to_kernel/Lower.h"
#include "compiler/pipelines/Register.h"
#include "compiler/reference/graph/Evaluation.h"

#include "mlir/IR/MLIRContext.h"

#include <gtest/gtest.h>
#include <set>

using namespace mlir;
using namespace tessera;

namespace {

/// Without a kernel lowering so far.
const std::set<std::string> kNotLowered = {};

struct Op {
  RegisteredOperationName name;

  std::string str() const { return name.getStringRef().str(); }
  bool isComposite() const { return name.hasInterface<graph::DecomposableOpInterface>(); }
  /// Declares something, or ends a region: the interpreter and the program know what that means.
  bool isStructure() const {
    return name.hasTrait<OpTrait::IsTerminator>() || name.hasInterface<SymbolOpInterface>();
  }
  /// Branches, loops and variables stay what they are until the program level.
  bool isOfProgram() const {
    bool holdsRegions =
        !name.hasTrait<OpTrait::ZeroRegions>() && !name.hasTrait<OpTrait::IsIsolatedFromAbove>();
    bool touchesState = !name.hasInterface<ConditionallySpeculatable>();
    return (holdsRegions || touchesState) && !kNotLowered.count(str());
  }
};

class Completeness : public testing::Test {
protected:
  Completeness() {
    DialectRegistry registry;
    registerAllDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadDialect<graph::GraphDialect>();
    for (RegisteredOperationName name : context.getRegisteredOperationsByDialect("graph"))
      ops.push_back({name});
  }

  MLIRContext context;
  std::vector<Op> ops;
};

TEST_F(Completeness, EveryOpHasAMeaning) {
  ASSERT_GT(ops.size(), 60u);
  for (const Op &op : ops) {
    if (op.isStructure())
      continue;
    bool hasRule = op.name.hasInterface<reference::ReferenceOpInterface>();
    EXPECT_NE(hasRule, op.isComposite())
        << op.str()
        << (hasRule ? " is a composite and has a reference rule of its own"
                    : " has no reference rule (compiler/reference/graph)");
  }
}

TEST_F(Completeness, EveryPrimitiveHasALowering) {
  for (const Op &op : ops) {
    bool isLowered = op.name.hasInterface<KernelLoweringOpInterface>();
    if (isLowered) {
      EXPECT_FALSE(op.isComposite()) << op.str() << " is decomposed before kernels are formed";
      EXPECT_FALSE(kNotLowered.count(op.str())) << op.str() << " is no known gap any more";
    } else if (!op.isComposite() && !op.isStructure() && !op.isOfProgram()) {
      EXPECT_TRUE(kNotLowered.count(op.str()))
          << op.str() << " has no kernel lowering (compiler/conversion/graph_to_kernel)";
    }
  }
}

} // namespace
