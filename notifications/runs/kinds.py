"""The kinds of events that a run tells, and the fields of each: the one table that says so.

The check at the door, the limits, the fold and the profiles read it; ``static/notifications/run-fold.js`` is
held to the fold by the cases of ``tests/runs/cases.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final, Literal, NamedTuple, get_args

Role = Literal["assistant", "user", "system"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
CancelledBy = Literal["user", "staff", "producer"]
CANCELLED_BY: Final[tuple[CancelledBy, ...]] = get_args(CancelledBy)


class Form(Enum):
    """What a field of an event holds."""

    ID = "an id that the producer chooses: of a message, a call or a step"
    NAME = "a name for people, in one line"
    DATA_NAME = "the name of a piece of data"
    ROLE = "whose a message is"
    DELTA = "the next piece of a text"
    TEXT = "a sentence or two for people"
    ERROR = "why a call failed, for people; cut like a value"
    VALUE = "any JSON value, redacted and cut"
    COUNT = "a number that is not negative"
    SOURCE = "where something is said: id, title, url and quote"
    INTERRUPTS = "what the run waits for: objects with an id and a reason"
    CODE = "a word for programs"
    BY = "who cancelled"


class Field(NamedTuple):
    """A field of an event.

    Attributes:
        form: what it holds.
        is_required: whether an event without it is refused.
        max_length: how many characters it may have, where it holds a name or a text; longer ones are refused.
    """

    form: Form
    is_required: bool = True
    max_length: int = 0


class Maker(Enum):
    """Who makes events of a kind."""

    PRODUCER = "posted by the producer"
    START = "made by the hub when the run starts"
    LIMIT = "made by the hub when it has cut something for the first time"
    END = "made by the hub when the run ends"


class Kind(NamedTuple):
    """A kind of event.

    Attributes:
        maker: who makes it.
        fields: what it holds beside ``event``, ``run``, ``number`` and ``at``.
    """

    maker: Maker
    fields: Mapping[str, Field]


MAX_ID_LENGTH: Final = 200
MAX_NAME_LENGTH: Final = 200
MAX_TEXT_LENGTH: Final = 1_000
_ID: Final = Field(Form.ID, max_length=MAX_ID_LENGTH)
_OPTIONAL_ID: Final = _ID._replace(is_required=False)
_NAME: Final = Field(Form.NAME, max_length=MAX_NAME_LENGTH)
_OPTIONAL_TEXT: Final = Field(Form.TEXT, is_required=False, max_length=MAX_TEXT_LENGTH)
_VALUE: Final = Field(Form.VALUE)
_OPTIONAL_VALUE: Final = Field(Form.VALUE, is_required=False)
_DELTA: Final[Mapping[str, Field]] = {"message": _ID, "delta": Field(Form.DELTA)}

KINDS: Final[Mapping[str, Kind]] = {
    # Its fields are the object of the run without its transcript.
    "run.started": Kind(Maker.START, {}),
    "run.step_started": Kind(Maker.PRODUCER, {"step": _ID, "name": _NAME, "parent": _OPTIONAL_ID}),
    "run.step_finished": Kind(Maker.PRODUCER, {"step": _ID, "output": _OPTIONAL_VALUE}),
    "run.message_started": Kind(Maker.PRODUCER, {"message": _ID, "role": Field(Form.ROLE)}),
    "run.text": Kind(Maker.PRODUCER, _DELTA),
    "run.reasoning": Kind(Maker.PRODUCER, _DELTA),
    "run.tool_called": Kind(
        Maker.PRODUCER, {"call": _ID, "name": _NAME, "message": _OPTIONAL_ID, "arguments": _OPTIONAL_VALUE}
    ),
    "run.tool_returned": Kind(
        Maker.PRODUCER,
        {"call": _ID, "result": _OPTIONAL_VALUE, "error": Field(Form.ERROR, is_required=False)},
    ),
    "run.citation": Kind(Maker.PRODUCER, {"message": _OPTIONAL_ID, "source": Field(Form.SOURCE)}),
    "run.progress": Kind(
        Maker.PRODUCER,
        {"done": Field(Form.COUNT), "total": Field(Form.COUNT, is_required=False), "note": _OPTIONAL_TEXT},
    ),
    "run.data": Kind(Maker.PRODUCER, {"name": Field(Form.DATA_NAME, max_length=100), "value": _VALUE}),
    "run.truncated": Kind(Maker.LIMIT, {}),
    "run.completed": Kind(
        Maker.END,
        {
            "result": _OPTIONAL_VALUE,
            "usage": _OPTIONAL_VALUE,
            "interrupts": Field(Form.INTERRUPTS, is_required=False),
        },
    ),
    "run.failed": Kind(
        Maker.END,
        {
            "code": Field(Form.CODE, max_length=100),
            "message": Field(Form.TEXT, max_length=MAX_TEXT_LENGTH),
            "usage": _OPTIONAL_VALUE,
        },
    ),
    "run.cancelled": Kind(
        Maker.END, {"by": Field(Form.BY), "reason": _OPTIONAL_TEXT, "usage": _OPTIONAL_VALUE}
    ),
}
POSTED: Final = tuple(name for name, kind in KINDS.items() if kind.maker is Maker.PRODUCER)
# The state that each end leads to.
ENDS: Final[Mapping[str, str]] = {
    name: name.removeprefix("run.") for name, kind in KINDS.items() if kind.maker is Maker.END
}
# The fields of a source, and how long each may be.
SOURCE_LENGTHS: Final[Mapping[str, int]] = {"id": MAX_ID_LENGTH, "title": 500, "url": 2_000, "quote": 4_000}
# A profile uses these names for what the hub itself tells.
RESERVED_DATA_NAMES: Final = frozenset({"progress", "step"})
