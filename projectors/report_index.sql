-- What was asked for, what became of it, and who is to be told. Beside the state of the reports projector, so that
-- all of it changes together.

CREATE TABLE IF NOT EXISTS report (
    position INTEGER PRIMARY KEY,       -- of the report.requested
    source TEXT NOT NULL,               -- of that event,
    id TEXT NOT NULL,                   -- and its id
    scope TEXT NOT NULL,                -- system or event
    event_id TEXT NOT NULL,
    system_id TEXT,                     -- NULL for a whole event
    from_us INTEGER,                    -- what was asked for; NULL: the newest window, or the whole event
    to_us INTEGER,
    revision INTEGER NOT NULL,
    reason TEXT NOT NULL,
    cut_position INTEGER NOT NULL,
    requested_us INTEGER NOT NULL,
    directory TEXT NOT NULL,            -- below the data directory
    state TEXT NOT NULL DEFAULT 'requested' CHECK (state IN ('requested', 'making', 'ready', 'failed')),
    withdrawn INTEGER NOT NULL DEFAULT 0,       -- what it is about never was
    attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    sha256 TEXT,                        -- of data.json as it lies there
    totals TEXT,                        -- JSON
    changed TEXT,                       -- JSON
    made TEXT,                          -- JSON: window, coverage and more for lists
    told_position INTEGER,              -- of the report.generated in the journal
    told_us INTEGER,
    told_sha256 TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS report_event ON report (event_id, position);
CREATE INDEX IF NOT EXISTS report_state ON report (state) WHERE state <> 'ready';
CREATE INDEX IF NOT EXISTS report_id ON report (id);

CREATE TABLE IF NOT EXISTS pdf (
    position INTEGER NOT NULL,          -- of the report
    folder TEXT NOT NULL,               -- in its directory; empty for the report itself
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'ready', 'failed')),
    attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    PRIMARY KEY (position, folder)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS pdf_waiting ON pdf (state) WHERE state = 'waiting';

CREATE TABLE IF NOT EXISTS delivery (
    position INTEGER NOT NULL,          -- of the report
    channel TEXT NOT NULL CHECK (channel IN ('mail', 'webhook')),
    recipient TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'failed')),
    attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    PRIMARY KEY (position, channel, recipient)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS delivery_waiting ON delivery (state) WHERE state = 'waiting';
