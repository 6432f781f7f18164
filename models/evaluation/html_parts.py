"""The parts of a report: one HTML page without outside files, its tables and numbers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.2rem .7rem;text-align:right;border-bottom:1px solid #ddd}
th:first-child,td:first-child{text-align:left}svg{max-width:100%;height:auto;font:12px system-ui,sans-serif}
.grid{stroke:#ddd}figure{margin:1rem 0}figcaption{color:#555}code{background:#f3f3f3;padding:0 .25rem}
"""
MISSING = "–"


def write_files(out: Path, figures: Mapping[str, Any], html: str) -> list[Path]:
    """Write ``metrics.json`` and ``report.html`` into ``out``, made where it is missing, and return their paths."""
    out.mkdir(parents=True, exist_ok=True)
    numbers, page = out / "metrics.json", out / "report.html"
    numbers.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    page.write_text(html, encoding="utf-8")
    return [numbers, page]


def page(title: str, body: Iterable[str]) -> str:
    """Return one HTML page without outside files; ``body`` holds its elements as HTML, ``title`` is plain text."""
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    return (
        f"<!doctype html><html lang='en'><head>{head}<style>{_STYLE}</style></head><body>{''.join(body)}</body></html>"
    )


def heading(title: str, intro: str, command: str) -> str:
    """Return the head of a report from plain texts; an empty ``command`` (it repeats the run) is left out."""
    repeat = f"<p>Repeat it: <code>{escape(command)}</code></p>" if command else ""
    return f"<h1>{escape(title)}</h1><p>{escape(intro)}</p>{repeat}"


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table; texts are escaped, their underscores shown as spaces, numbers written as ``number`` does."""
    top = "".join(f"<th>{_cell(head)}</th>" for head in heads)
    body = "".join("<tr>" + "".join(f"<td>{_cell(value)}</td>" for value in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def figure(content: str, caption: str) -> str:
    """Return charts (HTML) with a caption (plain text)."""
    return f"<figure>{content}<figcaption>{escape(caption)}</figcaption></figure>"


def number(value: float | None) -> str:
    """Return a number for people: four digits below 1000, whole with separators above.

    >>> number(0.12345), number(999.96), number(12345.6), number(None)
    ('0.1235', '1,000', '12,346', '–')
    """
    if value is None:
        return MISSING
    text = f"{value:.4g}"
    return text if abs(float(text)) < 1000 else f"{value:,.0f}"


def _cell(value: Any) -> str:
    if value is None or isinstance(value, float):
        return number(value)
    return escape(str(value).replace("_", " "))
