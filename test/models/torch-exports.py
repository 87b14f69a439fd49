# What torch exports, in both of its forms, at several sizes, against torch itself.
# REQUIRES: torch
# RUN: python3 %s %t | FileCheck %s
# CHECK: passed
"""Argument: a folder for files. Exits with 1 when a model differs."""
import sys
import warnings
from pathlib import Path

import numpy as np
import tessera
import torch

TOLERANCE = 1e-4  # of the output's largest magnitude, f32
rng = np.random.default_rng(0)


class Pictures(torch.nn.Module):
    """Convolutions with batch norms, a residual, groups, pooling, a head."""

    def __init__(self):
        super().__init__()
        self.stem = torch.nn.Sequential(torch.nn.Conv2d(3, 16, 3, stride=2, padding=1), torch.nn.BatchNorm2d(16), torch.nn.SiLU())
        self.block = torch.nn.Sequential(torch.nn.Conv2d(16, 16, 3, padding=1, groups=16), torch.nn.GroupNorm(4, 16),
                                         torch.nn.Hardswish(), torch.nn.Conv2d(16, 16, 1))
        self.up = torch.nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.head = torch.nn.Linear(8, 10)

    def forward(self, x):
        x = self.stem(x)
        x = torch.nn.functional.max_pool2d(x + self.block(x), 3, stride=2, padding=1)
        x = torch.nn.functional.interpolate(self.up(x), scale_factor=2, mode="bilinear", align_corners=False)
        return self.head(x.mean(dim=(2, 3))).softmax(-1)


class Sequence(torch.nn.Module):
    """Two layers in both directions, and their state."""

    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(30, 12)
        self.lstm = torch.nn.LSTM(12, 20, num_layers=2, bidirectional=True, batch_first=True)
        self.gru = torch.nn.GRU(40, 16, batch_first=True)
        self.head = torch.nn.Linear(16, 5)

    def forward(self, tokens):
        x, (hidden, _) = self.lstm(self.embed(tokens))
        x, _ = self.gru(x)
        return self.head(x), hidden


class Transformer(torch.nn.Module):
    """Layers of the framework's own, with a mask of padding, and a causal one written out."""

    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(50, 32)
        self.encoder = torch.nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True, activation="gelu")
        self.query, self.key, self.value = (torch.nn.Linear(32, 32) for _ in range(3))
        self.norm = torch.nn.LayerNorm(32)

    def forward(self, tokens):
        x = self.encoder(self.embed(tokens))
        q, k, v = (f(x).unflatten(-1, (4, 8)).transpose(1, 2) for f in (self.query, self.key, self.value))
        y = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.norm(x + y.transpose(1, 2).flatten(2))


def numbers(below, *shape):
    return torch.from_numpy(rng.integers(0, below, shape))


def pictures(*shape):
    return torch.from_numpy(rng.standard_normal(shape).astype(np.float32))


# Model, samples (the first one is exported), and which extents are open.
MODELS = [
    (Pictures, [pictures(2, 3, 32, 48), pictures(1, 3, 64, 32), pictures(3, 3, 48, 48)], {0: "batch", 2: "height", 3: "width"}),
    (Sequence, [numbers(30, 2, 7), numbers(30, 1, 20), numbers(30, 5, 3)], {0: "batch", 1: "time"}),
    (Transformer, [numbers(50, 2, 9), numbers(50, 1, 17), numbers(50, 3, 4)], {0: "batch", 1: "time"}),
]


def export(model, sample, axes, path, dynamo):
    if dynamo:
        shapes = ({axis: torch.export.Dim.DYNAMIC for axis in axes},)
        torch.onnx.export(model, (sample,), path, dynamo=True, dynamic_shapes=shapes, input_names=["x"])
    else:
        torch.onnx.export(model, (sample,), path, dynamo=False, dynamic_axes={"x": axes}, input_names=["x"])


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    good = True
    for kind, samples, axes in MODELS:
        model = kind().eval()
        for dynamo in (False, True):
            path = folder / f"{kind.__name__}{dynamo}.onnx"
            export(model, samples[0], axes, str(path), dynamo)
            module = tessera.compile(path)
            # The older exporter writes the length of its sample into reshapes of the encoder's layer.
            for x in samples[:1] if kind is Transformer and not dynamo else samples:
                with torch.no_grad():
                    wanted = model(x)
                wanted = [wanted] if torch.is_tensor(wanted) else list(wanted)
                got = list(module.run({"x": x.numpy()}).values())
                errors = [np.abs(a - b.numpy()).max() / np.abs(b.numpy()).max() if a.shape == tuple(b.shape) else np.inf
                          for a, b in zip(got, wanted)]
                good &= max(errors) <= TOLERANCE
                print(f"{path.name} {tuple(x.shape)}: {max(errors):.2e} of the largest magnitude")
    print("passed" if good else "a model differs")
    return not good


if __name__ == "__main__":
    sys.exit(main())
