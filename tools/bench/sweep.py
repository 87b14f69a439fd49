"""Sizes and kernels for a sweep: powers of two, one more and one less, primes, tiny and huge."""

import numpy as np

SIZES = [1, 2, 3, 5, 7, 8, 9, 13, 15, 16, 17, 23, 31, 32, 33, 47, 61, 63, 64, 65, 89, 96, 127, 128, 129, 191, 192, 251, 255, 256, 257,
         383, 384, 385, 509, 511, 512, 513]


def tensor(*extents, element="f32"):
    return f"!graph.tensor<[{', '.join(str(e) for e in extents)}], {element}>"


def function(arguments, text, result, element="f32"):
    inputs = ", ".join(f'%{name}: {tensor(*extents)} {{graph.name = "{name}"}}' for name, extents in arguments.items())
    return (f'graph.func @main({inputs}) -> ({tensor(*result, element=element)} {{graph.name = "y"}}) {{\n'
            f"  %y = {text}\n  graph.return %y : {tensor(*result, element=element)}\n}}\n")


def product(rows, depth, columns):
    m, k, n = (f"{extent}" for extent in (rows, depth, columns))
    return function({"x": (m, k), "w": (k, n)}, f'graph.contract "mk,kn->mn" %x, %w : ({tensor(m, k)}, {tensor(k, n)}) -> {tensor(m, n)}',
                    (m, n))


X, Y = ("M", "N"), ("N", "M")
CONV = (f'graph.conv %x, %w, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0], layout = "NHWC,HWIO->NHWC" '
        f': ({tensor(1, "H", "H", "C")}, {tensor(3, 3, "C", "C")}) -> {tensor(1, "H - 2", "H - 2", "C")}')
# Shapes of inputs for a size; below, the text of a model and what its work grows with.
EXTENTS = {
    "product, all": lambda size: {"x": (size, size), "w": (size, size)},
    "product, rows": lambda size: {"x": (size, 256), "w": (256, 256)},
    "product, depth": lambda size: {"x": (256, size), "w": (size, 256)},
    "product, columns": lambda size: {"x": (256, 256), "w": (256, size)},
    "convolution, channels": lambda size: {"x": (1, 18, 18, size), "w": (3, 3, size, size)},
    "convolution, picture": lambda size: {"x": (1, size + 2, size + 2, 16), "w": (3, 3, 16, 16)},
    "product, one row": lambda size: {"x": (1, size), "w": (size, size)},
    "exp": lambda size: {"x": (256, size)},
    "gelu": lambda size: {"x": (256, size)},
    "layer norm": lambda size: {"x": (256, size), "s": (size,)},
    "places of the largest": lambda size: {"x": (256, size)},
    "softmax": lambda size: {"x": (256, size)},
    "sum of rows": lambda size: {"x": (256, size)},
    "sum of columns": lambda size: {"x": (256, size)},
    "transpose": lambda size: {"x": (256, size)},
}
CLASSES = {
    "product, all": (product("M", "K", "N"), lambda size: size**3 + 4 * size**2),
    "product, rows": (product("M", "K", "N"), lambda size: size),
    "product, depth": (product("M", "K", "N"), lambda size: size),
    "product, columns": (product("M", "K", "N"), lambda size: size),
    "convolution, channels": (function({"x": (1, "H", "H", "C"), "w": (3, 3, "C", "C")}, CONV, (1, "H - 2", "H - 2", "C")),
                              lambda size: size**2),
    "convolution, picture": (function({"x": (1, "H", "H", "C"), "w": (3, 3, "C", "C")}, CONV, (1, "H - 2", "H - 2", "C")),
                             lambda size: size**2),
    "product, one row": (product(1, "K", "N"), lambda size: size**2),
    "exp": (function({"x": X}, f"graph.exp %x : {tensor(*X)}", X), lambda size: size),
    "gelu": (function({"x": X}, f"graph.gelu %x : {tensor(*X)}", X), lambda size: size),
    "layer norm": (function({"x": X, "s": ("N",)}, 'graph.layer_norm %x, %s, axis = 1 {epsilon = 1.0e-5 : f64} '
                            f": ({tensor(*X)}, {tensor('N')}) -> {tensor(*X)}", X), lambda size: size),
    "places of the largest": (function({"x": X}, f"graph.arg_reduce max %x, axis = 1 : {tensor(*X)} -> {tensor('M', element='si64')}",
                                       ("M",), "si64"), lambda size: size),
    "softmax": (function({"x": X}, f"graph.softmax %x, axes = [1] : {tensor(*X)}", X), lambda size: size),
    "sum of rows": (function({"x": X}, f"graph.reduce sum %x, axes = [1] : {tensor(*X)} -> {tensor('M')}", ("M",)), lambda size: size),
    "sum of columns": (function({"x": X}, f"graph.reduce sum %x, axes = [0] : {tensor(*X)} -> {tensor('N')}", ("N",)), lambda size: size),
    "transpose": (function({"x": X}, f"graph.transpose %x, perm = [1, 0] : {tensor(*X)} -> {tensor(*Y)}", Y), lambda size: size),
}


def inputs_for(title, size):
    rng = np.random.default_rng(size)
    return {name: rng.standard_normal(extents, dtype=np.float32) for name, extents in EXTENTS[title](size).items()}


def worst_cliff(sizes, times, work):
    """(size, factor) of the worst cliff: how much longer a size takes than a larger one (whoever pads could compute that), or an
    operation of it than one of both neighbours."""
    costs = [time / work(size) for size, time in zip(sizes, times)]
    worst = (sizes[0], 0.0)
    for at in range(len(sizes) - 1):
        factor = times[at] / min(times[at + 1:])
        if at:
            factor = max(factor, costs[at] / max(costs[at - 1], costs[at + 1]))
        if factor > worst[1]:
            worst = (sizes[at], factor)
    return worst
