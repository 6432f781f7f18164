"""Text of others reaches a terminal and a table without anything that cannot be seen."""

from hypothesis import given
from hypothesis import strategies as st

from vpp.plain_text import escaped, plain_line


@given(st.text())
def test_nothing_unseen_is_left(text: str) -> None:

    assert not set(plain_line(text) + escaped(text)) & {*map(chr, range(32)), "\x7f", "\x9b", "\u202e", "\u2028"}


def test_a_terminal_sequence_is_taken_apart_or_shown() -> None:
    assert plain_line("\x1b[2Jowned\r\n") == "[2Jowned"
    assert escaped("\x1b[2J\r\n") == r"\x1b[2J\r\n"
