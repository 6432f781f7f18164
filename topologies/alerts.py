"""Notifies people of alerts, as a process: ``python -m topologies.alerts``."""

from __future__ import annotations

from topologies.alerting.worker import run_alerts
from topologies.runtime.parent_watch import end_with_supervisor
from vpp.errors import exit_on_error
from vpp.logs import set_up_logging
from vpp.private_files import keep_private
from vpp.settings import load_settings


def main() -> None:
    """Run the alerts worker as a process of its own."""
    with exit_on_error("alerts"):
        settings = load_settings()
        set_up_logging(settings)
        keep_private(settings.data_dir)
        end_with_supervisor()
        run_alerts(settings)


if __name__ == "__main__":
    main()
