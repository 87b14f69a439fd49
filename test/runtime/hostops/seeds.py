# Seeds of the fuzz target of images, and cases of the tests: small images in every format and kind that is decoded.
# RUN: mkdir -p %t && python3 %s %t && ls %t | FileCheck %s
# CHECK: 52
"""Argument: the folder to write to."""

import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image


def picture(height, width, mode):
    """Smooth, with noise: neither flat nor random, so that every part of a decoder has work."""
    rng = np.random.default_rng(height * 1000 + width)
    y, x = np.mgrid[0:height, 0:width]
    planes = np.stack([(x * 7 + y) % 256, (y * 5) % 256, (x * y) % 256], -1)
    return Image.fromarray(((planes + rng.integers(0, 20, planes.shape)) % 256).astype(np.uint8)).convert(mode)


def encode(image, kind, **options):
    file = io.BytesIO()
    image.save(file, format=kind, **options)
    return file.getvalue()


def images(height, width):
    """(name, file) of every format, kind of pixels and compression that is decoded."""
    def of(kind, modes, **options):
        label = " ".join([kind, *(f"{key}={value}" for key, value in options.items())])
        return [(f"{label} {mode}", encode(picture(height, width, mode), kind, **options)) for mode in modes]

    result = of("png", ["RGB", "L", "1", "P", "RGBA", "LA"]) + of("bmp", ["RGB", "L", "1", "P", "RGBA"])
    for quality in (30, 90):
        for sampling in (0, 1, 2):
            result += of("jpeg", ["RGB"], quality=quality, subsampling=sampling)
        result += of("jpeg", ["L", "CMYK"], quality=quality) + of("jpeg", ["RGB"], quality=quality, progressive=True)
        result += of("webp", ["RGB", "RGBA"], quality=quality)
    result += of("webp", ["RGB"], lossless=True)
    result += of("ppm", ["RGB", "L", "1"])
    for compression in (None, "tiff_lzw", "tiff_deflate", "packbits", "jpeg"):
        result += of("tiff", ["RGB", "L"] if compression == "jpeg" else ["RGB", "L", "1", "P"], compression=compression)
    result += of("jpeg2000", ["RGB", "L"]) + of("jpeg2000", ["RGB", "L"], irreversible=True, no_jp2=True)
    return result


if __name__ == "__main__":
    for number, (name, file) in enumerate(images(9, 13)):
        (Path(sys.argv[1]) / f"{number}").write_bytes(file)
