"""What the documentation says: pages, their fenced blocks, and the names of code in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHELL = ("sh", "bash")
NOT_RUN = "not run by the tests: "
_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: where it starts, its language, what follows the language, and its text."""

    page: Path
    line: int
    language: str
    info: str
    body: str

    @property
    def place(self) -> str:
        """File and line, as an editor takes them."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def reason(self) -> str | None:
        """Why the tests do not run it, or None where they do."""
        match = re.search(rf'title="{NOT_RUN}([^"]+)"', self.info)
        return match[1] if match else None

    @property
    def commands(self) -> list[str]:
        """The commands of a shell block: comments left out, continued lines joined."""
        text = re.sub(r"\\\n\s*", " ", self.body)
        lines = [re.sub(r"(^|\s+)# .*$", "", line).strip() for line in text.splitlines()]
        return [line for line in lines if line and not line.startswith("#")]


def pages() -> list[Path]:
    """Every page that people read, in the repository's root, in docs/ and in examples/."""
    return [
        *sorted(ROOT.glob("*.md")),
        *sorted((ROOT / "docs").rglob("*.md")),
        *sorted((ROOT / "examples").glob("*.md")),
    ]


def blocks(page: Path) -> list[Block]:
    """Every fenced block of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, match.start()) + 1, match["language"], match["info"], match["body"])
        for match in _FENCE.finditer(text)
    ]


def shell_blocks() -> list[Block]:
    """Every shell block of every page."""
    return [block for page in pages() for block in blocks(page) if block.language in SHELL]


def code_spans(page: Path) -> list[tuple[int, str]]:
    """Line and text of each `code span` outside fenced blocks."""
    text = _FENCE.sub(lambda match: "\n" * match[0].count("\n"), page.read_text(encoding="utf-8"))
    return [
        (number, span)
        for number, line in enumerate(text.splitlines(), start=1)
        for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", line)
    ]
