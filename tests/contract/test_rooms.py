"""The rooms inside the packages: which folder may import which, no circle of modules, and no crowded folder."""

from collections import Counter
from collections.abc import Iterable, Iterator

import pytest

from tests.worlds.source_tree import ROOT, Module, imports_of, our_modules

MAX_MODULES = 20

# Room -> rooms and modules of its own package that it may import, besides itself and its package's shared modules.
MAY_IMPORT = {
    "vpp": {"vpp.numerics.arrays", "vpp.settings"},
    "vpp.settings": set(),
    "vpp.messages": set(),
    "vpp.streams": {"vpp.messages", "vpp.numerics", "vpp.settings"},
    "vpp.fleet": {"vpp.numerics.arrays", "vpp.settings"},
    "vpp.files": {"vpp.files.cells", "vpp.fleet", "vpp.numerics.arrays"},
    "vpp.files.cells": {"vpp.fleet", "vpp.numerics.arrays"},
    "vpp.feeds": {"vpp.fleet", "vpp.files", "vpp.files.cells", "vpp.settings"},
    "vpp.numerics": {"vpp.fleet"},
    "vpp.store": {"vpp.streams", "vpp.messages", "vpp.numerics.arrays", "vpp.settings", "vpp.store.parquet"},
    "vpp.store.parquet": {"vpp.store"},
    "vpp.alerting": {"vpp.messages", "vpp.store"},
    "vpp.rules": {"vpp.fleet", "vpp.numerics.arrays"},
    "features": set(),
    "models": {"models.price.contract", "models.guard"},
    "models.learners": set(),
    "models.guard": set(),
    "models.net_load": {"models.learners"},
    "models.price": {"models.learners"},
    "models.price.dayahead": {"models.price", "models.learners"},
    "models.price.realtime": {"models.price", "models.learners"},
    "models.forecast": {"models.guard", "models.net_load", "models.price", "models.learners"},
    "models.registry": {
        "models.guard",
        "models.net_load",
        "models.price",
        "models.price.dayahead",
        "models.price.realtime",
    },
    "models.evaluation": {
        "models.guard",
        "models.registry",
        "models.forecast",
        "models.net_load",
        "models.price",
        "models.price.dayahead",
        "models.price.realtime",
        "models.learners",
    },
    "models.explain": {
        "models.registry",
        "models.forecast",
        "models.net_load",
        "models.price",
        "models.price.dayahead",
        "models.price.realtime",
        "models.learners",
    },
    "agents": set(),
    "agents.assets": set(),
    "agents.devices": set(),
    "agents.clearing": {"agents.assets"},
    "agents.bidding": set(),
    "agents.plant": {"agents.orders", "agents.clearing", "agents.assets"},
    "agents.orders": {"agents.assets"},
    "agents.evaluation": {"agents.bidding", "agents.clearing", "agents.assets"},
    "agents.autonomous": set(),
    "topologies": {
        "topologies.runtime",
        "topologies.sources",
        "topologies.sources.feeds",
        "topologies.gateways",
        "topologies.gateways.simulation",
        "topologies.alerting",
    },
    "topologies.runtime": set(),
    "topologies.sources": {"topologies.runtime"},
    "topologies.sources.feeds": {"topologies.sources", "topologies.runtime"},
    "topologies.alerting": {"topologies.control", "topologies.runtime"},
    "topologies.gateways": {"topologies.sources", "topologies.runtime", "topologies.control"},
    "topologies.gateways.simulation": {"topologies.gateways", "topologies.sources", "topologies.runtime"},
    "topologies.backtests": {"topologies.sources", "topologies.runtime"},
    "topologies.redteam": {"topologies.backtests", "topologies.sources", "topologies.runtime"},
    "topologies.control": {"topologies.sources", "topologies.runtime"},
    "mcp_server": {"mcp_server.tools", "mcp_server.actions", "mcp_server.queries", "mcp_server.security"},
    "mcp_server.agent_bench": {"mcp_server", "mcp_server.actions", "mcp_server.queries"},
    "mcp_server.tools": {"mcp_server.actions", "mcp_server.queries", "mcp_server.security", "mcp_server.answers"},
    "mcp_server.actions": {"mcp_server.queries", "mcp_server.security", "mcp_server.answers"},
    "mcp_server.queries": {"mcp_server.answers"},
    "mcp_server.security": {"mcp_server.answers"},
    "mcp_server.answers": set(),
    "console": set(),
    "console.cli": {
        "console.cli.backtests",
        "console.cli.models",
        "console.cli.orders",
        "console.cli.explain",
        "console.local",
        "console.dashboard",
    },
    "console.cli.backtests": {"console.cli", "console.local"},
    "console.cli.explain": {"console.cli", "console.local", "console.report"},
    "console.cli.models": {"console.cli", "console.local"},
    "console.cli.orders": {"console.cli"},
    "console.dashboard": {"console.dashboard.views", "console.local"},
    "console.dashboard.views": {"console.local"},
    "console.local": set(),
    "console.report": set(),
}

# Packages whose own modules all their rooms may import: errors and domain, the served contract, the state codec.
SHARED = ("vpp", "models", "agents")


class Tree:
    """All modules by name, and what lies where."""

    def __init__(self, modules: Iterable[Module]) -> None:
        self.modules = {module.name: module for module in modules}
        self.folders = {name.rpartition(".")[0] for name in self.modules} - {""}

    def room_of(self, name: str) -> str:
        """Return the folder of a module; a package's ``__init__`` lies in the package."""
        return name if name in self.folders else name.rpartition(".")[0]

    def targets(self, module: Module, *, at_run_time: bool = False) -> set[str]:
        """Return the modules of ours that a module imports; in ``from a import b`` that is b if it is a module."""
        names = {name for name, _ in imports_of(module, at_run_time=at_run_time)} & self.modules.keys()
        reached = {name for name in names if not any(other.startswith(f"{name}.") for other in names)}
        return reached - {module.name}

    def room_breaches(self, module: Module) -> list[str]:
        """Each import inside a package that ``MAY_IMPORT`` does not allow."""
        room = self.room_of(module.name)
        allowed = {room, *MAY_IMPORT.get(room, ())}
        package = module.package
        return [
            f"{module.name} imports {name}: {room} may import {sorted(allowed - {room})} only"
            for name in sorted(self.targets(module))
            if name.partition(".")[0] == package
            and not {name, self.room_of(name)} & allowed
            and not (self.room_of(name) == package and package in SHARED)
        ]

    def circle(self) -> list[str]:
        """Return modules that import each other in a circle, the first again at the end; empty where there is none."""
        arrows = {name: self.targets(module, at_run_time=True) for name, module in self.modules.items()}
        done: set[str] = set()
        for start in arrows:
            path: list[str] = []
            branches: list[Iterator[str]] = [iter([start])]
            while branches:
                name = next(branches[-1], None)
                if name is None:
                    branches.pop()
                    if path:
                        done.add(path.pop())
                elif name in path:
                    return [*path[path.index(name) :], name]
                elif name not in done:
                    path.append(name)
                    branches.append(iter(sorted(arrows[name])))
        return []


@pytest.fixture(scope="module")
def tree() -> Tree:
    return Tree(our_modules())


def test_every_room_is_in_the_table(tree: Tree) -> None:
    assert sorted(tree.folders - MAY_IMPORT.keys()) == []


def test_rooms_import_only_the_rooms_below_them(tree: Tree) -> None:
    assert [breach for module in tree.modules.values() for breach in tree.room_breaches(module)] == []


def test_no_modules_import_each_other_in_a_circle(tree: Tree) -> None:
    assert tree.circle() == []


def test_no_folder_is_crowded(tree: Tree) -> None:
    rooms = Counter(tree.room_of(name) for name in tree.modules if name not in tree.folders)
    assert {room: count for room, count in rooms.items() if count > MAX_MODULES} == {}


def test_no_folder_of_tests_is_crowded() -> None:
    rooms = Counter(path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("*.py"))
    assert {room: count for room, count in rooms.items() if count > MAX_MODULES} == {}


@pytest.mark.parametrize(
    ("name", "source", "breach"),
    [
        pytest.param("models.price.dayahead.a", "import models.price.realtime.b", "realtime.b", id="sideways"),
        pytest.param("models.price.a", "from models.price.dayahead import b", "dayahead.b", id="upwards"),
        pytest.param("agents.assets.a", "def f():\n    from agents.plant import b", "plant.b", id="in a function"),
    ],
)
def test_a_forbidden_room_is_seen(name: str, source: str, breach: str) -> None:
    others = [Module(f"models.price.{room}.b", "") for room in ("dayahead", "realtime")]
    small = Tree([Module(name, source), Module("agents.plant.b", ""), *others])
    assert [breach in line for line in small.room_breaches(small.modules[name])] == [True]


def test_a_circle_is_seen_and_one_for_types_alone_is_none() -> None:
    arrow = Module("vpp.a", "from vpp import b")
    back = "from vpp.c import name"
    assert Tree([arrow, Module("vpp.b", back), Module("vpp.c", "import vpp.a")]).circle() == [
        "vpp.a",
        "vpp.b",
        "vpp.c",
        "vpp.a",
    ]
    for_types = Module("vpp.b", f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    {back}")
    assert Tree([arrow, for_types, Module("vpp.c", "import vpp.a")]).circle() == []


def test_an_entry_point_only_starts_what_a_room_holds() -> None:
    long = {
        path.name: lines
        for path in (ROOT / "topologies").glob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 12
    }
    assert long == {}
