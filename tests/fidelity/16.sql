-- What PostgreSQL 16 added.

-- ---- Views

CREATE VIEW json_built AS
    SELECT json_object('a': 1, 'b': id NULL ON NULL WITH UNIQUE KEYS RETURNING jsonb) AS o, json_array(1, id ABSENT ON NULL) AS a,
        '{}' IS JSON OBJECT WITH UNIQUE KEYS AS is_json, (SELECT json_arrayagg(e.id ORDER BY e.id) FILTER (WHERE e.id > 1) FROM employees AS e) AS agg,
        system_user AS who FROM departments;
CREATE VIEW without_alias AS SELECT * FROM (SELECT 1 AS one);
CREATE VIEW underscored AS SELECT 1_000 + 0xFF + 0b11 AS n, any_value(id) AS a FROM employees;

-- ---- Storage, collations, subscriptions

CREATE TABLE stored (id int, outside text STORAGE EXTERNAL COMPRESSION pglz);
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_collation WHERE collprovider = 'i') THEN
        CREATE COLLATION with_rules (provider = icu, locale = 'und', rules = '& V << w <<< W');
        CREATE TABLE by_rules (name text COLLATE with_rules PRIMARY KEY);
        INSERT INTO by_rules VALUES ('v'), ('w'), ('W');
    END IF;
END
$$;
ALTER SUBSCRIPTION to_nowhere SET (origin = none, run_as_owner = true, password_required = false);
CREATE TRIGGER copied AFTER INSERT ON texts REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION log_statement();
