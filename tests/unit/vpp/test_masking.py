"""Passwords and tokens in addresses and free settings are masked, and nothing else is."""

import pytest

from vpp.masking import MASK, masked, masked_setting

SECRET = "hunter2"


@pytest.mark.parametrize(
    "text",
    [
        f"https://ann:{SECRET}@host/x",
        f"https://ann:a@{SECRET}@host",
        f"https://ann:a/{SECRET}@host",
        f"http://host?api_key={SECRET}&b=1",
        f"http://host?a=1;PASSWORD={SECRET}",
        f"http://host#id_token={SECRET}",
        f"http://host?X-Amz-Signature={SECRET}",
        f"module required user=a password='{SECRET}';",
    ],
)
def test_a_secret_in_a_text(text: str) -> None:
    assert SECRET not in masked(text)
    assert MASK in masked(text)


@pytest.mark.parametrize("text", ["https://host:8086/q?org=vpp&zone=GB", "a@b", "", "127.0.0.1:9092", "load_mw=5"])
def test_the_rest_is_shown(text: str) -> None:
    assert masked(text) == text


def test_a_map_is_masked_by_names() -> None:
    shown = masked_setting({"sasl.password": SECRET, "client.id": "a", "x": {"ssl.key.pem": SECRET}})
    assert SECRET not in shown
    assert "'client.id': 'a'" in shown
