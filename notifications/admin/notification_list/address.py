"""The parameters of the list's address: read as criteria, as far as the member of staff may, and in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from django.contrib.admin.views.main import ERROR_FLAG, IGNORED_PARAMS
from django.http import HttpRequest
from django.utils.translation import gettext as _

from notifications.admin.permissions import can
from notifications.selectors.staff.notification_list.conditions import Conditions
from notifications.selectors.staff.notification_list.criteria import FIELDS, SEARCH, BadCriteria, Criteria
from notifications.selectors.staff.notification_list.meaning import conditions_of

BEFORE: Final = "before"  # where a page of the list begins
# What an address of the list may have.
LIST_NAMES: Final = (*FIELDS, BEFORE, *IGNORED_PARAMS, ERROR_FLAG)


def conditions_in(request: HttpRequest, search: str) -> Conditions:
    """Read a request's filters, and what stands in the search box. What is impossible is noted as wrong.

    Args:
        request: of the member of staff.
        search: what is searched; Django has its own ways to find it in a request.
    """
    criteria = Criteria.from_parameters({**request.GET.dict(), SEARCH: search})
    return conditions_of(criteria, may_search_content=can(request, "view_content"))


def check_names(names: Iterable[str], known: Iterable[str] = LIST_NAMES) -> None:
    """Refuse parameters that mean nothing, as Django does for the list: they would be filters, misspelt.

    Args:
        names: of an address or a form.
        known: those that mean something there.

    Raises:
        BadCriteria: there is one.
    """
    if unknown := sorted(set(names) - set(known)):
        raise BadCriteria(_("The list has no filter “%s”.") % unknown[0][:40])


def described(criteria: Criteria) -> list[tuple[str, str]]:
    """Each of the criteria in words and with its value."""
    names = {
        "recipient": _("Recipient"),
        "state": _("State"),
        "sent": _("Time sent"),
        "sent_from": _("Sent from"),
        "sent_to": _("Sent until"),
        "level": _("Level"),
        "category": _("Category"),
        "type": _("Type"),
        "topic": _("Topic"),
        "producer": _("Producer"),
        "key": _("Idempotency key"),
        "event": _("Sent together (event)"),
        SEARCH: _("Search"),
    }
    return [(names[name], value) for name, value in criteria.as_parameters().items()]
