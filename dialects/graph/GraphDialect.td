//===- GraphDialect.td - The dialect, its attributes and its types --------===//

#ifndef TESSERA_GRAPH_DIALECT
#define TESSERA_GRAPH_DIALECT

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/BuiltinTypeInterfaces.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"

def Graph_Dialect : Dialect {
  let name = "graph";
  let cppNamespace = "::tessera::graph";
  let summary = "The whole model: what is computed, on values with symbolic shapes";
  let description = [{
    Operations on immutable tensors whose dimensions are expressions over named symbols.
    Everything has value semantics; state is a module-level `graph.variable` that is read
    and written in program order. Nothing here says when or where something is computed.
  }];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let hasConstantMaterializer = 1;
  let extraClassDeclaration = [{
    /// The bytes behind `#graph.weight` attributes of this context.
    WeightStore &getWeightStore() { return *weightStore; }

  private:
    std::shared_ptr<WeightStore> weightStore;
    // One function per category file, so that they compile side by side.
    void registerAttributes();
    void registerTypes();
    void registerElementwiseOps();
    void registerMovementOps();
    void registerReductionOps();
    void registerContractionOps();
    void registerWindowOps();
    void registerSequentialOps();
    void registerRandomOps();
    void registerControlOps();
    void registerStateOps();
    void registerQuantizationOps();
    void registerShapeOps();
    void registerStreamOps();
    void registerCompositeOps();

  public:
  }];
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

class Graph_Attr<string name, string attrMnemonic, list<Trait> traits = []>
    : AttrDef<Graph_Dialect, name, traits> {
  let mnemonic = attrMnemonic;
}

def Graph_DimAttr : Graph_Attr<"Dim", "dim"> {
  let summary = "An extent: a canonical integer expression over named symbols";
  let description = [{
    `#graph.dim<2 * B + floordiv(H + 1, 2)>`. Built only through `DimExpr` (or its parser), which
    keeps the canonical form: a constant plus a sorted sum of coefficient * sorted atoms, where an
    atom is a symbol, `floordiv`, `mod`, `min` or `max`; `ceildiv(a, b)` is `floordiv(a + b - 1, b)`.
    Attributes are uniqued, so equal pointers mean equal values for every assignment of symbols.

    * (C1) Symbols stand for extents: they are never negative.
    * (C2) Divisors are positive. A constant divisor that is not positive is an error; a symbolic
      one is taken to be positive.
    * (C3) Coefficients fit 64 bits: an expression that overflows is an error.
  }];
  let parameters = (ins "DimKind":$kind, "int64_t":$value, StringRefParameter<"">:$symbol,
                        ArrayRefParameter<"DimAttr">:$operands);
  let skipDefaultBuilders = 1;
  let hasCustomAssemblyFormat = 1;
  let extraClassDeclaration = [{
    bool isConstant() const { return getKind() == DimKind::Constant; }
    bool isSymbol() const { return getKind() == DimKind::Symbol; }
    std::optional<int64_t> getConstant() const {
      if (isConstant())
        return getValue();
      return std::nullopt;
    }
    /// The shape entry this stands for: its constant or ShapedType::kDynamic.
    int64_t getShapeEntry() const;
    /// Prints the expression without the attribute's brackets.
    void printExpr(llvm::raw_ostream &os) const;
    std::string str() const;

  private:
    friend class DimBuilder;
    static DimAttr getRaw(::mlir::MLIRContext *context, DimKind kind, int64_t value,
                          llvm::StringRef symbol, llvm::ArrayRef<DimAttr> operands);

  public:
  }];
}

def Graph_DimArrayAttr : Graph_Attr<"DimArray", "dims"> {
  let summary = "A list of extents";
  let parameters = (ins ArrayRefParameter<"DimAttr">:$dims);
  let hasCustomAssemblyFormat = 1;
  let builders = [
    AttrBuilder<(ins "llvm::ArrayRef<int64_t>":$values)>
  ];
  let extraClassDeclaration = [{
    size_t size() const { return getDims().size(); }
    DimAttr operator[](size_t i) const { return getDims()[i]; }
    auto begin() const { return getDims().begin(); }
    auto end() const { return getDims().end(); }
    /// All values when all are constant.
    std::optional<llvm::SmallVector<int64_t>> getConstants() const;
  }];
}

def Graph_RangeAttr : Graph_Attr<"Range", "range"> {
  let summary = "The values a symbol may take, both ends included";
  let description = [{
    `#graph.range<1, 64>`; `#graph.range<0, ?>` has no upper end.

    * (C1) 0 <= lo <= hi.
  }];
  let parameters = (ins "int64_t":$lo, "std::optional<int64_t>":$hi);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

def Graph_WeightAttr : Graph_Attr<"Weight", "weight", [TypedAttrInterface]> {
  let summary = "Constant elements that live in a file or a derived buffer";
  let description = [{
    `#graph.weight<"model.bin", 128, 4096 : !graph.tensor<[32, 32], f32>>`: `length` bytes at `offset`
    of a file inside the model's folder. A name that starts with `%` is a derived buffer (named by the
    hash of its content). The bytes are in the dialect's `WeightStore`; text never holds them.

    * (C1) The type has a static shape and `length` is the size of its elements.
    * (C2) The file is relative and stays inside the model's folder.
  }];
  let parameters = (ins StringRefParameter<"">:$file, "int64_t":$offset, "int64_t":$length,
                        AttributeSelfTypeParameter<"", "TensorType">:$type);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Whether the bytes are a buffer made while compiling, not part of a file.
    bool isDerived() const { return getFile().starts_with("%"); }
  }];
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

class Graph_Type<string name, string typeMnemonic, list<Trait> traits = []>
    : TypeDef<Graph_Dialect, name, traits> {
  let mnemonic = typeMnemonic;
}

def Graph_TensorType : Graph_Type<"Tensor", "tensor", [ShapedTypeInterface]> {
  let summary = "A tensor whose extents are expressions over named symbols";
  let description = [{
    `!graph.tensor<[B, 3, H + 1, floordiv(W, 2)], f32>`. Always ranked; a scalar is
    `!graph.tensor<[], f32>`.

    * (C1) The element type is a builtin float, a signed or unsigned integer of 8 to 64 bits, or
      of 2 or 4, `i1` (bool), `!graph.string` or `!graph.block`.
    * (C2) No constant extent is negative.
  }];
  let parameters = (ins ArrayRefParameter<"DimAttr">:$dims, "mlir::Type":$elementType,
                        ArrayRefParameter<"int64_t">:$shape);
  let skipDefaultBuilders = 1;
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let builders = [
    TypeBuilderWithInferredContext<(ins "llvm::ArrayRef<DimAttr>":$dims,
                                        "mlir::Type":$elementType)>,
    /// A static shape.
    TypeBuilderWithInferredContext<(ins "llvm::ArrayRef<int64_t>":$shape,
                                        "mlir::Type":$elementType)>
  ];
  let extraClassDeclaration = [{
    bool hasRank() const { return true; }
    ::mlir::ShapedType cloneWith(std::optional<llvm::ArrayRef<int64_t>> shape,
                                 ::mlir::Type elementType) const;
    DimAttr getDim(unsigned i) const { return getDims()[i]; }
    int64_t rank() const { return getDims().size(); }
    TensorType withElementType(::mlir::Type elementType) const {
      return get(getDims(), elementType);
    }
    TensorType withDims(llvm::ArrayRef<DimAttr> dims) const { return get(dims, getElementType()); }
    /// None when the shape is not static, or the number does not fit.
    std::optional<int64_t> getElementCount() const;
    std::optional<int64_t> getByteSize() const;
    /// A scalar of the given element type.
    static TensorType getScalar(::mlir::Type elementType) {
      return get(llvm::ArrayRef<DimAttr>{}, elementType);
    }
    using ::mlir::ShapedType::Trait<TensorType>::getElementTypeBitWidth;
  }];
}

def Graph_StringType : Graph_Type<"String", "string"> {
  let summary = "A sequence of bytes of any length";
}

def Graph_BlockType : Graph_Type<"Block", "block"> {
  let summary = "A packed block of elements, opaque to everything but its decode rule";
  let description = [{
    `!graph.block<"q4_g32">`: formats are in `dialects/common/BlockFormat.h`.

    * (C1) The format is known.
  }];
  let parameters = (ins StringRefParameter<"">:$format);
  let assemblyFormat = "`<` $format `>`";
  let genVerifyDecl = 1;
}

#endif // TESSERA_GRAPH_DIALECT
