"""All producers that this program knows: a new one is a module and a few lines here.

Rules that must stay true here: a producer's process loads its own libraries, and no other's.
"""

from collections.abc import Callable, Mapping

from producers.source import Setting, Source


def _host(setting: Setting) -> Source:
    from producers.host import HostSource

    return HostSource(setting)


def _modbus(setting: Setting) -> Source:
    from producers.modbus.source import ModbusSource

    return ModbusSource(setting)


def _ups(setting: Setting) -> Source:
    from producers.ups.source import UpsSource

    return UpsSource(setting)


def _victron(setting: Setting) -> Source:
    from producers.victron.source import VictronSource

    return VictronSource(setting)


PRODUCERS: Mapping[str, Callable[[Setting], Source]] = {
    "host": _host,
    "modbus": _modbus,
    "ups": _ups,
    "victron": _victron,
}
