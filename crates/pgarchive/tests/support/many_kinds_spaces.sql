-- After many_kinds.sql, where there is a tablespace "ta ble".
CREATE INDEX in_space ON shop.orders (amount) TABLESPACE "ta ble";
CREATE TABLE apart.spaced (id integer PRIMARY KEY USING INDEX TABLESPACE "ta ble") TABLESPACE "ta ble";
