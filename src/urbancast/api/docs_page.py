"""The page at /docs: every route with its parameters and an example, plain HTML that works offline."""

from __future__ import annotations

from html import escape
from typing import Any

import orjson

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
code,pre{font:13px/1.5 ui-monospace,monospace}pre{background:#f3f5f7;padding:.8rem;overflow:auto;border-radius:6px}
article{border-top:1px solid #d5dae0;padding:1rem 0}h2{font-size:1.05rem;margin:.2rem 0}
td,th{padding:.15rem .8rem .15rem 0;text-align:left;vertical-align:top}.verb{font-weight:700;color:#0b5c8a}
@media(prefers-color-scheme:dark){body{background:#14181d;color:#e6e9ec}pre{background:#1f262d}.verb{color:#7cc4ee}}
"""


def render(openapi: dict[str, Any]) -> str:
    """HTML of an OpenAPI document."""
    info = openapi["info"]
    articles = [
        _article(path, verb, operation) for path, verbs in openapi["paths"].items() for verb, operation in verbs.items()
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}: API</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{STYLE}</style></head><body>'
        f"<h1>{escape(info['title'])}: API</h1><p>{escape(info.get('description', ''))}</p>"
        '<p>Machine-readable: <a href="/openapi.json">/openapi.json</a>. '
        "Errors are <code>application/problem+json</code> with a named <code>state</code>.</p>"
        f"{''.join(articles)}</body></html>"
    )


def _article(path: str, verb: str, operation: dict[str, Any]) -> str:
    rows = "".join(_parameter(each) for each in operation.get("parameters", ()))
    table = f"<table><tr><th>parameter</th><th>in</th><th>what</th></tr>{rows}</table>" if rows else ""
    return (
        f'<article><h2><span class="verb">{verb.upper()}</span> <code>{escape(path)}</code></h2>'
        f"<p>{escape(operation.get('summary', ''))}. {escape(operation.get('description', ''))}</p>"
        f"{table}{_body(operation)}{_example(operation)}</article>"
    )


def _parameter(parameter: dict[str, Any]) -> str:
    name = f"<code>{escape(parameter['name'])}</code>{' *' if parameter.get('required') else ''}"
    return (
        f"<tr><td>{name}</td><td>{escape(parameter['in'])}</td><td>{escape(parameter.get('description', ''))}</td></tr>"
    )


def _body(operation: dict[str, Any]) -> str:
    content = operation.get("requestBody", {}).get("content", {})
    examples = [example for media in content.values() for example in media.get("examples", {}).values()]
    return "".join(f"<p>Send</p><pre>{_json(example['value'])}</pre>" for example in examples)


def _example(operation: dict[str, Any]) -> str:
    content = operation["responses"].get("200", {}).get("content", {})
    return "".join(
        f"<p>Receive</p><pre>{_json(media['example'])}</pre>" for media in content.values() if "example" in media
    )


def _json(example: Any) -> str:
    text = example if isinstance(example, str) else orjson.dumps(example, option=orjson.OPT_INDENT_2).decode()
    return escape(text)
