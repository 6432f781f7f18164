"""Secrets never show in the list of settings: also not inside addresses and maps of free settings."""

import pytest

from vpp.errors import ConfigError
from vpp.settings import load_settings, sources

SECRET = "hunter2-hunter2"


@pytest.mark.parametrize(
    "given",
    [
        {"influx": {"url": f"https://ann:{SECRET}@influx.example:8086"}},
        {"influx": {"url": f"https://{SECRET}@influx.example"}},
        {"influx": {"url": f"https://influx.example/?org=a&token={SECRET}"}},
        {"influx": {"url": f"https://ann:p@{SECRET}@influx.example"}},
        {"influx": {"url": f"https://ann:a/{SECRET}@influx.example"}},
        {"influx": {"url": f"https://influx.example/#access_token={SECRET}"}},
        {"influx": {"url": f"https://influx.example/;Password={SECRET}"}},
        {"influx": {"token": SECRET}},
        {"kafka": {"bootstrap_servers": f"sasl://a:{SECRET}@broker:9092"}},
        {"kafka": {"extra": {"any": f'x required username="a" password={SECRET};'}}},
        {"kafka": {"extra": {"sasl.oauthbearer.assertion.jwt": SECRET}}},
        {"kafka": {"extra": {"sasl.password": SECRET, "client.id": "a"}}},
        {"kafka": {"extra": {"ssl.key.password": SECRET}}},
        {"kafka": {"extra": {"ssl.key.pem": SECRET}}},
        {"kafka": {"extra": {"sasl.oauthbearer.client.secret": SECRET}}},
        {"kafka": {"extra": {"sasl.oauthbearer.config": f"principal={SECRET}"}}},
        {"kafka": {"extra": {"plugin": f"http://a:{SECRET}@b"}}},
        {"kafka": {"password": SECRET}},
        {"agent": {"base_url": f"http://a:{SECRET}@127.0.0.1", "token": SECRET}},
        {"mcp": {"jwks_uri": f"https://a:{SECRET}@issuer.example/keys"}},
    ],
    ids=str,
)
def test_no_secret_is_shown(given: dict[str, dict[str, object]]) -> None:
    shown = {key: value for key, (value, _) in sources(load_settings(given), given).items()}
    assert SECRET not in str(shown)


def test_the_rest_of_an_address_and_of_a_map_is_shown() -> None:
    given = {"influx": {"url": "https://ann:x@influx.example:8086"}, "kafka": {"extra": {"client.id": "a"}}}
    shown = {key: value for key, (value, _) in sources(load_settings(given), given).items()}
    assert "influx.example:8086" in shown["influx.url"]
    assert shown["kafka.extra"] == "{'client.id': 'a'}"


def test_a_short_approval_key_is_named_in_characters_and_with_the_way_to_make_one() -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings({"approval_key": SECRET})
    assert "approval_key is too short: it needs 32 characters or more" in str(caught.value)
    assert "openssl rand -hex 32" in str(caught.value.hint)
    assert SECRET not in f"{caught.value} {caught.value.hint}"


def test_a_long_principal_is_named_in_characters() -> None:
    with pytest.raises(ConfigError, match=r"mcp\.principal is too long: it may have 80 characters at most"):
        load_settings({"mcp": {"principal": "a" * 81}})
