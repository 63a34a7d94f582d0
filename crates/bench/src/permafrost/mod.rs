//! Permafrost itself: the steps of a backup and of a restore as the functions take them, without Lambda and without
//! the catalog. Each worker is a process, as each function is.

pub(crate) mod dump;
pub(crate) mod restore;
pub(crate) mod workers;

use std::time::Instant;

use serde::{Deserialize, Serialize};

/// What one dump or restore says about itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// Tasks carried out.
    pub(crate) tasks: u32,
    /// Bytes of rows.
    pub(crate) raw_bytes: u64,
    /// Bytes of segments.
    pub(crate) stored_bytes: u64,
    /// The most memory that any worker has had, in KiB.
    pub(crate) worker_peak_kib: u64,
    /// The most memory of the process of the other steps, in KiB.
    pub(crate) coordinator_peak_kib: u64,
    /// How long each step took.
    pub(crate) steps: Vec<Step>,
}

/// How long a step took.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Step {
    /// The step.
    pub(crate) name: String,
    /// Its time.
    pub(crate) seconds: f64,
}

/// Times steps, one after the other.
pub(crate) struct Steps {
    last: Instant,
    steps: Vec<Step>,
}

impl Steps {
    /// From now on.
    pub(crate) fn begin() -> Self {
        Self { last: Instant::now(), steps: Vec::new() }
    }

    /// The step `name` ends here.
    pub(crate) fn end(&mut self, name: &str) {
        let now = Instant::now();
        self.steps.push(Step { name: name.to_owned(), seconds: (now - self.last).as_secs_f64() });
        self.last = now;
    }
}
