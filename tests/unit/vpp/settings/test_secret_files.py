"""Secrets as files, and files of settings that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.worlds.secret_volume import write_volume
from vpp.errors import ConfigError
from vpp.settings import Settings, load_settings, sources
from vpp.settings.secret_files import texts_of

KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def with_files(monkeypatch: pytest.MonkeyPatch, folder: Path, files: dict[str, str]) -> Settings:
    write_volume(folder, files)
    monkeypatch.setenv("VPP_SECRETS_DIR", str(folder))
    return load_settings()


def test_a_file_holds_the_setting_that_it_is_named_by(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files = {"signing.key": f"{KEY}\n", "approval_key": f"  {KEY[::-1]}\r\n", "kafka.password": "p=a ss", "run": "july"}
    settings = with_files(monkeypatch, tmp_path / "secrets", files)
    assert settings.signing.key is not None
    assert settings.approval_key is not None
    assert settings.kafka.password is not None
    assert settings.signing.key.get_secret_value() == KEY
    assert settings.approval_key.get_secret_value() == KEY[::-1]
    assert settings.kafka.password.get_secret_value() == "p=a ss"
    assert settings.run == "july"
    listed = sources(settings)
    assert listed["signing.key"][1] == listed["run"][1] == "secret files"
    assert KEY not in str(listed)
    assert listed["kafka.bootstrap_servers"][1] == "default"


def test_a_variable_wins_over_a_file_and_a_file_over_vpp_toml(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "vpp.toml").write_text('run = "toml"\n[kafka]\npartitions = 3\npassword = "toml"\n', encoding="utf-8")
    monkeypatch.setenv("VPP_KAFKA__USERNAME", "variable")
    settings = with_files(
        monkeypatch, tmp_path / "secrets", {"kafka.username": "file", "kafka.password": "file", "run": "file"}
    )
    assert settings.kafka.username == "variable"
    assert settings.kafka.password is not None
    assert settings.kafka.password.get_secret_value() == "file"
    assert (settings.run, settings.kafka.partitions) == ("file", 3)


def test_the_folder_may_be_named_in_vpp_toml(tmp_path: Path) -> None:
    write_volume(tmp_path / "secrets", {"run": "july"})
    (tmp_path / "vpp.toml").write_text('secrets_dir = "secrets"\n', encoding="utf-8")
    assert load_settings().run == "july"


@pytest.mark.parametrize(
    ("files", "words", "step"),
    [
        pytest.param({"signing.kye": KEY}, "named as no setting", "signing.key", id="misspelt"),
        pytest.param({"VPP_SIGNING__KEY": KEY}, "named as no setting", "", id="variable's name"),
        pytest.param({"signing.key": "seven-letters"}, "signing.key is too short", "openssl", id="short"),
        pytest.param({"kafka.partitions": "many"}, "kafka.partitions", "", id="no number"),
        pytest.param({"kafka.extra": "{broken secret-value"}, "secret files|SecretFiles|kafka", "JSON", id="no JSON"),
    ],
)
def test_a_wrong_file_is_refused_without_its_value(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, files: dict[str, str], words: str, step: str
) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        with_files(monkeypatch, tmp_path / "secrets", files)
    assert step in (caught.value.hint or "")
    assert not [value for value in files.values() if value in f"{caught.value} {caught.value.hint}"]


def test_a_missing_folder_and_a_file_of_other_bytes_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VPP_SECRETS_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match="no folder of secrets"):
        load_settings()
    (tmp_path / "nowhere").mkdir()
    (tmp_path / "nowhere" / "run").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings()


def test_the_secrets_of_contacts_come_by_their_names(tmp_path: Path) -> None:
    write_volume(tmp_path / "contacts", {"MAIL_PASSWORD": "a b\n"})
    assert texts_of(tmp_path / "contacts") == {"MAIL_PASSWORD": "a b"}
    assert texts_of(None) == {}
    with pytest.raises(ConfigError, match="cannot be read"):
        texts_of(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        pytest.param("vpp.toml", b"a = = 3", "no TOML", id="TOML"),
        pytest.param("vpp.toml", b"run = july", "no TOML", id="text without quotation marks"),
        pytest.param("vpp.toml", b'run = "\xe4"', "not UTF-8", id="TOML in Latin-1"),
        pytest.param(".env", b"VPP_RUN=\xe4", "not UTF-8", id=".env in Latin-1"),
        pytest.param("vpp.toml", b"kafka = 3", "kafka", id="value for a group"),
    ],
)
def test_a_file_of_settings_that_cannot_be_read_is_a_clear_error(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=words) as caught:
        load_settings()
    assert caught.value.hint


def test_a_variable_that_is_no_json_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VPP_KAFKA__EXTRA", "{broken secret-value")
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert "secret-value" not in f"{caught.value} {caught.value.hint}"
    assert "JSON" in (caught.value.hint or "")
