//! The vault: what S3 holds.
