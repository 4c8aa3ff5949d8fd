"""The list of notifications as Django's admin shows it, in pages that begin where the one before ended."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _

from notifications.admin.base_admin import AnyChangeList
from notifications.admin.notification_list.address import BEFORE, conditions_in
from notifications.admin_lists import report_unreadable, selects_all_pages
from notifications.models import Notification
from notifications.selectors.staff.counts import estimated_total
from notifications.selectors.staff.notification_list.conditions import Conditions
from notifications.selectors.staff.notification_list.criteria import BadCriteria
from notifications.selectors.staff.notification_list.keyset_pages import Page, read_page
from notifications.selectors.staff.notification_list.rows import rows_by_key


class NotificationList(AnyChangeList):
    """A list in which nothing is counted, so that a page always costs the same.

    Attributes:
        conditions: what is asked for.
        before: where the page begins; empty at the newest.
        page: which notifications are shown.
        estimate: about how many notifications there are, where all are asked for; None otherwise.
    """

    conditions: Conditions
    before: str
    page: Page
    estimate: int | None

    @property
    def older_query(self) -> str:
        """The query of the next page."""
        return str(self.get_query_string({BEFORE: self.page.older}))

    @property
    def words_query(self) -> str:
        """The query that searches for the typed text as words."""
        return str(self.get_query_string({"q": f'"{self.query.strip()}"'}))

    @property
    def can_be_taken_whole(self) -> bool:
        """Whether all that the filters mean may be replayed or withdrawn: they were all understood."""
        is_narrowed = bool(self.query) or self.has_active_filters
        return is_narrowed and bool(self.result_list) and not self.conditions.wrong

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Notification]:
        """Read the conditions of the request; actions choose from all notifications that meet them."""
        # Links to other filters begin with their newest, so the place is no parameter of this one.
        self.before = str(self.params.pop(BEFORE, ""))
        self.filter_params.pop(BEFORE, None)
        filters = self.get_filters(request)
        self.filter_specs, self.has_filters, remaining, _duplicates, self.has_active_filters = filters
        self.clear_all_filters_qs = self.get_query_string(remaining, self.get_filters_params())
        self.conditions = conditions_in(request, self.query)
        report_unreadable(request, self.conditions.wrong.values())
        if self.conditions.wrong and selects_all_pages(request):
            return self.root_queryset.none()
        return self.conditions.narrow(self.root_queryset).order_by("-pk")

    def get_results(self, request: HttpRequest) -> None:
        """Read the page, with the reasons why notifications were deleted.

        Two queries in addition to the page.
        """
        try:
            self.page = read_page(self.conditions, before=self.before, limit=self.list_per_page)
        except BadCriteria:
            messages.error(request, _("There is no such page. The newest page is shown instead."))
            self.before = ""
            self.page = read_page(self.conditions, limit=self.list_per_page)
        shown = rows_by_key(self.root_queryset, self.page.keys)
        is_narrowed = bool(self.query) or self.has_active_filters
        self.estimate = None if is_narrowed or not self.page.older else estimated_total()
        self.result_list = shown
        self.result_count = len(shown)
        self.full_result_count = None
        self.show_admin_actions = bool(shown)
        self.can_show_all = self.multi_page = False
        self.paginator = Paginator(shown, self.list_per_page)
