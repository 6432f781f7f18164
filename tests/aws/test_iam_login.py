"""Workers log in to MSK with a token that the real signer makes from IAM credentials, which needs no network."""

import base64
import time
from urllib.parse import parse_qs, urlsplit

import pytest

from vpp.settings import KafkaSettings, Settings
from vpp.streams.kafka import application, connection, producer_config


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "an-example-of-a-key-and-no-secret")
    kafka = KafkaSettings(bootstrap_servers="127.0.0.1:9098", security_protocol="sasl_ssl", aws_region="eu-central-1")
    return Settings(kafka=kafka)


def test_the_token_is_signed_for_the_region_and_expires(settings: Settings) -> None:
    options = connection(settings)
    assert options["sasl.mechanism"] == "OAUTHBEARER"
    token, expires_s = options["oauth_cb"]("")
    url = urlsplit(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode())
    query = parse_qs(url.query)
    assert url.hostname == "kafka.eu-central-1.amazonaws.com"
    assert query["Action"] == ["kafka-cluster:Connect"]
    assert query["X-Amz-Credential"][0].startswith("AKIAIOSFODNN7EXAMPLE/")
    assert 60 < expires_s - time.time() <= 900


def test_producers_and_workers_take_the_callback(settings: Settings) -> None:
    assert callable(producer_config(settings)["oauth_cb"])
    app = application(settings, "plant")
    assert callable(app.config.broker_address.as_librdkafka_dict()["oauth_cb"])
