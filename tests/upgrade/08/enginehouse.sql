BEGIN TRANSACTION;
CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, checksum BLOB NOT NULL, execution_time BIGINT NOT NULL);
INSERT INTO "_sqlx_migrations" VALUES(1,'first','2026-11-20 12:00:00',1,X'DBCF009CC74628586449C057F137D552B0286EF975440B71DEAC8D884F6E9D8FA2A2D7024DBE6BC73EE77807B5683D2E',1000);
INSERT INTO "_sqlx_migrations" VALUES(2,'engines are recorded in files','2026-11-20 12:00:00',1,X'80F5222D07F3279F1EAAA6DB69CE7C629F245F21D11346AE607CF133E78C6C5CA3E7A9DD4426B16A8E7B0306BC9E6AF2',1000);
INSERT INTO "_sqlx_migrations" VALUES(3,'teams and more limits','2026-11-20 12:00:00',1,X'1B11F2AB0C69B54EEA026BF8CFDD5E7BDB3A8063BAAA7484FA6C41C039C7911BB923DEE19B5AACDD815A1962C05E60DB',1000);
INSERT INTO "_sqlx_migrations" VALUES(20,'staged changes','2026-11-20 12:00:00',1,X'E58C0E92134A97C3CD967624C68C23A9974073FDC78D5F9418E308ABC3E95A882F472DED663A8B58E0F06EE4158529B6',1000);
INSERT INTO "_sqlx_migrations" VALUES(30,'audit is append only','2026-11-20 12:00:00',1,X'46A6A38B9029D694D120EDF1BBFAF6B79A6915CFF1E370AC019833EE503D3B9E7F0A71099C202EA7721BC534EAC4258E',1000);
INSERT INTO "_sqlx_migrations" VALUES(31,'accounts','2026-11-20 12:00:00',1,X'FF3E9FE5635F27C0891AB3A9BD2900F8517685DF96D3183BA00C6D787FE8B77BB938421B67A405A8647EFC781B78F1D9',1000);
INSERT INTO "_sqlx_migrations" VALUES(60,'audit is not replaced','2026-11-21 17:46:24',1,X'4A18D4816BB252FB43B0768EA33E5A45FD1CFDDF0BCD67CBE92C6CEF729DD9081A8AC3E99857611DA894167A05D954A4',1212147);
INSERT INTO "_sqlx_migrations" VALUES(61,'routing of keys','2026-11-21 23:36:03',1,X'3BEFC6B98B373AA96B9E7EB27D9B9F3EB66ABE74CA3E912DBBB06CC13BA920DA7C64C9B7B08547DF5BC62217DC4B335D',4715388);
CREATE TABLE accounts (
    name       TEXT   NOT NULL PRIMARY KEY,
    role       TEXT   NOT NULL,             -- `admin` or `viewer`
    password   TEXT   NOT NULL,             -- argon2id, as a PHC string
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE TABLE audit (
    id      INTEGER NOT NULL PRIMARY KEY,
    at      BIGINT  NOT NULL,
    actor   TEXT    NOT NULL,
    action  TEXT    NOT NULL,               -- `apply`, `key.create` ...
    subject TEXT    NOT NULL,
    detail  TEXT    NOT NULL                -- JSON object, without secrets
, via    TEXT NOT NULL DEFAULT '', remote TEXT);
INSERT INTO "audit" VALUES(1,1788498000000000,'owner','apply','1','{}','',NULL);
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
, kind          TEXT NOT NULL DEFAULT 'virtual', aliases       TEXT NOT NULL DEFAULT '{}', tpm           BIGINT, budget_period TEXT, owner         TEXT, team_id       TEXT, tags          TEXT NOT NULL DEFAULT '[]', retries       BIGINT, routing TEXT NOT NULL DEFAULT '{}');
INSERT INTO "keys" VALUES('key-00000000000000a1','b964c103c6fca64a8b641172fb0d6311edbfe4747ada0d1ca53fefd6c5611cc0','sk-...0001','ann','["tiny"]',60,NULL,5000000000,NULL,0,'{"who":"é"}',1788498000000000,1788498000000000,NULL,'virtual','{}',NULL,NULL,NULL,'team-1','["ci"]',NULL,'{}');
INSERT INTO "keys" VALUES('key-00000000000000b2','2ce55ad8306f006c609c91ce4d403302f2cd429cc7298da2a3a1a7a660f6874b','sk-...0002','bob','[]',NULL,NULL,NULL,NULL,1,'{"who":"é"}',1788498000000000,1788498000000000,NULL,'virtual','{}',NULL,NULL,NULL,NULL,'[]',NULL,'{}');
INSERT INTO "keys" VALUES('key-00000000000000c3','c6e2a53801677775258673ae10985140970e7893f1028e192deffb5a6ecce7b8','sk-...0003','old','[]',NULL,NULL,NULL,NULL,0,'{"who":"é"}',1788498000000000,1788498000000000,1788498000000005,'virtual','{}',NULL,NULL,NULL,NULL,'[]',NULL,'{}');
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
, message TEXT NOT NULL DEFAULT '');
INSERT INTO "revisions" VALUES(1,1788498001000000,'owner','10e4ce4e89eb36e2a352569c9dc7fe1017a5446c5dff983bb8fe8c33aa38c427','{"version":1,"models":[]}','');
INSERT INTO "revisions" VALUES(2,1788498002000000,'owner','4cae7c90c6232bfd520e37c94606b2a51c0cac4d46c81fe362573620f18cf19b','{"version":1,"models":[{"name":"tiny","type":"chat","deployments":[{"id":"0a1b2c","endpoint":{"provider":"openai-compatible","url":"http://127.0.0.1:9/v1","model":"tiny"}}],"price":{"input":0.1,"output":0.4}}]}','');
CREATE TABLE sessions (
    hash       TEXT   NOT NULL PRIMARY KEY, -- lower-case hex SHA-256 of the session's id
    account    TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,             -- some minutes late at most
    expires_at BIGINT NOT NULL
);
CREATE TABLE settings (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);
INSERT INTO "settings" VALUES('open_routes','shut');
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
INSERT INTO "teams" VALUES('team-1','research','[]',100,NULL,NULL,9000000000,'30d',0,'{}',1788498000000000,1788498000000000);
CREATE TABLE tokens (
    name         TEXT   NOT NULL PRIMARY KEY,
    hash         TEXT   NOT NULL UNIQUE,    -- lower-case hex SHA-256 of the whole token
    shown        TEXT   NOT NULL,           -- `ent-...` and the last four characters
    role         TEXT   NOT NULL,           -- `admin` or `viewer`
    scopes       TEXT   NOT NULL,           -- JSON array of resources; empty allows all
    created_by   TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    last_used_at BIGINT                     -- some minutes late at most
);
CREATE TRIGGER revisions_are_not_edited BEFORE UPDATE ON revisions
BEGIN
    SELECT RAISE(ABORT, 'revisions are never edited');
END;
CREATE UNIQUE INDEX keys_hash  ON keys (hash)  WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX keys_alias ON keys (alias) WHERE deleted_at IS NULL;
CREATE TRIGGER audit_is_not_edited BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit is append-only');
END;
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit is append-only');
END;
CREATE INDEX audit_subject ON audit (subject, id);
CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'the audit is append-only');
END;
COMMIT;
