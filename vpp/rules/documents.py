"""Reads documents with rules - Markdown, HTML, text, PDF - into clauses with their number and page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path

from vpp.errors import DataError
from vpp.rules.clauses import Clause

MAX_CHARS = 1500
MIN_CHARS = 40
MAX_BYTES = 8_000_000
MAX_TOTAL_BYTES = 32_000_000
MAX_PAGES = 2_000
KINDS = (".md", ".markdown", ".html", ".htm", ".txt", ".pdf")
# "R1.", "4.2.3", "Section 12", "Article 5", "§ 35.28", "12.", also behind Markdown's hashes.
_HEADING = re.compile(
    r"^\s{0,3}(?P<hashes>#{1,6}\s+)?"
    r"(?P<number>R\d+(?:\.\d+)*|\d+(?:\.\d+){0,4}|(?:Section|Article|Annex|§)\s*[\dA-Z]+(?:\.\d+)*)"
    r"(?P<mark>[.):])?\s+(?P<title>\S.{0,160})$"
)
_UNITS = frozenset(
    [
        "W",
        "kW",
        "MW",
        "GW",
        "Wh",
        "kWh",
        "MWh",
        "GWh",
        "V",
        "kV",
        "A",
        "Hz",
        "mHz",
        "EUR",
        "GBP",
        "USD",
        "UTC",
        "C",
        "K",
        "Mvar",
        "MVA",
    ]
)
_LONGEST_NUMBER = 3
_MARKDOWN_HEADING = re.compile(r"^#{1,6}\s+(?P<title>\S.*)$")


def read_document(path: Path) -> list[Clause]:
    """Return the clauses of one document, in order; text without numbered headings is cut by length.

    Raises:
        DataError: The kind is unknown, the file is too large or cannot be read, or it has no text.
    """
    if path.suffix.lower() not in KINDS:
        raise DataError(f"{path} is no {', '.join(KINDS)}", hint="convert it first")
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise DataError(
                f"{path} has {size / 1e6:.1f} MB, more than {MAX_BYTES / 1e6:g} MB",
                hint="split it",
            )
        pages = list(_bounded(path, _pages(path)))
    except UnicodeDecodeError as error:
        raise DataError(f"cannot read {path}: {error}", hint="save it in UTF-8") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error}") from error
    clauses = list(_clauses(pages, path.name))
    if not clauses:
        raise DataError(f"{path} holds no text", hint="a scanned PDF needs text recognition first")
    return clauses


def documents_in(path: Path) -> list[Path]:
    """Return a file, or all documents below a folder.

    Raises:
        DataError: There is none, two have one name, they are too large together, or one is a link to a file outside
            the folder.
    """
    folder = path if path.is_dir() else path.parent
    if path.is_dir():
        paths = sorted(p for p in path.rglob("*") if p.suffix.lower() in KINDS and p.is_file())
    else:
        paths = [path] if path.is_file() else []
    for document in paths:
        if not document.resolve().is_relative_to(folder.resolve()):
            raise DataError(f"{document} is a link to a file outside {folder}", hint="copy the file there")
    names = Counter(path.name for path in paths)
    twice = next((name for name, count in names.items() if count > 1), None)
    if twice is not None:
        raise DataError(f"{path} holds several documents {twice}", hint="a document is known by its name: rename them")
    total = sum(path.stat().st_size for path in paths)
    if total > MAX_TOTAL_BYTES:
        raise DataError(
            f"the documents at {path} have {total / 1e6:.1f} MB, more than {MAX_TOTAL_BYTES / 1e6:g} MB",
            hint="add them in parts; all rules are searched in memory",
        )
    if not paths:
        raise DataError(f"there is no document at {path}", hint=f"give a file or folder with {', '.join(KINDS)}")
    return paths


def _bounded(path: Path, pages: Iterable[tuple[int | None, str]]) -> Iterator[tuple[int | None, str]]:
    """Pass pages on, and stop at the first that makes the text too long: a small file may hold a long one."""
    characters = 0
    for number, text in pages:
        characters += len(text)
        if characters > MAX_BYTES:
            raise DataError(f"{path} holds more than {MAX_BYTES / 1e6:g} MB of text", hint="split it")
        yield number, text


def _pages(path: Path) -> Iterator[tuple[int | None, str]]:
    suffix = path.suffix.lower()
    if suffix == ".pdf":
        yield from _pdf_pages(path)
        return
    text = path.read_text(encoding="utf-8-sig")
    yield None, _text_of_html(text) if suffix in (".html", ".htm") else text


def _pdf_pages(path: Path) -> Iterator[tuple[int, str]]:
    try:
        from pypdf import PdfReader
        from pypdf.errors import PyPdfError
    except ImportError as error:
        raise DataError("reading PDF needs pypdf", hint="pip install pypdf, or convert the file to text") from error
    try:
        pages = PdfReader(path).pages
        if len(pages) > MAX_PAGES:
            raise DataError(f"{path} has {len(pages)} pages, more than {MAX_PAGES}", hint="split it")
        for number, page in enumerate(pages, start=1):
            yield number, page.extract_text()
    except PyPdfError as error:
        raise DataError(f"cannot read {path}: {error}") from error


def _clauses(pages: Iterable[tuple[int | None, str]], source: str) -> Iterator[Clause]:
    """Yield the clauses of a document; one that continues over a page is a clause of the same number on each.

    A numbered line that nothing follows is a clause by itself where it is a sentence.
    """
    number, title = "", ""
    for page, text in pages:
        lines, sentence = list[str](), ""
        for line in [*text.splitlines(), None]:
            head = None if line is None else _heading(line) or _MARKDOWN_HEADING.match(line)
            if line is not None and head is None:
                lines.append(line)
                continue
            body = " ".join(" ".join(lines).split()) or sentence
            if len(body) >= MIN_CHARS or (title and body):
                yield from _named(body, number, title, source, page)
            lines, sentence = [], ""
            if head is not None:
                groups = head.groupdict()
                number, title = groups.get("number") or "", groups["title"].strip()
                sentence = title if number and title.endswith((".", ";", "!", "?")) else ""


def _named(body: str, number: str, title: str, source: str, page: int | None) -> Iterator[Clause]:
    for part, piece in enumerate(_pieces(body)):
        yield Clause(
            clause=number or f"{Path(source).stem}{'' if page is None else f' p{page}'}",
            title=title or source,
            text=piece,
            source=source,
            citation=" ".join(filter(None, (source, number, None if page is None else f"page {page}"))),
            page=page,
            also="" if part == 0 else f"continued {part + 1}",
        )


def _heading(line: str) -> re.Match[str] | None:
    """Return the match of a numbered heading; None also for a wrapped line of text that begins with a quantity."""
    head = _HEADING.match(line)
    if head is None or head["hashes"] or not head["number"][0].isdigit():
        return head
    number, word = head["number"], head["title"].split()[0]
    is_quantity = number.startswith("0") or word.rstrip(".,;:") in _UNITS or not word[0].isupper()
    is_bare = number.isdigit() and (head["mark"] is None or len(number) > _LONGEST_NUMBER)
    return None if is_quantity or is_bare else head


def _pieces(body: str) -> Iterator[str]:
    """Cut long text at the ends of sentences."""
    while len(body) > MAX_CHARS:
        cut = body.rfind(". ", 0, MAX_CHARS)
        cut = MAX_CHARS if cut < MAX_CHARS // 3 else cut + 1
        yield body[:cut].strip()
        body = body[cut:].strip()
    if body:
        yield body


class _Text(HTMLParser):
    """Keeps the visible text of a page; headings become Markdown's, blocks end lines, cells end words."""

    BLOCKS = frozenset(
        {
            *("p", "div", "li", "tr", "br", "section", "article", "table", "ul", "ol", "dl", "dt", "dd", "pre"),
            *("blockquote", "caption", "figcaption", "header", "footer", "main", "hr"),
        }
    )
    CELLS = frozenset({"td", "th"})
    # The end of a head may be left out, that of a title may not.
    SILENT = frozenset({"script", "style", "title", "nav"})

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.SILENT:
            self._silent += 1
        elif re.fullmatch("h[1-6]", tag):
            self.parts.append("\n" + "#" * int(tag[1]) + " ")
        elif tag in self.BLOCKS:
            self.parts.append("\n")
        elif tag in self.CELLS:
            self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in self.SILENT:
            self._silent = max(self._silent - 1, 0)
        elif re.fullmatch("h[1-6]", tag) or tag in self.BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(data.replace("\n", " "))


def _text_of_html(text: str) -> str:
    parser = _Text()
    parser.feed(text)
    return "".join(parser.parts)
