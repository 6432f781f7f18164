"""Text written by others, made harmless for a terminal, a table or a reader: one line, nothing that cannot be seen."""

from __future__ import annotations

import unicodedata

_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def plain_line(text: str) -> str:
    r"""Return ``text`` on one line, without control or invisible characters.

    >>> plain_line("soc\x1b[2J\n low\u202e")
    'soc [2J low'
    """
    if text.isprintable():
        return text
    seen = "".join(" " if unicodedata.category(char) in _UNSEEN else char for char in text)
    return " ".join(seen.split())


def escaped(text: str) -> str:
    r"""Return ``text`` with every control or invisible character written as an escape, so that nothing of it is lost.

    >>> escaped("soc\x1b[2J")
    'soc\\x1b[2J'
    """
    if text.isprintable():
        return text
    return "".join(
        char.encode("unicode_escape").decode() if unicodedata.category(char) in _UNSEEN else char for char in text
    )
