"""Lists of Django's admin that say what they cannot read in their address, and hold to the rest of it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import EmptyResultSet
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _


def say_wrong(request: HttpRequest, texts: Iterable[str]) -> None:
    """Say on a list what of its address cannot be read, and that the rest holds."""
    for text in texts:
        messages.error(request, _("%s The list is shown without this condition; the others hold.") % text)


def reaches_past_the_page(request: HttpRequest) -> bool:
    """Whether an action is to take all that is listed, on other pages too: then nothing may be left out of
    the filters.
    """
    return request.method == "POST" and request.POST.get("select_across", "0") not in ("", "0")


class SayingList(ChangeList):
    """A list that says what it cannot read in its address and holds to the rest, where Django would show
    everything.
    """

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """Django's, without the parameters that have impossible values. An action on all that is listed then
        finds nothing.
        """
        if exclude_parameters is not None:
            return super().get_queryset(request, exclude_parameters)
        given = dict(self.filter_params)
        wrong = [name for name in given if not self._can_be_read(request, name, given[name])]
        self.filter_params = {name: values for name, values in given.items() if name not in wrong}
        for name in wrong:
            self.params.pop(name, None)
        text = _("“%(value)s” is no value of the filter “%(name)s”.")
        say_wrong(request, (text % {"value": given[name][-1][:40], "name": name} for name in wrong))
        rows = super().get_queryset(request)
        return rows.none() if wrong and reaches_past_the_page(request) else rows

    def get_results(self, request: HttpRequest) -> None:
        """Django's; where there is no such page, the first."""
        try:
            super().get_results(request)
        except IncorrectLookupParameters:
            if self.page_num == 1:
                raise
            messages.error(request, _("There is no page %d; this is the first one.") % self.page_num)
            self.page_num = 1
            super().get_results(request)

    def _can_be_read(self, request: HttpRequest, name: str, values: list[str]) -> bool:
        """Whether a parameter, alone, means something. No query."""
        self.filter_params = {name: values}
        try:
            specs = self.get_filters(request)[0]
            with suppress(EmptyResultSet):
                super().get_queryset(request).query.sql_with_params()
        except (IncorrectLookupParameters, OverflowError, ValueError):  # the latter two: dates that cannot be
            return False
        return all(map(_is_a_choice, specs))


def _is_a_choice(spec: Any) -> bool:
    """Whether the value of a filter, if it has one, is among those that it offers."""
    match spec:
        case admin.SimpleListFilter():
            value = spec.value()
            return value is None or value in {str(choice) for choice, _label in spec.lookup_choices}
        case admin.ChoicesFieldListFilter():
            choices = {str(choice) for choice, _label in spec.field.flatchoices}
            return set(spec.lookup_val or ()) <= choices
        case _:
            return True
