"""The event types of the demo: a shop, its imports, its sync jobs and its tokens.

Their names contain ``demo``, so that they do not collide with the types that others send to a hub in
development.
"""

from __future__ import annotations

from typing import Literal

from notifications.event_types import EventType


class OrderPlaced(EventType, name="orders.demo_order.placed"):
    """Somebody bought something; amounts are in cents."""

    order_id: int
    item: str
    total: int
    currency: str


class OrderPaid(EventType, name="orders.demo_order.paid", level="success"):
    """The payment has arrived."""

    order_id: int
    total: int
    currency: str


class PaymentFailed(EventType, name="orders.demo_payment.failed", level="error"):
    """The payment has failed."""

    order_id: int
    reason: str


class ParcelShipped(EventType, name="orders.demo_parcel.shipped"):
    """The order is on its way."""

    order_id: int
    carrier: str
    tracking: str


class ParcelDelivered(EventType, name="orders.demo_parcel.delivered", level="success"):
    """The order has arrived."""

    order_id: int


class ImportProgress(EventType, name="imports.demo_file.progress"):
    """The progress of an import. All steps of one import collapse into the latest, the last one included."""

    import_id: int
    file: str
    state: Literal["running", "finished", "failed"]
    percent: int
    rows: int


class SyncFinished(EventType, name="sync.demo_job.finished", level="success"):
    """A sync job has finished."""

    job: str
    changed: int
    seconds: float


class SyncDelayed(EventType, name="sync.demo_job.delayed", level="warning"):
    """A sync job tries again later."""

    job: str
    attempt: int
    retry_in_seconds: int


class SyncFailed(EventType, name="sync.demo_job.failed", level="error"):
    """A sync job has given up."""

    job: str
    attempt: int
    reason: str


class TokenExpiring(EventType, name="tokens.demo_token.expiring", level="warning"):
    """A token is about to expire; the notification expires with it."""

    token: str
    expires_in_seconds: int


class TokenExpired(EventType, name="tokens.demo_token.expired", level="error"):
    """A token has expired; scheduled for that moment."""

    token: str
