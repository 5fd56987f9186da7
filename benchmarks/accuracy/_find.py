"""Where the real extracts lie: beside the project, never in it."""

from __future__ import annotations

import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "products"  # products outside the package


def shared(path: str) -> Path:
    """Path under ``../shared/data`` of the project; a plain exit where it is absent."""
    found = Path(__file__).resolve().parents[2].parent / "shared" / "data" / path
    if not found.exists():
        sys.exit(f"needs the real extract shared/data/{path} beside the project; it is not there")
    return found
