"""The views of the user's pages: parse, one selector or service, render."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView, PasswordChangeDoneView, PasswordChangeView
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse, reverse_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from notifications.models import Via
from notifications.pages.context import inbox_context
from notifications.pages.forms import FORMS, InboxForm
from notifications.pages.strings import STRINGS
from notifications.services import Origin
from notifications.system.addresses import normal_address


@require_safe
@never_cache
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """The inbox, as a page that its script then takes over and keeps live."""
    return render(request, "inbox/home.html", inbox_context(request.user, InboxForm(request.GET)))


@require_POST
@login_required(redirect_field_name=None)  # to come back here by GET would be a 405
def act(request: HttpRequest, action: str) -> HttpResponse:
    """Read, unread, delete or read all by a plain form; back to the list, with the filters that it had."""
    form = FORMS[action](request.POST)
    if not form.is_valid():
        raise BadRequest(form.errors.as_text())
    form.apply(request.user, action, _origin(request))
    return HttpResponseRedirect(reverse("home", query=request.GET.dict() or None))


class Login(LoginView):
    """Logging in; who is logged in already is sent on."""

    template_name = "account/login.html"
    redirect_authenticated_user = True


class PasswordChange(PasswordChangeView):
    """A new password; the session that changes it stays logged in."""

    template_name = "account/password_change.html"
    success_url = reverse_lazy("password_change_done")
    extra_context = {"strings": STRINGS}


class PasswordChanged(PasswordChangeDoneView):
    """What has happened, after a password change."""

    template_name = "account/password_changed.html"
    extra_context = {"strings": STRINGS}


def _origin(request: HttpRequest) -> Origin:
    address = normal_address(request.META.get("REMOTE_ADDR") or "")
    return Origin(by=request.user.get_username(), via=Via.PAGE, address=address)
