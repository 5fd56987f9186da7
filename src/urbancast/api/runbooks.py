"""Runbooks: what each kind of alert means and what to do, as plain pages without script."""

from __future__ import annotations

import re
from html import escape
from importlib.resources import files
from pathlib import Path

from urbancast.api.docs_page import STYLE
from urbancast.api.problems import shown
from urbancast.core.errors import QueryError

_KIND = re.compile(r"[a-z]+(-[a-z]+)*")
_HEADING = re.compile(r"^# +(.+)$", re.MULTILINE)


def folder() -> Path:
    """Where the runbooks lie: in the installed package, or in the checkout beside it."""
    package = Path(str(files("urbancast")))
    installed = package / "runbooks"
    return installed if installed.is_dir() else package.parents[1] / "docs" / "runbooks"


def kinds(where: Path) -> list[str]:
    """Kinds of alerts that have a runbook."""
    return sorted(path.stem for path in where.glob("*.md") if _KIND.fullmatch(path.stem))


def page(kind: str, where: Path) -> str:
    """HTML of a kind's runbook; QueryError 404 that names the known ones."""
    known = kinds(where)
    if kind not in known:
        raise QueryError("unknown-runbook", expected=f"one of {', '.join(known) or 'none here'}", found=shown(kind),
                         action="name one of them", status=404)  # fmt: skip
    from markdown_it import MarkdownIt

    text = (where / f"{kind}.md").read_text(encoding="utf-8")
    heading = _HEADING.search(text)
    title = escape(heading[1] if heading else kind)
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{STYLE}</style></head>'
        f'<body><p><a href="/#/operations">Operations</a></p>{body}</body></html>'
    )
