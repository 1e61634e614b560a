-- Who may use the admin port with a name and a password.
CREATE TABLE accounts (
    name       TEXT   NOT NULL PRIMARY KEY,
    role       TEXT   NOT NULL,             -- `admin` or `viewer`
    password   TEXT   NOT NULL,             -- argon2id, as a PHC string
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- Who is logged in.
CREATE TABLE sessions (
    hash       TEXT   NOT NULL PRIMARY KEY, -- lower-case hex SHA-256 of the session's id
    account    TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,             -- some minutes late at most
    expires_at BIGINT NOT NULL
);

-- What programs present at the admin port.
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

-- What was done to one thing.
CREATE INDEX audit_subject ON audit (subject, id);
