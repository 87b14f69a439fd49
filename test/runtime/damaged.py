# Any byte of a module changed, or any part of it missing, is refused when loading.
# RUN: tessera-compile %S/../tools/dense.mlir -o %t.tsm && python3 %s %t.tsm %tessera_lib | FileCheck %s
# CHECK: every change refused
"""Arguments: a module, the folder of libtessera_runtime.so."""
import ctypes
import sys


def main():
    data = open(sys.argv[1], "rb").read()
    runtime = ctypes.CDLL(f"{sys.argv[2]}/libtessera_runtime.so")
    load, destroy = runtime.tessera_module_load_memory, runtime.tessera_module_destroy
    load.argtypes = [ctypes.c_char_p, ctypes.c_uint64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    destroy.argtypes = [ctypes.c_void_p]

    def loads(content):
        module = ctypes.c_void_p()
        code = load(bytes(content), len(content), None, ctypes.byref(module), None)
        if code == 0:
            destroy(module)
        return code == 0

    if not loads(data):
        print("the module itself does not load")
        return 1
    accepted = []
    for i in range(len(data)):
        changed = bytearray(data)
        changed[i] ^= 1 << (i % 8)
        if loads(changed):
            accepted.append(i)
    for size in list(range(0, 300)) + list(range(300, len(data), 97)):
        if loads(data[:size]):
            accepted.append(("cut", size))
    if loads(data + b"\0"):
        accepted.append("longer")
    print(f"accepted: {accepted[:20]}" if accepted else "every change refused")
    return bool(accepted)


if __name__ == "__main__":
    sys.exit(main())
