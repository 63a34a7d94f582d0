//! Wrong input: each kind ends with its own code, the object and a remedy, in the job, in the command's JSON and in
//! what people read; nothing half-made stays. A remedy that is a statement is pasted, and makes the next try work.

mod wrong_input {
    pub(crate) mod api;
    mod privileges;
    pub(crate) mod refusal;
    mod request;
    mod source;
    mod target;
}
