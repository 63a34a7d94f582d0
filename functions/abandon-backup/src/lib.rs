//! abandon-backup.
