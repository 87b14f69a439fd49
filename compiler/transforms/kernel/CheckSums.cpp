//===- CheckSums.cpp - No sum has fewer bits than asked for ---------------------------------===//
//
// Changes nothing. Whatever passes did to a kernel, a running sum of floats has at least 32 bits,
// one of products of integers too, and none has fewer than what it sums. Where a model asks for
// less itself (`acc`, or a scatter that adds to a tensor of short floats), the kernel says so.
//
//===----------------------------------------------------------------------===//
#include "compiler/transforms/kernel/Passes.h"
#include "dialects/kernel/Sums.h"

namespace tessera::transforms {
#define GEN_PASS_DEF_KERNELCHECKSUMS
#include "compiler/transforms/kernel/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;

namespace {
struct KernelCheckSums : transforms::impl::KernelCheckSumsBase<KernelCheckSums> {
  void runOnOperation() override {
    for (auto kernel : getOperation().getOps<kernel::FuncOp>()) {
      auto asked = kernel->getAttrOfType<ArrayAttr>(kernel::kAskedSumsAttr);
      for (const kernel::Sum &sum : kernel::findSums(kernel)) {
        unsigned least = kernel::getLeastBits(sum);
        if (sum.type.getIntOrFloatBitWidth() >= least ||
            (asked && llvm::is_contained(asked, TypeAttr::get(sum.type))))
          continue;
        InFlightDiagnostic error = sum.stage.emitError()
                                   << "stage '" << kernel::getStageName(sum.stage)
                                   << "' of kernel '" << kernel.getSymName() << "' sums ";
        if (sum.widest)
          error << sum.widest << " ";
        error << "in " << sum.type << ", with fewer than the " << least
              << " bits that nobody asked to go below";
        signalPassFailure();
      }
    }
  }
};
} // namespace
