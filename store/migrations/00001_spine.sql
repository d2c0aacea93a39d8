-- One schema for SQLite and PostgreSQL. Instants are microseconds since 1970
-- UTC; an absent one is NULL. Bodies are JSON; columns hold what is searched.

-- +goose Up
CREATE TABLE organizations (
    id         TEXT PRIMARY KEY,
    slug       TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

CREATE TABLE revisions (
    org     TEXT NOT NULL,
    number  BIGINT NOT NULL,
    at      BIGINT NOT NULL,
    actor   TEXT NOT NULL,
    body    TEXT NOT NULL,
    PRIMARY KEY (org, number)
);

CREATE TABLE resources (
    org      TEXT NOT NULL,
    kind     TEXT NOT NULL,
    slug     TEXT NOT NULL,
    id       TEXT NOT NULL UNIQUE,
    revision BIGINT NOT NULL,
    body     TEXT NOT NULL,
    PRIMARY KEY (org, kind, slug)
);

CREATE TABLE overrides (
    id         TEXT PRIMARY KEY,
    org        TEXT NOT NULL,
    schedule   TEXT NOT NULL,
    person     TEXT NOT NULL,
    from_at    BIGINT NOT NULL,
    to_at      BIGINT NOT NULL,
    actor      TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX overrides_of_schedule ON overrides (org, schedule, to_at);

CREATE TABLE tokens (
    id         TEXT PRIMARY KEY,
    org        TEXT NOT NULL,
    name       TEXT NOT NULL,
    role       TEXT NOT NULL,
    hash       TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);

CREATE TABLE counters (
    org   TEXT NOT NULL,
    name  TEXT NOT NULL,
    value BIGINT NOT NULL,
    PRIMARY KEY (org, name)
);

-- The raw events of one organization and one commit, compressed together.
CREATE TABLE segments (
    id    TEXT PRIMARY KEY,
    org   TEXT NOT NULL,
    at    BIGINT NOT NULL,
    count BIGINT NOT NULL,
    body  BYTEA NOT NULL
);

CREATE TABLE alerts (
    id          TEXT PRIMARY KEY,
    org         TEXT NOT NULL,
    integration TEXT NOT NULL,
    dedup_key   TEXT NOT NULL,
    newest      BIGINT NOT NULL,
    status      TEXT NOT NULL,
    incident    TEXT NOT NULL,
    until       BIGINT,
    last_at     BIGINT NOT NULL,
    version     BIGINT NOT NULL,
    body        TEXT NOT NULL
);
-- What is looked up by a list comes first: led by a column that all rows share,
-- PostgreSQL reads the whole index for a list, until the table is analyzed.
CREATE UNIQUE INDEX alerts_newest ON alerts (dedup_key, integration, org) WHERE newest = 1;
CREATE INDEX alerts_of_incident ON alerts (incident, id);
CREATE INDEX alerts_expiring ON alerts (until) WHERE until IS NOT NULL AND status = 'firing';
CREATE INDEX alerts_listed ON alerts (org, id);
CREATE INDEX alerts_firing ON alerts (org, id) WHERE status = 'firing';
CREATE INDEX alerts_early ON alerts (last_at) WHERE status = 'tombstone';

CREATE TABLE incidents (
    id        TEXT PRIMARY KEY,
    org       TEXT NOT NULL,
    number    BIGINT NOT NULL,
    group_key TEXT NOT NULL,
    status    TEXT NOT NULL,
    service   TEXT NOT NULL,
    severity  TEXT NOT NULL,
    due       BIGINT,
    opened_at BIGINT NOT NULL,
    version   BIGINT NOT NULL,
    body      TEXT NOT NULL
);
CREATE UNIQUE INDEX incidents_open ON incidents (group_key, org) WHERE status <> 'resolved';
CREATE UNIQUE INDEX incidents_number ON incidents (org, number);
CREATE INDEX incidents_due ON incidents (due) WHERE due IS NOT NULL;
CREATE INDEX incidents_listed ON incidents (org, id);
CREATE INDEX incidents_listed_open ON incidents (org, id) WHERE status <> 'resolved';

CREATE TABLE timeline (
    incident TEXT NOT NULL,
    seq      BIGINT NOT NULL,
    org      TEXT NOT NULL,
    at       BIGINT NOT NULL,
    kind     TEXT NOT NULL,
    body     TEXT NOT NULL,
    PRIMARY KEY (incident, seq)
);

-- What must leave: pages, messages to be edited, tickets. The id is the key of
-- the notification, fixed before it is sent.
CREATE TABLE outbox (
    id          TEXT PRIMARY KEY,
    org         TEXT NOT NULL,
    incident    TEXT NOT NULL,
    kind        TEXT NOT NULL,
    destination TEXT NOT NULL,
    place       TEXT NOT NULL,
    climb_step  TEXT NOT NULL,
    state       TEXT NOT NULL,
    due         BIGINT NOT NULL,
    lease_until BIGINT NOT NULL,
    attempt     BIGINT NOT NULL,
    revision    BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    done_at     BIGINT,
    error       TEXT NOT NULL,
    body        TEXT NOT NULL
);
CREATE INDEX outbox_waiting ON outbox (destination, (CASE kind WHEN 'page' THEN 0 ELSE 1 END), due, id) WHERE state = 'pending';
CREATE INDEX outbox_of_incident ON outbox (incident, state);
CREATE INDEX outbox_done ON outbox (done_at) WHERE done_at IS NOT NULL;

-- Where an incident's message stands at a destination, so that it can be edited
-- in place and threaded.
CREATE TABLE messages (
    incident    TEXT NOT NULL,
    destination TEXT NOT NULL,
    org         TEXT NOT NULL,
    channel     TEXT NOT NULL,
    connection  TEXT NOT NULL,
    address     TEXT NOT NULL,
    ref         TEXT NOT NULL,
    shown       BIGINT NOT NULL,
    status      TEXT NOT NULL,
    PRIMARY KEY (incident, destination)
);

CREATE TABLE runs (
    id          TEXT PRIMARY KEY,
    org         TEXT NOT NULL,
    incident    TEXT NOT NULL,
    runbook     TEXT NOT NULL,
    target      TEXT NOT NULL,
    state       TEXT NOT NULL,
    due         BIGINT,
    lease_until BIGINT NOT NULL,
    attempt     BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    started_at  BIGINT,
    ended_at    BIGINT,
    version     BIGINT NOT NULL,
    body        TEXT NOT NULL
);
CREATE UNIQUE INDEX runs_once ON runs (incident, runbook);
CREATE INDEX runs_due ON runs (due) WHERE due IS NOT NULL;
CREATE INDEX runs_of_target ON runs (org, runbook, target, started_at);

-- Counts of a rule per second of event time, for charts, verdicts and restarts.
CREATE TABLE windows (
    org    TEXT NOT NULL,
    rule   TEXT NOT NULL,
    series TEXT NOT NULL,
    second BIGINT NOT NULL,
    bad    BIGINT NOT NULL,
    total  BIGINT NOT NULL,
    PRIMARY KEY (org, rule, series, second)
);
CREATE INDEX windows_old ON windows (second);

CREATE TABLE rule_states (
    org  TEXT NOT NULL,
    rule TEXT NOT NULL,
    at   BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (org, rule)
);

CREATE TABLE tails (
    org    TEXT NOT NULL,
    source TEXT NOT NULL,
    path   TEXT NOT NULL,
    body   TEXT NOT NULL,
    PRIMARY KEY (org, source, path)
);

CREATE TABLE postmortems (
    incident TEXT PRIMARY KEY,
    org      TEXT NOT NULL,
    at       BIGINT NOT NULL,
    body     TEXT NOT NULL
);

CREATE TABLE idempotency (
    org    TEXT NOT NULL,
    id     TEXT NOT NULL,
    at     BIGINT NOT NULL,
    status BIGINT NOT NULL,
    body   TEXT NOT NULL,
    PRIMARY KEY (org, id)
);
CREATE INDEX idempotency_old ON idempotency (at);

-- What integrations sent that was refused or odd, for the people who own them.
CREATE TABLE complaints (
    id          TEXT PRIMARY KEY,
    org         TEXT NOT NULL,
    integration TEXT NOT NULL,
    at          BIGINT NOT NULL,
    kind        TEXT NOT NULL,
    detail      TEXT NOT NULL,
    body        BYTEA NOT NULL
);
CREATE INDEX complaints_of_integration ON complaints (org, integration, id);
CREATE INDEX complaints_old ON complaints (at);

-- +goose Down
DROP TABLE complaints;
DROP TABLE idempotency;
DROP TABLE postmortems;
DROP TABLE tails;
DROP TABLE rule_states;
DROP TABLE windows;
DROP TABLE runs;
DROP TABLE messages;
DROP TABLE outbox;
DROP TABLE timeline;
DROP TABLE incidents;
DROP TABLE alerts;
DROP TABLE segments;
DROP TABLE counters;
DROP TABLE tokens;
DROP TABLE overrides;
DROP TABLE resources;
DROP TABLE revisions;
DROP TABLE organizations;
