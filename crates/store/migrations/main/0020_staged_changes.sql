-- Edits that are not applied yet. A row goes in the transaction that commits the revision which it went into.
CREATE TABLE staged (
    kind          TEXT   NOT NULL,          -- `model`, `settings` ...
    name          TEXT   NOT NULL,
    data          TEXT,                     -- JSON of the item; none: it is to be deleted
    base          TEXT,                     -- SHA-256 of the applied item that the edit started from; none: there was none
    base_revision BIGINT NOT NULL,          -- number of the revision that it started from
    version       BIGINT NOT NULL,          -- of the edit; no two edits of anything ever had the same
    author        TEXT   NOT NULL,
    staged_at     BIGINT NOT NULL,
    PRIMARY KEY (kind, name)
);

-- Why a revision was made, in its author's words; empty where nothing was said.
ALTER TABLE revisions ADD COLUMN message TEXT NOT NULL DEFAULT '';
