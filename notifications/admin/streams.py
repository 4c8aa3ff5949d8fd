"""Streams in the admin: who is online, from which device, and what was delivered there. They are read only."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from notifications.admin.bases import StreamModelAdmin
from notifications.admin.links import chip_html, time_html
from notifications.admin.paginator import BoundedPaginator
from notifications.admin.search import username_field
from notifications.agents import describe_agent
from notifications.models import StreamSession
from notifications.selectors import is_worker_alive


class OnlineFilter(admin.SimpleListFilter):
    """Whether a stream is open now, in a process that shows signs of life."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Open or ended."""
        return [("open", gettext_lazy("Open")), ("ended", gettext_lazy("Ended"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[StreamSession]) -> QuerySet[StreamSession]:
        """Those in the state."""
        is_open = Q(StreamSession.OPEN, is_worker_alive())
        match self.value():
            case None:
                return queryset
            case "open":
                return queryset.filter(is_open)
            case "ended":
                return queryset.exclude(is_open)
            case other:
                raise IncorrectLookupParameters(other)


@admin.register(StreamSession)
class StreamSessionAdmin(StreamModelAdmin):
    """The list of streams, newest first, and the record of one."""

    list_display = ("owner", "state", "device", "address", "opened", "closed", "delivered")
    list_filter = (OnlineFilter,)
    list_per_page = 50
    list_max_show_all = 0
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    ordering = ("-id",)
    sortable_by = ()
    paginator = BoundedPaginator
    search_fields = ("user__pk",)
    search_help_text = gettext_lazy("Part of a username.")
    actions = None
    fields = (
        "id",
        "user",
        "state",
        "client",
        "device",
        "agent",
        "address",
        "opened_by",
        "token",
        "filters",
        "resume",
        "delivered",
        "opened_at",
        "closed_at",
        "worker",
    )
    readonly_fields = fields

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["notifications-admin/hub.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody: a client opens it."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: StreamSession | None = None) -> bool:
        """Nobody: it is a record."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: StreamSession | None = None) -> bool:
        """Nobody: it goes with its user, or with its time."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[StreamSession]:
        """With their users, and whether their processes live."""
        rows = super().get_queryset(request).select_related("user")
        return rows.annotate(is_worker_alive=is_worker_alive())

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[StreamSession], search_term: str
    ) -> tuple[QuerySet[StreamSession], bool]:
        """By username."""
        term = search_term.strip()
        wanted = Q(**{f"user__{username_field()}__icontains": term}) if term else Q()
        return queryset.filter(wanted), False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """The filter's own parameter and nothing else."""
        return lookup == OnlineFilter.parameter_name

    @admin.display(description=gettext_lazy("user"))
    def owner(self, row: StreamSession) -> str:
        """The username."""
        return str(row.user.get_username())

    @admin.display(description=gettext_lazy("state"))
    def state(self, row: Any) -> SafeString:
        """Open, or why it ended."""
        if row.closed_at is not None:
            return chip_html("staged", row.get_reason_display())
        if row.is_worker_alive:
            return chip_html("created", _("Open"))
        return chip_html("failed", _("Its process is silent"))

    @admin.display(description=gettext_lazy("device"), empty_value="–")
    def device(self, row: StreamSession) -> str:
        """What its agent says in words."""
        return describe_agent(row.agent) or row.agent

    @admin.display(description=gettext_lazy("opened at"))
    def opened(self, row: StreamSession) -> SafeString:
        """When it was opened."""
        return time_html(row.opened_at)

    @admin.display(description=gettext_lazy("closed at"), empty_value="–")
    def closed(self, row: StreamSession) -> SafeString | None:
        """When it ended."""
        return time_html(row.closed_at) if row.closed_at else None

    @admin.display(description=gettext_lazy("delivered"))
    def delivered(self, row: StreamSession) -> str:
        """The positions that were written to it, as far as its filters admit them."""
        if row.position <= row.start_position:
            return _("nothing after %(position)d") % {"position": row.start_position}
        return _("%(first)d to %(last)d") % {"first": row.start_position + 1, "last": row.position}
