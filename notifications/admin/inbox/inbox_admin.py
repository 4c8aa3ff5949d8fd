"""Inboxes in the admin: their counters and their logs. They are read only; the hub alone writes them."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from notifications.admin.base_admin import BoundedList, RecordsOnly
from notifications.admin.inbox.live_tail import live_tail_page
from notifications.admin.inbox.requested_position import parse_position
from notifications.admin.inbox.time_machine import time_machine_page
from notifications.admin.links import (
    inbox_url,
    name_of,
    notification_url,
    recipient_notifications_url,
    redirect_to_list,
    time_html,
    time_machine_url,
    user_url,
)
from notifications.admin.permissions import CONTENT_HIDDEN, can, require
from notifications.admin.streams import streams_of
from notifications.exceptions import MalformedCursor
from notifications.models import Change, Inbox, Reason
from notifications.protocol.cursors import Cursor
from notifications.selectors.staff.inboxes import changes_down_from
from notifications.selectors.staff.users import username_has

LOG_PAGE: Final = 50


class UnreadFilter(admin.SimpleListFilter):
    """Filter by whether anything is unread."""

    title = gettext_lazy("unread")
    parameter_name = "unread"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Offer some or none."""
        return [("some", gettext_lazy("Some")), ("none", gettext_lazy("None"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Inbox]) -> QuerySet[Inbox]:
        """Keep the inboxes with some unread notifications, or with none."""
        match self.value():
            case "some":
                return queryset.filter(unread_count__gt=0)
            case "none":
                return queryset.filter(unread_count=0)
            case _:
                return queryset


@admin.register(Inbox)
class InboxAdmin(RecordsOnly, BoundedList):
    """The list of inboxes, and the page of one with its log, newest first.

    An inbox is made when something first touches it, and is deleted with its user.
    """

    list_display = ("owner", "unread_count", "head", "floor", "cursor_text", "changed")
    list_display_links = None
    list_filter = (UnreadFilter,)
    ordering = ("pk",)
    search_fields = ("user__pk",)
    search_help_text = gettext_lazy(
        "Search by part of a username. To find exactly one inbox, enter one of its cursors (abcdefgh-41)."
    )
    actions = None
    empty_words = gettext_lazy("There are no inboxes yet.")
    empty_hint = gettext_lazy("An inbox is created when its user first opens it or is first sent something.")
    none_words = gettext_lazy("No matching inboxes.")
    change_form_template = "admin/notification_hub/inbox/change_form.html"

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["notifications-admin/hub.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Inbox]:
        """Read the users with the inboxes."""
        return super().get_queryset(request).select_related("user")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Inbox], search_term: str
    ) -> tuple[QuerySet[Inbox], bool]:
        """Search by username, or by the epoch of a cursor."""
        term = search_term.strip()
        try:
            return queryset.filter(epoch=Cursor.parse(term).epoch), False
        except MalformedCursor:
            return queryset.filter(username_has(term, "user")), False

    @admin.display(description=gettext_lazy("user"))
    def owner(self, row: Inbox) -> SafeString:
        """The username; leads to the inbox."""
        return format_html(
            '<a class="hub-title hub-user" href="{}"><bdi>{}</bdi></a>',
            inbox_url(row.pk),
            name_of(row.user),
        )

    @admin.display(description=gettext_lazy("cursor"))
    def cursor_text(self, row: Inbox) -> SafeString:
        """The head as a cursor."""
        return format_html('<code class="hub-id">{}</code>', row.cursor)

    @admin.display(description=gettext_lazy("last change"), empty_value="–")
    def changed(self, row: Inbox) -> SafeString | None:
        """The time of the newest change."""
        return time_html(row.changed_at) if row.changed_at else None

    def list_context(self, request: HttpRequest) -> dict[str, Any]:
        """Offer the live tail to those who may see it."""
        return {"may_tail": can(request, "view")}

    @method_decorator(require_safe)
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the page of one inbox, which changes nothing."""
        inbox = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, inbox):
            raise PermissionDenied
        if inbox is None:
            return redirect_to_list(request, "inbox")
        request.current_app = self.admin_site.name
        username = name_of(inbox.user)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Inbox of %s") % username,
            "opts": self.opts,
            "media": self.media,
            "has_view_permission": True,
            "original": inbox,
            "username": username,
            "user_url": user_url(inbox.user),
            "notifications_url": recipient_notifications_url(inbox.user),
            "unread_url": recipient_notifications_url(inbox.user, state="unread"),
            "past_url": time_machine_url(inbox.pk) if can(request, "view") else "",
            "streams": streams_of(request, inbox),
            **log_context(inbox, request.GET.get("from", ""), with_content=can(request, "view_content")),
            **(extra_context or {}),
        }
        return TemplateResponse(request, self.change_form_template, context)

    def get_urls(self) -> list[URLPattern]:
        """Add the time machine and the live tail, before Django's catch-all."""
        past, tail = (self.admin_site.admin_view(view) for view in (self.past_view, self.tail_view))
        return [
            path("tail/", tail, name="notification_hub_inbox_tail"),
            path("<path:object_id>/past/", past, name="notification_hub_inbox_past"),
            *super().get_urls(),
        ]

    @method_decorator(require_safe)
    def tail_view(self, request: HttpRequest) -> HttpResponse:
        """Show the live tail of all inboxes."""
        require(request, "view")
        return live_tail_page(request, self._page_context(request))

    def _page_context(self, request: HttpRequest) -> dict[str, Any]:
        request.current_app = self.admin_site.name
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "has_view_permission": True,
        }

    @method_decorator(require_safe)
    def past_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the time machine of one inbox."""
        inbox = self.get_object(request, unquote(object_id))
        require(request, "view")
        if not self.has_view_permission(request, inbox):
            raise PermissionDenied
        if inbox is None:
            return redirect_to_list(request, "inbox")
        return time_machine_page(request, inbox, self._page_context(request))

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show its page, which has the log."""
        return self.change_view(request, object_id)


def log_context(inbox: Inbox, start: str, *, with_content: bool) -> dict[str, Any]:
    """A page of the log from a position downwards, and where older and newer pages begin. One query.

    Args:
        inbox: whose log.
        start: the highest position wanted, as it stands in the address; anything else begins at the head.
        with_content: titles are shown.
    """
    position = parse_position(start)
    top = inbox.head if position is None else min(position, inbox.head)
    shown, has_older = changes_down_from(inbox, top, limit=LOG_PAGE)
    return {
        "log": [_line(change, inbox.epoch, with_content=with_content) for change in shown],
        "log_top": top,
        "older": shown[-1].position - 1 if has_older else None,
        "newer": min(top + LOG_PAGE, inbox.head) if top < inbox.head else None,
    }


def _line(change: Change, epoch: str, *, with_content: bool) -> dict[str, Any]:
    notification = change.notification
    title = change.event.title if change.event else ""
    return {
        "change": change,
        "cursor": Cursor(epoch, change.position),
        "url": notification_url(notification.public_id) if notification else "",
        "title": title if with_content else CONTENT_HIDDEN,
        "reason": Reason(change.reason).label if change.reason in Reason else change.reason,
    }
