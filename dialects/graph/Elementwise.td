//===- Elementwise.td - One result element from one element of each operand ===//

include "dialects/graph/GraphBase.td"

/// Marks ops whose result element i depends only on the operands' elements i.
def Graph_Elementwise : NativeOpTrait<"Elementwise">{ let cppNamespace = "::tessera::graph"; }

class Graph_UnaryOp<string mnemonic, string text, Type type = Graph_FloatTensor,
                    list<Trait> traits = []>
    : Graph_InferredOp<mnemonic, !listconcat([Graph_Elementwise], traits)> {
  let summary = text;
  let arguments = (ins type:$x);
  let results = (outs type:$result);
  let assemblyFormat = "$x attr-dict `:` type($x)";
  let extraClassDefinition = Graph_SameTypeInference<>.definition;
}

class Graph_BinaryOp<string mnemonic, string text, Type type = Graph_NumberTensor,
                     list<Trait> traits = []>
    : Graph_InferredOp<mnemonic,
        !listconcat([Graph_Elementwise,
                     TypesMatchWith<"(C1) y has the type of x", "x", "y", "$_self">], traits)> {
  let summary = text;
  let description = !strconcat(text, ".\n\n* (C1) Both operands have the same type: broadcasting is "
                               "explicit.");
  let arguments = (ins type:$x, type:$y);
  let results = (outs type:$result);
  let assemblyFormat = "$x `,` $y attr-dict `:` type($x)";
  let extraClassDefinition = Graph_SameTypeInference<>.definition;
}

// Arithmetic. Integers wrap around; floats are IEEE 754, round to nearest even.
def Graph_AddOp : Graph_BinaryOp<"add", "x + y", Graph_NumberTensor, [Commutative]> {
  let hasFolder = 1;
}
def Graph_SubOp : Graph_BinaryOp<"sub", "x - y"> { let hasFolder = 1; }
def Graph_MulOp : Graph_BinaryOp<"mul", "x * y", Graph_NumberTensor, [Commutative]> {
  let hasFolder = 1;
}
def Graph_DivOp : Graph_BinaryOp<"div",
    "x / y; integers truncate towards zero, and x / 0 is 0 for them"> { let hasFolder = 1; }
def Graph_RemOp : Graph_BinaryOp<"rem",
    "x - y * trunc(x / y), the sign is that of x (C fmod); integers: rem by 0 is 0">;
def Graph_ModOp : Graph_BinaryOp<"mod",
    "x - y * floor(x / y), the sign is that of y (Python %); integers: mod by 0 is 0">;
def Graph_PowOp : Graph_BinaryOp<"pow",
    "x to the power y; C pow for floats; integers wrap, and a negative y gives trunc(x^y)">;
def Graph_MinOp : Graph_BinaryOp<"min", "The smaller one; NaN if either is; -0 < +0",
                                 Graph_NumberTensor, [Commutative]>;
def Graph_MaxOp : Graph_BinaryOp<"max", "The larger one; NaN if either is; -0 < +0",
                                 Graph_NumberTensor, [Commutative]>;
def Graph_Atan2Op : Graph_BinaryOp<"atan2", "The angle of the point (y, x): C atan2(x, y)",
                                   Graph_FloatTensor>;

// Logic: bitwise on integers, logical on bools.
def Graph_AndOp : Graph_BinaryOp<"and_", "x & y", Graph_BitsTensor, [Commutative]>;
def Graph_OrOp : Graph_BinaryOp<"or_", "x | y", Graph_BitsTensor, [Commutative]>;
def Graph_XorOp : Graph_BinaryOp<"xor", "x ^ y", Graph_BitsTensor, [Commutative]>;
def Graph_ShlOp : Graph_BinaryOp<"shl", "x << y; 0 where y is not in [0, bits)", Graph_IntTensor>;
def Graph_ShrOp : Graph_BinaryOp<"shr",
    "x >> y, arithmetic for signed; where y is not in [0, bits): 0, or -1 if x < 0",
    Graph_IntTensor>;

// Signs and rounding.
def Graph_NegOp : Graph_UnaryOp<"neg", "-x; integers wrap", Graph_NumberTensor>;
def Graph_AbsOp : Graph_UnaryOp<"abs", "|x|; the smallest signed integer stays",
                                Graph_NumberTensor>;
def Graph_SignOp : Graph_UnaryOp<"sign", "-1, 0 or 1; NaN and signed zeros stay",
                                 Graph_NumberTensor>;
def Graph_FloorOp : Graph_UnaryOp<"floor", "Round towards -inf", Graph_FloatTensor>;
def Graph_CeilOp : Graph_UnaryOp<"ceil", "Round towards +inf", Graph_FloatTensor>;
def Graph_RoundOp : Graph_UnaryOp<"round", "Round to nearest, ties to even", Graph_FloatTensor>;
def Graph_TruncOp : Graph_UnaryOp<"trunc", "Round towards zero", Graph_FloatTensor>;

// Elementary functions, with C's results at NaN, infinities and signed zeros.
def Graph_SqrtOp : Graph_UnaryOp<"sqrt", "Square root; NaN below zero">;
def Graph_RsqrtOp : Graph_UnaryOp<"rsqrt", "1 / sqrt(x)">;
def Graph_ExpOp : Graph_UnaryOp<"exp", "e^x">;
def Graph_Exp2Op : Graph_UnaryOp<"exp2", "2^x">;
def Graph_Expm1Op : Graph_UnaryOp<"expm1", "e^x - 1, accurate near 0">;
def Graph_LogOp : Graph_UnaryOp<"log", "Natural logarithm">;
def Graph_Log1pOp : Graph_UnaryOp<"log1p", "log(1 + x), accurate near 0">;
def Graph_SinOp : Graph_UnaryOp<"sin", "Sine">;
def Graph_CosOp : Graph_UnaryOp<"cos", "Cosine">;
def Graph_TanOp : Graph_UnaryOp<"tan", "Tangent">;
def Graph_AsinOp : Graph_UnaryOp<"asin", "Arc sine">;
def Graph_AcosOp : Graph_UnaryOp<"acos", "Arc cosine">;
def Graph_AtanOp : Graph_UnaryOp<"atan", "Arc tangent">;
def Graph_SinhOp : Graph_UnaryOp<"sinh", "Hyperbolic sine">;
def Graph_CoshOp : Graph_UnaryOp<"cosh", "Hyperbolic cosine">;
def Graph_TanhOp : Graph_UnaryOp<"tanh", "Hyperbolic tangent">;
def Graph_AsinhOp : Graph_UnaryOp<"asinh", "Inverse hyperbolic sine">;
def Graph_AcoshOp : Graph_UnaryOp<"acosh", "Inverse hyperbolic cosine">;
def Graph_AtanhOp : Graph_UnaryOp<"atanh", "Inverse hyperbolic tangent">;
def Graph_ErfOp : Graph_UnaryOp<"erf", "Error function">;

def Graph_NotOp : Graph_UnaryOp<"not_", "~x on integers, !x on bools", Graph_BitsTensor>;

// Comparing and choosing.
class Graph_FloatTestOp<string mnemonic, string text>
    : Graph_InferredOp<mnemonic, [Graph_Elementwise]> {
  let summary = text;
  let arguments = (ins Graph_FloatTensor:$x);
  let results = (outs Graph_BoolTensor:$result);
  let assemblyFormat = "$x attr-dict `:` type($x)";
  let extraClassDefinition = [{
    ::llvm::LogicalResult $cppClass::inferReturnTypes(
        ::mlir::MLIRContext *, ::std::optional<::mlir::Location>, Adaptor adaptor,
        ::llvm::SmallVectorImpl<::mlir::Type> &inferred) {
      inferred.push_back(getBoolTensor(adaptor.getX().getType()));
      return ::mlir::success();
    }
  }];
}
def Graph_IsNanOp : Graph_FloatTestOp<"is_nan", "Whether x is NaN">;
def Graph_IsInfOp : Graph_FloatTestOp<"is_inf", "Whether x is an infinity of either sign">;

def Graph_CompareKind : Graph_Enum<"CompareKind", "comparison", [
  I32EnumAttrCase<"eq", 0>, I32EnumAttrCase<"ne", 1>, I32EnumAttrCase<"lt", 2>,
  I32EnumAttrCase<"le", 3>, I32EnumAttrCase<"gt", 4>, I32EnumAttrCase<"ge", 5>]>;
def Graph_CompareKindAttr : Graph_EnumAttr<Graph_CompareKind, "compare_kind">;

def Graph_CompareOp : Graph_InferredOp<"compare", [Graph_Elementwise,
    TypesMatchWith<"(C1) y has the type of x", "x", "y", "$_self">]> {
  let summary = "Compares elements; with a NaN only `ne` is true";
  let description = [{
    `graph.compare lt %x, %y : !graph.tensor<[N], f32>` gives a tensor of bools.

    * (C1) Both operands have the same type.
    * (C2) Bools are only compared with `eq` and `ne`.
  }];
  let arguments = (ins Graph_CompareKindAttr:$kind, Graph_NumberOrBoolTensor:$x,
                       Graph_NumberOrBoolTensor:$y);
  let results = (outs Graph_BoolTensor:$result);
  let assemblyFormat = "$kind $x `,` $y attr-dict `:` type($x)";
  let hasVerifier = 1;
}

def Graph_SelectOp : Graph_InferredOp<"select", [Graph_Elementwise,
    TypesMatchWith<"(C1) y has the type of x", "x", "y", "$_self">,
    TypesMatchWith<"(C2) cond is the tensor of bools of the shape of x", "x", "cond",
                   "getBoolTensor($_self)">]> {
  let summary = "x where cond is true, y elsewhere";
  let description = [{
    * (C1) x and y have the same type.
    * (C2) cond is a tensor of bools of their shape.
  }];
  let arguments = (ins Graph_BoolTensor:$cond, Graph_Tensor:$x, Graph_Tensor:$y);
  let results = (outs Graph_Tensor:$result);
  let assemblyFormat = "$cond `,` $x `,` $y attr-dict `:` type($x)";
  let hasFolder = 1;
}

def Graph_BitcastOp : Graph_Op<"bitcast", [Pure, Graph_Elementwise]> {
  let summary = "The same bits as elements of another type";
  let description = [{
    `graph.bitcast %x : !graph.tensor<[N], f32> -> !graph.tensor<[N], ui32>`. A bool counts as 8 bits, 0 or 1; to
    a bool: whether any bit is set.

    * (C1) The dims stay.
    * (C2) The elements have as many bits as before.
  }];
  let arguments = (ins Graph_NumberOrBoolTensor:$x);
  let results = (outs Graph_NumberOrBoolTensor:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($result)";
  let builders = [OpBuilder<(ins "mlir::Value":$x, "mlir::Type":$elementType)>];
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Graph_ConvertOp : Graph_Op<"convert", [Pure, Graph_Elementwise]> {
  let summary = "Converts the elements to another type";
  let description = [{
    `graph.convert %x : !graph.tensor<[N], f32> -> !graph.tensor<[N], si8>`. The rules:

    * bool to a number: 0 or 1. A number to bool: x != 0 (NaN is true).
    * integer to integer: wraps around (the low bits stay).
    * integer to float: rounds to nearest even.
    * float to integer: truncates towards zero and saturates; NaN gives 0.
    * float to float: rounds to nearest even. To a type with infinities (f16, bf16, f32, f64,
      f8E5M2, ...) overflow gives infinity. To a type without (f8E4M3FN, f8E4M3FNUZ, f6*, f4*)
      overflow and infinities saturate to the largest finite value; NaN stays NaN where the type has
      one and gives 0 where it has none (f6*, f4*). f8E8M0FNU has powers of two only: the magnitude is rounded,
      ties up, and what is smaller than all of them becomes the smallest.

    * (C1) The dims stay.
    * (C2) Strings and packed blocks are not converted.
  }];
  let arguments = (ins Graph_NumberOrBoolTensor:$x);
  let results = (outs Graph_NumberOrBoolTensor:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($result)";
  let builders = [OpBuilder<(ins "mlir::Value":$x, "mlir::Type":$elementType)>];
  let hasVerifier = 1;
  let hasFolder = 1;
}
