"""Sign-ins in the admin: who is logged in from where, and the actions that end sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from notifications.admin_lists import TolerantChangeList
from notifications.contrib.security import services
from notifications.contrib.security.models import SignIn

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[SignIn]
else:
    ModelAdmin = admin.ModelAdmin


@admin.register(SignIn)
class SignInAdmin(ModelAdmin):
    """The read-only list of sign-ins. The session's key is a credential and is never shown."""

    list_display = ("user", "at", "address", "browser", "ended_at", "ended_reason")
    list_filter = (("ended_at", admin.EmptyFieldListFilter), "ended_reason", "at")
    list_select_related = ("user",)
    search_fields = ("user__username", "address", "browser")
    fields = ("user", "at", "address", "browser", "agent", "ended_at", "ended_reason")
    readonly_fields = fields
    date_hierarchy = "at"
    ordering = ("-id",)
    actions = ("end_these", "end_all")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list under the name of what it lists."""
        title = capfirst(self.opts.verbose_name_plural)
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return a list that reports parameters which it cannot read."""
        return TolerantChangeList

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Search by the user model's own name field."""
        return (f"user__{get_user_model().USERNAME_FIELD}", "address", "browser")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Deny it: sign-ins are created by logging in."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: SignIn | None = None) -> bool:
        """Deny it: what has happened cannot be edited."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: SignIn | None = None) -> bool:
        """Allow it only on the pages that delete a user, whose sign-ins are deleted too."""
        user_model = get_user_model()._meta
        name = request.resolver_match.url_name if request.resolver_match else None
        return bool(name and name.startswith(f"{user_model.app_label}_{user_model.model_name}_"))

    def has_end_permission(self, request: HttpRequest) -> bool:
        """Return whether this member of staff may end sessions."""
        return request.user.has_perm("notification_hub_security.end_signin")

    @admin.action(description=_("End these sessions"), permissions=["end"])
    def end_these(self, request: HttpRequest, queryset: QuerySet[SignIn]) -> None:
        """End the selected sessions."""
        self._end(request, queryset)

    @admin.action(description=_("End all sessions of these users"), permissions=["end"])
    def end_all(self, request: HttpRequest, queryset: QuerySet[SignIn]) -> None:
        """End every session of each user who has a selected one."""
        self._end(request, SignIn.objects.filter(user__in=queryset.values("user")))

    def _end(self, request: HttpRequest, sign_ins: QuerySet[SignIn]) -> None:
        keys = sign_ins.filter(ended_at=None).values_list("pk", flat=True)
        # Only users who are logged in can run an action.
        count = services.end_sessions(keys, by=cast("AbstractBaseUser", request.user))
        text = ngettext("%(count)d session was ended.", "%(count)d sessions were ended.", count)
        self.message_user(request, text % {"count": count}, messages.SUCCESS if count else messages.WARNING)
