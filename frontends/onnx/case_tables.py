"""Writes the characters whose case Unicode changes: rows {character, UTF-8 of what it becomes} for CaseChange.cpp."""
import sys


def rows(change):
    for point in range(0x110000):
        if not 0xD800 <= point < 0xE000 and (changed := change(chr(point))) != chr(point):
            text = "".join(f"\\x{byte:02x}" for byte in changed.encode())
            yield f'    {{0x{point:X}, "{text}"}},\n'


with open(sys.argv[1], "w", encoding="ascii") as file:
    for name, change in (("kLower", str.lower), ("kUpper", str.upper)):
        file.write(f"static constexpr CaseRow {name}[] = {{\n{''.join(rows(change))}}};\n")
