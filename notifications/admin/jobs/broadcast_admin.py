"""Broadcasts in the admin.

They are composed, previewed as users will see them, followed while they are sent, cancelled and withdrawn.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from notifications import services
from notifications.admin.history import changes_of, provenance_of, username_of
from notifications.admin.jobs.compose_form import ComposeForm, ReasonForm
from notifications.admin.jobs.job_admin import JobAdmin, number
from notifications.admin.jobs.send_once import repeated_fields
from notifications.admin.links import name_of, notifications_url
from notifications.admin.permissions import CONTENT_HIDDEN, can
from notifications.event_types import registry
from notifications.models import Broadcast, JobState
from notifications.payloads import NotificationRow
from notifications.protocol.links import actions_text, check_actions
from notifications.selectors.staff.jobs import count_failed, count_staged, group_names, with_is_staged
from notifications.selectors.staff.notification.withdrawals import notifications_at_large

MAX_FAILED = 1_000
MAX_PENDING = 10_000
NAMES_SHOWN = 8


@admin.register(Broadcast)
class BroadcastAdmin(JobAdmin):
    """The list of broadcasts, producers' ones too; the page of one; and the form that composes one."""

    right = "compose"
    form_path = "/admin/compose"
    done_words = gettext_lazy("notified")
    list_display = ("asked_at", "what", "to_whom", "sender", "state_chip", "progress")
    empty_words = gettext_lazy("There are no broadcasts yet.")
    empty_hint = gettext_lazy("Compose one, or let a producer send to more than 1,000 users at once.")
    none_words = gettext_lazy("No matching broadcasts.")
    add_form_template = "admin/notification_hub/broadcast/compose.html"
    confirm_template = "admin/notification_hub/broadcast/confirm.html"
    withdraw_template = "admin/notification_hub/broadcast/withdraw.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Add the events without their long texts, the owners, and ``is_staged``.

        The latter says whether a scheduled broadcast still waits in some inbox.
        """
        rows = with_is_staged(super().get_queryset(request)).select_related("event", "owner")
        return rows.defer("event__body", "event__actions", "event__data")

    def list_context(self, request: HttpRequest) -> dict[str, Any]:
        """Call the button that adds one “Compose”."""
        return {"add_words": _("Compose a notification")}

    # --- columns
    # ------------------------------------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("type"))
    def what(self, job: Broadcast) -> SafeString:
        """Show its type; the title is on its page, for those who may see it."""
        return format_html(
            '<code>{}</code><span class="hub-under"><bdi>{}</bdi></span>', job.event.type, job.event.topic
        )

    @admin.display(description=gettext_lazy("recipients"))
    def to_whom(self, job: Broadcast) -> str:
        """Everyone, groups or named users."""
        if job.to_everyone:
            return _("everyone")
        if job.group_ids:
            return ngettext("%d group", "%d groups", len(job.group_ids)) % len(job.group_ids)
        return _("named users")

    @admin.display(description=gettext_lazy("sent by"))
    def sender(self, job: Broadcast) -> SafeString:
        """Show who asked for it."""
        return format_html('<bdi class="hub-user">{}</bdi>', job.event.source or job.owner or "–")

    def state_of(self, job: Any) -> tuple[str, str]:
        """Withdrawn and scheduled ones are called so: how far their sending is matters less."""
        if job.event.withdrawn_at is not None:
            return "deleted", _("Withdrawn")
        if job.state == JobState.DONE and job.deliver_at and job.deliver_at > timezone.now():
            return "scheduled", _("Scheduled")
        if job.state == JobState.DONE and job.is_staged:
            return "created", _("Being delivered")
        return super().state_of(job)

    def pending_of(self, job: Any) -> int:
        """Count the users for whom it was prepared but who are not notified yet.

        Until its time, or if it is withdrawn before, that is everybody.

        After its time they are those in whose inboxes it is not listed yet; of more than ``MAX_PENDING`` it
        is said that nobody has it.
        """
        if job.deliver_at is None or job.deliver_at > (job.event.withdrawn_at or timezone.now()):
            return int(job.done_count) if job.deliver_at else 0
        if not job.is_staged:
            return 0
        count = count_staged(job, limit=MAX_PENDING)
        return int(job.done_count) if count == MAX_PENDING else min(count, job.done_count)

    # --- the page of one
    # ----------------------------------------------------------------------------------------------

    def title_of(self, request: HttpRequest, job: Broadcast) -> str:
        """Call the page by its title, for those who may see it, or by its type."""
        return job.event.title if self._may_see(request, job) else job.event.type

    def page_context(self, request: HttpRequest, job: Broadcast) -> dict[str, Any]:
        """Show what was sent to whom, and what can still be done about it.

        Four queries at most.
        """
        may_see = self._may_see(request, job)
        if may_see:
            job.event.refresh_from_db(fields=["body", "actions"])
        failed = self._failed(job)
        is_withdrawn = job.event.withdrawn_at is not None
        is_scheduled = not is_withdrawn and job.deliver_at is not None and job.deliver_at > timezone.now()
        return {
            "done_words": self.done_words,
            "pending_words": self._pending_words(job),
            "facts_template": "admin/notification_hub/broadcast/facts.html",
            "note": _note(job.event, job.created_at) if may_see else None,
            "hidden": "" if may_see else CONTENT_HIDDEN,
            "to_whom": self._names_of(job),
            "failed_rows": failed,
            "retry_url": self.url_of("retry", job.pk) if failed and not is_withdrawn else "",
            "withdraw_url": "" if is_withdrawn else self.url_of("withdraw", job.pk),
            "is_scheduled": is_scheduled,
            "notifications_url": notifications_url(event=job.event_id),
            "history": changes_of(job),
        }

    def _pending_words(self, job: Broadcast) -> str:
        """Name those who are not notified, of a broadcast that was to wait; empty for any other."""
        if job.deliver_at is None:
            return ""
        return _("not notified yet") if job.event.withdrawn_at is None else _("never notified")

    def _names_of(self, job: Broadcast) -> list[str]:
        if job.to_everyone:
            return [_("everyone")]
        if job.group_ids:
            return [_("group %s") % name for name in group_names(job.group_ids, limit=NAMES_SHOWN)]
        return [_("named users")]

    def _failed(self, job: Broadcast) -> int:
        """Count its notifications that the sequencer has marked failed, as far as ``MAX_FAILED``."""
        return count_failed(job.event_id, limit=MAX_FAILED)

    def _may_see(self, request: HttpRequest, job: Broadcast) -> bool:
        return can(request, "view_content") or job.owner_id == request.user.pk

    def share_of(self, job: Any) -> float:
        """Failed ones are done with, too."""
        return float((job.done_count + job.failed_count) / job.total_count) if job.total_count else 0.0

    def run_chunk(self, job_id: UUID) -> bool:
        """Send one chunk of a broadcast."""
        return services.run_broadcast_chunk(job_id)

    def cancel(self, job_id: UUID) -> Broadcast:
        """Cancel one broadcast where it is."""
        return services.cancel_broadcast(job_id)

    # --- what can be done about it
    # ------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        """With those of withdrawing and of trying again."""
        return [
            path(
                f"<uuid:job_id>/{name}/",
                self.admin_site.admin_view(view),
                name=f"notification_hub_broadcast_{name}",
            )
            for name, view in (("withdraw", self.withdraw_view), ("retry", self.retry_view))
        ] + super().get_urls()

    def withdraw_view(self, request: HttpRequest, job_id: UUID) -> HttpResponse:
        """GET asks why; POST takes it back from everybody, scheduled ones before they are seen."""
        job = self.job_for(request, job_id)
        form = ReasonForm(request.POST if request.method == "POST" else None)
        if not form.is_valid():
            context = {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "media": self.media,
                "title": _("Withdraw"),
                "original": job,
                "what": self.title_of(request, job),
                "form": form,
                "count": notifications_at_large(job.event_id)[: MAX_FAILED + 1].count(),
                "max_count": MAX_FAILED,
                "back_url": self.url_of("change", job.pk),
            }
            return TemplateResponse(request, self.withdraw_template, context)
        count = services.withdraw_events([job.event_id], provenance=provenance_of(request))
        if job.event.withdrawn_at is None:
            self.log_change(request, job, _("Withdrawn: %s") % form.cleaned_data["reason"])
        gone = ngettext(
            "%s notification is being removed.", "%s notifications are being removed.", count
        ) % number(count)
        messages.success(request, _("It was withdrawn.") + " " + gone)
        return HttpResponseRedirect(self.url_of("change", job.pk))

    @method_decorator(require_POST)
    def retry_view(self, request: HttpRequest, job_id: UUID) -> HttpResponse:
        """Try those again that could not be given a position."""
        job = self.job_for(request, job_id)
        count = services.retry_failed(event_id=job.event_id)
        still = self._failed(job)
        if count:
            self.log_change(request, job, _("Retried %d failed notifications.") % count)
        if still:
            messages.error(request, ngettext("%d still fails.", "%d still fail.", still) % still)
        if count > still:
            added = count - still
            text = ngettext("%d was added to its inbox.", "%d were added to their inboxes.", added)
            messages.success(request, text % added)
        return HttpResponseRedirect(self.url_of("change", job.pk))

    # --- composing
    # ----------------------------------------------------------------------------------------------------

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the form, then a preview, then send.

        GET is the form; POST shows it as users will see it, and how many they are; only a POST of
        that page sends.
        """
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        form = ComposeForm(
            request.POST if request.method == "POST" else None, request=request, admin_site=self.admin_site
        )
        step = request.POST.get("step", "")
        if request.method != "POST" or not form.is_valid() or step == "back":
            return self._page(request, self.add_form_template, form)
        if step == "send" and (answer := self._send(request, form)):
            return answer
        return self._page(request, self.add_form_template if form.errors else self.confirm_template, form)

    def _send(self, request: HttpRequest, form: ComposeForm) -> HttpResponse | None:
        def start() -> UUID:
            job = services.broadcast(
                form.recipients,
                form.event,
                owner=request.user,
                source=username_of(request),
                **form.options,
            )
            self.log_addition(request, job, _("Composed."))
            return job.pk

        return self.start_once(request, form, start)

    def _page(self, request: HttpRequest, template: str, form: ComposeForm) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media + form.media,
            "title": _("Compose a notification"),
            "form": form,
            "known_types": [event_type for event_type in registry if event_type.is_durable],
        }
        if template == self.confirm_template:
            given, recipients = form.cleaned_data, form.recipients
            count = recipients.count()
            event = _Composed(form)
            context |= {
                "count": count,
                "count_words": ngettext("%s user", "%s users", count) % number(count),
                "users": list(map(name_of, given["users"][:NAMES_SHOWN])),
                "more_users": max(0, len(given["users"]) - NAMES_SHOWN),
                "groups": given.get("groups") or (),
                "note": _note(event, timezone.now()),
                "repeated": repeated_fields(request.POST),
            }
        return TemplateResponse(request, template, context)


class _Composed:
    """The content of a form, as an event that is not stored."""

    def __init__(self, form: ComposeForm) -> None:
        given = form.cleaned_data
        self.type, self.topic = given["type"], given["topic"]
        self.category = registry.category_of(self.type)
        self.title, self.body, self.url = given["title"], given["body"], given["url"]
        self.level = given["level"] or form.event.default_level
        self.actor, self.actions = "", actions_text(check_actions(form.actions))
        self.expires_at = given["expires_at"]


def _note(event: Any, at: Any) -> NotificationRow:
    """Make the context of the template that shows it in the user's inbox."""
    return NotificationRow(
        public_id=UUID(int=0),
        position=0,
        type=event.type,
        category=event.category,
        topic=event.topic,
        level=event.level,
        title=event.title,
        body=event.body,
        url=event.url,
        actor=event.actor,
        actions=event.actions,
        data="{}",
        created_at=at,
        expires_at=event.expires_at,
        replay_of=None,
    )
