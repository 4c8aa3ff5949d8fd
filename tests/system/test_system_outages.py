"""What fails for a while: one line when it begins, one when it is over, however often it is tried in
between.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from notifications.system.outages import Outage

pytestmark = pytest.mark.shape("embedded")

LOGGER = logging.getLogger("notifications.tests")
SOURCES = Path(__file__).resolve().parents[2] / "notifications"


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_outage__however_often_it_fails_and_succeeds__has_one_line_for_each_turn(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    outage = Outage(
        LOGGER, began="Tea cannot be had; water is drunk", over="There is tea again after %d cups"
    )
    began = ("WARNING", "Tea cannot be had; water is drunk: TimeoutError()")
    over = ("INFO", "There is tea again after 7 cups")
    outage.recovered(0)
    assert lines(caplog) == []
    for _ in range(3):
        outage.failed(TimeoutError())
    assert (lines(caplog), outage.is_on) == ([began], True)
    for _ in range(3):
        outage.recovered(7)
    assert (lines(caplog), outage.is_on) == ([began, over], False)
    outage.failed(TimeoutError())
    assert lines(caplog) == [began, over, began]


def test_outage__that_may_be_the_hubs_own_fault__is_an_error_with_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outage = Outage(LOGGER, began="The kettle failed", over="The kettle works again", has_traceback=True)
    try:
        raise ZeroDivisionError("no cups")
    except ZeroDivisionError as error:
        outage.failed(error)
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert "Traceback" in caplog.text
    assert "raise ZeroDivisionError" in caplog.text


def test_sources__keep_no_flag_of_their_own_for_it() -> None:
    """Each module had one, and most never said that it was over."""
    flags = re.compile(r"_(is|was)_(failing|broken|down)\b")
    assert [path for path in SOURCES.rglob("*.py") if flags.search(path.read_text())] == []
