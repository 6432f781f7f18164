"""What `make setup` installs is pinned exactly, and nothing else decides it."""

import re

import pytest

from tests.contract.pins import CONSTRAINTS, differences, installed_closure, pinned


def test_every_installed_dependency_is_pinned_to_its_installed_version() -> None:
    assert differences(pinned(CONSTRAINTS.read_text(encoding="utf-8"))) == []


def test_closure_reaches_through_extras_and_several_steps() -> None:
    closure = installed_closure()
    assert "quixstreams" in closure  # direct
    assert "pytest" in closure  # of the extra dev
    assert "uvicorn" in closure  # fastmcp -> fastmcp-slim[server] -> uvicorn
    assert "smartgrid-ai" not in closure


def test_constraints_hold_no_address() -> None:
    text = CONSTRAINTS.read_text(encoding="utf-8")
    assert not re.search(r"://|--(index|extra-index|find-links|hash)|@ ", text)


def test_both_builds_of_xgboost_are_the_same_release() -> None:
    pins = pinned(CONSTRAINTS.read_text(encoding="utf-8"))
    assert pins["xgboost"] == pins["xgboost-cpu"]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("numpy>=2.0", id="range"),
        pytest.param("numpy @ file:///x.whl", id="direct address"),
        pytest.param("-r other.txt", id="option"),
        pytest.param("numpy==2.*", id="wildcard"),
    ],
)
def test_a_line_that_is_no_exact_pin_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="name==version"):
        pinned(line)


def test_pins_are_read_by_canonical_name() -> None:
    assert pinned("# note\n\nPyYAML==6.0.3\nbackports.tarfile==1.2.0\n") == {
        "pyyaml": "6.0.3",
        "backports-tarfile": "1.2.0",
    }
