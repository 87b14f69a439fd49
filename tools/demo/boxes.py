"""From a map of probabilities to boxes of text: connected parts, the smallest rectangle around each, a margin."""

import numpy as np


def connected_parts(bitmap):
    """Rows and column ranges (row, first, last) of each 8-connected part: runs of rows, joined by union-find."""
    runs, parents = [], []

    def root(i):
        while parents[i] != i:
            parents[i] = parents[parents[i]]
            i = parents[i]
        return i

    above = []
    for y, row in enumerate(bitmap):
        edges = np.flatnonzero(np.diff(np.concatenate(([0], row.astype(np.int8), [0]))))
        current = []
        for first, end in zip(edges[::2], edges[1::2]):
            index = len(runs)
            runs.append((y, int(first), int(end) - 1))
            parents.append(index)
            current.append(index)
            for other in above:  # Neighbours also at a corner.
                if runs[other][1] <= end and runs[other][2] >= first - 1:
                    parents[root(index)] = root(other)
        above = current
    parts = {}
    for i, run in enumerate(runs):
        parts.setdefault(root(i), []).append(run)
    return list(parts.values())


def convex_hull(points):
    """Andrew's monotone chain, counter-clockwise."""
    points = sorted(set(points))
    if len(points) < 3:
        return points

    def half(ordered):
        chain = []
        for p in ordered:
            while len(chain) > 1 and ((chain[-1][0] - chain[-2][0]) * (p[1] - chain[-2][1])
                                      - (chain[-1][1] - chain[-2][1]) * (p[0] - chain[-2][0])) <= 0:
                chain.pop()
            chain.append(p)
        return chain[:-1]

    return half(points) + half(points[::-1])


def smallest_rectangle(points):
    """(centre, unit vector along the width, width, height): one side lies on an edge of the hull."""
    hull = np.array(convex_hull(points), float)
    best = None
    for start, end in zip(hull, np.roll(hull, -1, axis=0)):
        length = np.hypot(*(end - start))
        if length == 0:
            continue
        along = (end - start) / length
        across = np.array([-along[1], along[0]])
        u, v = hull @ along, hull @ across
        area = (u.max() - u.min()) * (v.max() - v.min())
        if best is None or area < best[0]:
            centre = along * (u.max() + u.min()) / 2 + across * (v.max() + v.min()) / 2
            best = (area, centre, along, u.max() - u.min(), v.max() - v.min())
    _, centre, along, width, height = best
    if abs(along[0]) < abs(along[1]):  # The width is the side that lies flatter.
        along, width, height = np.array([-along[1], along[0]]), height, width
    if along[0] < 0:
        along = -along
    return centre, along, width, height


def find_boxes(probabilities, threshold=0.3, least_score=0.5, unclip=1.6, least_side=3):
    """Boxes of text in a map, as corners (left top, right top, right bottom, left bottom) in its pixels.

    The model marks the middle of a line of text; a box grows by area * unclip / perimeter on every side (the offset of
    DB, Liao et al. 2020, section 3.4).
    """
    boxes = []
    for part in connected_parts(probabilities > threshold):
        count = sum(last - first + 1 for _, first, last in part)
        score = sum(float(probabilities[y, first:last + 1].sum()) for y, first, last in part) / count
        corners = [(x, y + dy) for y, first, last in part for x in (first, last + 1) for dy in (0, 1)]
        centre, along, width, height = smallest_rectangle(corners)
        if score < least_score or min(width, height) < least_side:
            continue
        margin = width * height * unclip / (2 * (width + height))
        across = np.array([-along[1], along[0]])
        u, v = along * (width / 2 + margin), across * (height / 2 + margin)
        boxes.append(np.array([centre - u - v, centre + u - v, centre + u + v, centre - u + v]))
    return in_reading_order(boxes)


def in_reading_order(boxes):
    """Lines from top to bottom, in a line from left to right."""
    boxes = sorted(boxes, key=lambda box: box[:, 1].mean())
    lines = []
    for box in boxes:
        height = np.hypot(*(box[3] - box[0]))
        if lines and abs(box[:, 1].mean() - lines[-1][-1][:, 1].mean()) < height / 2:
            lines[-1].append(box)
        else:
            lines.append([box])
    return [box for line in lines for box in sorted(line, key=lambda box: box[:, 0].min())]
