"""Replays to users in the admin.

A form asks what to replay, how and why, and shows how many notifications that is; then each replay is a job
with a page of its own.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from notifications import services
from notifications.admin.history import changes_of, log_changes, provenance_of
from notifications.admin.jobs.job_admin import JobAdmin, number
from notifications.admin.jobs.replay_form import (
    BadSelection,
    ReplayForm,
    list_url,
    selection_fields,
    selection_in,
)
from notifications.admin.jobs.replay_preview import Preview, preview_replay
from notifications.admin.jobs.send_once import repeated_fields
from notifications.admin.links import name_of, notification_url, notifications_url
from notifications.admin.notification_list.address import described
from notifications.admin.permissions import can
from notifications.models import Replay, ReplayVerb
from notifications.selectors.staff.jobs import notifications_with_event
from notifications.selectors.staff.notification_list.criteria import Criteria
from notifications.selectors.staff.users import users_by_key
from notifications.services import Selection

# By verb: what it is called, what it does, and what has become of what it fits.
VERBS: dict[str, tuple[Any, Any, Any]] = {
    ReplayVerb.SHOW: (
        gettext_lazy("Show again"),
        gettext_lazy(
            "It pops up again on the recipient’s open pages. Nothing is stored or changed. A "
            "recipient who has no page open does not see it."
        ),
        gettext_lazy("shown again"),
    ),
    ReplayVerb.REDELIVER: (
        gettext_lazy("Re-deliver"),
        gettext_lazy(
            "A new notification replaces it: unread, at the top of the list, and live on "
            "open pages. Recipients who are offline find it later. Notifications that their "
            "recipient or staff deleted come back."
        ),
        gettext_lazy("re-delivered"),
    ),
    ReplayVerb.COPY: (
        gettext_lazy("Copy to others"),
        gettext_lazy(
            "Other users get the same notification. Users who were sent it before are "
            "skipped. Nobody is told who the first recipient was."
        ),
        gettext_lazy("copied"),
    ),
}


@admin.register(Replay)
class ReplayAdmin(JobAdmin):
    """The list of replays, which is the record of them; the page of one; and the form that asks for one."""

    right = "replay"
    form_path = "/admin/replay"
    done_words = gettext_lazy("replayed")
    list_display = ("asked_at", "verb_word", "which", "why", "by", "state_chip", "progress")
    empty_words = gettext_lazy("There are no replays yet.")
    empty_hint = gettext_lazy("Start one from a notification or from a filtered list of notifications.")
    none_words = gettext_lazy("No matching replays.")
    add_form_template = "admin/notification_hub/replay/form.html"
    confirm_template = "admin/notification_hub/replay/confirm.html"

    def get_model_perms(self, request: HttpRequest) -> dict[str, bool]:
        """Seen, and not added: a replay begins at what is to be replayed."""
        return {**super().get_model_perms(request), "add": False}

    # --- columns
    # ------------------------------------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("action"))
    def verb_word(self, job: Replay) -> str:
        """Show what it does."""
        return str(VERBS[job.verb][0])

    @admin.display(description=gettext_lazy("notifications"))
    def which(self, job: Replay) -> str:
        """Show how many notifications it takes, and whether a filter names them."""
        if job.is_filtered:
            return _("%(total)s, by a filter") % {"total": self.total_text(job)}
        return self.total_text(job)

    @admin.display(description=gettext_lazy("reason"))
    def why(self, job: Replay) -> SafeString:
        """Show the reason that the member of staff wrote."""
        return format_html('<bdi class="hub-title hub-plain-title">{}</bdi>', job.reason)

    # --- the page of one
    # ----------------------------------------------------------------------------------------------

    def title_of(self, request: HttpRequest, job: Replay) -> str:
        """Name what it does, and with how many notifications."""
        noun = ngettext("notification", "notifications", job.total_count)
        return f"{VERBS[job.verb][0]}: {self.total_text(job)} {noun}"

    def page_context(self, request: HttpRequest, job: Replay) -> dict[str, Any]:
        """Make the context of the page of one replay. Three queries."""
        ids = job.ids[:20]
        named = notifications_with_event(ids) if ids else ()
        may_see = can(request, "view_content")
        return {
            "done_words": VERBS[job.verb][2],
            "has_skipped": True,
            "explanation": VERBS[job.verb][1],
            "facts_template": "admin/notification_hub/replay/facts.html",
            "filters": described(Criteria.from_parameters(job.filters)),
            "filters_url": notifications_url(**job.filters) if job.filters else "",
            "named": [
                {
                    "url": notification_url(row.public_id),
                    "title": row.event.title if may_see else row.event.type,
                    "username": name_of(row.recipient),
                }
                for row in named
            ],
            "named_more": max(0, len(job.ids) - len(ids)),
            "copied_to": list(map(name_of, users_by_key(job.copy_to))) if job.copy_to else [],
            "history": changes_of(job),
        }

    def share_of(self, job: Replay) -> float:
        """Go by the keys that were passed, where the total is not exact."""
        if job.is_estimate and job.until_id:
            return job.last_id / job.until_id
        return super().share_of(job)

    def total_text(self, job: Replay) -> str:
        """Say how many there are in all; an estimate says that it is one."""
        return (_("about %s") if job.is_estimate else "%s") % number(job.total_count)

    def run_chunk(self, job_id: UUID) -> bool:
        """Replay one chunk."""
        return services.run_replay_chunk(job_id)

    def cancel(self, job_id: UUID) -> Replay:
        """Cancel one replay where it is."""
        return services.cancel_replay(job_id)

    # --- asking for one
    # -----------------------------------------------------------------------------------------------

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the form, then what would happen, then replay.

        GET asks what to do; POST shows what would happen; only a POST of that page does it.
        """
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        try:
            selection = selection_in(request)
            preview = preview_replay(selection, request.user)
        except BadSelection as error:
            messages.error(request, _("%s Nothing was replayed.") % error)
            return HttpResponseRedirect(list_url(request))
        if not preview.total.count:
            messages.warning(request, _("No matching notifications, so there is nothing to replay."))
            return HttpResponseRedirect(list_url(request))
        return self.ask(request, selection, preview)

    def ask(self, request: HttpRequest, selection: Selection, preview: Preview) -> HttpResponse:
        """Answer with the form, with the page that asks once more, or with the replay."""
        is_first = request.method != "POST" or "verb" not in request.POST
        form = ReplayForm(
            None if is_first else request.POST,
            request=request,
            admin_site=self.admin_site,
            initial={"verb": request.GET.get("verb", ReplayVerb.REDELIVER)},
        )
        step = request.POST.get("step", "")
        if is_first or step == "back" or not form.is_valid():
            return self._page(request, self.add_form_template, selection, preview, form)
        if step == "send" and (answer := self._send(request, selection, preview, form)):
            return answer
        template = self.add_form_template if form.errors else self.confirm_template
        return self._page(request, template, selection, preview, form)

    def _send(
        self, request: HttpRequest, selection: Selection, preview: Preview, form: ReplayForm
    ) -> HttpResponse | None:
        given = form.cleaned_data

        def start() -> UUID:
            job = services.start_replay(
                given["verb"],
                selection,
                reason=given["reason"],
                owner=request.user,
                copy_to=given["copy_to"],
                total_count=preview.total.count,
                is_estimate=preview.total.is_estimate,
                provenance=provenance_of(request),
            )
            self._log(request, job)
            return job.pk

        return self.start_once(request, form, start)

    def _log(self, request: HttpRequest, job: Replay) -> None:
        """Log the replay, and each notification that was named, in the history of Django's admin."""
        text = f"{VERBS[job.verb][0]}: {job.reason}"
        self.log_addition(request, job, text)
        if job.ids:
            log_changes(request, Selection.stored_in(job).rows(request.user), text)

    def _page(
        self,
        request: HttpRequest,
        template: str,
        selection: Selection,
        preview: Preview,
        form: ReplayForm,
    ) -> HttpResponse:
        may_see = can(request, "view_content")
        fits = preview.fits or {}
        verb = form.cleaned_data.get("verb", "") if form.is_bound and form.is_valid() else ""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media + form.media,
            "title": _("Replay to users"),
            "form": form,
            "preview": preview,
            "may_see": may_see,
            "filters": described(selection.criteria) if not selection.ids else [],
            "is_filtered": not selection.ids,
            "verbs": [
                {"value": value, "name": name, "text": text, "fits": fits.get(value)}
                for value, (name, text, _done) in VERBS.items()
            ],
            "copied_to": list(map(name_of, form.cleaned_data["copy_to"])) if verb else [],
            "verb": verb,
            "verb_name": VERBS[verb][0] if verb else "",
            "verb_text": VERBS[verb][1] if verb else "",
            "fit_count": fits.get(verb),
            "repeated": repeated_fields(request.POST),
            "selection_fields": selection_fields(selection),
            "again_url": f"{self.url_of('add')}?{urlencode(selection_fields(selection))}",
        }
        return TemplateResponse(request, template, context)
