"""A desk over a settled plant, one over nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mcp_server.queries.context import Desk
from tests.worlds.mcp_plant import empty_desk, filled_desk


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The filled plant, shared: nothing here writes to it."""
    found = filled_desk(tmp_path_factory.mktemp("plant"))
    yield found
    found.store.close()


@pytest.fixture
def nothing(tmp_path: Path) -> Iterator[Desk]:
    """A data directory where nothing has run."""
    found = empty_desk(tmp_path / "none")
    yield found
    found.store.close()
