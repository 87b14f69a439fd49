//===- Contraction.td - Sums of products -------------------------------------===//

include "dialects/graph/GraphBase.td"

def Graph_ContractOp : Graph_InferredDimsOp<"contract"> {
  let summary = "Products of two operands, summed over the letters that the result lacks (einsum)";
  let description = [{
    `graph.contract "bmk,bkn->bmn" %a, %b : (A, B) -> C`. One letter for each dim. The accumulator is
    `acc` when given, else f32 for f16, bf16 and f8, si32 for integers up to 16 bits, else the wider
    operand's type; the result is converted from it (rules of `graph.convert`, but integers saturate).
    Unless the result type says otherwise it is the operands' type (of two float types the wider, f32 for
    f16 with bf16), for integers the accumulator.

    * (C1) The equation is "letters,letters->letters" with a distinct letter for each dim of an operand
      and of the result.
    * (C2) Every letter of the result is in an operand.
    * (C3) A letter stands for one extent.
    * (C4) Both operands are floats, or integers (types may differ).
    * (C5) `acc` and the result are of the operands' class: floats or integers.
  }];
  let arguments = (ins StrAttr:$equation, Graph_NumberTensor:$lhs, Graph_NumberTensor:$rhs,
                       OptionalAttr<TypeAttr>:$acc);
  let results = (outs Graph_NumberTensor:$result);
  let assemblyFormat = [{
    $equation $lhs `,` $rhs (`acc` $acc^)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The letters of the operands and of the result.
    llvm::StringRef getLhsLetters();
    llvm::StringRef getRhsLetters();
    llvm::StringRef getResultLetters();
    /// The type sums are kept in.
    mlir::Type getAccumulatorType();
  }];
}
