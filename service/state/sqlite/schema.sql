CREATE TABLE runs (
    run TEXT PRIMARY KEY,
    generation INTEGER NOT NULL,
    version INTEGER NOT NULL,
    step INTEGER NOT NULL,
    document BLOB NOT NULL,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL
) STRICT;

CREATE TABLE records (
    run TEXT NOT NULL,
    step INTEGER NOT NULL,
    version INTEGER NOT NULL,
    line BLOB NOT NULL,
    UNIQUE (run, step),
    UNIQUE (run, version)
) STRICT;

CREATE TABLE answers (
    run TEXT NOT NULL,
    step INTEGER NOT NULL,
    part INTEGER NOT NULL,
    version INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (run, step, part)
) STRICT;

CREATE TABLE open_steps (
    run TEXT NOT NULL,
    step INTEGER NOT NULL,
    terms BLOB NOT NULL,
    gathered_at REAL NOT NULL,
    PRIMARY KEY (run, step)
) STRICT;

CREATE TABLE entries (
    run TEXT NOT NULL,
    step INTEGER NOT NULL,
    key TEXT NOT NULL,
    payload BLOB NOT NULL,
    UNIQUE (run, step, key),
    FOREIGN KEY (run, step) REFERENCES open_steps ON DELETE CASCADE
) STRICT;
