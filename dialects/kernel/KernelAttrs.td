//===- KernelAttrs.td - Attributes of the kernel dialect ----------------------------===//
#ifndef TESSERA_DIALECTS_KERNEL_KERNELATTRS_TD
#define TESSERA_DIALECTS_KERNEL_KERNELATTRS_TD

include "dialects/kernel/KernelBase.td"

def Kernel_PackedAttr : AttrDef<Kernel_Dialect, "Packed"> {
  let mnemonic = "packed";
  let summary = "The layout of an operand that a kernel reads in tiles";
  let description = [{
    The semantics of `linalg.pack` with zero padding. A logical tensor is cut along the dimensions
    `inner_dims_pos` into tiles of `inner_tiles`; the outer dimensions, permuted by
    `outer_dims_perm`, come first, then the tile dimensions.

    ```mlir
    #kernel.packed<inner_dims_pos = [1], inner_tiles = [16], outer_dims_perm = [1, 0]>
    // K x N  =>  ceil(N / 16) x K x 16
    ```
    - (C1) `inner_dims_pos` and `inner_tiles` have the same length; tiles are positive.
    - (C2) `inner_dims_pos` names each dimension at most once.
    - (C3) `outer_dims_perm` is a permutation of all dimensions.
  }];
  let parameters = (ins
    ArrayRefParameter<"int64_t">:$innerDimsPos,
    ArrayRefParameter<"int64_t">:$innerTiles,
    ArrayRefParameter<"int64_t">:$outerDimsPerm);
  let assemblyFormat = [{
    `<` `inner_dims_pos` `=` `[` $innerDimsPos `]` `,` `inner_tiles` `=` `[` $innerTiles `]` `,`
        `outer_dims_perm` `=` `[` $outerDimsPerm `]` `>`
  }];
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// The packed type of a logical type.
    ::mlir::RankedTensorType packedType(::mlir::RankedTensorType logical) const;
  }];
}

def Kernel_PlaceAttr : AttrDef<Kernel_Dialect, "Place"> {
  let mnemonic = "place";
  let summary = "Where a result lies in a larger tensor";
  let description = [{
    The memory that a launch is given for the result is a tensor of `shape` (-1: known when it runs), of
    which the kernel writes the elements from `begin` to `end` along each dimension and no others. A negative
    `begin` and an `end` that is not positive count from the end of the tensor.

    ```mlir
    #kernel.place<begin = [0, 1, 1, 0], end = [0, -1, -1, 0], shape = [1, 16, -1, 64]>   // all but a border
    ```
    - (C1) The lists have the same length.
  }];
  let parameters = (ins
    ArrayRefParameter<"int64_t">:$begin,
    ArrayRefParameter<"int64_t">:$end,
    ArrayRefParameter<"int64_t">:$shape);
  let assemblyFormat = [{
    `<` `begin` `=` `[` $begin `]` `,` `end` `=` `[` $end `]` `,` `shape` `=` `[` $shape `]` `>`
  }];
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// The first index along a dimension, and the one behind the last, in a tensor of that extent.
    int64_t first(unsigned dim, int64_t extent) const;
    int64_t last(unsigned dim, int64_t extent) const;
    /// The same elements, when `lo` are added in front of the tensor and `hi` behind it.
    PlaceAttr padded(::llvm::ArrayRef<int64_t> lo, ::llvm::ArrayRef<int64_t> hi) const;
  }];
}

#endif
