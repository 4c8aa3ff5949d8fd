"""Deleting from the admin.

It goes through the services, which keep rows and logs, after a page that says what will be deleted.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import model_ngettext, unquote
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _

from notifications.admin.base_admin import BoundedList
from notifications.admin.links import name_of, notification_url, title_of
from notifications.admin.notification_list import actions
from notifications.admin.permissions import can
from notifications.models import Notification


class DeletesThroughServices(BoundedList):
    """A mixin that lets Django's pages delete notifications through the services."""

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Asks, then deletes. What is not listed cannot be deleted, and is not asked about."""
        found = self.get_object(request, unquote(object_id))
        if found is None or found.is_listed or not self.has_delete_permission(request, found):
            context = {"title": _("Delete this notification?"), **(extra_context or {})}
            return super().delete_view(request, object_id, context)
        messages.warning(request, _("It is not in its recipient’s list, so there is nothing to delete."))
        return HttpResponseRedirect(notification_url(found.public_id))

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[Any, int], set[Any], list[Any]]:
        """Show the notifications on the page that asks.

        Nothing else is deleted with them; not even their rows are.
        """
        rows = list(objs)
        shown = [
            format_html(
                '<a href="{}"><bdi>{}</bdi></a> <span class="quiet">{} <bdi>{}</bdi></span>',
                notification_url(row.public_id),
                title_of(row.event) if can(request, "view_content") else row.event.type,
                _("to"),
                name_of(row.recipient),
            )
            for row in rows
        ]
        allowed = all(self.has_delete_permission(request, row) for row in rows)
        counted = model_ngettext(self.opts, len(rows))
        return shown, {counted: len(rows)}, set() if allowed else {self.opts.verbose_name}, []

    def delete_model(self, request: HttpRequest, obj: Notification) -> None:
        """Through the services, which keep the row and its log."""
        result = actions.apply_to_each_inbox(
            request, actions.delete_by_staff, [(obj.recipient_id, obj.public_id)]
        )
        actions.report_result(
            request, result, done=_("It was deleted; its recipient no longer sees it."), already=""
        )

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Notification]) -> None:
        """Through the services, which keep the rows and their logs."""
        if (rows := actions.selected_rows(request, queryset)) is not None:
            actions.apply_to_each_inbox(request, actions.delete_by_staff, rows)

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: Any) -> HttpResponse:
        """Back to its page, which shows the deletion as its newest change."""
        # Its page, for those who may see it: the permission to delete does not include that.
        seen = self.has_view_permission(request)
        return HttpResponseRedirect(notification_url(obj_id) if seen else reverse("admin:index"))
