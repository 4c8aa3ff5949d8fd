"""The paths of the user's pages, mounted at the site's root; the names of account pages are Django's own."""

from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.urls import path, re_path

from notifications.pages import views
from notifications.pages.forms import FORMS

urlpatterns = [
    path("", views.home, name="home"),
    re_path(rf"^inbox/(?P<action>{'|'.join(FORMS)})/$", views.act, name="inbox_act"),
    path("login/", views.Login.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("account/password/", views.PasswordChange.as_view(), name="password_change"),
    path("account/password/done/", views.PasswordChanged.as_view(), name="password_change_done"),
]
