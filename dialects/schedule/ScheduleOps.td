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
    Directives that restructure the kernel come first, then the loop directives of stages, which
    refer to the kernel as it was restructured.

    - (C1) The body holds only restructuring directives, `schedule.stage` and `schedule.update`.
    - (C2) Restructuring directives stand before `schedule.stage` and `schedule.update`.
    - (C3) A `schedule.generator` stands alone.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, FlatSymbolRefAttr:$kernel);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name `for` $kernel attr-dict-with-keyword $body";
  let hasRegionVerifier = 1;
}

def Schedule_GeneratorOp : Schedule_Op<"generator", [HasParent<"FuncOp">]> {
  let summary = "Names the code generator that makes the loops of the kernel";
  let description = [{
    `schedule.generator "loops"`: loops in the order of the kernel, innermost ones on vectors. Kernels with
    loops of their own (recurrences, scatters, sorts) have no other schedule.

    - (C1) The name is "loops".
  }];
  let arguments = (ins StrAttr:$generator);
  let assemblyFormat = "$generator attr-dict";
  let hasVerifier = 1;
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

//===-- Restructuring directives ---------------------------------------------------===//

class Schedule_Restructure<string mnemonic> : Schedule_Op<mnemonic, [HasParent<"FuncOp">]>;

def Schedule_PadToTileOp : Schedule_Restructure<"pad_to_tile"> {
  let summary = "Keeps a stage in full tiles of one of its parallel loops";
  let description = [{
    The loop becomes two: one over tiles and one inside a tile, whose extent is the constant factor. The
    tensor of the stage gets the inner loop as a new last dimension. What the stage reads is clamped
    to the extent, so that the last tile is computed in full; readers address tile and place in tile.

    ```mlir
    schedule.pad_to_tile "acc" loop "n" by 16 into "no", "ni"
    // acc[m, n] = f(x[m, n])   =>   acc[m, no, ni] = f(x[m, min(16 no + ni, N - 1)])
    // out[m, n] = g(acc[m, n]) =>   out[m, n] = g(acc[m, n / 16, n % 16])
    ```
    - (C1) The factor is positive; outer and inner loop have different names.

    `likely`: code generators may make loops of their own for the tiles of which nothing is clamped.
  }];
  let arguments = (ins StrAttr:$stage, StrAttr:$loop, ConfinedAttr<I64Attr, [IntPositive]>:$factor,
                   StrAttr:$outer, StrAttr:$inner, UnitAttr:$likely);
  let assemblyFormat = [{
    $stage `loop` $loop `by` $factor `into` $outer `,` $inner (`likely` $likely^)? attr-dict
  }];
  let hasVerifier = 1;
}

class Schedule_PackingDirective<string mnemonic> : Schedule_Restructure<mnemonic> {
  let hasVerifier = 1;
}

def Schedule_PackOperandOp : Schedule_PackingDirective<"pack_operand"> {
  let summary = "Takes an argument of the kernel in tiles";
  let description = [{
    The argument gets the attribute `kernel.layout` (see `#kernel.packed`) and the packed type; whoever
    launches the kernel hands it over in that layout.

    - (C1) Tiles are positive, one per packed dimension; `outer_dims_perm` is a permutation, and
      `inner_dims_pos` names each dimension at most once.
  }];
  let arguments = (ins ConfinedAttr<I64Attr, [IntNonNegative]>:$argument,
                   DenseI64ArrayAttr:$inner_dims_pos, DenseI64ArrayAttr:$inner_tiles,
                   DenseI64ArrayAttr:$outer_dims_perm);
  let assemblyFormat = [{
    $argument `inner_dims_pos` `=` $inner_dims_pos `inner_tiles` `=` $inner_tiles
              `outer_dims_perm` `=` $outer_dims_perm attr-dict
  }];
}

def Schedule_CopyPackedOp : Schedule_PackingDirective<"copy_packed"> {
  let summary = "Lets a stage read a packed copy of an operand that the kernel makes itself";
  let description = [{
    As `pack_operand`, for what comes from other kernels: the copy is a new stage, which is kept
    in scratch memory.

    - (C1) as `pack_operand`.
  }];
  let arguments = (ins StrAttr:$stage, ConfinedAttr<I64Attr, [IntNonNegative]>:$operand, StrAttr:$copy,
                   DenseI64ArrayAttr:$inner_dims_pos, DenseI64ArrayAttr:$inner_tiles,
                   DenseI64ArrayAttr:$outer_dims_perm);
  let assemblyFormat = [{
    $stage `operand` $operand `as` $copy `inner_dims_pos` `=` $inner_dims_pos
           `inner_tiles` `=` $inner_tiles `outer_dims_perm` `=` $outer_dims_perm attr-dict
  }];
}

def Schedule_CopyWindowOp : Schedule_Restructure<"copy_window"> {
  let summary = "Lets a stage read neighbours of a window side by side, from a copy that the kernel makes";
  let description = [{
    For instructions that sum several products: so many taps of the window, one after the other along the loop, lie side
    by side in the copy, for each place where a group of them may begin. It is a new stage. Taps past the end repeat the
    last element: `group_reduction` multiplies them by the zeros that fill up the other operand.

    ```mlir
    schedule.copy_window "acc" operand 0 loop "k" by 4 as "taps"
    // acc[m] += x[m + k] * w[k / 4, k % 4]   =>   taps[i, t] = x[min(i + t, X - 1)]
    //                                             acc[m] += taps[m + k / 4 * 4, k % 4] * w[k / 4, k % 4]
    ```
    Where the window moves by steps, places between them are left out if no group begins there.

    - (C1) The factor is positive.
  }];
  let arguments = (ins StrAttr:$stage, ConfinedAttr<I64Attr, [IntNonNegative]>:$operand, StrAttr:$loop,
                   ConfinedAttr<I64Attr, [IntPositive]>:$factor, StrAttr:$copy);
  let assemblyFormat = "$stage `operand` $operand `loop` $loop `by` $factor `as` $copy attr-dict";
}

def Schedule_WidenOperandOp : Schedule_Restructure<"widen_operand"> {
  let summary = "Lets a stage read a copy of an operand in longer elements";
  let description = [{
    For instructions that multiply longer integers than a tensor has. The copy is a new stage that converts
    as the reading stage does, which converts the rest of the way.

    ```mlir
    schedule.widen_operand "acc" operand 0 to i16 as "acc_wide"
    // acc[m] += i32(u8 x[m, k]) * ...   =>   acc_wide[m, k] = i16(u8 x[m, k])
    //                                        acc[m] += i32(acc_wide[m, k]) * ...
    ```
    Floats are extended all of the way: who broadcasts single elements has nothing left to convert.

    - (C1) The type is an integer or a float.
  }];
  let arguments = (ins StrAttr:$stage, ConfinedAttr<I64Attr, [IntNonNegative]>:$operand, TypeAttr:$type,
                   StrAttr:$copy);
  let assemblyFormat = "$stage `operand` $operand `to` $type `as` $copy attr-dict";
  let hasVerifier = 1;
}

def Schedule_GroupReductionOp : Schedule_Restructure<"group_reduction"> {
  let summary = "Splits a reduction loop into groups that one instruction sums";
  let description = [{
    The loop keeps its name and runs over groups; a second reduction loop of constant extent runs in a group.
    Unlike `block_reduction` nothing is kept apart.

    ```mlir
    schedule.group_reduction "acc" loop "k" by 2 as "kg"
    // acc[m] += x[m, k] * w[k / 2, k % 2]   =>   acc[m] += x[m, 2 k + kg] * w[k, kg]
    ```
    Where the factor does not divide the extent, every operand along the loop has to be in tiles of the factor
    (`pack_operand`, `copy_packed`), which are filled up with zeros: products of zeros are added.

    - (C1) The factor is positive; both loops have different names.
  }];
  let arguments = (ins StrAttr:$stage, StrAttr:$loop, ConfinedAttr<I64Attr, [IntPositive]>:$factor,
                   StrAttr:$inner);
  let assemblyFormat = "$stage `loop` $loop `by` $factor `as` $inner attr-dict";
  let hasVerifier = 1;
}

def Schedule_BlockReductionOp : Schedule_Restructure<"block_reduction"> {
  let summary = "Reduces into several accumulators side by side";
  let description = [{
    Element `outer * factor + inner` of the reduction goes to accumulator `inner`; the accumulators are
    merged at the end (stage `<stage>_merge`), and what is left of the extent is reduced one by one. This
    reassociates: the reduction must be one of the known associative ones.

    ```mlir
    schedule.block_reduction "sum" loop "k" by 32 into "ko", "ki" as "sum_part"
    // sum[m] += x[m, k]   =>   sum_part[m, ki] += x[m, 32 ko + ki]   for ko < K / 32
    //                          sum_merge[m]    += sum_part[m, ki]
    //                          sum[m] = sum_merge[m]; sum[m] += x[m, K / 32 * 32 + kt]
    ```
    `contiguous`: accumulator `inner` gets `extent / factor` elements one after the other, for blocks of a grid that
    each read a part of memory. The extent is a constant multiple of the factor; the inner loop is the first dimension of
    the partial stage.

    ```mlir
    schedule.block_reduction "sum" loop "k" by 4 into "ko", "ki" as "sum_part" contiguous
    // sum[m] += x[m, k]   =>   sum_part[ki, m] += x[m, ki * (K / 4) + ko]
    //                          sum[m]          += sum_part[ki, m]
    ```
    `runs`: each run of `factor` elements has an accumulator, so that there are more of them the longer the extent is. The
    outer loop is the first dimension of the partial stage, and its iterations may run side by side.

    ```mlir
    schedule.block_reduction "sum" loop "k" by 128 into "ko", "ki" as "sum_part" runs
    // sum[n] += x[k, n]   =>   sum_part[ko, n] += x[128 ko + ki, n]   for ko < K / 128
    //                          sum_merge[n]    += sum_part[ko, n]
    //                          sum[n] = sum_merge[n]; sum[n] += x[K / 128 * 128 + kt, n]
    ```
    - (C1) The factor is positive; outer and inner loop have different names.
    - (C2) Parts are contiguous or runs, not both.
  }];
  let arguments = (ins StrAttr:$stage, StrAttr:$loop, ConfinedAttr<I64Attr, [IntPositive]>:$factor,
                   StrAttr:$outer, StrAttr:$inner, StrAttr:$partial, UnitAttr:$contiguous,
                   UnitAttr:$runs);
  let assemblyFormat = [{
    $stage `loop` $loop `by` $factor `into` $outer `,` $inner `as` $partial
    (`contiguous` $contiguous^)? (`runs` $runs^)? attr-dict
  }];
  let hasVerifier = 1;
}

def Schedule_PeelReductionOp : Schedule_Restructure<"peel_reduction"> {
  let summary = "Computes all but the last steps of a sum in a stage of its own";
  let description = [{
    Stage `head` does whole pieces of `factor` steps, loops `outer` and `inner`; the stage goes on from there with the
    1 to `factor` steps that are left, so that it may keep its accumulators elsewhere: those of the head in a block of the cache, its
    own in registers until they are stored as a result. The order of the steps stays; nothing is reassociated.

    ```mlir
    schedule.peel_reduction "acc" loop "k" by 512 into "ko", "ki" as "acc_head"
    // acc[m, n] += f(m, n, k)   =>   acc_head[m, n] += f(m, n, 512 ko + ki), ko < (max(K, 1) - 1) / 512
    //                                acc[m, n] = acc_head[m, n]; acc[m, n] += f(m, n, (max(K, 1) - 1) / 512 * 512 + k)
    ```
    - (C1) The factor is positive; outer and inner loop have different names.
  }];
  let arguments = (ins StrAttr:$stage, StrAttr:$loop, ConfinedAttr<I64Attr, [IntPositive]>:$factor,
                   StrAttr:$outer, StrAttr:$inner, StrAttr:$head);
  let assemblyFormat = [{
    $stage `loop` $loop `by` $factor `into` $outer `,` $inner `as` $head attr-dict
  }];
  let hasVerifier = 1;
}

def Schedule_FactorReductionOp : Schedule_Restructure<"factor_reduction"> {
  let summary = "Multiplies by what a block of a sum shares once for the block";
  let description = [{
    The stage sums products with a map that is scaled, and moved, by what is the same for `factor` steps of the
    loop. The loop keeps its name and runs over blocks; the steps of a block are summed by the stage `partial`. Where the
    map is moved, stage `sums` sums the other factor. This reassociates.

    ```mlir
    schedule.factor_reduction "acc" loop "k" by 32 into "ki" as "part" sums "xs"
    // w[n, k] = s[n, k / 32] * c[n, k] + o[n, k / 32]
    // acc[m, n] += x[m, k] * w[n, k]   =>   part[m, n, k] += x[m, 32 k + ki] * c[n, 32 k + ki]
    //                                       xs[m, k]      += x[m, 32 k + ki]
    //                                       acc[m, n]     += s[n, k] * part[m, n, k] + o[n, k] * xs[m, k]
    ```
    - (C1) The factor is positive; the loops have different names.
  }];
  let arguments = (ins StrAttr:$stage, StrAttr:$loop, ConfinedAttr<I64Attr, [IntPositive]>:$factor,
                   StrAttr:$inner, StrAttr:$partial, StrAttr:$sums);
  let assemblyFormat = [{
    $stage `loop` $loop `by` $factor `into` $inner `as` $partial `sums` $sums attr-dict
  }];
  let hasVerifier = 1;
}

def Schedule_CacheWriteOp : Schedule_Restructure<"cache_write"> {
  let summary = "Computes a result of the kernel in a place of its own and copies it";
  let description = [{
    A stage that is a result of the kernel has to be computed as a whole. With this directive
    the result is a new stage that copies, and the stage can be computed inside of it. Other readers
    of the stage read the copy.
  }];
  let arguments = (ins StrAttr:$stage, StrAttr:$copy);
  let assemblyFormat = "$stage `as` $copy attr-dict";
}

def Schedule_ClampReadsOp : Schedule_Restructure<"clamp_reads"> {
  let summary = "Lets a stage be computed past the extent of one of its parallel loops";
  let description = [{
    What the kernel takes, and what it keeps as a whole, is read at most at the last index of the loop. Then a
    block of constant size may be computed where less is left; nobody reads what lies past the end. Stages
    in between, which are computed for the same block, are read as they are.

    ```mlir
    schedule.clamp_reads "acc" loop "m"
    // acc[m, n] = f(x[m, n], s[m])   =>   acc[m, n] = f(x[min(m, M - 1), n], s[m])
    ```
  }];
  let arguments = (ins StrAttr:$stage, StrAttr:$loop);
  let assemblyFormat = "$stage `loop` $loop attr-dict";
}

def Schedule_ScratchOp : Schedule_Restructure<"scratch"> {
  let summary = "Keeps a stage in memory that whoever launches the kernel provides";
  let description = [{
    The values of the stage become results of the kernel with the attribute `kernel.scratch`. Kernels never
    allocate, so a stage that is computed as a whole and whose extents are not constant needs this.
  }];
  let arguments = (ins StrAttr:$stage);
  let assemblyFormat = "$stage attr-dict";
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
    I32EnumAttrCase<"Register", 1, "register">,
    I32EnumAttrCase<"Tile", 2, "tile">]> {
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
def Schedule_GpuBlocksOp : Schedule_LoopDirective<"gpu_blocks",
    "Runs the iterations of a loop on the blocks of a grid: x first, then y, z">;
def Schedule_GpuThreadsOp : Schedule_Directive<"gpu_threads"> {
  let summary = "Runs the iterations of a loop on the threads of a block";
  let description = [{
    Along `axis` (0: x), by default the next one of this stage. Threads of a stage's update are threads of its output, too:
    the reductions of an output by rows share the axis of its elements; with an axis that no loop of the output has, each element has
    threads of its own that reduce together.
  }];
  let arguments = (ins StrAttr:$loop, OptionalAttr<ConfinedAttr<I64Attr, [IntNonNegative, IntMaxValue<2>]>>:$axis);
  let assemblyFormat = "$loop (`axis` $axis^)? attr-dict";
}
def Schedule_GpuTurnOp : Schedule_Directive<"gpu_turn"> {
  let summary = "Reads what lies along a loop of the output by squares in shared memory";
  let description = [{
    Tensors whose last index is `loop`, which is not the last of the result, are read by neighbouring threads along it, and
    taken from shared memory along the result. `rows` and `columns` are loops of equal extent that splits made, the former of the
    loops of the result behind `loop`, and the first axis of threads; the latter, of `loop`, is split again, into a loop of each thread and the second axis.

    ```mlir
    schedule.split "a" into "row_tile", "row" by 32
    schedule.split "c" into "column_tile", "column" by 32
    schedule.split "column" into "turn", "line" by 8
    schedule.gpu_threads "row" axis 0
    schedule.gpu_threads "line" axis 1
    schedule.gpu_turn "c" rows "row" columns "column"
    ```
  }];
  let arguments = (ins StrAttr:$loop, StrAttr:$rows, StrAttr:$columns);
  let assemblyFormat = "$loop `rows` $rows `columns` $columns attr-dict";
}
def Schedule_Unit : I32EnumAttr<"Unit", "What multiplies", [
    I32EnumAttrCase<"Fma", 0, "fma">,
    I32EnumAttrCase<"Mma", 1, "mma">,
    I32EnumAttrCase<"Wgmma", 2, "wgmma">]> {
  let cppNamespace = "::tessera::schedule";
}

def Schedule_GpuTileOp : Schedule_Directive<"gpu_tile"> {
  let summary = "Computes a tile of a sum of products by the warps of a block";
  let description = [{
    Of the update of a stage that is computed at the blocks of its output. `rows` and `columns` are loops
    of the output, `depth` one of the update, all of constant extent: those of the tile. For each step of
    the depth the block copies both factors to shared memory, `stages` - 1 steps ahead; the warps, so many along rows
    and columns, multiply by `fma` (every thread some elements), `mma` (instructions of a warp for matrices) or
    `wgmma` (instructions of four warps, one above the other, which read shared memory themselves while the next
    copies begin) and keep sums in registers.

    ```mlir
    schedule.stage "acc" { schedule.compute_at "out" loop "block" }
    schedule.update "acc" {
      schedule.split "k" into "step", "depth" by 32
      schedule.gpu_tile "row", "column", "depth" warps 2, 2 stages 3 by mma
    }
    ```
    - (C1) There are at least 2 stages, and warps along rows and columns.
    With `byte_floats` instructions for matrices multiply 8-bit floats as they are (sm_89, sm_90a), where the stage
    lets them sum so (kernel.byte_floats); else such factors are f16. With `copy_warps` four warps more bring the factors, to the memories of `stages` steps,
    and take the memory back from those that multiply. With `bulk` the factors that are tensors come as boxes, by copies of one thread that arrive by themselves,
    where addresses, strides and extents allow that when launching.
    - (C2) For `wgmma` a multiple of 4 warps stand along rows.
    - (C3) Bulk copies bring what `wgmma` multiplies.
    - (C4) Instructions for matrices multiply 8-bit floats.
    - (C5) Warps copy for others by `wgmma`, of which there are two times four at most.
  }];
  let arguments = (ins StrAttr:$rows, StrAttr:$columns, StrAttr:$depth,
                   ConfinedAttr<I64Attr, [IntPositive]>:$row_warps,
                   ConfinedAttr<I64Attr, [IntPositive]>:$column_warps,
                   ConfinedAttr<I64Attr, [IntMinValue<2>]>:$stages, Schedule_Unit:$unit, UnitAttr:$byte_floats, UnitAttr:$copy_warps, UnitAttr:$bulk);
  let assemblyFormat = [{
    $rows `,` $columns `,` $depth `warps` $row_warps `,` $column_warps `stages` $stages `by` $unit (`byte_floats` $byte_floats^)? (`copy_warps` $copy_warps^)?
    (`bulk` $bulk^)? attr-dict
  }];
  let hasVerifier = 1;
}

def Schedule_GpuStreamOp : Schedule_Directive<"gpu_stream"> {
  let summary = "Merges a stream (graph.stream) by the warps of a block, and stores no scores";
  let description = [{
    Of the update of a stage that merges the states of blocks of keys, computed at the blocks of its output or
    with a launch of its own. `rows` is a loop of the output, of constant extent: 16 for each warp along rows ("":
    there is one row). `keys` keys at a time come to shared memory; warps multiply by `fma` or `mma`, and scores,
    weights and states stay in registers. Blocks of the kernel are lifted in pieces of that size (`kernel.any_blocks`).
    Warps stand along rows, along columns of the states (each computes all scores of its rows), or along keys: each
    takes a part of all keys in their order, and the states of the parts are merged at the end. By `wgmma`
    four warps multiply together, four warps more bring keys and values to the memory of `stages` steps.

    ```mlir
    schedule.stage "merge" { schedule.compute_at "out" loop "block" }
    schedule.update "merge" { schedule.gpu_stream "row" keys 64 warps 4, 1, 1 by mma }
    ```
    - (C1) There are at least 8 keys (16 for `mma`), a multiple of that, and warps.
    - (C2) Where several warps stand along keys, one stands along rows and columns.
    - (C3) By `wgmma` a multiple of 4 warps stands along rows, and one along keys; only there are there
      several stages.
  }];
  let arguments = (ins StrAttr:$rows, ConfinedAttr<I64Attr, [IntPositive]>:$keys,
                   ConfinedAttr<I64Attr, [IntPositive]>:$row_warps,
                   ConfinedAttr<I64Attr, [IntPositive]>:$column_warps,
                   ConfinedAttr<I64Attr, [IntPositive]>:$key_warps,
                   DefaultValuedOptionalAttr<ConfinedAttr<I64Attr, [IntPositive]>, "1">:$stages,
                   Schedule_Unit:$unit);
  let assemblyFormat = [{
    $rows `keys` $keys `warps` $row_warps `,` $column_warps `,` $key_warps (`stages` $stages^)?
    `by` $unit attr-dict
  }];
  let hasVerifier = 1;
}

def Schedule_TileMultiplyOp : Schedule_Directive<"tile_multiply"> {
  let summary = "Sums the products of a stage by tiles of matrices";
  let description = [{
    Of the update of a stage `acc[..., mt, ..., nt, ..., mi, ni] += lhs[...] * rhs[..., nt, taps, k / G, ni, k % G]`, for bf16 (G = 2) or
    bytes (G = 4), with at most 16 rows `mi` and 32 columns `ni`: what `pack_operand` and `pad_to_tile` make of a product or a
    window. The rows are `lhs[..., mt, k / K, mi, k % K]` of 64 bytes (K = 32 or 64; `copy_packed`), or lie anywhere: all indices but the
    last one move by constants with loops, the last one is `k`, whose extent is known and has steps of equal length. Indices that
    `pad_to_tile` bounds belong to rows that are not there and are not read. A block of tiles is computed at a time,
    by tiles of 16 x 16 sums that stay in registers for some taps or steps (AMX); nothing else is said about its loops.

    ```mlir
    schedule.update "acc" { schedule.tile_multiply "m_t", "n_t" }
    ```
  }];
  let arguments = (ins StrAttr:$rows, StrAttr:$columns);
  let assemblyFormat = "$rows `,` $columns attr-dict";
}

def Schedule_AtomicOp : Schedule_Directive<"atomic"> {
  let summary = "Lets the reduction of an update be vectorised";
  let assemblyFormat = "attr-dict";
}
def Schedule_InOrderOp : Schedule_LoopDirective<"in_order", "Runs the iterations of a loop in order"> {
  let description = [{
    Of the update of a stage with several results, inside of its reductions. Results that are the same for all
    iterations of the loop are taken from the last one as it was before, so that what follows from them
    is computed once and not for every iteration. The directive comes first.
  }];
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

def Schedule_PrefetchOp : Schedule_Directive<"prefetch"> {
  let summary = "Asks for what a later iteration of a loop reads of an argument";
  let description = [{
    For memory that is read once, in order: every iteration asks for what the one `distance` iterations later reads,
    also where the loop ends before it, since what follows in memory is what is read next.
  }];
  let arguments = (ins ConfinedAttr<I64Attr, [IntNonNegative]>:$argument, StrAttr:$loop,
                   ConfinedAttr<I64Attr, [IntPositive]>:$distance);
  let assemblyFormat = "$argument `loop` $loop `ahead` $distance attr-dict";
}

def Schedule_StoreOp : Schedule_Directive<"store"> {
  let summary = "Chooses where the values of a stage are kept";
  let description = [{
    `stack`: where Halide shares places among small buffers; `register`: on the stack, also when it is large;
    `tile`: a place of its own, whose elements become registers: it is small, and every index into it is constant.
  }];
  let arguments = (ins Schedule_Storage:$storage);
  let assemblyFormat = "$storage attr-dict";
}

def Schedule_BoundExtentOp : Schedule_Directive<"bound_extent"> {
  let summary = "States how many values of a dimension are computed at a time";
  let arguments = (ins StrAttr:$loop, ConfinedAttr<I64Attr, [IntPositive]>:$extent);
  let assemblyFormat = "$loop $extent attr-dict";
}

def Schedule_BoundStorageOp : Schedule_Directive<"bound_storage"> {
  let summary = "States how many values of a dimension are kept at most";
  let description = [{
    Unlike `bound_extent` it leaves open how many are computed. It makes the storage of a stage
    constant, which a stage that is kept on the stack needs.
  }];
  let arguments = (ins StrAttr:$loop, ConfinedAttr<I64Attr, [IntPositive]>:$extent);
  let assemblyFormat = "$loop $extent attr-dict";
}

#endif
