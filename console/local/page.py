"""The page of a run: a process that `vpp up` starts first; the run does not depend on it."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
from types import TracebackType

from console.local.processes import environment
from topologies.control.run_mode import note_page
from vpp.settings import Settings
from vpp.settings.faces import page_address

log = logging.getLogger(__name__)

MAX_DEATHS = 5
END_WITHIN_S = 8.0


class PageProcess:
    """`python -m console.dashboard` beside a run; use as a context manager.

    A page that dies is started again a few times and then left: no page ever ends a run.

    Args:
        settings: The settings of the run; where their port is taken, another one is.
    """

    def __init__(self, settings: Settings) -> None:
        port = _free_port(settings.page.host, settings.page.port)
        page = settings.page.model_copy(update={"port": port})
        self._settings = settings.model_copy(update={"page": page})
        self._process: subprocess.Popen[bytes] | None = None
        self._deaths = 0

    @property
    def address(self) -> str:
        """Where the page is."""
        return page_address(self._settings.page)

    def __enter__(self) -> PageProcess:
        self._start()
        note_page(self._settings, self.address)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def keep(self) -> None:
        """Start it again where it died."""
        if self._process is None or self._process.poll() is None:
            return
        self._deaths += 1
        if self._deaths >= MAX_DEATHS:
            log.warning("the page died %s times and is left: see logs/page.log", self._deaths)
            self._process = None
            return
        self._start()

    def stop(self) -> None:
        """End it."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _start(self) -> None:
        folder = self._settings.data_dir / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "page.log").open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "console.dashboard"],
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                env=environment(self._settings),
                start_new_session=True,
            )


def _free_port(host: str, preferred: int) -> int:
    """Return ``preferred`` where it is free, else any free port."""
    for port in (preferred, 0):
        with socket.socket(_family(host)) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind((host, port))
            except OSError:
                continue
            free_port: int = tried.getsockname()[1]
            return free_port
    return preferred


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
