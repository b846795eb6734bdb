"""Recordings of real GX devices, judged: nothing occurred in them, however often values were repeated."""

import pytest

from producers.victron.mapping import Pace
from tests.detecting import brief, detected
from tests.streams import Said
from tests.unit.test_victron_recordings import FIGURES, play, recording, told

PACES = {Pace.FAST: 500, Pace.SLOW: 5000}


@pytest.mark.parametrize("name", FIGURES)
def test_a_recording_in_which_nothing_happened_raises_nothing(name: str) -> None:
    messages = recording(name)
    vebus = "vebus/276" if name == "venus-docker-bct" else "vebus/257"
    repeated = {
        path: told(messages, f"{vebus}/{path}")[1] for path in ("Mode", "Ac/ActiveIn/ActiveInput", "State")
    }
    assert all(len(set(values)) == 1 for values in repeated.values()), "the recording holds no transition"

    samples = [
        Said("sample.taken", "rig", at_s, {"kind": "victron", "interval_ms": PACES[pace], "values": values})
        for pace, of_pace in play(messages).samples.items()
        for at_s, values in of_pace
    ]
    samples.sort(key=lambda said: said.at_s)

    assert brief(detected(samples)) == []


def test_the_mode_that_a_gx_repeats_hundreds_of_times_is_no_change() -> None:
    messages = recording("venus-docker-bct")

    assert len(told(messages, "vebus/276/Mode")[1]) > 600
    assert set(told(messages, "vebus/276/Ac/ActiveIn/ActiveInput")[1]) == {240}
