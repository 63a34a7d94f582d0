-- A database with almost every kind of object that has an entry in an archive, and the ways in
-- which they depend on each other. Needs nothing but plpgsql; PostgreSQL 15 and newer.
CREATE ROLE "Own er";
CREATE ROLE reader;
CREATE ROLE "wri""ter";
CREATE ROLE grantor;

CREATE SCHEMA base AUTHORIZATION "Own er";
CREATE SCHEMA shop;
CREATE SCHEMA "Sch ema";
CREATE SCHEMA apart;
COMMENT ON SCHEMA shop IS 'what is sold';
GRANT USAGE ON SCHEMA shop TO reader, "Own er";
GRANT USAGE ON SCHEMA shop TO "wri""ter" WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT SELECT ON TABLES TO reader;
ALTER DEFAULT PRIVILEGES FOR ROLE "Own er" REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE "Own er" IN SCHEMA "Sch ema" GRANT ALL ON SEQUENCES TO "wri""ter";

-- Types, functions and the like that tables need.
CREATE TYPE base.mood AS ENUM ('sad', 'it''s ok; fine');
CREATE TYPE base.pair AS (a integer, b text);
CREATE TYPE base.span AS RANGE (subtype = numeric);
CREATE DOMAIN base.positive AS integer CHECK (VALUE > 0);
COMMENT ON CONSTRAINT positive_check ON DOMAIN base.positive IS 'more than nothing';
CREATE COLLATION base.plain FROM "C";
CREATE FUNCTION base.twice(n integer) RETURNS integer LANGUAGE sql IMMUTABLE AS $$SELECT n * 2; $$;
CREATE PROCEDURE base.nothing() LANGUAGE plpgsql AS $$BEGIN NULL; END$$;
CREATE AGGREGATE base.total (integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0');
CREATE OPERATOR base.### (LEFTARG = integer, RIGHTARG = integer, FUNCTION = int4pl);
CREATE FUNCTION base.compare(a integer, b integer) RETURNS integer LANGUAGE sql IMMUTABLE
    AS $$SELECT pg_catalog.btint4cmp(a, b)$$;
CREATE OPERATOR FAMILY base.numbers USING btree;
CREATE OPERATOR CLASS base.number_ops FOR TYPE integer USING btree FAMILY base.numbers AS
    OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 base.compare(integer, integer);
CREATE CAST (base.mood AS integer) WITH INOUT AS ASSIGNMENT;
CREATE CONVERSION base.latin FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE TEXT SEARCH DICTIONARY base.words (TEMPLATE = pg_catalog.simple);
CREATE TEXT SEARCH CONFIGURATION base.search (PARSER = pg_catalog."default");
ALTER TEXT SEARCH CONFIGURATION base.search ADD MAPPING FOR asciiword WITH base.words;
CREATE ACCESS METHOD heaped TYPE TABLE HANDLER heap_tableam_handler;
CREATE FUNCTION base.touch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$;
CREATE FUNCTION base.watch() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN NULL; END$$;
ALTER FUNCTION base.twice(integer) OWNER TO "Own er";
GRANT EXECUTE ON FUNCTION base.twice(integer) TO reader;
COMMENT ON FUNCTION base.twice(integer) IS 'two times';

CREATE FOREIGN DATA WRAPPER wrapper;
CREATE SERVER "ser ver" FOREIGN DATA WRAPPER wrapper;
CREATE USER MAPPING FOR reader SERVER "ser ver" OPTIONS ("user" 'x');
CREATE USER MAPPING FOR PUBLIC SERVER "ser ver";
CREATE USER MAPPING FOR "wri""ter" SERVER "ser ver" OPTIONS ("user" 'wri"ter', password 'FOR reader');
GRANT USAGE ON FOREIGN SERVER "ser ver" TO reader;
CREATE FOREIGN TABLE shop.far (id integer) SERVER "ser ver";
COMMENT ON FOREIGN TABLE shop.far IS 'far away';

-- A table with everything on it.
CREATE TABLE shop.customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE base.plain NOT NULL,
    mood base.mood DEFAULT 'sad',
    shares base.positive DEFAULT base.twice(2),
    place base.pair,
    UNIQUE (name),
    CONSTRAINT short CHECK (length(name) < 100)
);
INSERT INTO shop.customers (name) SELECT 'c ' || n FROM generate_series(1, 20) AS n;
ALTER TABLE shop.customers OWNER TO "Own er";
COMMENT ON TABLE shop.customers IS 'who buys; "them"';
COMMENT ON COLUMN shop.customers.name IS 'their name';
COMMENT ON CONSTRAINT customers_pkey ON shop.customers IS 'the key';
COMMENT ON CONSTRAINT short ON shop.customers IS 'not long';
GRANT SELECT ON shop.customers TO PUBLIC;
GRANT SELECT, INSERT ON shop.customers TO reader WITH GRANT OPTION;
GRANT UPDATE (name) ON shop.customers TO "wri""ter";
SET SESSION AUTHORIZATION reader;
GRANT INSERT ON shop.customers TO grantor;
RESET SESSION AUTHORIZATION;
CREATE INDEX customers_lower ON shop.customers (lower(name)) WHERE id > 5;
COMMENT ON INDEX shop.customers_lower IS 'an index';
CREATE INDEX customers_expression ON shop.customers (base.twice(id::integer), (id * 3));
ALTER INDEX shop.customers_expression ALTER COLUMN 1 SET STATISTICS 50;
CREATE INDEX customers_numbers ON shop.customers ((id::integer) base.number_ops);
ALTER TABLE shop.customers REPLICA IDENTITY USING INDEX customers_name_key;
ALTER TABLE shop.customers CLUSTER ON customers_pkey;
CREATE STATISTICS shop.customers_stats ON name, mood FROM shop.customers;
ALTER STATISTICS shop.customers_stats SET STATISTICS 20;
ALTER STATISTICS shop.customers_stats OWNER TO "Own er";
COMMENT ON STATISTICS shop.customers_stats IS 'together';
CREATE TRIGGER touched BEFORE UPDATE ON shop.customers FOR EACH ROW EXECUTE FUNCTION base.touch();
ALTER TABLE shop.customers DISABLE TRIGGER touched;
COMMENT ON TRIGGER touched ON shop.customers IS 'a trigger';
CREATE CONSTRAINT TRIGGER checked AFTER INSERT ON shop.customers DEFERRABLE FOR EACH ROW EXECUTE FUNCTION base.touch();
CREATE RULE no_deletes AS ON DELETE TO shop.customers WHERE OLD.id < 0 DO INSTEAD NOTHING;
COMMENT ON RULE no_deletes ON shop.customers IS 'a rule';
ALTER TABLE shop.customers ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON shop.customers FOR SELECT TO reader, "wri""ter" USING (name = CURRENT_USER AND 'TO reader' <> '');
CREATE POLICY everyone ON shop.customers AS RESTRICTIVE FOR INSERT WITH CHECK (true);
COMMENT ON POLICY mine ON shop.customers IS 'a policy';

CREATE TABLE shop.orders (
    id serial PRIMARY KEY,
    customer bigint NOT NULL REFERENCES shop.customers (id),
    referrer bigint REFERENCES shop.customers (id),
    follows integer REFERENCES shop.orders (id),
    amount numeric DEFAULT 0,
    EXCLUDE USING btree (amount WITH =) WHERE (amount < 0)
);
INSERT INTO shop.orders (customer) SELECT 1 + n % 20 FROM generate_series(1, 50) AS n;
GRANT USAGE ON SEQUENCE shop.orders_id_seq TO reader;
COMMENT ON SEQUENCE shop.orders_id_seq IS 'counts';
CREATE SEQUENCE shop.alone START 7;
ALTER TABLE shop.orders ADD COLUMN number integer DEFAULT nextval('shop.alone');
CREATE TABLE "Sch ema"."Li ""nes" (
    "order" integer REFERENCES shop.orders (id),
    "select" base.mood,
    "größe" integer CHECK ("größe" > 0)
) USING heaped;
INSERT INTO "Sch ema"."Li ""nes" SELECT n, 'sad', n FROM generate_series(1, 10) AS n;
CREATE INDEX "in dex" ON "Sch ema"."Li ""nes" ("größe");
ALTER TABLE "Sch ema"."Li ""nes" OWNER TO "wri""ter";
CREATE TABLE apart.lonely (id integer, mood base.mood);
INSERT INTO apart.lonely VALUES (1, 'sad');

-- Partitions, also in another schema, with indexes and keys that are attached.
CREATE TABLE shop.events (id integer NOT NULL, at date NOT NULL, customer bigint REFERENCES shop.customers (id))
    PARTITION BY RANGE (at);
CREATE TABLE shop.events_1 PARTITION OF shop.events FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');
CREATE TABLE apart.events_2 PARTITION OF shop.events FOR VALUES FROM ('2031-01-01') TO ('2032-01-01')
    PARTITION BY LIST (id);
CREATE TABLE apart.events_2_rest PARTITION OF apart.events_2 DEFAULT;
ALTER TABLE shop.events ADD PRIMARY KEY (id, at);
CREATE INDEX events_at ON shop.events (at);
CREATE TRIGGER each AFTER INSERT ON shop.events FOR EACH ROW EXECUTE FUNCTION base.touch();
INSERT INTO shop.events SELECT n, date '2030-06-01' + n, 1 FROM generate_series(1, 400) AS n;
CREATE TABLE shop.about_events (id integer, at date, FOREIGN KEY (id, at) REFERENCES shop.events (id, at));
CREATE TABLE shop.moods (m base.mood, n integer) PARTITION BY HASH (m);
CREATE TABLE shop.moods_0 PARTITION OF shop.moods FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE shop.moods_1 PARTITION OF shop.moods FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO shop.moods VALUES ('sad', 1), ('it''s ok; fine', 2);
CREATE TABLE shop.parent (id integer, name text);
CREATE TABLE shop.child (born date) INHERITS (shop.parent);
INSERT INTO shop.parent VALUES (1, 'p');
INSERT INTO shop.child VALUES (2, 'c');

-- Views on them, one on another, one that needs a key and so waits for it, one that needs itself.
CREATE VIEW shop.rich AS SELECT id, name FROM shop.customers WHERE id > 3;
ALTER VIEW shop.rich ALTER COLUMN name SET DEFAULT 'nobody';
GRANT SELECT ON shop.rich TO reader;
COMMENT ON VIEW shop.rich IS 'a view';
CREATE VIEW apart.richer AS SELECT * FROM shop.rich WHERE id > 6;
CREATE VIEW shop.grouped AS SELECT id, name, count(*) FROM shop.customers GROUP BY id;
CREATE TRIGGER instead INSTEAD OF INSERT ON shop.rich FOR EACH ROW EXECUTE FUNCTION base.touch();
CREATE MATERIALIZED VIEW shop.totals AS SELECT customer, count(*) AS n FROM shop.orders GROUP BY customer;
CREATE UNIQUE INDEX totals_customer ON shop.totals (customer);
CREATE MATERIALIZED VIEW apart.grand AS SELECT sum(n) AS n FROM shop.totals;
GRANT SELECT ON shop.totals TO reader;
CREATE FUNCTION shop.first_customer() RETURNS shop.customers LANGUAGE sql
    AS $$SELECT * FROM shop.customers ORDER BY id LIMIT 1$$;

CREATE EVENT TRIGGER watcher ON ddl_command_end WHEN TAG IN ('DROP TABLE') EXECUTE FUNCTION base.watch();
COMMENT ON EVENT TRIGGER watcher IS 'an event trigger';
ALTER EVENT TRIGGER watcher DISABLE;
CREATE PUBLICATION news FOR TABLE shop.customers (id, name) WHERE (id > 3);
CREATE PUBLICATION whole FOR TABLES IN SCHEMA apart;
COMMENT ON PUBLICATION news IS 'a publication';
CREATE SUBSCRIPTION paper CONNECTION 'host=nowhere dbname=x' PUBLICATION news WITH (connect = false, slot_name = NONE);
COMMENT ON SUBSCRIPTION paper IS 'a subscription';

SELECT lo_from_bytea(4711, 'first large object');
SELECT lo_from_bytea(4712, 'second large object');
ALTER LARGE OBJECT 4712 OWNER TO "Own er";
COMMENT ON LARGE OBJECT 4711 IS 'the first';
GRANT SELECT ON LARGE OBJECT 4711 TO reader;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_switch_wal() TO reader;
