"""Event types that many products share: data syncs, providers, AI, imports, portfolios and account security.

Each has the id of what it is about, and everything else may be left out. What shows work that is going on is
transient. What somebody should hear of later too, such as a failure, is durable. What does for both may be
sent as either: a page that is open follows a balance, and some products tell people of it.

Ids are whole numbers or text. Amounts are decimal numbers as text, so that no cent is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.utils.translation import gettext_lazy as _

from notifications.event_types import EventType

Id = int | str


# --- data syncs


@dataclass(frozen=True, kw_only=True)
class SyncStarted:
    """A sync has begun."""

    sync_id: Id
    provider: str = ""
    started_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class SyncCompleted:
    """A sync has ended well: what it found, and in how many seconds."""

    sync_id: Id
    provider: str = ""
    added: int | None = None
    updated: int | None = None
    removed: int | None = None
    seconds: float | None = None
    completed_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class SyncFailed:
    """A sync has failed; ``code`` is for programs, ``reason`` for people."""

    sync_id: Id
    provider: str = ""
    code: str = ""
    reason: str = ""
    attempt: int | None = None
    retry_at: datetime | None = None


class AccountsSyncStarted(
    SyncStarted, EventType, name="sync.accounts.started", category="data_sync", durable=False,
    label=_("Account sync started"), category_label=_("Data sync"),
):  # fmt: skip
    """The accounts are being synced."""


class AccountsSyncCompleted(
    SyncCompleted, EventType, name="sync.accounts.completed", category="data_sync", level="success",
    label=_("Account sync completed"),
):  # fmt: skip
    """The accounts were synced."""


class AccountsSyncFailed(
    SyncFailed, EventType, name="sync.accounts.failed", category="data_sync", level="error", transient=False,
    label=_("Account sync failed"),
):  # fmt: skip
    """The accounts could not be synced."""


class TransactionsSyncStarted(
    SyncStarted, EventType, name="sync.transactions.started", category="data_sync", durable=False,
    label=_("Transaction sync started"),
):  # fmt: skip
    """The transactions are being synced."""


class TransactionsSyncCompleted(
    SyncCompleted, EventType, name="sync.transactions.completed", category="data_sync", level="success",
    label=_("Transaction sync completed"),
):  # fmt: skip
    """The transactions were synced."""


class TransactionsSyncFailed(
    SyncFailed, EventType, name="sync.transactions.failed", category="data_sync", level="error",
    transient=False, label=_("Transaction sync failed"),
):  # fmt: skip
    """The transactions could not be synced."""


class HoldingsSyncStarted(
    SyncStarted, EventType, name="sync.holdings.started", category="data_sync", durable=False,
    label=_("Holdings sync started"),
):  # fmt: skip
    """The holdings are being synced."""


class HoldingsSyncCompleted(
    SyncCompleted, EventType, name="sync.holdings.completed", category="data_sync", level="success",
    label=_("Holdings sync completed"),
):  # fmt: skip
    """The holdings were synced."""


class HoldingsSyncFailed(
    SyncFailed, EventType, name="sync.holdings.failed", category="data_sync", level="error", transient=False,
    label=_("Holdings sync failed"),
):  # fmt: skip
    """The holdings could not be synced."""


# --- providers


class ProviderTokenExpiring(
    EventType, name="provider.token.expiring", level="warning", transient=False,
    label=_("Provider access expiring"), category_label=_("Providers"),
):  # fmt: skip
    """The access to a provider ends soon, unless somebody renews it."""

    provider_id: Id
    provider: str = ""
    expires_at: datetime | None = None


class ProviderTokenRefreshed(
    EventType, name="provider.token.refreshed", durable=False, label=_("Provider access renewed")
):
    """The access to a provider was renewed by itself."""

    provider_id: Id
    provider: str = ""
    expires_at: datetime | None = None


class ProviderTokenFailed(
    EventType, name="provider.token.failed", level="error", transient=False,
    label=_("Provider access not renewed"),
):  # fmt: skip
    """The access to a provider could not be renewed."""

    provider_id: Id
    provider: str = ""
    code: str = ""
    reason: str = ""


class ProviderDisconnected(
    EventType, name="provider.disconnected", level="error", transient=False, label=_("Provider disconnected")
):
    """A provider is no longer connected; somebody has to connect it again."""

    provider_id: Id
    provider: str = ""
    code: str = ""
    reason: str = ""
    disconnected_at: datetime | None = None


# --- AI


class AIResponseChunk(
    EventType, name="ai.response.chunk", durable=False, label=_("Part of an answer"), category_label=_("AI")
):
    """A part of an answer; ``index`` counts the parts."""

    response_id: Id
    conversation_id: Id | None = None
    index: int | None = None
    text: str = ""


class AIResponseComplete(EventType, name="ai.response.complete", level="success", label=_("Answer complete")):
    """An answer is complete."""

    response_id: Id
    conversation_id: Id | None = None
    text: str = ""
    model: str = ""
    finish_reason: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    seconds: float | None = None


class AIToolExecuting(EventType, name="ai.tool.executing", durable=False, label=_("Tool at work")):
    """A tool is being used for an answer."""

    call_id: Id
    response_id: Id | None = None
    tool: str = ""
    arguments: dict[str, Any] | None = None


# --- imports


class ImportStarted(
    EventType, name="import.started", durable=False, label=_("Import started"), category_label=_("Imports")
):
    """An import has begun."""

    import_id: Id
    file: str = ""
    total: int | None = None


class ImportProgress(EventType, name="import.progress", label=_("Import progress")):
    """How far an import is: so many rows of the total.

    As a notification, with a ``collapse_key``, it is one that is replaced, not a hundred.
    """

    import_id: Id
    file: str = ""
    done: int | None = None
    total: int | None = None


class ImportCompleted(EventType, name="import.completed", level="success", label=_("Import completed")):
    """An import has ended well."""

    import_id: Id
    file: str = ""
    added: int | None = None
    updated: int | None = None
    skipped: int | None = None
    seconds: float | None = None


class ImportFailed(EventType, name="import.failed", level="error", transient=False, label=_("Import failed")):
    """An import has failed; ``row`` is where."""

    import_id: Id
    file: str = ""
    row: int | None = None
    code: str = ""
    reason: str = ""


# --- portfolios


class BalanceUpdated(
    EventType, name="portfolio.balance.updated", label=_("Balance updated"), category_label=_("Portfolio")
):
    """The balance of an account is another one."""

    account_id: Id
    balance: str = ""
    change: str = ""
    currency: str = ""
    at: datetime | None = None


class HoldingsUpdated(EventType, name="portfolio.holdings.updated", label=_("Holdings updated")):
    """The holdings of a portfolio are others: how many positions have changed."""

    portfolio_id: Id
    changed: int | None = None
    value: str = ""
    currency: str = ""
    at: datetime | None = None


class NetWorthUpdated(EventType, name="portfolio.networth.updated", label=_("Net worth updated")):
    """What a portfolio is worth has changed."""

    portfolio_id: Id
    net_worth: str = ""
    change: str = ""
    currency: str = ""
    at: datetime | None = None


# --- account security, beside what ``notifications.contrib.security`` declares


class SessionSuspicious(
    EventType, name="security.session.suspicious", level="warning", transient=False, over_http=False,
    label=_("Suspicious login"),
):  # fmt: skip
    """A session looks as if somebody else had it."""

    session_id: Id
    address: str = ""
    browser: str = ""
    why: Literal["", "new_country", "impossible_travel", "new_browser", "other"] = ""


class SessionExpiring(
    EventType, name="security.session.expiring", durable=False, over_http=False, label=_("Login expiring")
):
    """A session ends soon; its pages may offer to go on."""

    session_id: Id
    expires_at: datetime | None = None
