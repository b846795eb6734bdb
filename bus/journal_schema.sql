-- The journal's tables. Names that repeat are stored once; bodies are zstd frames when that is smaller.
CREATE TABLE identity (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    journal TEXT NOT NULL,
    incarnation TEXT NOT NULL,
    format INTEGER NOT NULL
) STRICT;

CREATE TABLE name (
    name_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;
INSERT INTO name (name_id, name) VALUES (1, 'sample.taken');

CREATE TABLE event (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    source INTEGER NOT NULL,
    id ANY NOT NULL,
    type INTEGER NOT NULL,
    subject INTEGER NOT NULL,
    client INTEGER NOT NULL,
    stream INTEGER,
    time_us INTEGER NOT NULL,
    recorded_us INTEGER NOT NULL,
    hash BLOB NOT NULL,
    body BLOB NOT NULL
) STRICT;

-- What comes again is known by this for ever.
CREATE UNIQUE INDEX event_once ON event (source, id);

-- Finds everything but samples without touching samples: name 1 is sample.taken.
CREATE INDEX event_rare ON event (position, type) WHERE type <> 1;

-- Newest sample of each stream: lets a current-state read model skip the rest on a rebuild.
CREATE TABLE newest (
    subject INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    time_us INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (subject, stream)
) STRICT, WITHOUT ROWID;

-- Packet identifiers and digests of the plain messages recorded in the broker's session: a redelivery is dropped.
CREATE TABLE delivery (
    packet INTEGER PRIMARY KEY,
    digest BLOB NOT NULL
) STRICT;

CREATE TABLE dead_letter (
    digest BLOB PRIMARY KEY,
    received_us INTEGER NOT NULL,
    count INTEGER NOT NULL DEFAULT 1,
    client TEXT NOT NULL,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    reason TEXT NOT NULL,
    field TEXT NOT NULL,
    hint TEXT NOT NULL
) STRICT;
