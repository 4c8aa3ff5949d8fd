"""Code calls things what docs/glossary.md does: no identifier holds a word that the glossary replaces."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

pytestmark = pytest.mark.shape("embedded")

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("notifications", "hub")

# Words that were names once and could not be guessed, with the word to use. The glossary adds its own column
# "not called" to them.
REPLACED: Final = {
    "alarm": "wakeup",
    "asker": "requester",
    "feeder": "change source",
    "moments": "times",
    "outbox": "send queue",
    "patience": "bounded waits",
    "presence": "stream records",
    "scribe": "counts writer",
    "pulse": "timers",
    "sleeper": "timed",
    "standing": "revocation",
    "stretch": "log range",
    "swept": "sweep result",
    "wording": "frames, texts",
}
# Words of the column that the code needs for something else: Django's, Channels' and asyncio's own, and the
# names of other things in the glossary. In a text about the thing of their row they are wrong all the same.
ELSEWHERE: Final = {
    "active", "activity", "block", "broadcast", "channel", "client", "confirmed", "delete",
    "delivered", "done", "erased", "feed", "group", "heartbeat", "held", "history", "horizon", "instance",
    "key", "kind", "latest", "lock", "log", "message", "origin", "pending", "publisher", "received",
    "redact", "replay", "resume", "right", "role", "secret", "sender", "session", "slot", "snapshot",
    "status", "subject", "target", "task", "tick", "token", "turn", "update", "verb", "wire", "worker",
}  # fmt: skip


def glossary() -> dict[str, str]:
    """Each single word of the column "not called", with the word of its row."""
    rows = re.findall(
        r"^\| ([^|]+) \|[^|]+\| ([^|]*) \|$", (ROOT / "docs/glossary.md").read_text("utf-8"), re.M
    )
    return {
        synonym: word
        for word, column in rows[1:]
        for synonym in re.split(r",\s*", re.sub(r"\([^)]*\)", "", column).strip())
        if re.fullmatch(r"[a-z]+", synonym)
    }


def identifiers(source: str) -> Iterator[tuple[int, str]]:
    """The names that a module gives to functions, classes, arguments and variables, with their lines."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.arg(arg=name) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.Name(id=name, ctx=ast.Store()):
                yield node.lineno, name


def words(identifier: str) -> set[str]:
    """The words that an identifier is made of, each in the singular and as it stands."""
    found = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", identifier)}
    return found | {word.removesuffix("s") for word in found}


def breaches(source: str, where: str, banned: dict[str, str]) -> list[str]:
    """What a reader is to change: the place, the name, and the word to use instead."""
    return [
        f"{where}:{line}: {name}: say {banned[word]!r}, not {word!r}"
        for line, name in [*identifiers(source), (1, Path(where).stem)]
        for word in sorted(words(name) & banned.keys())
    ]


BANNED: Final = {word: use for word, use in (REPLACED | glossary()).items() if word not in ELSEWHERE}


def test_glossary__its_column_is_read() -> None:
    assert {"mailbox", "outbox", "packet", "offset"} <= BANNED.keys()
    assert glossary().keys() >= ELSEWHERE


@pytest.mark.parametrize(
    "source",
    [
        "def take(outbox): ...",
        "class MailboxView: ...",
        "self._packets = 1",
        "async def resend_all(): ...",
        "OFFSET = 1",
    ],
)
def test_banned_word__in_any_kind_of_name__is_found(source: str) -> None:
    assert len(breaches(source, "module.py", BANNED)) == 1


@pytest.mark.parametrize("package", PACKAGES)
def test_code__calls_things_what_the_glossary_calls_them(package: str) -> None:
    modules = [
        module for module in sorted((ROOT / package).rglob("*.py")) if "migrations" not in module.parts
    ]
    assert modules
    found = [
        breach
        for module in modules
        for breach in breaches(module.read_text("utf-8"), str(module.relative_to(ROOT)), BANNED)
    ]
    assert found == []
