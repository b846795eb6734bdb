"""One connection to an upsd, made when it is needed and made anew after any doubt.

Rules that must stay true here:
- requests go one after the other, and a request that does not get its whole answer (an error, a cancelled
  read) closes the connection: what comes late can never be taken for the answer to the next request;
- what upsd calls stale is an error with its reason: old figures are never told as new ones;
- nothing logs in: upsd would count us among those it waits for before it switches off.
"""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from producers.adapter import DeviceError
from producers.ups import protocol
from producers.ups.protocol import ProtocolError, Refusal

PORT = 3493
_REASONS = {
    "DATA-STALE": ("stale", "upsd has had nothing new from the UPS for a while"),
    "DRIVER-NOT-CONNECTED": ("driver_lost", "the UPS's driver does not run"),
    "UNKNOWN-UPS": ("left", "upsd knows no UPS of this name"),
    "ACCESS-DENIED": ("refused", "upsd denies access to this user or address"),
    "INVALID-USERNAME": ("refused", "upsd does not take the user name"),
    "INVALID-PASSWORD": ("refused", "upsd does not take the password"),
    "FEATURE-NOT-CONFIGURED": ("refused", "upsd has no certificate, so it cannot encrypt"),
    "FEATURE-NOT-SUPPORTED": ("refused", "this upsd cannot encrypt"),
}


class Upsd:
    """Reads an upsd.

    Args:
        username: told to upsd when given; reading needs none unless its administrator wants one.
        tls: encrypt (STARTTLS), and trust what this trusts.
    """

    def __init__(
        self,
        host: str,
        port: int = PORT,
        *,
        username: str | None = None,
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._host, self._port = host, port
        self._introduction = [
            protocol.request(word, said)
            for word, said in (("USERNAME", username), ("PASSWORD", password))
            if said is not None
        ]
        self._tls = tls
        self._turn = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ups(self) -> dict[str, str]:
        """List the UPSes: name to description.

        Raises:
            DeviceError: it cannot be reached, or refuses.
        """
        return await self._list("UPS")

    async def variables(self, ups: str) -> dict[str, str]:
        """List what is known of a UPS: variable to text.

        Raises:
            DeviceError: upsd cannot be reached, does not know it, or has nothing fresh.
        """
        return await self._list("VAR", ups)

    def close(self) -> None:
        """Let go of the connection; the next request makes another."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _list(self, *asked: str) -> dict[str, str]:
        async with self._turn:
            with self._in_doubt_closed():
                reader, writer = self._streams or await self._connect()
                writer.write(protocol.request("LIST", *asked))
                protocol.opened(await _line(reader), asked)
                found: dict[str, str] = {}
                for so_far in count():
                    item = protocol.item(await _line(reader), asked, so_far)
                    if item is None:
                        break
                    found[item[0]] = item[1]
                return found

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = self._streams = await asyncio.open_connection(self._host, self._port)
        if self._tls is not None:
            await self._agreed(protocol.request("STARTTLS"))
            await writer.start_tls(self._tls, server_hostname=self._host)
        for line in self._introduction:
            await self._agreed(line)
        return reader, writer

    async def _agreed(self, line: bytes) -> None:
        """Say something that upsd has to agree to."""
        assert self._streams is not None
        reader, writer = self._streams
        writer.write(line)
        if (said := protocol.words(await _line(reader)))[:1] != ["OK"]:
            self.close()
            raise Refusal(said[1] if said[:1] == ["ERR"] and len(said) > 1 else "UNKNOWN")

    @contextmanager
    def _in_doubt_closed(self) -> Iterator[None]:
        try:
            yield
        except Refusal as error:  # a whole answer: the connection is good
            reason, detail = _REASONS.get(error.word, ("refused", f"upsd says {error.word}"))
            raise DeviceError(detail, reason=reason) from error
        except ssl.SSLCertVerificationError as error:
            self.close()
            detail = f"{self.address} shows a certificate that is not trusted: {error.verify_message}"
            raise DeviceError(detail, reason="refused") from error
        except ConnectionRefusedError as error:
            raise DeviceError(f"no upsd listens at {self.address}", reason="refused") from error
        except (EOFError, OSError) as error:
            self.close()
            detail = f"{self.address}: {str(error) or 'upsd closed the connection'}"
            raise DeviceError(detail, reason="link_lost") from error
        except (ProtocolError, ValueError) as error:  # asyncio's ValueError: a line without an end
            self.close()
            raise DeviceError(f"{self.address}: {error}", reason="garbled") from error
        except BaseException:
            self.close()
            raise


async def _line(reader: asyncio.StreamReader) -> str:
    line = await reader.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    return line.decode(errors="replace")
