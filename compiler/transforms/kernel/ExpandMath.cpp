//===- ExpandMath.cpp - Elementary functions in kernels become arithmetic --------------------===//

#include "compiler/transforms/kernel/ElementaryFunctions.h"
#include "compiler/transforms/kernel/Passes.h"

#include "llvm/ADT/TypeSwitch.h"

namespace tessera::transforms {
#define GEN_PASS_DEF_KERNELEXPANDMATH
#include "compiler/transforms/kernel/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;

using E = ElementaryFunctions;

/// The expansion of an op on f32 or f64; null when it is no elementary function.
static Value expand(Operation *op, E &f, ValueRange x) {
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case([&](math::ExpOp) { return f.exp(x[0]); })
      .Case([&](math::Exp2Op) { return f.exp2(x[0]); })
      .Case([&](math::ExpM1Op) { return f.expm1(x[0]); })
      .Case([&](math::LogOp) { return f.log(x[0]); })
      .Case([&](math::Log1pOp) { return f.log1p(x[0]); })
      .Case([&](math::PowFOp) { return f.pow(x[0], x[1]); })
      .Case([&](math::SinOp) { return f.sin(x[0]); })
      .Case([&](math::CosOp) { return f.cos(x[0]); })
      .Case([&](math::TanOp) { return f.tan(x[0]); })
      .Case([&](math::AsinOp) { return f.asin(x[0]); })
      .Case([&](math::AcosOp) { return f.acos(x[0]); })
      .Case([&](math::AtanOp) { return f.atan(x[0]); })
      .Case([&](math::Atan2Op) { return f.atan2(x[0], x[1]); })
      .Case([&](math::SinhOp) { return f.sinh(x[0]); })
      .Case([&](math::CoshOp) { return f.cosh(x[0]); })
      .Case([&](math::TanhOp) { return f.tanh(x[0]); })
      .Case([&](math::AsinhOp) { return f.asinh(x[0]); })
      .Case([&](math::AcoshOp) { return f.acosh(x[0]); })
      .Case([&](math::AtanhOp) { return f.atanh(x[0]); })
      .Case([&](math::ErfOp) { return f.erf(x[0]); })
      .Case([&](math::RsqrtOp) { return f.rsqrt(x[0]); })
      .Case([&](arith::RemFOp) { return f.remainder(x[0], x[1]); })
      .Default([](Operation *) { return Value(); });
}

/// e^x = 2^t (1 + (x log2 e - t) ln 2), with t = x log2 e as it is rounded: the error of t, which
/// grows with x, is made good. Beyond the clamps the result is 0 or infinite.
static Value expandForGpu(math::ExpOp op) {
  ImplicitLocOpBuilder b(op.getLoc(), op);
  auto number = [&](float value) -> Value {
    return arith::ConstantOp::create(b, b.getF32FloatAttr(value));
  };
  Value x = arith::MaximumFOp::create(b, op.getOperand(), number(-150));
  x = arith::MinimumFOp::create(b, x, number(130));
  Value scale = number(1.44269504088896341f);
  Value t = arith::MulFOp::create(b, x, scale);
  Value rest = math::FmaOp::create(b, x, scale, arith::NegFOp::create(b, t));
  rest = math::FmaOp::create(b, x, number(1.92596303e-8f), rest); // of log2 e, what f32 lacks
  Value correction = math::FmaOp::create(b, rest, number(0.693147180559945309f), number(1));
  return arith::MulFOp::create(b, math::Exp2Op::create(b, t), correction);
}

static LogicalResult expandOp(Operation *op) {
  auto type = llvm::dyn_cast<FloatType>(op->getResult(0).getType());
  if (!type)
    return success();
  ImplicitLocOpBuilder b(op->getLoc(), op);
  if (type.getWidth() > 64)
    return op->emitError("has no expansion for ") << type << " yet";
  auto compute = type.getWidth() < 32 ? llvm::cast<FloatType>(Type(b.getF32Type())) : type;
  SmallVector<Value> operands(op->getOperands());
  if (compute != type)
    for (Value &operand : operands)
      operand = arith::ExtFOp::create(b, compute, operand);
  E functions(b, compute);
  Value result = expand(op, functions, operands);
  if (!result)
    return success();
  if (compute != type) {
    auto single = result.getDefiningOp<arith::TruncFOp>();
    result = single ? E(b, llvm::cast<FloatType>(single.getIn().getType()))
                          .truncateDouble(single.getIn(), type)
                    : arith::TruncFOp::create(b, type, result).getResult();
  }
  op->replaceAllUsesWith(ValueRange(result));
  op->erase();
  return success();
}

/// No processor rounds f64 to 16 bits in one step.
static void expandTruncation(arith::TruncFOp op) {
  auto type = llvm::dyn_cast<FloatType>(op.getType());
  if (!type || type.getWidth() != 16 || !op.getIn().getType().isF64())
    return;
  ImplicitLocOpBuilder b(op.getLoc(), op);
  op.replaceAllUsesWith(E(b, b.getF64Type()).truncateDouble(op.getIn(), type));
  op.erase();
}

namespace {
struct KernelExpandMath : transforms::impl::KernelExpandMathBase<KernelExpandMath> {
  void runOnOperation() override {
    // Processors of GPUs have powers of two of f32.
    auto target = getOperation()->getAttrOfType<StringAttr>("tessera.target");
    const bool isGpu = target && target.getValue().starts_with("cuda:");
    for (auto kernel : getOperation().getOps<kernel::FuncOp>()) {
      SmallVector<Operation *> ops;
      kernel.walk([&](Operation *op) {
        bool kept = llvm::isa<math::FloorOp, math::CeilOp, math::TruncOp, math::RoundEvenOp,
                              math::SqrtOp, math::FmaOp, math::AbsFOp, math::CopySignOp>(op);
        bool isFunction = llvm::isa_and_present<math::MathDialect>(op->getDialect()) ||
                          llvm::isa<arith::RemFOp>(op);
        if (isFunction && !kept)
          ops.push_back(op);
      });
      for (Operation *op : ops) {
        const bool isWord = isGpu && op->getResult(0).getType().isF32();
        if (isWord && llvm::isa<math::Exp2Op>(op))
          continue;
        if (auto exp = llvm::dyn_cast<math::ExpOp>(op); exp && isWord) {
          exp.replaceAllUsesWith(expandForGpu(exp));
          exp.erase();
        } else if (failed(expandOp(op))) {
          return signalPassFailure();
        }
      }
      kernel.walk(expandTruncation);
    }
  }
};
} // namespace
