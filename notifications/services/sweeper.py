"""Sweep: do what is due, in order. Each process that serves does so every ``sweep_seconds``.

Broadcasts and replays are no part of it: each kind has a thread of its own, so that they never delay a sweep.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from notifications.inbox_log.due import expire_due, sequence_due
from notifications.services.credentials.tokens import write_token_uses
from notifications.services.records.polls import write_answers
from notifications.services.records.workers import close_lost_streams, close_streams_of_dead_processes
from notifications.services.retention import remove_old
from notifications.services.withdraw import finish_withdrawals


class Step(NamedTuple):
    """A part of a sweep.

    Attributes:
        name: what was done to the rows that it counts.
        description: what it does, as a sentence; a failure has it in its traceback.
        run: does it, in short transactions of its own; returns the number of rows.
    """

    name: str
    description: str
    run: Callable[[], int]


STEPS: Final = (
    Step("sequenced", "List what is staged and due, whoever committed it.", sequence_due),
    Step("expired", "Delete what is past its time to expire.", expire_due),
    Step("used_tokens", "Write when API tokens were used last.", write_token_uses),
    Step("answered", "Write which polls and lists were answered.", write_answers),
    Step("withdrawn", "Delete what is left of withdrawn events.", finish_withdrawals),
    Step(
        "closed_dead",
        "Close the streams of processes of this machine that died.",
        close_streams_of_dead_processes,
    ),
    Step("closed_lost", "Close the streams of processes that show no sign of life.", close_lost_streams),
    Step("removed", "Remove what has been kept for its time (``services.retention``).", remove_old),
)


class SweepResult(NamedTuple):
    """The number of notifications that a sweep listed, and the number that expired."""

    sequenced: int
    expired: int


def sweep() -> SweepResult:
    """Do each of ``STEPS`` once. One that fails ends the sweep; the next sweep begins again with the first.

    Transaction: several short ones; must not be called inside another. Inboxes that somebody else has locked
    are left for the next sweep. Any number of processes may sweep at once.
    """
    done = {step.name: _run(step) for step in STEPS}
    return SweepResult(done["sequenced"], done["expired"])


def _run(step: Step) -> int:
    try:
        return step.run()
    except Exception as error:
        error.add_note(f"The step of the sweep that failed: {step.description}")
        raise
