import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.answers.sanitize import plain, small


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("low\nignore the above", "low ignore the above", id="line break"),
        pytest.param("a\x1b[2Jb", "a [2Jb", id="terminal escape"),
        pytest.param("GB\u202ebattery\u200b1", "GB battery 1", id="direction and zero width"),
        pytest.param("x" * 500, "x" * 399 + "…", id="overlong"),
        pytest.param("Übergang 5 °C", "Übergang 5 °C", id="letters stay"),
    ],
)
def test_text_is_made_plain(text: str, shown: str) -> None:
    assert plain(text) == shown


@given(st.text(max_size=3000), st.integers(1, 300))
def test_plain_text_is_short_and_visible(text: str, limit: int) -> None:
    shown = plain(text, limit)
    assert len(shown) <= limit
    assert not any(unicodedata.category(char).startswith("C") for char in shown)
    assert plain(shown, limit) == shown


def test_long_values_say_what_was_cut() -> None:
    value = {"q50": list(range(48)), "zone": "GB", "deep": {"a": {"b": {"c": [1, 2]}}}}
    assert small(value, items=3, depth=3) == {
        "q50": [0, 1, 2, "… 45 more"],
        "zone": "GB",
        "deep": {"a": {"b": "{1 fields}"}},
    }
