"""The parameters, ids and bodies of requests, checked and typed. Pure: no database, no request object."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.http import QueryDict
from django.urls.converters import UUIDConverter

from notifications.event_types import check_category
from notifications.exceptions import MAX_ERRORS, FieldErrors, InvalidInput, MalformedCursor
from notifications.filters import MAX_VALUE_LENGTH, Filters
from notifications.notification_states import STATE_FLAGS, VERBS, check_flags
from notifications.protocol.cursors import Cursor
from notifications.protocol.search_words import parse_words

DEFAULT_LIST_LIMIT: Final = 25
MAX_LIST_LIMIT: Final = 200
DEFAULT_CHANGES_LIMIT: Final = 100
MAX_CHANGES_LIMIT: Final = 500
MAX_ACTION_IDS: Final = 1_000
ACTION_NAMES: Final = (*VERBS, "delete")
MAX_POSITION: Final = 10**16 - 1

_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)
_BOOLEANS: Final = {"true": True, "false": False}
# The usual form of a UUID, in either case (RFC 9562).
_FORM: Final = r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_ID: Final = re.compile(_FORM, re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class ListQuery:
    """The part of the list that is requested; ``words`` are those of ``q``, None without it."""

    filters: Filters
    words: frozenset[str] | None
    unread_only: bool
    archived: bool
    before: int | None
    limit: int

    @classmethod
    def parse(cls, params: QueryDict) -> ListQuery:
        """Read the query parameters of a list.

        Raises:
            InvalidInput: a bad filter value, ``q``, ``unread``, ``archived``, ``limit`` or ``before``.
        """
        filters, words, before, limit = Filters(), None, None, None
        unread_only = archived = False
        errors = FieldErrors()
        with errors:
            filters = Filters.parse(dict(params.lists()))
        with errors:
            words = parse_words(params.get("q", ""))
        with errors:
            unread_only = _boolean(params, "unread")
        with errors:
            archived = _boolean(params, "archived")
        with errors:
            before = _number(params, "before", minimum=0, maximum=MAX_POSITION)
        with errors:
            limit = _number(params, "limit", minimum=1, maximum=MAX_LIST_LIMIT)
        errors.check()
        return cls(
            filters=filters,
            words=words,
            unread_only=unread_only,
            archived=archived,
            before=before,
            limit=limit or DEFAULT_LIST_LIMIT,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangesQuery:
    """The changes that are requested; without ``after`` only the cursor is."""

    filters: Filters
    after: Cursor | None
    limit: int

    @classmethod
    def parse(cls, params: QueryDict) -> ChangesQuery:
        """Read the query parameters of the polling delta.

        Raises:
            InvalidInput: a bad filter value or ``limit``.
            MalformedCursor: ``after`` is not a cursor.
        """
        filters, limit = Filters(), None
        errors = FieldErrors()
        with errors:
            filters = Filters.parse(dict(params.lists()))
        with errors:
            limit = _number(params, "limit", minimum=1, maximum=MAX_CHANGES_LIMIT)
        errors.check()
        after = params.get("after")
        return cls(
            filters=filters,
            after=None if after is None else Cursor.parse(after),
            limit=limit or DEFAULT_CHANGES_LIMIT,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class IdsAction:
    """An action on the notifications with these ids."""

    verb: str
    ids: list[UUID]


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadAll:
    """Marking read what the user had seen: everything up to a cursor, or one category of it (empty: all)."""

    up_to: Cursor
    category: str


def parse_flags(body: Any) -> dict[str, bool]:
    """Read the body of a ``PATCH``, such as ``{"read": true}``: the flags of the state that it sets.

    Raises:
        InvalidInput: the body is anything else.
    """
    flags = fields_of(body, known=set(STATE_FLAGS)) or {STATE_FLAGS[0]: None}
    if errors := {
        name: "must be true or false" for name, value in flags.items() if not isinstance(value, bool)
    }:
        raise InvalidInput(errors)
    check_flags(flags)
    return dict(flags)


def parse_nothing(body: Any) -> None:
    """Accept an empty object.

    Raises:
        InvalidInput: the body is anything else.
    """
    fields_of(body, known=())


def parse_ticket(body: Any) -> str | None:
    """Return the username for whom ``{"user": …}`` requests a ticket; None for the requesting user.

    Raises:
        InvalidInput: the body is anything else.
    """
    fields = fields_of(body, known={"user"})
    if "user" not in fields:
        return None
    if not isinstance(fields["user"], str):
        raise InvalidInput({"user": "must be a username"})
    return fields["user"]


def parse_action(body: Any) -> IdsAction | ReadAll:
    """Read the body of an action, by ids or up to a cursor.

    Raises:
        InvalidInput: a field is unknown, missing or bad, or does not go with the others.
        MalformedCursor: ``up_to`` is not a cursor.
    """
    fields = fields_of(body, known={"action", "ids", "up_to", "category"})
    verb = fields.get("action")
    if not isinstance(verb, str) or verb not in ACTION_NAMES:
        raise InvalidInput({"action": f"must be one of {', '.join(ACTION_NAMES)}"})
    if ("ids" in fields) == ("up_to" in fields):
        raise InvalidInput({"ids": "give either ids or up_to"})
    if "ids" in fields:
        if "category" in fields:
            raise InvalidInput({"category": "goes with up_to only"})
        return IdsAction(verb=verb, ids=ids_of(fields["ids"]))
    if verb != "read":
        raise InvalidInput({"up_to": "goes with the action read only"})
    return ReadAll(up_to=_cursor(fields["up_to"]), category=_category(fields.get("category")))


def fields_of(body: Any, *, known: Collection[str], prefix: str = "") -> Mapping[str, Any]:
    """Return the body as an object of known fields.

    Args:
        known: the fields that there are.
        prefix: what an error puts before the name of a field.

    Raises:
        InvalidInput: it is no object, or one entry for each unknown field.
    """
    if not isinstance(body, dict):
        raise InvalidInput({prefix.rstrip(".") or "body": "must be a JSON object"})
    if unknown := [name for name in body if name not in known]:
        raise InvalidInput(
            {
                f"{prefix}{name[:MAX_VALUE_LENGTH]}": "is not a field of this request"
                for name in unknown[:MAX_ERRORS]
            }
        )
    return body


def ids_of(value: Any) -> list[UUID]:
    """Return the ids of notifications.

    Raises:
        InvalidInput: it is no list of ids, or holds more than ``MAX_ACTION_IDS``.
    """
    if not isinstance(value, list) or len(value) > MAX_ACTION_IDS:
        raise InvalidInput({"ids": f"must be a list of at most {MAX_ACTION_IDS} ids"})
    ids = [parse_id(item) for item in value if isinstance(item, str)]
    known = [public_id for public_id in ids if public_id is not None]
    if len(known) < len(value):
        raise InvalidInput({"ids": "each must be the id of a notification, as the hub gave it"})
    return known


class IdConverter(UUIDConverter):
    """The converter of ``<hub_id:…>`` in the paths of the API."""

    regex = _FORM


def parse_id(text: str) -> UUID | None:
    """Return the id that a text spells; None for any other text."""
    return UUID(text) if _ID.fullmatch(text) else None


def _cursor(value: Any) -> Cursor:
    if not isinstance(value, str):
        raise MalformedCursor
    return Cursor.parse(value)


def _category(value: Any) -> str:
    if value is None:
        return ""
    check_category(value)
    return str(value)


def _boolean(params: QueryDict, name: str) -> bool:
    text = params.get(name, "false")
    if text not in _BOOLEANS:
        raise InvalidInput({name: "must be true or false"})
    return _BOOLEANS[text]


def _number(params: QueryDict, name: str, *, minimum: int, maximum: int) -> int | None:
    text = params.get(name)
    if text is None:
        return None
    # The pattern bounds the length first: int() is slow for very many digits, or raises ValueError.
    if not _NUMBER.fullmatch(text) or not minimum <= int(text) <= maximum:
        raise InvalidInput({name: f"must be a whole number from {minimum} to {maximum}"})
    return int(text)
