"""Notifications in the admin: found, read as their recipients see them, and changed through the services."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.utils import model_ngettext, unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.forms.widgets import Script
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from notifications import services
from notifications.admin import actions, detail, permalinks
from notifications.admin.asked import asked
from notifications.admin.bases import NotificationModelAdmin
from notifications.admin.changelist import NotificationList, ask
from notifications.admin.criteria import PARAMETERS, BadCriteria
from notifications.admin.erase import erase_page
from notifications.admin.export import CONTENT, FORMATS, export, log_export
from notifications.admin.filters import FILTERS
from notifications.admin.links import (
    chip_html,
    level_html,
    notification_url,
    notifications_url,
    replay_url,
    time_html,
    title_of,
    to_list,
)
from notifications.admin.rights import can, needs
from notifications.admin.states import State, state_of
from notifications.models import Change, Notification, Reason


@admin.register(Notification)
class NotificationAdmin(NotificationModelAdmin):
    """List, page and sending of notifications. Nothing here writes a row; ``services`` do."""

    list_display = ("short_id", "to", "title", "level_chip", "state_chip", "created", "place")
    list_display_links = ("short_id",)
    # The columns of those who may not see content.
    list_display_without_content = ("short_id", "to", "kind", "level_chip", "state_chip", "created", "place")
    list_filter = FILTERS
    list_per_page = 50
    list_max_show_all = 0
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    # The primary key is the order of staging; to sort by anything else would sort the whole table.
    ordering = ("-id",)
    sortable_by = ()
    search_fields = ("public_id",)  # for Django to show the box; what it finds is said in ``asked``
    search_help_text = gettext_lazy(
        "A username, topic or event type; exactly one by its full id, its cursor (abcdefgh-41) or username:position; "
        "or words in title and body."
    )
    actions = [
        actions.mark_selected_read,
        actions.mark_selected_unread,
        actions.replay_selected,
        actions.retry_selected,
        actions.delete_selected,
    ]
    change_form_template = "admin/notifications/notification/change_form.html"
    detail_kinds: ClassVar[dict[str, Any]] = {"read": services.mark_read, "unread": services.mark_unread}

    class Media:
        css: ClassVar[dict[str, list[str]]] = {
            "all": ["notifications-admin/hub.css", "notifications-admin/browse.css"]
        }
        js = (Script("notifications-admin/user-lookup.js", type="module"),)

    # --- what is read -------------------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Notification]:
        """With recipient and event, without what only the page of one shows, or what one may not see."""
        rows = super().get_queryset(request).select_related("recipient", "event")
        hidden = ("body", "data") if can(request, "view_content") else CONTENT
        return rows.defer(*(f"event__{name}" for name in hidden))

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        """The columns."""
        return self.list_display if can(request, "view_content") else self.list_display_without_content

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[NotificationList]:
        """A list that counts nothing."""
        return NotificationList

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Notification | None:
        """By primary key, or by the id of the wire: that one makes the address worth keeping."""
        try:
            public_id = UUID(object_id)
        except ValueError:
            return super().get_object(request, object_id, from_field)
        return self.get_queryset(request).filter(public_id=public_id).first()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Notification], search_term: str
    ) -> tuple[QuerySet[Notification], bool]:
        """Wherever else Django searches: as the list does, and as far as the member of staff may."""
        return ask(request, search_term).criteria.narrow(queryset), False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """The filters' own parameters and nothing else: a lookup on any column would be an oracle, or a slow scan."""
        return lookup in PARAMETERS

    # --- columns ------------------------------------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("id"))
    def short_id(self, row: Notification) -> SafeString:
        """The end of the id, which differs most; the whole one on hovering."""
        return format_html(
            '<code class="hub-id" title="{}">…{}</code>', row.public_id, str(row.public_id)[-8:]
        )

    @admin.display(description=gettext_lazy("recipient"))
    def to(self, row: Notification) -> SafeString:
        """The username; it filters the list."""
        username = row.recipient.get_username()
        return format_html(
            '<a href="{}" class="hub-user"><bdi>{}</bdi></a>', notifications_url(recipient=username), username
        )

    @admin.display(description=gettext_lazy("title"))
    def title(self, row: Notification) -> SafeString:
        """The title, with its type and topic below."""
        topic = format_html(" · <bdi>{}</bdi>", row.event.topic) if row.event.topic else ""
        return format_html(
            '<a class="hub-title" href="{}"><bdi>{}</bdi></a><span class="hub-under"><code>{}</code>{}</span>',
            notification_url(row.pk),
            title_of(row.event),
            row.event.type,
            topic,
        )

    @admin.display(description=gettext_lazy("type"))
    def kind(self, row: Notification) -> SafeString:
        """Type and topic, where the title is not shown."""
        topic = (
            format_html('<span class="hub-under"><bdi>{}</bdi></span>', row.event.topic)
            if row.event.topic
            else ""
        )
        return format_html(
            '<a class="hub-title" href="{}"><code>{}</code></a>{}',
            notification_url(row.pk),
            row.event.type,
            topic,
        )

    @admin.display(description=gettext_lazy("level"))
    def level_chip(self, row: Notification) -> SafeString:
        """The level."""
        return level_html(row.event.level)

    @admin.display(description=gettext_lazy("state"))
    def state_chip(self, row: Notification) -> SafeString:
        """The state; of a deleted one also the reason."""
        state = state_of(row, timezone.now())
        deletions: list[Change] = getattr(row, "deletions", [])
        if state is not State.DELETED or not deletions:
            return chip_html(state, state.label)
        reason = Reason(deletions[0].reason).label if deletions[0].reason in Reason else deletions[0].reason
        return format_html('{}<span class="hub-under">{}</span>', chip_html(state, state.label), reason)

    @admin.display(description=gettext_lazy("created"))
    def created(self, row: Notification) -> SafeString:
        """When it was listed; before that, when it was committed or will be delivered."""
        if row.created_at is not None:
            return time_html(row.created_at)
        if state_of(row, timezone.now()) is State.SCHEDULED:
            return format_html('{}<span class="hub-under">{}</span>', time_html(row.deliver_at), _("due"))
        return format_html(
            '{}<span class="hub-under">{}</span>', time_html(row.event.created_at), _("staged")
        )

    @admin.display(description=gettext_lazy("position"), empty_value="–")
    def place(self, row: Notification) -> int | None:
        """The position of its created change."""
        return row.position

    # --- pages --------------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        """Django's, one for each verb, and those of the whole list."""
        guard = self.admin_site.admin_view
        named = "notifications_notification_{}".format
        of_list = [
            path("export/", guard(self.export_view), name=named("export")),
            path("recipients/", guard(self.usernames_view), name=named("recipients")),
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
        """Whether trying failed ones again is offered."""
        return can(request, "compose")

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Whether replaying is offered; its own pages ask again."""
        return can(request, "replay")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list."""
        context = {
            "title": str(self.opts.verbose_name_plural).capitalize(),
            "max_selected": actions.MAX_SELECTED,
            "replay_url": reverse("admin:notifications_replay_add")
            if self.has_replay_permission(request)
            else "",
        }
        return super().changelist_view(request, {**context, **(extra_context or {})})

    @needs("view")
    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """The list as a file. By POST, because each export is on record."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        file_format = request.POST.get("format", "")
        if file_format not in FORMATS:
            return HttpResponseBadRequest(_("The format is csv or json."), content_type="text/plain")
        try:
            wanted = asked(request, request.GET.get("q", ""))
        except BadCriteria as error:
            return HttpResponseBadRequest(str(error), content_type="text/plain; charset=utf-8")
        log_export(request, file_format)
        return export(request, wanted.criteria, file_format)

    @needs("view", "erase")
    def erase_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Asks, then erases content."""
        found = self.get_object(request, unquote(object_id))
        return to_list(request, "notification") if found is None else erase_page(request, self, found)

    @needs("view")
    def usernames_view(self, request: HttpRequest) -> HttpResponse:
        """Usernames for the fields of the list."""
        return permalinks.usernames(request)

    @needs("view")
    def cursor_view(self, request: HttpRequest, text: str) -> HttpResponse:
        """Where a cursor leads."""
        return permalinks.cursor_page(request, self.admin_site, text)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The page of one notification; only shows it."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        found = self.get_object(request, unquote(object_id))
        if not self.has_view_or_change_permission(request, found):
            raise PermissionDenied
        if found is None:
            return to_list(request, "notification")
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
            **detail.context_of(found, timezone.now(), has_content=can(request, "view_content")),
            **(extra_context or {}),
        }
        return TemplateResponse(request, self.change_form_template, context)

    def mark_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Mark one read or unread."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        found = self.get_object(request, unquote(object_id))
        if not self.has_change_permission(request, found):
            raise PermissionDenied
        if found is None:
            return to_list(request, "notification")
        tally = actions.apply(request, self.detail_kinds[name], [(found.recipient_id, found.public_id)])
        done = {"read": _("It was marked read."), "unread": _("It was marked unread.")}[name]
        already = {"read": _("It was read already."), "unread": _("It was unread already.")}[name]
        if tally.changed:
            self.log_change(request, found, done)
        actions.report(request, tally, done=done, already=already)
        return HttpResponseRedirect(notification_url(found.public_id))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whoever may compose."""
        return can(request, "compose")

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What is sent is composed; the page that does so asks for the right."""
        return HttpResponseRedirect(reverse("admin:notifications_broadcast_add"))

    def _redirect_to(self, request: HttpRequest, key: Any) -> HttpResponse:
        """Its page, for those who may see it: permissions to send or to delete do not include that."""
        seen = self.has_view_permission(request)
        return HttpResponseRedirect(notification_url(key) if seen else reverse("admin:index"))

    # --- deleting -----------------------------------------------------------------------------------------------------

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
        """What the page that asks shows. Nothing else goes with a notification; not even its row does."""
        rows = list(objs)
        shown = [
            format_html(
                '<a href="{}"><bdi>{}</bdi></a> <span class="quiet">{} <bdi>{}</bdi></span>',
                notification_url(row.public_id),
                row.event.title if can(request, "view_content") else row.event.type,
                _("to"),
                row.recipient.get_username(),
            )
            for row in rows
        ]
        allowed = all(self.has_delete_permission(request, row) for row in rows)
        counted = model_ngettext(self.opts, len(rows))
        return shown, {counted: len(rows)}, set() if allowed else {self.opts.verbose_name}, []

    def delete_model(self, request: HttpRequest, obj: Notification) -> None:
        """Through the services, which keep the row and its log."""
        tally = actions.apply(request, actions.delete_by_staff, [(obj.recipient_id, obj.public_id)])
        actions.report(request, tally, done=_("It was deleted; its recipient no longer sees it."), already="")

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Notification]) -> None:
        """Through the services, which keep the rows and their logs."""
        if (rows := actions.selected(request, queryset)) is not None:
            actions.apply(request, actions.delete_by_staff, rows)

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: Any) -> HttpResponse:
        """Back to its page, which shows the deletion as its newest change."""
        return self._redirect_to(request, obj_id)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Its page: the timeline there has all that Django's own history has, and what others did."""
        return HttpResponseRedirect(notification_url(unquote(object_id)))
