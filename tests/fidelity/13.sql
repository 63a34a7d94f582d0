-- What PostgreSQL 13 added.

-- ---- Publications

CREATE PUBLICATION partitions FOR TABLE events, hashed_by_mood WITH (publish_via_partition_root = true);

-- ---- Triggers before rows of partitioned tables

CREATE TRIGGER before_notes BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION log_change();
ALTER TABLE notes DISABLE TRIGGER before_notes;

-- ---- The rest

CREATE INDEX with_parameter ON documents USING gist (words tsvector_ops (siglen = 100));
CREATE INDEX without_deduplication ON numbers (small) WITH (deduplicate_items = off);
ALTER STATISTICS correlated SET STATISTICS 500;
CREATE TABLE no_longer_generated (id int, doubled int GENERATED ALWAYS AS (id * 2) STORED);
INSERT INTO no_longer_generated VALUES (1);
ALTER TABLE no_longer_generated ALTER doubled DROP EXPRESSION;
ALTER TYPE text_too SET (STORAGE = external, RECEIVE = NONE);
ALTER TABLE options SET (autovacuum_vacuum_insert_threshold = 1234);
CREATE VIEW with_ties AS SELECT id FROM employees ORDER BY department FETCH FIRST 3 ROWS WITH TIES;
CREATE FUNCTION compatible(anycompatible, anycompatiblearray) RETURNS anycompatible LANGUAGE sql AS 'SELECT $1';
CREATE TABLE transactions (id xid8, taken pg_snapshot);
INSERT INTO transactions VALUES ('18446744073709551615', '1:3:2'), (NULL, NULL);
ALTER TRIGGER on_insert ON empty_table DEPENDS ON EXTENSION plpgsql;
