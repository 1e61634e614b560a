BEGIN TRANSACTION;
CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, checksum BLOB NOT NULL, execution_time BIGINT NOT NULL);
INSERT INTO "_sqlx_migrations" VALUES(1,'first','2026-11-20 12:00:00',1,X'53FC0675AF484FCFDBF63FB1057E8ABA32A81165AE5BDC6D3CC626B0B4ED10665DC38FD19FE0630D0C599C25F5556FE6',1000);
INSERT INTO "_sqlx_migrations" VALUES(2,'spend of models and teams','2026-11-20 12:00:00',1,X'C8AD62957E90483FD086E222A8ACFE1CE9E7DFDA8E255262700F96B1D67A943059E4967EE42F8C8E59A5A6E70E118C90',1000);
INSERT INTO "_sqlx_migrations" VALUES(50,'trimming','2026-11-20 12:00:00',1,X'D55A8A98C84004E75CD41E40396E3907A706EE84FA94DFF6011F96FAE9C6AAC2786BAD3F104388D93C94BB7D96D0EE6E',1000);
INSERT INTO "_sqlx_migrations" VALUES(61,'what was asked for','2026-11-21 23:36:03',1,X'BD8443160CA92C2BC5E3EA5ED415554C993BACB8D277525B19066E10B1C4E142AA104A0BF1B0D83A50ABFB4B9DF7DA3C',7739995);
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
    attempts          TEXT    NOT NULL, team_id TEXT, tags    TEXT, requested_model TEXT,     -- JSON array
    PRIMARY KEY (gateway_id, sequence)
) WITHOUT ROWID;
INSERT INTO "events" VALUES(77,1,'corpus-1','key-00000000000000a1','tiny','chat/completions',0,1788498000999995,1788498001000000,'completed',200,10,2,3,0,0,0,0,'engine',2,100,1500,'[]','team-1',NULL,NULL);
INSERT INTO "events" VALUES(77,2,'corpus-2','key-00000000000000b2','tiny','chat/completions',0,1788498001999995,1788498002000000,'completed',200,10,2,3,0,0,0,0,'engine',2,200,1500,'[]',NULL,NULL,NULL);
INSERT INTO "events" VALUES(77,3,'corpus-3','key-00000000000000a1','tiny','chat/completions',0,1788498002999995,1788498003000000,'completed',200,10,2,3,0,0,0,0,'engine',2,300,1500,'[]','team-1',NULL,NULL);
INSERT INTO "events" VALUES(77,4,'corpus-4','key-00000000000000b2','tiny','chat/completions',0,1788498003999995,1788498004000000,'completed',200,10,2,3,0,0,0,0,'engine',2,400,1500,'[]',NULL,NULL,NULL);
INSERT INTO "events" VALUES(77,5,'corpus-5','key-00000000000000a1','tiny','chat/completions',0,1788498004999995,1788498005000000,'interrupted',200,10,2,3,0,0,0,0,'engine',2,500,1500,'[]','team-1',NULL,NULL);
CREATE TABLE positions (
    gateway_id BIGINT NOT NULL PRIMARY KEY,
    segment    BIGINT NOT NULL,
    offset_    BIGINT NOT NULL
);
INSERT INTO "positions" VALUES(77,1,4096);
CREATE TABLE spend_by_hour (
    hour    BIGINT NOT NULL,                -- microseconds since the epoch, where the hour begins
    key_id  TEXT   NOT NULL,
    model   TEXT   NOT NULL,
    team_id TEXT   NOT NULL,                -- empty where there was none
    cost    BIGINT NOT NULL,
    PRIMARY KEY (hour, key_id, model, team_id)
);
CREATE TABLE spend_by_key (
    key_id   TEXT   NOT NULL PRIMARY KEY,
    requests BIGINT NOT NULL,
    tokens   BIGINT NOT NULL,
    cost     BIGINT NOT NULL
);
INSERT INTO "spend_by_key" VALUES('key-00000000000000a1',3,39,900);
INSERT INTO "spend_by_key" VALUES('key-00000000000000b2',2,26,600);
CREATE TABLE spend_by_model (
    model TEXT   NOT NULL PRIMARY KEY,
    cost  BIGINT NOT NULL
);
INSERT INTO "spend_by_model" VALUES('tiny',1500);
CREATE TABLE spend_by_team (
    team_id  TEXT   NOT NULL PRIMARY KEY,
    requests BIGINT NOT NULL,
    tokens   BIGINT NOT NULL,
    cost     BIGINT NOT NULL
);
INSERT INTO "spend_by_team" VALUES('team-1',3,39,900);
CREATE TABLE team_spend_by_day (
    day     TEXT   NOT NULL,
    team_id TEXT   NOT NULL,
    cost    BIGINT NOT NULL,
    PRIMARY KEY (day, team_id)
);
INSERT INTO "team_spend_by_day" VALUES('2026-09-04','team-1',900);
CREATE TABLE trimmed (
    gateway_id     BIGINT NOT NULL,
    first_sequence BIGINT NOT NULL,
    last_sequence  BIGINT NOT NULL,
    PRIMARY KEY (gateway_id, first_sequence)
);
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
INSERT INTO "usage_by_day" VALUES('2026-09-04','key-00000000000000a1','tiny',3,1,30,6,9,900);
INSERT INTO "usage_by_day" VALUES('2026-09-04','key-00000000000000b2','tiny',2,0,20,4,6,600);
CREATE INDEX events_closed_at ON events (closed_at);
CREATE INDEX events_key       ON events (key_id, closed_at);
CREATE INDEX events_request   ON events (request_id);
COMMIT;
