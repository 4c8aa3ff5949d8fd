"""Logs a failure that is tried again once when it begins, and once when it is over."""

from __future__ import annotations

from logging import ERROR, WARNING, Logger


class Outage:
    """Remembers whether one kind of work fails at the moment, and logs the beginning and the end of that.

    A database that is away for an hour would otherwise be reported thousands of times, and nobody could tell
    from the log when it came back. Threads may share one object; the worst that can happen then is that a
    line is logged twice.

    Args:
        logger: that of the module which does the work.
        began: what the first failure costs and what happens next; the error is appended.
        over: that it works again. It may hold the placeholders of ``logging`` for the arguments of
            ``recovered``.
        has_traceback: the failure may be the hub's own, so it is reported as an error, with its traceback.
    """

    __slots__ = ("_began", "_has_traceback", "_logger", "_over", "is_on")

    def __init__(self, logger: Logger, *, began: str, over: str, has_traceback: bool = False) -> None:
        self._logger = logger
        self._began = began
        self._over = over
        self._has_traceback = has_traceback
        self.is_on = False

    def failed(self, error: BaseException) -> None:
        """Note a failure; the first one in a row is logged."""
        if not self.is_on:
            level, traceback = (ERROR, error) if self._has_traceback else (WARNING, None)
            # The repr, because the text of a TimeoutError is empty.
            self._logger.log(level, "%s: %r", self._began, error, exc_info=traceback)
        self.is_on = True

    def recovered(self, *arguments: object) -> None:
        """Note a success; the first one after a failure is logged.

        Args:
            arguments: the values for the placeholders of ``over``.
        """
        if self.is_on:
            self._logger.info(self._over, *arguments)
        self.is_on = False
