"""Who an installation is, and the seal on what its processes tell each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.streaming.addressing import EVERYBODY
from notifications.streaming.hints import seal as sealing
from notifications.streaming.hints.seal import Seal
from notifications.streaming.metrics import METRICS
from notifications.system.installation import Installation

pytestmark = pytest.mark.shape("embedded")

MESSAGE = {"type": "notifications.events", "events": [[["7"], [["7", 42]], b"event: a.b\n", "a.b", "é"]]}


def seal(secret: str = "new", *former: str, identity: str = "a database") -> Seal:
    return Seal(Installation.derive(secret, former, identity=identity))


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """What was refused since the test began, by why."""
    monkeypatch.setattr(METRICS, "refused_messages", Counter())
    sealing._warn_of.cache_clear()
    yield METRICS.refused_messages
    sealing._warn_of.cache_clear()


def closed(by: Seal, message: Any = MESSAGE) -> dict[str, Any]:
    sealed = by.seal(message)
    assert sealed is not None
    return sealed


def test_derivation__golden__so_that_a_new_version_understands_the_one_before() -> None:
    installation = Installation.derive("secret", ["former"], identity="postgresql:1:2:3")
    assert [key.name for key in installation.keys] == ["272f24464c016990", "0ecc4ca235fc0039"]
    assert (
        installation.current.subkey("channel layer", salt=b"s" * 16).hex()
        == "b3d1a295ed8b1ad6b4585a80f4e3da2d5f006ef880b5d21639193d2e5881272f"
    )


@given(
    first=st.tuples(st.text(), st.text()),
    second=st.tuples(st.text(), st.text()),
)
def test_names_and_keys__are_the_same_exactly_where_secret_and_database_are(
    first: tuple[str, str], second: tuple[str, str]
) -> None:
    ours, theirs = (
        Installation.derive(secret.encode("utf-8", "replace"), [], identity=identity)
        for secret, identity in (first, second)
    )
    is_same = (first[0].encode("utf-8", "replace"), first[1]) == (
        second[0].encode("utf-8", "replace"),
        second[1],
    )
    assert (ours.name == theirs.name) is is_same
    salt = b"s" * 16
    assert (ours.current.subkey("p", salt=salt) == theirs.current.subkey("p", salt=salt)) is is_same


def test_subkeys__another_purpose_or_salt__another_key() -> None:
    key = Installation.derive("secret", [], identity="a database").current
    keys = {key.subkey(purpose, salt=salt) for purpose in ("a", "b") for salt in (b"1", b"2")}
    assert len(keys) == 4
    assert "_root" not in repr(key)


def test_former_keys__the_same_twice__count_once() -> None:
    installation = Installation.derive("new", ["old", "new", "old"], identity="a database")
    assert len(installation.keys) == 2
    assert installation.keys[0].name == installation.name


def test_message__comes_back_as_it_was_in_another_process_of_the_installation() -> None:
    sealed = closed(seal())
    assert seal().open(sealed) == MESSAGE
    assert b"event" not in sealed["sealed"]
    assert b"a.b" not in sealed["sealed"]


def test_message__of_a_copy_of_the_database_with_the_same_key__is_not_heard_and_does_not_open(
    refused: Counter[str],
) -> None:
    ours, theirs = seal(), seal(identity="its copy")
    for address in ("7", EVERYBODY):
        assert not set(ours.groups(address)) & set(theirs.groups(address))
    assert ours.channel_prefix != theirs.channel_prefix
    sealed = closed(theirs)
    assert ours.open(sealed) is None
    assert ours.open({**sealed, "by": ours.name}) is None
    assert refused == {"foreign": 1, "broken": 1}


def test_rolling_change_of_the_key__the_new_one_hears_the_former__which_never_seals(
    refused: Counter[str],
) -> None:
    before, after = seal("old"), seal("new", "old")
    assert before.group("7") in after.groups("7")
    assert after.open(closed(before)) == MESSAGE
    assert after.group("7") == after.groups("7")[0] == seal("new").group("7")
    assert closed(after)["by"] == seal("new").name
    assert before.open(closed(after)) is None
    assert refused == {"foreign": 1}


def test_change_of_the_key_in_two_steps__both_hear_each_other_throughout() -> None:
    steps = [seal("old"), seal("old", "new"), seal("new", "old"), seal("new")]
    for before, after in pairwise(steps):
        for sender, receiver in ((before, after), (after, before)):
            assert sender.group("7") in receiver.groups("7")
            assert receiver.open(closed(sender)) == MESSAGE


@given(data=st.data())
def test_message__with_any_byte_changed__does_not_open(data: st.DataObject) -> None:
    ours = seal()
    sealed = closed(ours)
    index = data.draw(st.integers(0, len(sealed["sealed"]) - 1))
    changed = bytearray(sealed["sealed"])
    changed[index] ^= data.draw(st.integers(1, 255))
    assert ours.open({**sealed, "sealed": bytes(changed)}) is None
    assert ours.open({**sealed, "sealed": sealed["sealed"][:index]}) is None


@pytest.mark.parametrize(
    "message",
    [
        MESSAGE,
        None,
        [],
        {},
        {"type": "notifications.sealed"},
        {"type": "notifications.sealed", "by": 7, "sealed": b""},
        {"type": "notifications.sealed", "by": seal().name, "sealed": "text"},
        {"type": "notifications.sealed", "by": seal().name, "sealed": b""},
        {**closed(seal()), "type": "notifications.other"},
    ],
    ids=["not-sealed", "nothing", "list", "empty", "no-seal", "no-name", "text", "no-bytes", "another-kind"],
)
def test_message__that_is_none_of_ours__is_dropped_and_counted(message: Any, refused: Counter[str]) -> None:
    assert seal().open(message) is None
    assert refused.total() == 1


def test_refusals__are_logged_once_for_each_reason(
    refused: Counter[str], caplog: pytest.LogCaptureFixture
) -> None:
    ours = seal()
    for _ in range(100):
        ours.open(MESSAGE)
        ours.open({**closed(ours), "sealed": b"x" * 100})
    assert refused == {"foreign": 100, "broken": 100}
    assert len(caplog.records) == 2


def test_size__is_looked_at_before_the_seal(refused: Counter[str], monkeypatch: pytest.MonkeyPatch) -> None:
    ours = seal()
    sealed = closed(ours, {"x": b"y" * 10_000})
    monkeypatch.setattr(sealing, "MAX_SEALED_BYTES", 9_000)
    monkeypatch.setattr(ours, "_cipher_of", None)
    assert ours.open(sealed) is None
    assert refused == {"too_large": 1}
    with pytest.raises(ValueError, match="bytes"):
        ours.seal({"x": b"y" * 10_000})


def test_size__the_largest_that_is_sealed__opens(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = seal()
    sealed = closed(ours, MESSAGE)
    monkeypatch.setattr(sealing, "MAX_SEALED_BYTES", len(sealed["sealed"]) - sealing._OVERHEAD_BYTES)
    assert ours.open(closed(ours, MESSAGE)) == MESSAGE


def test_processes__never_share_a_key__nor_messages_a_nonce() -> None:
    ours = seal()
    first, second, other = closed(ours), closed(ours), closed(seal())
    salts = [each["sealed"][:16] for each in (first, second, other)]
    assert salts[0] == salts[1] != salts[2]
    assert first["sealed"][16:28] != second["sealed"][16:28]


def test_key_of_a_process__that_has_sealed_very_much__is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "MAX_MESSAGES_PER_SALT", 2)
    ours = seal()
    sealed = [closed(ours) for _ in range(5)]
    assert len({each["sealed"][:16] for each in sealed}) == 3
    assert [seal().open(each) for each in sealed] == [MESSAGE] * 5
