"""The points of SunSpec models, and the readings that they tell.

The order of the points, their types and scale factors are those of the SunSpec Alliance's models. Braces are
filled in for each device.
"""

from producers.simulator.sunspec_image import table

INVERTER = table("""
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
METER = table("""
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
NAMEPLATE = """
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
SETTINGS = table("""
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
STATUS = table("""
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
CONTROLS = table("""
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
TRACKERS = """
    DCA_SF  sunssf     - -
    DCV_SF  sunssf     - -
    DCW_SF  sunssf     - -
    DCWH_SF sunssf     - -
    Evt     bitfield32 - =0
    N       count      - ={modules}
    TmsPer  uint16     - -
"""
MODULE = """
    DCA     uint16     DCA_SF  {reading}_current_a
    DCV     uint16     DCV_SF  {reading}_voltage_v
    DCW     uint16     DCW_SF  {reading}_power_w
    DCWH    acc32      DCWH_SF {reading}_energy_wh
    Tms     uint32     -       -
    Tmp     int16      -       {reading}_temperature_c
    DCSt    enum16     -       {reading}_state_code
    DCEvt   bitfield32 -       -
"""
STORAGE = table("""
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
