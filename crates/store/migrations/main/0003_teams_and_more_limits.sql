-- What a key is good for, its own names for models, and whom it belongs to.
ALTER TABLE keys ADD COLUMN kind          TEXT NOT NULL DEFAULT 'virtual';  -- or `direct`
ALTER TABLE keys ADD COLUMN aliases       TEXT NOT NULL DEFAULT '{}';       -- JSON object of names
ALTER TABLE keys ADD COLUMN tpm           BIGINT;
ALTER TABLE keys ADD COLUMN budget_period TEXT;                             -- `30d`
ALTER TABLE keys ADD COLUMN owner         TEXT;
ALTER TABLE keys ADD COLUMN team_id       TEXT;
ALTER TABLE keys ADD COLUMN tags          TEXT NOT NULL DEFAULT '[]';       -- JSON array
ALTER TABLE keys ADD COLUMN retries       BIGINT;

-- Keys that share limits. The books know a team by its id, also once it is gone.
CREATE TABLE teams (
    id            TEXT    NOT NULL PRIMARY KEY,
    alias         TEXT    UNIQUE,
    models        TEXT    NOT NULL,         -- JSON array of names; empty allows all
    rpm           BIGINT,
    tpm           BIGINT,
    max_parallel  BIGINT,
    max_budget    BIGINT,                   -- nano-units of the currency
    budget_period TEXT,
    blocked       BOOLEAN NOT NULL,
    metadata      TEXT    NOT NULL,         -- JSON object
    created_at    BIGINT  NOT NULL,
    updated_at    BIGINT  NOT NULL
);
