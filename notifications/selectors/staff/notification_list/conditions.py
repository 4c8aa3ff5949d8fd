"""What criteria come down to: conditions on notifications and their events.

Most of it is about the event, which every recipient shares and a staged notification has from the start. So
each condition exists twice: in the terms of an event, by whose indexes the list is walked, and in those of a
notification joined with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from django.db.models import Q, QuerySet

from notifications.models import Notification
from notifications.models.word_search import events_have_words, has_words
from notifications.selectors.staff.notification_list.criteria import BadCriteria

SearchedAs = Literal["", "exact", "recipient", "topic", "type", "words", "refused"]


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Conditions, all of which hold.

    Attributes:
        indexed: about the notification alone, and what an index answers in the order of staging.
        unindexed: the rest of what is about the notification alone.
        event: about the event, in its own terms.
        joined_event: the same, in the terms of a notification.
        words: what its title and body have; None for any.
        unknown: the names of parameters whose value names nobody or nothing; then nothing is found.
        wrong: what is wrong with each parameter that cannot be read, as a sentence for the person who gave
            it. The other conditions hold. Whoever does something to all that is meant calls ``check`` first.
        searched_as: what the text in the search box was taken for; ``refused`` where it would have been words
            in content that the member of staff may not see.
    """

    indexed: Q = field(default_factory=Q)
    unindexed: Q = field(default_factory=Q)
    event: Q = field(default_factory=Q)
    joined_event: Q = field(default_factory=Q)
    words: frozenset[str] | None = None
    unknown: frozenset[str] = frozenset()
    wrong: Mapping[str, str] = field(default_factory=dict)
    searched_as: SearchedAs = ""

    @property
    def goes_by_events(self) -> bool:
        """Whether the list is walked event by event: no index names few enough notifications."""
        return not self.indexed and (bool(self.event) or self.words is not None)

    @property
    def of_event(self) -> Q:
        """All that is said of the event, in its own terms."""
        return self.event if self.words is None else self.event & events_have_words(self.words)

    @property
    def beside_indexed(self) -> Q:
        """Everything but ``indexed``, in the terms of a notification."""
        found = self.unindexed & self.joined_event
        return found if self.words is None else found & has_words(self.words)

    def narrow(self, rows: QuerySet[Notification]) -> QuerySet[Notification]:
        """The notifications that are meant, in no order."""
        return rows.none() if self.unknown else rows.filter(self.indexed, self.beside_indexed)

    def matching(self) -> QuerySet[Notification]:
        """All notifications that are meant, in no order."""
        return self.narrow(Notification.objects.all())

    def with_indexed(self, condition: Q) -> Conditions:
        """With one more that an index answers in the order of staging."""
        return replace(self, indexed=self.indexed & condition)

    def with_event(self, build: Callable[[str], Q]) -> Conditions:
        """With one more about the event; ``build`` is given what stands before its fields' names."""
        return replace(self, event=self.event & build(""), joined_event=self.joined_event & build("event__"))

    def with_unknown(self, name: str) -> Conditions:
        """With a parameter that names nobody or nothing."""
        return replace(self, unknown=self.unknown | {name})

    def with_wrong(self, name: str, text: str) -> Conditions:
        """With a parameter that cannot be read, and why."""
        return replace(self, wrong={**self.wrong, name: text})

    def check(self) -> Conditions:
        """Themselves, if all could be read: a condition that cannot be read does not mean everything.

        Raises:
            BadCriteria: with all that is wrong.
        """
        if self.wrong:
            raise BadCriteria(" ".join(self.wrong.values()))
        return self
