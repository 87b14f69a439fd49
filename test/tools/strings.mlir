// Strings are tensors of bytes that the signature marks.
// RUN: tessera-run %s --input x=2x2xstring=red,grün,,a=b --print 4 | FileCheck %s
// RUN: tessera-run %s --reference --input x=2x2xstring=red,grün,,a=b --print 4 | FileCheck %s
// RUN: tessera-run %s --input x=2x2xstring=red,grün,,a=b --print 4 --json | FileCheck %s --check-prefix=JSON
// RUN: tessera-run %s --input x=2x2xstring=red,grün,,a=b --output y=@%t.npy
// RUN: python3 -c "import numpy, sys; x = numpy.load(sys.argv[1]); print(x.dtype, x.tolist())" %t.npy | FileCheck %s --check-prefix=NPY
// RUN: tessera-run %s --input x=@%t.npy --print 4 | FileCheck %s
// RUN: python3 -c "import numpy, sys; numpy.save(sys.argv[1], numpy.array([[b'red', 'grün'.encode()], [b'', b'a=b']]))" %t.npy
// RUN: tessera-run %s --input x=@%t.npy --print 4 | FileCheck %s
// RUN: tessera-run %s --print 1 | FileCheck %s --check-prefix=GENERATED
// RUN: tessera-run %s --input x=1x2xstring=same --print 4 | FileCheck %s --check-prefix=SAME
// RUN: tessera-run %s --input x=0x2xstring=none --print 4 | FileCheck %s --check-prefix=NONE
// RUN: tessera-compile %s -o %t.tsm && tessera-dump %t.tsm | FileCheck %s --check-prefix=DUMP
// RUN: not tessera-run %s --input x=2x2xstring=a,b,c 2>&1 | FileCheck %s --check-prefix=COUNT
// RUN: not tessera-run %s --input x=2xstring=a,b 2>&1 | FileCheck %s --check-prefix=RANK
// RUN: not tessera-run %S/dense.mlir --input x=2xstring=a,b 2>&1 | FileCheck %s --check-prefix=TYPE

// CHECK: y: string[2x2]
// CHECK-NEXT: "red" "grün" "" "a=b"
// JSON: "dims": [
// JSON: "type": "string",
// JSON: "grün",
// NPY: <U4 {{\[\[}}'red', 'grün'], ['', 'a=b']]
// GENERATED: y: string[1x2]
// GENERATED-NEXT: "{{[a-h]+}}" ...
// SAME: "same" "same"
// NONE: y: string[0x2]
// DUMP: string[N, 2]
// COUNT: '2x2xstring=a,b,c' has 3 strings for 4 elements
// RANK: input 'x': expected string[N, 2], got string[2] [WRONG_RANK]
// TYPE: input 'x': expected f32[B, 4], got string[2] [WRONG_TYPE]
graph.func @main(%x: !graph.tensor<[N, 2, W], ui8> {graph.name = "x", graph.strings})
    -> (!graph.tensor<[N, 2, W], ui8> {graph.name = "y", graph.strings}) {
  graph.return %x : !graph.tensor<[N, 2, W], ui8>
}
