"""What devices on a GX say about themselves: product, versions, connection. Data only.

Names, product ids and versions are those of real devices in Victron's own recordings, where they hold one.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Product:
    """A product as D-Bus describes it.

    Attributes:
        connection: how it is wired to the GX.
        process: the GX's own process that speaks to it.
    """

    name: str | None
    product_id: int | None
    firmware: int | str | None
    connection: str
    process: str
    process_version: str
    serial: str | None = None


PRODUCTS: Mapping[str, Product] = {
    "vebus": Product("MultiPlus 48/5000/70-100", 9764, 1362, "VE.Bus", "mk2-dbus-fw212", "3.39"),
    "multi": Product("Multi RS Solar 48/6000/100-450/100", 42050, 67840, "VE.Can", "vecan-dbus", "3.34"),
    "battery": Product(
        "Lynx Smart BMS 500", 41957, 67327, "VE.Can", "vecan-dbus", "3.34", "0427738 HQ23414KM63"
    ),
    "solarcharger": Product(
        "SmartSolar Charger MPPT 100/20 48V", 41056, 356, "VE.Direct", "vedirect-dbus", "3.83", "HQ2309TJQM3"
    ),
    "grid": Product("Grid meter", 45058, 2, "/dev/ttyUSB0", "dbus-cgwacs", "1.8.0", "BP09300580014"),
    "acload": Product("AC load meter", 45058, 2, "/dev/ttyUSB0", "dbus-cgwacs", "1.8.0", "BP09300580015"),
    "pvinverter": Product(
        "Fronius Symo", 41282, "3.29.1-1", "192.168.1.31", "dbus-fronius", "1.7.2", "33160812"
    ),
    "genset": Product("Fischer Panda Genset", 45120, 516, "VE.Can", "vecan-dbus", "f.02.20", "00000.00022"),
    "generator": Product("Start/Stop generator", None, None, "Generator", "dbus_generator.py", "1.6.1"),
    "tank": Product("Generic Tank Input", 41313, None, "Tank Level input 1", "dbus-adc", "1.32"),
    "temperature": Product("RuuviTag", 49193, None, "Bluetooth LE", "dbus-ble-sensors", "0.3"),
    "alternator": Product("Integrel E-Power", 45202, "1.158", "VE.Can", "vecan-dbus", "3.34", "90E9"),
    "dcdc": Product("Orion XS 12/12-50A", 41968, 67840, "VE.Direct", "vedirect-dbus", "3.83", "HQ2334ABCDE"),
    "digitalinput": Product("Digital input", 41318, None, "Digital input 1", "dbus-digitalinputs", "2.22"),
    "gps": Product("GPS", 0, None, "/dev/ttyACM0", "gps-dbus", "1.04"),
    "system": Product(None, None, None, "data from other dbus processes", "dbus_systemcalc.py", "2.175"),
    "platform": Product(None, None, None, "", "venus-platform", "1.0"),
    "settings": Product(None, None, None, "", "localsettings", "1.70"),
}

SETTINGS: Mapping[str, tuple[float | str, float | None, float | None]] = {  # value, lowest, highest
    "/Settings/SystemSetup/AcInput1": (1, 0, 3),
    "/Settings/SystemSetup/AcInput2": (0, 0, 3),
    "/Settings/SystemSetup/MaxChargeCurrent": (-1.0, -1.0, 0.0),
    "/Settings/SystemSetup/MaxChargeVoltage": (0.0, 0.0, 80.0),
    "/Settings/SystemSetup/SystemName": ("", None, None),
    "/Settings/CGwacs/Hub4Mode": (1, 0, 0),
    "/Settings/CGwacs/AcPowerSetPoint": (50.0, 0.0, 0.0),
    "/Settings/CGwacs/BatteryLife/MinimumSocLimit": (10.0, 0.0, 100.0),
    "/Settings/CGwacs/BatteryLife/State": (10, 0, 0),
    "/Settings/CGwacs/MaxDischargePower": (-1.0, -1.0, 0.0),
    "/Settings/CGwacs/MaxFeedInPower": (-1.0, -1.0, 0.0),
    "/Settings/CGwacs/OvervoltageFeedIn": (0, 0, 1),
    "/Settings/CGwacs/PreventFeedback": (0, 0, 1),
    "/Settings/CGwacs/RunWithoutGridMeter": (0, 0, 1),
}

WRITABLE: Mapping[str, frozenset[str]] = {
    "vebus": frozenset({"/Mode", "/Ac/ActiveIn/CurrentLimit", "/Ac/In/1/CurrentLimit", "/CustomName"}),
    "multi": frozenset({"/Mode", "/Ac/In/1/CurrentLimit", "/CustomName"}),
    "battery": frozenset({"/Mode", "/CustomName"}),
    "solarcharger": frozenset({"/Mode", "/CustomName"}),
    "generator": frozenset({"/ManualStart", "/AutoStartEnabled"}),
    "genset": frozenset({"/Start", "/CustomName"}),
    "pvinverter": frozenset({"/Ac/PowerLimit", "/CustomName"}),
    "grid": frozenset({"/CustomName"}),
    "acload": frozenset({"/CustomName"}),
    "tank": frozenset({"/CustomName"}),
    "temperature": frozenset({"/CustomName"}),
    "alternator": frozenset({"/Mode", "/CustomName"}),
    "dcdc": frozenset({"/Mode", "/CustomName"}),
    "digitalinput": frozenset({"/CustomName"}),
    "system": frozenset({"/Relay/0/State", "/Relay/1/State"}),
    "settings": frozenset(SETTINGS),
}
