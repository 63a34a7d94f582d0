//! What a refusal must look like.

use permafrost_domain::job::{Job, JobStatus};
use permafrost_domain::{Code, Fault};
use permafrost_tests::support::cli::Outcome;
use permafrost_tests::support::{Cli, Database, Protection};

/// A refusal: its code, a part of the object that it names, a part of its remedy.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    pub(crate) object: String,
    pub(crate) remedy: &'static str,
}

impl Refusal {
    pub(crate) fn new(code: Code, object: impl Into<String>, remedy: &'static str) -> Self {
        Self { code, object: object.into(), remedy }
    }

    /// The command failed so, without or before a job.
    pub(crate) fn assert(&self, outcome: &Outcome) -> Fault {
        let fault = outcome.fault();
        self.assert_fault(&fault);
        assert_eq!(outcome.exit_code, Some(i32::from(self.code.category().exit_code())), "{outcome}");
        fault
    }

    /// The command failed so as its job did; the job says the same to programs and to people.
    pub(crate) async fn assert_job(&self, cli: &Cli, outcome: &Outcome) -> Job {
        let fault = self.assert(outcome);
        let job: Job = outcome.result();
        assert_eq!(job.status, JobStatus::Failed, "{job:#?}");
        assert_eq!(job.fault.as_ref(), Some(&fault), "the job and the command say the same");
        assert!(job.ended_at.is_some(), "{job:#?}");
        let id = job.id.to_string();
        assert_eq!(cli.job(&id).await, job, "the job stays as it ended");
        let shown = cli.run_for_people(&["job", "show", &id]).await;
        assert_eq!(shown.exit_code, Some(0), "{shown}");
        let people = shown.stdout.replace("\n              ", "\n");
        for text in [self.code.as_str(), &fault.message, &fault.hint, fault.object.as_deref().unwrap_or("")] {
            assert!(people.contains(text), "people do not read {text:?}: {shown}");
        }
        job
    }

    fn assert_fault(&self, fault: &Fault) {
        assert_eq!(fault.code, self.code, "{fault:#?}");
        let object = fault.object.as_deref().unwrap_or_default();
        assert!(object.contains(&self.object), "the object should name {:?}: {fault:#?}", self.object);
        assert!(fault.hint.contains(self.remedy), "the hint should say {:?}: {fault:#?}", self.remedy);
    }
}

/// Protecting fails so, and nothing of the instance stays.
pub(crate) async fn assert_not_protected(cli: &Cli, protection: &Protection, refusal: &Refusal) -> Job {
    let outcome = cli.run(&protection.arguments()).await;
    let job = refusal.assert_job(cli, &outcome).await;
    assert_no_instance(cli, &protection.name).await;
    job
}

/// The vault has no instance of this name.
pub(crate) async fn assert_no_instance(cli: &Cli, name: &str) {
    let shown = cli.run(&["instance", "show", name]).await;
    Refusal::new(Code::InstanceNotFound, name, "permafrost instance list").assert(&shown);
}

/// The statements that the failed checks of a job tell to run, but for the short cut that grants everything.
pub(crate) fn remedies(job: &Job) -> Vec<String> {
    let readiness = job.readiness.as_ref().expect("the job holds what was checked");
    let remedies = readiness.checks.iter().filter_map(|check| check.remedy.as_deref());
    let statements = remedies.flat_map(|remedy| {
        let starts = ["GRANT ", "ALTER ROLE ", "CREATE ROLE "];
        let mut found: Vec<usize> =
            starts.iter().flat_map(|start| remedy.match_indices(start)).map(|(at, _)| at).collect();
        found.sort_unstable();
        let found = found.into_iter();
        found.filter_map(|at| first_statement(&remedy[at..])).collect::<Vec<_>>()
    });
    statements.filter(|statement| !statement.contains("pg_read_all_data")).collect()
}

/// The text up to the semicolon that ends a statement: one that stands in no quoted name.
fn first_statement(text: &str) -> Option<String> {
    let mut quoted = false;
    let end = text.char_indices().find(|(_, character)| {
        quoted ^= *character == '"';
        *character == ';' && !quoted
    });
    end.map(|(at, _)| text[..at].to_owned())
}

/// Does what the job says, as the superuser would, and protects again.
pub(crate) async fn paste_and_protect(cli: &Cli, database: &Database, job: &Job) {
    let remedies = remedies(job);
    assert!(!remedies.is_empty(), "there is nothing to paste: {job:#?}");
    database.run(&remedies.join("; ")).await;
    cli.protect(&database.protection()).await;
}
