"""Where everything lies in a node's data directory. No other module of `ovr` spells a file name of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

REMADE: Final = frozenset(
    {"state", "counters", "series", "victoria-metrics", "archive", "recorder", "run", "simulator"}
)
"""What a backup leaves out, because it is made again, or is of this machine alone."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The files below one data directory.

    `journal/` is the truth; `outbox/`, `producers/`, `photos/`, `site-plan/`, `users.json` and `keys.json`
    belong to it in a backup; the read models can be rebuilt; `run/` is made anew at every start.
    """

    data: Path

    @property
    def site(self) -> Path:
        """The node's configuration, unless another file is named."""
        return self.data / "site.toml"

    @property
    def users(self) -> Path:
        """Who may use the broker: names, roles and hashed passwords."""
        return self.data / "users.json"

    @property
    def keys(self) -> Path:
        """Who may use the HTTP API: names, roles and hashed keys."""
        return self.data / "keys.json"

    @property
    def journal(self) -> Path:
        """The journal's directory."""
        return self.data / "journal"

    @property
    def outbox(self) -> Path:
        """Where senders keep what is not confirmed."""
        return self.data / "outbox"

    @property
    def state(self) -> Path:
        """The state read model."""
        return self.data / "state"

    @property
    def series(self) -> Path:
        """The series projector's own files."""
        return self.data / "series"

    @property
    def archive(self) -> Path:
        """The archive read model: Parquet files."""
        return self.data / "archive"

    @property
    def victoria(self) -> Path:
        """The files of VictoriaMetrics."""
        return self.data / "victoria-metrics"

    @property
    def simulated_devices(self) -> Path:
        """How the devices of a virtual site are reached."""
        return self.data / "simulator" / "devices.toml"

    @property
    def recorder(self) -> Path:
        """The recorder's own: a copy of the journal's head."""
        return self.data / "recorder"

    @property
    def photos(self) -> Path:
        """Photos, by hash."""
        return self.data / "photos"

    @property
    def reports(self) -> Path:
        """Reports that made themselves."""
        return self.data / "reports"

    @property
    def run(self) -> Path:
        """What belongs to the running processes."""
        return self.data / "run"

    @property
    def logs(self) -> Path:
        """One log a process."""
        return self.run / "logs"

    @property
    def secrets(self) -> Path:
        """The generated passwords of our own processes, one a file."""
        return self.run / "secrets"

    @property
    def supervisor(self) -> Path:
        """What the supervisor runs: ports, processes, and how they are."""
        return self.run / "supervisor.json"

    @property
    def lock(self) -> Path:
        """Held by the supervisor, and by whoever replaces files under it."""
        return self.run / "supervisor.lock"

    @property
    def swap_request(self) -> Path:
        """Asks for the rebuilt series to take the place of the old ones."""
        return self.run / "swap-series"

    @property
    def retry_request(self) -> Path:
        """Asks the supervisor to start the processes again that it had given up."""
        return self.run / "retry"

    @property
    def scrape(self) -> Path:
        """The generated list of whom VictoriaMetrics asks for figures."""
        return self.run / "scrape.yml"

    @property
    def mosquitto_conf(self) -> Path:
        """The generated configuration of Mosquitto."""
        return self.run / "mosquitto.conf"

    @property
    def mosquitto_acl(self) -> Path:
        """The generated access list of Mosquitto."""
        return self.run / "mosquitto.acl"

    @property
    def mosquitto_passwords(self) -> Path:
        """The generated password file of Mosquitto."""
        return self.run / "mosquitto.passwords"

    @property
    def backup_state(self) -> Path:
        """What became of the newest backup."""
        return self.run / "backup.json"

    @property
    def restoring(self) -> Path:
        """A restore that is not finished."""
        return self.data / ".restoring"

    def kept(self) -> Iterator[Path]:
        """Yield what lies in the data directory and belongs into a backup, but for the journal.

        Whatever is not known to be remade does: rather too much than too little.
        """
        for path in sorted(self.data.iterdir()):
            name = path.name
            remade = name.partition(".")[0] in REMADE  # a verification makes `series.verify`
            if remade or name in {"journal", "lost+found"} or name.startswith((".", "replaced-")):
                continue
            yield path
