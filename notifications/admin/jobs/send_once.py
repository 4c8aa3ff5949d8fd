"""What is sent from the admin is sent once.

The form's key is an idempotency key, so a second press finds the work of the first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID, uuid4

from django import forms
from django.http import HttpRequest, QueryDict

from notifications import services
from notifications.exceptions import IdempotencyKeyReused
from notifications.services import Answer, IdempotentRequest

STEP: Final = "step"
KEY: Final = "form_key"
_NEVER_REPEATED: Final = ("csrfmiddlewaretoken", STEP)


class AlreadySent(Exception):
    """This very form was sent before, with other content."""


class FormKeyField(forms.UUIDField):
    """The key of one form, hidden in it."""

    def __init__(self) -> None:
        super().__init__(widget=forms.HiddenInput, initial=uuid4)


def send_once(request: HttpRequest, path: str, key: UUID, work: Callable[[], UUID]) -> tuple[UUID, bool]:
    """Do what a form asks for, unless it has been done.

    Transaction: its own, which the work is part of.

    Args:
        path: which form it is.
        work: does it, and returns the key of what it made.

    Returns:
        The key, and whether it was made before.

    Raises:
        AlreadySent: the same form came with other content before.
    """
    body = {name: values for name, values in request.POST.lists() if name not in _NEVER_REPEATED}
    keyed = IdempotentRequest(producer_id=request.user.pk, path=path, key=str(key), body=body)
    try:
        answer, was_done = services.answer_once(keyed, lambda: Answer(201, str(work())))
    except IdempotencyKeyReused as error:
        raise AlreadySent from error
    return UUID(answer.body), was_done


def repeated_fields(data: QueryDict) -> list[tuple[str, Any]]:
    """List the fields that a confirmation page repeats, so that what is confirmed is what was shown."""
    return [(name, value) for name, values in data.lists() if name not in _NEVER_REPEATED for value in values]
