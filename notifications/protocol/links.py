"""The links of a notification: its URL, and the actions that it offers (protocol, section 4). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NotRequired, TypedDict
from urllib.parse import urlsplit

from django.utils.functional import Promise

from notifications.exceptions import FieldErrors, InvalidInput
from notifications.protocol import strict_json

MAX_URL_LENGTH: Final = 2_000
MAX_ACTIONS: Final = 2
MAX_LABEL_LENGTH: Final = 40
METHODS: Final = ("GET", "POST")
NO_ACTIONS: Final = "[]"  # as they are stored

_URL_NEVER: Final = re.compile(r"[\x00-\x20\x7f-\x9f\\]")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_PATH: Final = "a path on this site (/orders/7/)"
_FIELDS: Final = ("label", "url", "method")


class Action(TypedDict):
    """An action that a notification offers; its recipient sees it as a link or a button.

    Attributes:
        label: up to 40 characters in one line; lazy translations are resolved in the active language.
        url: as the notification's own; with ``POST`` it is a path on this site.
        method: ``GET`` for a link, which is the default; ``POST`` for a button that posts there.
    """

    label: Any
    url: str
    method: NotRequired[Literal["GET", "POST"]]


def url_problem(url: str) -> str | None:
    """Return why a URL is refused, or None. Only paths on this site and http(s) addresses are accepted.

    Browsers drop tabs and newlines and read ``\\`` as ``/``, so ``/\\host`` and ``/<tab>/host`` would leave
    the site; both are refused by their characters before anything is parsed.
    """
    wanted = f"must be {_PATH} or an http(s) address"
    if not url:
        return None
    if _URL_NEVER.search(url):
        return f"{wanted}, without spaces, control characters and backslashes"
    if url.startswith("/"):
        return wanted if url.startswith("//") else None
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # brackets that do not close, or an impossible port
        return wanted
    return None if is_address else wanted


def check_actions(actions: Any) -> list[Action]:
    """Check the ``actions`` of a producer, and return each with a label, a URL and a method.

    Args:
        actions: a list of at most two ``Action``.

    Raises:
        InvalidInput: one entry for each bad field, such as ``actions.0.url``.
    """
    if not isinstance(actions, list | tuple) or len(actions) > MAX_ACTIONS:
        raise InvalidInput({"actions": f"must be a list of at most {MAX_ACTIONS} actions"})
    errors, checked = FieldErrors(), []
    for index, action in enumerate(actions):
        with errors:
            checked.append(_checked(action, f"actions.{index}"))
    errors.check()
    return checked


def actions_text(actions: Sequence[Action]) -> str:
    """Return checked actions as they are stored and sent: JSON in one line."""
    return strict_json.dumps(list(actions), field="actions")


def stored_actions(text: str) -> list[Action]:
    """Return the actions of a stored event, checked as ``check_actions`` does.

    Raises:
        InvalidInput: they were not written by the services, which would have refused them.
    """
    return check_actions(strict_json.loads(text, field="actions"))


def _checked(action: Any, path: str) -> Action:
    """Return an action with all of its fields, in their order.

    Raises:
        InvalidInput: a field is unknown or wrong.
    """
    if not isinstance(action, Mapping):
        raise InvalidInput({path: "must be an object with a label, a url and a method"})
    unknown = [str(name)[:100] for name in action if name not in _FIELDS]
    errors = {f"{path}.{name}": "is not a field of an action" for name in unknown}
    label, url, method = action.get("label", ""), action.get("url", ""), action.get("method", "GET")
    if isinstance(label, Promise):
        label = str(label)
    problems = {
        "label": _text_problem(label, MAX_LABEL_LENGTH) or _label_problem(label),
        "url": _text_problem(url, MAX_URL_LENGTH) or _target_problem(url, method),
        "method": None if method in METHODS else f"must be one of {', '.join(METHODS)}",
    }
    errors |= {f"{path}.{name}": problem for name, problem in problems.items() if problem}
    if errors:
        raise InvalidInput(errors)
    return {"label": label, "url": url, "method": method}


def _text_problem(text: Any, limit: int) -> str | None:
    if not isinstance(text, str):
        return f"must be text, not {type(text).__name__}"
    if not text.strip():
        return "must not be empty"
    return f"has {len(text)} characters; at most {limit} are allowed" if len(text) > limit else None


def _label_problem(label: str) -> str | None:
    if _CONTROL.search(label):
        return "may hold no control character"
    try:
        strict_json.check_text(label, field="label")
    except InvalidInput as error:
        return error.errors["label"]
    return None


def _target_problem(url: str, method: Any) -> str | None:
    """Return why a target is refused, or None.

    A POST carries this site's CSRF token, which no other site may see.
    """
    if method == "POST" and not url.startswith("/"):
        return f"must be {_PATH}, because a POST goes to this site only"
    try:
        strict_json.check_text(url, field="url")
    except InvalidInput as error:
        return error.errors["url"]
    return url_problem(url)
