"""The user id of the process counts, not what its environment says."""

import os
import pwd

import pytest

from vpp.os_user import os_user


def test_environment_variables_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME", "SUDO_USER"):
        monkeypatch.setenv(name, "plant_manager")
    assert os_user() == pwd.getpwuid(os.getuid()).pw_name


def test_a_user_without_an_entry_is_named_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_uid: int) -> None:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", none)
    assert os_user() == f"uid{os.getuid()}"
