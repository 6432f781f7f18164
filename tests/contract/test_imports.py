"""The walls of the code: who may import whom, where each outside library may be used, and how long a module may be."""

import ast

import pytest

from tests.worlds.source_tree import PACKAGES, ROOT, Module, imports_of, our_modules

MAX_LINES = 400

# Package -> the packages of ours that it may import, besides itself. Imports run downwards only.
MAY_IMPORT = {
    "vpp": set(),
    "features": {"vpp"},
    "models": {"vpp", "features"},
    "agents": {"vpp", "features"},
    "topologies": {"vpp", "features", "models", "agents"},
    "mcp_server": {"vpp", "features", "models", "agents", "topologies"},
    "console": {"vpp", "features", "models", "agents", "topologies", "mcp_server"},
}

# The page asks the questions that agents ask and acts by the same rules, so it may use these rooms and no others.
ONLY_ROOMS = {
    ("console", "mcp_server"): (
        "mcp_server.queries",
        "mcp_server.answers",
        "mcp_server.actions.actions",
        "mcp_server.security.auth",
        "mcp_server.agent_bench",
    ),
}

# Outside library -> the modules or packages of ours that may import it.
ONLY_IN = {
    "quixstreams": ("topologies", "vpp.streams.kafka", "console.local"),
    "confluent_kafka": ("topologies", "vpp.streams.kafka", "vpp.streams.broker_rights", "console.local"),
    "influxdb_client": ("vpp.store",),
    "sqlite3": ("vpp.store", "vpp.rules"),
    "xgboost": ("models",),
    "numba": ("vpp.numerics.compiled",),
    "zoneinfo": ("vpp.local_time", "vpp.files"),
    "fastmcp": ("mcp_server", "agents.autonomous.agent"),
    "mcp": ("mcp_server", "agents.autonomous.agent"),
    "apprise": ("topologies.alerting",),
    "pymodbus": ("topologies.gateways",),
    "sunspec2": ("topologies.gateways",),
    "aiomqtt": ("topologies.gateways",),
    "iotcore": ("topologies.gateways",),
    "httpx": (
        "topologies.sources.bounded_http",
        "topologies.sources.feeds.http_client",
        *(f"topologies.gateways.{name}" for name in ("http", "openadr", "simulation.http")),
    ),
    "pydantic_ai": ("agents.autonomous.llm_brain", "agents.autonomous.rule_reader"),
}

# The pure core gets its settings, data and connections as arguments; the autonomous MCP client is an edge.
PURE = ("features", "models", "agents")
EDGES_IN_PURE = ("agents.autonomous.agent",)
IMPURE_MODULES = ("vpp.streams.kafka", "vpp.settings", "vpp.store")

# Decisions depend on event time and on seeded randomness alone.
DECIDING = ("features", "agents", "vpp.domain", "vpp.streams.reducer")
WALL_CLOCK_AND_CHANCE = (
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
    "time.time",
    "time.time_ns",
    "np.random.seed",
    "np.random.rand",
    "np.random.randn",
    "np.random.normal",
    "np.random.uniform",
)


def wall_breaches(module: Module) -> list[str]:
    """Each import of a module that the rules above forbid."""
    breaches = []
    for name, line in imports_of(module):
        top = name.partition(".")[0]
        where = f"{module.name}:{line} imports {name}"
        if top in MAY_IMPORT and top != module.package and top not in MAY_IMPORT[module.package]:
            breaches.append(f"{where}: {module.package} may import {sorted(MAY_IMPORT[module.package])} only")
        rooms = ONLY_ROOMS.get((module.package, top))
        # ``from a.b import c`` names a.b as well as a.b.c, and a.b.c is what counts.
        is_inside = rooms is None or Module(name, "").is_within(*rooms) or any(r.startswith(f"{name}.") for r in rooms)
        if rooms is not None and not is_inside:
            breaches.append(f"{where}: {module.package} may import {', '.join(rooms)} only")
        if top == "tests":
            breaches.append(f"{where}: code does not import tests")
        if top in ONLY_IN and not module.is_within(*ONLY_IN[top]):
            breaches.append(f"{where}: {top} is for {', '.join(ONLY_IN[top])} only")
        if (
            module.is_within(*PURE)
            and not module.is_within(*EDGES_IN_PURE)
            and Module(name, "").is_within(*IMPURE_MODULES)
        ):
            breaches.append(f"{where}: the pure core gets settings and stores as arguments")
    return sorted(set(breaches))


def clock_breaches(module: Module) -> list[str]:
    """Each read of the wall clock or of unseeded chance in a module that decides."""
    if not module.is_within(*DECIDING) or module.is_within(*EDGES_IN_PURE):
        return []
    reads = [
        f"{module.name}:{node.lineno} calls {dotted}"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute)
        for dotted in [ast.unparse(node)]
        if any(dotted == name or dotted.endswith(f".{name}") for name in WALL_CLOCK_AND_CHANCE)
    ]
    chance = [
        f"{module.name}:{line} imports random"
        for name, line in imports_of(module)
        if name.partition(".")[0] == "random"
    ]
    return reads + chance


def test_packages_are_the_ones_the_wheel_ships() -> None:
    assert set(MAY_IMPORT) == set(PACKAGES)
    assert [name for name in PACKAGES if not (ROOT / name / "__init__.py").is_file()] == []


def test_imports_run_downwards_and_libraries_stay_behind_their_walls() -> None:
    assert [breach for module in our_modules() for breach in wall_breaches(module)] == []


def test_decisions_read_no_wall_clock_and_no_unseeded_chance() -> None:
    assert [breach for module in our_modules() for breach in clock_breaches(module)] == []


def test_no_module_is_longer_than_the_limit() -> None:
    too_long = {module.name: lines for module in our_modules() if (lines := module.source.count("\n")) > MAX_LINES}
    assert too_long == {}


def test_every_module_says_what_it_is() -> None:
    assert [module.name for module in our_modules() if not ast.get_docstring(module.tree)] == []


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        pytest.param("vpp.domain", "import features.ring", "vpp may import", id="upwards"),
        pytest.param("agents.bidding.actor", "from models import forecaster", "agents may import", id="sideways"),
        pytest.param(
            "console.cli.mcp", "def run():\n    from mcp_server import server", "console may import", id="in a function"
        ),
        pytest.param("agents.bidding.actor", "import xgboost as xgb", "xgboost is for models", id="library"),
        pytest.param(
            "topologies.runtime.store_sink",
            "import sqlite3",
            "sqlite3 is for vpp.store, vpp.rules",
            id="standard library",
        ),
        pytest.param("models.registry.trainer", "from vpp import settings", "pure core", id="settings in the core"),
    ],
)
def test_a_forbidden_import_is_seen(name: str, source: str, expected: str) -> None:
    assert any(expected in breach for breach in wall_breaches(Module(name, source)))


@pytest.mark.parametrize(
    ("name", "source"),
    [
        pytest.param("topologies.plant", "from agents.clearing.solve import clear\nimport quixstreams", id="downwards"),
        pytest.param("vpp.streams.kafka", "from quixstreams import Application", id="library at home"),
        pytest.param("vpp.store.sqlite", "import sqlite3", id="store"),
        pytest.param(
            "agents.autonomous.agent", "from fastmcp import Client\nfrom vpp.settings import Settings", id="edge"
        ),
    ],
)
def test_an_allowed_import_passes(name: str, source: str) -> None:
    assert wall_breaches(Module(name, source)) == []


def test_a_wall_clock_read_in_a_decision_is_seen() -> None:
    assert (
        clock_breaches(Module("agents.bidding.actor", "import datetime as dt\nnow = dt.datetime.now(tz=dt.UTC)")) != []
    )
    assert clock_breaches(Module("console.cli.up", "import datetime as dt\nnow = dt.datetime.now(tz=dt.UTC)")) == []
