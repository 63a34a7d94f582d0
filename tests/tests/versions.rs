//! A database with every kind of object comes back on every version, and from older versions on newer ones.
//!
//! `stock` runs PostgreSQL's own tools: what they keep, the comparison must call equal, and what they lose is listed
//! with its reason in `expected`. `permafrost` runs the deployed stack, which may lose no more than stock tools do.
//! `sensitivity` shows that the comparison tells databases apart.

mod versions {
    pub(crate) mod expected;
    mod permafrost;
    mod sensitivity;
    mod stock;
}
