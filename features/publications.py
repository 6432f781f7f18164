"""Publications at the intake: their form, and the faults of what was published before the run."""

from __future__ import annotations

from datetime import timedelta

from vpp.domain import Step
from vpp.errors import MessageError
from vpp.messages import Alert, Publication
from vpp.streams.reducer import Output

MAX_DAYS = 10
MAX_WAITING = 100
"""So many alerts wait for the first slot of a run; the oldest are dropped first."""


def check_publication(message: Publication, step: Step) -> None:
    """Refuse a publication whose form is wrong.

    Raises:
        MessageError: Lengths, spacing or span are wrong (reason ``publication``).
    """
    lengths = {len(series) for series in message.series.values()}
    if len(lengths) != 1 or 0 in lengths:
        raise MessageError("the series of a publication must have one length of at least 1", reason="publication")
    if message.step_min <= 0 or message.step_min % step.minutes:
        raise MessageError(
            f"a spacing of {message.step_min} min is not a multiple of the step {step.minutes} min",
            reason="publication",
        )
    if lengths.pop() * message.step_min > MAX_DAYS * 1440:
        raise MessageError(f"a publication spans more than {MAX_DAYS} days", reason="publication")
    ahead = message.first_slot - message.available_at
    if abs(ahead) > timedelta(days=MAX_DAYS):
        raise MessageError(f"first_slot lies {ahead} from available_at", reason="publication")


def keep_until_begin(waiting: list[tuple[int, Alert]], message: Publication, step: Step, alerts: list[Alert]) -> None:
    """Store alerts on publications before the run until it begins, with the last slot that they concern.

    Args:
        waiting: The alerts that wait; changed.
        message: The publication.
        step: Slots of the zone.
        alerts: The alerts on it.
    """
    length = len(next(iter(message.series.values()))) * message.step_min // step.minutes
    last = step.index(message.first_slot) + length - 1
    waiting += [(last, alert) for alert in alerts]
    del waiting[:-MAX_WAITING]


def due_at_begin(waiting: list[tuple[int, Alert]], index: int) -> list[Output]:
    """Return the alerts on slots of a run that begins at ``index``, and drop all waiting alerts."""
    due = [Output("alerts", alert) for last, alert in waiting if last >= index]
    waiting.clear()
    return due
