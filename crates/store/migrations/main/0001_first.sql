-- The desired states that were applied, oldest first. The row is the revision: nothing is ever changed in it.
CREATE TABLE revisions (
    number     BIGINT NOT NULL PRIMARY KEY,
    applied_at BIGINT NOT NULL,             -- microseconds since the epoch, as every time in this file
    author     TEXT   NOT NULL,
    digest     TEXT   NOT NULL,             -- lower-case hex SHA-256 of `document`
    document   TEXT   NOT NULL              -- JSON
);

CREATE TRIGGER revisions_are_not_edited BEFORE UPDATE ON revisions
BEGIN
    SELECT RAISE(ABORT, 'revisions are never edited');
END;

-- What outlives revisions about a model: its first appearance, and which revision set its present price.
CREATE TABLE models (
    name          TEXT   NOT NULL PRIMARY KEY,
    created_at    BIGINT NOT NULL,
    price_version BIGINT NOT NULL
);

-- Virtual keys. A deleted key keeps its row, so that the books can still name it.
CREATE TABLE keys (
    id           TEXT    NOT NULL PRIMARY KEY,
    hash         TEXT    NOT NULL,          -- lower-case hex SHA-256 of the whole key
    key_name     TEXT    NOT NULL,          -- `sk-...` and the last four characters
    alias        TEXT,
    models       TEXT    NOT NULL,          -- JSON array of names; empty allows all
    rpm          BIGINT,
    max_parallel BIGINT,
    max_budget   BIGINT,                    -- nano-units of the currency
    expires_at   BIGINT,
    blocked      BOOLEAN NOT NULL,
    metadata     TEXT    NOT NULL,          -- JSON object
    created_at   BIGINT  NOT NULL,
    updated_at   BIGINT  NOT NULL,
    deleted_at   BIGINT
);

CREATE UNIQUE INDEX keys_hash  ON keys (hash)  WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX keys_alias ON keys (alias) WHERE deleted_at IS NULL;

-- Single values that the manager keeps for itself, such as the hash of the master key.
CREATE TABLE settings (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- Engines that were started and not seen to end: what a restarted manager adopts.
CREATE TABLE replicas (
    id         TEXT   NOT NULL PRIMARY KEY, -- `<deployment id>/<number>`
    spec_hash  TEXT   NOT NULL,
    handle     TEXT   NOT NULL,             -- JSON, as the runtime wrote it
    port       BIGINT,
    socket     TEXT,
    started_at BIGINT NOT NULL,
    restarts   BIGINT NOT NULL
);

-- Who did what to which thing.
CREATE TABLE audit (
    id      INTEGER NOT NULL PRIMARY KEY,
    at      BIGINT  NOT NULL,
    actor   TEXT    NOT NULL,
    action  TEXT    NOT NULL,               -- `apply`, `key.create` ...
    subject TEXT    NOT NULL,
    detail  TEXT    NOT NULL                -- JSON object, without secrets
);
