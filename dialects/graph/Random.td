//===- Random.td - Random bits -----------------------------------------------===//

include "dialects/graph/GraphBase.td"

def Graph_RandomBitsOp : Graph_Op<"random_bits", [Pure]> {
  let summary = "Random bits that follow from a key and their place alone";
  let description = [{
    `graph.random_bits %key : !graph.tensor<[2], ui32> -> !graph.tensor<[B, N], ui32>`. Element i (counted
    row-major) is word i mod 4 of Philox-4x32-10 (Salmon et al., 2011) with the key's two words and the
    counter floor(i / 4) in the low words. Equal keys give equal bits, in any order and on any device.

    * (C1) `key` has shape [2] and elements ui32.
    * (C2) The result's elements are ui32.
  }];
  let arguments = (ins Graph_IntTensor:$key);
  let results = (outs Graph_IntTensor:$result);
  let assemblyFormat = "$key attr-dict `:` type($key) `->` type($result)";
  let hasVerifier = 1;
}
