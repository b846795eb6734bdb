"""Modbus requests and their answers, without the frame around them: what a unit says to what it is asked.

Pure. Nothing can be written: every function but the two reading ones is refused as unknown.
"""

import struct
from typing import Protocol

READ_HOLDING, READ_INPUT = 3, 4
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, DEVICE_FAILURE, NO_ANSWER_BEHIND_GATEWAY = 1, 2, 3, 4, 11
_READ = struct.Struct(">BHH")
_MOST_REGISTERS = 125
_END = 0x10000


class Refused(Exception):  # noqa: N818 - an answer of the protocol, not an error of ours
    """The unit answers with an exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}")
        self.code = code


class Registers(Protocol):
    """The registers of one unit."""

    def read(self, function: int, address: int, count: int) -> bytes:
        """Give the bytes of `count` registers.

        Raises:
            Refused: it has no such registers.
        """
        ...


def answer(registers: Registers | None, request: bytes) -> bytes:
    """Answer a request; without registers as a gateway does for a unit that does not answer."""
    try:
        return _told(registers, request)
    except Refused as refused:
        return refusal(request, refused.code)


def refusal(request: bytes, code: int) -> bytes:
    """Refuse a request with an exception code."""
    return bytes((request[0] | 0x80, code))


def _told(registers: Registers | None, request: bytes) -> bytes:
    if registers is None:
        raise Refused(NO_ANSWER_BEHIND_GATEWAY)
    if request[0] not in {READ_HOLDING, READ_INPUT}:
        raise Refused(ILLEGAL_FUNCTION)
    if len(request) != _READ.size:
        raise Refused(ILLEGAL_VALUE)
    function, address, count = _READ.unpack(request)
    if not 1 <= count <= _MOST_REGISTERS:
        raise Refused(ILLEGAL_VALUE)
    if address + count > _END:
        raise Refused(ILLEGAL_ADDRESS)
    told = registers.read(function, address, count)
    return bytes((function, len(told))) + told
