"""Lists of Django's admin that report parameters which they cannot read, and apply the others."""

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


def report_unreadable(request: HttpRequest, texts: Iterable[str]) -> None:
    """Tell the member of staff which parameters of a list cannot be read, and that the others apply."""
    for text in texts:
        messages.error(request, _("%s The list is shown without this filter; all others apply.") % text)


def selects_all_pages(request: HttpRequest) -> bool:
    """Return whether an action is to apply to all pages of a list; then no filter may be ignored."""
    return request.method == "POST" and request.POST.get("select_across", "0") not in ("", "0")


class TolerantChangeList(ChangeList):
    """A list that reports parameters which it cannot read and applies the others.

    Django's own list would show everything.
    """

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """Return Django's rows, ignoring parameters with impossible values.

        An action on all pages then finds nothing.
        """
        if exclude_parameters is not None:
            return super().get_queryset(request, exclude_parameters)
        given = dict(self.filter_params)
        wrong = [name for name in given if not self._can_be_read(request, name, given[name])]
        self.filter_params = {name: values for name, values in given.items() if name not in wrong}
        for name in wrong:
            self.params.pop(name, None)
        text = _("“%(value)s” is not a value of the filter “%(name)s”.")
        report_unreadable(request, (text % {"value": given[name][-1][:40], "name": name} for name in wrong))
        rows = super().get_queryset(request)
        return rows.none() if wrong and selects_all_pages(request) else rows

    def get_results(self, request: HttpRequest) -> None:
        """Return Django's page; the first one when there is no such page."""
        try:
            super().get_results(request)
        except IncorrectLookupParameters:
            if self.page_num == 1:
                raise
            messages.error(
                request, _("There is no page %d. The first page is shown instead.") % self.page_num
            )
            self.page_num = 1
            super().get_results(request)

    def _can_be_read(self, request: HttpRequest, name: str, values: list[str]) -> bool:
        """Return whether one parameter alone makes sense. Runs no query."""
        self.filter_params = {name: values}
        try:
            specs = self.get_filters(request)[0]
            with suppress(EmptyResultSet):
                super().get_queryset(request).query.sql_with_params()
        except (IncorrectLookupParameters, OverflowError, ValueError):  # the last two for impossible dates
            return False
        return all(map(_is_offered, specs))


def _is_offered(spec: Any) -> bool:
    """Return whether the value of a filter, if it has one, is among those that it offers."""
    match spec:
        case admin.SimpleListFilter():
            value = spec.value()
            return value is None or value in {str(choice) for choice, _label in spec.lookup_choices}
        case admin.ChoicesFieldListFilter():
            choices = {str(choice) for choice, _label in spec.field.flatchoices}
            return set(spec.lookup_val or ()) <= choices
        case _:
            return True
