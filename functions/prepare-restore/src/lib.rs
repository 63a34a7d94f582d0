//! prepare-restore.
