"""Compiles model files to native modules and runs them.

    import tessera
    module = tessera.compile("model.onnx")
    outputs = module.run({"x": x})            # NumPy or DLPack in, NumPy out
    y = module(x=x)["y"]

Element types are never converted: a module that wants f32 refuses f64. NumPy has no bfloat16, no 8-bit
floats and no elements of 4 or 2 bits: such tensors are given and returned as uint16 and uint8 arrays of their bits (one
element in a byte, in its low bits), and given as arrays of `ml_dtypes`; DLPack tensors of bfloat16 (PyTorch's, for
example) are taken as they are.

Strings are arrays (or nested lists) of str, and come back as arrays of str objects. `outputs` and arrays of uint8 give
and take the bytes of their UTF-8 along a last axis of their own, padded with zeros: no string ends with a zero.

A map is a dict. A module has two inputs for it, lists of its keys and values ("x/keys", "x/values"), which are taken, too.

A sequence whose length is not known when compiling is one array with the elements along the first axis; where elements may
have different shapes, two: the values of all elements, one after the other, and their shapes ("s", "s/shapes").
`tessera.sequences` makes lists of these, and these of lists.
"""

from ._tessera import Context, Error, Module, TensorInfo, check, compile, devices, load, version

__version__ = version
for _public in (Context, Error, Module, TensorInfo):
    _public.__module__ = "tessera"

__all__ = ["Context", "Error", "Module", "TensorInfo", "__version__", "check", "compile", "devices", "load", "version"]
