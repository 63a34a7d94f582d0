-- What PostgreSQL 11 added.

-- ---- Procedures

CREATE PROCEDURE proceed(INOUT n int) LANGUAGE plpgsql AS 'BEGIN n := n + 1; END';
CREATE PROCEDURE proceed_as_definer("the text" text DEFAULT 'x') LANGUAGE sql SECURITY DEFINER SET search_path = app
    AS 'INSERT INTO app.logged_changes VALUES (0, $1)';
COMMENT ON PROCEDURE proceed(int) IS 'a procedure';
ALTER PROCEDURE proceed_as_definer(text) OWNER TO fidelity_other;
GRANT EXECUTE ON PROCEDURE proceed(int) TO fidelity_reader;
REVOKE EXECUTE ON PROCEDURE proceed(int) FROM PUBLIC;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA theirs TO fidelity_reader;
CREATE AGGREGATE shared_final(int) (SFUNC = int4larger, STYPE = int, FINALFUNC_MODIFY = SHAREABLE);

-- ---- Partitions: by hash, the rest, keys and indexes of the whole, keys that point away from it

CREATE TABLE hashed (id int, value text, PRIMARY KEY (id)) PARTITION BY HASH (id);
CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 4, REMAINDER 1);
CREATE TABLE hashed_3 (value text, id int NOT NULL);
CREATE UNIQUE INDEX "own name" ON hashed_3 (id);
ALTER TABLE hashed_3 ADD CONSTRAINT own_key PRIMARY KEY USING INDEX "own name";
ALTER TABLE hashed ATTACH PARTITION hashed_3 FOR VALUES WITH (MODULUS 4, REMAINDER 3);
INSERT INTO hashed SELECT i, 'value ' || i FROM generate_series(1, 200) AS i;
-- An enum hashes by its value's oid, which is another after a restore: its rows must be dealt out anew.
CREATE TABLE hashed_by_mood (feeling mood, id int) PARTITION BY HASH (feeling enum_ops);
CREATE TABLE hashed_by_mood_0 PARTITION OF hashed_by_mood FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE hashed_by_mood_1 PARTITION OF hashed_by_mood FOR VALUES WITH (MODULUS 3, REMAINDER 1) PARTITION BY LIST (id);
CREATE TABLE hashed_by_mood_1_rest PARTITION OF hashed_by_mood_1 DEFAULT;
CREATE TABLE hashed_by_mood_2 PARTITION OF hashed_by_mood FOR VALUES WITH (MODULUS 3, REMAINDER 2);
INSERT INTO hashed_by_mood SELECT (enum_range(NULL::mood))[1 + i % 5], i FROM generate_series(1, 500) AS i;
CREATE TABLE events_rest PARTITION OF events_2031 DEFAULT;
INSERT INTO events VALUES (9001, '2031-06-01 00:00+00', 'neither');
REFRESH MATERIALIZED VIEW filled;
REFRESH MATERIALIZED VIEW a_over_filled;
REFRESH MATERIALIZED VIEW over_over_filled;
CREATE INDEX events_by_kind ON events (kind, id DESC) WHERE id > 0;
CREATE INDEX events_2030_own ON events_2030 (at);
CREATE INDEX events_by_at ON ONLY events (at);
ALTER INDEX events_by_at ATTACH PARTITION events_2030_own;
COMMENT ON INDEX events_by_kind IS 'an index of a partitioned table';
CREATE TABLE notes (id int, department int REFERENCES departments ON DELETE CASCADE, CHECK (id > 0)) PARTITION BY LIST (id);
CREATE TABLE notes_1 PARTITION OF notes FOR VALUES IN (1, 2);
CREATE TABLE notes_rest (department int, id int);
ALTER TABLE notes_rest ADD CONSTRAINT notes_id_check CHECK (id > 0), ADD CONSTRAINT own_reference FOREIGN KEY (department) REFERENCES departments;
ALTER TABLE notes ATTACH PARTITION notes_rest DEFAULT;
INSERT INTO notes VALUES (1, 0), (2, NULL), (3, 1);
CREATE TRIGGER on_notes AFTER UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION log_change('of the whole');
ALTER TABLE notes_1 DISABLE TRIGGER on_notes;

-- ---- Indexes and tables

CREATE INDEX covering_index ON numbers USING btree (small) INCLUDE (big, cash) WITH (fillfactor = 70);
ALTER TABLE departments ADD CONSTRAINT covering UNIQUE (id) INCLUDE (head) DEFERRABLE;
CREATE INDEX expressions_with_target ON texts ((id + 1), (id * 2));
ALTER INDEX expressions_with_target ALTER COLUMN 2 SET STATISTICS 333;
ALTER TABLE options SET (toast_tuple_target = 512);
-- A default that rows of before have without having been written.
ALTER TABLE changed ADD COLUMN fast text DEFAULT 'never written', ADD COLUMN fast_null int DEFAULT 7 NOT NULL;
INSERT INTO changed (a, c, d) VALUES (3, 'x', 1);
CREATE DOMAIN moods AS mood[] CHECK (array_length(VALUE, 1) < 4);
CREATE TABLE of_domains (id int PRIMARY KEY, feelings moods, names email[]);
INSERT INTO of_domains VALUES (1, '{sad,ok}', '{a@b,NULL}'), (2, '{}', NULL);
CREATE VIEW windows AS
    SELECT id, sum(id) OVER (ORDER BY id GROUPS BETWEEN 2 PRECEDING AND 1 FOLLOWING EXCLUDE TIES) FROM employees;

-- ---- An index of an access method of our own

CREATE OPERATOR CLASS box_too DEFAULT FOR TYPE box USING gist_too AS
    OPERATOR 1 <<, OPERATOR 2 &<, OPERATOR 3 &&, OPERATOR 4 &>, OPERATOR 5 >>, OPERATOR 6 ~=, OPERATOR 7 @>,
    OPERATOR 8 <@, OPERATOR 9 &<|, OPERATOR 10 <<|, OPERATOR 11 |>>, OPERATOR 12 |&>,
    FUNCTION 1 gist_box_consistent(internal, box, smallint, oid, internal), FUNCTION 2 gist_box_union(internal, internal),
    FUNCTION 5 gist_box_penalty(internal, internal, internal), FUNCTION 6 gist_box_picksplit(internal, internal),
    FUNCTION 7 gist_box_same(box, box, internal);
CREATE INDEX of_method_too ON floats_within USING gist_too (area);

-- ---- Publications

ALTER PUBLICATION some_tables SET (publish = 'insert, truncate');
