//! Readiness: checks with an outcome, the objects concerned, and a remedy that can be pasted.

use serde::{Deserialize, Serialize};

use crate::fault::{Code, Fault};

/// How many objects a check names; the rest are counted.
pub const MAX_OBJECTS: usize = 50;

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub enum Outcome {
    /// As it should be.
    Success,
    /// The operation can go on; somebody should look.
    Warning,
    /// The operation cannot go on.
    Failed,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Check {
    /// The check's stable id, for instance `select-on-tables`.
    pub id: String,
    /// What it found.
    pub outcome: Outcome,
    /// What it found, in words.
    pub message: String,
    /// The error code, where the outcome is not `Success`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// The objects concerned, at most [`MAX_OBJECTS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<String>,
    /// How many objects are concerned in all.
    #[serde(default)]
    pub objects_total: usize,
    /// What to do: SQL or an IAM statement that can be pasted, or a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Check {
    /// A check that found things as they should be.
    pub fn success(id: &str, message: impl Into<String>) -> Self {
        Self {
            id: id.to_owned(),
            outcome: Outcome::Success,
            message: message.into(),
            code: None,
            objects: Vec::new(),
            objects_total: 0,
            remedy: None,
        }
    }

    /// A check that stops the operation.
    pub fn failed(id: &str, fault: Fault) -> Self {
        Self::of_fault(id, Outcome::Failed, fault)
    }

    /// A check that somebody should look at.
    pub fn warning(id: &str, fault: Fault) -> Self {
        Self::of_fault(id, Outcome::Warning, fault)
    }

    /// The same check, naming the objects concerned.
    #[must_use]
    pub fn on_objects(mut self, objects: Vec<String>) -> Self {
        self.objects_total = objects.len();
        self.objects = objects;
        self.objects.truncate(MAX_OBJECTS);
        self
    }

    fn of_fault(id: &str, outcome: Outcome, fault: Fault) -> Self {
        let objects: Vec<String> = fault.object.into_iter().collect();
        Self {
            id: id.to_owned(),
            outcome,
            message: fault.message,
            code: Some(fault.code),
            objects_total: objects.len(),
            objects,
            remedy: Some(fault.hint),
        }
    }
}

/// All checks of one run. All run: the first failure does not hide the others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Readiness {
    /// The checks, in the order in which they ran.
    pub checks: Vec<Check>,
}

impl Readiness {
    /// The fault to end the operation with: the first failed check, naming how many others failed.
    pub fn fault(&self) -> Option<Fault> {
        let mut failed = self.checks.iter().filter(|check| check.outcome == Outcome::Failed);
        let first = failed.next()?;
        let code = first.code.unwrap_or(Code::InvalidRequest);
        let mut message = first.message.clone();
        let others: Vec<&str> = failed.map(|check| check.id.as_str()).collect();
        if !others.is_empty() {
            message.push_str("; also failed: ");
            message.push_str(&others.join(", "));
        }
        let mut fault = Fault::new(code, message);
        fault.object = match (first.objects.as_slice(), first.objects_total) {
            ([], _) => None,
            (shown, total) => {
                let named: Vec<&str> = shown.iter().take(5).map(String::as_str).collect();
                let more = total - named.len();
                let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
                Some(named.join(", ") + &rest)
            }
        };
        if let Some(remedy) = &first.remedy {
            fault.hint.clone_from(remedy);
        }
        Some(fault)
    }

    /// The checks that somebody should look at.
    pub fn warnings(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| check.outcome == Outcome::Warning)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_speaks_and_names_the_others() {
        let tables: Vec<String> = (0..7).map(|i| format!("table public.t{i}")).collect();
        let readiness = Readiness {
            checks: vec![
                Check::success("login", "logged in"),
                Check::failed("select", Fault::new(Code::DatabaseUserLacksSelect, "cannot read"))
                    .on_objects(tables),
                Check::failed("rls", Fault::new(Code::RowSecurityHidesRows, "hidden")),
            ],
        };
        let fault = readiness.fault().unwrap();
        assert_eq!(fault.code, Code::DatabaseUserLacksSelect);
        assert_eq!(fault.message, "cannot read; also failed: rls");
        assert_eq!(
            fault.object.as_deref(),
            Some(
                "table public.t0, table public.t1, table public.t2, table public.t3, table public.t4 and 2 more"
            )
        );
        assert!(Readiness::default().fault().is_none());
    }
}
