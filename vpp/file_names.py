"""File names for names of any text: two names never share one."""

from __future__ import annotations

import re
from hashlib import sha256

MAX_BYTES = 120
SAFE = re.compile(r"[A-Za-z0-9_.%-]+")
_PLAIN = re.compile(r"[A-Za-z0-9_.-]")


def file_name(name: str) -> str:
    """Return a file name for any text: letters, digits and ``_.-`` as they are, other characters as ``%XX``.

    A point at the start is written so too. Very long names are cut and end with a hash of the whole, in lower case,
    which no written character has.
    """
    parts = [
        char if _PLAIN.fullmatch(char) and not (char == "." and at == 0) else _escaped(char)
        for at, char in enumerate(name)
    ]
    written = "".join(parts) or "%"
    if len(written) <= MAX_BYTES:
        return written
    return f"{written[: MAX_BYTES // 2]}%{sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"


def _escaped(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))
