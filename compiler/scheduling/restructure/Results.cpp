//===- Results.cpp - Where the values of a stage are kept
//----------------------------------------===//
#include "compiler/scheduling/restructure/Lookup.h"
#include "compiler/scheduling/restructure/Restructure.h"

using namespace mlir;

namespace tessera::scheduling {

LogicalResult cacheWrite(kernel::FuncOp kernel, schedule::CacheWriteOp directive) {
  FailureOr<linalg::GenericOp> stage = lookupStage(kernel, directive, directive.getStage());
  if (failed(stage) || failed(expectFree(kernel, directive, directive.getCopy())))
    return failure();
  auto yielded = cast<kernel::ReturnOp>(kernel.getBody().front().getTerminator());
  if (llvm::none_of(yielded.getOperands(),
                    [&](Value value) { return value.getDefiningOp() == *stage; }))
    return directive.emitOpError()
           << "stage '" << directive.getStage() << "' is no result of the kernel";
  OpBuilder builder(yielded);
  Location loc = stage->getLoc();
  AffineMap output = stage->getMatchingIndexingMap(stage->getDpsInitOperand(0));
  SmallVector<Value> results, empties;
  for (OpResult result : stage->getResults()) {
    if (result.use_empty())
      continue; // An arg-max carries the maximum, which nobody reads.
    results.push_back(result);
    // The copy starts from nothing: whatever the stage starts from has the shape.
    Value shaped = stage->getDpsInits()[result.getResultNumber()];
    while (auto producer = shaped.getDefiningOp<linalg::LinalgOp>())
      shaped = producer.getDpsInits()[cast<OpResult>(shaped).getResultNumber()];
    empties.push_back(shaped);
  }
  unsigned count = results.size();
  AffineMap identity = builder.getMultiDimIdentityMap(output.getNumResults());
  SmallVector<AffineMap> maps(2 * count, identity);
  SmallVector<utils::IteratorType> iterators(output.getNumResults(), utils::IteratorType::parallel);
  auto copy = linalg::GenericOp::create(
      builder, loc, TypeRange(ValueRange(results)), results, empties, maps, iterators,
      [&](OpBuilder &inside, Location, ValueRange arguments) {
        linalg::YieldOp::create(inside, loc, arguments.take_front(count));
      });
  SmallVector<std::string> names = kernel::getLoopNames(*stage);
  SmallVector<StringRef> loops;
  for (AffineExpr expr : output.getResults())
    loops.push_back(names[cast<AffineDimExpr>(expr).getPosition()]);
  kernel::setStage(copy, directive.getCopy(), loops);
  // The copy stands right behind the stage, before whatever else reads it.
  copy->moveAfter(*stage);
  for (auto [from, to] : llvm::zip_equal(results, copy.getResults()))
    from.replaceAllUsesExcept(to, copy);
  return success();
}

LogicalResult keepInScratch(kernel::FuncOp kernel, schedule::ScratchOp directive) {
  FailureOr<linalg::GenericOp> stage = lookupStage(kernel, directive, directive.getStage());
  if (failed(stage))
    return failure();
  auto yielded = cast<kernel::ReturnOp>(kernel.getBody().front().getTerminator());
  if (llvm::any_of(yielded.getOperands(),
                   [&](Value value) { return value.getDefiningOp() == *stage; }))
    return directive.emitOpError()
           << "stage '" << directive.getStage() << "' is a result of the kernel";
  unsigned first = kernel.getNumResults();
  SmallVector<Type> results(kernel.getResultTypes());
  llvm::append_range(results, stage->getResultTypes());
  SmallVector<DictionaryAttr> attributes;
  for (unsigned number = 0; number < first; ++number)
    attributes.push_back(DictionaryAttr::get(kernel.getContext(), kernel.getResultAttrs(number)));
  Builder builder(kernel.getContext());
  NamedAttribute scratch(builder.getStringAttr(kernel::KernelDialect::kScratchAttr),
                         builder.getUnitAttr());
  attributes.append(stage->getNumResults(), builder.getDictionaryAttr(scratch));
  kernel.removeResAttrsAttr();
  kernel.setFunctionType(builder.getFunctionType(kernel.getArgumentTypes(), results));
  SmallVector<Attribute> stored(attributes.begin(), attributes.end());
  kernel.setResAttrsAttr(builder.getArrayAttr(stored));
  yielded->insertOperands(yielded->getNumOperands(), stage->getResults());
  return success();
}

} // namespace tessera::scheduling
