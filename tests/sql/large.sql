-- Rows that hardly compress, about 130 bytes each; {rows} of them.

CREATE TABLE large AS
    SELECT i AS id, md5(i::text) || md5((-i)::text) || md5((i * 7)::text) || md5((i * 13)::text) AS noise
    FROM generate_series(1, {rows}) AS i;
ALTER TABLE large ADD PRIMARY KEY (id);
