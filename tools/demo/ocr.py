"""Reads the text in a picture with the three PP-OCR models: where it is, which way up it stands, what it says."""

import numpy as np
import onnx
from boxes import find_boxes
from PIL import Image

HEIGHT = 48  # of the pictures that the recognition and direction models take
DIRECTION_WIDTH = 192


def to_numbers(image):
    """[3, height, width], blue first, from -1 to 1: what all three models were trained on."""
    pixels = np.asarray(image.convert("RGB"), np.float32)[:, :, ::-1]
    return ((pixels / 255 - 0.5) / 0.5).transpose(2, 0, 1)


def characters_of(path):
    """The recognition model carries its dictionary: class 0 is the blank, the last one a space."""
    for entry in onnx.load(str(path), load_external_data=False).metadata_props:
        if entry.key == "character":
            return [""] + entry.value.splitlines() + [" "]
    raise ValueError(f"{path} carries no dictionary")


class Reader:
    def __init__(self, detection, direction, recognition):
        self.detection, self.direction, self.recognition = detection, direction, recognition
        self.characters = characters_of(recognition.path)

    def find(self, image, longest=960, shortest=96):
        """Boxes in the picture's pixels. The model wants sides that are multiples of 32."""
        scale = min(longest / max(image.size), max(1.0, shortest / min(image.size)))
        size = [max(32, round(side * scale / 32) * 32) for side in image.size]
        numbers = to_numbers(image.resize(size, Image.Resampling.BILINEAR))
        probabilities = self.detection(numbers[None])[0, 0]
        return [box * (np.array(image.size) / size) for box in find_boxes(probabilities)]

    def cut(self, image, box):
        """The box as an upright picture."""
        width, height = (max(1, round(float(np.hypot(*(box[i] - box[0]))))) for i in (1, 3))
        corners = box[[0, 3, 2, 1]].flatten().tolist()  # left top, left bottom, right bottom, right top
        part = image.transform((width, height), Image.Transform.QUAD, corners, Image.Resampling.BICUBIC)
        return part.transpose(Image.Transpose.ROTATE_90) if height >= 1.5 * width else part

    def turn(self, part):
        """Upside down text is turned when the direction model is sure."""
        width = min(DIRECTION_WIDTH, max(1, round(part.width * HEIGHT / part.height)))
        numbers = np.zeros((1, 3, HEIGHT, DIRECTION_WIDTH), np.float32)
        numbers[0, :, :, :width] = to_numbers(part.resize((width, HEIGHT), Image.Resampling.BILINEAR))
        return part.rotate(180) if self.direction(numbers)[0, 1] > 0.9 else part

    def recognise(self, part):
        """The text and how sure the model is: of each step the best class, repetitions and blanks left out (CTC)."""
        width = max(HEIGHT, round(part.width * HEIGHT / part.height))
        scores = self.recognition(to_numbers(part.resize((width, HEIGHT), Image.Resampling.BILINEAR))[None])[0]
        classes = scores.argmax(axis=1)
        kept = (classes != 0) & (classes != np.concatenate(([0], classes[:-1])))
        text = "".join(self.characters[c] for c in classes[kept])
        return text, float(scores.max(axis=1)[kept].mean()) if kept.any() else 0.0

    def read(self, image, least=0.5):
        """(text, score, box) of every line."""
        lines = []
        for box in self.find(image):
            text, score = self.recognise(self.turn(self.cut(image, box)))
            if text.strip() and score >= least:
                lines.append((text, score, box))
        return lines
