-- A database with one of everything that an archive describes in a way of its own.
-- Used by PostgreSQL 15 and newer.
CREATE SCHEMA app;
CREATE SCHEMA "Sch ema";
CREATE TYPE app.mood AS ENUM ('sad', 'ok', 'it''s fine');
CREATE TYPE app.pair AS (a integer, b text);
CREATE DOMAIN app.positive AS integer CHECK (VALUE > 0);
CREATE SEQUENCE app.ticket START 100 INCREMENT 5;
SELECT nextval('app.ticket') FROM generate_series(1, 3);
CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN NEW.note := coalesce(NEW.note, '') || ' touched'; RETURN NEW; END$$;

CREATE TABLE app.accounts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner text NOT NULL,
    feeling app.mood DEFAULT 'ok',
    balance numeric(12, 2) CHECK (balance >= 0),
    double_balance numeric GENERATED ALWAYS AS (balance * 2) STORED,
    shares app.positive,
    tags text[],
    extra jsonb,
    raw bytea,
    gone integer,
    note text
);
ALTER TABLE app.accounts DROP COLUMN gone;
INSERT INTO app.accounts (owner, balance, shares, tags, extra, raw)
    SELECT 'owner ' || n, n * 1.5, n, ARRAY['a', NULL, 'c,"d'], jsonb_build_object('n', n, 'tab', E'a\tb\\c'), '\x00ff'
    FROM generate_series(1, 50) AS n;
COMMENT ON TABLE app.accounts IS E'Accounts, with ''quotes'', and\na second line — größe';
COMMENT ON COLUMN app.accounts.balance IS 'in euros';
CREATE INDEX accounts_owner ON app.accounts (lower(owner)) WHERE balance > 10;
CREATE TRIGGER accounts_touch BEFORE UPDATE ON app.accounts FOR EACH ROW EXECUTE FUNCTION app.touch();
ALTER TABLE app.accounts ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON app.accounts USING (owner = CURRENT_USER);

CREATE TABLE "Sch ema"."Tab.le ""x""" (
    "select" serial PRIMARY KEY,
    "B ""x" text,
    "größe, (m)" integer,
    account bigint REFERENCES app.accounts (id) ON DELETE CASCADE
);
INSERT INTO "Sch ema"."Tab.le ""x""" ("B ""x", "größe, (m)", account)
    SELECT E'line\nbreak \\. ' || n, n, n FROM generate_series(1, 20) AS n;
CREATE TABLE public.accounts (id integer PRIMARY KEY);
CREATE TABLE public.empty (id integer UNIQUE, at timestamptz DEFAULT now());
CREATE TABLE public.no_columns ();
INSERT INTO public.no_columns SELECT FROM generate_series(1, 3);

CREATE TABLE app.events (id integer NOT NULL, at date NOT NULL, what text) PARTITION BY RANGE (at);
CREATE TABLE app.events_2030 PARTITION OF app.events FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');
CREATE TABLE app.events_2031 PARTITION OF app.events FOR VALUES FROM ('2031-01-01') TO ('2032-01-01')
    PARTITION BY LIST (what);
CREATE TABLE app.events_2031_rest PARTITION OF app.events_2031 DEFAULT;
ALTER TABLE app.events ADD PRIMARY KEY (id, at, what);
INSERT INTO app.events SELECT n, date '2030-01-01' + n, 'what ' || n % 3 FROM generate_series(1, 700) AS n;
-- Hash partitions by an enum are loaded through their root.
CREATE TABLE app.moods (m app.mood, "At" integer) PARTITION BY HASH (m);
CREATE TABLE app.moods_0 PARTITION OF app.moods FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE app.moods_1 PARTITION OF app.moods FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO app.moods SELECT (enum_range(NULL::app.mood))[1 + n % 3], n FROM generate_series(1, 30) AS n;

CREATE TABLE app.parent (id integer, name text);
CREATE TABLE app.child (born date) INHERITS (app.parent);
INSERT INTO app.parent VALUES (1, 'parent');
INSERT INTO app.child VALUES (2, 'child', '2020-02-02');

CREATE VIEW app.rich AS SELECT id, owner FROM app.accounts WHERE balance > 50;
CREATE MATERIALIZED VIEW app.totals AS SELECT feeling, sum(balance) AS total FROM app.accounts GROUP BY feeling;
CREATE UNIQUE INDEX totals_feeling ON app.totals (feeling);
CREATE RULE ignore_deletes AS ON DELETE TO app.parent DO INSTEAD NOTHING;
CREATE STATISTICS app.accounts_stats ON owner, feeling FROM app.accounts;
CREATE ROLE reader;
GRANT SELECT ON app.rich TO reader;
GRANT USAGE ON SCHEMA app TO reader;

SELECT lo_from_bytea(4711, 'first large object');
SELECT lo_from_bytea(4712, decode(repeat('00ff', 4000), 'hex'));
COMMENT ON LARGE OBJECT 4711 IS 'the first';
