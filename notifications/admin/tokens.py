"""API tokens in the admin: made, looked at and revoked.

The text of a token is shown once, when it is made, and never again.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import AdminSite
from django.contrib.admin.helpers import AdminErrorList, AdminForm
from django.contrib.admin.widgets import AdminTextInputWidget
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from notifications import permissions, services
from notifications.admin.base_admin import BoundedList
from notifications.admin.history import username_of
from notifications.admin.jobs.compose_form import LocalTimeInput
from notifications.admin.links import chip_html, name_of, time_html
from notifications.admin.user_fields import user_field
from notifications.exceptions import InvalidInput
from notifications.models import MAX_TOKEN_NAME_LENGTH, ApiToken, Scope
from notifications.selectors.staff.users import username_has
from notifications.services import NewToken
from notifications.services.credentials.tokens import DEFAULT_DAYS

FIELDSETS = (
    (None, {"fields": ("user", "name", "scopes", "expires_at")}),
    (gettext_lazy("What the token may send"), {"fields": ("types", "topics")}),
)
# A state, how it is called, and the chip that it looks like.
STATES = {
    "usable": (gettext_lazy("Usable"), "created"),
    "expired": (gettext_lazy("Expired"), "staged"),
    "revoked": (gettext_lazy("Revoked"), "failed"),
    "inactive": (gettext_lazy("User inactive"), "staged"),
}


class TokenForm(forms.Form):
    """A form for all that ``services.create_token`` takes from a person."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=MAX_TOKEN_NAME_LENGTH,
        widget=AdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("What the token is for, such as ci-deploy."),
    )
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("Scopes"), choices=Scope.choices, widget=forms.CheckboxSelectMultiple
    )
    expires_at = forms.DateTimeField(
        label=gettext_lazy("Expires at"),
        required=False,
        widget=LocalTimeInput,
        help_text=gettext_lazy("Leave empty for a token that is valid until it is revoked."),
    )

    types = forms.CharField(
        label=gettext_lazy("Types"),
        required=False,
        widget=AdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text=gettext_lazy(
            "For tokens that send: the event types that are allowed, separated by commas. "
            "orders.* allows all types that begin with “orders.”. Leave empty to allow all "
            "types."
        ),
    )
    topics = forms.CharField(
        label=gettext_lazy("Topics"),
        required=False,
        widget=AdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text=gettext_lazy(
            "For tokens that send: the topics that are allowed, separated by commas. Leave "
            "empty to allow all topics."
        ),
    )

    class Media:
        js = ("notifications-admin/autocomplete-label.js",)

    def __init__(self, *args: Any, request: HttpRequest, admin_site: AdminSite, **kwargs: Any) -> None:
        """Make the form for a member of staff, who is offered to look users up if they may."""
        super().__init__(*args, **kwargs)
        self.initial["expires_at"] = timezone.now() + timedelta(days=DEFAULT_DAYS)
        self._request = request
        user = user_field(request, admin_site, label=gettext_lazy("User"))
        self.fields = {"user": user, **self.fields}

    def clean_user(self) -> Any:
        """Accept an active user, and a superuser from superusers only.

        Whoever has the token can act as its user.
        """
        user = self.cleaned_data["user"]
        if not user.is_active:
            raise forms.ValidationError(_("This user is not active."))
        if getattr(user, "is_superuser", False) and not getattr(self._request.user, "is_superuser", False):
            raise forms.ValidationError(_("Only a superuser may create a token for a superuser."))
        return user

    def make(self) -> NewToken | None:
        """Make the token; None, with errors on the fields, when it is refused."""
        given = self.cleaned_data
        try:
            return services.create_token(
                given["user"],
                name=given["name"],
                scopes=given["scopes"],
                expires_at=given["expires_at"],
                types=_values(given["types"]),
                topics=_values(given["topics"]),
                created_by=username_of(self._request),
            )
        except InvalidInput as error:
            for field, text in error.errors.items():
                self.add_error(field, f"This {text}.")
            return None


def _values(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


class StateFilter(admin.SimpleListFilter):
    """Filter by whether a token opens anything, and if not, why."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Offer all states but that of inactive users, whose tokens are found by name."""
        return [(name, label) for name, (label, _chip) in STATES.items() if name != "inactive"]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> QuerySet[ApiToken]:
        """Keep the tokens in the chosen state."""
        is_expired = Q(expires_at__lte=timezone.now())
        match self.value():
            case "usable":
                return queryset.filter(~is_expired | Q(expires_at=None), revoked_at=None)
            case "expired":
                return queryset.filter(is_expired, revoked_at=None)
            case "revoked":
                return queryset.exclude(revoked_at=None)
            case _:
                return queryset


@admin.register(ApiToken)
class ApiTokenAdmin(BoundedList):
    """The list of tokens, the form that makes one, and the action that revokes.

    Nothing here shows or edits a hash.
    """

    list_display = ("name", "owner", "scopes", "state", "expires", "last_used")
    list_filter = (StateFilter,)
    ordering = ("-id",)
    search_fields = ("name",)
    search_help_text = gettext_lazy("Part of a name or of a username.")
    fields = (
        "user",
        "name",
        "scopes",
        "types",
        "topics",
        "state",
        "created",
        "created_by",
        "expires",
        "last_used",
        "revoked",
    )
    readonly_fields = fields
    actions = ("revoke",)
    empty_words = gettext_lazy("There are no API tokens yet.")
    empty_hint = gettext_lazy("Programs need one to read an inbox or to send notifications.")
    none_words = gettext_lazy("No matching API tokens.")
    add_form_template = "admin/notification_hub/apitoken/add_form.html"
    made_template = "admin/notification_hub/apitoken/made.html"

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["notifications-admin/hub.css"]}

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        """Refuse it to everybody: what a token may do is settled when it is made."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        """Allow it on the pages that delete a user, and nowhere else.

        A user's tokens are deleted with them, and those pages ask here whether that is allowed.
        """
        users = get_user_model()._meta
        name = request.resolver_match.url_name if request.resolver_match else None
        return bool(name and name.startswith(f"{users.app_label}_{users.model_name}_"))

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Check whether this member of staff may revoke tokens."""
        return request.user.has_perm(permissions.REVOKE_TOKENS)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiToken]:
        """Read the users with the tokens."""
        return super().get_queryset(request).select_related("user")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ApiToken], search_term: str
    ) -> tuple[QuerySet[ApiToken], bool]:
        """Search by name or username."""
        term = search_term.strip()
        wanted = Q(name__icontains=term) | username_has(term, "user")
        return queryset.filter(wanted) if term else queryset, False

    @admin.display(description=gettext_lazy("user"))
    def owner(self, row: ApiToken) -> str:
        """Show the username."""
        return name_of(row.user)

    @admin.display(description=gettext_lazy("state"))
    def state(self, row: ApiToken) -> SafeString:
        """Show whether it opens anything, and if not, why."""
        now = timezone.now()
        if row.is_usable(now):
            name = "usable"
        elif row.revoked_at is not None:
            name = "revoked"
        else:
            name = "inactive" if not row.user.is_active else "expired"
        label, chip = STATES[name]
        return chip_html(chip, label)

    @admin.display(description=gettext_lazy("created at"))
    def created(self, row: ApiToken) -> SafeString:
        """Show when it was made."""
        return time_html(row.created_at)

    @admin.display(description=gettext_lazy("revoked at"))
    def revoked(self, row: ApiToken) -> str:
        """Show when it was revoked."""
        return time_html(row.revoked_at) if row.revoked_at else "–"

    @admin.display(description=gettext_lazy("expires at"))
    def expires(self, row: ApiToken) -> Any:
        """Show when it ends."""
        return time_html(row.expires_at) if row.expires_at else _("never")

    @admin.display(description=gettext_lazy("last used"))
    def last_used(self, row: ApiToken) -> Any:
        """Show when it last opened something, to the minute."""
        return time_html(row.last_used_at) if row.last_used_at else _("never")

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the form, and then the one page that shows the text of the token."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = TokenForm(
            request.POST if request.method == "POST" else None, request=request, admin_site=self.admin_site
        )
        if form.is_valid() and (made := form.make()):
            return self._made(request, made)
        admin_form = AdminForm(form, list(FIELDSETS), {}, (), model_admin=self)  # type: ignore[arg-type]
        context = {
            **self.admin_site.each_context(request),
            "title": _("Create an API token"),
            "adminform": admin_form,
            "media": self.media + admin_form.media,
            "inline_admin_formsets": [],
            "errors": AdminErrorList(form, []),  # type: ignore[arg-type]
            **(extra_context or {}),
        }
        return self.render_change_form(request, context, add=True, form_url=form_url)

    def _made(self, request: HttpRequest, made: NewToken) -> HttpResponse:
        """Not a redirect: what survives one is stored somewhere, and the text must not be."""
        self.log_addition(request, made.token, _("Created."))
        if made.lacks_permission:
            text = _(
                "The user %(user)s may not send notifications. Everything that this token sends "
                "is refused until the user has the permission %(permission)s."
            )
            names = {"user": name_of(made.token.user), "permission": permissions.SEND}
            self.message_user(request, text % names, messages.WARNING)
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "title": _("The API token was created"),
            "opts": self.opts,
            "media": self.media,
            "has_view_permission": self.has_view_permission(request),
            "token": made.token,
            "username": name_of(made.token.user),
            "text": made.text,
        }
        return TemplateResponse(request, self.made_template, context, headers={"Cache-Control": "no-store"})

    @admin.action(permissions=["revoke"], description=gettext_lazy("Revoke selected %(verbose_name_plural)s"))
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        """Revoke the selected tokens for good."""
        rows = list(queryset.filter(revoked_at=None).order_by("pk"))
        count = services.revoke_tokens([row.pk for row in rows])
        for row in rows:
            self.log_change(request, row, _("Revoked."))
        text = ngettext("%d API token was revoked.", "%d API tokens were revoked.", count)
        self.message_user(request, text % count, messages.SUCCESS if count else messages.WARNING)
