#ifndef TESSERA_QUANTIZE_PASSES
#define TESSERA_QUANTIZE_PASSES

include "mlir/Pass/PassBase.td"

def GraphQuantizeLayers : Pass<"graph-quantize-layers", "::mlir::ModuleOp"> {
  let summary = "Quantizes what products with constant weights read, and their weights";
  let description = [{
    ```mlir
    %r = graph.relu %x : ...
    %c = graph.conv %r, (graph.constant W), ... : ...
    // =>
    %q = graph.quantize %r, (graph.constant s), (graph.constant z) : ... -> !graph.tensor<..., ui8>
    %d = graph.dequantize %q, (graph.constant s), (graph.constant z) : ...
    %w = graph.dequantize (graph.constant W8), (graph.constant sw) axis = 0 : ...
    %c = graph.conv %d, %w, ... : ...
    ```
    of the first function of a module. Everything that reads `%r` reads `%d`, so that `graph-lower-quantized`
    finds integers from product to product. A layer is what reads one such tensor, placed in any way (padded,
    concatenated with others, ...); it is quantized as a whole.
  }];
  let options = [
    ListOption<"ranges", "ranges", "double",
               "The least and the greatest number of each layer; nan leaves it as it is">,
    Option<"dynamic", "dynamic", "bool", "false", "Ranges are found when running">,
    Option<"symmetric", "symmetric", "bool", "false", "Activations are si8 around 0, not ui8">,
    Option<"weightsPerTensor", "weights-per-tensor", "bool", "false", "One scale for a weight">,
    Option<"explain", "explain", "bool", "false", "Say what the layers are, and what is left">];
  let statistics = [Statistic<"numQuantized", "quantized", "Layers">];
}

def GraphObserveRanges : Pass<"graph-observe-ranges", "::mlir::ModuleOp"> {
  let summary = "Makes outputs of the values whose ranges graph-quantize-layers asks for";
  let description = [{
    Behind the outputs of the first function, layer by layer.
  }];
}

def GraphSwitchLayers : Pass<"graph-switch-layers", "::mlir::ModuleOp"> {
  let summary = "Makes an input that says which layers compute with the numbers of 8 bits";
  let description = [{
    The first function gets another argument, a bool for each layer of `graph-quantize-layers`. Where it is
    true, the layer's tensor and weights are rounded as 8 bits would round them; sums stay f32.

    ```mlir
    %d = graph.select (graph.broadcast %switch), (graph.dequantize (graph.quantize %r, ...)), %r
    ```
  }];
  let options = [
    Option<"least", "least", "double", "-1.0", "The least number of all layers">,
    Option<"greatest", "greatest", "double", "1.0", "The greatest number of all layers">];
}

#endif
