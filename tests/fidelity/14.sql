-- What PostgreSQL 14 added.

-- ---- Functions with a body that is parsed when they are made

CREATE FUNCTION standard_body(n int) RETURNS int LANGUAGE sql IMMUTABLE RETURN n + 1;
CREATE FUNCTION atomic_body(who text) RETURNS TABLE (id int, name text) LANGUAGE sql
    BEGIN ATOMIC
        INSERT INTO logged_changes VALUES (1, who || 'it''s');
        SELECT e.id, e.name FROM employees AS e JOIN departments AS d ON d.head = e.id WHERE e.name = who;
    END;
CREATE PROCEDURE atomic_procedure(n int, OUT total bigint) LANGUAGE sql
    BEGIN ATOMIC SELECT count(*) + n FROM texts; END;
-- pg_dump must make these in this order: a function of a view's rows, and a view of that function.
CREATE VIEW under_function AS SELECT 1 AS a;
CREATE FUNCTION over_view_of_rows() RETURNS SETOF under_function LANGUAGE sql BEGIN ATOMIC SELECT * FROM under_function; END;
CREATE VIEW over_function AS SELECT * FROM over_view_of_rows();
-- A function of a table's columns that needs the table's key.
CREATE FUNCTION needs_key() RETURNS TABLE (id int, value text) LANGUAGE sql BEGIN ATOMIC SELECT id, value FROM texts GROUP BY id; END;

-- ---- Multiranges

CREATE TYPE named_span AS RANGE (subtype = float8, subtype_diff = float8mi, multirange_type_name = "many Spans");
CREATE TABLE multiranges (id int PRIMARY KEY, whole int4multirange, spans "many Spans", times span_multirange);
INSERT INTO multiranges VALUES
    (1, '{[1,3),[5,9)}', '{(,0.5],[1.5,2]}', '{[2031-01-01 00:00+00,2031-01-02 00:00+00),[2031-02-01 00:00+00,)}'), (2, '{}', '{}', NULL);

-- ---- Compression

CREATE TABLE compressed (id int, kept text COMPRESSION pglz, usual text);
INSERT INTO compressed SELECT i, repeat('kept ', 5000), repeat('usual ', 5000) FROM generate_series(1, 5) AS i;
DO $$
BEGIN
    IF (SELECT 'lz4' = ANY (enumvals) FROM pg_settings WHERE name = 'default_toast_compression') THEN
        CREATE TABLE compressed_otherwise (id int, kept text COMPRESSION lz4);
        INSERT INTO compressed_otherwise SELECT i, repeat('kept ', 5000) FROM generate_series(1, 5) AS i;
    END IF;
END
$$;

-- ---- The rest

CREATE STATISTICS of_expressions (dependencies, mcv) ON (id % 10), (left(value, 3)) FROM texts;
CREATE STATISTICS of_one_expression ON (lower(value)) FROM texts;
CREATE INDEX brin_multi ON events_2030 USING brin (id int8_minmax_multi_ops (values_per_range = 16), at timestamptz_bloom_ops);
CREATE OR REPLACE TRIGGER replaced AFTER INSERT ON employees FOR EACH ROW EXECUTE FUNCTION log_change();
CREATE VIEW cycles AS
    WITH RECURSIVE tree (id, manager) AS (
        SELECT id, manager FROM employees WHERE id = 1 UNION ALL SELECT e.id, e.manager FROM employees AS e JOIN tree ON tree.manager = e.id
    ) SEARCH DEPTH FIRST BY id SET ordering CYCLE id SET is_cycle USING path
    SELECT id, manager, is_cycle FROM tree ORDER BY ordering;
CREATE VIEW joined_as AS SELECT j.id FROM (employees JOIN departments USING (id) AS j);
CREATE VIEW subscripted AS SELECT binary_['a']['c'] AS c, extract(epoch FROM moments.at) AS e FROM documents JOIN moments USING (id);
INSERT INTO numbers (id, exact) VALUES (20, 'Infinity'), (21, '-Infinity');
ALTER TABLE wide_rows ALTER value SET COMPRESSION pglz;
CREATE VIEW grouped_distinct AS SELECT department, manager, count(*) FROM employees GROUP BY DISTINCT ROLLUP (department, manager), CUBE (department);
CREATE UNLOGGED TABLE unlogged_serial (id serial);
ALTER SUBSCRIPTION to_nowhere SET (binary = true, streaming = true);
