-- One row a request that was admitted and has ended. Rows are added, never changed.
CREATE TABLE events (
    gateway_id        BIGINT  NOT NULL,     -- the 64 bits of the id, as a signed number
    sequence          BIGINT  NOT NULL,
    request_id        TEXT    NOT NULL,
    key_id            TEXT    NOT NULL,
    model             TEXT    NOT NULL,
    surface           TEXT    NOT NULL,
    stream            BOOLEAN NOT NULL,
    opened_at         BIGINT  NOT NULL,     -- microseconds since the epoch
    closed_at         BIGINT  NOT NULL,
    outcome           TEXT    NOT NULL,
    status            BIGINT  NOT NULL,
    prompt_tokens     BIGINT  NOT NULL,
    cached_tokens     BIGINT  NOT NULL,
    completion_tokens BIGINT  NOT NULL,
    images            BIGINT  NOT NULL,
    audio_millis      BIGINT  NOT NULL,
    characters        BIGINT  NOT NULL,
    searches          BIGINT  NOT NULL,
    usage_source      TEXT    NOT NULL,
    price_version     BIGINT  NOT NULL,
    cost              BIGINT  NOT NULL,     -- nano-units of the currency
    first_byte_micros BIGINT,
    attempts          TEXT    NOT NULL,     -- JSON array
    PRIMARY KEY (gateway_id, sequence)
);

CREATE INDEX events_closed_at ON events (closed_at);
CREATE INDEX events_key       ON events (key_id, closed_at);
CREATE INDEX events_request   ON events (request_id);

-- Sums over all events of a key, since ever: what budgets are judged by.
CREATE TABLE spend_by_key (
    key_id   TEXT   NOT NULL PRIMARY KEY,
    requests BIGINT NOT NULL,
    tokens   BIGINT NOT NULL,
    cost     BIGINT NOT NULL
);

-- Sums over the events that were closed on a day (UTC).
CREATE TABLE usage_by_day (
    day               TEXT   NOT NULL,      -- `2026-11-20`
    key_id            TEXT   NOT NULL,
    model             TEXT   NOT NULL,
    requests          BIGINT NOT NULL,
    failed            BIGINT NOT NULL,
    prompt_tokens     BIGINT NOT NULL,
    cached_tokens     BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    cost              BIGINT NOT NULL,
    PRIMARY KEY (day, key_id, model)
);

-- How far each gateway's spool was taken in; moved in the transaction that takes the events in.
CREATE TABLE positions (
    gateway_id BIGINT NOT NULL PRIMARY KEY,
    segment    BIGINT NOT NULL,
    offset_    BIGINT NOT NULL
);
