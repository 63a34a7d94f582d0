-- What PostgreSQL 15 added.

-- ---- Constraints

CREATE TABLE one_null (id int PRIMARY KEY, a int, b int, UNIQUE NULLS NOT DISTINCT (a, b));
CREATE UNIQUE INDEX one_null_index ON one_null (b) NULLS NOT DISTINCT WHERE id > 1;
INSERT INTO one_null VALUES (1, NULL, 1), (2, 2, NULL);
CREATE TABLE partly_nulled (
    a int, b int DEFAULT 1, FOREIGN KEY (a, b) REFERENCES departments (head, id) ON DELETE SET NULL (a),
    CONSTRAINT defaults_one FOREIGN KEY (a, b) REFERENCES departments (head, id) ON DELETE SET DEFAULT (b)
);

-- ---- Publications

CREATE PUBLICATION of_schemas FOR TABLES IN SCHEMA theirs, twin;
CREATE PUBLICATION of_rows_and_columns FOR TABLE employees (id, name), departments WHERE (id > 1 AND head IS NOT NULL);
CREATE PUBLICATION of_rows_and_schema FOR TABLE departments WHERE (id > 2), TABLES IN SCHEMA "Schéma ""quoted"".and. dotted";
ALTER SUBSCRIPTION to_nowhere SET (disable_on_error = true);

-- ---- Views, sequences, functions

CREATE VIEW as_invoker WITH (security_invoker = true, security_barrier = true) AS SELECT id FROM employees;
CREATE UNLOGGED SEQUENCE unlogged_sequence START 5;
SELECT nextval('unlogged_sequence'), nextval('unlogged_sequence');
ALTER SEQUENCE unlogged_sequence SET LOGGED;
CREATE UNLOGGED SEQUENCE still_unlogged;
CREATE TABLE scaled (id int, thousands numeric(3, -3), tiny numeric(2, 5));
INSERT INTO scaled VALUES (1, 123456, 0.00012);
CREATE TABLE merged (id int PRIMARY KEY, head int);
CREATE FUNCTION merges() RETURNS void LANGUAGE sql
    BEGIN ATOMIC
        MERGE INTO merged AS d USING employees AS e ON d.id = e.department AND e.manager IS NULL
            WHEN MATCHED AND d.head > 100 THEN DELETE
            WHEN MATCHED THEN UPDATE SET head = e.id
            WHEN NOT MATCHED THEN INSERT (id, head) VALUES (e.department, e.id);
    END;
CREATE MATERIALIZED VIEW of_other_method AS SELECT 1 AS one;
ALTER MATERIALIZED VIEW of_other_method SET ACCESS METHOD heap_too;
CREATE TABLE clustered_whole (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE clustered_part PARTITION OF clustered_whole FOR VALUES FROM (0) TO (10);
CLUSTER clustered_part USING clustered_part_pkey;
-- Its sequence is unlogged, as the table is.
CREATE UNLOGGED TABLE unlogged_identity (id int GENERATED ALWAYS AS IDENTITY);
