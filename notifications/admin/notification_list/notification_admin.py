"""Notifications in the admin: found, read as their recipients see them, and changed through the services."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.forms.widgets import Script
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponseBase,
    HttpResponseRedirect,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from notifications import services
from notifications.admin.links import (
    notification_url,
    redirect_to_list,
    replay_url,
    withdraw_url,
)
from notifications.admin.notification import detail, permalinks
from notifications.admin.notification.erase import erase_page
from notifications.admin.notification.withdrawing import withdraw_page
from notifications.admin.notification_list import actions
from notifications.admin.notification_list.address import check_names, conditions_in
from notifications.admin.notification_list.changelist import NotificationList
from notifications.admin.notification_list.columns import NotificationColumns
from notifications.admin.notification_list.deleting import DeletesThroughServices
from notifications.admin.notification_list.export import CONTENT, FORMATS, export
from notifications.admin.notification_list.export_runs import ExportsFull, too_many_exports_answer
from notifications.admin.notification_list.sidebar_filters import FILTERS
from notifications.admin.permissions import can, needs
from notifications.models import Notification
from notifications.selectors.staff.notification_list.criteria import FIELDS, SEARCH, BadCriteria


@admin.register(Notification)
class NotificationAdmin(NotificationColumns, DeletesThroughServices):
    """List, page and sending of notifications. Nothing here writes a row; ``services`` do."""

    list_display = ("short_id", "to", "title", "level_chip", "state_chip", "created", "place")
    list_display_links = ("short_id",)
    # The columns of those who may not see content.
    list_display_without_content = ("short_id", "to", "kind", "level_chip", "state_chip", "created", "place")
    list_filter = FILTERS
    # The primary key is the order of staging; to sort by anything else would sort the whole table.
    ordering = ("-id",)
    search_fields = ("public_id",)  # for Django to show the box; what it finds is said in ``conditions_in``
    empty_words = gettext_lazy("No notifications have been sent yet.")
    none_words = gettext_lazy("No matching notifications. Check the spelling, or remove a filter.")
    search_help_text = gettext_lazy(
        "Search by username, topic or event type, or by words in title and body. To find "
        "exactly one, enter its full id, its cursor (abcdefgh-41) or username:position."
    )
    actions = [
        actions.mark_selected_read,
        actions.mark_selected_unread,
        actions.replay_selected,
        actions.retry_selected,
        actions.withdraw_selected,
        actions.delete_selected,
    ]
    change_form_template = "admin/notification_hub/notification/change_form.html"
    detail_kinds: ClassVar[dict[str, Any]] = {"read": services.mark_read, "unread": services.mark_unread}

    class Media:
        css: ClassVar[dict[str, list[str]]] = {
            "all": ["notifications-admin/hub.css", "notifications-admin/browse.css"]
        }
        js = (Script("notifications-admin/user-lookup.js", type="module"),)

    # --- what is read
    # -------------------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Notification]:
        """Read recipients and events too, without what only the page of one shows or one may not see."""
        rows = super().get_queryset(request).select_related("recipient", "event")
        hidden = ("body", "actions", "data") if can(request, "view_content") else CONTENT
        return rows.defer(*(f"event__{name}" for name in hidden))

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        """Leave out the title for those who may not see content."""
        return self.list_display if can(request, "view_content") else self.list_display_without_content

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[NotificationList]:
        """Use a list that counts nothing."""
        return NotificationList

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Notification | None:
        """Find it by primary key, or by its public id, which makes the address worth keeping."""
        try:
            public_id = UUID(object_id)
        except ValueError:
            return super().get_object(request, object_id, from_field)
        return self.get_queryset(request).filter(public_id=public_id).first()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Notification], search_term: str
    ) -> tuple[QuerySet[Notification], bool]:
        """Search as the list does, wherever else Django searches."""
        try:
            return conditions_in(request, search_term).check().narrow(queryset), False
        except BadCriteria:
            return queryset.none(), False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Allow the parameters of the filters, and nothing else.

        A lookup on any column would be an oracle, or a slow scan.
        """
        return lookup in FIELDS

    # --- pages
    # --------------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        """Add an address for each verb, and those of the whole list."""
        guard = self.admin_site.admin_view
        named = "notification_hub_notification_{}".format
        of_list = [
            path("export/", guard(self.export_view), name=named("export")),
            path("recipients/", guard(self.usernames_view), name=named("recipients")),
            path("withdraw/", guard(self.withdraw_view), name=named("withdraw")),
            path("cursor/<str:text>/", guard(self.cursor_view), name=named("cursor")),
        ]
        verbs = [
            path(
                f"<path:object_id>/{name}/",
                guard(self.mark_view),
                {"name": name},
                name=named(name),
            )
            for name in self.detail_kinds
        ]
        erase = path("<path:object_id>/erase/", guard(self.erase_view), name=named("erase"))
        return [*of_list, *verbs, erase, *super().get_urls()]

    def has_compose_permission(self, request: HttpRequest) -> bool:
        """Offer withdrawing, and trying failed ones again, to those who may compose."""
        return can(request, "compose")

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Offer replaying to those who may; its own pages check again."""
        return can(request, "replay")

    def list_context(self, request: HttpRequest) -> dict[str, Any]:
        """Link the pages that replay and withdraw what is listed, for those who may."""
        may_replay, may_withdraw = self.has_replay_permission(request), can(request, "compose")
        return {
            "replay_url": reverse("admin:notification_hub_replay_add") if may_replay else "",
            "withdraw_url": withdraw_url() if may_withdraw else "",
        }

    @needs("view")
    @method_decorator(require_POST)
    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Export the list as a file.

        It takes a POST, because each export is put on record.
        """
        file_format = request.POST.get("format", "")
        if file_format not in FORMATS:
            return HttpResponseBadRequest(_("The format is csv or json."), content_type="text/plain")
        try:
            check_names(request.GET)
            check_names(request.POST, ("format", "csrfmiddlewaretoken"))
            conditions = conditions_in(request, request.GET.get(SEARCH, "")).check()
        except BadCriteria as error:
            return HttpResponseBadRequest(str(error), content_type="text/plain; charset=utf-8")
        try:
            return export(request, conditions, file_format)
        except ExportsFull:
            return too_many_exports_answer()

    @needs("view", "erase")
    def erase_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Ask, then erase content."""
        found = self.get_object(request, unquote(object_id))
        return (
            redirect_to_list(request, "notification") if found is None else erase_page(request, self, found)
        )

    @needs("view", "compose")
    def withdraw_view(self, request: HttpRequest) -> HttpResponse:
        """Ask, then withdraw a selection, or all that a filter admits."""
        return withdraw_page(request, self)

    @needs("view")
    def usernames_view(self, request: HttpRequest) -> HttpResponse:
        """Offer usernames for the fields of the list."""
        return permalinks.username_suggestions(request)

    @needs("view")
    def cursor_view(self, request: HttpRequest, text: str) -> HttpResponse:
        """Lead to what a cursor stands for."""
        return permalinks.cursor_page(request, self.admin_site, text)

    @method_decorator(require_safe)
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the page of one notification, which changes nothing."""
        found = self.get_object(request, unquote(object_id))
        if not self.has_view_or_change_permission(request, found):
            raise PermissionDenied
        if found is None:
            return redirect_to_list(request, "notification")
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "has_view_permission": True,
            "may_change": self.has_change_permission(request, found),
            "may_delete": self.has_delete_permission(request, found),
            "replay_url": replay_url([found.public_id]) if can(request, "replay") else "",
            "may_retry": found.failed_at is not None and found.position is None and can(request, "compose"),
            "may_erase": can(request, "erase"),
            **detail.page_context(
                found,
                timezone.now(),
                has_content=can(request, "view_content"),
                may_replay=can(request, "replay"),
                may_withdraw=can(request, "compose"),
            ),
            **(extra_context or {}),
        }
        return TemplateResponse(request, self.change_form_template, context)

    @method_decorator(require_POST)
    def mark_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Mark one notification read or unread."""
        found = self.get_object(request, unquote(object_id))
        if not self.has_change_permission(request, found):
            raise PermissionDenied
        if found is None:
            return redirect_to_list(request, "notification")
        result = actions.apply_to_each_inbox(
            request, self.detail_kinds[name], [(found.recipient_id, found.public_id)]
        )
        done = {"read": _("It was marked as read."), "unread": _("It was marked as unread.")}[name]
        already = {"read": _("It was already read."), "unread": _("It was already unread.")}[name]
        if result.changed:
            self.log_change(request, found, done)
        actions.report_result(request, result, done=done, already=already)
        return HttpResponseRedirect(notification_url(found.public_id))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Allow it to those who may compose."""
        return can(request, "compose")

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Lead to the page that composes, which checks the right."""
        return HttpResponseRedirect(reverse("admin:notification_hub_broadcast_add"))

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Lead to its page: the timeline has all that Django's history has, and what others did."""
        return HttpResponseRedirect(notification_url(unquote(object_id)))
