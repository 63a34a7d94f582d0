//! `permafrost policy check` and `simulate`: what is asked of files alone.

use std::io::Read;
use std::path::Path;
use std::{fs, io};

use jiff::{Span, Timestamp};
use permafrost_domain::policy::{PolicyProblem, PolicyProblems, PolicySpec};
use permafrost_domain::simulate::{self, Outcome, Simulation};
use permafrost_domain::{Code, Fault};
use serde::Serialize;

use super::policy_diff;
use crate::args::Output;
use crate::args::policy::{OldPolicy, PolicyFileCommand, SimulateArgs, SimulatedTimeArgs, SimulationFormat};
use crate::console::{self, Console};
use crate::render;

/// The runs that `check` shows.
const NEXT_RUNS: usize = 5;

/// Carries a command out that needs files alone; `None` where it needs the vault.
pub(super) fn run(command: &PolicyFileCommand, console: &Console) -> Option<Result<(), Fault>> {
    match command {
        PolicyFileCommand::Check { file } => {
            Some(PolicyFile::read(file).and_then(|file| check(&file, console)))
        }
        PolicyFileCommand::Simulate(args) => Some(simulate(args, console)),
        PolicyFileCommand::Diff(args) => match &args.old {
            OldPolicy::File(old) => Some(policy_diff::of_files(args, old, console)),
            OldPolicy::Stored(_) => None,
        },
    }
}

/// The policy in a file, or on standard input for `-`.
///
/// # Errors
/// `InvalidPolicy`, after people were shown every problem with its line; `InvalidRequest` where it cannot be read.
pub(super) fn read_policy(path: &Path, console: &Console) -> Result<PolicySpec, Fault> {
    PolicyFile::read(path)?.policy(console)
}

/// A policy's file.
pub(super) struct PolicyFile {
    pub(super) name: String,
    pub(super) text: String,
}

/// What `check` found.
#[derive(Serialize)]
struct Checked<'a> {
    file: &'a str,
    valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<&'a PolicySpec>,
    explanation: Vec<String>,
    cautions: Vec<String>,
    next_runs: Vec<Timestamp>,
    problems: Vec<&'a PolicyProblem>,
}

fn check(file: &PolicyFile, console: &Console) -> Result<(), Fault> {
    match PolicySpec::parse(&file.text) {
        Ok(policy) => {
            let runs = policy.schedule.as_ref().map(|schedule| schedule.runs_after(super::now()));
            let checked = Checked {
                file: &file.name,
                valid: true,
                policy: Some(&policy),
                explanation: policy.explain(),
                cautions: policy.cautions(),
                next_runs: runs.into_iter().flatten().take(NEXT_RUNS).map(|run| run.at).collect(),
                problems: Vec::new(),
            };
            console.result(&checked, |checked| {
                let Checked { file, explanation, cautions, next_runs, .. } = checked;
                render::policy_explained(file, explanation, cautions, next_runs, &policy.zone())
            })
        }
        Err(problems) => {
            if console.output() == Output::Json {
                let checked = Checked {
                    file: &file.name,
                    valid: false,
                    policy: None,
                    explanation: Vec::new(),
                    cautions: Vec::new(),
                    next_runs: Vec::new(),
                    problems: problems.iter().collect(),
                };
                console.result(&checked, |_| String::new())?;
            }
            Err(file.refuse(problems, console))
        }
    }
}

fn simulate(args: &SimulateArgs, console: &Console) -> Result<(), Fault> {
    let file = PolicyFile::read(&args.file)?;
    let policy = file.policy(console)?;
    let (from, until) = times(&args.time, &policy)?;
    let simulation = simulate::simulate(&policy, from, until, |_| Outcome::ON_TIME);
    let picture = || render::policy_timeline(&file.name, &policy, &simulation, from, until);
    if let Some(path) = &args.svg {
        fs::write(path, picture()).map_err(|error| {
            Fault::new(Code::InvalidRequest, format!("the picture cannot be written: {error}"))
                .on(format!("file {}", path.display()))
                .hint("Name a file in a folder that exists and that you may write to.")
        })?;
        console.note(&format!("The timeline is in {}.", path.display()));
    }
    match (args.format, console.output()) {
        (Some(SimulationFormat::Svg), _) => console::print(&picture()),
        (Some(SimulationFormat::Json), _) | (None, Output::Json) => json(&simulation),
        (Some(SimulationFormat::Table), _) | (None, Output::Table) if args.every_point => {
            console::print(&render::policy_points(&simulation))
        }
        (Some(SimulationFormat::Table), _) | (None, Output::Table) => {
            console::print(&render::policy_simulation(&policy, &simulation, from, until))
        }
    }
}

fn json(simulation: &Simulation) -> Result<(), Fault> {
    Console::plain(Output::Json).result(&simulation.points, |_| String::new())
}

/// The time that is simulated.
pub(super) fn times(args: &SimulatedTimeArgs, policy: &PolicySpec) -> Result<(Timestamp, Timestamp), Fault> {
    let from = args.from.map_or_else(super::now, |start| start.moment(&policy.zone()));
    let utc = from.to_zoned(jiff::tz::TimeZone::UTC);
    match utc.checked_add(Span::new().years(args.years)) {
        Ok(until) => Ok((from, until.timestamp())),
        Err(error) => Err(Fault::new(Code::InvalidRequest, format!("no calendar reaches so far: {error}"))
            .hint("Give --from a date before the year 9900.")),
    }
}

impl PolicyFile {
    /// The text of a file, or of standard input for `-`.
    pub(super) fn read(path: &Path) -> Result<Self, Fault> {
        let (name, text) = if path.as_os_str() == "-" {
            let mut text = String::new();
            ("standard input".to_owned(), io::stdin().lock().read_to_string(&mut text).map(|_| text))
        } else {
            (path.display().to_string(), fs::read_to_string(path))
        };
        match text {
            Ok(text) => Ok(Self { name, text }),
            Err(error) => Err(Fault::new(Code::InvalidRequest, format!("the file cannot be read: {error}"))
                .on(format!("file {name}"))
                .hint("Name a file of UTF-8 text that you may read, or - for standard input.")),
        }
    }

    /// The policy that the file holds.
    fn policy(&self, console: &Console) -> Result<PolicySpec, Fault> {
        PolicySpec::parse(&self.text).map_err(|problems| self.refuse(problems, console))
    }

    /// What is wrong with the file: people are shown the places before the fault; a program finds them in it.
    fn refuse(&self, problems: PolicyProblems, console: &Console) -> Fault {
        if console.output() == Output::Json {
            return Fault::from(problems).on(format!("file {}", self.name));
        }
        console.note(&render::policy_problems(&self.name, &self.text, &problems));
        let count = problems.iter().count();
        let noun = if count == 1 { "problem" } else { "problems" };
        Fault::new(Code::InvalidPolicy, format!("{} is no valid policy: {count} {noun}", self.name))
    }
}
