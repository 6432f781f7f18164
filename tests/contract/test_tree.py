"""What may stand in a committed file, and what an installed dependency may not ship."""

import os
import re
import subprocess
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.worlds.source_tree import PACKAGES

ROOT = Path(__file__).resolve().parents[2]
MAX_FILE_KB = 700

# Put together here, so that this file does not contain what it looks for.
REGISTRY_HOSTS = [
    ".".join(parts)
    for parts in [
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("static", "crates", "io"),
        ("index", "crates", "io"),
        ("proxy", "golang", "org"),
        ("repo1", "maven", "org"),
        ("repo", "maven", "apache", "org"),
        ("deb", "debian", "org"),
    ]
]
MACHINE_PATH = re.compile(r"(?<![\w.$}~-])/(?:root|wor" + r"k|home/\w+|Users/\w+|tmp/(?:team|bash_jobs)\b)/")


def configured_hosts() -> list[str]:
    """Hosts of the package registries that this machine is set up to use, whatever they are called."""
    addresses = [
        os.environ.get(name, "") for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "NPM_CONFIG_REGISTRY", "GOPROXY")
    ]
    return re.findall(r"://(?:[^@/\s]*@)?([\w-]+(?:\.[\w-]+)+)", " ".join(addresses))


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """Every committed or staged file that exists."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: nothing is committed here")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def lines_of(paths: list[Path]) -> list[tuple[str, str]]:
    """Place and text of each line of the text files among the paths."""
    lines = []
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        lines += [
            (f"{path.relative_to(ROOT)}:{number}", line) for number, line in enumerate(text.splitlines(), start=1)
        ]
    return lines


def test_no_committed_file_names_a_package_registry(tracked: list[Path]) -> None:
    hosts = [*REGISTRY_HOSTS, *configured_hosts()]
    assert [where for where, line in lines_of(tracked) if any(host in line for host in hosts)] == []


def test_no_committed_file_names_a_path_of_one_machine(tracked: list[Path]) -> None:
    assert [f"{where} {line.strip()[:80]}" for where, line in lines_of(tracked) if MACHINE_PATH.search(line)] == []


def test_no_committed_file_is_large(tracked: list[Path]) -> None:
    sizes_kb = {str(path.relative_to(ROOT)): path.stat().st_size // 1024 for path in tracked}
    assert {name: size for name, size in sizes_kb.items() if size > MAX_FILE_KB} == {}


@pytest.mark.parametrize("text", ["cd /ro" + "ot/x", "open('/wor" + "k/main')", "/ho" + "me/ann/data"])
def test_a_machine_path_is_seen(text: str) -> None:
    assert MACHINE_PATH.search(text)


@pytest.mark.parametrize("text", ["../shared/wor" + "k/x", "frame/wor" + "k/y", "~/ro" + "ot/z", "$PREFIX/ro" + "ot/z"])
def test_a_relative_path_is_not_taken_for_one(text: str) -> None:
    assert not MACHINE_PATH.search(text)


@pytest.mark.parametrize("package", PACKAGES)
def test_no_dependency_ships_a_package_named_like_ours(package: str) -> None:
    owners = set(packages_distributions().get(package, []))
    assert owners <= {"smartgrid-ai"}


@pytest.mark.parametrize("package", PACKAGES)
def test_our_packages_are_imported_from_this_checkout(package: str) -> None:
    assert Path(__import__(package).__file__ or "").is_relative_to(ROOT)
