"""The page of a run: a process that `vpp up` starts first; the run does not depend on it."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import time
from types import TracebackType

from console.local.processes import STEADY_S, environment, exit_words
from topologies.control.run_mode import RunPage, note_page
from vpp.settings import Settings
from vpp.settings.faces import page_address

log = logging.getLogger(__name__)

LONGEST_PAUSE_S = 60.0
END_WITHIN_S = 8.0


class PageProcess:
    """`python -m console.dashboard` beside a run; use as a context manager.

    A page that dies is started again after a pause, which doubles from 1 s to ``LONGEST_PAUSE_S`` while it dies within
    ``STEADY_S`` of its start. No page ever ends a run.

    Args:
        settings: The settings of the run; where their port is taken, another one is.
    """

    def __init__(self, settings: Settings) -> None:
        port = _free_port(settings.page.host, settings.page.port)
        page = settings.page.model_copy(update={"port": port})
        self._settings = settings.model_copy(update={"page": page})
        self._process: subprocess.Popen[bytes] | None = None
        self._started_s = 0.0
        self._pause_s = 0.0
        self._start_at_s: float | None = None

    @property
    def address(self) -> str:
        """Where the page is."""
        return page_address(self._settings.page)

    def __enter__(self) -> PageProcess:
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def keep(self) -> None:
        """Start it again where it died, once its pause is over."""
        now_s = time.monotonic()
        if self._start_at_s is not None:
            if now_s >= self._start_at_s:
                self._start()
        elif self._process is not None and (code := self._process.poll()) is not None:
            is_steady = now_s - self._started_s > STEADY_S
            self._pause_s = 1.0 if is_steady else min(max(2.0 * self._pause_s, 1.0), LONGEST_PAUSE_S)
            self._start_at_s = now_s + self._pause_s
            fault = f"{exit_words(code)}; see logs/page.log"
            log.warning("page ended with %s; it starts again in %.0f s", fault, self._pause_s)
            note_page(self._settings, RunPage(self.address, fault))

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
        self._started_s, self._start_at_s = time.monotonic(), None
        note_page(self._settings, RunPage(self.address))


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
