"""SunSpec models as Fronius inverters and their meters, and Acuvim meters with a WEB module, give them.

The order of the points, their types and scale factors are those of the SunSpec Alliance's models.
"""

from collections.abc import Sequence

from producers.simulator.modbus_image import Tell, Told
from producers.simulator.sunspec_image import Model, Point, SunSpecImage, floating, table

ACUVIM_BASE = 50_000
_INVERTER = table("""
    A       uint16     A_SF    ac_out_current_a
    AphA    uint16     A_SF    ac_out_l1_current_a
    AphB    uint16     A_SF    ac_out_l2_current_a
    AphC    uint16     A_SF    ac_out_l3_current_a
    A_SF    sunssf     -       -
    PPVphAB uint16     V_SF    ac_out_l12_voltage_v
    PPVphBC uint16     V_SF    ac_out_l23_voltage_v
    PPVphCA uint16     V_SF    ac_out_l31_voltage_v
    PhVphA  uint16     V_SF    ac_out_l1_voltage_v
    PhVphB  uint16     V_SF    ac_out_l2_voltage_v
    PhVphC  uint16     V_SF    ac_out_l3_voltage_v
    V_SF    sunssf     -       -
    W       int16      W_SF    ac_out_power_w
    W_SF    sunssf     -       -
    Hz      uint16     Hz_SF   ac_out_frequency_hz
    Hz_SF   sunssf     -       -
    VA      int16      VA_SF   ac_out_apparent_power_va
    VA_SF   sunssf     -       -
    VAr     int16      VAr_SF  ac_out_reactive_power_var
    VAr_SF  sunssf     -       -
    PF      int16      PF_SF   ac_out_power_factor_ratio 100
    PF_SF   sunssf     -       -
    WH      acc32      WH_SF   ac_out_energy_import_wh
    WH_SF   sunssf     -       -
    DCA     uint16     DCA_SF  dc_in_current_a
    DCA_SF  sunssf     -       -
    DCV     uint16     DCV_SF  dc_in_voltage_v
    DCV_SF  sunssf     -       -
    DCW     int16      DCW_SF  dc_in_power_w
    DCW_SF  sunssf     -       -
    TmpCab  int16      Tmp_SF  inverter_cabinet_temperature_c
    TmpSnk  int16      Tmp_SF  inverter_heatsink_temperature_c
    TmpTrns int16      Tmp_SF  inverter_transformer_temperature_c
    TmpOt   int16      Tmp_SF  inverter_other_temperature_c
    Tmp_SF  sunssf     -       -
    St      enum16     -       inverter_state_code
    StVnd   enum16     -       inverter_vendor_state_code
    Evt1    bitfield32 -       inverter_events_1_code
    Evt2    bitfield32 -       inverter_events_2_code
    EvtVnd1 bitfield32 -       inverter_vendor_events_1_code
    EvtVnd2 bitfield32 -       inverter_vendor_events_2_code
    EvtVnd3 bitfield32 -       inverter_vendor_events_3_code
    EvtVnd4 bitfield32 -       inverter_vendor_events_4_code
""")
_METER = table("""
    A       int16      A_SF    ac_current_a
    AphA    int16      A_SF    ac_l1_current_a
    AphB    int16      A_SF    ac_l2_current_a
    AphC    int16      A_SF    ac_l3_current_a
    A_SF    sunssf     -       -
    PhV     int16      V_SF    ac_voltage_v
    PhVphA  int16      V_SF    ac_l1_voltage_v
    PhVphB  int16      V_SF    ac_l2_voltage_v
    PhVphC  int16      V_SF    ac_l3_voltage_v
    PPV     int16      V_SF    ac_ll_voltage_v
    PhVphAB int16      V_SF    ac_l12_voltage_v
    PhVphBC int16      V_SF    ac_l23_voltage_v
    PhVphCA int16      V_SF    ac_l31_voltage_v
    V_SF    sunssf     -       -
    Hz      int16      Hz_SF   ac_frequency_hz
    Hz_SF   sunssf     -       -
    W       int16      W_SF    ac_power_w
    WphA    int16      W_SF    ac_l1_power_w
    WphB    int16      W_SF    ac_l2_power_w
    WphC    int16      W_SF    ac_l3_power_w
    W_SF    sunssf     -       -
    VA      int16      VA_SF   ac_apparent_power_va
    VAphA   int16      VA_SF   ac_l1_apparent_power_va
    VAphB   int16      VA_SF   ac_l2_apparent_power_va
    VAphC   int16      VA_SF   ac_l3_apparent_power_va
    VA_SF   sunssf     -       -
    VAR     int16      VAR_SF  ac_reactive_power_var
    VARphA  int16      VAR_SF  ac_l1_reactive_power_var
    VARphB  int16      VAR_SF  ac_l2_reactive_power_var
    VARphC  int16      VAR_SF  ac_l3_reactive_power_var
    VAR_SF  sunssf     -       -
    PF      int16      PF_SF   ac_power_factor_ratio    100
    PFphA   int16      PF_SF   ac_l1_power_factor_ratio 100
    PFphB   int16      PF_SF   ac_l2_power_factor_ratio 100
    PFphC   int16      PF_SF   ac_l3_power_factor_ratio 100
    PF_SF   sunssf     -       -
    TotWhExp         acc32 TotWh_SF   ac_energy_export_wh
    TotWhExpPhA      acc32 TotWh_SF   ac_l1_energy_export_wh
    TotWhExpPhB      acc32 TotWh_SF   ac_l2_energy_export_wh
    TotWhExpPhC      acc32 TotWh_SF   ac_l3_energy_export_wh
    TotWhImp         acc32 TotWh_SF   ac_energy_import_wh
    TotWhImpPhA      acc32 TotWh_SF   ac_l1_energy_import_wh
    TotWhImpPhB      acc32 TotWh_SF   ac_l2_energy_import_wh
    TotWhImpPhC      acc32 TotWh_SF   ac_l3_energy_import_wh
    TotWh_SF  sunssf   -       -
    TotVAhExp        acc32 TotVAh_SF  ac_apparent_energy_export_vah
    TotVAhExpPhA     acc32 TotVAh_SF  ac_l1_apparent_energy_export_vah
    TotVAhExpPhB     acc32 TotVAh_SF  ac_l2_apparent_energy_export_vah
    TotVAhExpPhC     acc32 TotVAh_SF  ac_l3_apparent_energy_export_vah
    TotVAhImp        acc32 TotVAh_SF  ac_apparent_energy_import_vah
    TotVAhImpPhA     acc32 TotVAh_SF  ac_l1_apparent_energy_import_vah
    TotVAhImpPhB     acc32 TotVAh_SF  ac_l2_apparent_energy_import_vah
    TotVAhImpPhC     acc32 TotVAh_SF  ac_l3_apparent_energy_import_vah
    TotVAh_SF sunssf   -       -
    TotVArhImpQ1     acc32 TotVArh_SF ac_reactive_energy_q1_varh
    TotVArhImpQ1PhA  acc32 TotVArh_SF ac_l1_reactive_energy_q1_varh
    TotVArhImpQ1PhB  acc32 TotVArh_SF ac_l2_reactive_energy_q1_varh
    TotVArhImpQ1PhC  acc32 TotVArh_SF ac_l3_reactive_energy_q1_varh
    TotVArhImpQ2     acc32 TotVArh_SF ac_reactive_energy_q2_varh
    TotVArhImpQ2PhA  acc32 TotVArh_SF ac_l1_reactive_energy_q2_varh
    TotVArhImpQ2PhB  acc32 TotVArh_SF ac_l2_reactive_energy_q2_varh
    TotVArhImpQ2PhC  acc32 TotVArh_SF ac_l3_reactive_energy_q2_varh
    TotVArhExpQ3     acc32 TotVArh_SF ac_reactive_energy_q3_varh
    TotVArhExpQ3PhA  acc32 TotVArh_SF ac_l1_reactive_energy_q3_varh
    TotVArhExpQ3PhB  acc32 TotVArh_SF ac_l2_reactive_energy_q3_varh
    TotVArhExpQ3PhC  acc32 TotVArh_SF ac_l3_reactive_energy_q3_varh
    TotVArhExpQ4     acc32 TotVArh_SF ac_reactive_energy_q4_varh
    TotVArhExpQ4PhA  acc32 TotVArh_SF ac_l1_reactive_energy_q4_varh
    TotVArhExpQ4PhB  acc32 TotVArh_SF ac_l2_reactive_energy_q4_varh
    TotVArhExpQ4PhC  acc32 TotVArh_SF ac_l3_reactive_energy_q4_varh
    TotVArh_SF sunssf  -       -
    Evt     bitfield32 -       meter_events_code
""")
_NAMEPLATE = """
    DERTyp   enum16 -        ={kind}
    WRtg     uint16 WRtg_SF  ac_out_nominal_power_w
    WRtg_SF  sunssf -        -
    VARtg    uint16 VARtg_SF ac_out_nominal_power_w
    VARtg_SF sunssf -        -
    VArRtgQ1 int16  VArRtg_SF -
    VArRtgQ2 int16  VArRtg_SF -
    VArRtgQ3 int16  VArRtg_SF -
    VArRtgQ4 int16  VArRtg_SF -
    VArRtg_SF sunssf -       -
    ARtg     uint16 ARtg_SF  -
    ARtg_SF  sunssf -        -
    PFRtgQ1  int16  PFRtg_SF -
    PFRtgQ2  int16  PFRtg_SF -
    PFRtgQ3  int16  PFRtg_SF -
    PFRtgQ4  int16  PFRtg_SF -
    PFRtg_SF sunssf -        -
    WHRtg    uint16 WHRtg_SF -
    WHRtg_SF sunssf -        -
    AhrRtg   uint16 AhrRtg_SF battery_capacity_ah
    AhrRtg_SF sunssf -       -
    MaxChaRte uint16 MaxChaRte_SF battery_charge_power_limit_w
    MaxChaRte_SF sunssf -    -
    MaxDisChaRte uint16 MaxDisChaRte_SF -
    MaxDisChaRte_SF sunssf - -
    Pad      uint16 -        -
"""
_SETTINGS = table("""
    WMax     uint16 WMax_SF  ac_out_nominal_power_w
    VRef     uint16 VRef_SF  -
    VRefOfs  int16  VRefOfs_SF -
    VMax     uint16 VMinMax_SF -
    VMin     uint16 VMinMax_SF -
    VAMax    uint16 VAMax_SF ac_out_nominal_power_w
    VArMaxQ1 int16  VArMax_SF -
    VArMaxQ2 int16  VArMax_SF -
    VArMaxQ3 int16  VArMax_SF -
    VArMaxQ4 int16  VArMax_SF -
    WGra     uint16 WGra_SF  -
    PFMinQ1  int16  PFMin_SF -
    PFMinQ2  int16  PFMin_SF -
    PFMinQ3  int16  PFMin_SF -
    PFMinQ4  int16  PFMin_SF -
    VArAct   enum16 -        -
    ClcTotVA enum16 -        -
    MaxRmpRte uint16 MaxRmpRte_SF -
    ECPNomHz uint16 ECPNomHz_SF -
    ConnPh   enum16 -        -
    WMax_SF  sunssf -        -
    VRef_SF  sunssf -        -
    VRefOfs_SF sunssf -      -
    VMinMax_SF sunssf -      -
    VAMax_SF sunssf -        -
    VArMax_SF sunssf -       -
    WGra_SF  sunssf -        -
    PFMin_SF sunssf -        -
    MaxRmpRte_SF sunssf -    -
    ECPNomHz_SF sunssf -     -
""")
_STATUS = table("""
    PVConn    bitfield16 -   =7
    StorConn  bitfield16 -   -
    ECPConn   bitfield16 -   =1
    ActWh     acc64  -       ac_out_energy_import_wh
    ActVAh    acc64  -       -
    ActVArhQ1 acc64  -       -
    ActVArhQ2 acc64  -       -
    ActVArhQ3 acc64  -       -
    ActVArhQ4 acc64  -       -
    VArAval   int16  VArAval_SF -
    VArAval_SF sunssf -      -
    WAval     uint16 WAval_SF -
    WAval_SF  sunssf -       -
    StSetLimMsk bitfield32 - -
    StActCtl  bitfield32 -   =0
    TmSrc     string:4 -     -
    Tms       uint32 -       -
    RtSt      bitfield16 -   -
    Ris       uint16 Ris_SF  pv_insulation_ohm
    Ris_SF    sunssf -       -
""")
_CONTROLS = table("""
    Conn_WinTms  uint16 - =0
    Conn_RvrtTms uint16 - =0
    Conn         enum16 - =1
    WMaxLimPct   uint16 WMaxLimPct_SF =100
    WMaxLimPct_WinTms  uint16 - =0
    WMaxLimPct_RvrtTms uint16 - =0
    WMaxLimPct_RmpTms  uint16 - -
    WMaxLim_Ena  enum16 - =0
    OutPFSet     int16  OutPFSet_SF =1
    OutPFSet_WinTms  uint16 - =0
    OutPFSet_RvrtTms uint16 - =0
    OutPFSet_RmpTms  uint16 - -
    OutPFSet_Ena enum16 - =0
    VArWMaxPct   int16  VArPct_SF -
    VArMaxPct    int16  VArPct_SF =0
    VArAvalPct   int16  VArPct_SF -
    VArPct_WinTms  uint16 - =0
    VArPct_RvrtTms uint16 - =0
    VArPct_RmpTms  uint16 - -
    VArPct_Mod   enum16 - =2
    VArPct_Ena   enum16 - =0
    WMaxLimPct_SF sunssf - -
    OutPFSet_SF  sunssf - -
    VArPct_SF    sunssf - -
""")
_TRACKERS = """
    DCA_SF  sunssf     - -
    DCV_SF  sunssf     - -
    DCW_SF  sunssf     - -
    DCWH_SF sunssf     - -
    Evt     bitfield32 - =0
    N       count      - ={modules}
    TmsPer  uint16     - -
"""
_MODULE = """
    DCA     uint16     DCA_SF  {reading}_current_a
    DCV     uint16     DCV_SF  {reading}_voltage_v
    DCW     uint16     DCW_SF  {reading}_power_w
    DCWH    acc32      DCWH_SF {reading}_energy_wh
    Tms     uint32     -       -
    Tmp     int16      -       {reading}_temperature_c
    DCSt    enum16     -       {reading}_state_code
    DCEvt   bitfield32 -       -
"""
_STORAGE = table("""
    WChaMax    uint16     WChaMax_SF        battery_charge_power_limit_w
    WChaGra    uint16     WChaDisChaGra_SF  =100
    WDisChaGra uint16     WChaDisChaGra_SF  =100
    StorCtl_Mod bitfield16 -                battery_control_code
    VAChaMax   uint16     VAChaMax_SF       -
    MinRsvPct  uint16     MinRsvPct_SF      battery_reserve_pct
    ChaState   uint16     ChaState_SF       soc_pct
    StorAval   uint16     StorAval_SF       battery_available_ah
    InBatV     uint16     InBatV_SF         battery_voltage_v
    ChaSt      enum16     -                 battery_charge_state_code
    OutWRte    int16      InOutWRte_SF      battery_discharge_rate_limit_pct
    InWRte     int16      InOutWRte_SF      battery_charge_rate_limit_pct
    InOutWRte_WinTms  uint16 - -
    InOutWRte_RvrtTms uint16 - =0
    InOutWRte_RmpTms  uint16 - -
    ChaGriSet  enum16     -                 battery_grid_charging_code
    WChaMax_SF sunssf       - -
    WChaDisChaGra_SF sunssf - -
    VAChaMax_SF sunssf      - -
    MinRsvPct_SF sunssf     - -
    ChaState_SF sunssf      - -
    StorAval_SF sunssf      - -
    InBatV_SF  sunssf       - -
    InOutWRte_SF sunssf     - -
""")
_PV, _PV_WITH_STORAGE = 4, 82
_SLEEPING, _TRACKING = 2, 4
_DISCHARGING, _CHARGING, _HOLDING = 3, 4, 6


def fronius_inverter(
    tell: Tell,
    *,
    floats: bool = False,
    phases: int = 3,
    trackers: int = 2,
    storage: bool | None = None,
    model: str = "",
    serial: str = "34119102",
) -> SunSpecImage:
    """Make the chain of an inverter.

    Args:
        tell: gives its readings.
        floats: its setting "Inverter SunSpec Model Type".
        phases: 1, 2 for split phase, or 3.
        trackers: of its PV.
        storage: it has a battery; None: it has one if it tells a state of charge now.
        model: as its name plate says.
        serial: as its name plate says.
    """
    if storage is None:
        storage = tell().get("soc_pct") is not None
    model = model or ("Symo GEN24 10.0 Plus" if storage else "Symo GEN24 10.0")
    readings = [(f"String {number}", f"pv_{number}") for number in range(1, trackers + 1)]
    if storage:
        readings += [(f"StCha {trackers + 1}", "charging"), (f"StDisCha {trackers + 2}", "discharging")]
    number = (110 if floats else 100) + phases
    models = [
        _common("Fronius", model, serial),
        Model(number, floating(_INVERTER) if floats else _INVERTER),
        Model(120, table(_NAMEPLATE.format(kind=_PV_WITH_STORAGE if storage else _PV))),
        Model(121, _SETTINGS),
        Model(122, _STATUS),
        Model(123, _CONTROLS),
        Model(160, _modules(readings)),
    ]
    return SunSpecImage(tell, [*models, Model(124, _STORAGE)] if storage else models, derive=_of_hybrid)


def sunspec_meter(
    tell: Tell,
    *,
    floats: bool = False,
    kind: int = 3,
    maker: str = "Fronius",
    model: str = "Smart Meter TS 65A-3",
    serial: str = "1842530191",
    base: int = 40_000,
) -> SunSpecImage:
    """Make the chain of a meter; `kind` is 1 single-phase, 2 split-phase, 3 wye, 4 delta."""
    number = (210 if floats else 200) + kind
    points = floating(_METER) if floats else _METER
    return SunSpecImage(tell, [_common(maker, model, serial), Model(number, points)], base=base)


def _common(maker: str, model: str, serial: str) -> Model:
    texts = (("Mn", 16, maker), ("Md", 16, model), ("Opt", 8, ""), ("Vr", 8, "1.28.7-1"), ("SN", 16, serial))
    points = [Point(name, f"string:{count}", content=content) for name, count, content in texts]
    return Model(1, [*points, Point("DA", "uint16", content=1)])


def _modules(readings: Sequence[tuple[str, str]]) -> list[Point]:
    points = table(_TRACKERS.format(modules=len(readings)))
    for number, (name, reading) in enumerate(readings, start=1):
        points += [
            Point("ID", "uint16", content=number),
            Point("IDStr", "string:8", content=name),
            *table(_MODULE.format(reading=reading)),
        ]
    return [_numbered(point, at) for at, point in enumerate(points)]


def _numbered(point: Point, at: int) -> Point:
    """Tell points of one name apart: a model's values are kept by name."""
    if point.type in {"sunssf", "count"}:
        return point
    return Point(f"{point.name}@{at}", point.type, point.scale, point.reading, point.factor, point.content)


def _of_hybrid(told: Told) -> Told:
    """Add what a hybrid inverter works out of its own: states, and its battery as two modules, in and out."""
    battery_w, pv_w = told.get("battery_power_w"), told.get("pv_power_w")
    power_w, volts = told.get("ac_out_power_w"), told.get("battery_voltage_v")
    derived: dict[str, float | None] = {
        "inverter_state_code": _SLEEPING if not power_w and not pv_w else _TRACKING,
        "charging_energy_wh": told.get("battery_energy_charged_wh"),
        "discharging_energy_wh": told.get("battery_energy_discharged_wh"),
    }
    if battery_w is not None:
        derived["battery_charge_state_code"] = (
            _CHARGING if battery_w > 0 else _DISCHARGING if battery_w < 0 else _HOLDING
        )
        for module, watts in (("charging", max(0.0, battery_w)), ("discharging", max(0.0, -battery_w))):
            derived |= {
                f"{module}_power_w": watts,
                f"{module}_voltage_v": volts,
                f"{module}_current_a": watts / volts if volts else None,
            }
    if pv_w is not None or battery_w is not None:
        derived["dc_in_power_w"] = (pv_w or 0.0) - (battery_w or 0.0)
    return {**derived, **told}
