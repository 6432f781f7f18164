"""How each process of the product begins: settings, logs, private files, and the watch of its supervisor."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event

from topologies.runtime.parent_watch import end_with_supervisor
from vpp.errors import exit_on_error
from vpp.logs import set_up_logging
from vpp.private_files import keep_private
from vpp.settings import Settings, load_settings


@contextmanager
def own_process(name: str) -> Iterator[Settings]:
    """Give the settings of this process to the block that is its work.

    A ``VppError`` of the block is printed and ends the process with the error's code. The process ends when the
    supervisor named in its environment is gone.

    Raises:
        SystemExit: A setting is wrong, or the block raised a ``VppError``.
    """
    with exit_on_error(name):
        settings = load_settings()
        set_up_logging(settings)
        keep_private(settings.data_dir)
        end_with_supervisor()
        yield settings


def run_process(name: str, run: Callable[[Settings], None]) -> None:
    """Run a function as the work of this process."""
    with own_process(name) as settings:
        run(settings)


def stop_on_signals() -> Event:
    """Return an event that SIGTERM and SIGINT set from now on."""
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
