"""The content security policy of every answer: one text, put together once."""

from __future__ import annotations

from dataclasses import asdict
from functools import cached_property

from csp.constants import HEADER
from csp.middleware import CSPMiddleware
from csp.utils import build_policy
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase


class ContentSecurityPolicy(CSPMiddleware):
    """django-csp's middleware, which would put the same text together for each answer anew."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Name the policy, unless a view has one of its own, a nonce for example."""
        has_its_own = hasattr(request, "_csp_nonce") or any(
            name.startswith("_csp") for name in vars(response)
        )
        if has_its_own or response.status_code in (404, 500):  # of which Django's debug pages are exempt
            return super().process_response(request, response)
        response.headers.setdefault(HEADER, self._policy)
        return response

    @cached_property
    def _policy(self) -> str:
        parts = self.get_policy_parts(request=HttpRequest(), response=HttpResponse())
        return build_policy(**asdict(parts))
