"""ImageDecoder of ONNX, through libtessera_hostops: Pillow's pixels for every format, kind of pixels and pixel format; files that are cut
off or changed give pixels or an error that names the node, never a crash; limits and a library that is not there are said."""

import random
import shutil
import struct
import subprocess
import sys
import zlib
from io import BytesIO

import numpy as np
import pytest
from conftest import BUILD, ROOT
from onnx import TensorProto, helper
from PIL import Image

import tessera

sys.path.insert(0, str(ROOT / "test" / "runtime" / "hostops"))
from seeds import encode, images, picture  # noqa: E402


def model(pixel_format="RGB", more=(), output="image", kind=TensorProto.UINT8):
    nodes = [helper.make_node("ImageDecoder", ["file"], ["image"], name="decoder", pixel_format=pixel_format), *more]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("file", TensorProto.UINT8, ["N"])],
                              [helper.make_tensor_value_info(output, kind, None)])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]).SerializeToString()


MODULES = {}


def module(pixel_format="RGB"):
    if pixel_format not in MODULES:
        MODULES[pixel_format] = tessera.compile(model(pixel_format))
    return MODULES[pixel_format]


def decode(file, pixel_format="RGB"):
    return module(pixel_format).run({"file": np.frombuffer(file, np.uint8)})["image"]


def expected(file, pixel_format):
    image = Image.open(BytesIO(file)).convert("RGB")
    if pixel_format == "Grayscale":
        return np.array(image.convert("L"))[:, :, None]
    return np.array(image)[:, :, ::-1 if pixel_format == "BGR" else 1]


@pytest.mark.parametrize("extents", [(1, 1), (7, 5), (33, 32), (64, 97)])
@pytest.mark.parametrize("pixel_format", ["RGB", "BGR", "Grayscale"])
def test_pixels_are_those_of_pillow(extents, pixel_format):
    cases = images(*extents)
    assert len(cases) > 40
    for name, file in cases:
        assert np.array_equal(decode(file, pixel_format), expected(file, pixel_format)), name


def test_pixels_flow_into_kernels():
    more = [helper.make_node("Cast", ["image"], ["f"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["f"], ["mean"], keepdims=0)]
    loaded = tessera.compile(model(more=more, output="mean", kind=TensorProto.FLOAT))
    for extents in ((5, 9), (40, 3)):
        file = encode(picture(*extents, "RGB"), "png")
        assert np.isclose(loaded.run({"file": np.frombuffer(file, np.uint8)})["mean"], expected(file, "RGB").mean(), rtol=1e-5)


def interlaced_and_odd():
    """Kinds that Pillow reads but does not write."""
    yield "PPM of 4 levels", b"P6 # a comment\n2 1 3\n\0\1\2\3\3\3"
    yield "PGM as text", b"P2\n3 2\n10\n0 5 10\n3 4 1\n"
    yield "PBM as text, digits without space", b"P1\n4 2\n01101 0 0 1"
    rows = [bytes([0, *range(8 * y, 8 * y + 8)]) for y in range(8)]
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    data = b"".join(b"\0" + rows[y][1 + x::dx] for y0, x, dy, dx in passes for y in range(y0, 8, dy))
    yield "PNG, interlaced", png(8, 8, data, 0, interlaced=1)
    header = struct.pack("<IiiHHIIiiII", 40, 2, -2, 1, 16, 3, 0, 0, 0, 0, 0) + struct.pack("<III", 0xf800, 0x7e0, 0x1f)
    yield "BMP of 16 bits, top down", b"BM" + struct.pack("<IHHI", 74, 0, 0, 66) + header + struct.pack("<4H", 0xf800, 0x7e0, 0x1f, 0xffff)


def png(width, height, rows, colour, interlaced=0, bits=8):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def tiff(width, height):
    """A small file that says that it is large."""
    file = encode(picture(20, 20, "RGB"), "tiff")
    for tag, value in ((256, width), (257, height)):
        old = struct.pack("<HHII", tag, 4, 1, 20)
        assert old in file
        file = file.replace(old, struct.pack("<HHII", tag, 4, 1, value))
    return file


@pytest.mark.parametrize("name, file", interlaced_and_odd(), ids=lambda value: value if isinstance(value, str) else "")
def test_kinds_that_pillow_only_reads(name, file):
    assert np.array_equal(decode(file), expected(file, "RGB")), name


def error_of(file):
    with pytest.raises(tessera.Error) as error:
        module().run({"file": np.frombuffer(file, np.uint8)})
    return str(error.value)


@pytest.mark.parametrize("file, message", [
    (b"GIF89a" + bytes(20), "the image is in no known format"),
    (b"", "the image is in no known format"),
    (b"\x89PNG\r\n\x1a\n", "PNG: the file ends too early"),
    (encode(picture(20, 20, "RGB"), "png")[:-30], "PNG: the file ends too early"),
    (encode(picture(20, 20, "RGB"), "jpeg")[:300], "JPEG: "),
    (encode(picture(20, 20, "RGB"), "bmp")[:-1], "BMP: the file ends too early"),
    (encode(picture(20, 20, "RGB"), "ppm")[:-1], "PNM: the file ends too early"),
    (encode(picture(20, 20, "RGB"), "webp")[:-20], "WebP: the file is damaged, or ends too early"),
    (encode(picture(20, 20, "RGB"), "tiff")[:200], "TIFF: "),
    (encode(picture(20, 20, "RGB"), "jpeg2000")[:400], "JPEG 2000: the file is damaged"),
    (png(60000, 60000, bytes(50000), 2), "cannot hold 60000 x 60000 pixels"),
    (tiff(60000, 60000), "kMaxImagePixels"),
    (tiff(2000000, 1), "kMaxImageExtent"),
    (png(16000, 16000, b"", 2), "cannot hold 16000 x 16000 pixels"),
    (b"P6 99999999999 1 255 ", "PNM: the header is damaged"),
    (b"P5 65000 60000 255 ", "cannot hold 65000 x 60000 pixels"),
    (encode(picture(20, 20, "RGB"), "jpeg").replace(struct.pack(">HH", 20, 20), struct.pack(">HH", 16000, 16000), 1), "cannot hold 16000 x 16000"),
], ids=range(17))
def test_errors(file, message):
    text = error_of(file)
    assert message in text and "decoder" in text, text


def test_damaged_files():
    """A file that is cut off or has other bits gives pixels, or an error with a reason."""
    rng = random.Random(7)
    cases = images(33, 32)
    context = module().context()
    refused = 0
    for round_ in range(600):
        name, file = cases[round_ % len(cases)]
        damaged = bytearray(file)
        if round_ % 3 == 0:
            damaged = damaged[:rng.randrange(1, len(damaged))]
        else:
            for _ in range(rng.choice([1, 4])):
                damaged[rng.randrange(len(damaged) if round_ % 3 == 1 else 60)] ^= 1 << rng.randrange(8)
        try:
            image = context.run({"file": np.frombuffer(bytes(damaged), np.uint8)})["image"]
            assert image.ndim == 3 and image.shape[2] == 3, name
        except tessera.Error as error:
            assert "decoder" in str(error) and len(str(error)) > 30, (name, error)
            refused += 1
    assert 100 < refused < 600


def test_the_interpreter_runs_it(tmp_path):
    (tmp_path / "model.onnx").write_bytes(model("BGR"))
    file = encode(picture(9, 6, "RGB"), "png")
    np.save(tmp_path / "file.npy", np.frombuffer(file, np.uint8))
    subprocess.run([BUILD / "bin" / "tessera-run", tmp_path / "model.onnx", "--reference", "--input", f"file=@{tmp_path}/file.npy",
                    "--output", f"image=@{tmp_path}/image.npy"], check=True, capture_output=True)
    assert np.array_equal(np.load(tmp_path / "image.npy"), expected(file, "BGR"))


def test_without_the_library(tmp_path):
    """The runtime looks beside itself; without the library a module that needs it is refused when it is loaded."""
    (tmp_path / "model.onnx").write_bytes(model())
    (tmp_path / "lib").mkdir()
    (tmp_path / "bin").mkdir()
    shutil.copy(BUILD / "lib" / "libtessera_runtime.so", tmp_path / "lib")
    shutil.copy(BUILD / "lib" / "libtessera_cuda.so", tmp_path / "lib")
    shutil.copy(BUILD / "bin" / "tessera-run", tmp_path / "bin")
    subprocess.run([BUILD / "bin" / "tessera-compile", tmp_path / "model.onnx", "-o", tmp_path / "model.tsm"], check=True)

    def run(program, **environment):
        return subprocess.run([program, tmp_path / "model.tsm", "--input", "file=8xu8=1"], capture_output=True, text=True, check=False,
                              env=environment or None)

    done = run(tmp_path / "bin" / "tessera-run", LD_LIBRARY_PATH=str(tmp_path / "lib"))
    assert done.returncode and "libtessera_hostops.so" in done.stderr and "decoder" in done.stderr, done.stderr
    assert "no known format" in run(BUILD / "bin" / "tessera-run").stderr


@pytest.mark.parametrize("emit", ["exe", "object", "library"])
def test_standalone_code_is_refused(emit, tmp_path):
    (tmp_path / "model.onnx").write_bytes(model())
    done = subprocess.run([BUILD / "bin" / "tessera-compile", tmp_path / "model.onnx", "--emit", emit, "-o", tmp_path / "out.o"],
                          capture_output=True, text=True, check=False)
    assert done.returncode and "image.extents" in done.stderr and "host operator" in done.stderr, done.stderr
    assert not (tmp_path / "out.o").exists()
