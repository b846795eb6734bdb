"""How a simulated GX is set up."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from producers.simulator.gx_core import KEEPALIVE_S
from producers.simulator.gx_service import CALM, Rates

OnWrite = Callable[[str, int, str, Any], bool]
_USERNAMES = ("ovr", "victron", "gx", "admin", "root", "homeassistant", "nobody")


@dataclass(frozen=True, slots=True)
class GxOptions:
    """What can be chosen of a simulated GX.

    Attributes:
        port: where its broker listens; 0 takes a free one.
        tls: clients connect with TLS; the certificate is self-signed.
        password: the password of its security profile.
        usernames: the user names that may come with the password; a real one does not look at them.
        firmware: releases before 3.20 speak the old protocol, in which everything is retained.
        ac_inputs: what is at AC input 1 and 2: 0 nothing, 1 grid, 2 generator, 3 shore.
        unix_s: its wall clock, which may be wrong.
        on_write: is told what clients write as service type, instance, path, value; it returns True when the
            site sees to it, else the value is kept as written.
    """

    port: int = 0
    tls: bool = False
    password: str | None = None
    usernames: Sequence[str] = _USERNAMES
    firmware: str = "v3.55"
    model: str = "Cerbo GX"
    system_name: str = ""
    ac_inputs: tuple[int, int] = (1, 0)
    rates: Rates = CALM
    keepalive_s: float = KEEPALIVE_S
    unix_s: Callable[[], float] = time.time
    on_write: OnWrite | None = None
