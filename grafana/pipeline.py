"""Pipeline: does what is read get recorded, and what is recorded to where it is shown; disk, broker, memory."""

from grafana_foundation_sdk.models import dashboard

from grafana.frame import PIPELINE, Part, frame
from grafana.panels import GREEN, RED, YELLOW, Query, graph, number, rows, timeline

_S = "15s"  # how often processes are asked
_HOST = 'system_id!=""'


def pipeline() -> dashboard.Dashboard:
    """Build it."""
    return frame(
        PIPELINE,
        "Pipeline",
        "Our own software. Read from the left: producers, outboxes, broker, recorder, projectors, disk. Nothing that "
        "is red here has lost anything yet: everything waits in front of what stands still.",
        [
            *_now(),
            "Processes",
            *_processes(),
            "Producers and outboxes",
            *_senders(),
            "Broker and recorder",
            *_recorder(),
            "Projectors",
            *_projectors(),
            "Machine",
            *_machine(),
            "Cloud, backup, certificates",
            *_safety(),
        ],
        span="now-3h",
        tags=["operations"],
    )


def _now() -> list[Part]:
    bad = ((None, GREEN), (1, RED))
    return [
        number(
            "Processes not working",
            "By their own word, or because the supervisor waits for them. `ovr status` says why.",
            "none",
            Query("count(ovr_process_online == 0) or vector(0)"),
            steps=bad,
        ),
        number(
            "Recorded a second",
            "Events that reached the journal, over the last minute. 0 means that nothing is recorded.",
            "short",
            Query("sum(rate(ovr_recorder_events_total[1m]))"),
            steps=((None, RED), (0.01, GREEN)),
        ),
        number(
            "Furthest behind",
            "Events that the slowest projector has not taken. Thousands that shrink are a backlog; that grow, a "
            "machine that is too slow, or something it waits for.",
            "short",
            Query("max(ovr_projector_lag_events)"),
            steps=((None, GREEN), (1000, YELLOW), (5000, RED)),
        ),
        number(
            "Waiting in outboxes",
            "Events that producers have read and the recorder has not confirmed.",
            "short",
            Query("sum(ovr_outbox_pending)"),
            steps=((None, GREEN), (500, YELLOW), (5000, RED)),
        ),
        number(
            "Refused in the range",
            "Messages that could not be recorded: `ovr journal dead-letters` says why.",
            "none",
            Query("sum(increase(ovr_recorder_refused_total[$__range])) or vector(0)"),
            steps=((None, GREEN), (1, YELLOW)),
        ),
        number(
            "Disk",
            "How full the disk with the data is. Above 95 % the recorder soon refuses samples, never operators.",
            "percent",
            Query(f"max(last_over_time(host_disk_used_pct{{{_HOST}}}[10m]))"),
            steps=((None, GREEN), (85, YELLOW), (95, RED)),
        ),
    ]


def _processes() -> list[Part]:
    return [
        timeline(
            "Processes",
            "Red: it did not work. A hole: the supervisor itself was not there, or was not asked.",
            Query("min by (of) (min_over_time(ovr_process_online[$__interval]))", "{{of}}"),
            texts={"1": ("works", GREEN), "0": ("does not work", RED)},
            interval=_S,
            wide=14,
            high=12,
        ),
        rows(
            "Processes now",
            "Memory, processor and restarts; one that restarts again and again has the reason in its log.",
            ("process",),
            Query("max by (process) (up)", "answers", "none", ((None, RED), (1, GREEN))),
            Query(
                'max by (process) (label_replace(ovr_process_restarts_total, "process", "$1", "of", "(.+)"))',
                "restarts",
                "none",
                ((None, GREEN), (1, YELLOW), (5, RED)),
            ),
            Query("max by (process) (process_resident_memory_bytes)", "memory", "bytes"),
            Query("sum by (process) (rate(process_cpu_seconds_total[5m]))", "processor", "percentunit"),
            Query("max by (process) (process_open_fds)", "files", "none"),
            sort="memory",
            wide=10,
            high=12,
        ),
        graph(
            "Processor by process",
            "Of one core; all together should stay below one.",
            "percentunit",
            Query("sum by (process) (rate(process_cpu_seconds_total[$__rate_interval]))", "{{process}}"),
            interval=_S,
            wide=8,
        ),
        graph(
            "Memory by process",
            "The highest of each step. Ours stay below 150 MB, archive and reports below 300 MB; a line that only "
            "rises is a leak: report it.",
            "bytes",
            Query(
                "max by (process) (max_over_time(process_resident_memory_bytes[$__interval]))", "{{process}}"
            ),
            interval=_S,
            wide=8,
        ),
        graph(
            "Written to disk by process",
            "Bytes a second that reached the disk, as the kernel counts them. Flash wears by this.",
            "Bps",
            Query("sum by (process) (rate(ovr_written_bytes_total[$__rate_interval]))", "{{process}}"),
            interval=_S,
            wide=8,
        ),
    ]


def _senders() -> list[Part]:
    return [
        graph(
            "Reads of devices",
            "Reads a second by producer.",
            "ops",
            Query("sum by (process) (rate(ovr_producer_reads_total[$__rate_interval]))", "{{process}}"),
            interval=_S,
            wide=8,
        ),
        graph(
            "Failed, late and missed reads",
            "A second, by producer. Failed: the device does not answer; late or missed: it answers too slowly.",
            "ops",
            Query(
                "sum by (process) (rate(ovr_producer_failed_total[$__rate_interval]))", "{{process}} failed"
            ),
            Query("sum by (process) (rate(ovr_producer_late_total[$__rate_interval]))", "{{process}} late"),
            Query(
                "sum by (process) (rate(ovr_producer_missed_total[$__rate_interval]))", "{{process}} missed"
            ),
            interval=_S,
            wide=8,
        ),
        timeline(
            "Devices that do not answer",
            "By producer; which ones, `ovr status` and the fleet's table say.",
            Query(
                "max by (process) (max_over_time(ovr_producer_devices_disconnected[$__interval]))",
                "{{process}}",
            ),
            texts={"0": ("all answer", GREEN)} | {str(n): (f"{n} silent", RED) for n in range(1, 11)},
            interval=_S,
            wide=8,
            high=8,
        ),
        graph(
            "Waiting in outboxes",
            "The most of each step. It rises while broker or recorder are away, and falls again by itself.",
            "short",
            Query("max by (client) (max_over_time(ovr_outbox_pending[$__interval]))", "{{client}}"),
            interval=_S,
        ),
        graph(
            "Confirmed and dropped",
            "Events a second. Anything dropped was a sample that an outbox had no room for: an event of type "
            "samples.dropped says which.",
            "ops",
            Query("sum by (client) (rate(ovr_outbox_confirmed_total[$__rate_interval]))", "{{client}}"),
            Query("sum(rate(ovr_outbox_dropped_total[$__rate_interval]))", "dropped, by all"),
            interval=_S,
        ),
    ]


def _recorder() -> list[Part]:
    return [
        graph(
            "Recorded",
            "Events a second, by the first word of their type.",
            "ops",
            Query("sum by (kind) (rate(ovr_recorder_events_total[$__rate_interval]))", "{{kind}}"),
            interval=_S,
            wide=8,
        ),
        graph(
            "Commit time",
            "The slowest hundredth and the middle. Above a quarter of a second the disk is too slow or nearly full.",
            "s",
            Query(
                "histogram_quantile(0.99, sum by (le) (rate(ovr_recorder_commit_seconds_bucket[$__rate_interval])))",
                "slowest hundredth",
            ),
            Query(
                "histogram_quantile(0.5, sum by (le) (rate(ovr_recorder_commit_seconds_bucket[$__rate_interval])))",
                "half",
            ),
            steps=((None, GREEN), (0.25, YELLOW), (1, RED)),
            interval=_S,
            wide=8,
        ),
        graph(
            "Refused, repeated and let go",
            "A minute. Refused: with reason, kept as dead letters. Repeated: came again after a restart, and counts "
            "once.",
            "cpm",
            Query(
                "sum by (reason) (60 * rate(ovr_recorder_refused_total[$__rate_interval]))",
                "refused: {{reason}}",
            ),
            Query("sum(60 * rate(ovr_recorder_duplicates_total[$__rate_interval]))", "repeated"),
            Query("sum(60 * rate(ovr_recorder_overflowed_total[$__rate_interval]))", "let go"),
            interval=_S,
            wide=8,
        ),
        graph(
            "In hand at the recorder",
            "The most of each step: messages taken and not committed. At 4,000 the broker holds the rest back.",
            "short",
            Query("max(max_over_time(ovr_recorder_in_hand[$__interval]))", "in hand"),
            steps=((None, GREEN), (2000, YELLOW), (4000, RED)),
            interval=_S,
            wide=8,
        ),
        graph(
            "Broker",
            "MQTT packets a second. Dropped: a reader was too slow; senders repeat theirs.",
            "ops",
            Query("rate(ovr_broker_messages_received_total[$__rate_interval])", "received"),
            Query("rate(ovr_broker_messages_sent_total[$__rate_interval])", "sent"),
            Query("rate(ovr_broker_publish_dropped_total[$__rate_interval])", "dropped"),
            interval=_S,
            wide=8,
        ),
        graph(
            "Broker's clients and memory",
            "Connections, and bytes of messages that wait in the broker; at 512 MiB it refuses more.",
            "short",
            Query("max_over_time(ovr_broker_clients_connected[$__interval])", "clients"),
            Query("max_over_time(ovr_broker_stored_bytes[$__interval])", "bytes waiting"),
            interval=_S,
            wide=8,
        ),
    ]


def _projectors() -> list[Part]:
    return [
        graph(
            "Behind the journal",
            "Events, the most of each step. A backlog shrinks; what grows does not keep up.",
            "short",
            Query("max by (process) (max_over_time(ovr_projector_lag_events[$__interval]))", "{{process}}"),
            steps=((None, GREEN), (5000, RED)),
            interval=_S,
            wide=8,
        ),
        graph(
            "Behind in time",
            "How old the newest event is that each has taken, while it is behind.",
            "s",
            Query("max by (process) (max_over_time(ovr_projector_lag_seconds[$__interval]))", "{{process}}"),
            steps=((None, GREEN), (30, YELLOW), (300, RED)),
            interval=_S,
            wide=8,
        ),
        graph(
            "Time of a batch",
            "The slowest hundredth, by projector.",
            "s",
            Query(
                "histogram_quantile(0.99, sum by (process, le) "
                "(rate(ovr_projector_batch_seconds_bucket[$__rate_interval])))",
                "{{process}}",
            ),
            interval=_S,
            wide=8,
        ),
        graph(
            "Dead letters",
            "Events that a projector could not apply, and rows that VictoriaMetrics refuses. It should stay at 0: "
            "`ovr journal dead-letters` and the projector's log say why.",
            "short",
            Query("max by (process) (ovr_projector_dead_letters)", "{{process}}"),
            Query("max by (process) (ovr_series_not_written)", "{{process}}: not written"),
            steps=((None, GREEN), (1, RED)),
            interval=_S,
            wide=8,
        ),
        graph(
            "Checkpoints",
            "The recorder's head, and up to where each effect is saved. Lines that lie flat while the head rises "
            "stand still; the series trail by half a minute on purpose.",
            "short",
            Query("max(ovr_recorder_position)", "head"),
            Query("max by (process) (ovr_projector_position)", "{{process}}"),
            Query("max(ovr_series_durable)", "durable in VictoriaMetrics"),
            interval=_S,
            wide=8,
        ),
        graph(
            "VictoriaMetrics",
            "Rows a second that it took in, and that it ignored because of their time.",
            "ops",
            Query("sum(rate(vm_rows_inserted_total[$__rate_interval]))", "taken"),
            Query("sum(rate(vm_rows_ignored_total[$__rate_interval])) or vector(0)", "ignored"),
            interval=_S,
            wide=8,
        ),
    ]


def _safety() -> list[Part]:
    return [
        graph(
            "Behind the cloud",
            "How old the oldest event is that the cloud does not have. On a node: its own uplink; in a cloud: every "
            "node's, as it said last. It rises while there is no link, and falls again by itself.",
            "s",
            Query("max(max_over_time(ovr_uplink_lag_seconds[$__interval]))", "this node"),
            Query("max by (of) (max_over_time(ovr_node_lag_seconds[$__interval]))", "{{of}}"),
            steps=((None, GREEN), (300, YELLOW), (3600, RED)),
            interval=_S,
            wide=8,
        ),
        graph(
            "Sent to the cloud",
            "Bytes a second, compressed.",
            "Bps",
            Query("sum(rate(ovr_uplink_sent_bytes_total[$__rate_interval]))", "sent"),
            interval=_S,
            wide=4,
        ),
        number(
            "Newest backup",
            "How old it is. No data: there never was one, or `ovr backup` is not told where to put it.",
            "s",
            Query("min(ovr_backup_age_seconds)"),
            steps=((None, GREEN), (2 * 86_400, YELLOW), (3 * 86_400, RED)),
            high=8,
        ),
        number(
            "Certificate ends in",
            "The first of those that the node listens with. Afterwards nobody can connect with TLS.",
            "s",
            Query("min(ovr_certificate_ends_seconds - time())"),
            steps=((None, RED), (7 * 86_400, YELLOW), (21 * 86_400, GREEN)),
            none="no certificate",
            high=8,
        ),
        number(
            "Disk guard",
            "What it does because of the room that is left; docs/backup.md says what comes in which order.",
            "none",
            Query("max(ovr_disk_level)"),
            steps=((None, GREEN), (1, YELLOW), (3, RED)),
            texts={
                "0": ("nothing", GREEN),
                "1": ("warns", YELLOW),
                "2": ("tidies up", YELLOW),
                "3": ("erases old samples", RED),
                "4": ("thins samples", RED),
                "5": ("refuses samples", RED),
            },
            high=8,
        ),
    ]


def _machine() -> list[Part]:
    return [
        graph(
            "Disk",
            "How full it is, by node. The guard says what it does at which level: docs/backup.md.",
            "percent",
            Query(
                f"max by (system_id) (max_over_time(host_disk_used_pct{{{_HOST}}}[$__interval]))",
                "{{system_id}}",
            ),
            steps=((None, GREEN), (85, YELLOW), (95, RED)),
            bounds=(0, 100),
            wide=8,
        ),
        graph(
            "Processor and memory",
            "The highest of each step, by node.",
            "percent",
            Query(
                f"max by (system_id) (max_over_time(host_cpu_pct{{{_HOST}}}[$__interval]))",
                "{{system_id}} processor",
            ),
            Query(
                f"max by (system_id) (max_over_time(host_memory_used_pct{{{_HOST}}}[$__interval]))",
                "{{system_id}} memory",
            ),
            bounds=(0, 100),
            wide=8,
        ),
        timeline(
            "Clock",
            "Whether the node's clock is synchronised. Times of readings drift while it is not.",
            Query(
                f"min by (system_id) (min_over_time(host_clock_synchronised_code{{{_HOST}}}[$__interval]))",
                "{{system_id}}",
            ),
            texts={"1": ("synchronised", GREEN), "0": ("not synchronised", RED)},
            wide=8,
            high=8,
        ),
    ]
