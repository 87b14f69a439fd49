#ifndef TESSERA_GRAPH_TRANSFORMS_PASSES
#define TESSERA_GRAPH_TRANSFORMS_PASSES

include "mlir/Pass/PassBase.td"

def GraphDecompose : Pass<"graph-decompose", "::mlir::ModuleOp"> {
  let summary = "Replaces composites by the ops they stand for";
}

def GraphExpandGradients : Pass<"graph-expand-gradients", "::mlir::ModuleOp"> {
  let summary = "Replaces gradients by the ops that compute them, from the result back to the operands";
  let description = [{
    ```mlir
    %y, %dx = graph.gradient (%a = %x) : !graph.tensor<[N], f32> -> !graph.tensor<[N], f32> {
      %s = graph.sin %a : !graph.tensor<[N], f32>
      graph.yield %s : !graph.tensor<[N], f32>
    }
    // =>
    %y = graph.sin %x : !graph.tensor<[N], f32>
    %c = graph.cos %x : !graph.tensor<[N], f32>
    %dx = graph.mul %ones, %c : !graph.tensor<[N], f32>
    ```
    An op without a rule for derivatives between the operands and the result is an error that names it.
  }];
}

def GraphWidenElements : Pass<"graph-widen-elements", "::mlir::ModuleOp"> {
  let summary = "Computes with floats of 8 bits and integers of fewer than 8 in wider types";
  let description = [{
    ```mlir
    %y = graph.add %a, %b : !graph.tensor<[N], f8E5M2>
    // =>
    %0 = graph.convert %a : !graph.tensor<[N], f8E5M2> -> !graph.tensor<[N], f32>
    %1 = graph.convert %b : !graph.tensor<[N], f8E5M2> -> !graph.tensor<[N], f32>
    %2 = graph.add %0, %1 : !graph.tensor<[N], f32>
    %y = graph.convert %2 : !graph.tensor<[N], f32> -> !graph.tensor<[N], f8E5M2>
    ```
    What only moves elements stays. Kernels see such elements as bytes, which conversions decode and encode.
  }];
  let statistics = [Statistic<"numWidened", "widened", "Number of results computed in a wider type">];
}

def GraphSplitTransposedConv : Pass<"graph-split-transposed-conv", "::mlir::ModuleOp"> {
  let summary = "Writes transposed convolutions as ordinary ones whose channels are shuffled into places";
  let description = [{
    ```mlir
    %y = graph.conv_transpose %x, %w, strides = [2], ... : ([B, C, W], [C, O, 2]) -> [B, O, 2 * W]
    // =>
    %z = graph.conv %x, (transposed and reshaped %w) : ([B, C, W], [2 * O, C, 1]) -> [B, 2 * O, W]
    %s = graph.reshape %z : [B, 2, O, W]
    %t = graph.transpose %s, perm = [0, 2, 3, 1]
    %y = graph.reshape %t : [B, O, 2 * W]
    ```
    Windows that overlap become pieces of the convolution's window, and a slice is taken of the result. Left
    are groups, dilations, paddings that are computed, and windows for which zeros would be multiplied by
    numbers that may not be finite (`finite`: none is).
  }];
  let options = [Option<"finite", "finite", "bool", "false",
                        "Numbers may be taken for finite: they are going to be quantized">];
}

def GraphRepeatPixels : Pass<"graph-repeat-pixels", "::mlir::ModuleOp"> {
  let summary = "Writes nearest neighbours of a whole multiple as a broadcast and a view";
  let description = [{
    ```mlir
    %r = graph.resize nearest %x, axes = [1], coordinates = asymmetric, rounding = floor : [B, W, C] -> [B, 2 * W, C]
    // =>
    %b = graph.broadcast %x, dims = [0, 1, 3] : [B, W, C] -> [B, W, 2, C]
    %r = graph.reshape %b : [B, W, 2, C] -> [B, 2 * W, C]
    ```
  }];
}

def GraphUseBounds : Pass<"graph-use-bounds", "::mlir::ModuleOp"> {
  let summary = "Drops what cares for NaN where numbers are known to be finite";
  let description = [{
    What follows from integers and constants by sums, products and comparisons has a bound.
    ```mlir
    graph.select (graph.is_nan %x), %c, %x   =>   %x
    graph.max %x, (a constant %c)            =>   graph.select (graph.compare gt %x, %c), %x, %c
    ```
  }];
}

def GraphSinkShuffles : Pass<"graph-sink-shuffles", "::mlir::ModuleOp"> {
  let summary = "Computes maps of shuffled pixels before they are shuffled";
  let description = [{
    `map(reshape(transpose(reshape(x))))` becomes `reshape(transpose(reshape(map(x))))` where the maps read
    numbers that vary along channels at most, and only the last of them is read by others. They are then the
    epilogue of the convolution in front. Dims that stay neighbours are moved as one.
  }];
}

def GraphDropUnitAxes : Pass<"graph-drop-unit-axes", "::mlir::ModuleOp"> {
  let summary = "Removes spatial axes of extent 1 from convolutions";
  let description = [{
    Models spell one-dimensional convolutions as two-dimensional ones. An axis of extent 1 in input and
    weight, without padding, adds nothing but a loop of one iteration where vectors should be.
  }];
}

def GraphSplitDilatedConv : Pass<"graph-split-dilated-conv", "::mlir::ModuleOp"> {
  let summary = "Computes taps that lie far apart as products of what they read";
  let description = [{
    ```mlir
    %y = graph.conv %x, %w, dilations = [24, 24], lo = [24, 24], hi = [24, 24]  // 3x3 on 32x32
    // =>
    %0 = graph.conv (graph.slice %x), (graph.slice %w)  // 1x1, of 8x8 elements
    %1 = graph.pad constant %0  // to 32x32
    %y = graph.add %1, ...      // of all taps
    ```
    Only where a fifth of the products at least would be with padding.
  }];
}

def GraphMergeAxes : Pass<"graph-merge-axes", "::mlir::ModuleOp"> {
  let summary = "Joins a short last axis of a contraction with the one before it";
  let description = [{
    ```mlir
    %y = graph.contract "tn,nkc->tkc" %x, %w  // c: 2, real and imaginary parts
    // =>
    %m = graph.contract "tn,nk->tk" %x, (graph.reshape %w)
    %y = graph.reshape %m
    ```
    Where two axes stand beside each other in every tensor that has them they are one, and an axis of a few
    elements fills no vector. Longer axes stay apart: others look for them.
  }];
}

def GraphSplitBatches : Pass<"graph-split-batches", "::mlir::ModuleOp"> {
  let summary = "Products of a batch have the axes that a view behind them splits it into";
  let description = [{
    ```mlir
    %s = graph.contract "amd,akd->amk" %q, %k  // a: B * H
    %r = graph.reshape (graph.mul %s, %scale)  // [B, H, M, K]
    // =>
    %s = graph.contract "abmd,abkd->abmk" (graph.reshape %q), (graph.reshape %k)
    %r = graph.mul %s, %scale
    ```
    Also behind maps of the product that nobody else reads. Attention that is written with products of three
    axes and a mask of four is one stream then.
  }];
}

def GraphMergeRows : Pass<"graph-merge-rows", "::mlir::ModuleOp"> {
  let summary = "Linear layers of batches of sequences have one axis of rows";
  let description = [{
    ```mlir
    %y = graph.contract "bsx,xz->bsz" %x, %w
    %z = graph.add %y, (graph.broadcast %bias, dims = [2])
    // =>
    %r = graph.contract "sx,xz->sz" (graph.reshape %x), %w  // [B * S, X]
    %z = graph.reshape (graph.add %r, (graph.broadcast %bias, dims = [1]))
    ```
    Kernels cut one axis of rows into tiles; the inner one of two is one token where a decoder steps, or a small batch.
    What works on rows goes along: maps, reductions of features, broadcasts of both axes or none. Nothing is merged
    that ends in something which knows the axes apart (a transpose, a concatenation, positions that are added) and
    that nobody else reads: a kernel would have gone on there.
  }];
  let statistics = [Statistic<"numMerged", "merged", "Ops that have one axis of rows now">];
}

def GraphSinkReshapes : Pass<"graph-sink-reshapes", "::mlir::ModuleOp"> {
  let summary = "Adds axes of extent 1 as late as possible, and drops them as early as possible";
  let description = [{
    ```mlir
    %r = graph.reshape %sum : !graph.tensor<[B], f32> -> !graph.tensor<[B, 1], f32>
    %m = graph.mul %r, %splat : !graph.tensor<[B, 1], f32>
    %b = graph.broadcast %m, dims = [0, 1] : ... -> !graph.tensor<[B, N], f32>
    // =>
    %m = graph.mul %sum, %splat2 : !graph.tensor<[B], f32>
    %b = graph.broadcast %m, dims = [0] : ... -> !graph.tensor<[B, N], f32>
    ```
    Axes of extent 1 are dropped as early as possible in the same way. Kernels are formed between views, so
    fewer views inside make larger kernels.
  }];
}

def GraphSplitConcats : Pass<"graph-split-concats", "::mlir::ModuleOp"> {
  let summary = "Computes maps and reductions of a concatenation on its pieces";
  let description = [{
    ```mlir
    %c = graph.concat %s, %sink axis = 1 : ... -> !graph.tensor<[M, K + 1], f32>
    %m = graph.reduce max %c, axes = [1] : ...
    %e = graph.exp (graph.sub %c, (graph.broadcast %m)) : !graph.tensor<[M, K + 1], f32>
    %r = graph.slice %e, starts = [0, 0], steps = [1, 1] : ... -> !graph.tensor<[M, K], f32>
    // =>
    %m = graph.max (graph.reduce max %s, axes = [1]), (graph.reshape %sink) : ...
    %r = graph.exp (graph.sub %s, (graph.broadcast %m)) : !graph.tensor<[M, K], f32>
    ```
    Only where all that is computed from the concatenation ends in reductions along its axis and in slices
    of one piece.
  }];
  let statistics = [Statistic<"numSplit", "split", "Concatenations that are gone">];
}

def GraphNestConcats : Pass<"graph-nest-concats", "::mlir::ModuleOp"> {
  let summary = "Makes trees of concatenations of many tensors";
  let description = [{
    ```mlir
    %y = graph.concat %x0, %x1, ..., %x99 axis = 0 : ...
    // =>
    %a = graph.concat %x0, ..., %x31 axis = 0 : ...
    %b = graph.concat %x32, ..., %x63 axis = 0 : ...
    %c = graph.concat %x64, ..., %x95 axis = 0 : ...
    %d = graph.concat %x96, ..., %x99 axis = 0 : ...
    %y = graph.concat %a, %b, %c, %d axis = 0 : ...
    ```
    The size of a kernel, and what compiling it takes, are bounded so.
  }];
  let statistics = [Statistic<"numNested", "nested", "Concatenations that became trees">];
}

def GraphChannelsLast : Pass<"graph-channels-last", "::mlir::ModuleOp"> {
  let summary = "Gives convolutions channels-last operands where that pays";
  let description = [{
    With channels last, vectors lie along the channels, whose number is known and rarely small, instead
    of along rows of a picture. Convolutions and the ops between them that work in any layout change
    together, when the convolutions gain more than the transposes at their border cost.

    ```mlir
    graph.conv %x, %w, ... : (!graph.tensor<[1, 3, H, W], f32>, ...) -> !graph.tensor<[1, 16, H, W], f32>
    // =>
    %t = graph.transpose %x, perm = [0, 2, 3, 1] : ...
    %c = graph.conv %t, %w, ..., layout = "NHWC,OIHW->NHWC" : ... -> !graph.tensor<[1, H, W, 16], f32>
    graph.transpose %c, perm = [0, 3, 1, 2] : ...
    ```
  }];
}

def GraphInlineCalls : Pass<"graph-inline-calls", "::mlir::ModuleOp"> {
  let summary = "Replaces calls by the bodies of their functions, and drops private functions";
}

def GraphFormStreams : Pass<"graph-form-streams", "::mlir::ModuleOp"> {
  let summary = "Makes one graph.stream of a chain of reductions that can be repaired";
  let description = [{
    The maximum of scores, its place, sums of e^(x - max x) and contractions with it, and sums of the scores
    themselves, however they are spelled: attention, softmax before a product, cross-entropy and the choice
    of a class over computed logits. Scores and weights are not stored. Long rows are read once for their
    mean and variance.

    ```mlir
    %s = graph.contract "md,kd->mk" %q, %k : ...
    %m = graph.reduce max %s, axes = [1] : ...
    ...
    %o = graph.contract "mk,kd->md" %p, %v : ...
    // =>
    %o = graph.stream %q, %k, %v axes = [-1, 0, 0], identity = [-inf, 0.0, 0.0], block = "block"
    ```
  }];
  let options = [
    Option<"explain", "explain", "bool", "false", "Say of every maximum what follows from it">,
    Option<"roundedWeights", "rounded-weights", "bool", "false",
           "Also where weights are rounded before a product, and its result behind it: those of a block are then, and what is merged">,
    Option<"longRows", "long-rows", "bool", "true",
           "Means and variances of long rows, too, which a GPU reduces better by its blocks of threads">];
  let statistics = [Statistic<"numFormed", "formed", "Streams">];
}

def GraphLowerQuantized : Pass<"graph-lower-quantized", "::mlir::ModuleOp"> {
  let summary = "Computes products of dequantized operands in integers";
  let description = [{
    ```mlir
    %a = graph.dequantize %x, %sx, %zx : (!graph.tensor<[M, 64], ui8>, ...) -> !graph.tensor<[M, 64], f32>
    %b = graph.dequantize %w, %sw axis = 1 : (!graph.tensor<[64, 32], si8>, ...) -> !graph.tensor<[64, 32], f32>
    %p = graph.contract "mk,kn->mn" %a, %b : ...
    %q = graph.quantize %p, %sy, %zy : ...
    // =>
    %i = graph.contract "mk,kn->mn" %x, %w acc si32 : ... -> !graph.tensor<[M, 32], si32>
    %c = graph.add %i, (- zx * sums of w's columns)
    %p = graph.mul (graph.convert %c), (sx * sw)
    %q = graph.quantize (graph.mul %p, 1 / sy), 1.0, %zy
    ```
    Sums are exact; a product whose sum might not fit si32 stays. Everything behind it is elementwise, so
    it is computed in the registers of the product's kernel. A quantized result may be one step off where
    the model's own f32 arithmetic lies that close to a tie.
  }];
  let statistics = [Statistic<"numProducts", "products", "Products that became integer ones">];
}

def GraphLowerPrecision : Pass<"graph-lower-precision", "::mlir::ModuleOp"> {
  let summary = "Rounds the operands of contractions and convolutions to bf16 or f16, or lets them be rounded to tf32";
  let description = [{
    ```mlir
    %y = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[M, 64], f32>, ...) -> !graph.tensor<[M, 32], f32>
    // =>
    %a = graph.convert %x : (!graph.tensor<[M, 64], f32>) -> !graph.tensor<[M, 64], bf16>
    %b = graph.convert %w : ...
    %y = graph.contract "mk,kn->mn" %a, %b : (!graph.tensor<[M, 64], bf16>, ...) -> !graph.tensor<[M, 32], f32>
    ```
    To nearest, ties to even; what is beyond the largest f16 becomes infinite. Sums and results keep their
    types, and so does everything that is no operand of a product. With tf32 no type changes: products of f32
    get `graph.tf32`, with which a GPU's instructions for matrices may round what they read; with f8-sums
    products of 8-bit floats get `graph.f8_sums`, whose sums may have the bits that such instructions keep.
  }];
  let options = [Option<"type", "type", "std::string", "\"bf16\"", "bf16, f16, tf32 or f8-sums">];
  let statistics = [Statistic<"numProducts", "products", "Products with operands that are rounded now">];
}

def GraphNarrowFactors : Pass<"graph-narrow-factors", "::mlir::ModuleOp"> {
  let summary = "Products of numbers that were converted to f32 read them as they were";
  let description = [{
    ```mlir
    %a = graph.convert %x : !graph.tensor<[M, K], f8E4M3FN> -> !graph.tensor<[M, K], f32>
    %b = graph.convert %w : !graph.tensor<[K, N], f16> -> !graph.tensor<[K, N], f32>
    %y = graph.contract "mk,kn->mn" %a, %b : (!graph.tensor<[M, K], f32>, ...) -> !graph.tensor<[M, N], f32>
    // =>
    %y = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[M, K], f8E4M3FN>, !graph.tensor<[K, N], f16>)
      -> !graph.tensor<[M, N], f32>
    ```
    Where one type of 16 bits holds the numbers of both: products of such are exact in f32, in which they are
    summed as before. For GPUs, whose instructions for matrices read them.
  }];
  let statistics = [Statistic<"numNarrowed", "narrowed", "Number of products that read numbers of fewer bits">];
}

def GraphQuantizeWeights : Pass<"graph-quantize-weights", "::mlir::ModuleOp"> {
  let summary = "Stores constant operands of contractions in fewer bits";
  let description = [{
    ```mlir
    %c = graph.contract "mk,kn->mn" %x, (graph.constant W) : ...
    // =>
    %w = graph.constant #graph.weight<... : !graph.tensor<[N, K/32], !graph.block<"q4_g32">>>
    %d = graph.decode_blocks %w : ... -> !graph.tensor<[N, K], f32>
    %c = graph.contract "mk,nk->mn" %x, %d : ...
    ```
    Blocks lie along an axis that is summed over. What is computed changes: by the rounding of the format,
    and by nothing else. Left are weights that something else reads too (they would be stored twice), that
    are short, have no such axis of a multiple of a block, or values that the format has not.
  }];
  let options = [
    Option<"format", "format", "std::string", "\"q4_g32\"",
           "A format of dialects/common/BlockFormat.h, bf16 or f16">,
    Option<"leastElements", "least-elements", "int64_t", "1024", "Weights of fewer elements are left">,
    Option<"explain", "explain", "bool", "false", "Say of every weight what became of it">];
  let statistics = [Statistic<"numStored", "stored", "Weights in the format">];
}

def GraphWinogradConv : Pass<"graph-winograd-conv", "::mlir::ModuleOp"> {
  let summary = "Computes 3x3 convolutions by products of 16 matrices where that is faster";
  let description = [{
    Tiles of 2x2 results, F(2x2, 3x3) of Lavin and Gray (arXiv:1509.09308): 16 multiplications instead of 36.
    ```mlir
    %y = graph.conv %x, %w, strides = [1, 1], ..., layout = "NHWC,OIHW->NHWC" : [N, 2 * H + 2, 2 * W + 2, C], [K, C, 3, 3]
    // =>
    %v = graph.concat (16 sums of slices of %x with steps of 2) axis = 0 : [16, N, H, W, C]
    %u = graph.contract "pt,gkct->pgck" (a constant), %w : [16, 1, C, K]
    %m = graph.contract "pmc,pck->pmk" %v, %u : [16, N * H * W, K]
    %y = graph.select (places that are even), (sums of nearest neighbours in %m), (others)
    ```
    Of f32, with steps of 1 and without dilations; odd extents have a last tile of which a part is
    dropped. Left are groups of one channel, and what an estimate says is not faster so. Results are rounded otherwise, and an infinity makes NaN of
    results near it that do not depend on it.
  }];
  let options = [
    Option<"always", "always", "bool", "false", "Whatever the estimate says">,
    Option<"flopsPerL2Byte", "flops-per-l2-byte", "double", "1.0",
           "Operations of f32 in the time in which a byte comes from the second cache">,
    Option<"flopsPerL3Byte", "flops-per-l3-byte", "double", "2.0", "The same from the last one">,
    Option<"flopsPerMemoryByte", "flops-per-memory-byte", "double", "5.0", "The same from memory">,
    Option<"l2Bytes", "l2-bytes", "double", "524288", "Size of the second cache">,
    Option<"l3Bytes", "l3-bytes", "double", "16777216", "Size of the last cache">,
    Option<"explain", "explain", "bool", "false", "Say of every convolution what was decided, and why">];
  let statistics = [Statistic<"numTiled", "tiled", "Convolutions that are products of matrices now">];
}

def GraphExplicitPadding : Pass<"graph-explicit-padding", "::mlir::ModuleOp"> {
  let summary = "Turns the padding of convolutions and windows into graph.pad";
  let description = [{
    Convolutions are padded with zeros, windows with the neutral element of their kind. A kernel
    that reads a padded tensor has no bounds to test in its inner loops. Last axes of extent 1 are left out of
    paddings: vectors go along the last one.
  }];
}

def GraphFoldConstants : Pass<"graph-fold-constants", "::mlir::ModuleOp"> {
  let summary = "Computes ops whose operands are all constants, with the reference interpreter";
  let description = [{
    ```
    %t = graph.transpose (graph.constant W), perm = [1, 0]   =>   graph.constant W'
    ```
    A tensor without elements is a constant, whatever computes it.

    A result that would take more memory than the constants it comes from stays an op (a broadcast, a
    conversion to a longer type), unless it is small, marked (`graph.fold`), or what a product or a convolution reads is made of much less
    and of positions. Long results are derived weights; weights that nothing
    uses any more are released.
  }];
  let options = [
    Option<"maxBytes", "max-bytes", "int64_t", "int64_t(1) << 31", "Size of a result">,
    Option<"maxSteps", "max-steps", "int64_t", "int64_t(1) << 28", "Element operations for one op">,
    Option<"placed", "placed", "bool", "false",
           "Only ops that place elements (padding may grow): what a model quantizes stays so">
  ];
  let statistics = [Statistic<"numFolded", "folded", "Ops that became constants">];
}

def GraphJoinScales : Pass<"graph-join-scales", "::mlir::ModuleOp"> {
  let summary = "Scales a product of two scaled factors once";
  let description = [{
    ```
    %q = graph.mul %x, 0.5; %k = graph.mul %y, 0.25           %q = graph.mul %x, 0.125
    graph.contract "mk,nk->mn" %q, %k                    =>   graph.contract "mk,nk->mn" %q, %y
    ```
    Also behind views. Of f32 and f64, by the factor that is known to have no more elements, or the first.
  }];
  let statistics = [Statistic<"numJoined", "joined", "Factors that are not scaled any more">];
}

def GraphFoldTransposes : Pass<"graph-fold-transposes", "::mlir::ModuleOp"> {
  let summary = "Lets contractions read transposed operands in place";
  let description = [{
    The letters of a contraction's equation say where each dim of an operand is, so a transpose
    before or after it is a change of letters. One that stands before a view which splits its axes goes
    behind it:
    ```
    %a = graph.reshape %x : [B, H, S, D] -> [B * H, S, D]
    %t = graph.transpose %a, perm = [0, 2, 1]            =>   %r = graph.transpose %x, perm = [0, 1, 3, 2]
    %r = graph.reshape %t : [B * H, D, S] -> [B, H, D, S]
    ```
  }];
}

#endif
