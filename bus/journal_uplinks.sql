-- How far each lane of each node is recorded here. What uplinks go on from; losing it makes them send again.
CREATE TABLE IF NOT EXISTS held (
    client TEXT NOT NULL,
    lane TEXT NOT NULL,
    incarnation TEXT NOT NULL,
    journal TEXT NOT NULL,
    position INTEGER NOT NULL,
    hash BLOB NOT NULL,
    recorded_us INTEGER NOT NULL,
    PRIMARY KEY (client, lane, incarnation)
) STRICT, WITHOUT ROWID;
