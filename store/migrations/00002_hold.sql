-- What holding needs: added to the spine while both versions may run.

-- +goose Up
-- The processes that share this database, and what each of them holds. A
-- replica that was not seen for a while is declared dead by another.
CREATE TABLE replicas (
    id         TEXT PRIMARY KEY,
    node       TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,
    skew       BIGINT NOT NULL,
    offline    BIGINT NOT NULL
);
ALTER TABLE outbox ADD COLUMN holder TEXT NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN avoid TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN holder TEXT NOT NULL DEFAULT '';
-- The version that an incident's row had before the commit that wrote it.
ALTER TABLE incidents ADD COLUMN base BIGINT NOT NULL DEFAULT 0;

-- Of a row that failed: when it was first due, how often it failed since, and
-- whether the person's next contact method was pulled forward for it.
ALTER TABLE outbox ADD COLUMN first_due BIGINT;
ALTER TABLE outbox ADD COLUMN tries BIGINT NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN passed BIGINT NOT NULL DEFAULT 0;
-- How often in a row an edit of the message was refused.
ALTER TABLE messages ADD COLUMN refused BIGINT NOT NULL DEFAULT 0;

-- What the auditor looks for, so that a look reads what is stuck and nothing else.
-- seq is that of the newest entry of the timeline; waits says why an open
-- incident has nothing due ("acknowledged", "exhausted"), or "quarantined".
ALTER TABLE incidents ADD COLUMN seq BIGINT NOT NULL DEFAULT 0;
ALTER TABLE incidents ADD COLUMN waits TEXT NOT NULL DEFAULT '';
UPDATE incidents SET waits = CASE WHEN status = 'acknowledged' THEN status ELSE '' END,
    seq = COALESCE((SELECT max(timeline.seq) FROM timeline WHERE timeline.incident = incidents.id), 0) WHERE status <> 'resolved';
CREATE INDEX incidents_idle ON incidents (id) WHERE status <> 'resolved' AND due IS NULL AND waits = '';
CREATE INDEX incidents_settled ON incidents (id) WHERE status IN ('acknowledged', 'resolved') AND due IS NOT NULL;
CREATE INDEX incidents_quarantined ON incidents (org) WHERE waits = 'quarantined';
CREATE INDEX outbox_quarantined ON outbox (org) WHERE state = 'quarantined';
CREATE INDEX runs_open ON runs (id) WHERE ended_at IS NULL;
-- With the incident in it, who walks over the firing alerts reads no alert.
DROP INDEX alerts_firing;
CREATE INDEX alerts_firing ON alerts (org, id, incident) WHERE status = 'firing';

-- Restores of a backup: judged_at is when what had been due was judged anew.
CREATE TABLE restores (
    id          TEXT PRIMARY KEY,
    made_at     BIGINT NOT NULL,
    restored_at BIGINT NOT NULL,
    judged_at   BIGINT
);

-- When the outbox has something to do next, without reading all that waits.
CREATE INDEX outbox_free ON outbox (destination, due) WHERE state = 'pending' AND lease_until = 0;
CREATE INDEX outbox_leased ON outbox (lease_until) WHERE lease_until > 0;

-- Bodies of log lines that were counted, and whose senders may not know it: what
-- comes again is not counted again.
CREATE TABLE log_bodies (
    id       TEXT PRIMARY KEY,
    org      TEXT NOT NULL,
    digest   TEXT NOT NULL,
    at       BIGINT NOT NULL,
    lines    BIGINT NOT NULL,
    unparsed BIGINT NOT NULL
);
CREATE INDEX log_bodies_digest ON log_bodies (digest);
CREATE INDEX log_bodies_old ON log_bodies (at);

-- An index with last_at in it is written anew, and with it all others on
-- PostgreSQL, whenever an alert is repeated; tombstones are few, and do without.
DROP INDEX alerts_early;
CREATE INDEX alerts_tombstones ON alerts (id) WHERE status = 'tombstone';

-- Of a page that an interrupt budget judges: the person (organization/user), the
-- contact method, and the rank of its severity (0 is critical, 9 not known). A
-- gathered one leaves with the row that is its carrier: a digest, which has no
-- incident, or a newer page of the same incident.
ALTER TABLE outbox ADD COLUMN person TEXT NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN contact TEXT NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN severity BIGINT NOT NULL DEFAULT 9;
ALTER TABLE outbox ADD COLUMN carrier TEXT NOT NULL DEFAULT '';
CREATE INDEX outbox_of_person ON outbox (person, due) WHERE state = 'pending' AND person <> '';
CREATE INDEX outbox_interrupts ON outbox (person, done_at) WHERE state = 'sent' AND person <> '';
CREATE INDEX outbox_gathered ON outbox (carrier, id) WHERE state = 'gathered';
CREATE INDEX incidents_critical ON incidents (due) WHERE severity = 'critical' AND due IS NOT NULL;
CREATE INDEX outbox_critical ON outbox (destination, due) WHERE state = 'pending' AND severity = 0;

-- +goose Down
DROP INDEX outbox_critical;
DROP INDEX incidents_critical;
DROP INDEX outbox_gathered;
DROP INDEX outbox_interrupts;
DROP INDEX outbox_of_person;
UPDATE outbox SET state = 'pending' WHERE state = 'gathered';
UPDATE outbox SET state = 'cancelled' WHERE state = 'pending' AND kind = 'page' AND incident = '';
UPDATE outbox SET state = 'sent' WHERE state = 'digested';
ALTER TABLE outbox DROP COLUMN carrier;
ALTER TABLE outbox DROP COLUMN severity;
ALTER TABLE outbox DROP COLUMN contact;
ALTER TABLE outbox DROP COLUMN person;
DROP TABLE log_bodies;
DROP INDEX outbox_leased;
DROP INDEX outbox_free;
DROP TABLE restores;
DROP INDEX alerts_tombstones;
CREATE INDEX alerts_early ON alerts (last_at) WHERE status = 'tombstone';
DROP INDEX alerts_firing;
CREATE INDEX alerts_firing ON alerts (org, id) WHERE status = 'firing';
DROP INDEX runs_open;
DROP INDEX outbox_quarantined;
DROP INDEX incidents_quarantined;
DROP INDEX incidents_settled;
DROP INDEX incidents_idle;
ALTER TABLE incidents DROP COLUMN waits;
ALTER TABLE incidents DROP COLUMN seq;
ALTER TABLE messages DROP COLUMN refused;
ALTER TABLE outbox DROP COLUMN passed;
ALTER TABLE outbox DROP COLUMN tries;
ALTER TABLE outbox DROP COLUMN first_due;
ALTER TABLE incidents DROP COLUMN base;
ALTER TABLE runs DROP COLUMN holder;
ALTER TABLE outbox DROP COLUMN avoid;
ALTER TABLE outbox DROP COLUMN holder;
DROP TABLE replicas;
