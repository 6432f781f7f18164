"""The modules of the code as the contract tests see them: their names, their text and what they import."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("vpp", "features", "models", "agents", "topologies", "mcp_server", "console")


@dataclass(frozen=True)
class Module:
    """One module of ours."""

    name: str
    source: str

    @property
    def package(self) -> str:
        return self.name.partition(".")[0]

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.source, filename=self.name)

    def is_within(self, *names: str) -> bool:
        """Whether this is one of the named modules or lies in one of the named packages."""
        return any(self.name == name or self.name.startswith(f"{name}.") for name in names)


@cache
def trees() -> list[tuple[str, ast.Module]]:
    """The path of each module of the seven packages with its syntax tree."""
    return [
        (path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8")))
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
    ]


def our_modules() -> Iterator[Module]:
    """Every module of the seven packages."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            yield Module(name, path.read_text(encoding="utf-8"))


def imports_of(module: Module, *, at_run_time: bool = False) -> Iterator[tuple[str, int]]:
    """Full names that a module imports, also inside functions, with their line.

    Args:
        module: The module.
        at_run_time: Whether imports under TYPE_CHECKING are left out.
    """
    waiting: list[ast.AST] = [module.tree]
    while waiting:
        node = waiting.pop()
        if at_run_time and isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        waiting.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module.name}:{node.lineno} imports relatively"
            assert node.module is not None
            yield node.module, node.lineno
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)
