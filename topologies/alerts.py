"""Notifies people of alerts, as a process: ``python -m topologies.alerts``."""

from __future__ import annotations

from topologies.alerting.worker import run_alerts
from topologies.runtime.process import run_process

if __name__ == "__main__":
    run_process("alerts", run_alerts)
