//! pg_dump's archive format: read and write the table of contents.
