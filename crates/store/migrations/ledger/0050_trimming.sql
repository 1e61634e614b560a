-- What events that are trimmed cost, by the hour in which they were closed: budgets whose period begins within a day are
-- judged by it. Whole days and sums since ever have them already, from when they were taken in.
CREATE TABLE spend_by_hour (
    hour    BIGINT NOT NULL,                -- microseconds since the epoch, where the hour begins
    key_id  TEXT   NOT NULL,
    model   TEXT   NOT NULL,
    team_id TEXT   NOT NULL,                -- empty where there was none
    cost    BIGINT NOT NULL,
    PRIMARY KEY (hour, key_id, model, team_id)
);

-- Which events were trimmed, in runs of sequences without a gap: one that comes again is not taken in again.
CREATE TABLE trimmed (
    gateway_id     BIGINT NOT NULL,
    first_sequence BIGINT NOT NULL,
    last_sequence  BIGINT NOT NULL,
    PRIMARY KEY (gateway_id, first_sequence)
);
