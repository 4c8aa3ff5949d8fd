"""Django's admin classes with their type parameters, which they take only while types are checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.core.paginator import Paginator

from notifications.models import ApiToken, Inbox, Notification

if TYPE_CHECKING:
    NotificationModelAdmin = admin.ModelAdmin[Notification]
    InboxModelAdmin = admin.ModelAdmin[Inbox]
    ApiTokenModelAdmin = admin.ModelAdmin[ApiToken]
    AnyPaginator = Paginator[Notification]
else:
    NotificationModelAdmin = InboxModelAdmin = ApiTokenModelAdmin = admin.ModelAdmin
    AnyPaginator = Paginator

__all__ = ["AnyPaginator", "ApiTokenModelAdmin", "InboxModelAdmin", "NotificationModelAdmin"]
