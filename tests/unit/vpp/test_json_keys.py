"""A key that comes twice is refused, however deep and however written; everything else is no matter here."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpp.json_keys import check_keys, unique_keys

VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1, "a": 2}',
        b'{"a": 1, "a": 1}',
        b'{"x": [{"y": {"a": 1, "b": 0, "a": null}}]}',
        rb'{"power_mw": 1, "power_\u006dw": 15}',
        b'[{"": 1, "": 2}]',
    ],
)
def test_a_repeated_key_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="comes twice"):
        check_keys(body)


@given(VALUES)
def test_nothing_else_is(value: Any) -> None:
    body = json.dumps(value)
    check_keys(body.encode())
    assert json.loads(body, object_pairs_hook=unique_keys) == value


def test_numbers_of_any_length_pass() -> None:
    check_keys(b'{"a": ' + b"9" * 10_000 + b', "b": 1e999}')
