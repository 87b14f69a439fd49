"""Sequences whose elements have different shapes, as modules have them: the values of all elements, one after the other
in row-major order, and a table of the elements' shapes, two inputs or outputs that are called NAME and NAME/shapes."""
import numpy as np


def to_list(values, shapes):
    """The elements, as arrays."""
    ends = np.cumsum(np.prod(shapes, axis=1, dtype=np.int64))
    return [values[end - int(np.prod(shape)):end].reshape(shape) for end, shape in zip(ends.tolist(), shapes.tolist())]


def from_list(elements, rank, dtype=None):
    """Values and shapes of arrays of this rank."""
    elements = [np.asarray(element, dtype) for element in elements]
    for element in elements:
        if element.ndim != rank:
            raise ValueError(f"expected elements of rank {rank}, found one of shape {element.shape}")
        if element.dtype != elements[0].dtype:
            raise ValueError(f"expected elements of one type, found {elements[0].dtype} and {element.dtype}")
    values = np.concatenate([element.ravel() for element in elements]) if elements else np.empty(0, dtype)
    return values, np.array([element.shape for element in elements], np.int64).reshape(len(elements), rank)
