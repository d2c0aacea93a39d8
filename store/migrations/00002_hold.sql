-- What holding needs: added to the spine while both versions may run.

-- +goose Up
SELECT 1;

-- +goose Down
SELECT 1;
