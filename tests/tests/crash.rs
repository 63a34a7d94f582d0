//! Killed anywhere, nothing is lost or half-visible.
//!
//! Every step of a backup and of a restore is killed before it sees its event, in the middle, and after its effect;
//! every kind of request to the store and to the catalog fails before and after it took effect. What fails once is
//! mended by a retry, and the restored database is equal. What fails for good leaves nothing behind, and what comes
//! next works. The jobs run in a copy of the deployed functions and state machines: see `permafrost_tests::faults`.

mod crash {
    pub(crate) mod arranged;
    mod backup;
    mod holder;
    mod requests;
    mod restore;
    mod resumed;
}
