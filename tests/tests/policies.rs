//! Policies on the deployed stack: their schedules, what these start, and what is done with an instance's protection.

mod policies {
    mod deletion;
    mod lifecycle;
    mod protection;
    mod retention;
    mod schedule;
    mod scheduled;
    pub(crate) mod support;
}
