"""The exception that refuses a request for a stream. Any room may raise it; the door answers it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from notifications.protocol.problems import PROBLEMS


class Refusal(Exception):
    """The request gets no stream, and nothing was changed.

    Attributes:
        code: one of the closed list of problem codes.
        detail: a sentence for people; empty for the code's own sentence.
        errors: a sentence for each bad field.
        headers: headers of the answer, in addition to or instead of those of the code.
        more: further members of the problem document: the limit that was reached, and when there is room.
    """

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        errors: Mapping[str, str] | None = None,
        headers: Iterable[tuple[bytes, bytes]] = (),
        more: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.errors = dict(errors or {})
        self.headers = list(headers)
        self.more = more

    @property
    def status(self) -> int:
        """The HTTP status of the code."""
        return PROBLEMS[self.code].status
