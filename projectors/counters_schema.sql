-- The counters projector's tables. Instants are whole microseconds since the Unix epoch, days are days since it (UTC).

CREATE TABLE IF NOT EXISTS aliases (
    alias TEXT PRIMARY KEY,
    system_id TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One row a system, with the earliest time at which anything was observed of it.
CREATE TABLE IF NOT EXISTS systems (
    system_id TEXT PRIMARY KEY,
    since_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What is counted: one row a system, type and stage. Totals never depend on the history that is kept.
CREATE TABLE IF NOT EXISTS counters (
    key INTEGER PRIMARY KEY AUTOINCREMENT,      -- never used again, as after a join
    system_id TEXT NOT NULL,
    type TEXT NOT NULL,
    stage TEXT NOT NULL,            -- edge or confirmed; only confirmed is counted
    total INTEGER NOT NULL,         -- ever
    before INTEGER NOT NULL,        -- of these, before the newest reset; 0 for edges
    first_us INTEGER NOT NULL,
    last_us INTEGER NOT NULL,
    UNIQUE (system_id, type, stage)
) STRICT;

-- The occurrences themselves, as far back as they are kept.
CREATE TABLE IF NOT EXISTS history (
    key INTEGER NOT NULL,
    time_us INTEGER NOT NULL,
    position INTEGER NOT NULL,
    details TEXT NOT NULL,          -- JSON: what the event says of cause, measured value and limit
    PRIMARY KEY (key, time_us, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS history_by_time ON history (time_us);

-- How many were confirmed, kept for ever: on each day, and on each 32 days that are counted from the epoch too.
CREATE TABLE IF NOT EXISTS sums (
    key INTEGER NOT NULL,
    days INTEGER NOT NULL,          -- 1 or 32
    n INTEGER NOT NULL,             -- which days: n * days, and so many from there
    count INTEGER NOT NULL,
    PRIMARY KEY (key, days, n)
) STRICT, WITHOUT ROWID;

-- The same for all systems together, by type; and for all types together, by system.
CREATE TABLE IF NOT EXISTS type_sums (
    type TEXT NOT NULL,
    days INTEGER NOT NULL,
    n INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (type, days, n)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS system_sums (
    system_id TEXT NOT NULL,
    days INTEGER NOT NULL,
    n INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (system_id, days, n)
) STRICT, WITHOUT ROWID;

-- Occurrences that ended: from a confirmed beginning to the first confirmed end after it. Those of one key
-- lie one after the other.
CREATE TABLE IF NOT EXISTS spans (
    key INTEGER NOT NULL,           -- of the beginning
    ended_us INTEGER NOT NULL,
    ended_by INTEGER NOT NULL,
    started_us INTEGER NOT NULL,
    started_by INTEGER NOT NULL,
    PRIMARY KEY (key, ended_us, ended_by)
) STRICT, WITHOUT ROWID;

-- Of the spans that ended after n * 32 days, and not after the next 32: how many, how long together, and the longest.
CREATE TABLE IF NOT EXISTS span_sums (
    key INTEGER NOT NULL,
    n INTEGER NOT NULL,
    number INTEGER NOT NULL,
    total_us INTEGER NOT NULL,
    longest_us INTEGER NOT NULL,
    PRIMARY KEY (key, n)
) STRICT, WITHOUT ROWID;

-- Occurrences that last; one a key, but while two systems become one.
CREATE TABLE IF NOT EXISTS lasting (
    key INTEGER NOT NULL,
    started_us INTEGER NOT NULL,
    started_by INTEGER NOT NULL,
    PRIMARY KEY (key, started_us, started_by)
) STRICT, WITHOUT ROWID;

-- Who began counting anew, what, and why.
CREATE TABLE IF NOT EXISTS resets (
    position INTEGER PRIMARY KEY,
    system_id TEXT NOT NULL,        -- or `all`
    types TEXT NOT NULL,            -- JSON list; empty for all of them
    time_us INTEGER NOT NULL,
    client TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;

-- One row: the newest `recordedat` taken, which is the "now" that old history is measured against.
CREATE TABLE IF NOT EXISTS stream (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    recorded_us INTEGER NOT NULL
) STRICT;
