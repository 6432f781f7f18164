"""One browser, and one plant that most tests only look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.browser import browser, chromium
from tests.worlds.page_plant import Served, look, page_loop


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Say clearly that no test of the page ran where there is no browser; in CI there must be one."""
    import os

    if chromium() is None and not os.environ.get("CI"):
        reason = "NO CHROMIUM: the page is not tested; apt-get install chromium, or set VPP_TEST_CHROMIUM"
        for item in items:
            if "tests/browser" in str(item.path):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def chrome() -> Iterator[Browser]:
    """The browser."""
    with browser() as result:
        yield result


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The page over a plant that nobody acts on."""
    served_plant = Served(page_loop(tmp_path_factory.mktemp("looked-at")))
    look(served_plant.loop)
    served_plant.start()
    yield served_plant
    served_plant.stop()
    served_plant.loop.store.close()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Served]:
    """The page over a plant of this test's own."""
    served_plant = Served(page_loop(tmp_path, 14))
    served_plant.start()
    yield served_plant
    served_plant.stop()
    served_plant.loop.store.close()
