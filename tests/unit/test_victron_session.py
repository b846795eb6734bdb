"""What a GX tells becomes readings, alarms, comings and goings; the kinds of no news are told apart."""

import pytest

from producers.adapter import AlarmSeen, DeviceError, PartSeen
from producers.victron.gx_session import Assigned
from producers.victron.mapping import Pace
from tests.victron import PORTAL, START_US, SYSTEM, VEBUS, Bench, ScriptedGx, charger

RIG = {("vebus", 276): VEBUS, ("system", 0): SYSTEM}


def rig(**kinds: bool) -> ScriptedGx:
    return ScriptedGx(RIG, **kinds)


def test_a_snapshot_becomes_readings_in_our_names_units_and_signs() -> None:
    bench = Bench(rig()).open()

    fast, slow = bench.values(), bench.values(Pace.SLOW)

    assert fast["ac_in_l1_power_w"] == 1500
    assert fast["ac_out_l1_voltage_v"] == 229.89
    assert fast["dc_voltage_v"] == 52.42
    assert fast["battery_current_a"] == 5.1
    assert fast["soc_pct"] == 81.5
    assert fast["load_power_w"] == 900
    assert slow["energy_inverter_to_out_wh"] == 12346.0
    assert slow["battery_consumed_ah"] == 31.1
    assert not fast.keys() & slow.keys()


def test_null_is_no_value_and_a_path_that_nobody_told_is_missing() -> None:
    bench = Bench(rig()).open()
    bench.tell("vebus", 276, "/Ac/Out/P", None)

    values = bench.values()

    assert values["ac_in_l2_voltage_v"] is None
    assert values["ac_out_power_w"] == 900, "the sum of the phases, which are still told"
    assert "ac_in_l3_voltage_v" not in values


def test_a_device_that_left_takes_its_values_along_and_is_told_once_with_its_time() -> None:
    bench = Bench(rig()).open()
    assert bench.parts() == [("vebus/276", True)]
    bench.now_us += 100_000
    left_us = bench.now_us

    bench.take(*bench.gx.leave("vebus", 276))
    bench.run(1)
    read = bench.read()

    assert [
        (one.device, one.at_us) for one in read.seen if isinstance(one, PartSeen) and not one.present
    ] == [("vebus/276", left_us)]
    assert "ac_out_power_w" not in read.values
    assert "ac_out_l1_power_w" not in read.values
    assert read.values["battery_power_w"] == 267


def test_silence_with_a_heartbeat_leaves_values_as_they_are() -> None:
    bench = Bench(rig()).open()
    bench.parts()

    bench.run(100)

    assert bench.values()["ac_out_power_w"] == 900
    assert bench.parts() == []


def test_silence_without_a_heartbeat_is_no_reading_until_everything_was_told_anew() -> None:
    bench = Bench(rig()).open()
    bench.deaf = True
    bench.run(9)

    with pytest.raises(DeviceError, match="nothing was heard") as caught:
        bench.read()
    assert caught.value.reason == "silent"

    bench.take(bench.gx.beat())
    with pytest.raises(DeviceError):
        bench.read()

    bench.deaf = False
    bench.gx.services["vebus", 276]["/Ac/Out/P"] = 1234
    bench.run(10)
    assert bench.values()["ac_out_power_w"] == 1234


def test_a_lost_connection_is_no_reading_and_what_left_meanwhile_is_told() -> None:
    bench = Bench(rig()).open()
    bench.parts()
    bench.session.vigil.close("link_lost", "gone")

    with pytest.raises(DeviceError, match="gone"):
        bench.read()
    del bench.gx.services["vebus", 276]
    bench.open()

    assert bench.parts() == [("vebus/276", False)]
    assert "ac_out_power_w" not in bench.values()


def test_alarms_are_told_with_the_time_of_each_message_whatever_the_pace_of_reading() -> None:
    bench = Bench(rig()).open()
    bench.read()
    bench.seen.clear()
    times = []
    for value in (2, 0, 1):
        bench.now_us += 100_000
        times.append(bench.now_us)
        bench.tell("vebus", 276, "/Alarms/GridLost", value)

    seen = bench.read().seen

    assert seen == [
        AlarmSeen("grid_lost", "alarm", "vebus/276", at_us=times[0]),
        AlarmSeen("grid_lost", None, "vebus/276", at_us=times[1]),
        AlarmSeen("grid_lost", "warning", "vebus/276", at_us=times[2]),
    ]


def test_an_alarm_of_a_phase_a_fault_with_its_number_and_an_unlisted_alarm_have_their_names() -> None:
    bench = Bench(rig()).open()
    bench.read()

    bench.tell("vebus", 276, "/Alarms/L2/Overload", 2)
    bench.tell("vebus", 276, "/VebusError", 17)
    bench.tell("vebus", 276, "/Alarms/L3/NeverHeardOf", 1)
    bench.tell("vebus", 276, "/Alarms/GridLost", 9)
    seen = [one for one in bench.read().seen if isinstance(one, AlarmSeen)]

    assert [(one.alarm, one.phase, one.level, one.code) for one in seen] == [
        ("overload", "l2", "alarm", None),
        ("error", "", "alarm", 17.0),
        ("never_heard_of", "l3", "warning", None),
        ("grid_lost", "", "alarm", None),
    ]
    assert bench.values(Pace.SLOW)["alarm_grid_lost_code"] == 9


def test_what_is_told_again_is_no_transition() -> None:
    bench = Bench(rig()).open()
    bench.read()
    bench.seen.clear()

    bench.take(*bench.gx.everything(), bench.gx.end(), *bench.gx.everything(), bench.gx.end())
    bench.run(3)

    assert bench.read().seen == []


def test_unknown_codes_pass_through() -> None:
    bench = Bench(rig()).open()

    bench.tell("vebus", 276, "/Ac/ActiveIn/ActiveInput", 2)
    bench.tell("vebus", 276, "/State", 9999)

    values = bench.values()
    assert (values["ac_in_active_code"], values["state_code"]) == (2, 9999)


def test_several_of_a_kind_are_numbered_by_instance_and_keep_their_numbers() -> None:
    chargers = {("solarcharger", n): charger(f"HQ{n}", float(n)) for n in (279, 277)}
    bench = Bench(ScriptedGx({**RIG, **chargers})).open()
    assert (bench.values()["solarcharger_pv_power_w"], bench.values()["solarcharger_2_pv_power_w"]) == (
        277,
        279,
    )

    bench.gx.services["solarcharger", 270] = charger("HQ270", 270.0)
    bench.take(*bench.gx.service("solarcharger", 270))
    bench.take(*bench.gx.leave("solarcharger", 277))
    bench.run(3)

    values = bench.values()
    assert "solarcharger_pv_power_w" not in values
    assert values["solarcharger_2_pv_power_w"] == 279
    assert values["solarcharger_3_pv_power_w"] == 270


def test_numbers_outlive_a_restart_and_follow_a_device_to_another_instance() -> None:
    chargers = {("solarcharger", n): charger(f"HQ{n}", float(n)) for n in (277, 279)}
    before = Bench(ScriptedGx({**RIG, **chargers})).open()
    numbers = before.session.numbers.dump()

    moved = {("solarcharger", 300): charger("HQ277", 1.0), ("solarcharger", 279): charger("HQ279", 2.0)}
    new = {("solarcharger", 100): charger("HQ100", 3.0)}
    bench = Bench(ScriptedGx({**RIG, **moved, **new}), numbers=numbers).open()

    values = bench.values()
    assert values["solarcharger_pv_power_w"] == 1
    assert values["solarcharger_2_pv_power_w"] == 2
    assert values["solarcharger_3_pv_power_w"] == 3


def test_the_battery_in_charge_is_the_first() -> None:
    batteries = {("battery", n): {"/Dc/0/Voltage": 24.0 + n, "/Soc": n, "/Capacity": n} for n in (1, 289)}
    bench = Bench(ScriptedGx({**batteries, **RIG})).open()

    fast, slow = bench.values(), bench.values(Pace.SLOW)

    assert slow["battery_capacity_ah"] == 289
    assert slow["battery_2_capacity_ah"] == 1
    assert (fast["battery_voltage_v"], fast["soc_pct"]) == (52.4, 81.5), (
        "the GX's own come before the battery's"
    )
    assert (fast["battery_2_voltage_v"], fast["battery_2_soc_pct"]) == (25, 1)
    assert "battery_1_soc_pct" not in fast


def test_a_service_may_be_a_system_of_its_own() -> None:
    roof = {"/Ac/Power": 4200.0, "/ProductName": "Fronius Symo", "/Serial": "331", "/Alarms/X": 0}
    gx = ScriptedGx({**RIG, ("pvinverter", 31): roof, ("pvinverter", 32): {"/Ac/Power": 7.0}})
    bench = Bench(gx, assigned=(Assigned("pvinverter", 31, "pv_roof"),)).open()

    assert bench.values(system_id="pv_roof") == {"pvinverter_power_w": 4200}
    assert bench.values()["pvinverter_power_w"] == 7
    assert ("pvinverter/31", True) not in bench.parts()
    described = bench.session.describe("pv_roof")
    assert described is not None
    assert (described.model, described.serial) == ("Fronius Symo", "331")

    bench.take(*bench.gx.leave("pvinverter", 31))
    bench.run(1)
    with pytest.raises(DeviceError, match="pvinverter/31") as caught:
        bench.read(system_id="pv_roof")
    assert caught.value.reason == "left"


def test_a_second_one_of_a_kind_that_has_no_numbers_is_named_in_the_status() -> None:
    bench = Bench(ScriptedGx({**RIG, ("vebus", 288): {"/Ac/Out/P": 1}})).open()

    assert bench.values()["ac_out_power_w"] == 900
    assert bench.session.status()["unplaced"] == ["vebus/288"]


def test_parts_and_the_gx_say_what_they_are() -> None:
    gx = ScriptedGx({**RIG, ("solarcharger", 277): charger("HQ277", 1.0)})
    gx.services["platform", 0] = {"/Device/Model": "Cerbo GX", "/Firmware/Installed/Version": "v3.55"}
    bench = Bench(gx).open()

    about = {one.device: one.description for one in bench.read().seen if isinstance(one, PartSeen)}

    vebus, solar = about["vebus/276"], about["solarcharger/277"]
    assert vebus is not None
    assert solar is not None
    assert (vebus.model, vebus.firmware, vebus.product_id) == ("MultiPlus-II 48/5000/70-50", "552", "9766")
    assert (solar.serial, solar.firmware) == ("HQ277", "1.64")
    described = bench.session.describe("rig_01")
    assert described is not None
    assert (described.model, described.firmware, described.serial) == ("Cerbo GX", "v3.55", PORTAL)


def test_a_part_that_says_later_what_it_is_is_told_again() -> None:
    bench = Bench(rig()).open()
    bench.parts()

    bench.tell("vebus", 276, "/ProductName", "MultiPlus-II 48/8000/110-100")
    bench.run(1)

    (part,) = bench.read().seen
    assert isinstance(part, PartSeen)
    assert part.present
    assert part.description is not None
    assert part.description.model == "MultiPlus-II 48/8000/110-100"


def test_the_clock_of_the_gx_is_compared_with_ours() -> None:
    bench = Bench(rig(), beats=False).open()
    bench.take(bench.gx.beat(1_795_237_200 + 120))

    assert bench.values(Pace.SLOW)["device_clock_offset_s"] == pytest.approx(120.5)


def test_retained_words_of_a_dead_gx_are_never_live() -> None:
    gx = rig(old=True)
    bench = Bench(gx)
    bench.session.open(bench.now_us)
    for topic, said, _ in gx.everything():
        bench.session.take(topic, said, bench.now_us, retained=True)
    bench.deaf = True

    bench.run(60)

    with pytest.raises(DeviceError) as caught:
        bench.read()
    assert caught.value.reason == "silent"


def test_an_old_gx_that_others_keep_alive_is_asked_for_each_of_its_words() -> None:
    gx = rig(old=True)
    gx.alive = True
    bench = Bench(gx)
    bench.session.open(bench.now_us)
    for topic, said, _ in [*gx.everything(), *ScriptedGx({("tank", 3): {"/Level": 5}}).everything()]:
        bench.session.take(topic, said, bench.now_us, retained=True)
    bench.gx.services["vebus", 276]["/Ac/Out/P"] = 555

    bench.run(14)

    values = bench.values()
    assert values["ac_out_power_w"] == 555
    assert bench.session.status()["old_protocol"]
    assert "tank_level_pct" not in bench.values(Pace.SLOW), "nobody answers for what is not there any more"
    assert bench.parts() == [("vebus/276", True)]


def test_empty_messages_of_an_old_gx_that_was_not_kept_alive_are_no_departures() -> None:
    gx = rig(old=True)
    bench = Bench(gx).open(within_s=10)
    assert bench.parts() == [("vebus/276", True)]
    gx.alive = False

    bench.take(*[(topic, b"", True) for topic, _, _ in gx.everything() if "Serial" not in topic])
    assert bench.values() == {}
    bench.run(5)

    assert bench.values()["ac_out_power_w"] == 900
    bench.run(30)
    assert bench.parts() == []


def test_a_device_that_left_an_old_gx_is_told_with_the_time_it_left() -> None:
    bench = Bench(rig(old=True)).open(within_s=10)
    bench.parts()
    left_us = bench.now_us
    bench.take(*bench.gx.leave("vebus", 276))

    bench.run(12)

    parts = [(one.device, one.present, one.at_us) for one in bench.read().seen if isinstance(one, PartSeen)]
    assert parts == [("vebus/276", False, left_us)]


def test_a_device_that_came_is_told_with_the_time_it_came_and_what_it_is() -> None:
    bench = Bench(rig()).open()
    bench.parts()
    bench.gx.services["solarcharger", 277] = charger("HQ277", 50.0)
    came_us = bench.now_us
    bench.take(*bench.gx.service("solarcharger", 277))
    bench.run(3)

    (part,) = bench.read().seen

    assert isinstance(part, PartSeen)
    assert (part.device, part.present, part.at_us) == ("solarcharger/277", True, came_us)
    assert part.description is not None
    assert part.description.serial == "HQ277"


def test_nothing_is_read_before_the_snapshot_is_whole() -> None:
    bench = Bench(rig())
    bench.session.open(START_US)
    bench.take(*bench.gx.everything())

    with pytest.raises(DeviceError):
        bench.read()
