//===- Composite.td - Ops that are a graph of others ---------------------------===//
//
// A definition here and a decomposition in Composite*.cpp, nothing else. No pass knows them.

include "dialects/graph/GraphBase.td"

class Graph_Composite<string mnemonic, list<Trait> traits = []>
    : Graph_InferredOp<mnemonic,
        !listconcat([DeclareOpInterfaceMethods<Graph_DecomposableOpInterface>], traits)>;

class Graph_UnaryComposite<string mnemonic, string text, Type type = Graph_FloatTensor>
    : Graph_Composite<mnemonic> {
  let summary = text;
  let arguments = (ins type:$x);
  let results = (outs type:$result);
  let assemblyFormat = "$x attr-dict `:` type($x)";
  let extraClassDefinition = Graph_SameTypeInference<>.definition;
}

//===----------------------------------------------------------------------===//
// Activations
//===----------------------------------------------------------------------===//

def Graph_ReluOp : Graph_UnaryComposite<"relu", "max(x, 0)", Graph_NumberTensor>;
def Graph_SigmoidOp : Graph_UnaryComposite<"sigmoid", "1 / (1 + e^-x)">;
def Graph_SiluOp : Graph_UnaryComposite<"silu", "x * sigmoid(x)">;
def Graph_SoftplusOp : Graph_UnaryComposite<"softplus", "log(1 + e^x) = max(x, 0) + log1p(e^-|x|)">;
def Graph_SoftsignOp : Graph_UnaryComposite<"softsign", "x / (1 + |x|)">;
def Graph_MishOp : Graph_UnaryComposite<"mish", "x * tanh(softplus(x))">;
def Graph_HardSwishOp : Graph_UnaryComposite<"hard_swish", "x * hard_sigmoid(x; 1/6, 1/2)">;
def Graph_ReciprocalOp : Graph_UnaryComposite<"reciprocal", "1 / x">;

def Graph_LeakyReluOp : Graph_UnaryComposite<"leaky_relu", "x, or alpha * x where x < 0"> {
  let arguments = (ins Graph_FloatTensor:$x, F64Attr:$alpha);
}
def Graph_EluOp : Graph_UnaryComposite<"elu", "x, or alpha * (e^x - 1) where x < 0"> {
  let arguments = (ins Graph_FloatTensor:$x, F64Attr:$alpha);
}
def Graph_SeluOp : Graph_UnaryComposite<"selu", "gamma * elu(x; alpha)"> {
  let arguments = (ins Graph_FloatTensor:$x, F64Attr:$alpha, F64Attr:$gamma);
}
def Graph_HardSigmoidOp
    : Graph_UnaryComposite<"hard_sigmoid", "clamp(alpha * x + beta, 0, 1)"> {
  let arguments = (ins Graph_FloatTensor:$x, F64Attr:$alpha, F64Attr:$beta);
}
def Graph_GeluOp : Graph_UnaryComposite<"gelu",
    "x * Phi(x) with the error function, or its tanh approximation"> {
  let arguments = (ins Graph_FloatTensor:$x, UnitAttr:$tanh);
}

def Graph_ClampOp : Graph_Composite<"clamp"> {
  let summary = "min(max(x, lo), hi) with scalar bounds; NaN stays";
  let description = [{
    * (C1) lo and hi are scalars of x's element type.
  }];
  let arguments = (ins Graph_NumberTensor:$x, Graph_NumberTensor:$lo, Graph_NumberTensor:$hi);
  let results = (outs Graph_NumberTensor:$result);
  let assemblyFormat = "$x `,` $lo `,` $hi attr-dict `:` functional-type(operands, results)";
}

def Graph_PreluOp : Graph_Composite<"prelu", [
    TypesMatchWith<"(C1) slope has the type of x", "x", "slope", "$_self">]> {
  let summary = "x, or slope * x where x < 0";
  let description = [{
    * (C1) slope has the type of x.
  }];
  let arguments = (ins Graph_FloatTensor:$x, Graph_FloatTensor:$slope);
  let results = (outs Graph_FloatTensor:$result);
  let assemblyFormat = "$x `,` $slope attr-dict `:` type($x)";
  let extraClassDefinition = Graph_SameTypeInference<>.definition;
}

def Graph_SwigluOp : Graph_Composite<"swiglu", [
    TypesMatchWith<"(C1) y has the type of x", "x", "y", "$_self">]> {
  let summary = "silu(x) * y";
  let description = [{
    * (C1) y has the type of x.
  }];
  let arguments = (ins Graph_FloatTensor:$x, Graph_FloatTensor:$y);
  let results = (outs Graph_FloatTensor:$result);
  let assemblyFormat = "$x `,` $y attr-dict `:` type($x)";
  let extraClassDefinition = Graph_SameTypeInference<>.definition;
}

//===----------------------------------------------------------------------===//
// Reductions and normalisations
//===----------------------------------------------------------------------===//

class Graph_SoftmaxLike<string mnemonic, string text> : Graph_Composite<mnemonic> {
  let summary = text;
  let description = [{
    * (C1) `axes` are strictly increasing and below the rank.
  }];
  let arguments = (ins Graph_FloatTensor:$x, DenseI64ArrayAttr:$axes);
  let results = (outs Graph_FloatTensor:$result);
  let assemblyFormat = "$x `,` `axes` `=` $axes attr-dict `:` type($x)";
}
def Graph_SoftmaxOp : Graph_SoftmaxLike<"softmax", "e^(x - max x) / sum e^(x - max x)">;
def Graph_LogSoftmaxOp : Graph_SoftmaxLike<"log_softmax", "x - logsumexp x">;
def Graph_L2NormalizeOp : Graph_SoftmaxLike<"l2_normalize", "x / max(sqrt(sum x^2), epsilon)"> {
  let arguments = (ins Graph_FloatTensor:$x, DenseI64ArrayAttr:$axes, F64Attr:$epsilon);
}

class Graph_CompositeReduction<string mnemonic, string text> : Graph_Composite<mnemonic> {
  let summary = text;
  let description = [{
    * (C1) `axes` are strictly increasing and below the rank; they disappear.
  }];
  let arguments = (ins Graph_FloatTensor:$x, DenseI64ArrayAttr:$axes);
  let results = (outs Graph_FloatTensor:$result);
  let assemblyFormat = "$x `,` `axes` `=` $axes attr-dict `:` type($x) `->` type($result)";
}
def Graph_MeanOp : Graph_CompositeReduction<"mean", "The mean along the axes">;
def Graph_VarianceOp : Graph_CompositeReduction<"variance",
                                                "The mean of (x - mean)^2 along the axes">;
def Graph_LogSumExpOp : Graph_CompositeReduction<"logsumexp",
                                                 "log(sum e^x) along the axes, without overflow">;

def Graph_LayerNormOp : Graph_Composite<"layer_norm"> {
  let summary = "(x - mean) / sqrt(variance + epsilon) * scale + bias over the dims from axis on";
  let description = [{
    Computed in f32 when x is f16 or bf16.

    * (C1) 0 <= axis < rank.
    * (C2) scale and bias (optional) have the dims of x from the axis on, and x's element type.
  }];
  let arguments = (ins Graph_FloatTensor:$x, Graph_FloatTensor:$scale,
                       Optional<Graph_FloatTensor>:$bias, I64Attr:$axis, F64Attr:$epsilon);
  let results = (outs Graph_FloatTensor:$result);
  let assemblyFormat = [{
    $x `,` $scale `,` custom<OptionalAndComma>($bias) `axis` `=` custom<Int>($axis) attr-dict
    `:` functional-type(operands, results)
  }];
}

def Graph_RmsNormOp : Graph_Composite<"rms_norm"> {
  let summary = "x / sqrt(mean(x^2) + epsilon) * scale over the dims from axis on";
  let description = [{
    Computed in f32 when x is f16 or bf16.

    * (C1) 0 <= axis < rank.
    * (C2) scale has the dims of x from the axis on, and x's element type.
  }];
  let arguments = (ins Graph_FloatTensor:$x, Graph_FloatTensor:$scale, I64Attr:$axis,
                       F64Attr:$epsilon);
  let results = (outs Graph_FloatTensor:$result);
  let assemblyFormat = [{
    $x `,` $scale `,` `axis` `=` custom<Int>($axis) attr-dict
    `:` functional-type(operands, results)
  }];
}

def Graph_BatchNormOp : Graph_Composite<"batch_norm"> {
  let summary = "(x - mean) / sqrt(variance + epsilon) * scale + bias, one of each per index of axis";
  let description = [{
    * (C1) 0 <= axis < rank.
    * (C2) scale, bias, mean and variance have shape [extent of the axis] and x's element type.
  }];
  let arguments = (ins Graph_FloatTensor:$x, Graph_FloatTensor:$scale, Graph_FloatTensor:$bias,
                       Graph_FloatTensor:$mean, Graph_FloatTensor:$variance, I64Attr:$axis,
                       F64Attr:$epsilon);
  let results = (outs Graph_FloatTensor:$result);
  let assemblyFormat = [{
    $x `,` $scale `,` $bias `,` $mean `,` $variance `,` `axis` `=` custom<Int>($axis) attr-dict
    `:` functional-type(operands, results)
  }];
}

def Graph_InstanceNormOp : Graph_Composite<"instance_norm"> {
  let summary = "Normalises over the dims after the second, scale and bias per index of the second";
  let description = [{
    * (C1) x has rank >= 3.
    * (C2) scale and bias have shape [second extent] and x's element type.
  }];
  let arguments = (ins Graph_FloatTensor:$x, Graph_FloatTensor:$scale, Graph_FloatTensor:$bias,
                       F64Attr:$epsilon);
  let results = (outs Graph_FloatTensor:$result);
  let assemblyFormat = [{
    $x `,` $scale `,` $bias attr-dict `:` functional-type(operands, results)
  }];
}

//===----------------------------------------------------------------------===//
// Order, random numbers, differentiation
//===----------------------------------------------------------------------===//

def Graph_TopKOp : Graph_Composite<"top_k"> {
  let summary = "The k largest (smallest) elements along an axis, largest (smallest) first, and their places";
  let description = [{
    `%v, %i = graph.top_k %x, k = 5, axis = 1 : A -> B, C`: the first k of `graph.sort`, whose order also
    settles ties and NaN.

    * (C1) 0 <= axis < rank.
    * (C2) k is not larger than the extent of the axis.
  }];
  let arguments = (ins Graph_NumberOrBoolTensor:$x, Graph_DimAttr:$k, I64Attr:$axis,
                       UnitAttr:$smallest);
  let results = (outs Graph_NumberOrBoolTensor:$values, Graph_IntTensor:$indices);
  let assemblyFormat = [{
    $x `,` `k` `=` custom<DimExpr>($k) `,` `axis` `=` custom<Int>($axis) (`smallest` $smallest^)?
    attr-dict `:` type($x) `->` type($values) `,` type($indices)
  }];
}

class Graph_RandomComposite<string mnemonic>
    : Graph_Op<mnemonic, [Pure, DeclareOpInterfaceMethods<Graph_DecomposableOpInterface>]> {
  let results = (outs Graph_FloatTensor:$result);
  let assemblyFormat = "$key attr-dict `:` type($key) `->` type($result)";
  let hasVerifier = 1;
}

def Graph_RandomUniformOp : Graph_RandomComposite<"random_uniform"> {
  let summary = "Uniform numbers in [low, high) from the bits of random_bits";
  let description = [{
    * (C1) The result's elements are f32.
  }];
  let arguments = (ins Graph_IntTensor:$key, F64Attr:$low, F64Attr:$high);
}
def Graph_RandomNormalOp : Graph_RandomComposite<"random_normal"> {
  let summary = "Normal numbers of a mean and a scale (standard deviation) from the bits of random_bits";
  let description = [{
    * (C1) The result's elements are f32.
  }];
  let arguments = (ins Graph_IntTensor:$key, F64Attr:$mean, F64Attr:$scale);
}

def Graph_StopGradientOp
    : Graph_UnaryComposite<"stop_gradient", "x, a constant to differentiation", Graph_Tensor>;
