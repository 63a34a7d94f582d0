//! run-restore-task.
