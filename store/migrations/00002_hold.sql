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

-- +goose Down
ALTER TABLE incidents DROP COLUMN base;
ALTER TABLE runs DROP COLUMN holder;
ALTER TABLE outbox DROP COLUMN avoid;
ALTER TABLE outbox DROP COLUMN holder;
DROP TABLE replicas;
