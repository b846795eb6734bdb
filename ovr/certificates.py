"""When a certificate ends, as the file says. Pure, but for reading it.

Rules that must stay true here: what is no certificate says nothing; it never raises.
"""

import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

_SEQUENCE, _VERSION, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0xA0, 0x17, 0x18
_FORMS: Final = {_UTC_TIME: "%y%m%d%H%M%SZ", _GENERALIZED_TIME: "%Y%m%d%H%M%SZ"}
_LONG: Final = 0x80


def ends_at_s(path: Path) -> float | None:
    """Return when the first certificate of a PEM file ends, in Unix seconds; None when it does not say."""
    try:
        text = path.read_text(encoding="ascii", errors="ignore")
        begin = text.index(ssl.PEM_HEADER)
        end = text.index(ssl.PEM_FOOTER, begin) + len(ssl.PEM_FOOTER)
        return _not_after(ssl.PEM_cert_to_DER_cert(text[begin:end])).timestamp()
    except (OSError, ValueError, IndexError, KeyError):
        return None


def _not_after(der: bytes) -> datetime:
    """Walk to the second time of the validity: RFC 5280, 4.1."""
    _, certificate, _ = _element(der)
    _, fields, _ = _element(certificate)
    tag, _, rest = _element(fields)
    if tag == _VERSION:
        _, _, rest = _element(rest)  # then that was the version, and this the serial number
    _, _, rest = _element(rest)  # the signature's algorithm
    _, _, rest = _element(rest)  # the issuer
    tag, validity, _ = _element(rest)
    if tag != _SEQUENCE:
        raise ValueError("no validity")
    _, _, rest = _element(validity)
    tag, until, _ = _element(rest)
    return datetime.strptime(until.decode("ascii"), _FORMS[tag]).replace(tzinfo=UTC)


def _element(data: bytes) -> tuple[int, bytes, bytes]:
    """Take one DER element off: its tag, its content, and what follows."""
    tag, length, start = data[0], data[1], 2
    if length >= _LONG:
        start += length - _LONG
        length = int.from_bytes(data[2:start], "big")
    if start + length > len(data):
        raise ValueError("cut off")
    return tag, data[start : start + length], data[start + length :]
