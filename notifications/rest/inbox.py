"""The endpoints of a user's own inbox: each parses, calls one service or selector, and returns a payload.

Transactions are the services' own; the change of an action is announced after its commit. Reading views use
autocommit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.parsers import BaseParser
from rest_framework.permissions import SAFE_METHODS, BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from notifications import selectors, services
from notifications.exceptions import NotFound
from notifications.http.poll_interval import LOAD, poll_interval_seconds
from notifications.http.token_buckets import Allowance
from notifications.models import Scope
from notifications.rest import answered_polls, answers
from notifications.rest.http import errors, etags
from notifications.rest.http.authentication import BearerAuthentication, HasScope, SessionLogin, provenance_of
from notifications.rest.http.parsers import HubRequest, StrictJSONParser
from notifications.rest.http.renderers import OneRepresentation, OrjsonRenderer
from notifications.rest.http.throttles import UserThrottle
from notifications.rest.inputs import ChangesQuery, IdsAction, ListQuery, parse_action, parse_flags
from notifications.services.credentials.tokens import refuse_in_url


class HubView(APIView):
    """The base of all endpoints. It takes nothing from the settings of the project that mounts it."""

    authentication_classes = (BearerAuthentication, SessionLogin)
    permission_classes: Sequence[type[BasePermission]] = (IsAuthenticated, HasScope)
    throttle_classes: Sequence[type[BaseThrottle]] = (UserThrottle,)
    parser_classes: Sequence[type[BaseParser]] = (StrictJSONParser,)
    renderer_classes = (OrjsonRenderer,)
    content_negotiation_class = OneRepresentation
    versioning_class = None
    metadata_class = None
    allowance: Allowance | None = None  # what is left of the limit that this request counts towards

    @property
    def default_response_headers(self) -> dict[str, str]:
        """The headers of every answer."""
        return dict(errors.PRIVATE_HEADERS)  # DRF takes Vary out of what it is given

    @property
    def served_methods(self) -> list[str]:
        """The methods that ``Allow`` names."""
        return list(self.allowed_methods)

    def get_exception_handler(self) -> Any:
        """Return the handler that turns exceptions into problem documents."""
        return errors.answer_error

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer, and count the request towards the load of this process."""
        with LOAD.request():
            return super().dispatch(request, *args, **kwargs)

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Return a request whose body is read whether its length was announced or not."""
        return HubRequest(
            request,
            parsers=self.get_parsers(),
            authenticators=self.get_authenticators(),
            negotiator=self.get_content_negotiator(),
            parser_context=self.get_parser_context(request),
        )

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check the URL before anything else; then authentication, permissions and limits."""
        refuse_in_url(request.query_params)
        super().initial(request, *args, **kwargs)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Add to every answer, refusals included, how many more requests may follow."""
        response = super().finalize_response(request, response, *args, **kwargs)
        for name, value in self.allowance.headers.items() if self.allowance else ():
            response[name] = value
        return response

    def needed_scope(self, request: Request) -> str:
        """Return the scope that a token needs for this request; an empty one if any token will do."""
        return Scope.READ if request.method in SAFE_METHODS else Scope.INBOX

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        """Answer with the methods that are allowed."""
        return Response(status=204, headers={"Allow": ", ".join(self.served_methods)})


class ListView(HubView):
    """``/notifications``"""

    def get(self, request: Request) -> HttpResponseBase:
        """Return a part of the list, newest first; 304 from one row while nothing has changed."""
        query = ListQuery.parse(request.query_params)
        inbox = services.open_inbox(request.user.pk)
        answered_polls.note_etag(request, inbox)
        if etags.is_current(request, inbox.cursor):
            return etags.not_modified(inbox.cursor)
        page = selectors.list_page(
            request.user.pk,
            filters=query.filters,
            words=query.words,
            unread_only=query.unread_only,
            archived=query.archived,
            before=query.before,
            limit=query.limit,
        )
        answered_polls.note_list(request, query, page)
        return Response(
            answers.list_body(page, query.filters, request), headers=etags.etag_header(page.cursor)
        )


class NotificationView(HubView):
    """``/notifications/{id}``"""

    def get(self, request: Request, public_id: UUID) -> Response:
        """Return one notification."""
        return Response(answers.notification_body(selectors.get_notification(request.user.pk, public_id)))

    def patch(self, request: Request, public_id: UUID) -> Response:
        """Change the state of a notification, and return it as it is then."""
        flags = parse_flags(request.data)
        services.set_state(request.user, [public_id], provenance=provenance_of(request), **flags)
        return self.get(request, public_id)

    def delete(self, request: Request, public_id: UUID) -> Response:
        """Delete it for good."""
        if services.delete(request.user, [public_id], provenance=provenance_of(request)).not_found:
            raise NotFound
        return Response(status=204)


class ActionsView(HubView):
    """``/notifications/actions``"""

    def post(self, request: Request) -> Response:
        """Apply an action to many notifications, or mark all read up to a cursor."""
        action, provenance = parse_action(request.data), provenance_of(request)
        if isinstance(action, IdsAction):
            outcome = services.ACTIONS[action.verb](request.user, action.ids, provenance=provenance)
        else:
            inbox = services.open_inbox(request.user.pk)
            # A cursor below the floor is accepted: nothing is resumed from it, it only says what the user had
            # seen.
            action.up_to.check_usable(epoch=inbox.epoch, floor=0, head=inbox.head)
            outcome = services.mark_all_read(
                request.user, up_to=action.up_to.position, category=action.category, provenance=provenance
            )
        return Response(answers.outcome_body(outcome))


class ChangesView(HubView):
    """``/notifications/changes``: the polling delta."""

    @property
    def default_response_headers(self) -> dict[str, str]:
        """Every answer, refusals included, says when to poll again."""
        return super().default_response_headers | {"X-Poll-Interval": str(poll_interval_seconds())}

    def get(self, request: Request) -> Response:
        """Return the changes after a cursor, up to the head as read before them; none without a cursor."""
        query = ChangesQuery.parse(request.query_params)
        inbox = services.open_inbox(request.user.pk)
        after = query.after or inbox.cursor
        after.check_usable(epoch=inbox.epoch, floor=inbox.floor, head=inbox.head)
        rows = (
            selectors.changes_after(
                request.user.pk,
                after=after.position,
                up_to=inbox.head,
                limit=query.limit + 1,
                filters=query.filters,
            )
            if after.position < inbox.head
            else []
        )
        shown = rows[: query.limit]
        up_to = shown[-1].position if len(rows) > len(shown) else inbox.head
        answered_polls.note_changes(request, query, inbox, up_to)
        return Response(answers.changes_body(inbox, shown, up_to=up_to))


class CountsView(HubView):
    """``/notifications/counts``"""

    def get(self, request: Request) -> HttpResponseBase:
        """Return how many are unread, in all and by category; 304 from one row while nothing has changed."""
        inbox = services.open_inbox(request.user.pk)
        if etags.is_current(request, inbox.cursor):
            return etags.not_modified(inbox.cursor)
        counts = selectors.counts(request.user.pk)
        return Response(
            answers.counts_body(counts, request.user.pk), headers=etags.etag_header(counts.cursor)
        )
