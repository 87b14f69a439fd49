"""Who may include whom. The table is the architecture: a new arrow is a decision, not an accident."""

import re

import tree

# folder: what its files may include besides themselves. The longest folder that fits a file counts; an entry
# stands for everything below it.
MLIR = ("mlir", "llvm")
MAY_INCLUDE = {
    "dialects/common": MLIR,
    "dialects/graph": MLIR + ("dialects/common",),
    "dialects/kernel": MLIR + ("dialects/common",),
    "dialects/schedule": MLIR + ("dialects/common",),
    "dialects/program": MLIR + ("dialects/common",),
    "frontends": MLIR + ("dialects/common", "dialects/graph", "google"),
    "compiler/reference": MLIR + ("dialects",),
    "compiler/transforms": MLIR + ("dialects", "compiler/reference"),
    "compiler/conversion": MLIR + ("dialects",),
    "compiler/scheduling": MLIR + ("dialects/common", "dialects/kernel", "dialects/schedule"),
    "compiler/codegen": MLIR + ("dialects/common", "dialects/kernel", "dialects/schedule",
                                "runtime/base"),
    "compiler/codegen/halide": MLIR + ("dialects/common", "dialects/kernel", "dialects/schedule",
                                       "compiler/codegen", "Halide.h"),
    # A module says which features the levels of its code need: a table, no code generator.
    "compiler/module": MLIR + ("dialects", "compiler/codegen/CpuLevels.h", "runtime/base", "runtime/schema", "flatbuffers"),
    "compiler/standalone": MLIR + ("compiler/codegen/llvm", "compiler/codegen/KernelImage.h", "runtime"),
    "compiler/pipelines": MLIR + ("dialects", "compiler/reference", "compiler/transforms",
                                  "compiler/conversion", "compiler/scheduling",
                                  "compiler/codegen/loops"),
    # Calibration runs what was compiled.
    "compiler/api": MLIR + ("dialects", "frontends", "compiler", "runtime/api"),
    "runtime/schema": (),
    "runtime/base": ("runtime/schema",),
    "runtime/module": ("runtime/base", "runtime/schema", "runtime/device"),
    "runtime/device": ("runtime/base", "runtime/schema"),
    "runtime/device/cuda": ("runtime/base", "runtime/schema", "runtime/device", "runtime/api"),
    "runtime/executor": ("runtime/base", "runtime/schema", "runtime/module", "runtime/device"),
    "runtime/api": ("runtime",),
    # A library of its own, beside the runtime.
    "runtime/hostops": ("runtime/base", "runtime/schema"),
    "tools/common": ("compiler/api", "runtime/api"),
    "tools": ("compiler/api", "runtime/api", "tools/common"),
    # It measures the machine that it predicts times for.
    "tools/tessera-opt": MLIR + ("compiler/pipelines", "compiler/reference", "tools/common"),
    "tools/tessera-kernelc": ("compiler/codegen/driver",),
}
OURS = {"dialects", "frontends", "compiler", "runtime", "tools", "test"}
# Headers of libraries that arrows are drawn for; all others are the standard library and small tools.
LIBRARIES = {"mlir", "llvm", "Halide.h", "google", "flatbuffers"}


def covers(folders, target):
    return any(target == folder or target.startswith(folder + "/") for folder in folders)


def wrong_includes(path, text):
    rules = [folder for folder in MAY_INCLUDE if covers([folder], str(path))]
    if not rules:
        return [f"{path}: no rule in MAY_INCLUDE names its folder"]
    rule = max(rules, key=len)
    wrong = []
    for line, included in re.findall(r'^(\s*#\s*include\s*[<"]([^>"]+)[>"])', text, re.MULTILINE):
        top = included.split("/")[0]
        if top not in OURS and top not in LIBRARIES:
            continue
        if not covers((rule,) + tuple(MAY_INCLUDE[rule]), included):
            wrong.append(f"{path}: {rule} may not include {included}")
    return wrong


def test_includes_follow_the_layers():
    wrong = []
    for path in tree.files(".cpp", ".h"):
        if path.parts[0] != "test":
            wrong += wrong_includes(path, tree.text(path))
    assert not wrong, "\n".join(wrong)


def test_the_check_finds_a_wrong_include():
    assert wrong_includes("runtime/base/X.cpp", '#include "mlir/IR/Value.h"')
    assert wrong_includes("dialects/graph/X.cpp", '#include "dialects/kernel/Kernel.h"')
    assert wrong_includes("frontends/onnx/X.cpp", '#include "compiler/api/Compiler.h"')
    assert not wrong_includes("runtime/module/X.cpp", '#include "runtime/base/Status.h"')


def test_every_folder_of_the_table_exists():
    assert not [folder for folder in MAY_INCLUDE if not (tree.ROOT / folder).is_dir()]
