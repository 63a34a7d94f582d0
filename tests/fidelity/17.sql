-- What PostgreSQL 17 added.

-- ---- Partitioned tables: identity, access method

CREATE TABLE numbered_parts (
    id int GENERATED ALWAYS AS IDENTITY (START 50), part int
) PARTITION BY LIST (part) USING heap_too;
CREATE TABLE numbered_parts_1 PARTITION OF numbered_parts FOR VALUES IN (1);
CREATE TABLE numbered_parts_2 PARTITION OF numbered_parts FOR VALUES IN (2) USING heap;
INSERT INTO numbered_parts (part) VALUES (1), (2), (1);

-- ---- Collations of the server's own, privileges, event triggers

CREATE COLLATION built_in (provider = builtin, locale = 'C.UTF-8');
CREATE TABLE by_built_in (name text COLLATE built_in PRIMARY KEY);
INSERT INTO by_built_in VALUES ('é'), ('e'), ('z');
GRANT MAINTAIN ON texts TO fidelity_reader WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES FOR ROLE fidelity_other GRANT MAINTAIN ON TABLES TO fidelity_reader;
CREATE FUNCTION greet() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE DEBUG ''hello''; END';
CREATE EVENT TRIGGER at_login ON login EXECUTE FUNCTION greet();
ALTER EVENT TRIGGER at_login DISABLE;

-- ---- The rest

CREATE VIEW json_tabulated AS
    SELECT j.* FROM documents, JSON_TABLE(binary_, '$' COLUMNS (n FOR ORDINALITY, b int PATH '$.b' DEFAULT 7 ON EMPTY NULL ON ERROR,
        a text FORMAT JSON PATH '$.a' WITH WRAPPER, NESTED PATH '$.a[*]' AS nested COLUMNS (x text EXISTS PATH '$.x'))) AS j;
CREATE VIEW json_queried AS
    SELECT json_value(binary_, '$.b' RETURNING int DEFAULT 1 ON EMPTY) AS v, json_query(binary_, '$.a' WITHOUT WRAPPER KEEP QUOTES) AS q,
        json_exists(binary_, '$.a ? (@ > $x)' PASSING 1 AS x) AS e, json_scalar(id) AS s, json_serialize(plain RETURNING bytea) AS b FROM documents;
CREATE FUNCTION merges_and_returns() RETURNS TABLE (action text, id int) LANGUAGE sql
    BEGIN ATOMIC
        MERGE INTO merged AS d USING (SELECT 1 AS id) AS s ON d.id = s.id
            WHEN NOT MATCHED BY SOURCE THEN DO NOTHING WHEN MATCHED THEN UPDATE SET head = 1 RETURNING merge_action(), d.id;
    END;
ALTER TABLE generated ALTER doubled SET EXPRESSION AS (base * 2 + 0);
ALTER TABLE texts ALTER value SET STATISTICS DEFAULT;
INSERT INTO moments (id, took) VALUES (30, 'infinity'), (31, '-infinity');
CREATE VIEW at_local AS SELECT at AT LOCAL AS l FROM moments;
