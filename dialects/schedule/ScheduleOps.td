//===- ScheduleOps.td - The schedule dialect -----------------------------------------===//
#ifndef TESSERA_DIALECTS_SCHEDULE_SCHEDULEOPS_TD
#define TESSERA_DIALECTS_SCHEDULE_SCHEDULEOPS_TD

include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/SymbolInterfaces.td"

def Schedule_Dialect : Dialect {
  let name = "schedule";
  let cppNamespace = "::tessera::schedule";
  let summary = "How a kernel is computed: directives on its named stages and loops";
  let description = [{
    A `schedule.func` belongs to one `kernel.func`. Its directives stand in the order in which they
    are applied and name stages (`kernel.stage`) and loops (`kernel.loops`, and the loops that
    earlier directives made). Loop directives are those of Halide, one to one.
  }];
}

class Schedule_Op<string mnemonic, list<Trait> traits = []>
    : Op<Schedule_Dialect, mnemonic, traits>;

//===-- Containers -----------------------------------------------------------------===//

def Schedule_FuncOp : Schedule_Op<"func", [Symbol, NoTerminator, SingleBlock, NoRegionArguments]> {
  let summary = "The schedule of one kernel";
  let description = [{
    - (C1) The body holds only `schedule.stage` and `schedule.update`.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, FlatSymbolRefAttr:$kernel);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name `for` $kernel attr-dict-with-keyword $body";
  let hasRegionVerifier = 1;
}

class Schedule_StageLikeOp<string mnemonic>
    : Schedule_Op<mnemonic, [HasParent<"FuncOp">, NoTerminator, SingleBlock, NoRegionArguments]> {
  let arguments = (ins StrAttr:$stage);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$stage attr-dict-with-keyword $body";
}

def Schedule_StageOp : Schedule_StageLikeOp<"stage"> {
  let summary = "Directives on a stage (on its initial values, when it reduces)";
}

def Schedule_UpdateOp : Schedule_StageLikeOp<"update"> {
  let summary = "Directives on the reducing loops of a stage";
}

//===-- Loop directives --------------------------------------------------------------===//

class Schedule_Directive<string mnemonic>
    : Schedule_Op<mnemonic, [ParentOneOf<["StageOp", "UpdateOp"]>]>;

def Schedule_Tail : I32EnumAttr<"Tail", "What happens at the end of a loop that is cut unevenly", [
    I32EnumAttrCase<"Auto", 0, "auto">,
    I32EnumAttrCase<"Guard", 1, "guard">,
    I32EnumAttrCase<"ShiftInwards", 2, "shift_inwards">,
    I32EnumAttrCase<"RoundUp", 3, "round_up">,
    I32EnumAttrCase<"Predicate", 4, "predicate">]> {
  let cppNamespace = "::tessera::schedule";
}

def Schedule_Storage : I32EnumAttr<"Storage", "Where the values of a stage are kept", [
    I32EnumAttrCase<"Stack", 0, "stack">,
    I32EnumAttrCase<"Register", 1, "register">]> {
  let cppNamespace = "::tessera::schedule";
}

def Schedule_SplitOp : Schedule_Directive<"split"> {
  let summary = "Cuts a loop in two";
  let arguments = (ins StrAttr:$loop, StrAttr:$outer, StrAttr:$inner,
                   ConfinedAttr<I64Attr, [IntPositive]>:$factor,
                   DefaultValuedAttr<Schedule_Tail, "::tessera::schedule::Tail::Auto">:$tail);
  let assemblyFormat = [{
    $loop `into` $outer `,` $inner `by` $factor (`tail` $tail^)? attr-dict
  }];
}

def Schedule_FuseOp : Schedule_Directive<"fuse"> {
  let summary = "Joins two nested loops";
  let arguments = (ins StrAttr:$inner, StrAttr:$outer, StrAttr:$fused);
  let assemblyFormat = "$inner `,` $outer `into` $fused attr-dict";
}

def Schedule_ReorderOp : Schedule_Directive<"reorder"> {
  let summary = "Nests loops in another order, innermost first";
  let arguments = (ins StrArrayAttr:$loops);
  let assemblyFormat = "$loops attr-dict";
}

class Schedule_LoopDirective<string mnemonic, string text> : Schedule_Directive<mnemonic> {
  let summary = text;
  let arguments = (ins StrAttr:$loop);
  let assemblyFormat = "$loop attr-dict";
}

class Schedule_WidthDirective<string mnemonic, string text> : Schedule_Directive<mnemonic> {
  let summary = text;
  let arguments = (ins StrAttr:$loop, OptionalAttr<ConfinedAttr<I64Attr, [IntPositive]>>:$width,
                   DefaultValuedAttr<Schedule_Tail, "::tessera::schedule::Tail::Auto">:$tail);
  let assemblyFormat = "$loop (`by` $width^)? (`tail` $tail^)? attr-dict";
}

def Schedule_ParallelOp : Schedule_LoopDirective<"parallel", "Runs the iterations of a loop on several threads">;
def Schedule_AtomicOp : Schedule_Directive<"atomic"> {
  let summary = "Lets the reduction of an update be vectorised";
  let assemblyFormat = "attr-dict";
}
def Schedule_VectorizeOp : Schedule_WidthDirective<"vectorize", "Runs the iterations of a loop on vector lanes">;
def Schedule_UnrollOp : Schedule_WidthDirective<"unroll", "Writes the iterations of a loop out">;

def Schedule_ComputeAtOp : Schedule_Directive<"compute_at"> {
  let summary = "Computes a stage inside a loop of another stage";
  let arguments = (ins StrAttr:$consumer, StrAttr:$loop);
  let assemblyFormat = "$consumer `loop` $loop attr-dict";
}

def Schedule_ComputeRootOp : Schedule_Directive<"compute_root"> {
  let summary = "Computes a stage as a whole, before what reads it";
  let assemblyFormat = "attr-dict";
}

def Schedule_StoreOp : Schedule_Directive<"store"> {
  let summary = "Chooses where the values of a stage are kept";
  let arguments = (ins Schedule_Storage:$storage);
  let assemblyFormat = "$storage attr-dict";
}

def Schedule_BoundExtentOp : Schedule_Directive<"bound_extent"> {
  let summary = "States how many values of a dimension are computed at a time";
  let arguments = (ins StrAttr:$loop, ConfinedAttr<I64Attr, [IntPositive]>:$extent);
  let assemblyFormat = "$loop $extent attr-dict";
}

#endif
