-- What PostgreSQL 18 added.

-- ---- Virtual columns

CREATE TABLE virtual_columns (
    base int, doubled int GENERATED ALWAYS AS (base * 2) VIRTUAL, stored int GENERATED ALWAYS AS (base * 3) STORED,
    label text GENERATED ALWAYS AS (upper('x' || base::text))
);
INSERT INTO virtual_columns (base) SELECT generate_series(1, 20);

-- ---- Constraints: named and unvalidated NOT NULL, not enforced, over time

CREATE TABLE named_nulls (
    a int CONSTRAINT "a is there" NOT NULL, b int CONSTRAINT b_local NOT NULL NO INHERIT, c int, d int, e int PRIMARY KEY
);
INSERT INTO named_nulls VALUES (1, 1, NULL, NULL, 1);
ALTER TABLE named_nulls ADD CONSTRAINT c_not_checked NOT NULL c NOT VALID;
COMMENT ON CONSTRAINT "a is there" ON named_nulls IS 'a constraint of a name';
COMMENT ON CONSTRAINT c_not_checked ON named_nulls IS 'not validated';
CREATE TABLE named_nulls_child (d int CONSTRAINT d_here NOT NULL) INHERITS (named_nulls);
INSERT INTO named_nulls_child VALUES (2, 2, 2, 2, 2);
CREATE TABLE null_above (a int, late text);
CREATE TABLE null_below (own int) INHERITS (null_above);
ALTER TABLE null_below ALTER late SET NOT NULL;
CREATE TABLE named_nulls_parts (id int CONSTRAINT id_there NOT NULL, v int) PARTITION BY LIST (id);
CREATE TABLE named_nulls_part (v int, id int CONSTRAINT own_name NOT NULL);
ALTER TABLE named_nulls_parts ATTACH PARTITION named_nulls_part FOR VALUES IN (1);
CREATE TABLE not_enforced (
    id int PRIMARY KEY, positive int CONSTRAINT believed CHECK (positive > 0) NOT ENFORCED,
    department int CONSTRAINT believed_reference REFERENCES departments NOT ENFORCED
);
INSERT INTO not_enforced VALUES (1, -1, 777);
CREATE TABLE rooms (name int4range, during daterange, PRIMARY KEY (name, during WITHOUT OVERLAPS));
CREATE TABLE room_bookings (
    name int4range, during daterange, many datemultirange, UNIQUE (name, during WITHOUT OVERLAPS),
    FOREIGN KEY (name, PERIOD during) REFERENCES rooms (name, PERIOD during)
);
INSERT INTO rooms VALUES ('[1,2)', '[2031-01-01,2031-06-01)'), ('[1,2)', '[2031-06-01,2032-01-01)');
INSERT INTO room_bookings VALUES ('[1,2)', '[2031-05-01,2031-07-01)', '{[2031-05-01,2031-07-01)}');
CREATE TABLE notes_18 (id int, department int) PARTITION BY LIST (id);
CREATE TABLE notes_18_1 PARTITION OF notes_18 FOR VALUES IN (1);
INSERT INTO notes_18 VALUES (1, 777);
ALTER TABLE notes_18 ADD CONSTRAINT not_valid_whole FOREIGN KEY (department) REFERENCES departments NOT VALID;

-- ---- The rest

ALTER DEFAULT PRIVILEGES FOR ROLE fidelity_other GRANT SELECT ON LARGE OBJECTS TO fidelity_reader;
CREATE PUBLICATION with_generated FOR TABLE generated WITH (publish_generated_columns = stored);
CREATE COLLATION built_in_fast (provider = builtin, locale = 'PG_UNICODE_FAST');
CREATE TABLE keyed_by_time (id uuid DEFAULT uuidv7() PRIMARY KEY, folded text DEFAULT casefold('ẞ' COLLATE built_in_fast));
INSERT INTO keyed_by_time (id) VALUES ('01890a5d-ac96-774b-bcce-b302099a8057');
CREATE FUNCTION returns_both() RETURNS TABLE (was int, is_ int) LANGUAGE sql
    BEGIN ATOMIC UPDATE merged SET head = head RETURNING old.head, new.head; END;
CREATE FOREIGN TABLE far_like (LIKE texts INCLUDING ALL) SERVER far;
CREATE TABLE options_18 (id int) WITH (autovacuum_vacuum_max_threshold = 5000, vacuum_max_eager_freeze_failure_rate = 0.1);
CREATE INDEX gin_built ON lists USING gin (numbers);
