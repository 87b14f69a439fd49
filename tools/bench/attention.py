"""Attention in f32: as a share of the rate of a matrix product, and of one query as a share of memory's rate."""

import numpy as np
from measuring import in_turns, measured_module, plural
from peers import torch_function
from products import MATMUL, add_best_peer

import tessera

ATTENTION = """
graph.func @main(%q: !graph.tensor<[H, M, WIDTH], f32> {graph.name = "q"}, %k: !graph.tensor<[H, K, WIDTH], f32> {graph.name = "k"},
                 %v: !graph.tensor<[H, K, WIDTH], f32> {graph.name = "v"}) -> (!graph.tensor<[H, M, WIDTH], f32> {graph.name = "o"}) {
  %s = graph.contract "hmd,hkd->hmk" %q, %k : (!graph.tensor<[H, M, WIDTH], f32>, !graph.tensor<[H, K, WIDTH], f32>) -> !graph.tensor<[H, M, K], f32>
  %e = graph.constant dense<0.125> : !graph.tensor<[], f32>
  %eb = graph.broadcast %e, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[H, M, K], f32>
  %t = graph.mul %s, %eb : !graph.tensor<[H, M, K], f32>
  MASK
  %p = graph.softmax %u, axes = [2] : !graph.tensor<[H, M, K], f32>
  %o = graph.contract "hmk,hkd->hmd" %p, %v : (!graph.tensor<[H, M, K], f32>, !graph.tensor<[H, K, WIDTH], f32>) -> !graph.tensor<[H, M, WIDTH], f32>
  graph.return %o : !graph.tensor<[H, M, WIDTH], f32>
}
"""
NO_MASK = "%u = graph.mul %s, %eb : !graph.tensor<[H, M, K], f32>"
CAUSAL = """
  %i = graph.iota axis = 1 : !graph.tensor<[H, M, K], si32>
  %j = graph.iota axis = 2 : !graph.tensor<[H, M, K], si32>
  %a = graph.compare ge %i, %j : !graph.tensor<[H, M, K], si32>
  %l = graph.constant dense<0xFF800000> : !graph.tensor<[], f32>
  %lb = graph.broadcast %l, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[H, M, K], f32>
  %u = graph.select %a, %t, %lb : !graph.tensor<[H, M, K], f32>
"""


def attention(width, mask=NO_MASK):
    return ATTENTION.replace("MASK", mask).replace("WIDTH", str(width))


def torch_attention(arrays, threads, causal=False):
    def run(q, k, v):
        import torch
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal, scale=0.125)
    return torch_function(run, [array[None] for array in arrays], threads, "attention")


def bench_attention(table, seconds):
    """One thread. What a causal mask leaves out counts as no work: half of it."""
    product = tessera.compile(MATMUL.encode()).context(threads=1)
    x = np.random.default_rng(0).standard_normal((1024, 1024), dtype=np.float32)
    square = np.empty_like(x)
    for width in (64, 128):
        contexts = [tessera.compile(attention(width, mask).encode()).context(threads=1) for mask in (NO_MASK, CAUSAL)]
        for length in (1024, 2048, 4096, 8192):
            arrays = [np.random.default_rng(seed).standard_normal((1, length, width), dtype=np.float32) for seed in range(3)]
            inputs, o = dict(zip("qkv", arrays)), np.empty((1, length, width), np.float32)
            ours = [lambda context=context: context.run(inputs, outputs={"o": o}) for context in contexts]
            peers = [torch_attention(arrays, 1, causal) for causal in (False, True)]
            times = in_turns([lambda: product.run({"x": x, "w": x}, outputs={"y": square}), *ours, *filter(None, peers)], seconds, of=min)
            product_rate = 2 * 1024**3 / times[0]
            for number, (title, share, least) in enumerate((("", 1, 65), (", causal", 0.5, 50))):
                rate = share * 4 * length**2 * width / times[1 + number]
                table.add(f"f32 attention, heads of {width}, {length} keys{title}", rate / product_rate * 100, "% of product",
                          f"{rate * 1e-9:.1f} GFLOP/s; the product of 1024^3 has {product_rate * 1e-9:.1f}", least=least)
                if all(peers):
                    table.add("the same, against torch", times[3 + number] / times[1 + number], "times faster",
                              f"torch {times[3 + number] * 1e3:.1f}, Tessera {times[1 + number] * 1e3:.1f} ms", least=1.3)


def bench_decode_attention(table, seconds, folder):
    """One query for each of some heads, 8192 keys and values, more than caches keep a part of: bytes of them a second, as a share of what so many
    threads read."""
    length = 8192
    for width, heads in ((64, 96), (128, 48)):
        module = tessera.compile(attention(width).encode())
        module.save(folder / "decode-attention.tsm")
        arrays = [np.random.default_rng(seed).standard_normal((heads, extent, width), dtype=np.float32)
                  for seed, extent in enumerate((1, length, length))]
        shapes = {name: "x".join(map(str, array.shape)) + "xf32" for name, array in zip("qkv", arrays)}
        for threads in (1, 2):
            result = measured_module(folder / "decode-attention.tsm", threads, seconds, shapes)
            read = 2 * arrays[1].nbytes
            rate, peak = read / result["seconds"]["min"], result["machine"]["bytes_per_second_of_threads"]
            table.add(f"attention of 1 query, {heads} heads of {width}, {length} keys, {plural(threads)}", rate / peak * 100,
                      "% of memory", f"{rate * 1e-9:.1f} of {peak * 1e-9:.1f} GB/s", least=85, times=result["seconds"])
            context, inputs = module.context(threads=threads), dict(zip("qkv", arrays))
            add_best_peer(table, lambda: context.run(inputs), {"torch": torch_attention(arrays, threads)}, seconds,
                          "the same, against the best peer")
