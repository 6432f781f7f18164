"""What `make setup` installs is pinned exactly, and nothing else decides it."""

import re
import tomllib
from importlib.metadata import distribution

import pytest
from packaging.requirements import Requirement

from deploy.generators.requirements_file import requirements_text
from tests.contract.pins import CONSTRAINTS, ROOT, differences, installed_closure, pinned


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


def declared() -> list[str]:
    """Names of the packages that pyproject.toml asks for, all extras included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = project["dependencies"] + [line for extra in project["optional-dependencies"].values() for line in extra]
    return sorted({Requirement(line).name for line in lines})


@pytest.mark.parametrize("name", declared())
def test_each_declared_dependency_has_its_reason_in_the_docs(name: str) -> None:
    documented = (ROOT / "docs" / "explanation" / "dependencies.md").read_text(encoding="utf-8")
    assert re.search(rf"^\|[^|]*\b{re.escape(name)}\b", documented, flags=re.MULTILINE)


def test_no_dependency_is_under_a_gpl_licence() -> None:
    copyleft = {}
    for name in installed_closure():
        metadata = distribution(name).metadata
        fields = metadata.get_all("License-Expression") or []
        fields += [text.partition("\n")[0] for text in metadata.get_all("License") or []]
        fields += [line for line in metadata.get_all("Classifier") or [] if line.startswith("License ::")]
        if re.search(r"\bA?L?GPL|General Public License", " ".join(fields), flags=re.IGNORECASE):
            copyleft[name] = fields
    assert copyleft == {}


class TestRequirements:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")

    def test_each_run_time_dependency_is_there_with_its_pin_and_nothing_else(self) -> None:
        lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
        assert [line for line in lines if line.startswith("-")] == ["-c constraints.txt"]
        written = [Requirement(line) for line in lines if line[0] not in "#-"]
        wanted = [Requirement(line) for line in tomllib.loads(self.project)["project"]["dependencies"]]
        assert [(one.name, one.marker) for one in written] == [(one.name, one.marker) for one in wanted]
        pins = pinned(CONSTRAINTS.read_text(encoding="utf-8"))
        assert {one.name: str(one.specifier) for one in written} == {one.name: f"=={pins[one.name]}" for one in wanted}

    def test_a_dependency_without_a_pin_is_refused(self) -> None:
        with pytest.raises(KeyError, match="numpy"):
            requirements_text('[project]\ndependencies = ["numpy>=2"]', "pandas==2.2.0")

    def test_a_pin_that_the_project_does_not_allow_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"pins numpy==1\.26\.0"):
            requirements_text('[project]\ndependencies = ["numpy>=2"]', "numpy==1.26.0")
