"""The words of NUT's network protocol: requests and answers as values. Pure.

Rules that must stay true here:
- this program only reads: no request that sets, commands or logs in can be written;
- what is not an answer to what was asked is an error, never a guess.

Lines are words, in quotes where they hold blanks; a backslash takes the next character as it is
(networkupstools/nut, docs/net-protocol.txt).
"""

import re
from collections.abc import Sequence

_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|((?:[^\s"\\]|\\.)+)')
_ESCAPED = re.compile(r"\\(.)")
_BARE = re.compile(r"[A-Za-z0-9_.@:-]+")
_LONGEST_LIST = 10_000


class ProtocolError(Exception):
    """What came is not NUT's protocol, or not the answer to what was asked."""


class Refusal(Exception):  # noqa: N818 - upsd's own word is `ERR`, with its name in `word`
    """Upsd refused a request.

    Attributes:
        word: why, in upsd's own word, such as DATA-STALE.
    """

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


def request(*words: str) -> bytes:
    """Write a request.

    Raises:
        ValueError: a word holds what no line can carry.
    """
    return (" ".join(quoted(word) for word in words) + "\n").encode()


def quoted(word: str) -> str:
    """Write one word, in quotes when it needs them."""
    if not word.isprintable():
        raise ValueError(f"{word!r} holds characters that NUT cannot carry")
    if _BARE.fullmatch(word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def words(line: str) -> list[str]:
    """Read the words of a line.

    Raises:
        ProtocolError: a quote is left open.
    """
    found, at, text = [], 0, line.strip()
    while at < len(text):
        match = _WORD.match(text, at)
        if match is None:
            raise ProtocolError(f"this line cannot be read: {line[:80]!r}")
        inner = match.group(1) if match.group(1) is not None else match.group(2)
        found.append(_ESCAPED.sub(r"\1", inner))
        at = match.end()
        while at < len(text) and text[at].isspace():
            at += 1
    return found


def opened(line: str, asked: Sequence[str]) -> None:
    """Check the first line of the answer to `LIST …`.

    Raises:
        Refusal: upsd says `ERR`.
        ProtocolError: it answers something else.
    """
    said = words(line)
    if said[:1] == ["ERR"]:
        raise Refusal(said[1] if len(said) > 1 else "UNKNOWN")
    if said != ["BEGIN", "LIST", *asked]:
        raise ProtocolError(f"asked for {' '.join(asked)}, and was told {line.strip()[:80]!r}")


def item(line: str, asked: Sequence[str], so_far: int) -> tuple[str, str] | None:
    """Read a further line of that answer: a name and its text; None when it is the last.

    Raises:
        ProtocolError: the line belongs to no such answer, or they never end.
    """
    said = words(line)
    if said == ["END", "LIST", *asked]:
        return None
    if said[:1] == ["ERR"] or said[: len(asked)] != list(asked) or len(said) != len(asked) + 2:
        raise ProtocolError(f"within the list of {' '.join(asked)} stands {line.strip()[:80]!r}")
    if so_far >= _LONGEST_LIST:
        raise ProtocolError(f"the list of {' '.join(asked)} does not end")
    return said[-2], said[-1]
