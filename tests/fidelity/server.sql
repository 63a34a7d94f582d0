-- What a server needs before it can hold the database: roles and a tablespace, which belong to no database. Can be run
-- again. A line that begins with four dashes begins a section, which is one query: a tablespace cannot be made in a
-- transaction, and statements that are sent together are one.

-- ---- Roles

DO $$
DECLARE
    wanted text[] := ARRAY[
        -- Owns everything, so that no text depends on how a server's own superuser is called.
        'fidelity_owner NOLOGIN SUPERUSER',
        'fidelity_other NOLOGIN',
        'fidelity_reader NOLOGIN',
        'fidelity_grantor NOLOGIN',
        '"fidelity role, ""quoted"" ü" NOLOGIN'
    ];
    role text;
BEGIN
    FOREACH role IN ARRAY wanted LOOP
        BEGIN
            EXECUTE 'CREATE ROLE ' || role;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END LOOP;
END
$$;

-- ---- The permission for a tablespace without a directory of its own

SET allow_in_place_tablespaces = on;

-- ---- Tablespace

CREATE TABLESPACE fidelity_space OWNER fidelity_owner LOCATION '';

-- ---- Tablespace, continued

COMMENT ON TABLESPACE fidelity_space IS 'a tablespace';
GRANT CREATE ON TABLESPACE fidelity_space TO fidelity_other;
