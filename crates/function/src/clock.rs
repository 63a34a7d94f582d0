//! The clock: the one place where functions read it.
//!
//! Ten years of a vault's life cannot be waited for. Where a stack is configured so, the functions of the lifecycle,
//! and the commit that begins a point's life, take the time from their input; no other function does, and no other
//! stack.

use std::time::SystemTime;

use jiff::Timestamp;
use permafrost_domain::{Code, Fault};
use serde::Deserialize;

/// Where commit and lifecycle get the time from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// The machine's clock. An input that names a time is refused.
    Real,
    /// The input; the machine's clock where it names no time.
    Input,
}

impl Clock {
    /// What time it is for an input that names `given`.
    ///
    /// # Errors
    /// `InvalidRequest` where the input names a time and may not.
    pub fn time(self, given: Option<Timestamp>) -> Result<Timestamp, Fault> {
        match (self, given) {
            (_, None) => Ok(now()),
            (Self::Input, Some(given)) => Ok(given),
            (Self::Real, Some(given)) => {
                let message =
                    format!("the input says that it is {given}, and this stack has a clock of its own");
                Err(Fault::new(Code::InvalidRequest, message))
            }
        }
    }
}

/// What time it is.
#[expect(clippy::disallowed_methods, reason = "this is the edge at which time enters")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// What time it is, as AWS's libraries take it.
pub fn system_now() -> SystemTime {
    now().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_in_the_input_counts_only_where_the_stack_says_so() {
        let given = Some(Timestamp::UNIX_EPOCH);
        assert_eq!(Clock::Input.time(given), Ok(Timestamp::UNIX_EPOCH));
        assert_eq!(Clock::Real.time(given).unwrap_err().code, Code::InvalidRequest);
        assert!(Clock::Real.time(None).unwrap() > Timestamp::UNIX_EPOCH);
    }
}
