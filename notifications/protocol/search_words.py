"""The meaning of ``q``: the words that a notification's title and body must have (protocol, section 5).

Pure. A word is a run of letters and digits; everything else separates words, so there are no operators and
nothing to escape. The characters of words are listed here rather than asked of a locale: both databases cut
text at the same places.
"""

from __future__ import annotations

import re
from typing import Final

from notifications.exceptions import InvalidInput
from notifications.protocol import strict_json

MAX_SEARCH_LENGTH: Final = 200
MAX_WORDS: Final = 20

# The inside of a regular expression's brackets, which Python and PostgreSQL read alike: ASCII letters and
# digits, and beyond them all scripts with their marks, but not the blocks of punctuation, arrows, symbols and
# pictures. Migration 0006 holds a copy; another set of characters needs another migration.
WORD_CHARACTERS: Final = (
    r"0-9A-Za-z\u00c0-\u1fff\u2070-\u218f\u2c00-\u2dff\u3040-\ud7ff\uf900-\ufdff\ufe70-\ufefe\uff10-\uff19\uff21-\uff3a"
    r"\uff41-\uff5a\uff66-\uffdc\U00010000-\U0001efff\U00020000-\U0003ffff"
)
_WORD: Final = re.compile(f"[{WORD_CHARACTERS}]+")


def parse_words(text: str) -> frozenset[str] | None:
    """Split a search into words.

    Returns:
        The words. The empty set, which finds nothing, when there are only other characters. None for a blank
        text, which is no search at all.

    Raises:
        InvalidInput: it is too long, has too many words, or holds what no text may hold.
    """
    if len(text) > MAX_SEARCH_LENGTH:
        raise InvalidInput({"q": f"may have at most {MAX_SEARCH_LENGTH} characters"})
    strict_json.check_text(text, field="q")
    if not text.strip():
        return None
    words = frozenset(_WORD.findall(text))
    if len(words) > MAX_WORDS:
        raise InvalidInput({"q": f"may have at most {MAX_WORDS} words"})
    return words
