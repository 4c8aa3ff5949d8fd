"""The bodies of publishing requests, checked and typed. Pure: no database, no request object.

Lengths, characters, URLs and actions are checked by the services, for every producer; here only what JSON
can get wrong is checked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from notifications.event_types import LEVELS, UntypedEvent, registry
from notifications.exceptions import FieldErrors, InvalidInput
from notifications.models import MAX_KEY_LENGTH
from notifications.protocol.times import TIME_EXAMPLE, parse_time, time_problem
from notifications.rest.inputs import fields_of, ids_of
from notifications.services import Audience, Draft, TransientDraft

MAX_BATCH_ITEMS: Final = 1_000
MAX_NAMES: Final = 10_000

_TEXTS: Final = ("title", "body", "url", "topic", "actor", "collapse_key")
_FIELDS: Final = frozenset({"to", "type", "level", "data", "actions", "deliver_at", "expires_at", *_TEXTS})
_KEY: Final = re.compile(rf"[\x20-\x7e]{{1,{MAX_KEY_LENGTH}}}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Withdrawal:
    """A request to withdraw events, by the ids of their notifications, or by topic and type."""

    ids: tuple[UUID, ...] = ()
    topic: str = ""
    type_name: str = ""


def parse_draft(body: Any, *, prefix: str = "") -> Draft:
    """Read one object of ``/publish``.

    Args:
        prefix: what an error puts before the name of a field.

    Raises:
        InvalidInput: one entry for each field that is unknown, missing or of the wrong kind.
    """
    fields = fields_of(body, known=_FIELDS, prefix=prefix)
    read = _Reader(fields, prefix)
    texts = {name: read.text(name) for name in _TEXTS}
    event_type, level, data = read.text("type"), read.level(), read.data()
    audience = read.audience()
    deliver_at, expires_at = read.time("deliver_at"), read.time("expires_at")
    read.require("to", "type", "title")
    event = UntypedEvent(type_name=event_type, fields=data, default_level=registry.level_of(event_type))
    return Draft(
        audience=audience,
        event=event,
        level=level,
        actions=fields.get("actions", ()),
        deliver_at=deliver_at,
        expires_at=expires_at,
        **texts,
    )


def parse_transient(body: Any) -> TransientDraft:
    """Read the body of ``POST /events``.

    Raises:
        InvalidInput: one entry for each field that is unknown, missing or of the wrong kind.
    """
    read = _Reader(fields_of(body, known={"to", "type", "topic", "data"}), "")
    event_type, topic, data, audience = read.text("type"), read.text("topic"), read.data(), read.audience()
    read.require("to", "type")
    return TransientDraft(
        audience=audience, event=UntypedEvent(type_name=event_type, fields=data), topic=topic
    )


def parse_batch(body: Any) -> list[Draft]:
    """Read the body of ``/publish/batch``: a list of objects of ``/publish``, bare or as ``{"items": […]}``.

    Raises:
        InvalidInput: it is none, or one entry for each bad field, such as ``items.3.title``.
    """
    items = body if isinstance(body, list) else fields_of(body, known={"items"}).get("items")
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_BATCH_ITEMS:
        raise InvalidInput({"items": f"must be a list of 1 to {MAX_BATCH_ITEMS} objects"})
    errors, drafts = FieldErrors(), []
    for index, item in enumerate(items):
        with errors:
            drafts.append(parse_draft(item, prefix=f"items.{index}."))
    errors.check()
    return drafts


def parse_withdrawal(body: Any) -> Withdrawal:
    """Read the body of ``/publish/withdraw``.

    The service checks that the ids, or the topic and the type, are complete.

    Raises:
        InvalidInput: one entry for each field that is unknown, of the wrong kind, or does not go with the
            others.
    """
    fields = fields_of(body, known={"ids", "topic", "type"})
    if "ids" in fields:
        if len(fields) > 1:
            raise InvalidInput({"ids": "give either ids, or topic and type"})
        return Withdrawal(ids=tuple(ids_of(fields["ids"])))
    read = _Reader(fields, "")
    withdrawal = Withdrawal(topic=read.text("topic"), type_name=read.text("type"))
    read.require()
    return withdrawal


def parse_key(header: str | None) -> str | None:
    """Return the idempotency key of a request; None without one.

    Raises:
        InvalidInput: it is empty, too long, or not printable ASCII.
    """
    if header is not None and not _KEY.fullmatch(header):
        raise InvalidInput({"Idempotency-Key": f"must be 1 to {MAX_KEY_LENGTH} printable ASCII characters"})
    return header


class _Reader:
    """Reads the fields of one object, and collects what is wrong with them."""

    def __init__(self, fields: Mapping[str, Any], prefix: str) -> None:
        self._fields = fields
        self._prefix = prefix
        self._errors: dict[str, str] = {}

    def refuse(self, name: str, text: str) -> None:
        self._errors.setdefault(self._prefix + name, text)

    def require(self, *names: str) -> None:
        """Finish reading: check that these fields were given and that nothing was wrong."""
        for name in names:
            if name not in self._fields:
                self._errors[self._prefix + name] = "is required"
        if self._errors:
            raise InvalidInput(self._errors)

    def text(self, name: str) -> str:
        value = self._fields.get(name, "")
        if not isinstance(value, str):
            self.refuse(name, "must be text")
            return ""
        return value

    def level(self) -> str | None:
        value = self._fields.get("level")
        if "level" in self._fields and value not in LEVELS:
            self.refuse("level", f"must be one of {', '.join(LEVELS)}")
            return None
        return value

    def data(self) -> Mapping[str, Any]:
        value = self._fields.get("data", {})
        if not isinstance(value, dict):
            self.refuse("data", "must be a JSON object")
            return {}
        return value

    def time(self, name: str) -> datetime | None:
        """Read a time of RFC 3339; null, as the hub writes it, means none."""
        value = self._fields.get(name)
        if value is None:
            return None
        at = parse_time(value)
        if at is None:
            self.refuse(name, f"must be a time with a zone, such as {TIME_EXAMPLE}, or null")
            return None
        if problem := time_problem(at):
            self.refuse(name, problem)
            return None
        return at.astimezone(UTC)

    def audience(self) -> Audience:
        value = self._fields.get("to", {})
        if not isinstance(value, dict):
            self.refuse("to", "must be a JSON object with users, groups or everyone")
            return Audience()
        for name in value.keys() - {"users", "groups", "everyone"}:
            self.refuse(f"to.{name[:100]}", "is not a field of this request")
        everyone = value.get("everyone", False)
        if not isinstance(everyone, bool):
            self.refuse("to.everyone", "must be true or false")
        audience = Audience(
            users=self._names(value, "users"), groups=self._names(value, "groups"), everyone=everyone is True
        )
        if audience == Audience() and not any(name.startswith(f"{self._prefix}to") for name in self._errors):
            self.refuse("to", "must name users or groups, or say everyone")
        return audience

    def _names(self, value: Mapping[str, Any], name: str) -> tuple[str, ...]:
        names = value.get(name, [])
        if (
            not isinstance(names, list)
            or len(names) > MAX_NAMES
            or not all(isinstance(item, str) for item in names)
        ):
            self.refuse(f"to.{name}", f"must be a list of at most {MAX_NAMES} names")
            return ()
        return tuple(names)
