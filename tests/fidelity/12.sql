-- What PostgreSQL 12 added.

-- ---- Generated columns

CREATE TABLE generated (
    base int, doubled int GENERATED ALWAYS AS (base * 2) STORED, label text DEFAULT 'x',
    described text GENERATED ALWAYS AS (upper(label) || ' "' || base::text || '"') STORED NOT NULL CHECK (described <> '')
);
INSERT INTO generated (base, label) SELECT i, 'label ' || i FROM generate_series(1, 30) AS i;
CREATE INDEX by_generated ON generated (doubled);
CREATE TABLE generated_child (own int GENERATED ALWAYS AS (base * 3) STORED) INHERITS (generated);
INSERT INTO generated_child (base) VALUES (5);
CREATE TABLE generated_parts (id int, at date, squared int GENERATED ALWAYS AS (id * id) STORED) PARTITION BY RANGE (id);
CREATE TABLE generated_parts_1 (squared int GENERATED ALWAYS AS (id * id) STORED, at date, id int);
ALTER TABLE generated_parts ATTACH PARTITION generated_parts_1 FOR VALUES FROM (0) TO (100);
INSERT INTO generated_parts SELECT i, '2031-01-01' FROM generate_series(1, 10) AS i;

-- ---- Table access methods

CREATE ACCESS METHOD heap_too TYPE TABLE HANDLER heap_tableam_handler;
COMMENT ON ACCESS METHOD heap_too IS 'a table access method';
CREATE TABLE of_heap_too (id int PRIMARY KEY, value text) USING heap_too;
INSERT INTO of_heap_too SELECT i, md5(i::text) FROM generate_series(1, 100) AS i;
CREATE MATERIALIZED VIEW view_of_heap_too USING heap_too AS SELECT count(*) FROM of_heap_too;
CREATE TABLE back_to_heap (id int) USING heap;

-- ---- Partitions that others refer to, in tablespaces, with bounds of expressions

CREATE TABLE points_at_partitions (id int REFERENCES hashed ON DELETE CASCADE);
INSERT INTO points_at_partitions SELECT generate_series(1, 10);
CREATE TABLE placed (id int, at date) PARTITION BY RANGE (at) TABLESPACE fidelity_space;
CREATE TABLE placed_1 PARTITION OF placed FOR VALUES FROM ('2031-01-01'::date - 1) TO ('2031-01-01'::date + 10 * 10);
CREATE TABLE placed_rest PARTITION OF placed DEFAULT TABLESPACE pg_default;
INSERT INTO placed SELECT i, '2031-01-01'::date + i FROM generate_series(0, 200) AS i;

-- ---- The rest

CREATE STATISTICS most_common (mcv) ON small, cash FROM numbers;
ALTER TABLE options SET (vacuum_truncate = false, toast.vacuum_truncate = false, vacuum_index_cleanup = false);
CREATE TABLE paths (id int PRIMARY KEY, path jsonpath);
INSERT INTO paths VALUES (1, '$.a[*] ? (@.b > 1 && @.c like_regex "x\\d")'), (2, 'strict $."q\"uote"'), (3, NULL);
CREATE VIEW with_materialized AS WITH a AS MATERIALIZED (SELECT 1 AS one), b AS NOT MATERIALIZED (SELECT 2 AS two)
    SELECT a.one, b1.two, b2.two AS three FROM a, b AS b1, b AS b2;
CREATE FUNCTION supported(int) RETURNS boolean LANGUAGE sql IMMUTABLE SUPPORT generate_series_int4_support AS 'SELECT true';
CREATE INDEX gist_covering ON moments USING gist (while_) INCLUDE (id);
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_collation WHERE collprovider = 'i') THEN
        CREATE COLLATION ignoring_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
        CREATE TABLE folded_names (name text COLLATE ignoring_case PRIMARY KEY);
        INSERT INTO folded_names VALUES ('One'), ('two'), ('Ünï');
    END IF;
END
$$;
