-- Accounts in tables of two schemas, and the ledger of what moved between them.

CREATE SCHEMA north;
CREATE SCHEMA south;

CREATE TABLE north.giro (
    id int PRIMARY KEY,
    balance bigint NOT NULL,
    -- Always the same as the balance: a row that is half old and half new would show.
    mirror bigint NOT NULL,
    -- Makes copying take its time.
    noise text NOT NULL
);
CREATE TABLE north.savings (LIKE north.giro INCLUDING ALL);
CREATE TABLE south.giro (LIKE north.giro INCLUDING ALL);
CREATE TABLE south.savings (LIKE north.giro INCLUDING ALL);

INSERT INTO north.giro SELECT i, {opening}, {opening}, repeat(md5(i::text), 12) FROM generate_series(1, {accounts}) AS i;
INSERT INTO north.savings SELECT * FROM north.giro;
INSERT INTO south.giro SELECT * FROM north.giro;
INSERT INTO south.savings SELECT * FROM north.giro;

CREATE TABLE north.transfers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    from_table text NOT NULL,
    from_id int NOT NULL,
    to_table text NOT NULL,
    to_id int NOT NULL,
    amount bigint NOT NULL
);

-- What others want to empty, alter and drop.
CREATE TABLE north.coveted AS SELECT i AS id, 'untouched' AS note FROM generate_series(1, 1000) AS i;
CREATE INDEX coveted_by_id ON north.coveted (id);
