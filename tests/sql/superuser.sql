-- What only a superuser may create, and so only a superuser may restore.

CREATE SCHEMA app;
SET search_path = app;
CREATE TABLE ledger (id int PRIMARY KEY, amount numeric NOT NULL);
INSERT INTO ledger SELECT i, i * 1.5 FROM generate_series(1, 100) AS i;

-- Writes down what is dropped: nothing that a restore does on its way may show here.
CREATE TABLE dropped (what text);
CREATE FUNCTION write_down() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO app.dropped SELECT object_identity FROM pg_event_trigger_dropped_objects();
END
$$;
CREATE EVENT TRIGGER write_drops_down ON sql_drop EXECUTE FUNCTION write_down();

-- Were it there while the rest is restored, it would refuse what comes after it.
CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is not allowed', tg_tag;
END
$$;
CREATE EVENT TRIGGER no_new_tables ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION refuse();
COMMENT ON EVENT TRIGGER no_new_tables IS 'an event trigger';
CREATE EVENT TRIGGER disabled_one ON sql_drop EXECUTE FUNCTION refuse();
ALTER EVENT TRIGGER disabled_one DISABLE;

CREATE PUBLICATION all_tables FOR ALL TABLES;
CREATE FUNCTION compare_backwards(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT btint4cmp($2, $1)';
CREATE OPERATOR CLASS backwards FOR TYPE int USING btree AS
    OPERATOR 1 > (int, int), OPERATOR 2 >= (int, int), OPERATOR 3 = (int, int), OPERATOR 4 <= (int, int),
    OPERATOR 5 < (int, int), FUNCTION 1 compare_backwards(int, int);
CREATE INDEX ledger_backwards ON ledger (id backwards);
CREATE FUNCTION in_c(int, int) RETURNS int LANGUAGE internal IMMUTABLE AS 'btint4cmp';
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER nowhere;
-- A tag of its own: the trigger above does not speak of foreign tables.
CREATE FOREIGN TABLE far_away (id int) SERVER elsewhere;
