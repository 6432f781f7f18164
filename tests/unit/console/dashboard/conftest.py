"""The page over a plant in one process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from console.dashboard.app import build_app
from tests.worlds.page_plant import look, page_loop
from tests.worlds.plant_loop import Loop, acts_of

ACT = {"x-vpp-request": "page"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    """A plant that a module's tests only look at."""
    loop = page_loop(tmp_path_factory.mktemp("page"))
    look(loop)
    yield loop
    loop.store.close()


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    """A plant that a test may act on."""
    served_plant = page_loop(tmp_path, 12)
    yield served_plant
    served_plant.store.close()


def client_of(loop: Loop, host: str = "127.0.0.1:8050", **given: object) -> httpx.AsyncClient:
    """Return a client of the page over ``loop``, as a browser on this machine."""
    app = build_app(loop.settings, loop.store, acts=acts_of(loop))
    transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 55555))
    return httpx.AsyncClient(transport=transport, base_url=f"http://{host}", **given)  # type: ignore[arg-type]


@pytest.fixture
async def looking(shared: Loop) -> AsyncIterator[httpx.AsyncClient]:
    """A browser on the shared plant."""
    async with client_of(shared) as client:
        yield client


@pytest.fixture
async def acting(loop: Loop) -> AsyncIterator[httpx.AsyncClient]:
    """A browser on this test's own plant, its writes coming from the page."""
    async with client_of(loop, headers=ACT) as client:
        yield client
