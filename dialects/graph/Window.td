//===- Window.td - Sliding windows: convolution, pooling, resize -------------===//

include "dialects/graph/GraphBase.td"

class Graph_ConvolutionOp<string mnemonic> : Graph_InferredDimsOp<mnemonic> {
  let results = (outs Graph_NumberTensor:$result);
  let hasVerifier = 1;
}

def Graph_ConvOp : Graph_ConvolutionOp<"conv"> {
  let summary = "Convolution (cross-correlation) with strides, dilations, padding and groups";
  let description = [{
    ```
    graph.conv %x, %w, strides = [2, 2], dilations = [1, 1], lo = [1, 1], hi = [1, 1], groups = 1
      : (!graph.tensor<[N, 3, H, W], f32>, !graph.tensor<[16, 3, 3, 3], f32>)
        -> !graph.tensor<[N, 16, floordiv(H + 1, 2), floordiv(W + 1, 2)], f32>
    ```
    out[n, o, y] = sum over c, k of x[n, g * C/groups + c, y * stride + k * dilation - lo] * w[o, c, k]
    with g the group of o; reads outside x give 0. `layout` names the dims of x, w and the result:
    "NCHW,OIHW->NCHW" by default (spatial letters W, HW or DHW). Types as in `graph.contract`.

    * (C1) `layout` is "x,w->result", x and result a permutation of N, C and the spatial letters, w one of
      O, I and the same letters; operands have that rank, 1 to 3 spatial dims.
    * (C2) `strides`, `dilations` (positive), `lo`, `hi` (constants not negative) have one entry for each
      spatial dim, in the order D, H, W.
    * (C3) groups >= 1 divides a constant C and O; the extent of C is groups * that of I.
    * (C4) The window is not larger than the padded input, where provable.
    * (C5) Both operands are floats of one type, or integers; so are `acc` and the result.
  }];
  let arguments = (ins Graph_NumberTensor:$x, Graph_NumberTensor:$weight,
                       DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations,
                       Graph_DimArrayAttr:$lo, Graph_DimArrayAttr:$hi,
                       DefaultValuedAttr<I64Attr, "1">:$groups, OptionalAttr<StrAttr>:$layout,
                       OptionalAttr<TypeAttr>:$acc);
  let assemblyFormat = [{
    $x `,` $weight `,` `strides` `=` $strides `,` `dilations` `=` $dilations
    `,` `lo` `=` custom<Dims>($lo) `,` `hi` `=` custom<Dims>($hi)
    `` custom<GroupsAndLayout>($groups, $layout) (`acc` $acc^)? attr-dict
    `:` functional-type(operands, results)
  }];
  let extraClassDeclaration = [{
    /// Where the dims are; the default layout spelled out.
    ConvLayout getConvLayout();
    mlir::Type getAccumulatorType();
  }];
}

def Graph_ConvTransposeOp : Graph_ConvolutionOp<"conv_transpose"> {
  let summary = "Transposed convolution: the adjoint of conv in its input";
  let description = [{
    Every x[n, c, y] adds x * w[c, o, k] to out[n, g * O + o, y * stride + k * dilation - lo]; the extent is
    (X - 1) * stride + (K - 1) * dilation + 1 - lo - hi + output_padding. `layout` as in conv with w's
    default "IOHW": I is the extent of x's channels, O the output channels of a group.

    * (C1) `layout` as in conv (C1).
    * (C2) `strides`, `dilations`, `lo`, `hi` as in conv (C2); `output_padding` has as many entries,
      each constant not negative.
    * (C3) groups >= 1 divides a constant C; the extent of C is that of I.
    * (C4) No constant result extent is negative.
    * (C5) Types as in conv (C5).
  }];
  let arguments = (ins Graph_NumberTensor:$x, Graph_NumberTensor:$weight,
                       DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations,
                       Graph_DimArrayAttr:$lo, Graph_DimArrayAttr:$hi,
                       Graph_DimArrayAttr:$output_padding,
                       DefaultValuedAttr<I64Attr, "1">:$groups, OptionalAttr<StrAttr>:$layout,
                       OptionalAttr<TypeAttr>:$acc);
  let assemblyFormat = [{
    $x `,` $weight `,` `strides` `=` $strides `,` `dilations` `=` $dilations
    `,` `lo` `=` custom<Dims>($lo) `,` `hi` `=` custom<Dims>($hi)
    `,` `output_padding` `=` custom<Dims>($output_padding)
    `` custom<GroupsAndLayout>($groups, $layout) (`acc` $acc^)? attr-dict
    `:` functional-type(operands, results)
  }];
  let extraClassDeclaration = [{
    ConvLayout getConvLayout();
    mlir::Type getAccumulatorType();
  }];
}

def Graph_WindowKind : Graph_Enum<"WindowKind", "how the elements of a window combine", [
  I32EnumAttrCase<"sum", 0>, I32EnumAttrCase<"prod", 1>, I32EnumAttrCase<"max", 2>,
  I32EnumAttrCase<"min", 3>]>;
def Graph_WindowKindAttr : Graph_EnumAttr<Graph_WindowKind, "window_kind">;

def Graph_WindowReduceOp : Graph_InferredOp<"window_reduce"> {
  let summary = "Combines the elements of every window (pooling)";
  let description = [{
    `graph.window_reduce max %x, axes = [2, 3], window = [3, 3], strides = [2, 2], dilations = [1, 1],
    lo = [1, 1], hi = [1, 1] : A -> B`. Extent: floordiv(lo + X + hi - ((K - 1) * dilation + 1), stride) + 1.
    Padding elements are the neutral element of the kind (as in `graph.reduce`), so an average that does
    not count padding is the sum of x divided by the sum of ones.

    * (C1) `axes` are strictly increasing and below the rank.
    * (C2) All other lists have one entry for each axis; window, strides, dilations are positive, constant
      padding is not negative.
    * (C3) The window is not larger than the padded extent, where provable.
  }];
  let arguments = (ins Graph_WindowKindAttr:$kind, Graph_NumberTensor:$x, DenseI64ArrayAttr:$axes,
                       DenseI64ArrayAttr:$window, DenseI64ArrayAttr:$strides,
                       DenseI64ArrayAttr:$dilations, Graph_DimArrayAttr:$lo,
                       Graph_DimArrayAttr:$hi);
  let results = (outs Graph_NumberTensor:$result);
  let assemblyFormat = [{
    $kind $x `,` `axes` `=` $axes `,` `window` `=` $window `,` `strides` `=` $strides
    `,` `dilations` `=` $dilations `,` `lo` `=` custom<Dims>($lo) `,` `hi` `=` custom<Dims>($hi)
    attr-dict `:` type($x) `->` type($result)
  }];
}

def Graph_ResizeMode : Graph_Enum<"ResizeMode", "how between samples", [
  I32EnumAttrCase<"nearest", 0>, I32EnumAttrCase<"linear", 1>, I32EnumAttrCase<"cubic", 2>]>;
def Graph_ResizeModeAttr : Graph_EnumAttr<Graph_ResizeMode, "resize_mode">;
def Graph_CoordinateMode : Graph_Enum<"CoordinateMode", "from a result to a source coordinate", [
  I32EnumAttrCase<"half_pixel", 0>, I32EnumAttrCase<"half_pixel_symmetric", 1>,
  I32EnumAttrCase<"pytorch_half_pixel", 2>, I32EnumAttrCase<"align_corners", 3>,
  I32EnumAttrCase<"asymmetric", 4>]>;
def Graph_CoordinateModeAttr : Graph_EnumAttr<Graph_CoordinateMode, "coordinate_mode">;
def Graph_NearestMode : Graph_Enum<"NearestMode", "rounding of a coordinate", [
  I32EnumAttrCase<"round_prefer_floor", 0>, I32EnumAttrCase<"round_prefer_ceil", 1>,
  I32EnumAttrCase<"floor", 2>, I32EnumAttrCase<"ceil", 3>]>;
def Graph_NearestModeAttr : Graph_EnumAttr<Graph_NearestMode, "nearest_mode">;

def Graph_ResizeOp : Graph_Op<"resize", [Pure]> {
  let summary = "Samples x on a finer or coarser grid";
  let description = [{
    `graph.resize nearest %x, axes = [2, 3], coordinates = asymmetric, rounding = floor, scales = [2.0, 2.0]
    : A -> B`; the result's type gives the extents. With scale s (the given one, else result extent / x
    extent), X and Y the extents of x and result, the source coordinate of y is
    half_pixel: (y + 0.5) / s - 0.5; half_pixel_symmetric: the same plus X/2 * (1 - Y / (s * X));
    pytorch_half_pixel: the same as half_pixel, but 0 when Y is 1; align_corners: y * (X - 1) / (Y - 1), 0
    when Y is 1; asymmetric: y / s. Coordinates are computed in f32. Neighbours outside are clamped to the
    border; cubic uses the kernel with `cubic_a`, and with `exclude_outside` leaves outside
    neighbours out and normalises the weights.

    * (C1) `axes` are strictly increasing and below the rank; other extents and the element type stay.
    * (C2) `scales`, when given, has one positive entry for each axis.
    * (C3) linear and cubic need floats, or 8-bit integers (computed in f32, then rounded to even).
    * (C4) A constant extent of x along the axes is not 0 unless the result's is.
  }];
  let arguments = (ins Graph_ResizeModeAttr:$mode, Graph_NumberTensor:$x, DenseI64ArrayAttr:$axes,
                       Graph_CoordinateModeAttr:$coordinates, Graph_NearestModeAttr:$rounding,
                       OptionalAttr<DenseF64ArrayAttr>:$scales,
                       DefaultValuedAttr<F64Attr, "-0.75">:$cubic_a, UnitAttr:$exclude_outside);
  let results = (outs Graph_NumberTensor:$result);
  let assemblyFormat = [{
    $mode $x `,` `axes` `=` $axes `,` `coordinates` `=` $coordinates `,` `rounding` `=` $rounding
    (`,` `scales` `=` $scales^)? attr-dict `:` type($x) `->` type($result)
  }];
  let hasVerifier = 1;
}
