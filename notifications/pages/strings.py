"""The words of the page's scripts, translated; the keys are those of ``static/notifications/strings.js``."""

from __future__ import annotations

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

# Words in braces are filled in by the script and stay as they are.
STRINGS: Final[dict[str, str | Promise]] = {
    "notifications": _("Notifications"),
    "bell_label": _("Notifications, {count} unread"),
    "live": _("Live"),
    "connecting": _("Connecting…"),
    "polling": _("Checking every {seconds} s"),
    "reconnecting": _("Reconnecting…"),
    "signed_out": _("Logged out – log in again"),
    "all": _("All"),
    "unread": _("Unread"),
    "all_categories": _("All categories"),
    "category": _("Category"),
    "mark_read": _("Mark as read"),
    "mark_unread": _("Mark as unread"),
    "mark_all_read": _("Mark all as read"),
    "archive": _("Archive"),
    "archived": _("Archived: {title}"),
    "archived_tab": _("Archived"),
    "unarchive": _("Move to inbox"),
    "delete": _("Delete"),
    "deleted": _("Deleted: {title}"),
    "undo": _("Undo"),
    "undo_keys": _("Undo: {keys}"),
    "dismiss": _("Dismiss"),
    "show_more": _("Show more"),
    "show_less": _("Show less"),
    "load_more": _("Load more"),
    "see_all": _("See all notifications"),
    "loading": _("Loading…"),
    "try_again": _("Try again"),
    "empty_title": _("You are all caught up"),
    "empty_text": _("New notifications appear here the moment they are sent."),
    "none_unread": _("Nothing unread here"),
    "none_archived": _("Nothing archived here"),
    "none_matching": _("Nothing in this category"),
    "load_failed": _("The notifications could not be loaded."),
    "read_failed": _("That could not be saved. Please try again."),
    "delete_failed": _("That could not be deleted. Please try again."),
    "action_done": _("Done: {label}"),
    "action_refused": _("{label}: the site refused it (error {status}). Reload the page and try again."),
    "action_failed": _("{label}: the site could not do it (error {status}). Please try again later."),
    "action_unanswered": _(
        "{label}: no answer came. It may have been done all the same; look before you try again."
    ),
    "many_arrived": _("New notifications: {count}"),
    "level_info": _("Information"),
    "level_success": _("Success"),
    "level_warning": _("Warning"),
    "level_error": _("Error"),
}
