"""The filter of a replay: the parameters of the list, made to mean the same later, and read by the list's own
code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from django.http import HttpRequest, QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _

from notifications import services
from notifications.admin.notification_list.criteria import AGES, PARAMETERS
from notifications.admin.notification_list.search_query import asked
from notifications.models import Notification
from notifications.services.replay import Rows

WORDS: Final = "q"
KNOWN: Final = (*PARAMETERS, WORDS)


def frozen(parameters: Mapping[str, str]) -> dict[str, str]:
    """Parameters of the list as they are kept: no unknown ones, and times that do not move on."""
    kept = {name: value for name in KNOWN if (value := parameters.get(name, "").strip())}
    if (age := AGES.get(kept.get("sent", ""))) is not None:
        del kept["sent"]
        kept.setdefault("sent_from", (timezone.now() - age).isoformat())
    return kept


def rows_of(filters: Mapping[str, str], user: Any) -> Rows:
    """What the list shows for these parameters to this member of staff, who may not search in content they
    may not see.

    Raises:
        BadCriteria: a value is impossible.
    """
    request = HttpRequest()
    request.user = user
    request.GET = QueryDict(mutable=True)
    request.GET.update(dict(filters))
    return asked(request, filters.get(WORDS, "")).criteria.narrow(Notification.objects.all())


def described(filters: Mapping[str, str]) -> list[tuple[str, str]]:
    """Each condition in words and with its value."""
    names = {
        "recipient": _("Recipient"),
        "state": _("State"),
        "sent": _("Time sent"),
        "sent_from": _("Sent from"),
        "sent_to": _("Sent up to"),
        "level": _("Level"),
        "category": _("Category"),
        "type": _("Type"),
        "topic": _("Topic"),
        "producer": _("Producer"),
        "key": _("Idempotency key"),
        "event": _("Sent together, as event"),
        WORDS: _("Search"),
    }
    return list(_named(filters, names))


def _named(filters: Mapping[str, str], names: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    for name, value in filters.items():
        yield names.get(name, name), value


services.read_filters_with(rows_of)
