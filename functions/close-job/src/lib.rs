//! close-job.
