"""All producers that this program knows: a new one is a module and a line here."""

from collections.abc import Callable, Mapping

from producers.host import HostSource
from producers.modbus.source import ModbusSource
from producers.source import Setting, Source
from producers.ups.source import UpsSource
from producers.victron.source import VictronSource

PRODUCERS: Mapping[str, Callable[[Setting], Source]] = {
    "host": HostSource,
    "modbus": ModbusSource,
    "ups": UpsSource,
    "victron": VictronSource,
}
