"""Frames: what any field holds can never break the framing, and a cut frame never moves a cursor."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.models import EndReason
from notifications.streaming import frames
from tests.helpers.sse import EventStreamParser

pytestmark = pytest.mark.shape("embedded")

HOSTILE = st.text(
    st.one_of(st.sampled_from("\n\r\0:\u2028\ufeff \t"), st.characters(exclude_categories=[])), max_size=20
)
CURSOR = "abcdefgh-7"
PROTOCOL = Path(__file__).resolve().parents[2] / "docs" / "protocol.md"


def read_one(raw: bytes) -> Any:
    parser = EventStreamParser()
    (event,) = parser.feed(raw)
    assert not parser.comments
    assert not parser.undispatched
    return event


@given(event=HOSTILE, data=HOSTILE, cursor=HOSTILE)
def test_frame__any_content__one_frame_or_none(event: str, data: str, cursor: str) -> None:
    payload = json.dumps({"text": data}).encode()
    try:
        raw = frames.frame(event, payload, cursor=cursor, retry_ms=5)
    except frames.BrokenFrame:
        assert not event or not (event + cursor).isascii() or set("\n\r") & set(event + cursor)
        return
    read = read_one(raw)
    assert read.json == {"text": data}
    assert read.retry == 5
    assert raw.count(b"\n\n") == 1


@given(data=st.binary(max_size=40))
def test_frame__raw_data__one_frame_or_none(data: bytes) -> None:
    try:
        raw = frames.frame("a.b", data, cursor=CURSOR)
    except frames.BrokenFrame:
        assert not data or not data.isascii() or set(b"\n\r") & set(data)
    else:
        assert read_one(raw).data.encode() == data


def test_frame__cut_off_anywhere__moves_no_cursor() -> None:
    raw = frames.frame("notification.created", b'{"a":1}', cursor=CURSOR, retry_ms=1)
    for length in range(len(raw) - 1):
        parser = EventStreamParser()
        assert parser.feed(raw[:length]) == []
    assert raw.endswith(b"\nid: abcdefgh-7\n\n")


def test_frame__fields__stand_in_the_order_of_the_protocol() -> None:
    raw = frames.frame("a.b", b"{}", cursor=CURSOR, retry_ms=1)
    assert raw == b"event: a.b\nretry: 1\ndata: {}\nid: abcdefgh-7\n\n"


def opened(resume: frames.Resume) -> Any:
    return read_one(
        frames.stream_open(
            stream="s",
            inbox="0123456789abcdef",
            cursor=CURSOR,
            head="abcdefgh-9",
            unread_count=2,
            heartbeat_seconds=15,
            filters={"type": ["a.*"]},
            resume=resume,
            retry_ms=2_000,
        )
    )


def test_open__has_the_fields_and_the_start_cursor_as_id() -> None:
    event = opened("exact")
    assert (event.type, event.id, event.retry) == ("stream.open", CURSOR, 2_000)
    assert event.json == {
        "stream": "s",
        "inbox": "0123456789abcdef",
        "cursor": CURSOR,
        "head": "abcdefgh-9",
        "unread_count": 2,
        "heartbeat": 15,
        "filters": {"type": ["a.*"]},
        "resume": "exact",
    }


def test_open__before_a_reset__has_no_id() -> None:
    assert opened("reset").id is None


def test_reset_live_and_heartbeat__carry_their_cursor_as_id() -> None:
    reset = read_one(frames.stream_reset(reason="epoch", cursor=CURSOR))
    live = read_one(frames.stream_live(cursor=CURSOR, replayed=3))
    beat = read_one(frames.stream_heartbeat(cursor=CURSOR, head=CURSOR, at="now"))
    assert [event.id for event in (reset, live, beat)] == [CURSOR] * 3
    assert reset.json == {"reason": "epoch", "cursor": CURSOR}
    assert live.json == {"cursor": CURSOR, "replayed": 3}
    assert beat.json == {"cursor": CURSOR, "head": CURSOR, "at": "now"}


@pytest.mark.parametrize(("reconnect", "retry_ms"), [(True, 1_500), (False, 86_400_000)])
def test_close__says_when_to_come_back(reconnect: bool, retry_ms: int) -> None:
    event = read_one(frames.stream_close(reason="rotate", retry_ms=1_500, reconnect=reconnect))
    assert event.id is None
    assert event.retry == retry_ms
    assert event.json == {"reason": "rotate", "reconnect": reconnect, "retry_ms": retry_ms}


def test_close_reasons__can_all_be_put_on_record_and_are_those_of_the_protocol() -> None:
    reasons = set(get_args(frames.CloseReason))
    assert reasons == set(frames.RECONNECT)
    assert reasons <= set(EndReason.values)
    (row,) = re.findall(r"^\| `stream\.close` \| none \| `(.+?), \"reconnect\"", PROTOCOL.read_text(), re.M)
    assert reasons == set(re.findall(r'"([a-z]+)"', row)) - {"reason"}
