"""What magika's model (standard_v3_3) wants to know of a file, and what its answer means.

From the package's own description (its README and config.min.json): the model reads the first `beg_size` bytes of the
file's first block without leading white space, and the last `end_size` bytes of its last block without trailing white
space; what is missing is filled with the padding token, at the end of the former and at the start of the latter.
"""

import json

import numpy as np

WHITE_SPACE = b" \t\n\r\x0b\x0c"


class FileTypes:
    def __init__(self, model, config_path):
        self.model = model
        self.config = json.loads(config_path.read_text())

    def features(self, contents):
        begin, end = self.config["beg_size"], self.config["end_size"]
        block, padding = self.config["block_size"], self.config["padding_token"]
        head = contents[:block].lstrip(WHITE_SPACE)[:begin]
        tail = contents[-block:].rstrip(WHITE_SPACE)[-end:]
        numbers = np.full((1, begin + end), padding, np.int32)
        numbers[0, :len(head)] = list(head)
        numbers[0, begin + end - len(tail):] = list(tail)
        return numbers

    def __call__(self, contents):
        """The type's name and how sure the model is (1: no question)."""
        if len(contents) < self.config["min_file_size_for_dl"]:
            return ("empty" if not contents else "too short to tell"), 1.0
        scores = self.model(self.features(contents))[0]
        best = int(scores.argmax())
        label, score = self.config["target_labels_space"][best], float(scores[best])
        enough = self.config["thresholds"].get(label, self.config["medium_confidence_threshold"])
        if score < enough:
            return f"unsure (perhaps {label})", score
        return self.config["overwrite_map"].get(label, label), score
