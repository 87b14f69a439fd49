# The runtime library needs the C library and nothing else, exports its C interface and nothing else, and has no way to
# end the process, print, or change what belongs to its host. It is small. (It opens one library, that of the host operators.)
# RUN: python3 %s %tessera_lib
"""Argument: the folder of libtessera_runtime.so."""
import os
import re
import subprocess
import sys
import tempfile

library = os.path.join(sys.argv[1], "libtessera_runtime.so")


def symbols(*options):
    lines = subprocess.run(["nm", "-D", *options, library], capture_output=True, text=True, check=True).stdout.splitlines()
    return {line.split()[-1].split("@")[0] for line in lines}


BANNED = re.compile(r"abort|exit|terminate|assert|^(v?f?d?printf|puts|putchar|perror|fwrite|write)$|throw|__cxa_(?!finalize)|"
                    r"^sig|setlocale|^fe[a-z]+env|getenv|^_Z")
imported = symbols("--undefined-only")
assert "mmap" in imported, imported
assert not (wrong := sorted(name for name in imported if BANNED.search(name))), wrong
exported = symbols("--defined-only")
assert not (wrong := sorted(name for name in exported if not name.startswith("tessera_"))), wrong
assert "tessera_run" in exported

needed = subprocess.run(["readelf", "-d", library], capture_output=True, text=True, check=True).stdout
needed = re.findall(r"NEEDED.*\[(.*)\]", needed)
assert set(needed) <= {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2", "libgcc_s.so.1"}, needed

with tempfile.NamedTemporaryFile() as stripped:
    subprocess.run(["strip", "-o", stripped.name, library], check=True)
    size = os.path.getsize(stripped.name)
assert size <= 500 * 1000, size
