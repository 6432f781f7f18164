"""The exact versions that constraints.txt must hold: everything that the project pulls in, transitively.

Run as ``python -m tests.contract.pins`` it prints the file; with ``--check`` it only compares, and names what differs.
With ``--aws`` it does the same for deploy/aws/requirements.txt: what the extras for AWS need beyond constraints.txt.
"""

import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
CONSTRAINTS = ROOT / "constraints.txt"
AWS_REQUIREMENTS = ROOT / "deploy" / "aws" / "requirements.txt"
PROJECT = "smartgrid-ai"
EXTRAS = frozenset({"dev"})
AWS_EXTRAS = ("aws", "cdk", "lambda")
# The same release under another name, for the platform that is not this one.
TWINS = {"xgboost-cpu": "xgboost", "xgboost": "xgboost-cpu"}
HEADER = """\
# Exact versions of everything that `make setup` installs, on Linux and macOS, Python 3.11 to 3.14.
# Written by `make constraints`; checked by tests/contract/test_constraints.py.
"""
AWS_HEADER = """\
# Exact versions of what `make aws-setup` adds to the environment of constraints.txt.
# Written by `make aws-constraints`; checked by tests/aws/test_pins.py.
"""
PIN = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[A-Za-z0-9.+!]+)$")


def installed_closure(project: str = PROJECT, extras: frozenset[str] = EXTRAS) -> dict[str, str]:
    """Name and version of each installed distribution that the project needs here, itself left out."""
    versions: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    queue = [(canonicalize_name(project), extras)]
    while queue:
        name, wanted = queue.pop()
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        try:
            package = distribution(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
            continue
        versions[name] = package.version
        for line in package.requires or []:
            requirement = Requirement(line)
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in (wanted or {""})):
                queue.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    del versions[canonicalize_name(project)]
    return versions


def pinned(text: str) -> dict[str, str]:
    """Name and version of each line of constraints.txt.

    Raises:
        ValueError: If a line is anything but ``name==version``.
    """
    pins: dict[str, str] = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        match = PIN.match(line)
        if match is None:
            raise ValueError(f"not of the form name==version: {line!r}")
        pins[canonicalize_name(match["name"])] = match["version"]
    return pins


def expected() -> dict[str, str]:
    """What constraints.txt should hold: the installed closure, twins of other platforms, and older pins still of use.

    Pins that no installed package asks for here stay: they serve other platforms and Python versions.
    """
    pins = pinned(CONSTRAINTS.read_text(encoding="utf-8")) if CONSTRAINTS.exists() else {}
    pins |= installed_closure()
    pins |= {TWINS[name]: version for name, version in list(pins.items()) if name in TWINS}
    return pins


def expected_aws() -> dict[str, str]:
    """What deploy/aws/requirements.txt should hold: what the extras for AWS need beyond constraints.txt."""
    pins = pinned(CONSTRAINTS.read_text(encoding="utf-8"))
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    closure: dict[str, str] = {}
    for name in (Requirement(line).name for extra in AWS_EXTRAS for line in extras[extra]):
        closure |= installed_closure(name, frozenset()) | {canonicalize_name(name): version(name)}
    return {name: one for name, one in closure.items() if name not in pins}


def differences(pins: dict[str, str]) -> list[str]:
    """One line for each installed package that is not pinned, or pinned to another version."""
    return [
        f"{name}: installed {version}, constraints.txt has {pins.get(name, 'nothing')}"
        for name, version in sorted(installed_closure().items())
        if pins.get(name) != version
    ]


def main() -> int:
    """Print the file, or with ``--check`` compare it."""
    if "--aws" in sys.argv[1:]:
        sys.stdout.write(
            AWS_HEADER + "".join(f"{name}=={version}\n" for name, version in sorted(expected_aws().items()))
        )
        return 0
    if "--check" not in sys.argv[1:]:
        sys.stdout.write(HEADER + "".join(f"{name}=={version}\n" for name, version in sorted(expected().items())))
        return 0
    wrong = differences(pinned(CONSTRAINTS.read_text(encoding="utf-8")))
    if wrong:
        sys.stderr.write("\n".join([*wrong, "mend it: make setup, or make constraints after a wanted change", ""]))
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
