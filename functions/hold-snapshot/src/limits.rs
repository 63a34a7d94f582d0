//! How long everything may take. What has to add up:
//!
//! ```text
//! function's life  870 s  >=  waiting for one's turn (lifetime)  +  holding (lifetime)  +  grace
//! ```

use std::time::Duration;

use permafrost_domain::{Code, Fault};
use permafrost_function::config;

/// How long a function may live: Lambda's 900 s, which the template sets, less what starting and ending take.
pub(crate) const FUNCTION_LIFE: Duration = Duration::from_secs(870);
/// How long a holder goes on beyond its lifetime for a successor who is late: one that fails is started again, and
/// may have to try several times to get its locks.
pub(crate) const GRACE: Duration = Duration::from_mins(4);

/// What the template configures.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How long a holder holds before the next one takes over.
    pub(crate) lifetime: Duration,
    /// How old the snapshot may become, in all hands.
    pub(crate) snapshot: Duration,
}

impl Limits {
    /// The longest lifetime that adds up.
    pub(crate) const LONGEST_LIFETIME: Duration = Duration::from_secs(315);

    /// Reads the environment.
    ///
    /// # Errors
    /// `InvalidConfiguration` where a variable is missing or does not add up.
    pub(crate) fn from_env() -> Result<Self, Fault> {
        let limits = Self {
            lifetime: seconds("HOLDER_LIFETIME_SECONDS")?,
            snapshot: seconds("SNAPSHOT_LIMIT_SECONDS")?,
        };
        if limits.lifetime > Self::LONGEST_LIFETIME || limits.lifetime.is_zero() {
            let longest = Self::LONGEST_LIFETIME.as_secs();
            let message =
                format!("HOLDER_LIFETIME_SECONDS is {}, expected 1 to {longest}", limits.lifetime.as_secs());
            return Err(
                Fault::new(Code::InvalidConfiguration, message).on("variable HOLDER_LIFETIME_SECONDS")
            );
        }
        Ok(limits)
    }

    /// How long a function must be able to live that begins to hold.
    pub(crate) fn to_hold(self) -> Duration {
        self.lifetime + GRACE
    }
}

fn seconds(name: &str) -> Result<Duration, Fault> {
    let text = config::variable(name)?;
    text.parse().map(Duration::from_secs).map_err(|_| {
        let message = format!("{name} is {text:?}, expected whole seconds");
        Fault::new(Code::InvalidConfiguration, message).on(format!("variable {name}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_lifetime_fits_into_a_functions_life() {
        assert_eq!(Limits::LONGEST_LIFETIME * 2 + GRACE, FUNCTION_LIFE);
    }
}
