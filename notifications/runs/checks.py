"""From what a producer sends to checked events; everything else is refused by field.

The values may be parsed JSON, or Python's own. What passes is a copy, redacted, so that a producer who goes
on changing a dict changes no event. Pure: the endings of secret keys come as an argument.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from notifications.exceptions import FieldErrors, InvalidInput, RunEventTooLarge
from notifications.protocol import strict_json
from notifications.protocol.links import url_problem
from notifications.runs.events import RunEvent
from notifications.runs.kinds import (
    CANCELLED_BY,
    ENDS,
    KINDS,
    MAX_ID_LENGTH,
    POSTED,
    RESERVED_DATA_NAMES,
    ROLES,
    SOURCE_LENGTHS,
    Field,
    Form,
)
from notifications.runs.redaction import Redaction

MAX_EVENT_BYTES: Final = 256 * 1024
MAX_EVENTS: Final = 100
MAX_USUAL_LENGTH: Final = 32 * 1024  # however wide its characters are, an event of it is not too large
MAX_INTERRUPTS: Final = 20
MAX_INTERRUPTS_BYTES: Final = 32 * 1024
# Beyond this a double no longer counts in steps of one, and a browser would show another number.
MAX_COUNT: Final = 2**53 - 1
MAX_KEY_SHOWN: Final = 100
_DATA_NAME: Final = re.compile(r"[a-z][a-z0-9_-]*", re.ASCII)
_CODE: Final = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def check_events(values: Any, redaction: Redaction) -> list[RunEvent]:
    """Check what a producer posts at once.

    Args:
        values: a list of objects, each with ``event`` and the fields of its kind.
        redaction: what to blank.

    Raises:
        InvalidInput: something does not fit; each field is named with its place, ``events.3.delta``.
        RunEventTooLarge: one of them, or all together, have more than 256 KiB.
    """
    if not isinstance(values, (list, tuple)):
        raise InvalidInput({"events": "must be a list"})
    if len(values) > MAX_EVENTS:
        raise InvalidInput({"events": f"has {len(values)} entries; at most {MAX_EVENTS} are allowed"})
    check_size(values, field="events")
    errors, checked = FieldErrors(), []
    for place, value in enumerate(values):
        with errors:
            checked.append(_check_event(value, redaction, path=f"events.{place}."))
    errors.check()
    return checked


def check_event(value: Any, redaction: Redaction) -> RunEvent:
    """Check one event, given as an object with ``event`` and the fields of its kind.

    Raises:
        InvalidInput: something does not fit, by field.
        RunEventTooLarge: it has more than 256 KiB.
    """
    check_size(value, field="event")
    return _check_event(value, redaction, path="")


def check_delta(kind: str, message: Any, delta: Any, redaction: Redaction) -> RunEvent:
    """Check the next piece of a text as ``check_event`` does, but quickly where nothing is unusual.

    A producer tells thousands of them a second.

    Raises:
        InvalidInput, RunEventTooLarge: as of ``check_event``.
    """
    is_usual = (
        type(message) is str
        and len(message) <= MAX_ID_LENGTH
        and message.isprintable()
        and message.strip()
        and type(delta) is str
        and len(delta) <= MAX_USUAL_LENGTH
    )
    if not is_usual:
        return check_event({"event": kind, "message": message, "delta": delta}, redaction)
    strict_json.check_text(delta, field="delta")
    return RunEvent(kind, {"message": message, "delta": delta})


def check_end(value: Any, redaction: Redaction) -> RunEvent:
    """Check how a producer ends its run, and make the event of it.

    Args:
        value: an object with ``state``; ``result``, ``usage`` and ``interrupts`` of one that is completed;
            ``error``, an object with ``code`` and ``message``, of one that failed; ``reason`` of one that is
            cancelled.
        redaction: what to blank.

    Raises:
        InvalidInput: something does not fit, by field.
        RunEventTooLarge: it has more than 256 KiB.
    """
    check_size(value, field="body")
    fields = dict(_object(value, path="body"))
    state = fields.pop("state", None)
    kind = next((name for name, reached in ENDS.items() if state == reached), None)
    if kind is None:
        raise InvalidInput({"state": f"must be one of {', '.join(ENDS.values())}"})
    if kind == "run.failed":
        error = _object(fields.pop("error", {"code": "error"}), path="error")
        return _end_of_failure(fields, error, redaction)
    if kind == "run.cancelled":
        if "by" in fields:
            raise InvalidInput({"by": "is no field of this end"})
        fields["by"] = "producer"
    return _check_fields(kind, fields, redaction, path="")


def check_size(value: Any, *, field: str) -> None:
    """Refuse what is too deep or too large, before anything else looks at it.

    A list that holds itself has no end, and one that holds another twice, thirty times over, has a billion
    ends: so each step counts, and the walk stops early.

    Raises:
        InvalidInput: it is nested deeper than 32 levels; so is what holds itself.
        RunEventTooLarge: it has more than 256 KiB.
    """
    left, pending = MAX_EVENT_BYTES, [(value, 1)]
    while pending:
        item, depth = pending.pop()
        left -= _least_size(item)
        if left < 0:
            raise RunEventTooLarge
        if isinstance(item, (Mapping, list, tuple)):
            if depth > strict_json.MAX_DEPTH + 2:  # those of the body around a value of 32 levels
                raise InvalidInput({field: f"is nested deeper than {strict_json.MAX_DEPTH} levels"})
            # What is larger than the rest is refused before it is walked.
            if len(item) > left:
                raise RunEventTooLarge
            children = item
            if isinstance(item, Mapping):
                left -= sum(_least_size(key) for key in item)
                children = list(item.values())
            pending.extend((child, depth + 1) for child in children)


def _least_size(item: Any) -> int:
    """How many bytes of UTF-8 a value has at least, without what it holds."""
    if isinstance(item, str):
        return len(item.encode("utf-8", "surrogatepass")) if len(item) <= MAX_EVENT_BYTES else len(item)
    return 1


def _end_of_failure(fields: dict[Any, Any], error: Mapping[Any, Any], redaction: Redaction) -> RunEvent:
    """The code and the sentence stand in ``error``, and everything else beside it."""
    if misplaced := [name for name in ("code", "message") if name in fields]:
        raise InvalidInput(dict.fromkeys(misplaced, "belongs into error"))
    errors = FieldErrors()
    about = {"code": "error", "message": ""}
    with errors:
        _check_fields("run.failed", about | fields, redaction, path="")
    with errors:
        if "usage" in error:
            raise InvalidInput({"error.usage": "belongs beside error"})
        about |= _check_fields("run.failed", about | dict(error), redaction, path="error.").fields
    errors.check()
    return _check_fields("run.failed", about | fields, redaction, path="")


def _check_event(value: Any, redaction: Redaction, *, path: str) -> RunEvent:
    fields = dict(_object(value, path=path.removesuffix(".") or "event"))
    kind = fields.pop("event", None)
    if not isinstance(kind, str) or kind not in POSTED:
        raise InvalidInput({f"{path}event": f"must be one of {', '.join(POSTED)}"})
    return _check_fields(kind, fields, redaction, path=path)


def _object(value: Any, *, path: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise InvalidInput({path: "must be an object"})
    return value


def _check_fields(kind: str, given: Mapping[Any, Any], redaction: Redaction, *, path: str) -> RunEvent:
    declared, errors = KINDS[kind].fields, FieldErrors()
    checked: dict[str, Any] = {}
    for name, field in declared.items():
        with errors:
            # Null stands for what is left out, but not where it is a value.
            is_given = name in given and (given[name] is not None or field.form is Form.VALUE)
            if is_given:
                checked[name] = _check_field(given[name], field, redaction, path=path + name)
            elif field.is_required:
                raise InvalidInput({path + name: "is required"})
    unknown = [_shown(name) for name in given if not (isinstance(name, str) and name in declared)]
    with errors:
        if unknown:
            raise InvalidInput({path + name: f"is no field of {kind}" for name in unknown})
    with errors:
        if checked.keys() >= {"result", "error"}:
            raise InvalidInput({f"{path}error": "cannot stand beside a result"})
    errors.check()
    if kind == "run.data" and redaction.is_secret(checked["name"]):
        # In the transcript the name is the key that the value stands under.
        checked["value"] = redaction.redact({checked["name"]: None})[checked["name"]]
    return RunEvent(kind, checked)


def _check_field(value: Any, field: Field, redaction: Redaction, *, path: str) -> Any:
    strict_json.check(value, field=path)
    if field.form in (Form.VALUE, Form.INTERRUPTS, Form.SOURCE):
        copy = redaction.redact(value)
        if field.form is not Form.VALUE:
            {Form.INTERRUPTS: _check_interrupts, Form.SOURCE: _check_source}[field.form](copy, path)
        return copy
    if field.form is Form.COUNT:
        return _count(value, path)
    if not isinstance(value, str):
        raise InvalidInput({path: f"must be text, not {type(value).__name__}"})
    text = str(value)
    if field.max_length and len(text) > field.max_length:
        raise InvalidInput({path: f"has {len(text)} characters; at most {field.max_length} are allowed"})
    if problem := _text_problem(text, field.form):
        raise InvalidInput({path: problem})
    return redaction.redact(text) if field.form is Form.ERROR else text


class _Words(NamedTuple):
    """What a text of one form has to be."""

    is_fine: Callable[[str], object]
    problem: str


def _is_line(text: str) -> bool:
    return bool(text.strip()) and not _CONTROL.search(text)


_LINE: Final = _Words(_is_line, "must not be empty, and may hold no control character")
_WORDS: Final[Mapping[Form, _Words]] = {
    Form.ID: _LINE,
    Form.NAME: _LINE,
    Form.DATA_NAME: _Words(
        lambda text: _DATA_NAME.fullmatch(text) and text not in RESERVED_DATA_NAMES,
        f"must be [a-z][a-z0-9_-]*, and none of {', '.join(sorted(RESERVED_DATA_NAMES))}",
    ),
    Form.ROLE: _Words(lambda text: text in ROLES, f"must be one of {', '.join(ROLES)}"),
    Form.CODE: _Words(_CODE.fullmatch, "must be [a-z][a-z0-9_]*"),
    Form.BY: _Words(lambda text: text in CANCELLED_BY, f"must be one of {', '.join(CANCELLED_BY)}"),
}


def _text_problem(text: str, form: Form) -> str | None:
    words = _WORDS.get(form)
    return words.problem if words and not words.is_fine(text) else None


def _count(value: Any, path: str) -> int | float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not 0 <= value <= MAX_COUNT:
        raise InvalidInput({path: f"must be a number from 0 to {MAX_COUNT}"})
    return float(value) if isinstance(value, float) else int(value)


def _check_interrupts(value: Any, path: str) -> None:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) > MAX_INTERRUPTS:
        raise InvalidInput({path: f"must be a list of at most {MAX_INTERRUPTS} objects"})
    if strict_json.size(strict_json.dumps(value)) > MAX_INTERRUPTS_BYTES:
        raise InvalidInput({path: "may hold at most 32 KiB"})
    for place, interrupt in enumerate(value):
        if not isinstance(interrupt, dict):
            raise InvalidInput({f"{path}.{place}": "must be an object"})
        for name in ("id", "reason"):
            if not isinstance(interrupt.get(name), str):
                raise InvalidInput({f"{path}.{place}.{name}": "must be text"})


def _check_source(value: Any, path: str) -> None:
    """A source has an id, and a title or a url; what it does not have is left out or empty."""
    if not isinstance(value, dict):
        raise InvalidInput({path: "must be an object"})
    problems = {
        f"{path}.{_shown(name)}": "is no field of a source" for name in value if name not in SOURCE_LENGTHS
    }
    for name, limit in SOURCE_LENGTHS.items():
        text = value.get(name)
        if text is None:
            value.pop(name, None)
        elif not isinstance(text, str):
            problems[f"{path}.{name}"] = f"must be text, not {type(text).__name__}"
        elif len(text) > limit:
            problems[f"{path}.{name}"] = f"has {len(text)} characters; at most {limit} are allowed"
    if not problems and (problem := _source_problem(value)):
        problems[f"{path}.{problem[0]}"] = problem[1]
    if problems:
        raise InvalidInput(problems)


def _source_problem(source: Mapping[str, str]) -> tuple[str, str] | None:
    if not _is_line(source.get("id", "")):
        return "id", _LINE.problem
    url = source.get("url", "")
    if problem := url_problem(url):
        return "url", problem
    if not url and not source.get("title"):
        return "title", "is required where there is no url"
    return None


def _shown(name: object) -> str:
    return name[:MAX_KEY_SHOWN] if isinstance(name, str) else f"a {type(name).__name__}"
