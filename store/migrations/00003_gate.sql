-- What gates report: their runs, the defects that they find, their self-tests.

-- +goose Up
CREATE TABLE gate_runs (
    id     TEXT PRIMARY KEY,
    org    TEXT NOT NULL,
    gate   TEXT NOT NULL,
    result TEXT NOT NULL,
    suite  TEXT NOT NULL,
    at     BIGINT NOT NULL,
    body   TEXT NOT NULL
);
-- A result that is sent twice counts once.
CREATE UNIQUE INDEX gate_runs_once ON gate_runs (org, gate, result);
CREATE INDEX gate_runs_listed ON gate_runs (org, gate, id);
CREATE INDEX gate_runs_old ON gate_runs (at);

CREATE TABLE defects (
    id          TEXT PRIMARY KEY,
    org         TEXT NOT NULL,
    gate        TEXT NOT NULL,
    suite       TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    state       TEXT NOT NULL,
    team        TEXT NOT NULL,
    class       TEXT NOT NULL,
    changed_at  BIGINT NOT NULL,
    version     BIGINT NOT NULL,
    body        TEXT NOT NULL
);
CREATE UNIQUE INDEX defects_once ON defects (fingerprint, suite, gate, org);
CREATE INDEX defects_listed ON defects (org, id);
CREATE INDEX defects_open ON defects (org, gate, suite) WHERE state = 'open';
CREATE INDEX defects_mended ON defects (org, class, changed_at) WHERE state = 'closed';

CREATE TABLE selftests (
    id     TEXT PRIMARY KEY,
    org    TEXT NOT NULL,
    gate   TEXT NOT NULL,
    result TEXT NOT NULL,
    good   BIGINT NOT NULL,
    at     BIGINT NOT NULL,
    body   TEXT NOT NULL
);
CREATE UNIQUE INDEX selftests_once ON selftests (org, gate, result);
CREATE INDEX selftests_good ON selftests (org, gate, at) WHERE good = 1;
CREATE INDEX selftests_old ON selftests (at);

-- +goose Down
UPDATE outbox SET state = 'cancelled' WHERE state = 'pending' AND kind IN ('defect', 'news');
DROP TABLE selftests;
DROP TABLE defects;
DROP TABLE gate_runs;
