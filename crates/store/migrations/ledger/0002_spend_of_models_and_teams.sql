-- The team and the tags that the key had when the event was taken in.
ALTER TABLE events ADD COLUMN team_id TEXT;
ALTER TABLE events ADD COLUMN tags    TEXT;     -- JSON array; none where there are none

-- Sums since ever, as of keys: what budgets of models and of teams are judged by.
CREATE TABLE spend_by_model (
    model TEXT   NOT NULL PRIMARY KEY,
    cost  BIGINT NOT NULL
);

INSERT INTO spend_by_model (model, cost) SELECT model, SUM(cost) FROM usage_by_day GROUP BY model;

CREATE TABLE spend_by_team (
    team_id  TEXT   NOT NULL PRIMARY KEY,
    requests BIGINT NOT NULL,
    tokens   BIGINT NOT NULL,
    cost     BIGINT NOT NULL
);

-- What teams spent on a day (UTC): there were no teams before.
CREATE TABLE team_spend_by_day (
    day     TEXT   NOT NULL,
    team_id TEXT   NOT NULL,
    cost    BIGINT NOT NULL,
    PRIMARY KEY (day, team_id)
);
