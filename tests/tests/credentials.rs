//! No credential is ever in the catalog, a store, a log, a job, a state's payload or a process's arguments.

mod credentials {
    mod arguments;
    mod haystacks;
    mod nowhere;
}
