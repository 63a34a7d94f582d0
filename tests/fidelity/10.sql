-- One database with every kind of object that pg_dump knows, and with rows that are hard to copy: what PostgreSQL 10
-- has. What came later is in the scripts of the later versions, each run after the ones before it.
--
-- Run as a superuser, in an empty UTF-8 database of a server on which `server.sql` was run. A line that begins with
-- `-- ----` begins a section, which can be sent as one query.

-- ---- Session

SET ROLE fidelity_owner;
SET client_min_messages = error;
SET DateStyle = 'ISO, MDY';
SET TimeZone = 'UTC';
SET extra_float_digits = 3;
SET standard_conforming_strings = on;
CREATE SCHEMA app;
COMMENT ON SCHEMA app IS 'Everything that has no reason to be elsewhere';
SET search_path = app;
SELECT setseed(0.25);

-- ---- Enums

CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy', 'it''s "quoted"');
CREATE TYPE no_values AS ENUM ();
COMMENT ON TYPE mood IS 'an enum with a value added later, in between';

-- ---- A value that is added later

ALTER TYPE mood ADD VALUE 'between' BEFORE 'happy';

-- ---- Composite types and domains

CREATE TYPE address AS (street text, "zip code" varchar(10) COLLATE "C", mood mood);
COMMENT ON COLUMN address."zip code" IS 'a column of a composite type';
CREATE TYPE nothing AS ();
CREATE TYPE shrunk AS (a int, b int, c text);
ALTER TYPE shrunk DROP ATTRIBUTE b;
CREATE DOMAIN email AS text COLLATE "C" DEFAULT 'nobody@example.org' CONSTRAINT has_an_at CHECK (VALUE LIKE '%@%');
CREATE DOMAIN percentage AS numeric(5, 2) NOT NULL CHECK (VALUE BETWEEN 0 AND 100) CHECK (VALUE <> 13);
CREATE DOMAIN short_email AS email CHECK (length(VALUE) < 30);
CREATE DOMAIN grid AS int[][] CHECK (array_ndims(VALUE) = 2);
CREATE DOMAIN unchecked AS int;
ALTER DOMAIN unchecked ADD CONSTRAINT not_validated CHECK (VALUE > 0) NOT VALID;
COMMENT ON DOMAIN email IS 'a domain';
COMMENT ON CONSTRAINT has_an_at ON DOMAIN email IS 'a constraint of a domain';

-- ---- Range types

CREATE FUNCTION minutes_between(timestamptz, timestamptz) RETURNS float8 LANGUAGE sql IMMUTABLE STRICT
    AS 'SELECT extract(epoch FROM $1 - $2)::float8 / 60';
CREATE TYPE span AS RANGE (subtype = timestamptz, subtype_diff = minutes_between);
CREATE TYPE words AS RANGE (subtype = text, collation = "C", subtype_opclass = text_pattern_ops);
CREATE TYPE whole_range;
CREATE FUNCTION whole_range_canonical(whole_range) RETURNS whole_range LANGUAGE internal IMMUTABLE STRICT
    AS 'int4range_canonical';
CREATE TYPE whole_range AS RANGE (subtype = int4, canonical = whole_range_canonical, subtype_diff = int4range_subdiff);
COMMENT ON TYPE span IS 'a range type';

-- ---- Base types, of functions that the server has built in; and a shell without a type

CREATE TYPE int_too;
CREATE FUNCTION int_too_in(cstring) RETURNS int_too LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
CREATE FUNCTION int_too_out(int_too) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out';
CREATE FUNCTION int_too_recv(internal) RETURNS int_too LANGUAGE internal IMMUTABLE STRICT AS 'int4recv';
CREATE FUNCTION int_too_send(int_too) RETURNS bytea LANGUAGE internal IMMUTABLE STRICT AS 'int4send';
CREATE TYPE int_too (
    INPUT = int_too_in, OUTPUT = int_too_out, RECEIVE = int_too_recv, SEND = int_too_send, INTERNALLENGTH = 4,
    ALIGNMENT = int4, PASSEDBYVALUE, DEFAULT = '42', CATEGORY = 'Z', PREFERRED = true, DELIMITER = ';'
);
CREATE TYPE text_too;
CREATE FUNCTION text_too_in(cstring) RETURNS text_too LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION text_too_out(text_too) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
CREATE TYPE text_too (
    INPUT = text_too_in, OUTPUT = text_too_out, INTERNALLENGTH = VARIABLE, STORAGE = extended, COLLATABLE = true
);
CREATE TYPE only_a_shell;
COMMENT ON TYPE int_too IS 'a base type';

-- ---- Casts, transforms, languages, conversions, access methods

CREATE FUNCTION mood_as_number(mood) RETURNS int LANGUAGE sql STABLE
    AS 'SELECT array_position(enum_range(NULL::app.mood), $1)';
CREATE CAST (mood AS int) WITH FUNCTION mood_as_number(mood);
CREATE CAST (int_too AS int) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (int AS int_too) WITHOUT FUNCTION AS ASSIGNMENT;
CREATE CAST (address AS text) WITH INOUT AS ASSIGNMENT;
COMMENT ON CAST (mood AS int) IS 'a cast';
-- pg_dump leaves out a language whose handler is the server's own.
CREATE FUNCTION handler_too() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
CREATE FUNCTION inline_too(internal) RETURNS void LANGUAGE c STRICT AS '$libdir/plpgsql', 'plpgsql_inline_handler';
CREATE FUNCTION validator_too(oid) RETURNS void LANGUAGE c STRICT AS '$libdir/plpgsql', 'plpgsql_validator';
CREATE LANGUAGE second_plpgsql HANDLER handler_too INLINE inline_too VALIDATOR validator_too;
CREATE TRUSTED LANGUAGE third_plpgsql HANDLER handler_too;
COMMENT ON LANGUAGE second_plpgsql IS 'a language';
CREATE TRANSFORM FOR int LANGUAGE sql
    (FROM SQL WITH FUNCTION prsd_lextype(internal), TO SQL WITH FUNCTION int4recv(internal));
COMMENT ON TRANSFORM FOR int LANGUAGE sql IS 'a transform';
CREATE FUNCTION transforming(int) RETURNS int TRANSFORM FOR TYPE int LANGUAGE sql AS 'SELECT $1';
CREATE DEFAULT CONVERSION latin_too FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
COMMENT ON CONVERSION latin_too IS 'a conversion';
CREATE ACCESS METHOD gist_too TYPE INDEX HANDLER gisthandler;
COMMENT ON ACCESS METHOD gist_too IS 'an access method';

-- ---- Collations

CREATE COLLATION posix_order (provider = libc, locale = 'C');
CREATE COLLATION split_order (provider = libc, lc_collate = 'C', lc_ctype = 'POSIX');
CREATE COLLATION copied_order FROM "C";
COMMENT ON COLLATION posix_order IS 'a collation';
DO $$
BEGIN
    -- A server may be built without ICU.
    IF EXISTS (SELECT FROM pg_collation WHERE collprovider = 'i') THEN
        CREATE COLLATION phone_book (provider = icu, locale = 'de-u-co-phonebk');
        CREATE TABLE phone_numbers (name text COLLATE phone_book, number text);
        CREATE INDEX phone_numbers_by_name ON phone_numbers (name COLLATE "C", name);
        INSERT INTO phone_numbers VALUES ('Müller', '1'), ('Mueller', '2'), ('Muller', '3');
    END IF;
END
$$;

-- ---- Functions

CREATE FUNCTION add_all(VARIADIC numbers int[]) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 3
    AS 'SELECT sum(n) FROM unnest(numbers) AS n';
CREATE FUNCTION overloaded(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION overloaded(text, "a mood" mood DEFAULT 'ok', OUT one text, OUT "two 2" int) RETURNS SETOF record
    LANGUAGE sql STABLE SECURITY DEFINER LEAKPROOF ROWS 7 PARALLEL RESTRICTED
    SET search_path = app, pg_temp SET work_mem = '7MB' AS 'SELECT $1, 2';
CREATE FUNCTION as_table(INOUT n int, OUT squared int) LANGUAGE plpgsql AS $function$
BEGIN
    -- A comment within, a $dollar$ quote, a back\slash.
    squared := n * n; -- 'quoted'
END
$function$;
CREATE FUNCTION returns_table(n int) RETURNS TABLE (a int, "b c" text) LANGUAGE plpgsql CALLED ON NULL INPUT
    SET DateStyle FROM CURRENT AS 'BEGIN RETURN QUERY SELECT n, n::text; END';
CREATE FUNCTION polymorphic(anyelement, anyarray) RETURNS anyelement LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION row_number_too() RETURNS bigint LANGUAGE internal WINDOW IMMUTABLE STRICT AS 'window_row_number';
CREATE FUNCTION "select"("from" int) RETURNS int LANGUAGE sql AS 'SELECT "from"';
CREATE FUNCTION of_second_language() RETURNS int LANGUAGE second_plpgsql AS 'BEGIN RETURN 2; END';
-- Its body speaks of what is made later.
SET check_function_bodies = off;
CREATE FUNCTION reads_a_table_to_come() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM app.texts';
RESET check_function_bodies;
COMMENT ON FUNCTION overloaded(text, mood) IS 'a function';

-- ---- Aggregates

CREATE FUNCTION cents_add(state bigint, amount numeric) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS 'SELECT state + (amount * 100)::bigint';
CREATE FUNCTION cents_subtract(state bigint, amount numeric) RETURNS bigint LANGUAGE sql IMMUTABLE
    AS 'SELECT state - (amount * 100)::bigint';
CREATE FUNCTION cents_final(state bigint) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT state::numeric / 100';
CREATE AGGREGATE sum_in_cents(numeric) (
    SFUNC = cents_add, STYPE = bigint, SSPACE = 8, FINALFUNC = cents_final, COMBINEFUNC = int8pl, INITCOND = '0',
    MSFUNC = cents_add, MINVFUNC = cents_subtract, MSTYPE = bigint, MSSPACE = 8, MFINALFUNC = cents_final,
    MINITCOND = '0', PARALLEL = SAFE
);
CREATE AGGREGATE percentile_too(float8 ORDER BY anyelement) (
    SFUNC = ordered_set_transition, STYPE = internal, FINALFUNC = percentile_disc_final, FINALFUNC_EXTRA
);
CREATE AGGREGATE rank_too(VARIADIC "any" ORDER BY VARIADIC "any") (
    SFUNC = ordered_set_transition_multi, STYPE = internal, FINALFUNC = rank_final, FINALFUNC_EXTRA, HYPOTHETICAL
);
CREATE AGGREGATE smallest(int) (SFUNC = int4smaller, STYPE = int, SORTOP = <);
CREATE AGGREGATE average_too(int8) (
    SFUNC = int8_avg_accum, STYPE = internal, FINALFUNC = numeric_poly_avg, COMBINEFUNC = int8_avg_combine,
    SERIALFUNC = int8_avg_serialize, DESERIALFUNC = int8_avg_deserialize
);
CREATE AGGREGATE count_too(*) (SFUNC = int8inc, STYPE = int8, INITCOND = '0');
COMMENT ON AGGREGATE sum_in_cents(numeric) IS 'an aggregate';
COMMENT ON AGGREGATE percentile_too(float8 ORDER BY anyelement) IS 'an ordered-set aggregate';

-- ---- Operators, operator classes and families

CREATE FUNCTION same_street(address, address) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1.street = $2.street';
CREATE FUNCTION other_street(address, address) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1.street <> $2.street';
CREATE OPERATOR === (
    LEFTARG = address, RIGHTARG = address, PROCEDURE = same_street, COMMUTATOR = ===, NEGATOR = !===,
    RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES
);
CREATE OPERATOR !=== (LEFTARG = address, RIGHTARG = address, PROCEDURE = other_street, NEGATOR = ===);
CREATE OPERATOR @#@ (RIGHTARG = int, PROCEDURE = overloaded);
COMMENT ON OPERATOR === (address, address) IS 'an operator';
CREATE FUNCTION compare_backwards(int, int) RETURNS int LANGUAGE sql IMMUTABLE STRICT AS 'SELECT btint4cmp($2, $1)';
CREATE FUNCTION compare_backwards(int, bigint) RETURNS int LANGUAGE sql IMMUTABLE STRICT AS 'SELECT btint84cmp($2, $1)';
CREATE OPERATOR FAMILY backwards_family USING btree;
CREATE OPERATOR CLASS backwards FOR TYPE int USING btree FAMILY backwards_family AS
    OPERATOR 1 > (int, int), OPERATOR 2 >= (int, int), OPERATOR 3 = (int, int), OPERATOR 4 <= (int, int),
    OPERATOR 5 < (int, int), FUNCTION 1 compare_backwards(int, int);
ALTER OPERATOR FAMILY backwards_family USING btree ADD OPERATOR 1 > (int, bigint), OPERATOR 3 = (int, bigint),
    FUNCTION 1 (int, bigint) compare_backwards(int, bigint);
CREATE OPERATOR FAMILY empty_family USING hash;
CREATE OPERATOR CLASS int_too_hash DEFAULT FOR TYPE mood USING hash AS OPERATOR 1 = (anyenum, anyenum),
    FUNCTION 1 hashenum(anyenum);
COMMENT ON OPERATOR FAMILY backwards_family USING btree IS 'an operator family';
COMMENT ON OPERATOR CLASS backwards USING btree IS 'an operator class';

-- ---- Text search

CREATE TEXT SEARCH PARSER parser_too
    (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype, HEADLINE = prsd_headline);
CREATE TEXT SEARCH TEMPLATE template_too (INIT = dsimple_init, LEXIZE = dsimple_lexize);
CREATE TEXT SEARCH DICTIONARY short_list (TEMPLATE = simple, ACCEPT = false);
CREATE TEXT SEARCH DICTIONARY of_template_too (TEMPLATE = template_too);
CREATE TEXT SEARCH CONFIGURATION simple_words (PARSER = parser_too);
ALTER TEXT SEARCH CONFIGURATION simple_words ADD MAPPING FOR word, asciiword WITH short_list, of_template_too, simple;
CREATE TEXT SEARCH CONFIGURATION copied_english (COPY = english);
ALTER TEXT SEARCH CONFIGURATION copied_english DROP MAPPING FOR email;
COMMENT ON TEXT SEARCH PARSER parser_too IS 'a text search parser';
COMMENT ON TEXT SEARCH TEMPLATE template_too IS 'a text search template';
COMMENT ON TEXT SEARCH DICTIONARY short_list IS 'a text search dictionary';
COMMENT ON TEXT SEARCH CONFIGURATION simple_words IS 'a text search configuration';

-- ---- Values: text and bytes

CREATE TABLE texts (id int PRIMARY KEY, value text);
INSERT INTO texts VALUES
    (1, NULL), (2, ''), (3, ' '), (4, E'tab\tnew\nline\rreturn'), (5, E'back\\slash \\N \\. \\t'), (6, '\N'), (7, '\.'),
    (8, 'it''s "quoted" $$and$$ $1'), (9, 'Grüße, 世界, 🐘, e' || chr(769)), (10, E'\b\f\v\x01\x7f'), (11, 'NULL'),
    (12, E'\n'), (13, E'\\'), (14, E'a\n\\.\nb'), (15, repeat(E'long \\ line\t', 5000)), (16, E'\r\n'), (17, E'\\.\n'),
    (18, E'\\x41'), (19, E'\u2028\u0085\ufeff'), (20, E'ends with a tab\t'), (21, chr(1114111)), (22, '"'), (23, ',');
CREATE TABLE characters (id int PRIMARY KEY, fixed char(5), one "char", named name, limited varchar(3), empty char(1));
INSERT INTO characters VALUES
    (1, 'ab', 'x', 'a name', 'abc', ''), (2, '', '', '', '', ' '), (3, NULL, NULL, NULL, NULL, NULL),
    (4, 'äöü', E'\\', repeat('n', 63), 'äö', 'ü');
CREATE TABLE one_column (value text);
INSERT INTO one_column VALUES (NULL), (''), ('\.'), ('\N'), (E'\\'), (E'\n');
CREATE TABLE binaries (id int PRIMARY KEY, value bytea);
INSERT INTO binaries SELECT byte, set_byte('\x00', 0, byte) FROM generate_series(0, 255) AS byte;
INSERT INTO binaries VALUES (256, ''), (257, NULL);
INSERT INTO binaries
    SELECT 258, string_agg(set_byte('\x00', 0, byte), '' ORDER BY byte) FROM generate_series(0, 255) AS byte;
-- A row of more than 20 MB that does not compress away.
CREATE TABLE wide_rows (id int PRIMARY KEY, value text, raw bytea);
INSERT INTO wide_rows
    SELECT 1, string_agg(md5(i::text), E'\t' ORDER BY i), decode(string_agg(md5((-i)::text), '' ORDER BY i), 'hex')
    FROM generate_series(1, 400000) AS i;
INSERT INTO wide_rows VALUES (2, 'short', '\x00');

-- ---- Values: numbers and money

CREATE TABLE numbers (
    id int PRIMARY KEY, exact numeric, "double" float8, "real" float4, big bigint, small smallint, cash money, scaled numeric(9, 4)
);
INSERT INTO numbers VALUES
    (1, 'NaN', 'NaN', 'NaN', 9223372036854775807, 32767, '92233720368547758.07', 99999.9999),
    (2, 1e130000 + 0.5, 'Infinity', '-Infinity', -9223372036854775808, -32768, '-1', -0.0001),
    (3, 0.000000000000000000000000000000000001, '-0', '-0', 0, 0, 0, 0),
    (4, 1.10, 0.1 + 0.2::float8, 3.4028235e38, NULL, NULL, NULL, NULL),
    (5, -12345678901234567890123456789.0123456789, 2.2250738585072014e-308, 1e-45, 1, 1, 1, 1),
    (6, 1.000, 5e-324, 1.17549435e-38, 1, 1, '0.01', 'NaN'),
    (7, 0.00, 1.7976931348623157e308, -1e-45, 1, 1, NULL, 1.5);
CREATE TABLE floats_within (id int PRIMARY KEY, many float8[], place point, area box, round circle, way path, line line);
INSERT INTO floats_within VALUES
    (1, '{0.1,-0,NaN,5e-324,NULL}', '(0.1,-0)', '(0.3,0.1),(1e-300,2)', '<(0.1,0.2),0.3>', '[(0.1,0.2),(3,4)]', '{1,-1,0.1}'),
    (2, '[2:3]={1.5,Infinity}', '(Infinity,NaN)', NULL, NULL, '((1,2),(0.7,4))', NULL), (3, '{}', NULL, NULL, NULL, NULL, NULL);

-- ---- Values: times

CREATE TABLE moments (
    id int PRIMARY KEY, at timestamptz, wall timestamp(3), day date, clock time, zoned timetz, took interval,
    years interval year to month, while_ span
);
INSERT INTO moments VALUES
    (1, 'infinity', '-infinity', 'infinity', '24:00', '23:59:59.999999+14', '1 year -2 mons +3 days -04:05:06.789', '1-2', '[,]'),
    (2, '4713-11-24 00:00:00+00 BC', '0044-03-15 12:00 BC', '4713-11-24 BC', '00:00', '00:00-12', '-178000000 years', '-3 years', 'empty'),
    (3, '294276-12-31 23:59:59.999999+00', '1999-12-31 23:59:59.9996', '5874897-12-31', '12:34:56.789', NULL, '0', '0',
     '[2031-01-01 00:00:00+00,2031-02-01 00:00:00+00)'),
    (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (5, '0001-12-31 BC', '0001-01-01', '-infinity', '00:00:00.000001', '12:00-15:59', '-00:00:00.000001', NULL, '(,2031-01-01 00:00+00]');

-- ---- Values: documents, arrays, composites, networks and the rest

CREATE TABLE documents (id int PRIMARY KEY, plain json, binary_ jsonb, markup xml, words tsvector, query tsquery);
INSERT INTO documents VALUES
    (1, '{"b": 1, "a": [1, 2.50,   "x\ty"],  "b": 2}', '{"b": 1, "a": {"c": null, "d": "\\ \" \n ü"}}', '<a b="c">text &amp; more</a>',
     $$'it''s':1A,3B 'back\\slash':2$$, $$'a' & !('b':*A <-> 'c')$$),
    (2, 'null', 'null', '', '', ''), (3, '"\u00e9"', '"é\\n"', NULL, NULL, NULL),
    (4, '1e400', '[1e-30, -0.0, 123456789012345678901234567890]', '<?xml version="1.0"?><r/>', $$'ü 世界'$$, $$'\\'$$),
    (5, '""', '{"": ""}', 'only text', $$'x':16383$$, $$a <3> b$$);
CREATE TABLE lists (id int PRIMARY KEY, numbers int[], words text[], grid grid, moods mood[], places address[], bits bit(3)[]);
INSERT INTO lists VALUES
    (1, '[-1:1]={1,NULL,3}', ARRAY['', NULL, 'NULL', 'a,b', '{x}', '"', '\', E'\n', ' '], '{{1,2},{3,4}}', '{sad,"it''s \"quoted\""}',
     ARRAY[ROW('a "street", (b)', '1', 'ok'), NULL, ROW('', NULL, NULL)]::address[], '{101,010}'),
    (2, '{}', '{}', NULL, '{}', '{}', '{}'), (3, NULL, NULL, '[0:0][5:6]={{7,8}}', NULL, NULL, NULL),
    (4, '[1:1][-2:-1]={{1,2}}', '{{a,b},{c,d}}', NULL, '[7:7]={ok}', NULL, NULL);
CREATE TABLE others (
    id int PRIMARY KEY, net inet, block cidr, mac macaddr, mac8 macaddr8, key uuid, flags bit(5), more bit varying(9),
    yes boolean, home address, mail short_email, share percentage, whole whole_range, word_range words, many int8range[],
    object oid, class regclass, kind regtype, lsn pg_lsn, tid tid, own int_too, own_text text_too, none nothing,
    snapshot txid_snapshot, of_table one_column
);
INSERT INTO others VALUES
    (1, '::ffff:1.2.3.4/96', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
     B'10101', B'', true, ROW(E'tab\tquote"\\', NULL, 'sad'), 'a@b', 99.99, '(1,5]', '[a,z)', '{"[1,2]",empty,NULL}',
     4294967295, 'pg_class', 'app.mood', 'FFFFFFFF/1', '(4294967294,65535)', '-7', 'own "text"', ROW(), '1:3:2', ROW('x')),
    (2, '1.2.3.4', '::/0', NULL, NULL, NULL, NULL, B'1', false, NULL, NULL, 0, 'empty', '(,)', NULL,
     0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, ROW(NULL, NULL, NULL), NULL, 1, NULL, NULL, '{}',
     NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, ROW(NULL));

-- ---- Tables of every form

CREATE TABLE empty_table (id int PRIMARY KEY, value text DEFAULT 'a "default" with ''quotes''');
CREATE TABLE no_columns ();
INSERT INTO no_columns SELECT FROM generate_series(1, 5);
CREATE TABLE columns_all_dropped (a int, b text);
INSERT INTO columns_all_dropped VALUES (1, 'x'), (2, 'y');
ALTER TABLE columns_all_dropped DROP COLUMN a, DROP COLUMN b;
CREATE UNLOGGED TABLE unlogged_table (id int PRIMARY KEY, value text);
INSERT INTO unlogged_table VALUES (1, 'unlogged');
CREATE TABLE changed (a int, b text, c int DEFAULT 3);
INSERT INTO changed VALUES (1, 'b', 2);
ALTER TABLE changed DROP COLUMN b, ADD COLUMN d numeric NOT NULL DEFAULT 4.5, ALTER COLUMN c TYPE text USING c || 'c';
ALTER TABLE changed ADD COLUMN b text;
INSERT INTO changed VALUES (2, 'c', 5, 'b');
CREATE TABLE of_a_type OF address (street PRIMARY KEY, mood WITH OPTIONS DEFAULT 'ok' NOT NULL);
INSERT INTO of_a_type VALUES ('one', '1', 'happy'), ('two', NULL, 'sad');
CREATE TABLE options (id int, wide text, plain text, short text) WITH (
    fillfactor = 70, autovacuum_enabled = false, autovacuum_vacuum_threshold = 7, toast.autovacuum_enabled = false,
    parallel_workers = 3, user_catalog_table = true
);
ALTER TABLE options ALTER wide SET STORAGE EXTERNAL, ALTER plain SET STORAGE PLAIN, ALTER short SET STORAGE MAIN,
    ALTER id SET STATISTICS 250, ALTER wide SET STATISTICS 0, ALTER id SET (n_distinct = -0.5),
    ALTER wide SET (n_distinct_inherited = 42);
INSERT INTO options SELECT i, repeat(md5(i::text), 200), 'plain', 'short' FROM generate_series(1, 20) AS i;
CREATE TABLE elsewhere (id int PRIMARY KEY USING INDEX TABLESPACE fidelity_space, value text) TABLESPACE fidelity_space;
CREATE INDEX elsewhere_by_value ON elsewhere (value) TABLESPACE fidelity_space;
INSERT INTO elsewhere VALUES (1, 'in another tablespace');
CREATE TEMPORARY TABLE not_to_be_seen AS SELECT 1 AS temporary;
COMMENT ON TABLE texts IS E'a table\nwith a comment of ''two'' lines \\ and a backslash';
COMMENT ON COLUMN texts.value IS 'a column';

-- ---- Identity columns and sequences

CREATE TABLE numbered (
    id bigint GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME app."Numbered by" START 100 INCREMENT 10 MAXVALUE 9999 CYCLE),
    other int GENERATED BY DEFAULT AS IDENTITY (START -5 INCREMENT -2 MINVALUE -1000 MAXVALUE -1 CACHE 5),
    plain smallint GENERATED BY DEFAULT AS IDENTITY, serial_ serial, big bigserial, small smallserial
);
INSERT INTO numbered (id) OVERRIDING SYSTEM VALUE VALUES (7);
INSERT INTO numbered DEFAULT VALUES;
INSERT INTO numbered DEFAULT VALUES;
CREATE TABLE numbered_never (id int GENERATED ALWAYS AS IDENTITY, serial_ serial);
CREATE SEQUENCE counted AS smallint INCREMENT 3 MINVALUE -9 MAXVALUE 900 START 5 CACHE 7;
CREATE SEQUENCE never_called START 77;
CREATE SEQUENCE backwards_sequence INCREMENT -1 MINVALUE -9223372036854775808 MAXVALUE -1 START -1;
CREATE SEQUENCE cycled MAXVALUE 3 CYCLE;
CREATE SEQUENCE set_uncalled;
CREATE SEQUENCE exhausted MAXVALUE 2;
CREATE SEQUENCE owned OWNED BY texts.id;
CREATE SEQUENCE "Sequence, ""quoted""" AS int;
SELECT nextval('counted'), nextval('counted'), setval('never_called', 80, false), setval('set_uncalled', 9, false);
SELECT nextval('backwards_sequence'), nextval('backwards_sequence'), nextval('exhausted'), nextval('exhausted');
SELECT count(nextval('cycled')) FROM generate_series(1, 8);
SELECT nextval('"Sequence, ""quoted"""'), setval('owned', 23);
COMMENT ON SEQUENCE cycled IS 'a sequence';

-- ---- Partitions

CREATE TABLE events (id bigint, at timestamptz NOT NULL, kind text, CHECK (id > 0)) PARTITION BY RANGE (at);
CREATE TABLE events_2030 PARTITION OF events FOR VALUES FROM ('2030-01-01 00:00+00') TO ('2031-01-01 00:00+00');
CREATE TABLE events_2031 PARTITION OF events FOR VALUES FROM ('2031-01-01 00:00+00') TO ('2032-01-01 00:00+00')
    PARTITION BY LIST (kind);
CREATE TABLE events_2031_a PARTITION OF events_2031 (kind DEFAULT 'a') FOR VALUES IN ('a', NULL);
CREATE TABLE events_2031_b PARTITION OF events_2031 FOR VALUES IN ('b', 'it''s');
CREATE TABLE events_before PARTITION OF events FOR VALUES FROM (MINVALUE) TO ('2030-01-01 00:00+00');
-- A partition whose columns stand in another order than its parent's, and which was attached later.
CREATE TABLE events_2032 (kind text, at timestamptz NOT NULL, dropped int, id bigint CHECK (id > 0));
ALTER TABLE events_2032 DROP COLUMN dropped;
ALTER TABLE events_2032 ADD CONSTRAINT events_id_check CHECK (id > 0), DROP CONSTRAINT events_2032_id_check;
ALTER TABLE events ATTACH PARTITION events_2032 FOR VALUES FROM ('2032-01-01 00:00+00') TO (MAXVALUE);
INSERT INTO events
    SELECT i, '2029-12-01 00:00+00'::timestamptz + i * interval '1 day', (ARRAY['a', 'b', NULL])[1 + i % 3]
    FROM generate_series(1, 1500) AS i;
CREATE TABLE by_expression (a int, b text) PARTITION BY RANGE (abs(a), lower(b) COLLATE "C");
CREATE TABLE by_expression_low PARTITION OF by_expression FOR VALUES FROM (MINVALUE, MINVALUE) TO (10, 'm');
CREATE TABLE by_expression_high PARTITION OF by_expression FOR VALUES FROM (10, 'm') TO (MAXVALUE, MAXVALUE)
    TABLESPACE fidelity_space;
INSERT INTO by_expression SELECT i - 20, chr(97 + i % 26) FROM generate_series(1, 60) AS i;
CREATE TABLE with_a_far_partition (id int) PARTITION BY LIST (id);
CREATE TABLE detached (id int);
ALTER TABLE with_a_far_partition ATTACH PARTITION detached FOR VALUES IN (1);
INSERT INTO with_a_far_partition VALUES (1);
ALTER TABLE with_a_far_partition DETACH PARTITION detached;
COMMENT ON TABLE events IS 'a partitioned table';

-- ---- Inheritance

CREATE TABLE parent_one (id int, one text DEFAULT 'one', CONSTRAINT positive CHECK (id > 0), CONSTRAINT own_only CHECK (one <> 'x') NO INHERIT);
CREATE TABLE parent_two (id int, two text DEFAULT 'of the parent' NOT NULL);
CREATE TABLE child (own text, two text DEFAULT 'of the child') INHERITS (parent_one, parent_two);
CREATE TABLE grandchild (CHECK (own <> '')) INHERITS (child);
CREATE TABLE other_child (two text NOT NULL, first int, id int);
ALTER TABLE other_child DROP COLUMN first;
ALTER TABLE other_child INHERIT parent_two;
-- A column that is dropped above and stays below; one that is dropped and made again.
ALTER TABLE parent_one ADD COLUMN late text DEFAULT 'late', ADD COLUMN left_behind int;
ALTER TABLE ONLY parent_one DROP COLUMN left_behind;
ALTER TABLE parent_one DROP COLUMN one;
ALTER TABLE parent_one ADD COLUMN one text DEFAULT 'one again';
ALTER TABLE child ALTER late SET DEFAULT 'late in the child';
INSERT INTO parent_one VALUES (1, 'late', 'one');
INSERT INTO parent_two VALUES (2);
INSERT INTO child (id, one, own) VALUES (3, 'three', 'own');
INSERT INTO grandchild (id, one, own) VALUES (4, 'four', 'own');
INSERT INTO other_child VALUES ('two', 5);

-- ---- Constraints

CREATE TABLE employees (
    id int PRIMARY KEY, manager int REFERENCES employees DEFERRABLE INITIALLY DEFERRED, department int,
    name text UNIQUE DEFERRABLE INITIALLY DEFERRED, CONSTRAINT "a name, ""quoted""" CHECK (name <> '')
);
CREATE TABLE departments (id int PRIMARY KEY, head int NOT NULL, UNIQUE (head, id) WITH (fillfactor = 80));
-- The first row names a manager that comes later, and the two tables point at each other.
BEGIN;
INSERT INTO employees SELECT i, CASE WHEN i < 20 THEN i + 1 END, i % 3, 'name ' || i FROM generate_series(1, 20) AS i;
INSERT INTO departments VALUES (0, 3), (1, 1), (2, 2);
COMMIT;
ALTER TABLE departments ADD CONSTRAINT led FOREIGN KEY (head) REFERENCES employees ON UPDATE CASCADE ON DELETE RESTRICT;
ALTER TABLE employees ADD FOREIGN KEY (department) REFERENCES departments DEFERRABLE;
ALTER TABLE employees ADD CONSTRAINT not_validated CHECK (id < 20) NOT VALID;
CREATE TABLE referring (
    a int, b int, c int, FOREIGN KEY (a, b) REFERENCES departments (head, id) MATCH FULL ON DELETE SET NULL ON UPDATE SET DEFAULT
);
INSERT INTO referring VALUES (3, 0, 1), (NULL, NULL, 2);
INSERT INTO referring VALUES (3, 0, 777);
ALTER TABLE referring ADD CONSTRAINT not_valid_reference FOREIGN KEY (c) REFERENCES departments NOT VALID;
COMMENT ON CONSTRAINT led ON departments IS 'a constraint';
CREATE TABLE bookings (
    id int, during span, room int, PRIMARY KEY (id) DEFERRABLE,
    CONSTRAINT no_overlap EXCLUDE USING gist (during WITH &&) WITH (fillfactor = 75) WHERE (room IS NULL),
    EXCLUDE USING btree (room WITH =) DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO bookings VALUES (1, '[2031-01-01 00:00+00,2031-01-02 00:00+00)', NULL), (2, '[2031-01-02 00:00+00,)', NULL), (3, NULL, 7);
ALTER TABLE changed ADD CONSTRAINT by_index UNIQUE (a);
CREATE UNIQUE INDEX changed_key ON changed (d DESC);

-- ---- Indexes

CREATE UNIQUE INDEX partial_index ON employees (department) WHERE manager IS NULL;
CREATE INDEX expression_index ON texts (lower(left(value, 20)) text_pattern_ops DESC NULLS LAST, (id + 1)) WHERE length(value) < 100;
CREATE INDEX collated_index ON texts (left(value, 9) COLLATE "C" DESC, id NULLS FIRST);
CREATE INDEX gin_index ON documents USING gin (binary_ jsonb_path_ops, words) WITH (fastupdate = off, gin_pending_list_limit = 128);
CREATE INDEX gist_index ON moments USING gist (while_) WITH (buffering = on);
CREATE INDEX spgist_index ON others USING spgist (net inet_ops);
CREATE INDEX brin_index ON events_2030 USING brin (id, at timestamptz_minmax_ops) WITH (pages_per_range = 7, autosummarize = true);
CREATE INDEX hash_index ON numbers USING hash (big);
CREATE INDEX backwards_index ON numbers (id backwards);
COMMENT ON INDEX partial_index IS 'an index';
ALTER TABLE employees CLUSTER ON employees_pkey;
ALTER TABLE texts REPLICA IDENTITY FULL;
ALTER TABLE binaries REPLICA IDENTITY NOTHING;
ALTER TABLE others ALTER share SET NOT NULL;
CREATE UNIQUE INDEX others_identity ON others (share);
ALTER TABLE others REPLICA IDENTITY USING INDEX others_identity;
CREATE STATISTICS correlated (dependencies, ndistinct) ON small, big FROM numbers;
CREATE STATISTICS every_kind ON id, at FROM moments;
COMMENT ON STATISTICS correlated IS 'a statistics object';

-- ---- Triggers

CREATE TABLE logged_changes (at int, what text);
CREATE FUNCTION log_change() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
    INSERT INTO app.logged_changes VALUES (NEW.id, $dollar$it's$dollar$ || coalesce(TG_ARGV[0], ''));
    RETURN NEW;
END
$function$;
CREATE FUNCTION log_statement() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
    INSERT INTO app.logged_changes VALUES (NULL, TG_OP || TG_TABLE_NAME);
    RETURN NULL;
END
$function$;
CREATE TRIGGER on_insert AFTER INSERT ON empty_table FOR EACH ROW WHEN (NEW.id > 0) EXECUTE PROCEDURE log_change();
CREATE TRIGGER disabled_one BEFORE UPDATE OF value ON texts FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE PROCEDURE log_change(E'an "argument"', 'it''s', E'back\\slash');
-- Were one of these enabled while the data is loaded, it would write what is not in the backup.
CREATE TRIGGER on_texts AFTER INSERT ON texts FOR EACH ROW EXECUTE PROCEDURE log_change();
CREATE TRIGGER always_one AFTER INSERT ON lists FOR EACH ROW EXECUTE PROCEDURE log_change();
CREATE TRIGGER replica_one AFTER INSERT ON lists FOR EACH ROW EXECUTE PROCEDURE log_change();
CREATE TRIGGER with_tables AFTER UPDATE ON numbers REFERENCING OLD TABLE AS old_rows NEW TABLE AS "new rows"
    FOR EACH STATEMENT EXECUTE PROCEDURE log_statement();
CREATE TRIGGER on_truncate BEFORE TRUNCATE ON numbers FOR EACH STATEMENT EXECUTE PROCEDURE log_statement();
CREATE TRIGGER on_copy BEFORE INSERT ON binaries FOR EACH STATEMENT EXECUTE PROCEDURE log_statement();
CREATE TRIGGER on_partitions AFTER INSERT OR DELETE ON events FOR EACH STATEMENT EXECUTE PROCEDURE log_statement();
CREATE TRIGGER on_partition BEFORE INSERT ON events_2030 FOR EACH ROW EXECUTE PROCEDURE log_change();
CREATE CONSTRAINT TRIGGER deferred_one AFTER INSERT ON numbers FROM employees DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE PROCEDURE log_change();
ALTER TABLE texts DISABLE TRIGGER disabled_one;
ALTER TABLE lists ENABLE ALWAYS TRIGGER always_one, ENABLE REPLICA TRIGGER replica_one;
COMMENT ON TRIGGER disabled_one ON texts IS 'a trigger';
COMMENT ON FUNCTION log_change() IS 'a trigger function';

-- ---- Views and rules

CREATE VIEW simple_view AS SELECT id, value FROM texts WHERE value IS NOT NULL;
CREATE VIEW guarded WITH (security_barrier) AS SELECT * FROM employees WHERE department = 1 WITH CASCADED CHECK OPTION;
CREATE VIEW guarded_locally AS SELECT * FROM guarded WHERE id > 1 WITH LOCAL CHECK OPTION;
CREATE RECURSIVE VIEW chain (id, depth) AS
    SELECT id, 1 FROM employees WHERE manager IS NULL
    UNION ALL SELECT employees.id, depth + 1 FROM employees JOIN chain ON employees.manager = chain.id;
CREATE VIEW over_view AS SELECT count(*) AS people, sum_in_cents(depth) FROM chain;
CREATE VIEW by_key AS SELECT id, value, count(*) FROM texts GROUP BY id;
CREATE VIEW complicated AS
    WITH totals AS (SELECT department, count(*) AS n FROM employees GROUP BY ROLLUP (department), ())
    SELECT e.name, t.n, row_number() OVER w, sum(e.id) FILTER (WHERE e.id > 3) OVER (w ROWS BETWEEN 1 PRECEDING AND CURRENT ROW),
        (e.*)::text AS "whole row", CASE e.department WHEN 1 THEN 'one' ELSE '"other"' END AS kind, x.y
    FROM employees AS e LEFT JOIN totals AS t USING (department) CROSS JOIN LATERAL (SELECT e.id * 2) AS x (y)
        LEFT JOIN ROWS FROM (generate_series(1, 2), unnest(ARRAY['a'])) WITH ORDINALITY AS f (a, b, n2) ON f.n2 = e.id
    WHERE EXISTS (SELECT 1 FROM ONLY parent_one WHERE parent_one.id = e.id) OR e.name ~~ ANY (ARRAY['a%', 'n%'])
    WINDOW w AS (PARTITION BY e.department ORDER BY e.id DESC NULLS LAST)
    ORDER BY 1, 3 LIMIT 100;
-- Each of the two views needs the other's columns: pg_dump breaks the circle.
CREATE VIEW circle_a AS SELECT 1 AS a, 'x'::text AS b;
CREATE VIEW circle_b AS SELECT * FROM circle_a;
CREATE FUNCTION of_circle() RETURNS SETOF circle_b LANGUAGE sql AS 'SELECT * FROM app.circle_b';
CREATE VIEW circle_c AS SELECT * FROM of_circle();
CREATE VIEW with_trigger AS SELECT 1 AS id;
CREATE TRIGGER instead INSTEAD OF INSERT OR UPDATE ON with_trigger FOR EACH ROW EXECUTE PROCEDURE log_change();
COMMENT ON VIEW simple_view IS 'a view';
COMMENT ON COLUMN simple_view.value IS 'a column of a view';
ALTER VIEW simple_view ALTER COLUMN value SET DEFAULT 'of the view';
CREATE RULE redirect AS ON INSERT TO simple_view DO INSTEAD INSERT INTO texts VALUES (NEW.id, NEW.value) RETURNING id, value;
CREATE RULE notify_deletes AS ON DELETE TO employees DO ALSO NOTIFY employees;
CREATE RULE many_actions AS ON UPDATE TO departments WHERE OLD.id <> NEW.id
    DO ALSO (INSERT INTO logged_changes VALUES (OLD.id, 'old'); INSERT INTO logged_changes VALUES (NEW.id, 'new'));
CREATE RULE disabled_rule AS ON INSERT TO empty_table DO INSTEAD NOTHING;
CREATE RULE always_rule AS ON DELETE TO empty_table DO INSTEAD NOTHING;
CREATE RULE replica_rule AS ON UPDATE TO empty_table DO INSTEAD NOTHING;
ALTER TABLE empty_table DISABLE RULE disabled_rule, ENABLE ALWAYS RULE always_rule, ENABLE REPLICA RULE replica_rule;
COMMENT ON RULE redirect ON simple_view IS 'a rule';

-- ---- Materialised views

CREATE MATERIALIZED VIEW filled WITH (fillfactor = 60) TABLESPACE fidelity_space AS SELECT kind, count(*) AS n FROM events GROUP BY kind;
CREATE UNIQUE INDEX filled_by_kind ON filled (kind);
CREATE MATERIALIZED VIEW a_over_filled AS SELECT sum(n) AS n FROM filled;
CREATE MATERIALIZED VIEW over_over_filled AS SELECT a.n, v.people FROM a_over_filled AS a, over_view AS v;
CREATE MATERIALIZED VIEW unfilled AS SELECT id FROM texts WITH NO DATA;
CREATE INDEX unfilled_by_id ON unfilled (id);
ALTER MATERIALIZED VIEW filled CLUSTER ON filled_by_kind;
ALTER MATERIALIZED VIEW filled ALTER n SET STATISTICS 99;
COMMENT ON MATERIALIZED VIEW filled IS 'a materialised view';

-- ---- Row-level security

CREATE TABLE secrets_of_many (id int PRIMARY KEY, belongs_to text, value text);
INSERT INTO secrets_of_many VALUES (1, 'somebody', 'x'), (2, 'nobody', 'y');
ALTER TABLE secrets_of_many ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON secrets_of_many AS PERMISSIVE FOR SELECT TO PUBLIC USING (belongs_to = current_user);
CREATE POLICY never_secret ON secrets_of_many AS RESTRICTIVE FOR UPDATE TO fidelity_other, fidelity_reader
    USING (EXISTS (SELECT 1 FROM employees WHERE employees.id = secrets_of_many.id)) WITH CHECK (value <> 'z');
CREATE POLICY "insert, ""quoted""" ON secrets_of_many FOR INSERT WITH CHECK (true);
CREATE POLICY without_effect ON employees USING (false);
COMMENT ON POLICY own_rows ON secrets_of_many IS 'a policy';

-- ---- Names

CREATE SCHEMA "Schéma ""quoted"".and. dotted";
CREATE TABLE "Schéma ""quoted"".and. dotted"."select" ("from" int PRIMARY KEY, "Ünï ""x"" \ 'y'" text, "a.b" int, " " int);
INSERT INTO "Schéma ""quoted"".and. dotted"."select" SELECT i, 'v' || i, i, -i FROM generate_series(1, 12) AS i;
CREATE INDEX "an index; DROP TABLE x; --" ON "Schéma ""quoted"".and. dotted"."select" ("a.b");
CREATE TABLE "Table" (id int);
CREATE TABLE "table" (id int);
INSERT INTO "Table" VALUES (1);
INSERT INTO "table" VALUES (2), (3);
CREATE TABLE "two
lines" ("a
b" int, "tab	tab" text);
INSERT INTO "two
lines" VALUES (1, 'x');
CREATE VIEW "a view of
two lines" AS SELECT * FROM "two
lines";
CREATE TABLE "象 🐘 with spaces, commas; and -- dashes" (id int, "{}" int);
INSERT INTO "象 🐘 with spaces, commas; and -- dashes" VALUES (1, 2);
CREATE TABLE "sixty-three bytes are the longest name that PostgreSQL can hold" (id serial);
INSERT INTO "sixty-three bytes are the longest name that PostgreSQL can hold" DEFAULT VALUES;
CREATE TABLE "dollar$1 %s \n" ("$1" int, "%" int, "the whole row" int);
INSERT INTO "dollar$1 %s \n" VALUES (1, 2, 3);
CREATE TABLE "user" ("order" int PRIMARY KEY, "group" text CHECK ("group" <> 'table'), "end" int DEFAULT 1);
INSERT INTO "user" VALUES (1, 'x', 2);
CREATE TABLE "-- Name: fake; Type: TABLE; Schema: app; Owner: nobody" (id int);
INSERT INTO "-- Name: fake; Type: TABLE; Schema: app; Owner: nobody" VALUES (1);
CREATE SCHEMA twin AUTHORIZATION "fidelity role, ""quoted"" ü";
CREATE TABLE twin.texts (value text, extra int);
INSERT INTO twin.texts SELECT 'twin ' || i, i FROM generate_series(1, 33) AS i;
ALTER TABLE twin.texts OWNER TO "fidelity role, ""quoted"" ü";
CREATE TABLE public.in_public (id int PRIMARY KEY);
INSERT INTO public.in_public SELECT generate_series(1, 7);

-- ---- Foreign data

CREATE FOREIGN DATA WRAPPER nowhere OPTIONS (debug 'true', "quo""ted" 'it''s');
CREATE FOREIGN DATA WRAPPER validated VALIDATOR postgresql_fdw_validator;
CREATE SERVER far TYPE 'kind' VERSION '1.2' FOREIGN DATA WRAPPER nowhere OPTIONS (host 'far.example.org');
CREATE SERVER farther FOREIGN DATA WRAPPER validated;
CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (user 'nobody');
CREATE USER MAPPING FOR fidelity_other SERVER far OPTIONS ("user" 'other', password 'it''s a "secret"');
CREATE USER MAPPING FOR fidelity_reader SERVER farther;
CREATE FOREIGN TABLE far_away (
    id int OPTIONS (column_name 'ID') NOT NULL, value text COLLATE "C" DEFAULT 'far', CONSTRAINT believed CHECK (id > 0)
) SERVER far OPTIONS (schema_name 's', table_name 't');
CREATE FOREIGN TABLE far_child (more int) INHERITS (parent_two) SERVER far;
CREATE FOREIGN TABLE far_partition PARTITION OF with_a_far_partition FOR VALUES IN (7) SERVER farther;
CREATE TRIGGER on_far AFTER INSERT ON far_away FOR EACH ROW EXECUTE PROCEDURE log_change();
COMMENT ON FOREIGN DATA WRAPPER nowhere IS 'a foreign-data wrapper';
COMMENT ON SERVER far IS 'a server';
COMMENT ON FOREIGN TABLE far_away IS 'a foreign table';
COMMENT ON COLUMN far_away.id IS 'a column of a foreign table';

-- ---- Large objects

SELECT lo_from_bytea(70001, 'a large object'), lo_from_bytea(70002, ''),
    lo_from_bytea(70003, decode(repeat('00ff0a5c2e', 300000), 'hex')), lo_create(70004), lo_from_bytea(4294967295, '\x00');
-- With a hole: zeros that were never written.
SELECT lo_put(70004, 300000, 'after a hole');
ALTER LARGE OBJECT 70002 OWNER TO fidelity_other;
ALTER LARGE OBJECT 70003 OWNER TO "fidelity role, ""quoted"" ü";
GRANT SELECT ON LARGE OBJECT 70001 TO fidelity_reader WITH GRANT OPTION;
GRANT UPDATE ON LARGE OBJECT 70001, 70002 TO PUBLIC;
REVOKE ALL ON LARGE OBJECT 70004 FROM fidelity_owner;
COMMENT ON LARGE OBJECT 70001 IS 'a large object''s comment';
CREATE TABLE names_large_objects (id oid PRIMARY KEY, what text);
INSERT INTO names_large_objects VALUES (70001, 'one'), (4294967295, 'the last');

-- ---- Publications and subscriptions

CREATE PUBLICATION some_tables FOR TABLE texts, ONLY parent_one, numbers WITH (publish = 'insert, update');
CREATE PUBLICATION no_tables;
CREATE PUBLICATION all_tables FOR ALL TABLES;
COMMENT ON PUBLICATION some_tables IS 'a publication';
CREATE SUBSCRIPTION to_nowhere CONNECTION 'host=nowhere.invalid dbname=''it\''s''' PUBLICATION one, "Two"
    WITH (connect = false, slot_name = NONE, synchronous_commit = 'remote_apply');
COMMENT ON SUBSCRIPTION to_nowhere IS 'a subscription';

-- ---- Owners and privileges

CREATE SCHEMA theirs;
CREATE TABLE theirs.owned_by_another (id serial PRIMARY KEY, value text);
INSERT INTO theirs.owned_by_another (value) VALUES ('x'), ('y');
CREATE FUNCTION theirs.owned_too() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE VIEW theirs.view_too AS SELECT * FROM theirs.owned_by_another;
ALTER VIEW theirs.view_too OWNER TO fidelity_other;
ALTER FUNCTION theirs.owned_too() OWNER TO fidelity_other;
ALTER SCHEMA theirs OWNER TO fidelity_other;
ALTER TABLE theirs.owned_by_another OWNER TO fidelity_other;
ALTER TYPE no_values OWNER TO fidelity_other;
ALTER DOMAIN grid OWNER TO fidelity_other;
ALTER COLLATION split_order OWNER TO fidelity_other;
ALTER CONVERSION latin_too OWNER TO fidelity_other;
ALTER OPERATOR !=== (address, address) OWNER TO fidelity_other;
ALTER OPERATOR FAMILY empty_family USING hash OWNER TO fidelity_other;
ALTER TEXT SEARCH DICTIONARY short_list OWNER TO fidelity_other;
ALTER STATISTICS every_kind OWNER TO fidelity_other;
ALTER PUBLICATION no_tables OWNER TO fidelity_other;
ALTER SERVER farther OWNER TO fidelity_other;
ALTER LANGUAGE third_plpgsql OWNER TO fidelity_other;
ALTER AGGREGATE smallest(int) OWNER TO fidelity_other;
ALTER MATERIALIZED VIEW a_over_filled OWNER TO fidelity_reader;

GRANT USAGE ON SCHEMA app TO fidelity_other, fidelity_grantor WITH GRANT OPTION;
GRANT SELECT, INSERT ON texts TO fidelity_other;
GRANT UPDATE (value), REFERENCES (id), SELECT (id, value) ON texts TO PUBLIC;
GRANT ALL ON numbers TO fidelity_reader;
GRANT SELECT ON numbers TO fidelity_grantor WITH GRANT OPTION;
GRANT SELECT (id), UPDATE (name) ON employees TO fidelity_grantor WITH GRANT OPTION;
REVOKE ALL ON binaries FROM fidelity_owner;
GRANT EXECUTE ON FUNCTION as_table(int), sum_in_cents(numeric) TO fidelity_other;
REVOKE EXECUTE ON FUNCTION as_table(int) FROM PUBLIC;
GRANT USAGE, SELECT ON SEQUENCE counted TO fidelity_other;
GRANT UPDATE ON SEQUENCE cycled TO PUBLIC;
GRANT USAGE ON TYPE mood TO fidelity_other;
REVOKE USAGE ON TYPE address FROM PUBLIC;
REVOKE ALL ON DOMAIN email FROM PUBLIC, fidelity_owner;
GRANT USAGE ON LANGUAGE third_plpgsql TO fidelity_reader;
REVOKE ALL ON LANGUAGE third_plpgsql FROM PUBLIC;
GRANT USAGE ON FOREIGN DATA WRAPPER nowhere TO fidelity_other WITH GRANT OPTION;
GRANT USAGE ON FOREIGN SERVER far TO fidelity_other;
GRANT SELECT ON far_away, filled, simple_view, events TO fidelity_reader;
GRANT CREATE ON SCHEMA public TO fidelity_other;
-- Privileges on what the server brought.
GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text) TO fidelity_reader;
REVOKE SELECT ON pg_catalog.pg_description FROM PUBLIC;
GRANT SELECT (indexrelid) ON pg_catalog.pg_index TO fidelity_other;
ALTER DEFAULT PRIVILEGES FOR ROLE fidelity_owner IN SCHEMA app GRANT SELECT ON TABLES TO fidelity_other;
ALTER DEFAULT PRIVILEGES FOR ROLE fidelity_other REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE fidelity_other GRANT USAGE ON SEQUENCES TO fidelity_reader WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES FOR ROLE fidelity_other REVOKE USAGE ON TYPES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE fidelity_other GRANT CREATE ON SCHEMAS TO fidelity_reader;
-- By another than the owner.
SET ROLE fidelity_grantor;
GRANT SELECT ON app.numbers TO fidelity_reader, PUBLIC;
GRANT SELECT (id) ON app.employees TO fidelity_reader;
GRANT USAGE ON SCHEMA app TO fidelity_reader;
SET ROLE fidelity_owner;

-- ---- Extensions, where the server has them

DO $$
DECLARE
    wanted text;
BEGIN
    -- Whoever restores an extension owns it, so its owner here is the server's own superuser.
    CREATE SCHEMA extended;
    RESET ROLE;
    FOR wanted IN SELECT name FROM pg_available_extensions WHERE name IN ('citext', 'hstore', 'pg_trgm') ORDER BY name LOOP
        EXECUTE format('CREATE EXTENSION %I WITH SCHEMA extended', wanted);
    END LOOP;
    SET ROLE fidelity_owner;
    IF to_regtype('extended.hstore') IS NOT NULL THEN
        CREATE TABLE extended.pairs (id int PRIMARY KEY, value extended.hstore);
        INSERT INTO extended.pairs VALUES (1, 'a=>1, "b c"=>NULL, "it''s"=>"\"q\""'), (2, ''), (3, NULL);
        CREATE INDEX pairs_by_value ON extended.pairs USING gist (value extended.gist_hstore_ops);
        CREATE VIEW extended.keys AS SELECT id, extended.akeys(value) AS keys FROM extended.pairs;
        REVOKE EXECUTE ON FUNCTION extended.akeys(extended.hstore) FROM PUBLIC;
        GRANT EXECUTE ON FUNCTION extended.skeys(extended.hstore) TO fidelity_reader;
        COMMENT ON EXTENSION hstore IS 'a comment of our own';
    END IF;
    IF to_regtype('extended.citext') IS NOT NULL THEN
        CREATE TABLE extended.folded (value extended.citext PRIMARY KEY);
        INSERT INTO extended.folded VALUES ('One'), ('two');
    END IF;
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm') THEN
        CREATE INDEX similar_words ON twin.texts USING gin (value extended.gin_trgm_ops);
    END IF;
END
$$;

-- ---- A table of some thousand pages, updated and deleted from, cut into ranges

CREATE TABLE large (id int PRIMARY KEY, grp int, noise text, changed int DEFAULT 0);
INSERT INTO large SELECT i, i % 97, md5(i::text) || md5((-i)::text) || md5((i * 7)::text) FROM generate_series(1, 180000) AS i;
UPDATE large SET changed = id, noise = left(noise, 50) WHERE grp = 13;
DELETE FROM large WHERE grp IN (14, 15) OR id BETWEEN 60000 AND 75000;
UPDATE large SET changed = -1 WHERE id % 1000 = 7;

-- ---- Event triggers, which the rest of this file would set off

CREATE TABLE dropped (what text);
CREATE FUNCTION write_down() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Nothing that a restore does on its way may show here.
    INSERT INTO app.dropped SELECT object_identity FROM pg_event_trigger_dropped_objects();
END
$$;
CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''% is not allowed'', tg_tag; END';
CREATE EVENT TRIGGER write_drops_down ON sql_drop WHEN TAG IN ('DROP TABLE', 'DROP VIEW') EXECUTE PROCEDURE write_down();
-- Were it there while the rest is restored, it would refuse what comes after it.
CREATE EVENT TRIGGER no_new_casts ON ddl_command_start WHEN TAG IN ('CREATE CAST') EXECUTE PROCEDURE refuse();
CREATE EVENT TRIGGER disabled_one ON sql_drop EXECUTE PROCEDURE refuse();
ALTER EVENT TRIGGER disabled_one DISABLE;
CREATE EVENT TRIGGER replica_one ON ddl_command_end EXECUTE PROCEDURE refuse();
ALTER EVENT TRIGGER replica_one ENABLE REPLICA;
CREATE EVENT TRIGGER always_one ON sql_drop WHEN TAG IN ('DROP SERVER') EXECUTE PROCEDURE write_down();
ALTER EVENT TRIGGER always_one ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER no_new_casts IS 'an event trigger';

-- ---- The database itself

DO $$
DECLARE
    me text := quote_ident(current_database());
BEGIN
    EXECUTE 'COMMENT ON DATABASE ' || me || ' IS ''a database''';
    EXECUTE 'ALTER DATABASE ' || me || ' SET DateStyle = ''German, DMY''';
    EXECUTE 'ALTER DATABASE ' || me || ' SET bytea_output = ''escape''';
    EXECUTE 'ALTER DATABASE ' || me || ' SET search_path = app, "Schéma ""quoted"".and. dotted", public';
    EXECUTE 'ALTER DATABASE ' || me || ' SET statement_timeout = ''1h''';
    EXECUTE 'ALTER ROLE fidelity_reader IN DATABASE ' || me || ' SET work_mem = ''8MB''';
    EXECUTE 'ALTER DATABASE ' || me || ' CONNECTION LIMIT 77';
    EXECUTE 'GRANT CREATE ON DATABASE ' || me || ' TO fidelity_other WITH GRANT OPTION';
    EXECUTE 'REVOKE TEMPORARY ON DATABASE ' || me || ' FROM PUBLIC';
END
$$;
