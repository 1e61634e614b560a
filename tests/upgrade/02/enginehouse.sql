BEGIN TRANSACTION;
CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, checksum BLOB NOT NULL, execution_time BIGINT NOT NULL);
INSERT INTO "_sqlx_migrations" VALUES(1,'first','2026-11-20 12:00:00',1,X'DBCF009CC74628586449C057F137D552B0286EF975440B71DEAC8D884F6E9D8FA2A2D7024DBE6BC73EE77807B5683D2E',1000);
INSERT INTO "_sqlx_migrations" VALUES(2,'engines are recorded in files','2026-11-20 12:00:00',1,X'80F5222D07F3279F1EAAA6DB69CE7C629F245F21D11346AE607CF133E78C6C5CA3E7A9DD4426B16A8E7B0306BC9E6AF2',1000);
CREATE TABLE audit (
    id      INTEGER NOT NULL PRIMARY KEY,
    at      BIGINT  NOT NULL,
    actor   TEXT    NOT NULL,
    action  TEXT    NOT NULL,               -- `apply`, `key.create` ...
    subject TEXT    NOT NULL,
    detail  TEXT    NOT NULL                -- JSON object, without secrets
);
INSERT INTO "audit" VALUES(1,1788498000000000,'owner','apply','1','{}');
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
INSERT INTO "keys" VALUES('key-00000000000000a1','b964c103c6fca64a8b641172fb0d6311edbfe4747ada0d1ca53fefd6c5611cc0','sk-...0001','ann','["tiny"]',60,NULL,5000000000,NULL,0,'{"who":"é"}',1788498000000000,1788498000000000,NULL);
INSERT INTO "keys" VALUES('key-00000000000000b2','2ce55ad8306f006c609c91ce4d403302f2cd429cc7298da2a3a1a7a660f6874b','sk-...0002','bob','[]',NULL,NULL,NULL,NULL,1,'{"who":"é"}',1788498000000000,1788498000000000,NULL);
INSERT INTO "keys" VALUES('key-00000000000000c3','c6e2a53801677775258673ae10985140970e7893f1028e192deffb5a6ecce7b8','sk-...0003','old','[]',NULL,NULL,NULL,NULL,0,'{"who":"é"}',1788498000000000,1788498000000000,1788498000000005);
CREATE TABLE models (
    name          TEXT   NOT NULL PRIMARY KEY,
    created_at    BIGINT NOT NULL,
    price_version BIGINT NOT NULL
);
INSERT INTO "models" VALUES('tiny',1788498000000000,2);
CREATE TABLE revisions (
    number     BIGINT NOT NULL PRIMARY KEY,
    applied_at BIGINT NOT NULL,             -- microseconds since the epoch, as every time in this file
    author     TEXT   NOT NULL,
    digest     TEXT   NOT NULL,             -- lower-case hex SHA-256 of `document`
    document   TEXT   NOT NULL              -- JSON
);
INSERT INTO "revisions" VALUES(1,1788498001000000,'owner','10e4ce4e89eb36e2a352569c9dc7fe1017a5446c5dff983bb8fe8c33aa38c427','{"version":1,"models":[]}');
INSERT INTO "revisions" VALUES(2,1788498002000000,'owner','4cae7c90c6232bfd520e37c94606b2a51c0cac4d46c81fe362573620f18cf19b','{"version":1,"models":[{"name":"tiny","type":"chat","deployments":[{"id":"0a1b2c","endpoint":{"provider":"openai-compatible","url":"http://127.0.0.1:9/v1","model":"tiny"}}],"price":{"input":0.1,"output":0.4}}]}');
CREATE TABLE settings (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);
INSERT INTO "settings" VALUES('open_routes','shut');
CREATE TRIGGER revisions_are_not_edited BEFORE UPDATE ON revisions
BEGIN
    SELECT RAISE(ABORT, 'revisions are never edited');
END;
CREATE UNIQUE INDEX keys_hash  ON keys (hash)  WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX keys_alias ON keys (alias) WHERE deleted_at IS NULL;
COMMIT;
