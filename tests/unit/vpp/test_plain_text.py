"""Text of others reaches a terminal, a table and a spreadsheet without anything that cannot be seen or would run."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpp.plain_text import csv_cell, escaped, plain_line, plain_lines, seen_json

HIDDEN = {*map(chr, range(32)), "\x7f", *map(chr, range(0x80, 0xA0)), "\u202e", "\u2028", "\u200b", "\U000e0041"}


@given(st.text() | st.text(st.sampled_from(sorted(HIDDEN) + list("=a[ "))))
def test_nothing_unseen_is_left(text: str) -> None:
    assert not set(plain_line(text) + escaped(text) + csv_cell(text)) & HIDDEN
    assert not set(plain_lines(text)) & (HIDDEN - {"\n"})


@given(st.text() | st.text(st.sampled_from(sorted(HIDDEN))))
def test_json_means_the_same_and_shows_all(text: str) -> None:
    written = seen_json(json.dumps({text: [text]}, ensure_ascii=False))
    assert json.loads(written) == {text: [text]}
    assert all(unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} for char in written)


def test_a_terminal_sequence_is_taken_apart_or_shown() -> None:
    assert plain_line("\x1b[2Jowned\r\n") == "[2Jowned"
    assert escaped("\x1b[2J\r\n") == r"\x1b[2J\r\n"


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", " =", "  -"])
def test_no_cell_is_a_formula(first: str) -> None:
    assert csv_cell(f"{first}cmd|'/c calc'!A1") == f"'{first}cmd|'/c calc'!A1"


@pytest.mark.parametrize("text", ["\t=1", "\r=1", "\n=1"])
def test_what_a_spreadsheet_skips_is_shown(text: str) -> None:
    assert csv_cell(text).startswith("\\")


@pytest.mark.parametrize("text", ["", "a=b", "battery-1", " ", "2026-03-01", "'"])
def test_other_cells_stay(text: str) -> None:
    assert csv_cell(text) == text
