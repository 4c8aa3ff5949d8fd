"""What the pages of broadcasts and replays have in common.

There is a list with progress, a page that shows progress live, and a button that cancels.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, ClassVar, Final
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.db.models import QuerySet
from django.forms.widgets import Script
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import formats
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST, require_safe

from notifications.admin.base_admin import BoundedList, RecordsOnly
from notifications.admin.jobs.send_once import AlreadySent, send_once
from notifications.admin.links import chip_html, redirect_to_list, time_html
from notifications.admin.permissions import Right, can
from notifications.exceptions import HubError
from notifications.models import Job, JobState

# Small ones are done when their page comes.
INLINE_SECONDS: Final = 1.5
# The chip that a state looks like.
CHIPS: dict[str, str] = {
    JobState.QUEUED: "scheduled",
    JobState.RUNNING: "created",
    JobState.DONE: "read",
    JobState.CANCELLED: "staged",
    JobState.FAILED: "failed",
}


class JobStateFilter(admin.SimpleListFilter):
    """Filter by the state of the job."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Offer all states."""
        return list(JobState.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the jobs in the chosen state."""
        return queryset.filter(state=self.value()) if self.value() else queryset


class JobAdmin(RecordsOnly, BoundedList):
    """List and page of one kind of job. Those who may ask for one see all of them, and may end them.

    Attributes:
        right: what this takes.
        form_path: under which path the key of the form that asks for one is kept.
        done_words: what has become of the done ones.
    """

    right: ClassVar[Right]
    form_path: ClassVar[str]
    done_words: ClassVar[Any]
    ordering = ("-created_at", "-pk")
    actions = None
    list_filter = (JobStateFilter,)
    change_list_template = "admin/notification_hub/job/change_list.html"
    change_form_template = "admin/notification_hub/job/page.html"

    class Media:
        css: ClassVar[dict[str, list[str]]] = {
            "all": ["notifications-admin/hub.css", "notifications-admin/jobs.css"]
        }
        js = (Script("notifications-admin/job-progress.js", type="module"),)

    # --- for each kind to say
    # -----------------------------------------------------------------------------------------

    def title_of(self, request: HttpRequest, job: Any) -> str:
        """Name the page of one job."""
        raise NotImplementedError

    def page_context(self, request: HttpRequest, job: Any) -> dict[str, Any]:
        """Add what the page of one job shows beside its progress."""
        raise NotImplementedError

    def cancel(self, job_id: UUID) -> Job:
        """Cancel one job where it is."""
        raise NotImplementedError

    def run_chunk(self, job_id: UUID) -> bool:
        """Do a part of one; whether there is more to do."""
        raise NotImplementedError

    def state_of(self, job: Any) -> tuple[str, str]:
        """Say its state: the chip that it looks like, and the word."""
        return CHIPS[job.state], str(JobState(job.state).label)

    def share_of(self, job: Any) -> float:
        """Say how much of the work is done, from 0 to 1."""
        return float(job.processed_count / job.total_count) if job.total_count else 0.0

    def pending_of(self, job: Any) -> int:
        """Count those for whom the work is done while nobody can see anything of it yet.

        They are not counted as done.
        """
        return 0

    # --- rights
    # -------------------------------------------------------------------------------------------------------

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whoever has the right."""
        return can(request, self.right)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever has the right."""
        return can(request, self.right)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whoever has the right."""
        return can(request, self.right)

    # --- columns
    # ------------------------------------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("requested"))
    def asked_at(self, job: Any) -> SafeString:
        """Show when it was asked for."""
        return time_html(job.created_at)

    @admin.display(description=gettext_lazy("state"))
    def state_chip(self, job: Any) -> SafeString:
        """Show its state, as a coloured word."""
        return chip_html(*self.state_of(job))

    @admin.display(description=gettext_lazy("progress"))
    def progress(self, job: Any) -> SafeString:
        """Show how far it is, as a bar and in numbers."""
        pending = self.pending_of(job)
        done = job.processed_count - pending
        text = _("%(done)s of %(total)s") % {"done": number(done), "total": self.total_text(job)}
        return format_html(
            '<progress class="hub-progress" max="100" value="{}" aria-label="{}"></progress>'
            '<span class="hub-under">{}</span>',
            self.percent_of(job, pending),
            _("Progress"),
            text,
        )

    # --- pages
    # --------------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        """Add the addresses of progress and cancelling."""
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        return [
            path(
                "<uuid:job_id>/progress/",
                self.admin_site.admin_view(self.progress_view),
                name=f"{name}_progress",
            ),
            path(
                "<uuid:job_id>/cancel/", self.admin_site.admin_view(self.cancel_view), name=f"{name}_cancel"
            ),
            *super().get_urls(),
        ]

    @method_decorator(require_safe)
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the page of one job, which changes nothing."""
        job = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, job):
            raise PermissionDenied
        if job is None:
            return redirect_to_list(request, str(self.opts.model_name))
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "original": job,
            "title": self.title_of(request, job),
            "progress": self.progress_of(job),
            "progress_url": self.url_of("progress", job.pk),
            "cancel_url": self.url_of("cancel", job.pk),
            **self.page_context(request, job),
            **(extra_context or {}),
        }
        return TemplateResponse(request, self.change_form_template, context)

    @method_decorator(require_safe)
    def progress_view(self, request: HttpRequest, job_id: UUID) -> HttpResponse:
        """Answer how far one job is, for the script of its page."""
        return JsonResponse(self.progress_of(self.job_for(request, job_id)))

    @method_decorator(require_POST)
    def cancel_view(self, request: HttpRequest, job_id: UUID) -> HttpResponse:
        """Cancel one job; what is done stays done."""
        job = self.job_for(request, job_id)
        was_live = job.is_live
        job = self.cancel(job.pk)
        if was_live and job.state == JobState.CANCELLED:
            self.log_change(request, job, _("Cancelled."))
            messages.success(request, _("It was cancelled. What had been done before is not undone."))
        else:
            messages.info(request, _("It had already finished."))
        return HttpResponseRedirect(self.url_of("change", job.pk))

    # --- parts
    # --------------------------------------------------------------------------------------------------------

    def job_for(self, request: HttpRequest, job_id: UUID) -> Any:
        """Find one job for a member of staff who may see it.

        Raises PermissionDenied, Http404.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        job = self.get_queryset(request).filter(pk=job_id).first()
        if job is None:
            raise Http404
        return job

    def start_once(self, request: HttpRequest, form: Any, start: Callable[[], UUID]) -> HttpResponse | None:
        """Start what a valid form asks for, unless it was started before, and lead to its page.

        When it is refused, None is returned, and the errors are on the form.

        Args:
            start: queues it, and returns its key.
        """
        try:
            job_id, was_done = send_once(request, self.form_path, form.cleaned_data["form_key"], start)
        except AlreadySent:
            form.add_error(
                None, _("This form was already sent with different content. Start again with a new form.")
            )
            return None
        except HubError as error:
            form.refuse(error)
            return None
        if was_done:
            messages.info(request, _("This was already requested; nothing was sent twice."))
        _run_for(self.run_chunk, job_id, seconds=INLINE_SECONDS)
        return HttpResponseRedirect(self.url_of("change", job_id))

    def url_of(self, page: str, *args: Any) -> str:
        """The address of a page."""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}"
        return reverse(name, args=[quote(str(arg)) for arg in args])

    def percent_of(self, job: Any, pending: int) -> int:
        """Say how much is done: all of it when it is over, and never before."""
        if job.state == JobState.DONE and not pending:
            return 100
        part = (job.processed_count - pending) / job.processed_count if pending else 1
        return min(99, int(self.share_of(job) * part * 100))

    def total_text(self, job: Any) -> str:
        """Say how many there are in all."""
        return number(job.total_count)

    def progress_of(self, job: Any) -> dict[str, Any]:
        """Describe the progress of a job: for its page, and as JSON for the page's script.

        All words are here, so the script has none.
        """
        pending = self.pending_of(job)
        percent = self.percent_of(job, pending)
        chip, label = self.state_of(job)
        texts = {
            "label": label,
            "percent": f"{percent} %",
            "done": number(job.done_count - pending),
            "pending": number(pending),
            "skipped": number(getattr(job, "skipped_count", 0)),
            "failed": number(job.failed_count),
            "total": self.total_text(job),
            "rate": _("%s a second") % _rate(job.rate) if job.rate and not pending else "–",
            "left": _time_left(job, int(self.share_of(job) * 100)),
            "failure": job.failure,
        }
        return {
            "state": job.state,
            "is_live": job.is_live,
            "chip": chip,
            "percent": percent,
            "texts": texts,
        }


def number(count: int) -> str:
    """A count as people write it."""
    return formats.number_format(count, use_l10n=True, force_grouping=True)


def _rate(rate: float) -> str:
    return number(round(rate)) if rate >= 10 else formats.number_format(rate, 1, use_l10n=True)


def _time_left(job: Job, percent: int) -> str:
    if not job.is_live:
        return "–"
    if not job.rate or job.started_at is None or not percent:
        return _("not known yet")
    seconds = int((job.last_worked_at - job.started_at).total_seconds() * (100 - percent) / percent)
    if seconds < 60:
        return ngettext("%d second", "%d seconds", max(seconds, 1)) % max(seconds, 1)
    return ngettext("%d minute", "%d minutes", seconds // 60) % (seconds // 60)


def _run_for(run_chunk: Callable[[UUID], bool], job_id: UUID, *, seconds: float) -> None:
    """Do small jobs at once, within the request; what is left is done in the background."""
    until = time.monotonic() + seconds
    try:
        while time.monotonic() < until and run_chunk(job_id):
            pass
    except OperationalError:
        return
