"""Strings as modules have them: the bytes of their UTF-8 along a last axis of their own, padded with zeros."""
import numpy as np


def _encoded(string):
    if isinstance(string, str):
        string = string.encode()
    elif not isinstance(string, bytes):
        raise TypeError(f"expected strings, found {type(string).__name__}")
    if string.endswith(b"\0"):
        raise ValueError("a string ends with a zero, which cannot be told from what it is padded with")
    return string


def to_bytes(strings):
    """An array or a nested list of strings (or bytes) as an array of uint8 with one more axis, as wide as the longest.

    What is an array of uint8 already stays.
    """
    strings = np.asarray(strings, None if hasattr(strings, "dtype") else object)
    if strings.dtype == np.uint8:
        return strings
    encoded = [_encoded(string) for string in strings.ravel().tolist()]
    width = max(map(len, encoded), default=0)
    rows = b"".join(string.ljust(width, b"\0") for string in encoded)
    return np.frombuffer(rows, np.uint8).reshape(*strings.shape, width)


def from_bytes(array):
    """The other way round: an array of Python's strings."""
    *shape, width = array.shape
    count = int(np.prod(shape, dtype=np.int64))
    strings = np.full(count, "", object)
    if array.size:
        rows = np.ascontiguousarray(array).reshape(count, width).view(f"S{width}").ravel()
        strings[:] = [row.decode("utf-8", "replace") for row in rows.tolist()]
    return strings.reshape(shape)
