//! Policies from the outside: files, schedules, verdicts, plans, and the laws that hold for all of them.

mod arbitrary;
mod files;
mod plans;
mod points;
mod reevaluation;
mod schedules;
mod verdicts;
