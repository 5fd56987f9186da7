"""Project rules no linter knows: short files, no machine paths, no city named outside `products/`, products apart."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PRODUCTS = Path("src/urbancast/products")
CODE = {".py", ".ts", ".svelte", ".js", ".css"}
TEXT = CODE | {".md", ".toml", ".yaml", ".yml", ".json", ".html", ".sh", ".csv", ""}
MAX_LINES = 400
MAX_FUNCTION_LINES = 50
MACHINE_PATH = re.compile(r"(?<![\w.~/-])/(home|root|Users|work|mnt)/\w|[A-Z]:\\\\Users")
CITY_FREE = (Path("src/urbancast"), Path("web/src"))


def main() -> int:
    """Print one line per broken rule; 1 when there is any."""
    files = [path for path in tracked() if path.suffix in TEXT and (ROOT / path).is_file()]
    names = city_names()
    broken = [line for path in files for line in check(path, (ROOT / path).read_text("utf-8", "replace"), names)]
    sys.stdout.writelines(f"{line}\n" for line in broken)
    return 1 if broken else 0


def tracked() -> list[Path]:
    """Files git knows or would add, relative to the project."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [Path(line) for line in listed.splitlines()]


def check(path: Path, text: str, names: re.Pattern[str] | None) -> Iterator[str]:
    """Broken rules of one file, as `path:line: what`."""
    lines = text.splitlines()
    if path.suffix in CODE and len(lines) > MAX_LINES:
        yield f"{path}:1: {len(lines)} lines, at most {MAX_LINES}; a concept in it is unnamed, split it"
    if path.suffix == ".py":
        yield from long_functions(path, text)
        yield from borrowed(path, text)
    is_city_free = any(path.is_relative_to(folder) for folder in CITY_FREE) and not path.is_relative_to(PRODUCTS)
    is_city_free &= not path.name.endswith(".test.ts")
    for number, line in enumerate(lines, 1):
        if MACHINE_PATH.search(line):
            yield f"{path}:{number}: a path of one machine; write it relative to the project"
        if names and is_city_free and (found := names.search(line)):
            yield f"{path}:{number}: names {found[0]!r}; what differs between cities lives in products/"


def long_functions(path: Path, text: str) -> Iterator[str]:
    """Functions over the limit, counted from `def` to the last line."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                yield f"{path}:{node.lineno}: {node.name} has {length} lines, at most {MAX_FUNCTION_LINES}; split it"


def borrowed(path: Path, text: str) -> Iterator[str]:
    """Imports of one product by another; single modules beside the products are theirs to share."""
    if not path.is_relative_to(PRODUCTS) or len(path.relative_to(PRODUCTS).parts) < 2:
        return
    own = path.relative_to(PRODUCTS).parts[0]
    others = {other.parent.name for other in (ROOT / PRODUCTS).glob("*/product.py")} - {own}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.startswith("urbancast.products.") and name.split(".")[2] in others:
                yield f"{path}:{node.lineno}: imports {name}; a product stands alone, move what both need beside them"


def city_names() -> re.Pattern[str] | None:
    """One pattern for the cities of all products: first word of the folder and the literal `city=`."""
    names: set[str] = set()
    for promise in (ROOT / PRODUCTS).glob("*/product.py"):
        names.add(promise.parent.name.split("_")[0])
        for node in ast.walk(ast.parse(promise.read_text("utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "city" and isinstance(node.value, ast.Constant):
                names.add(str(node.value.value))
    if not names:
        return None
    words = "|".join(sorted(re.escape(name).replace(r"\ ", r"[ _-]") for name in names))
    return re.compile(rf"(?<![^\W_])(?:{words})(?![^\W_])", re.IGNORECASE)


if __name__ == "__main__":
    raise SystemExit(main())
