"""The views of the user's pages: each parses, calls one selector or service, and renders."""

from __future__ import annotations

from typing import Any, Final

from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView, PasswordChangeDoneView, PasswordChangeView
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse, reverse_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from notifications import selectors, services
from notifications.models import Via
from notifications.pages.forms import FORMS, InboxForm
from notifications.pages.strings import STRINGS
from notifications.services import Provenance
from notifications.system.addresses import normal_address

PAGE_SIZE: Final = 25


@require_safe
@never_cache
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Show the inbox; the page's script then takes it over and keeps it live."""
    return render(request, "inbox/home.html", inbox_context(request.user, InboxForm(request.GET)))


@require_POST
@login_required(redirect_field_name=None)  # coming back here with GET would be a 405
def act(request: HttpRequest, action: str) -> HttpResponse:
    """Apply an action that a plain form sends; then go back to the list, with the filters that it had."""
    form = FORMS[action](request.POST)
    if not form.is_valid():
        raise BadRequest(form.errors.as_text())
    form.apply(request.user, action, _provenance(request))
    return HttpResponseRedirect(reverse("home", query=request.GET.dict() or None))


class Login(LoginView):
    """The login page; a user who is logged in already is redirected."""

    template_name = "account/login.html"
    redirect_authenticated_user = True


class PasswordChange(PasswordChangeView):
    """The page for a new password; the session that changes it stays logged in."""

    template_name = "account/password_change.html"
    success_url = reverse_lazy("password_change_done")
    extra_context = {"strings": STRINGS}


class PasswordChanged(PasswordChangeDoneView):
    """The page after a password change."""

    template_name = "account/password_changed.html"
    extra_context = {"strings": STRINGS}


def inbox_context(user: Any, form: InboxForm) -> dict[str, Any]:
    """Return one page of a user's inbox. Three queries when the inbox exists.

    Args:
        user: whose inbox it is.
        form: the filters, bound to the query string.
    """
    services.open_inbox(user.pk)
    selection = form.selection()
    page = selectors.list_page(user.pk, limit=PAGE_SIZE, **selection)
    unread = selectors.counts(user.pk).by_category
    chosen = next(iter(selection["filters"].categories), "")
    return {
        "page": page,
        "categories": {name: unread.get(name, 0) for name in sorted({*unread, chosen} - {""})},
        "chosen_category": chosen,
        "unread_only": selection["unread_only"],
        "archived": selection["archived"],
        "strings": STRINGS,
    }


def _provenance(request: HttpRequest) -> Provenance:
    address = normal_address(request.META.get("REMOTE_ADDR") or "")
    return Provenance(by=request.user.get_username(), via=Via.PAGE, address=address)
