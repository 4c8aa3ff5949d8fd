"""Streams in the admin.

The pages show who is online, from which device, and what is on record as written to a stream; and a stream
can be disconnected.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from notifications import permissions, selectors, services
from notifications.admin.base_admin import BoundedList, RecordsOnly
from notifications.admin.links import chip_html, inbox_url, name_of, redirect_to_list, stream_url, time_html
from notifications.admin.permissions import can, require
from notifications.http.user_agents import describe_agent
from notifications.models import MAX_REASON_LENGTH, EndReason, Inbox, StreamSession
from notifications.selectors import is_worker_alive
from notifications.selectors.staff.users import username_has

# What a record is called that is of no stream.
_TITLES: dict[str, Any] = {
    EndReason.ANSWERED: gettext_lazy("Poll by %s"),
    EndReason.LISTED: gettext_lazy("List request by %s"),
}


class DisconnectForm(forms.Form):
    """A form that asks why; the reason is kept with who did it and when."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=MAX_REASON_LENGTH,
        required=False,
        widget=forms.TextInput(attrs={"class": "hub-wide", "autocomplete": "off"}),
    )


class OnlineFilter(admin.SimpleListFilter):
    """Filter by whether a stream is open now, in a process that shows signs of life.

    Without a choice only those are listed: who is connected.
    """

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Offer what may be chosen instead."""
        return [("ended", gettext_lazy("Ended, with answered polls and lists")), ("all", gettext_lazy("All"))]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Django's, the first of which is none chosen."""
        first, *others = super().choices(changelist)
        yield {**first, "display": gettext_lazy("Open now")}
        yield from others

    def queryset(self, request: HttpRequest, queryset: QuerySet[StreamSession]) -> QuerySet[StreamSession]:
        """Keep the streams in the chosen state."""
        is_open = Q(StreamSession.OPEN, is_worker_alive())
        match self.value():
            case "ended":
                return queryset.exclude(is_open)
            case "all":
                return queryset
            case _:
                return queryset.filter(is_open)


@admin.register(StreamSession)
class StreamSessionAdmin(RecordsOnly, BoundedList):
    """The list of streams, newest first, and the record of one, which goes with its user or with its time."""

    list_display = ("owner", "state", "device", "progress", "address", "opened", "closed", "written")
    list_display_links = ("state",)
    list_filter = (OnlineFilter,)
    ordering = ("-id",)
    search_fields = ("user__pk",)
    search_help_text = gettext_lazy("Part of a username.")
    actions = None
    empty_words = gettext_lazy("Nobody is connected now.")
    none_words = gettext_lazy("No matching streams.")
    fields = (
        "owner",
        "state",
        "device",
        "address",
        "opened",
        "closed",
        "written",
        "progress",
        "client",
        "agent",
        "opened_by",
        "token",
        "filters",
        "resume",
        "worker",
        "id",
    )
    readonly_fields = fields
    change_form_template = "admin/notification_hub/streamsession/change_form.html"
    disconnect_template = "admin/notification_hub/streamsession/disconnect.html"

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["notifications-admin/hub.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[StreamSession]:
        """Read the users with the streams, and whether their processes live."""
        rows: QuerySet[StreamSession] = super().get_queryset(request).select_related("user__inbox", "worker")
        return rows.annotate(is_worker_alive=is_worker_alive())

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[StreamSession], search_term: str
    ) -> tuple[QuerySet[StreamSession], bool]:
        """Search by username."""
        term = search_term.strip()
        return queryset.filter(username_has(term, "user")), False

    @admin.display(description=gettext_lazy("user"))
    def owner(self, row: StreamSession) -> SafeString:
        """The username; leads to the inbox."""
        return format_html(
            '<a class="hub-user" href="{}"><bdi>{}</bdi></a>', inbox_url(row.user_id), name_of(row.user)
        )

    @admin.display(description=gettext_lazy("state"))
    def state(self, row: Any) -> SafeString:
        """Open, or why it ended."""
        if row.closed_at is not None:
            return chip_html("ended", row.get_reason_display())
        if row.is_worker_alive:
            return chip_html("created", _("Open"))
        return chip_html("failed", _("Worker not responding"))

    @admin.display(description=gettext_lazy("device"), empty_value="–")
    def device(self, row: StreamSession) -> SafeString | None:
        """Describe the client in words; where no words fit, the page cuts what it calls itself."""
        device = device_of(row)
        return format_html('<bdi class="hub-device">{}</bdi>', device) if device else None

    @admin.display(description=gettext_lazy("progress"))
    def progress(self, row: StreamSession) -> str:
        """Show how far the record of an open stream goes, and how old it is."""
        inbox = getattr(row.user, "inbox", None)
        return recorded_text(row, inbox) if row.closed_at is None and inbox is not None else "–"

    @admin.display(description=gettext_lazy("opened at"))
    def opened(self, row: StreamSession) -> SafeString:
        """Show when it was opened."""
        return time_html(row.opened_at)

    @admin.display(description=gettext_lazy("closed at"))
    def closed(self, row: StreamSession) -> str:
        """Show when it ended."""
        return time_html(row.closed_at) if row.closed_at else "–"

    @admin.display(description=gettext_lazy("positions written"))
    def written(self, row: StreamSession) -> str:
        """The positions that are on record as written to it, as far as its filters admit them.

        An open stream may have been written more.
        """
        if row.position <= row.start_position:
            text = (
                _("nothing after position %(position)d")
                if row.closed_at
                else _("nothing after position %(position)d yet")
            )
            return text % {"position": row.start_position}
        return _("%(first)d to %(last)d") % {"first": row.start_position + 1, "last": row.position}

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Count records where not all rows are streams.

        Answered polls and lists may be among them.
        """
        changelist: Any = super().get_changelist_instance(request)
        if OnlineFilter.parameter_name in changelist.params:
            changelist.noun = ngettext("record", "records", changelist.result_count)
        return changelist

    def list_context(self, request: HttpRequest) -> dict[str, Any]:
        """Offer the live tail to those who may see it, and link the list of ended streams."""
        everywhere = {"state": "all", "q": request.GET.get("q", "")}
        return {"may_tail": can(request, "view"), "all_query": f"?{urlencode(everywhere)}"}

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The record of one, with the button that disconnects it."""
        row = self.get_object(request, unquote(object_id))
        may_end = row is not None and row.closed_at is None and can(request, "disconnect")
        context: dict[str, Any] = {
            "disconnect_url": stream_url(row.pk, "disconnect") if row and may_end else ""
        }
        if row is not None:
            title = _TITLES.get(row.reason, gettext_lazy("Stream of %s"))
            context |= {"title": title % name_of(row.user), "subtitle": None}
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def get_urls(self) -> list[URLPattern]:
        """Add the page that disconnects, before Django's catch-all."""
        view = self.admin_site.admin_view(self.disconnect_view)
        name = "notification_hub_streamsession_disconnect"
        return [path("<path:object_id>/disconnect/", view, name=name), *super().get_urls()]

    def disconnect_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, and by POST disconnect.

        The client is told that its right has ended, and does not come back by itself.
        """
        require(request, "disconnect")
        row = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        if row is None:
            return redirect_to_list(request, "streamsession")
        form = DisconnectForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            self._disconnect(request, row, form.cleaned_data["reason"])
            return HttpResponseRedirect(stream_url(row.pk))
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "title": _("Disconnect a stream"),
            "opts": self.opts,
            "media": self.media,
            "original": row,
            "username": name_of(row.user),
            "device": device_of(row),
            "is_open": row.closed_at is None,
            "form": form,
            "stream_url": stream_url(row.pk),
        }
        return TemplateResponse(request, self.disconnect_template, context)

    def _disconnect(self, request: HttpRequest, row: StreamSession, reason: str) -> None:
        if not services.end_streams([row.pk], EndReason.REVOKED):
            messages.info(request, _("The stream had already ended."))
            return
        self.log_change(request, row, f"{_('Disconnected.')} {reason}".strip())
        messages.success(request, _("The stream was disconnected."))


def device_of(row: StreamSession) -> str:
    """Describe the client in words, or else as it calls itself."""
    return describe_agent(row.agent) or row.agent


def recorded_text(row: StreamSession, inbox: Inbox) -> str:
    """Say how far an open stream has come, as far as that is known.

    The record is written every few seconds. What it does not cover may have been written to the stream long
    since, so it says no more than up to where it goes, and how old it is.

    Args:
        row: with its worker.
        inbox: its user's.
    """
    if row.epoch != inbox.epoch:
        return _("from another epoch")
    if row.position >= inbox.head:
        return _("up to date")
    given = {"position": row.position, "head": inbox.head}
    if row.worker is None:
        return _("recorded up to %(position)d of %(head)d") % given
    # What is read here was on record when the process was last seen, or from when the stream was opened.
    at = max(row.worker.seen_at, row.opened_at)
    seconds = max(0, int((timezone.now() - at).total_seconds()))
    age = _("%d s ago") % seconds if seconds < 60 else _("%s ago") % timesince(at, depth=1)
    return _("recorded up to %(position)d of %(head)d, %(age)s") % {**given, "age": age}


def streams_of(request: HttpRequest, inbox: Inbox) -> list[dict[str, Any]] | None:
    """An inbox's open streams for its page; None for staff who may not see streams. One query."""
    if not request.user.has_perm(permissions.VIEW_STREAMS):
        return None
    may_end = can(request, "disconnect")
    return [
        {
            "row": row,
            "device": device_of(row),
            "progress": recorded_text(row, inbox),
            "url": stream_url(row.pk),
            "disconnect_url": stream_url(row.pk, "disconnect") if may_end else "",
        }
        for row in selectors.open_streams(inbox.pk)
    ]
