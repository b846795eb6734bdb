"""The sections on where a system's power came from, out of flows that are found once. Pure.

Rules that must stay true here: a section that has nothing to say is null.
"""

from reporter import battery, genset, shaving, sources, sustainability
from reporter.basis import Basis
from reporter.facts import Document
from reporter.flows import flows


def supply(basis: Basis) -> Document:
    """Make the sections sources, grid, pv, genset, battery, shaving and sustainability."""
    found = flows(basis)
    load_wh, _ = sources.used_wh(basis, found)
    return {
        "sources": sources.section(basis, found),
        "grid": sources.grid_section(found.grid),
        "pv": sources.pv_section(found.pv, load_wh),
        "genset": genset.section(basis, found.genset),
        "battery": battery.section(basis, found.battery),
        "shaving": shaving.section(basis, found),
        "sustainability": sustainability.section(basis, found),
    }
