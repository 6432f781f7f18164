"""Makes text of other authors harmless for a terminal, a table or a reader: one line without invisible characters."""

from __future__ import annotations

import shlex
import unicodedata

_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_FORMULA = "=+-@\uff1d\uff0b\uff0d\uff20"
"""What a cell begins with that a spreadsheet would run; the last four are the same in full width."""


def plain_line(text: str) -> str:
    r"""Return ``text`` on one line, without control or invisible characters.

    >>> plain_line("soc\x1b[2J\n low\u202e")
    'soc [2J low'
    """
    if text.isprintable():
        return text
    visible = "".join(" " if unicodedata.category(char) in _UNSEEN else char for char in text)
    return " ".join(visible.split())


def escaped(text: str) -> str:
    r"""Return ``text`` with every control or invisible character written as an escape, so nothing of it is lost.

    >>> escaped("soc\x1b[2J")
    'soc\\x1b[2J'
    """
    if text.isprintable():
        return text
    return "".join(
        char.encode("unicode_escape").decode() if unicodedata.category(char) in _UNSEEN else char for char in text
    )


def plain_lines(text: str) -> str:
    r"""Return ``text`` with its line ends, each line as ``plain_line`` makes it where it holds what cannot be seen.

    >>> plain_lines("a\x1b[2J\nb")
    'a [2J\nb'
    """
    return "\n".join(map(plain_line, text.split("\n")))


def shell_word(text: str) -> str:
    r"""Return ``text`` as one word of a command that a person may copy into a shell.

    >>> print(shell_word("p1a2"), shell_word("p1; rm -rf ~"), shell_word("a\n$(b)"))
    p1a2 'p1; rm -rf ~' 'a $(b)'
    """
    return shlex.quote(plain_line(text))


def csv_cell(text: str) -> str:
    r"""Return ``text`` as a cell of a CSV file: escaped, and with an apostrophe where a spreadsheet would run it.

    >>> csv_cell("=1+1"), csv_cell("a\tb"), csv_cell("\t=1")
    ("'=1+1", 'a\\tb', '\\t=1')
    """
    cell = escaped(text)
    return f"'{cell}" if cell.lstrip(" ")[:1] in _FORMULA and cell.strip() else cell


def cell_text(cell: str) -> str:
    r"""Return the text that ``csv_cell`` wrote as this cell, where it was one without invisible characters.

    >>> cell_text("'=1+1"), cell_text("O'Brien"), cell_text("'quoted'")
    ('=1+1', "O'Brien", "'quoted'")
    """
    return cell[1:] if cell[:1] == "'" and cell[1:].lstrip(" ")[:1] in _FORMULA and cell[1:].strip() else cell


def seen_json(body: str) -> str:
    r"""Return a JSON text with every invisible character in it as an escape of JSON, which means the same.

    >>> print(seen_json('"a\x7f\x9bb"'))
    "a\u007f\u009bb"
    """
    if body.isprintable():
        return body
    return "".join(
        char if char == "\n" or unicodedata.category(char) not in _UNSEEN else _json_escape(char) for char in body
    )


def _json_escape(char: str) -> str:
    # A character beyond the 65,536 first ones is two escapes in JSON.
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
