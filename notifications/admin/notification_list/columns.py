"""The columns of the list of notifications."""

from __future__ import annotations

from django.contrib import admin
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from notifications.admin.links import (
    chip_html,
    level_html,
    name_of,
    notification_url,
    recipient_notifications_url,
    shorten,
    time_html,
    title_of,
)
from notifications.models import Change, Notification, Reason
from notifications.selectors.staff.states import State, state_of


class NotificationColumns:
    """Each is a method that Django calls with a row, by its name in ``list_display``."""

    @admin.display(description=gettext_lazy("id"))
    def short_id(self, row: Notification) -> SafeString:
        """The end of the id, which differs most; the whole one on hovering."""
        return format_html(
            '<code class="hub-id" title="{}">…{}</code>', row.public_id, str(row.public_id)[-8:]
        )

    @admin.display(description=gettext_lazy("recipient"))
    def to(self, row: Notification) -> SafeString:
        """The username; it filters the list."""
        address, name = recipient_notifications_url(row.recipient), name_of(row.recipient)
        return format_html('<a href="{}" class="hub-user"><bdi>{}</bdi></a>', address, name)

    @admin.display(description=gettext_lazy("title"))
    def title(self, row: Notification) -> SafeString:
        """The title, with its type and topic below."""
        topic = format_html(" · <bdi>{}</bdi>", shorten(row.event.topic)) if row.event.topic else ""
        return format_html(
            '<a class="hub-title" href="{}"><bdi>{}</bdi></a><span '
            'class="hub-under"><code>{}</code>{}</span>',
            notification_url(row.pk),
            title_of(row.event),
            row.event.type,
            topic,
        )

    @admin.display(description=gettext_lazy("type"))
    def kind(self, row: Notification) -> SafeString:
        """Type and topic, where the title is not shown."""
        topic = (
            format_html('<span class="hub-under"><bdi>{}</bdi></span>', shorten(row.event.topic))
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
        """Show the level."""
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
        """Show when it was listed, or else when it was staged or will be delivered.

        It also says whether a replay made it.
        """
        at = row.created_at
        words: list[str] = []
        if at is None:
            is_scheduled = state_of(row, timezone.now()) is State.SCHEDULED
            at, words = (row.deliver_at, [_("due")]) if is_scheduled else (row.staged_at, [_("queued")])
        if row.replay_of is not None:
            words.append(_("re-delivered"))
        elif row.replay_id is not None:
            words.append(_("copied"))
        under = format_html('<span class="hub-under">{}</span>', " · ".join(words)) if words else ""
        return format_html("{}{}", time_html(at), under)

    @admin.display(description=gettext_lazy("position"), empty_value="–")
    def place(self, row: Notification) -> int | None:
        """The position of its created change."""
        return row.position
