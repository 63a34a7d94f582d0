//! finish-restore.
