"""Create API tokens, find them in a request and by their text, and revoke them.

A request carries its token in ``Authorization: Bearer``, once, and never in its URL. REST and the stream use
the same functions to find it there, which are pure.

That a token was used is noted in memory and written by the sweeper's thread, so that a request waits for no
write.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Collection, Container, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from notifications import permissions, selectors
from notifications.exceptions import InvalidInput
from notifications.filters import MAX_VALUES, Filters
from notifications.inbox_log.inboxes import announce_streams_on_commit
from notifications.models import MAX_TOKEN_NAME_LENGTH, ApiToken, Scope
from notifications.protocol import strict_json
from notifications.protocol.times import time_problem
from notifications.selectors.users import check_users_exist

# Recognisable, so that scanners find a token that somebody has committed.
PREFIX: Final = "nhub_"
TOKEN_BYTES: Final = 32
DEFAULT_DAYS: Final = 90
MAX_DAYS: Final = 3_650
MAX_TOKENS_NOTED: Final = 10_000
USE_NOTED_EVERY: Final = timedelta(minutes=1)
LONG_LIVED_CREDENTIALS: Final = ("token", "access_token", "api_key")

_TEXT: Final = re.compile(re.escape(PREFIX) + r"[A-Za-z0-9_-]{43}", re.ASCII)
# A header that was sent twice arrives joined by commas.
_ANY_BEARER: Final = re.compile(r"(?:^|,)\s*bearer(?=[\s,]|$)", re.IGNORECASE)
_ONE_BEARER: Final = re.compile(r"\s*bearer +([^\s,]+)\s*", re.IGNORECASE)

# When each token was used, for those used since the times were last written. Each process has its own; to set
# an entry is atomic.
_used_at: dict[Any, datetime] = {}


class NewToken(NamedTuple):
    """A token that was just created.

    Attributes:
        token: the row.
        text: what the program sends. It is stored nowhere, and cannot be shown again.
    """

    token: ApiToken
    text: str

    @property
    def lacks_permission(self) -> bool:
        """Return whether it has the scope to send, but its user may not, so that sends are refused.

        One query at most.
        """
        has_scope = Scope.PUBLISH in self.token.scopes.split()
        return has_scope and not selectors.has_permission(self.token.user, permissions.SEND)


def create_token(
    user: Any,
    *,
    name: str,
    scopes: Collection[str],
    expires_at: datetime | None,
    types: Sequence[str] = (),
    topics: Sequence[str] = (),
    created_by: str = "",
) -> NewToken:
    """Create a token for a user.

    Transaction: the caller's, or none. Nothing is announced.

    Args:
        user: whose inbox it opens, and as whom it publishes.
        name: what uses it; up to 100 characters.
        scopes: at least one of ``read``, ``inbox`` and ``publish``.
        expires_at: when it ends; None for never.
        types: the only event types that it may send; ``orders.*`` takes a prefix. None for all.
        topics: the only topics that it may send on. None for all.
        created_by: the member of staff, or the command, that creates it.

    Raises:
        InvalidInput: one entry for each bad field.
    """
    if errors := _errors(name, scopes, expires_at) | _limit_errors(scopes, types, topics):
        raise InvalidInput(errors)
    check_users_exist([user.pk], field="user")
    text = PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    token = ApiToken.objects.create(
        user=user,
        name=name.strip(),
        scopes=" ".join(scope for scope in Scope.values if scope in scopes),
        token_hash=_hash(text),
        types=",".join(types),
        topics=",".join(topics),
        expires_at=expires_at,
        created_by=created_by,
    )
    return NewToken(token, text)


def _errors(name: str, scopes: Collection[str], expires_at: datetime | None) -> dict[str, str]:
    errors: dict[str, str] = {}
    try:
        strict_json.check_text(name, field="name")
    except InvalidInput as error:
        errors |= error.errors
    if not 0 < len(name.strip()) <= MAX_TOKEN_NAME_LENGTH:
        errors["name"] = f"must have 1 to {MAX_TOKEN_NAME_LENGTH} characters"
    if not scopes or not set(scopes) <= set(Scope.values):
        errors["scopes"] = f"must be one or more of {', '.join(Scope.values)}"
    if expires_at is not None:
        if problem := time_problem(expires_at):
            errors["expires_at"] = problem
        elif expires_at <= timezone.now():
            errors["expires_at"] = "must lie in the future"
    return errors


def _limit_errors(scopes: Collection[str], types: Sequence[str], topics: Sequence[str]) -> dict[str, str]:
    errors: dict[str, str] = {}
    for field, filter_name, values in (("types", "type", types), ("topics", "topic", topics)):
        if values and Scope.PUBLISH not in scopes:
            errors[field] = f"limits the scope {Scope.PUBLISH}, which is not given"
            continue
        try:
            Filters.parse({filter_name: values})
        except InvalidInput as error:
            errors[field] = "; ".join(error.errors.values())
    if not errors and len(types) + len(topics) > MAX_VALUES:
        errors["types"] = f"and topics may be {MAX_VALUES} together at most"
    return errors


def usable_token(text: str) -> ApiToken | None:
    """Return the token with this text, with its user, and note that it was used.

    None for a token that is unknown, revoked or expired, or whose user is inactive. One query, none for a
    text that cannot be a token.
    """
    if not _TEXT.fullmatch(text):
        return None
    token_hash = _hash(text)
    # The index compares hashes, of which a caller cannot choose the beginning, so its timing tells nothing of
    # the text.
    token, now = selectors.token_with_user(token_hash), timezone.now()
    if token is None or not constant_time_compare(token.token_hash, token_hash) or not token.is_usable(now):
        return None
    is_fresh = token.last_used_at is not None and now - token.last_used_at < USE_NOTED_EVERY
    if not is_fresh and len(_used_at) < MAX_TOKENS_NOTED:
        _used_at[token.pk] = now
    return token


def revoke_tokens(keys: Iterable[Any]) -> int:
    """Revoke tokens for good; return the number. Those that are revoked already keep their time.

    Transaction: its own, or the caller's. Two statements at most. Streams that they opened end soon after
    the commit.

    Args:
        keys: primary keys.
    """
    usable = ApiToken.objects.filter(pk__in=list(keys), revoked_at=None)
    user_ids = set(usable.values_list("user_id", flat=True))
    if not user_ids:
        return 0
    with transaction.atomic():
        announce_streams_on_commit(user_ids)
        return usable.update(revoked_at=timezone.now())


def write_token_uses() -> int:
    """Write when the noted tokens were used, each at most once a minute over all processes.

    Transaction: must not be called inside one. A statement for each token, so that two processes cannot
    deadlock.

    Returns:
        The number of times that were written.
    """
    written = 0
    while _used_at:
        key, at = _used_at.popitem()
        is_stale = Q(last_used_at=None) | Q(last_used_at__lte=at - USE_NOTED_EVERY)
        written += ApiToken.objects.filter(is_stale, pk=key).update(last_used_at=at)
    return written


def bearer_of(authorization: str) -> str | None:
    """Return the text of the bearer token in an ``Authorization`` header.

    Returns:
        None when there is none, such as with another scheme. Empty when the token is malformed, or there are
        several: such a request has a bad credential, and no other credential of it may be used instead.
    """
    if not _ANY_BEARER.search(authorization):
        return None
    found = _ONE_BEARER.fullmatch(authorization)
    return found[1] if found else ""


def refuse_in_url(names: Container[str]) -> None:
    """Refuse a request whose URL has a long-lived credential, which logs and histories would keep.

    Args:
        names: of the query parameters.

    Raises:
        InvalidInput: one entry for each such parameter.
    """
    if leaked := [name for name in LONG_LIVED_CREDENTIALS if name in names]:
        raise InvalidInput(
            dict.fromkeys(leaked, "must not stand in a URL, which logs keep; send Authorization: Bearer")
        )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
