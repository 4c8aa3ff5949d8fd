"""The base classes of the hub's pages in the admin.

Their lists are bounded and say something when they are empty; some of their rows are records, which nobody
edits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from notifications.admin.links import chip_html
from notifications.admin_lists import TolerantChangeList

logger = logging.getLogger(__name__)

# They take their type parameters only while types are checked.
if TYPE_CHECKING:
    AnyModelAdmin = admin.ModelAdmin[Any]
    AnyChangeList = ChangeList
    AnyPaginator = Paginator[Any]
else:
    AnyModelAdmin = admin.ModelAdmin
    AnyChangeList = ChangeList
    AnyPaginator = Paginator

__all__ = ["AnyChangeList", "BoundedList", "RecordsOnly"]

MAX_COUNT: Final = 10_000


class BoundedPaginator(AnyPaginator):
    """Counts no further than ``MAX_COUNT``, so neither the count nor the deepest page walks the whole table.

    Attributes:
        has_more: there are rows past the last page; narrow the list to reach them.
    """

    has_more = False

    @cached_property
    def count(self) -> int:
        """The number of rows, or ``MAX_COUNT`` when there are more."""
        rows: Any = self.object_list
        counted = int(rows.order_by()[: MAX_COUNT + 1].count())
        self.has_more = counted > MAX_COUNT
        return min(counted, MAX_COUNT)


class BoundedList(AnyModelAdmin):
    """A list that costs the same however many rows there are.

    It has one order and pages of fifty rows, and nothing is counted only to be shown.

    Attributes:
        empty_words: said where there is nothing at all.
        empty_hint: how there comes to be something.
        none_words: said where nothing is as it is asked for.
    """

    list_per_page = 50
    list_max_show_all = 0
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by: ClassVar[Any] = ()
    empty_words: ClassVar[Any]
    empty_hint: ClassVar[Any] = ""
    none_words: ClassVar[Any]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Use a list that says what it cannot read in its address."""
        return TolerantChangeList

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Allow the parameters of the filters, and nothing else.

        A lookup on any column would be an oracle, or a slow scan.
        """
        return lookup in {getattr(used, "parameter_name", None) for used in self.list_filter}

    def list_context(self, request: HttpRequest) -> dict[str, Any]:
        """What the template of the list needs in addition."""
        return {}

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Make the list, each of whose cells fails alone."""
        for name in self.get_list_display(request):
            if isinstance(name, str) and hasattr(type(self), name) and name not in vars(self):
                setattr(self, name, _cell_that_fails_alone(self, name))
        return super().get_changelist_instance(request)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list."""
        context = {
            "title": capfirst(self.opts.verbose_name_plural),
            "empty_words": self.empty_words,
            "empty_hint": self.empty_hint,
            "none_words": self.none_words,
            **self.list_context(request),
        }
        return super().changelist_view(request, {**context, **(extra_context or {})})


def _cell_that_fails_alone(page: BoundedList, name: str) -> Callable[[Any], Any]:
    """Make a column whose cells fail alone.

    A row that was written past the services may be impossible to show: its cell then says so, and the
    rest of the page is shown.
    """

    @wraps(getattr(page, name))
    def cell(row: Any) -> Any:
        try:
            return getattr(type(page), name)(page, row)
        except Exception:
            logger.exception("The column %s of row %s cannot be shown", name, row.pk)
            return chip_html("failed", _("cannot be shown"))

    return cell


class RecordsOnly(AnyModelAdmin):
    """Rows that the hub writes by itself: nobody adds, changes or deletes one."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse it to everybody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse it to everybody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse it to everybody."""
        return False
