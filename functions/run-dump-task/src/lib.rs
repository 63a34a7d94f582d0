//! run-dump-task.
