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
    before INTEGER NOT NULL,        -- of these, before the newest reset
    first_us INTEGER NOT NULL,
    last_us INTEGER NOT NULL,
    UNIQUE (system_id, type, stage)
) STRICT;

-- The occurrences themselves, as far back as they are kept.
CREATE TABLE IF NOT EXISTS history (
    key INTEGER NOT NULL,
    time_us INTEGER NOT NULL,
    position INTEGER NOT NULL,
    cause TEXT,
    device TEXT,
    measurement TEXT,
    measured REAL,
    threshold REAL,
    duration_s REAL,
    detail TEXT,
    PRIMARY KEY (key, time_us, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS history_by_time ON history (time_us, position);

-- How many a day, kept for ever.
CREATE TABLE IF NOT EXISTS days (
    key INTEGER NOT NULL,
    day INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (key, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS days_by_day ON days (day, key, count);

-- Occurrences that have an end: from a confirmed beginning to the first confirmed end after it.
CREATE TABLE IF NOT EXISTS spans (
    key INTEGER NOT NULL,           -- of the beginning
    started_us INTEGER NOT NULL,
    started_by INTEGER NOT NULL,
    ended_us INTEGER,               -- NULL while it lasts
    ended_by INTEGER,
    PRIMARY KEY (key, started_us, started_by)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS spans_by_end ON spans (key, ended_us);

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
