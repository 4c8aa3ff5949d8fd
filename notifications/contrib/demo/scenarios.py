"""The demo's stories: each is a series of steps, and each step is one notification.

Pure: what comes next depends only on the random numbers that a scenario is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Final

from notifications.contrib.demo.notification_events import (
    ImportProgress,
    OrderPaid,
    OrderPlaced,
    ParcelDelivered,
    ParcelShipped,
    PaymentFailed,
    SyncDelayed,
    SyncFailed,
    SyncFinished,
    TokenExpired,
    TokenExpiring,
)
from notifications.event_types import EventType, Level

ITEMS: Final = (
    ("Difference engine, desk size", 184_900),
    ("Punched cards, box of 2,000", 2_450),
    ("Brass gears, set of 12", 6_890),
    ("Fountain pen, fine nib", 5_400),
    ("Notebook, squared, A5", 1_290),
    ("Table lamp, green glass", 12_900),
    ("Nanosecond of copper wire, 30 cm", 790),
    ("Moth, pinned, with certificate", 4_720),
    ("Slide rule, bamboo", 3_990),
    ("Compiler manual, second edition", 4_200),
)
CARRIERS: Final = ("DHL", "UPS", "PostNord", "Royal Mail", "Swiss Post")
REFUSALS: Final = (
    "The card has expired",
    "The bank refused the charge",
    "The charge was not confirmed in time",
)
CLERKS: Final = ("mary", "joan", "katherine", "dorothy")
FILES: Final = (
    "customers.csv",
    "price-list-2026.xlsx",
    "stock-levels.csv",
    "suppliers.json",
    "returns-q3.csv",
)
FAULTS: Final = ("the date is not a date", "the price is negative", "the column “sku” is empty")
JOBS: Final = (
    "Warehouse stock",
    "Accounting ledger",
    "Newsletter contacts",
    "Exchange rates",
    "Product photos",
)
OUTAGES: Final = ("The other side did not answer", "The login was refused", "The answer was cut off")
TOKENS: Final = ("ci-deploy", "warehouse-scanner", "reporting-readonly", "staging-webhook")


@dataclass(frozen=True, kw_only=True)
class Step:
    """One notification of a scenario, without its recipient.

    The fields are those of ``services.notify``.

    Attributes:
        deliver_in: how long it is scheduled ahead.
        expires_in: how long it stays.
    """

    event: EventType
    title: str
    body: str = ""
    topic: str
    level: Level | None = None
    actor: str = ""
    collapse_key: str = ""
    deliver_in: timedelta | None = None
    expires_in: timedelta | None = None

    @property
    def url(self) -> str:
        """The inbox, filtered by the topic: a page that every hub has."""
        return f"/?topic={self.topic}"


Scenario = Callable[[Random], Iterator[Step]]


def order(random: Random) -> Iterator[Step]:
    """An order is placed, paid, shipped and delivered; sometimes its payment fails, and it ends there."""
    number = random.randint(10_000, 99_999)
    topic = f"order:{number}"
    item, cents = random.choice(ITEMS)
    price = f"€{cents / 100:,.2f}"
    placed = OrderPlaced(order_id=number, item=item, total=cents, currency="EUR")
    yield Step(event=placed, title=f"Order {number} is in", body=f"{item}, {price}.", topic=topic)
    if random.random() < 0.15:
        reason = random.choice(REFUSALS)
        failed = PaymentFailed(order_id=number, reason=reason)
        yield Step(
            event=failed, title=f"The payment for order {number} failed", body=f"{reason}.", topic=topic
        )
        return
    paid = OrderPaid(order_id=number, total=cents, currency="EUR")
    yield Step(event=paid, title=f"Order {number} is paid", body=f"{price} came in.", topic=topic)
    carrier, clerk = random.choice(CARRIERS), random.choice(CLERKS)
    tracking = f"{random.randrange(10**11):011d}"
    yield Step(
        event=ParcelShipped(order_id=number, carrier=carrier, tracking=tracking),
        title="Your order is on its way",
        body=f"{item}, with {carrier}. Tracking number {tracking}.",
        topic=topic,
        actor=clerk,
    )
    delivered = ParcelDelivered(order_id=number)
    yield Step(event=delivered, title=f"Order {number} was delivered", body=f"{item}.", topic=topic)


def file_import(random: Random) -> Iterator[Step]:
    """An import proceeds in steps of about a tenth, each replacing the one before, and succeeds or fails."""
    number, file, size = random.randint(100, 999), random.choice(FILES), random.randint(800, 60_000)
    clerk, fault_at = random.choice(CLERKS), random.randint(20, 300)

    def step(percent: int, state: str, title: str, body: str = "", level: Level | None = None) -> Step:
        progress = {"import_id": number, "file": file, "percent": percent, "rows": size * percent // 100}
        return Step(
            event=ImportProgress(state=state, **progress),  # type: ignore[arg-type]
            title=title,
            body=body,
            topic=f"import:{number}",
            level=level,
            actor=clerk,
            collapse_key="progress",
        )

    percent = 0
    while percent < 100:
        done = size * percent // 100
        yield step(percent, "running", f"Importing {file}: {percent} %", f"{done:,} of {size:,} rows.")
        percent += random.choice((10, 10, 20, 30))
        if fault_at < percent < 100:
            row, fault = size * percent // 100, random.choice(FAULTS)
            yield step(
                percent,
                "failed",
                f"The import of {file} failed",
                f"Row {row:,}: {fault}. Nothing was changed.",
                "error",
            )
            return
    yield step(100, "finished", f"{file} is imported", f"{size:,} rows.", "success")


def sync_job(random: Random) -> Iterator[Step]:
    """A sync job succeeds, or is delayed once or twice and then recovers or gives up."""
    job = random.choice(JOBS)
    topic = f"sync:{job.lower().replace(' ', '-')}"
    for attempt in range(1, random.choice((1, 1, 1, 2, 3))):
        wait = 30 * 2**attempt
        reason = random.choice(OUTAGES)
        yield Step(
            event=SyncDelayed(job=job, attempt=attempt, retry_in_seconds=wait),
            title=f"{job}: sync is delayed",
            body=f"{reason}. Attempt {attempt} of 3; the next one is in {wait} s.",
            topic=topic,
            collapse_key="delayed",
        )
    if random.random() < 0.2:
        reason = random.choice(OUTAGES)
        yield Step(
            event=SyncFailed(job=job, attempt=3, reason=reason),
            title=f"{job}: sync failed",
            body=f"{reason}. It was tried three times and needs somebody to look at it.",
            topic=topic,
        )
        return
    changed, seconds = random.randint(0, 900), round(random.uniform(0.4, 42), 1)
    yield Step(
        event=SyncFinished(job=job, changed=changed, seconds=seconds),
        title=f"{job}: in sync",
        body=f"{changed} changed in {seconds} s." if changed else "Nothing had changed.",
        topic=topic,
    )


def token(random: Random) -> Iterator[Step]:
    """A warning that disappears when the token expires, and a notification scheduled for that moment."""
    name, minutes = random.choice(TOKENS), random.randint(1, 3)
    left = timedelta(minutes=minutes)
    yield Step(
        event=TokenExpiring(token=name, expires_in_seconds=60 * minutes),
        title=f"Token “{name}” expires in {minutes} min",
        body="Make a new one before whatever uses it stops working.",
        topic=f"token:{name}",
        collapse_key="expiring",
        expires_in=left,
    )
    yield Step(
        event=TokenExpired(token=name),
        title=f"Token “{name}” has expired",
        body="Requests that carry it are refused from now on.",
        topic=f"token:{name}",
        collapse_key="expired",
        deliver_in=left,
    )


# A scenario is chosen as often as it is listed.
SCENARIOS: Final[tuple[Scenario, ...]] = (
    order,
    order,
    order,
    file_import,
    file_import,
    sync_job,
    sync_job,
    token,
)
