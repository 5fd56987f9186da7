"""Where the system has no OpenMP library, lend LightGBM the one that scikit-learn brings along.

LightGBM's wheel expects `libgomp.so.1` from the system, which a slim image lacks. The copy gets that
name inside as well, and a `.pth` file loads it when Python starts, before anything asks for it.
"""

from __future__ import annotations

import ctypes
import sys
import sysconfig
from pathlib import Path

WANTED = b"libgomp.so.1"


def main() -> int:
    """Do nothing where OpenMP loads; 1 when there is nothing to lend."""
    if sys.platform != "linux" or is_there():
        return 0
    site = Path(sysconfig.get_path("platlib"))
    found = next(site.glob("scikit_learn.libs/libgomp*.so*"), None)
    if found is None:
        sys.stderr.write("OpenMP: expected libgomp.so.1, found none; install it (Debian: apt-get install libgomp1)\n")
        return 1
    lent = site / "openmp" / WANTED.decode()
    lent.parent.mkdir(exist_ok=True)
    name = found.name.encode()
    lent.write_bytes(found.read_bytes().replace(name + b"\0", WANTED.ljust(len(name), b"\0") + b"\0"))
    (site / "openmp.pth").write_text(f"import ctypes; ctypes.CDLL({str(lent)!r}, ctypes.RTLD_GLOBAL)\n")
    return 0


def is_there() -> bool:
    """Whether the loader finds OpenMP by its plain name."""
    try:
        ctypes.CDLL(WANTED.decode())
    except OSError:
        return False
    return True


if __name__ == "__main__":
    raise SystemExit(main())
