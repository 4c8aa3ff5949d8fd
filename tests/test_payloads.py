"""The bytes of the wire: golden ones, and what no content can do to them (I4, I18)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.payloads import ChangeRow, NotificationRow, change_json, notification_json, timestamp

pytestmark = pytest.mark.shape("embedded")

ID = UUID("0197a3b1-4c5d-7e6f-8a9b-0c1d2e3f4a5b")
OTHER_ID = UUID("0197a3b1-0000-7000-8000-000000000001")
AT = datetime(2026, 11, 21, 2, 3, 4, 567890, tzinfo=UTC)
LATER = datetime(2026, 11, 21, 3, tzinfo=UTC)

NOTIFICATION = NotificationRow(
    public_id=ID, position=41, type="orders.order.shipped", category="sales", topic="order:7", level="info",
    title="Your order is on its way", body="", url="/orders/7/", actor="ada", actions="[]",
    data='{"order_id": 7, "z": 1E25, "a": 1.0}', created_at=AT, read_at=None,
    expires_at=None, replay_of=None,
)  # fmt: skip
CHANGE = ChangeRow(
    inbox_id=1, position=42, kind="created", at="2026-11-21T03:00:00.000000Z", unread_count=3, up_to=None,
    read_category="", reason="", created_position=41, created_at="2026-11-21T02:03:04.567890Z", read_at=None,
    public_id=str(ID), replay_of=None, type="orders.order.shipped", category="sales", topic="order:7",
    level="info", title="Your order is on its way", body="", url="/orders/7/", actor="ada", actions="[]",
    data='{"order_id": 7, "z": 1E25, "a": 1.0}', expires_at=None,
)  # fmt: skip

# Written by hand from the protocol, sections 4 and 6: never from the code's own output.
OBJECT = (
    b'{"id":"0197a3b1-4c5d-7e6f-8a9b-0c1d2e3f4a5b","position":41,"type":"orders.order.shipped","category":"sales",'
    b'"topic":"order:7","level":"info","title":"Your order is on its way","body":"",'
    b'"url":"/orders/7/","actor":"ada","actions":[],"data":{"order_id": 7, "z": 1E25, "a": 1.0},'
    b'"created_at":"2026-11-21T02:03:04.567890Z","read_at":null,"archived_at":null,'
    b'"expires_at":null,"replay_of":null}'
)
ARCHIVED_OBJECT = OBJECT.replace(b'"read_at":null', b'"read_at":"2026-11-21T02:03:04.567890Z"').replace(
    b'"archived_at":null', b'"archived_at":"2026-11-21T03:00:00.000000Z"'
)
READ_OBJECT = OBJECT.replace(b'"read_at":null', b'"read_at":"2026-11-21T03:00:00.000000Z"')


def golden(name: bytes, rest: bytes) -> bytes:
    return (
        b'{"change":"%s","cursor":"abcdefgh-42","position":42,"at":"2026-11-21T03:00:00.000000Z","unread_count":3,%s}'
        % (name, rest)
    )


def test_notification__golden_bytes() -> None:
    assert notification_json(NOTIFICATION) == OBJECT
    assert notification_json(NOTIFICATION._replace(read_at=LATER)) == READ_OBJECT


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"kind": "created"}, golden(b"notification.created", b'"notification":' + OBJECT)),
        (
            {"kind": "read", "read_at": "2026-11-21T03:00:00.000000Z"},
            golden(b"notification.read", b'"notification":' + READ_OBJECT),
        ),
        ({"kind": "unread"}, golden(b"notification.unread", b'"notification":' + OBJECT)),
        (
            {
                "kind": "archived",
                "read_at": "2026-11-21T02:03:04.567890Z",
                "archived_at": "2026-11-21T03:00:00.000000Z",
            },
            golden(b"notification.archived", b'"notification":' + ARCHIVED_OBJECT),
        ),
        (
            {"kind": "unarchived", "read_at": "2026-11-21T03:00:00.000000Z"},
            golden(b"notification.unarchived", b'"notification":' + READ_OBJECT),
        ),
        # The state is what the change says, whatever its kind.
        (
            {"kind": "created", "read_at": "2026-11-21T03:00:00.000000Z"},
            golden(b"notification.created", b'"notification":' + READ_OBJECT),
        ),
        (
            {"kind": "deleted", "reason": "replaced"},
            golden(
                b"notification.deleted",
                b'"notification":{"id":"0197a3b1-4c5d-7e6f-8a9b-0c1d2e3f4a5b"},"reason":"replaced"',
            ),
        ),
        ({"kind": "read_all", "up_to": 40}, golden(b"inbox.read", b'"up_to":40,"category":null')),
        (
            {"kind": "read_all", "up_to": 40, "read_category": "sales"},
            golden(b"inbox.read", b'"up_to":40,"category":"sales"'),
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_change__golden_bytes(values: dict[str, Any], expected: bytes) -> None:
    assert change_json(CHANGE._replace(**values), "abcdefgh") == expected


def test_read_all__without_notification_and_event__is_rendered() -> None:
    empty: dict[str, Any] = dict.fromkeys(CHANGE._fields[8:]) | {"kind": "read_all", "up_to": 7}
    assert json.loads(change_json(CHANGE._replace(**empty), "abcdefgh"))["up_to"] == 7


def test_times_and_ids__that_are_there__are_rendered() -> None:
    row = NOTIFICATION._replace(
        expires_at=LATER, replay_of=OTHER_ID, created_at=datetime(999, 1, 2, tzinfo=UTC)
    )
    value = json.loads(notification_json(row))
    assert value["expires_at"] == "2026-11-21T03:00:00.000000Z"
    assert value["replay_of"] == str(OTHER_ID)
    assert value["created_at"] == "0999-01-02T00:00:00.000000Z"


@given(st.datetimes(timezones=st.just(UTC)))
def test_timestamp__any_time__has_six_decimals_and_reads_as_the_same(at: datetime) -> None:
    text = timestamp(at)
    assert len(text) == 27
    assert datetime.fromisoformat(text) == at


_texts = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    ['"', "\\", '"}', "\n\ndata: x\n\n", "\r", "\u2028\u2029", "</script>", "\0", "\x85", "😀"]
)


@given(
    st.tuples(*[_texts] * 5), st.dictionaries(_texts, _texts | st.integers(-(2**63), 2**63 - 1) | st.none())
)
def test_any_content__is_one_line_of_ascii_json_that_says_the_same(
    texts: tuple[str, ...], data: dict[str, Any]
) -> None:
    content: dict[str, Any] = dict(zip(("topic", "title", "body", "url", "actor"), texts, strict=True))
    stored = json.dumps(data)
    listed = notification_json(NOTIFICATION._replace(**content, data=stored))
    change = change_json(CHANGE._replace(**content, data=stored), "abcdefgh")
    for raw in (listed, change):
        assert raw.isascii()
        assert not set(b"\r\n\0") & set(raw)
    for value in (json.loads(listed), json.loads(change)["notification"]):
        assert {name: value[name] for name in content} == content
        assert list(value["data"].items()) == list(data.items())


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ('[{"url": "/7/", "label": "\u00e4"}]', b'[{"label":"\\u00e4","url":"/7/","method":"GET"}]'),
        ('[{"method":"POST","label":"Pay","url":"/7/"}]', b'[{"label":"Pay","url":"/7/","method":"POST"}]'),
        ("", b"[]"),
        ("{", b"[]"),
        ("null", b"[]"),
        ('["x"]', b"[]"),
        ('[{"label":"Pay","url":"javascript:alert(1)"}]', b"[]"),
        ('[{"label":"Pay","url":"https://evil.example/","method":"POST"}]', b"[]"),
        ('[{"label":"Pay","label":"Pay","url":"/7/"}]', b"[]"),
    ],
    ids=lambda text: str(text)[:40],
)
def test_actions__are_told_as_the_services_would_write_them_or_not_at_all(stored: str, shown: bytes) -> None:
    golden_object = OBJECT.replace(b'"actions":[]', b'"actions":' + shown)
    assert notification_json(NOTIFICATION._replace(actions=stored)) == golden_object


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("", "{}"),
        ("[1]", "{}"),
        ("null", "{}"),
        ("{", "{}"),
        ('{"a":NaN}', "{}"),
        ('{"a":1}}', "{}"),
        ('{"a":1},"x":{}', "{}"),
        ("[" * 50_000, "{}"),
        ('{"a":\n1}', '{"a":1}'),
        ('{"a":"ä"}', '{"a":"\\u00e4"}'),
        ('{"b":1,\r"a":2}', '{"b":1,"a":2}'),
    ],
    ids=lambda text: text[:16],
)
def test_data__rewritten_past_the_services__breaks_nothing_but_itself(stored: str, shown: str) -> None:
    raw = notification_json(NOTIFICATION._replace(data=stored))
    assert raw == OBJECT.replace(b'{"order_id": 7, "z": 1E25, "a": 1.0}', shown.encode())
