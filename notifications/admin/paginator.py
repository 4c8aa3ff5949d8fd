"""Pages of a table of any size: counting stops at a limit."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from django.core.paginator import Paginator

# It takes its type parameter only while types are checked.
if TYPE_CHECKING:
    AnyPaginator = Paginator[Any]
else:
    AnyPaginator = Paginator

MAX_COUNT: Final = 10_000


class BoundedPaginator(AnyPaginator):
    """Counts no further than ``MAX_COUNT``, so neither the count nor the deepest page walks the whole table.

    Attributes:
        has_more: there are rows past the last page; narrow the list to reach them.
    """

    has_more = False

    @cached_property
    def count(self) -> int:
        """The number of rows, or ``MAX_COUNT`` when there are more."""
        rows: Any = self.object_list
        counted = int(rows.order_by()[: MAX_COUNT + 1].count())
        self.has_more = counted > MAX_COUNT
        return min(counted, MAX_COUNT)
