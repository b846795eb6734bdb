-- Files that old bodies moved to, in `sealed/`; there `body` is empty. Files of the oldest may have lost their samples.
CREATE TABLE segment (
    first INTEGER PRIMARY KEY,
    last INTEGER NOT NULL,
    file TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    cleared INTEGER NOT NULL,       -- bodies up to this position are out of the tables
    erased INTEGER NOT NULL         -- 1: the bodies of samples are gone
) STRICT;
UPDATE identity SET format = 2;
