"""Prints the test files that mirror what changed: ``python scripts/changed_tests.py [main]``, for a fast loop.

A changed module ``agents/clearing/solve.py`` gives the ``test_solve.py`` of the nearest folder that has one, else the
nearest folder of tests; a changed test gives itself. The rules of the whole tree are always there.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ALWAYS = ("tests/contract/test_imports.py", "tests/contract/test_tree.py")
FAST = ("tests/unit/", "tests/contract/")


def changed(base: str) -> list[str]:
    """Return the paths of Python files that differ from where this branch left ``base``, new ones included."""
    fork = _git("merge-base", base, "HEAD")[0]
    paths = {*_git("diff", "--name-only", fork), *_git("ls-files", "--others", "--exclude-standard")}
    return sorted(path for path in paths if path.endswith(".py") and (ROOT / path).exists())


def mirrors_of(paths: list[str], root: Path = ROOT) -> list[str]:
    """Return the test files and folders of these paths, none inside another."""
    tests = {target for path in paths if (target := _test_of(path, root)) is not None} | set(ALWAYS)
    return sorted(target for target in tests if not any(str(parent) in tests for parent in Path(target).parents))


def _test_of(path: str, root: Path) -> str | None:
    if path.startswith("tests/"):
        return path if path.startswith(FAST) and Path(path).name.startswith("test_") else None
    module = Path(path)
    folders = [Path("tests/unit") / folder for folder in [module.parent, *module.parent.parents] if folder.name]
    mirror = next(
        (folder / f"test_{module.name}" for folder in folders if (root / folder / f"test_{module.name}").is_file()),
        None,
    )
    nearest = mirror or next((folder for folder in folders if (root / folder).is_dir()), None)
    return None if nearest is None else str(nearest)


def _git(*arguments: str) -> list[str]:
    result = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return result.stdout.split("\n")[:-1]


if __name__ == "__main__":
    sys.stdout.write(" ".join(mirrors_of(changed(sys.argv[1] if len(sys.argv) > 1 else "main"))) + "\n")
