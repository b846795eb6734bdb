-- The state projector's tables. Instants are whole microseconds since the Unix epoch; JSON columns hold objects.
-- `node` is the node that an uplink brought something from; empty for what was recorded here.

-- The nodes whose events were brought here, as of the newest of each lane; none but in a cloud.
CREATE TABLE IF NOT EXISTS nodes (
    node TEXT PRIMARY KEY,
    incarnation TEXT NOT NULL,
    facts_position INTEGER NOT NULL,        -- in the node's journal: everything but samples is here up to there
    facts_recorded_us INTEGER NOT NULL,     -- when the node recorded that, by its clock
    samples_position INTEGER NOT NULL,      -- samples are here up to there
    samples_recorded_us INTEGER NOT NULL,
    progressed_position INTEGER NOT NULL,   -- the same without samples: up to where the uplink said that all is here
    progressed_recorded_us INTEGER NOT NULL,
    brought_us INTEGER NOT NULL,            -- when the newest fact was recorded here
    restored TEXT                           -- JSON: the newest journal.restored that the node told
) STRICT, WITHOUT ROWID;

-- Other names of systems.
CREATE TABLE IF NOT EXISTS aliases (
    alias TEXT NOT NULL,
    system_id TEXT NOT NULL,
    node TEXT NOT NULL,
    PRIMARY KEY (alias, node)
) STRICT, WITHOUT ROWID;

-- One row a system that anything was said about at a node; `systems` has one a system.
CREATE TABLE IF NOT EXISTS node_systems (
    system_id TEXT NOT NULL,
    name TEXT,
    kind TEXT,
    registration TEXT,          -- JSON: the newest system.registered as a whole
    event_id TEXT,              -- what it takes part in now
    event_started_us INTEGER,
    location TEXT,              -- where it is now
    lat REAL,
    lon REAL,
    located_us INTEGER,
    node TEXT NOT NULL,
    PRIMARY KEY (system_id, node)
) STRICT, WITHOUT ROWID;

-- One row a window; the position of the fact that started it names it for good.
CREATE TABLE IF NOT EXISTS windows (
    system_id TEXT NOT NULL,
    started_by INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    started_us INTEGER NOT NULL,
    ended_us INTEGER,
    ended_by INTEGER,
    superseded INTEGER NOT NULL,
    location TEXT,              -- the last one
    node TEXT NOT NULL,
    PRIMARY KEY (system_id, started_by)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS windows_of_event ON windows (event_id, started_us);

-- The parts of windows by location; they tile them.
CREATE TABLE IF NOT EXISTS segments (
    system_id TEXT NOT NULL,
    started_by INTEGER NOT NULL,
    segment INTEGER NOT NULL,
    location TEXT,
    from_us INTEGER NOT NULL,
    to_us INTEGER,
    node TEXT NOT NULL,
    PRIMARY KEY (system_id, started_by, segment)
) STRICT, WITHOUT ROWID;

-- Every place that was said, by location.set or at a start; what was undone is not here.
CREATE TABLE IF NOT EXISTS locations (
    system_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    time_us INTEGER NOT NULL,
    name TEXT NOT NULL,
    lat REAL,
    lon REAL,
    accuracy_m REAL,
    node TEXT NOT NULL,
    PRIMARY KEY (system_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS locations_by_time ON locations (system_id, time_us, position);

CREATE TABLE IF NOT EXISTS notes (
    position INTEGER PRIMARY KEY,
    system_id TEXT NOT NULL,
    time_us INTEGER NOT NULL,
    client TEXT NOT NULL,
    event_id TEXT,              -- as given; `notes_in_windows` finds it by time
    text TEXT NOT NULL,
    node TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS notes_by_time ON notes (system_id, time_us);

CREATE TABLE IF NOT EXISTS photos (
    position INTEGER PRIMARY KEY,
    system_id TEXT NOT NULL,
    time_us INTEGER NOT NULL,
    client TEXT NOT NULL,
    event_id TEXT,
    sha256 TEXT NOT NULL,
    media_type TEXT NOT NULL,
    caption TEXT,
    bytes INTEGER,
    width INTEGER,
    height INTEGER,
    node TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS photos_by_time ON photos (system_id, time_us);

-- The newest sample of each stream by (time, position); `readings` is easier to read.
CREATE TABLE IF NOT EXISTS latest_samples (
    system_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    interval_ms INTEGER NOT NULL,
    time_us INTEGER NOT NULL,
    position INTEGER NOT NULL,
    data TEXT NOT NULL,         -- JSON: the sample
    node_position INTEGER,      -- where the node recorded it, and when
    node_recorded_us INTEGER,
    node TEXT NOT NULL,
    PRIMARY KEY (system_id, kind, interval_ms)
) STRICT;

-- The newest that is known of each device of a system.
CREATE TABLE IF NOT EXISTS devices (
    system_id TEXT NOT NULL,
    device TEXT NOT NULL,
    connected INTEGER,          -- NULL: nothing was said
    connection TEXT,            -- JSON: device.connected or device.disconnected
    connection_us INTEGER,
    connection_position INTEGER,
    description TEXT,           -- JSON: device.described
    description_us INTEGER,
    description_position INTEGER,
    node TEXT NOT NULL,
    PRIMARY KEY (system_id, device, node)
) STRICT, WITHOUT ROWID;

-- Every alarm of a device and every alert of a rule that was ever raised; `active_alarms` are those not cleared.
CREATE TABLE IF NOT EXISTS alarms (
    system_id TEXT NOT NULL,
    type TEXT NOT NULL,         -- alarm or alert
    name TEXT NOT NULL,
    device TEXT NOT NULL,       -- or the type of occurrence that an alert counts; may be empty
    part TEXT NOT NULL,         -- the phase, or the period of an alert; may be empty
    since_us INTEGER,           -- NULL: not active
    level TEXT,
    text TEXT,
    cleared_us INTEGER,
    cleared_position INTEGER,
    raised TEXT NOT NULL,       -- JSON: what was raised since it was cleared, as [time_us, position, data]
    seen TEXT,                  -- JSON: who acknowledged it last, as [time_us, position, {by, note}]
    node TEXT NOT NULL,
    PRIMARY KEY (system_id, type, name, device, part, node)
) STRICT, WITHOUT ROWID;

-- Every fact of an operator, and the bookkeeping of the bus, as it was recorded.
CREATE TABLE IF NOT EXISTS audit_log (
    position INTEGER PRIMARY KEY,
    system_id TEXT NOT NULL,    -- as it is known now; `all` for what is about every system
    subject TEXT NOT NULL,      -- as it was recorded
    time_us INTEGER NOT NULL,
    recorded_us INTEGER NOT NULL,
    client TEXT NOT NULL,
    source TEXT NOT NULL,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    data TEXT NOT NULL,
    node TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS audit_log_by_system ON audit_log (system_id, time_us, position);

-- What each fact about windows came to, for each system that it changed something for.
CREATE TABLE IF NOT EXISTS outcomes (
    system_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    verdict TEXT NOT NULL,
    counts_us INTEGER NOT NULL, -- when it counts, corrections considered
    event_id TEXT,
    superseded TEXT,
    corrected_by INTEGER,
    node TEXT NOT NULL,
    PRIMARY KEY (system_id, position)
) STRICT, WITHOUT ROWID;

-- A system, at the node that its newest sample came from; where no node has one, at the node that placed it last.
CREATE VIEW IF NOT EXISTS systems AS
SELECT system_id, name, kind, registration, event_id, event_started_us, location, lat, lon, located_us, node
FROM node_systems AS s
WHERE node = (
    SELECT o.node FROM node_systems AS o WHERE o.system_id = s.system_id
    ORDER BY (SELECT max(l.time_us) FROM latest_samples AS l WHERE l.system_id = o.system_id AND l.node = o.node) DESC,
             max(coalesce(o.event_started_us, 0), coalesce(o.located_us, 0)) DESC, o.node DESC
    LIMIT 1
);

-- Since when, and until when as far as is known here, the devices of a system answer at a node.
CREATE VIEW IF NOT EXISTS claims AS
SELECT d.system_id, d.node, min(d.connection_us) AS since_us,
       CASE WHEN d.node = '' THEN 9223372036854775807 ELSE max(n.facts_recorded_us, n.samples_recorded_us) END AS until_us
FROM devices AS d LEFT JOIN nodes AS n ON n.node = d.node
WHERE d.connected = 1 GROUP BY d.system_id, d.node;

-- Systems that two nodes claim for the same time, more than five minutes of it: two machines with one name.
CREATE VIEW IF NOT EXISTS conflicts AS
SELECT a.system_id, a.node, b.node AS other, max(a.since_us, b.since_us) AS since_us
FROM claims AS a JOIN claims AS b ON b.system_id = a.system_id AND a.node < b.node
WHERE min(a.until_us, b.until_us) - max(a.since_us, b.since_us) > 300000000;

CREATE VIEW IF NOT EXISTS readings AS
SELECT s.system_id, s.kind, s.interval_ms, r.key AS measurement, r.value AS value, s.time_us,
       strftime('%Y-%m-%dT%H:%M:%fZ', s.time_us / 1000000.0, 'unixepoch') AS time_at
FROM latest_samples AS s, json_each(s.data, '$.values') AS r;

CREATE VIEW IF NOT EXISTS active_alarms AS
SELECT system_id, type, name, device, part, since_us, level, text FROM alarms WHERE since_us IS NOT NULL;

CREATE VIEW IF NOT EXISTS audit AS
SELECT a.position, coalesce(o.system_id, a.system_id) AS system_id, a.time_us, a.recorded_us, a.client, a.type,
       a.data, o.verdict, o.counts_us, o.event_id, o.superseded, o.corrected_by
FROM audit_log AS a LEFT JOIN outcomes AS o ON o.position = a.position;

CREATE VIEW IF NOT EXISTS notes_in_windows AS
SELECT n.position, n.system_id, n.time_us, n.client, coalesce(n.event_id, w.event_id) AS event_id, n.text
FROM notes AS n LEFT JOIN windows AS w
ON w.system_id = n.system_id AND w.started_us <= n.time_us AND (w.ended_us IS NULL OR n.time_us < w.ended_us);

CREATE VIEW IF NOT EXISTS photos_in_windows AS
SELECT p.position, p.system_id, p.time_us, p.client, coalesce(p.event_id, w.event_id) AS event_id,
       p.sha256, p.media_type, p.caption, p.bytes, p.width, p.height
FROM photos AS p LEFT JOIN windows AS w
ON w.system_id = p.system_id AND w.started_us <= p.time_us AND (w.ended_us IS NULL OR p.time_us < w.ended_us);
