-- Extensions that their owner may create without being a superuser, where the server has them (Debian: postgresql).

CREATE SCHEMA extended;
SET search_path = extended;
CREATE EXTENSION pg_trgm WITH SCHEMA extended;
CREATE EXTENSION hstore WITH SCHEMA public;
CREATE TABLE pairs (id int PRIMARY KEY, value public.hstore, words text);
INSERT INTO pairs VALUES (1, 'a=>1, "b c"=>NULL, "it''s"=>"\"q\""', 'some words'), (2, '', ''), (3, NULL, NULL);
CREATE INDEX similar_words ON pairs USING gin (words gin_trgm_ops);
CREATE VIEW keys AS SELECT id, public.akeys(value) AS keys FROM pairs;
