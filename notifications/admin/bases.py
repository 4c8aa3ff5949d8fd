"""Django's admin classes with their type parameters, which they take only while types are checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator

from notifications.models import ApiToken, Inbox, Job, Notification, StreamSession

if TYPE_CHECKING:
    NotificationModelAdmin = admin.ModelAdmin[Notification]
    InboxModelAdmin = admin.ModelAdmin[Inbox]
    ApiTokenModelAdmin = admin.ModelAdmin[ApiToken]
    StreamModelAdmin = admin.ModelAdmin[StreamSession]
    JobModelAdmin = admin.ModelAdmin[Job]
    AnyPaginator = Paginator[Notification]
    AnyChangeList = ChangeList
else:
    NotificationModelAdmin = InboxModelAdmin = ApiTokenModelAdmin = StreamModelAdmin = admin.ModelAdmin
    JobModelAdmin = admin.ModelAdmin
    AnyPaginator = Paginator
    AnyChangeList = ChangeList

__all__ = [
    "AnyChangeList",
    "AnyPaginator",
    "ApiTokenModelAdmin",
    "InboxModelAdmin",
    "JobModelAdmin",
    "NotificationModelAdmin",
    "StreamModelAdmin",
]
