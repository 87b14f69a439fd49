"""Writes the general categories of Unicode's characters: rows {first, last, category} in order for CodePoints.cpp. What is not assigned has none."""
import sys
import unicodedata


def rows():
    first, kind = 0, unicodedata.category("\0")
    for point in range(1, 0x110001):
        own = unicodedata.category(chr(point)) if point < 0x110000 else ""
        if own != kind:
            if kind != "Cn":
                yield f'    {{0x{first:X}, 0x{point - 1:X}, "{kind}"}},\n'
            first, kind = point, own


with open(sys.argv[1], "w", encoding="ascii") as file:
    file.write(f"static constexpr CategoryRow kCategories[] = {{\n{''.join(rows())}}};\n")
