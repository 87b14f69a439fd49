"""Writes the general categories and the scripts of Unicode's characters: rows {first, last, category or script} in order for CodePoints.cpp. What is
not assigned has none. Python's library knows no scripts, Perl's (git needs it) does."""
import subprocess
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


PERL = """
my ($starts, $names) = prop_invmap("Script");
for my $i (0 .. $#$starts) {
  my $last = $i < $#$starts ? $starts->[$i + 1] - 1 : 0x10FFFF;
  printf qq(    {0x%X, 0x%X, "%s"},\\n), $starts->[$i], $last, $names->[$i] unless $names->[$i] eq "Unknown";
}
"""
scripts = subprocess.run(["perl", "-MUnicode::UCD=prop_invmap", "-e", PERL], check=True, capture_output=True, text=True).stdout

with open(sys.argv[1], "w", encoding="ascii") as file:
    file.write(f"static constexpr CategoryRow kCategories[] = {{\n{''.join(rows())}}};\n")
    file.write(f"static constexpr ScriptRow kScripts[] = {{\n{scripts}}};\n")
