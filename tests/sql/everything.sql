-- One database that holds what a backup must bring back: every kind of object, awkward names, awkward values.
--
-- Run in the name of the database's owner, who is no superuser. {owner} is that role, {other} a role that the owner is
-- a member of; both are replaced, quoted, before the script is sent. Every section stands for itself.

CREATE SCHEMA app;
COMMENT ON SCHEMA app IS 'Everything that has no reason to be elsewhere';
SET search_path = app;

-- ---- Types ------------------------------------------------------------------------------------------------------

-- A value that is added later can be used once it is committed.
BEGIN;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy', 'it''s "quoted"');
ALTER TYPE mood ADD VALUE 'between' BEFORE 'happy';
COMMIT;
COMMENT ON TYPE mood IS 'an enum with a value added later, in between';
CREATE TYPE address AS (street text, "zip code" varchar(10), mood mood);
COMMENT ON COLUMN address."zip code" IS 'a column of a composite type';
CREATE DOMAIN email AS text CONSTRAINT has_an_at CHECK (VALUE LIKE '%@%') DEFAULT 'nobody@example.org';
CREATE DOMAIN percentage AS numeric(5, 2) NOT NULL CHECK (VALUE BETWEEN 0 AND 100);
COMMENT ON DOMAIN email IS 'a domain';
CREATE TYPE span AS RANGE (subtype = timestamptz);
CREATE COLLATION posix_order (provider = libc, locale = 'C');
COMMENT ON COLLATION posix_order IS 'a collation';

-- ---- Values -----------------------------------------------------------------------------------------------------

CREATE TABLE texts (id int PRIMARY KEY, value text);
INSERT INTO texts VALUES
    (1, NULL), (2, ''), (3, ' '), (4, E'tab\tnew\nline\rreturn'), (5, E'back\\slash \\N \\. \\t'), (6, '\N'), (7, '\.'),
    (8, 'it''s "quoted" $$and$$ $1'), (9, 'Grüße, 世界, 🐘, e' || chr(769)), (10, E'\b\f\v\x01\x7f'), (11, 'NULL'),
    (12, E'\n'), (13, E'\\'), (14, E'a\n\\.\nb'), (15, repeat(E'long \\ line\t', 5000));

CREATE TABLE binaries (id int PRIMARY KEY, value bytea);
INSERT INTO binaries SELECT byte, set_byte('\x00', 0, byte) FROM generate_series(0, 255) AS byte;
INSERT INTO binaries VALUES (256, ''), (257, NULL);
INSERT INTO binaries SELECT 258, string_agg(set_byte('\x00', 0, byte), '' ORDER BY byte) FROM generate_series(0, 255) AS byte;

CREATE TABLE numbers (
    id int PRIMARY KEY, exact numeric, "double" float8, "real" float4, big bigint, small smallint, cash money
);
INSERT INTO numbers VALUES
    (1, 'NaN', 'NaN', 'NaN', 9223372036854775807, 32767, '92233720368547758.07'),
    (2, 1e130000 + 0.5, 'Infinity', '-Infinity', -9223372036854775808, -32768, '-1'),
    (3, 0.000000000000000000000000000000000001, '-0', '-0', 0, 0, 0),
    (4, 1.10, 0.1 + 0.2::float8, 3.4028235e38, NULL, NULL, NULL),
    (5, -12345678901234567890123456789.0123456789, 2.2250738585072014e-308, 1e-45, 1, 1, 1);

CREATE TABLE moments (
    id int PRIMARY KEY, at timestamptz, wall timestamp(3), day date, clock time, zoned timetz, took interval, while_ span
);
INSERT INTO moments VALUES
    (1, 'infinity', '-infinity', 'infinity', '24:00', '23:59:59.999999+14', '1 year -2 mons +3 days -04:05:06.789', '[,]'),
    (2, '4713-01-01 00:00:00 BC', '0044-03-15 12:00 BC', '4713-01-01 BC', '00:00', '00:00-14', '0', 'empty'),
    (3, '294276-12-31 23:59:59.999999+00', '2031-01-31 23:59:59.999', '5874897-12-31', NULL, NULL,
     '178000000 years', '[2031-01-01 00:00+00,2031-02-01 00:00+00)');

CREATE TABLE documents (id int PRIMARY KEY, plain json, binary_ jsonb, markup xml, path jsonpath, CHECK (id > 0));
INSERT INTO documents VALUES
    (1, '{"b" : 1,  "a": [1, 2, {"deep": null}], "b": 2}', '{"b": 1, "a": [1, 2.50, {"deep": "Grüße\n\\ \" /"}]}', NULL,
     '$.a[*] ? (@ > 1)'),
    (2, 'null', 'null', NULL, NULL), (3, NULL, NULL, NULL, NULL);

CREATE TABLE others (
    id uuid PRIMARY KEY, flags bit varying(40), fixed bit(3), point_ point, box_ box, path_ path, net inet, lan cidr,
    mac macaddr, words tsvector, query tsquery, letters "char", fixed_text char(5), kind regtype
);
INSERT INTO others VALUES
    ('00000000-0000-0000-0000-000000000001', B'1010', B'101', '(1,-0)', '(1,1),(0,0)', '[(0,0),(1,2)]', '::1/64',
     '10.0.0.0/8', '08:00:2b:01:02:03', 'a:1A fat:2B,4C ''it''''s'':5', 'fat & !rat', E'\\', 'ab', 'integer');

CREATE TABLE lists (
    id int PRIMARY KEY, numbers int[], words text[], nested text[][], moods mood[], homes address[], home address,
    shifted int[], mails email[], share percentage
);
INSERT INTO lists VALUES
    (1, '{1,NULL,3}', ARRAY['', 'NULL', NULL, 'a,b', '{x}', E'back\\slash "quote"', E'new\nline'],
     '{{a,b},{c,d}}', '{sad,"it''s \"quoted\""}', ARRAY[ROW('a "b", (c)', NULL, 'ok')::address, NULL],
     ROW('', '12345', 'happy'), '[-1:1]={7,8,9}', '{a@b}', 99.99),
    (2, '{}', '{}', '{}', '{}', '{}', NULL, NULL, NULL, 0);

-- ---- Columns ----------------------------------------------------------------------------------------------------

CREATE TABLE columns_of_all_kinds (
    always bigint GENERATED ALWAYS AS IDENTITY (START WITH 1000 INCREMENT BY 10),
    by_default int GENERATED BY DEFAULT AS IDENTITY,
    price numeric(10, 2) NOT NULL DEFAULT 1.5,
    quantity int DEFAULT (1 + 1),
    total numeric GENERATED ALWAYS AS (price * quantity) STORED,
    sorted text COLLATE posix_order,
    wide text,
    tuned int
);
ALTER TABLE columns_of_all_kinds ALTER wide SET STORAGE EXTERNAL, ALTER tuned SET STATISTICS 500, ALTER tuned SET (n_distinct = 7);
INSERT INTO columns_of_all_kinds (price, quantity, sorted, wide, tuned)
    SELECT i, i % 7, chr(65 + i % 26), repeat('w', 3000), i FROM generate_series(1, 100) AS i;
COMMENT ON TABLE columns_of_all_kinds IS E'a comment with ''quotes'', a \\ and\na second line';
COMMENT ON COLUMN columns_of_all_kinds.total IS 'generated';

CREATE TABLE changed (a int, gone text, b int, also_gone int, c text DEFAULT 'c');
INSERT INTO changed SELECT i, 'x', -i, i FROM generate_series(1, 50) AS i;
ALTER TABLE changed DROP COLUMN gone, DROP COLUMN also_gone;
ALTER TABLE changed ADD COLUMN gone timestamptz DEFAULT '2031-01-31 00:00+00', ADD COLUMN d int NOT NULL DEFAULT 42;
ALTER TABLE changed RENAME COLUMN b TO renamed;

CREATE TABLE empty_table (id int PRIMARY KEY, value text);
CREATE TABLE no_columns ();
INSERT INTO no_columns SELECT FROM generate_series(1, 3);
CREATE TABLE all_columns_dropped (a int, b int);
INSERT INTO all_columns_dropped SELECT i, i FROM generate_series(1, 5) AS i;
ALTER TABLE all_columns_dropped DROP COLUMN a, DROP COLUMN b;
CREATE UNLOGGED TABLE unlogged AS SELECT i AS id FROM generate_series(1, 20) AS i;
CREATE TABLE wide_row AS SELECT 1 AS id, repeat('0123456789abcdef', 300000) AS five_megabytes;
CREATE TABLE typed OF address (street WITH OPTIONS NOT NULL);
INSERT INTO typed VALUES ('Main Street', '1', 'ok');

-- ---- Sequences --------------------------------------------------------------------------------------------------

CREATE SEQUENCE untouched START 5;
CREATE SEQUENCE counted AS smallint INCREMENT BY -3 MINVALUE -1000 MAXVALUE 100 START 100 CACHE 20;
SELECT nextval('counted'), nextval('counted');
CREATE SEQUENCE cycled MINVALUE 1 MAXVALUE 3 CYCLE;
SELECT nextval('cycled') FROM generate_series(1, 4);
CREATE SEQUENCE set_back;
SELECT setval('set_back', 77, false);
CREATE TABLE owns_sequence (id bigserial, label text);
INSERT INTO owns_sequence (label) SELECT 'x' FROM generate_series(1, 9);
COMMENT ON SEQUENCE cycled IS 'a sequence';

-- ---- Partitions -------------------------------------------------------------------------------------------------

CREATE TABLE events (id bigint, at timestamptz NOT NULL, kind text) PARTITION BY RANGE (at);
CREATE TABLE events_2030 PARTITION OF events FOR VALUES FROM ('2030-01-01 00:00+00') TO ('2031-01-01 00:00+00');
CREATE TABLE events_2031 PARTITION OF events FOR VALUES FROM ('2031-01-01 00:00+00') TO ('2032-01-01 00:00+00')
    PARTITION BY LIST (kind);
CREATE TABLE events_2031_a PARTITION OF events_2031 FOR VALUES IN ('a', NULL);
CREATE TABLE events_2031_rest PARTITION OF events_2031 DEFAULT;
CREATE TABLE events_default PARTITION OF events DEFAULT;
-- A partition whose columns stand in another order than its parent's, and which was attached later.
CREATE TABLE events_2032 (kind text, at timestamptz NOT NULL, dropped int, id bigint);
ALTER TABLE events_2032 DROP COLUMN dropped;
ALTER TABLE events ATTACH PARTITION events_2032 FOR VALUES FROM ('2032-01-01 00:00+00') TO ('2033-01-01 00:00+00');
CREATE INDEX events_by_kind ON events (kind);
INSERT INTO events
    SELECT i, '2029-12-01 00:00+00'::timestamptz + i * interval '1 day', (ARRAY['a', 'b', NULL])[1 + i % 3]
    FROM generate_series(1, 1500) AS i;

CREATE TABLE hashed (id int PRIMARY KEY, value text) PARTITION BY HASH (id);
CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO hashed SELECT i, 'value ' || i FROM generate_series(1, 200) AS i;

-- An enum hashes by its value's oid, which is another after a restore: its rows must be dealt out anew.
CREATE TABLE hashed_by_mood (feeling mood, id int) PARTITION BY HASH (feeling);
CREATE TABLE hashed_by_mood_0 PARTITION OF hashed_by_mood FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE hashed_by_mood_1 PARTITION OF hashed_by_mood FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE hashed_by_mood_2 PARTITION OF hashed_by_mood FOR VALUES WITH (MODULUS 3, REMAINDER 2);
INSERT INTO hashed_by_mood SELECT (enum_range(NULL::mood))[1 + i % 5], i FROM generate_series(1, 500) AS i;

-- ---- Inheritance ------------------------------------------------------------------------------------------------

CREATE TABLE parent_one (id int, one text, CHECK (id > 0));
CREATE TABLE parent_two (id int, two text DEFAULT 'of the parent');
CREATE TABLE child (own text, two text DEFAULT 'of the child') INHERITS (parent_one, parent_two);
CREATE TABLE grandchild (CHECK (own <> '')) INHERITS (child);
INSERT INTO parent_one VALUES (1, 'one');
INSERT INTO parent_two VALUES (2);
INSERT INTO child (id, one, own) VALUES (3, 'three', 'own');
INSERT INTO grandchild (id, one, own) VALUES (4, 'four', 'own');

-- ---- Constraints and indexes ------------------------------------------------------------------------------------

CREATE TABLE employees (
    id int PRIMARY KEY, manager int REFERENCES employees DEFERRABLE INITIALLY DEFERRED, department int, name text UNIQUE,
    CONSTRAINT "a name, quoted" CHECK (name <> '')
);
CREATE TABLE departments (id int PRIMARY KEY, head int NOT NULL);
-- The first row names a manager that comes later, and the two tables point at each other.
BEGIN;
INSERT INTO employees SELECT i, CASE WHEN i < 20 THEN i + 1 END, i % 3, 'name ' || i FROM generate_series(1, 20) AS i;
INSERT INTO departments VALUES (0, 3), (1, 1), (2, 2);
COMMIT;
ALTER TABLE departments ADD CONSTRAINT led FOREIGN KEY (head) REFERENCES employees ON UPDATE CASCADE ON DELETE RESTRICT;
ALTER TABLE employees ADD FOREIGN KEY (department) REFERENCES departments DEFERRABLE;
ALTER TABLE employees ADD CONSTRAINT not_validated CHECK (id < 20) NOT VALID;
COMMENT ON CONSTRAINT led ON departments IS 'a constraint';
CREATE TABLE bookings (id int PRIMARY KEY, during span, EXCLUDE USING gist (during WITH &&));
INSERT INTO bookings VALUES (1, '[2031-01-01 00:00+00,2031-01-02 00:00+00)'), (2, '[2031-01-02 00:00+00,)');
CREATE TABLE logged_changes (at int, what text);
CREATE TABLE points_at_partitions (id int REFERENCES hashed);
INSERT INTO points_at_partitions SELECT generate_series(1, 10);

CREATE UNIQUE INDEX partial_index ON employees (department) WHERE manager IS NULL;
CREATE INDEX expression_index ON texts (lower(value) text_pattern_ops DESC NULLS LAST) WHERE length(value) < 100;
CREATE INDEX covering_index ON numbers USING btree (small) INCLUDE (big) WITH (fillfactor = 70);
CREATE INDEX gin_index ON documents USING gin (binary_ jsonb_path_ops);
CREATE INDEX brin_index ON hashed_0 USING brin (id);
COMMENT ON INDEX partial_index IS 'an index';
ALTER TABLE employees CLUSTER ON employees_pkey;
ALTER TABLE texts REPLICA IDENTITY FULL;
CREATE STATISTICS correlated (dependencies, ndistinct, mcv) ON small, big FROM numbers;
COMMENT ON STATISTICS correlated IS 'a statistics object';
ALTER TABLE employees SET (autovacuum_enabled = false, fillfactor = 90);

-- ---- Routines, operators, triggers ------------------------------------------------------------------------------

CREATE FUNCTION log_change() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
    -- A comment within, and a $dollar$ quote.
    INSERT INTO app.logged_changes VALUES (NEW.id, $dollar$it's$dollar$);
    RETURN NEW;
END
$function$;
COMMENT ON FUNCTION log_change() IS 'a function';
CREATE TRIGGER on_insert AFTER INSERT ON empty_table FOR EACH ROW WHEN (NEW.id > 0) EXECUTE FUNCTION log_change();
CREATE TRIGGER disabled_one BEFORE UPDATE OF value ON texts FOR EACH ROW EXECUTE FUNCTION log_change();
-- Were it enabled while the data is loaded, it would write what is not in the backup.
CREATE TRIGGER on_texts AFTER INSERT ON texts FOR EACH ROW EXECUTE FUNCTION log_change();
CREATE TRIGGER always_one AFTER INSERT ON lists FOR EACH ROW EXECUTE FUNCTION log_change();
CREATE CONSTRAINT TRIGGER deferred_one AFTER INSERT ON numbers DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION log_change();
ALTER TABLE texts DISABLE TRIGGER disabled_one;
ALTER TABLE lists ENABLE ALWAYS TRIGGER always_one;
COMMENT ON TRIGGER disabled_one ON texts IS 'a trigger';

CREATE FUNCTION add_all(VARIADIC numbers int[]) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 3
    AS 'SELECT sum(n) FROM unnest(numbers) AS n';
CREATE FUNCTION overloaded(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION overloaded(text, mood DEFAULT 'ok') RETURNS SETOF employees LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = app, pg_temp AS 'SELECT * FROM employees';
CREATE FUNCTION standard_body(n int) RETURNS int LANGUAGE sql RETURN n + 1;
CREATE PROCEDURE proceed(INOUT n int) LANGUAGE plpgsql AS 'BEGIN n := n + 1; END';
CREATE FUNCTION cents_add(state bigint, amount numeric) RETURNS bigint LANGUAGE sql IMMUTABLE
    AS 'SELECT state + (amount * 100)::bigint';
CREATE AGGREGATE sum_in_cents(numeric) (SFUNC = cents_add, STYPE = bigint, INITCOND = '0');
COMMENT ON AGGREGATE sum_in_cents(numeric) IS 'an aggregate';
CREATE FUNCTION same_street(address, address) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1.street = $2.street';
CREATE OPERATOR === (LEFTARG = address, RIGHTARG = address, FUNCTION = same_street, COMMUTATOR = ===);
COMMENT ON OPERATOR === (address, address) IS 'an operator';
CREATE FUNCTION mood_as_number(mood) RETURNS int LANGUAGE sql STABLE AS 'SELECT array_position(enum_range(NULL::app.mood), $1)';
CREATE CAST (mood AS int) WITH FUNCTION mood_as_number(mood);

-- ---- Views, rules -----------------------------------------------------------------------------------------------

CREATE VIEW simple_view AS SELECT id, value FROM texts WHERE value IS NOT NULL;
CREATE VIEW guarded WITH (security_barrier, check_option = 'cascaded') AS SELECT * FROM employees WHERE department = 1;
CREATE RECURSIVE VIEW chain (id, depth) AS
    SELECT id, 1 FROM employees WHERE manager IS NULL
    UNION ALL SELECT employees.id, depth + 1 FROM employees JOIN chain ON employees.manager = chain.id;
CREATE VIEW over_view AS SELECT count(*) AS people, sum_in_cents(depth) FROM chain;
COMMENT ON VIEW simple_view IS 'a view';
COMMENT ON COLUMN simple_view.value IS 'a column of a view';
ALTER VIEW simple_view ALTER COLUMN value SET DEFAULT 'of the view';
CREATE RULE redirect AS ON INSERT TO simple_view DO INSTEAD INSERT INTO texts VALUES (NEW.id, NEW.value);
CREATE RULE notify_deletes AS ON DELETE TO employees DO ALSO NOTIFY employees;
COMMENT ON RULE redirect ON simple_view IS 'a rule';
CREATE MATERIALIZED VIEW filled AS SELECT kind, count(*) AS n FROM events GROUP BY kind;
CREATE UNIQUE INDEX filled_by_kind ON filled (kind);
CREATE MATERIALIZED VIEW over_filled AS SELECT sum(n) AS n FROM filled;
CREATE MATERIALIZED VIEW unfilled AS SELECT id FROM texts WITH NO DATA;
COMMENT ON MATERIALIZED VIEW filled IS 'a materialised view';

-- ---- Row-level security -----------------------------------------------------------------------------------------

CREATE TABLE secrets_of_many (id int PRIMARY KEY, belongs_to text, value text);
INSERT INTO secrets_of_many VALUES (1, 'somebody', 'x'), (2, 'nobody', 'y');
ALTER TABLE secrets_of_many ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON secrets_of_many AS PERMISSIVE FOR SELECT TO PUBLIC USING (belongs_to = current_user);
CREATE POLICY never_secret ON secrets_of_many AS RESTRICTIVE FOR UPDATE TO {other} USING (true) WITH CHECK (value <> 'z');
COMMENT ON POLICY own_rows ON secrets_of_many IS 'a policy';

-- ---- Names ------------------------------------------------------------------------------------------------------

CREATE SCHEMA "Schéma ""quoted"".and. dotted";
CREATE TABLE "Schéma ""quoted"".and. dotted"."select" ("from" int PRIMARY KEY, "Ünï ""x"" \ 'y'" text, "a.b" int, " " int);
INSERT INTO "Schéma ""quoted"".and. dotted"."select" SELECT i, 'v' || i, i, -i FROM generate_series(1, 12) AS i;
CREATE INDEX "an index; DROP TABLE x; --" ON "Schéma ""quoted"".and. dotted"."select" ("a.b");
CREATE TABLE "Table" (id int);
CREATE TABLE "table" (id int);
INSERT INTO "Table" VALUES (1);
INSERT INTO "table" VALUES (2), (3);
CREATE TABLE "象 🐘 with spaces, commas; and -- dashes" (id int, "{}" int);
INSERT INTO "象 🐘 with spaces, commas; and -- dashes" VALUES (1, 2);
CREATE TABLE "sixty-three bytes are the longest name that PostgreSQL can hold" (id serial);
INSERT INTO "sixty-three bytes are the longest name that PostgreSQL can hold" DEFAULT VALUES;
CREATE TABLE "dollar$1 %s \n" ("$1" int, "%" int);
INSERT INTO "dollar$1 %s \n" VALUES (1, 2);

CREATE SCHEMA twin;
CREATE TABLE twin.texts (value text, extra int);
INSERT INTO twin.texts SELECT 'twin ' || i, i FROM generate_series(1, 33) AS i;

-- ---- Owners, privileges -----------------------------------------------------------------------------------------

CREATE SCHEMA theirs;
CREATE TABLE theirs.owned_by_another (id serial PRIMARY KEY, value text);
INSERT INTO theirs.owned_by_another (value) VALUES ('x'), ('y');
ALTER SCHEMA theirs OWNER TO {other};
ALTER TABLE theirs.owned_by_another OWNER TO {other};
GRANT USAGE ON SCHEMA app TO {other} WITH GRANT OPTION;
GRANT SELECT, INSERT ON texts TO {other};
GRANT UPDATE (value) ON texts TO PUBLIC;
GRANT EXECUTE ON FUNCTION standard_body(int) TO {other};
REVOKE EXECUTE ON FUNCTION standard_body(int) FROM PUBLIC;
GRANT USAGE ON SEQUENCE counted TO {other};
GRANT USAGE ON TYPE mood TO {other};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA app GRANT SELECT ON TABLES TO {other};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- ---- The rest ---------------------------------------------------------------------------------------------------

CREATE TEXT SEARCH CONFIGURATION simple_words (PARSER = "default");
ALTER TEXT SEARCH CONFIGURATION simple_words ADD MAPPING FOR word, asciiword WITH simple;
CREATE TEXT SEARCH DICTIONARY short_list (TEMPLATE = simple, ACCEPT = false);
COMMENT ON TEXT SEARCH CONFIGURATION simple_words IS 'a text search configuration';
CREATE PUBLICATION some_tables FOR TABLE texts, numbers WITH (publish = 'insert, update');
CREATE TABLE public.in_public (id int PRIMARY KEY);
INSERT INTO public.in_public SELECT generate_series(1, 7);
