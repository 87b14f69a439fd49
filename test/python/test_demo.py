"""What the demo does before and after the models, and the demo as a whole."""
import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import BUILD, ROOT

DEMO = ROOT / "tools" / "demo"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(BUILD / "python")}
sys.path.insert(0, str(DEMO))

import boxes  # noqa: E402


def flood(bitmap):
    """Sizes of 8-connected parts, by flooding."""
    seen, sizes = np.zeros_like(bitmap), []
    for start in zip(*np.nonzero(bitmap)):
        if seen[start]:
            continue
        todo, size = [start], 0
        seen[start] = True
        while todo:
            y, x = todo.pop()
            size += 1
            for p in ((y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)):
                if 0 <= p[0] < bitmap.shape[0] and 0 <= p[1] < bitmap.shape[1] and bitmap[p] and not seen[p]:
                    seen[p] = True
                    todo.append(p)
        sizes.append(size)
    return sorted(sizes)


@pytest.mark.parametrize("density", [0.0, 0.1, 0.3, 0.5, 1.0])
def test_connected_parts_are_those_of_flooding(density):
    bitmap = np.random.default_rng(int(density * 10)).random((40, 37)) < density
    parts = boxes.connected_parts(bitmap)
    assert sorted(sum(last - first + 1 for _, first, last in part) for part in parts) == flood(bitmap)
    for part in parts:
        assert all(bitmap[y, first:last + 1].all() for y, first, last in part)


@pytest.mark.parametrize("angle", [0, 10, -25, 40])
def test_smallest_rectangle_of_a_turned_one(angle):
    turn = np.array([[np.cos(np.radians(angle)), -np.sin(np.radians(angle))],
                     [np.sin(np.radians(angle)), np.cos(np.radians(angle))]])
    grid = np.array([(x, y) for x in np.linspace(-50, 50, 21) for y in np.linspace(-8, 8, 9)])
    points = [tuple(p) for p in grid @ turn.T + (100, 70)]
    centre, along, width, height = boxes.smallest_rectangle(points)
    np.testing.assert_allclose(centre, (100, 70), atol=1e-9)
    np.testing.assert_allclose((width, height), (100, 16), atol=1e-9)
    np.testing.assert_allclose(along, turn[:, 0], atol=1e-9)


def test_boxes_grow_and_are_in_reading_order():
    found = np.zeros((100, 200))
    found[20:30, 120:180] = found[22:32, 10:90] = found[60:70, 10:90] = 0.9
    found[80:90, 10:90] = 0.4  # Not sure enough.
    corners = boxes.find_boxes(found)
    assert [tuple(box[0].round()) for box in corners] == [(3, 15), (113, 13), (3, 53)]
    margin = 80 * 10 * 1.6 / 180
    np.testing.assert_allclose(corners[2][2], (90 + margin, 70 + margin))


def test_features_of_files(tmp_path):
    import json

    from filetypes import FileTypes

    config = tmp_path / "config.json"
    config.write_text(json.dumps({"beg_size": 4, "end_size": 4, "block_size": 8, "padding_token": 256,
                                  "min_file_size_for_dl": 2, "target_labels_space": ["a", "b"],
                                  "thresholds": {"a": 0.9}, "medium_confidence_threshold": 0.5,
                                  "overwrite_map": {"b": "c"}}))
    types = FileTypes(lambda x: np.array([scores]), config)
    assert types.features(b"  abcdefgh \n").tolist() == [[*b"abcd", *b"efgh"]]
    assert types.features(b"ab").tolist() == [[97, 98, 256, 256, 256, 256, 97, 98]]
    scores = [0.2, 0.8]
    assert types(b"text") == ("c", 0.8)
    scores = [0.8, 0.2]
    assert types(b"text") == ("unsure (perhaps a)", 0.8)
    assert types(b"")[0] == "empty" and types(b"x")[0] == "too short to tell"


def test_the_demo_reads_and_tells(models, tmp_path):
    from demo import TEXT, example_picture

    picture = tmp_path / "no-suffix"
    example_picture().save(picture, "PNG")
    source = tmp_path / "misleading.png"
    source.write_text((DEMO / "demo.py").read_text())
    done = subprocess.run([sys.executable, str(DEMO / "demo.py"), "--no-compare", "--models", str(models), str(picture),
                           str(source)], capture_output=True, text=True, check=False,
                          env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    for line in TEXT:  # Spaces are the model's weakness.
        assert line.replace(" ", "") in done.stdout.replace(" ", ""), done.stdout
    assert "python" in done.stdout and "misleading.png" in done.stdout
    done = subprocess.run([sys.executable, str(DEMO / "demo.py"), "/no/such/file"], capture_output=True, text=True,
                          check=False, env=ENVIRONMENT)
    assert done.returncode == 1 and "there is no file '/no/such/file'" in done.stderr
