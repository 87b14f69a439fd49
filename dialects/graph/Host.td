//===- Host.td - What is no numeric kernel ---------------------------------------===//

include "dialects/graph/GraphBase.td"

def Graph_HostCallOp : Graph_Op<"host_call", [NoMemoryEffect]> {
  let summary = "The results of a function of the library of host operators";
  let description = [{
    ```
    %e = graph.host_call "image.extents" (%file) : (!graph.tensor<[N], ui8>) -> !graph.tensor<[2], si64>
    %i = graph.host_call "image.decode" "RGB" (%file) : (!graph.tensor<[N], ui8>) -> !graph.tensor<[H, W, 3], ui8>
    ```
    The function is known by its name alone when a module is loaded (`runtime/hostops`). The text behind the
    name tells it how; which texts it takes is its own matter. It depends on its operands only, and may fail,
    which ends the call. The results' extents are known before: where they depend on data, a call that computes
    them comes first, and `graph.bind_dim`.

    * (C1) The name and the text have no zero bytes and at most 4,095 bytes, the name at least one.
    * (C2) There is a result, and at most 32 operands and results.
    * (C3) Elements are numbers or bools.
  }];
  let arguments = (ins StrAttr:$function, DefaultValuedAttr<StrAttr, "\"\"">:$options,
                       Variadic<Graph_NumberOrBoolTensor>:$inputs);
  let results = (outs Variadic<Graph_NumberOrBoolTensor>:$outputs);
  let assemblyFormat = [{
    $function ($options^)? `(` $inputs `)` attr-dict `:` functional-type($inputs, $outputs)
  }];
  let hasVerifier = 1;
}
