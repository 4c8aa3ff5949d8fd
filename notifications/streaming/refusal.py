"""Why a request gets no stream; whoever finds the reason raises it, and the door answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from notifications.protocol.problems import PROBLEMS


class Refusal(Exception):
    """No stream for this request; nothing was changed.

    Attributes:
        code: out of the closed list of problem codes.
        detail: a sentence for a person; empty for the code's own.
        errors: for bad fields, each with a sentence.
        headers: what the answer carries on top of, or instead of, those of its code.
        more: of a limit that was met, what it is and when there is room again.
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
        """The HTTP status that the code always has."""
        return PROBLEMS[self.code].status
