"""One operation of the description: what one method of one view takes and answers."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from notifications.models import Scope
from notifications.rest.schema.components import RATE_LIMIT, SECURITY, Schema, refusals
from notifications.rest.schema.examples import named

ANY_SCOPE: Final = "any"


class Operation(NamedTuple):
    """One method of one view.

    Attributes:
        summary: in a few words.
        answers: by status.
        problems: the codes of the closed list that it may refuse with.
        parameters: of path, query and headers.
        body: the shape of the body; None when it takes none.
        scope: what a token needs, or that any will do; empty when nobody is asked.
        needs_body: False when the body may be left out.
        examples: of bodies, by a few words about each.
        refusal_headers: that each refusal has.
    """

    summary: str
    answers: dict[str, Schema]
    problems: tuple[str, ...]
    parameters: tuple[Schema, ...] = ()
    body: Schema | None = None
    scope: str = Scope.READ
    needs_body: bool = True
    examples: dict[str, Any] = {}
    refusal_headers: Schema = {}

    def as_openapi(self, name: str, tag: str) -> Schema:
        """Return the operation as an object of OpenAPI."""
        operation: Schema = {
            "operationId": name,
            "summary": self.summary,
            "tags": [tag],
            "parameters": list(self.parameters),
            "responses": self._answers(),
            "security": SECURITY if self.scope else [{}],
        }
        if self.scope:
            operation["description"] = (
                "Any token will do."
                if self.scope == ANY_SCOPE
                else f"A token needs the scope `{self.scope}`."
            )
        if self.body is not None:
            content: Schema = {"schema": self.body}
            if self.examples:
                content["examples"] = named(self.examples)
            operation["requestBody"] = {"content": {"application/json": content}, "required": self.needs_body}
        return operation

    def _answers(self) -> dict[str, Schema]:
        """Return the answers by status.

        Answers to a known user have the headers of the rate limit.
        """
        if not self.scope:
            return self.answers | refusals(self.problems, headers=self.refusal_headers)
        limited = {
            status: given | {"headers": given.get("headers", {}) | RATE_LIMIT}
            for status, given in self.answers.items()
        }
        return limited | refusals(self.problems, headers=self.refusal_headers | RATE_LIMIT)
