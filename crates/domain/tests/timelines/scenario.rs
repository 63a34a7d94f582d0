//! The upper part of a timeline: a policy, and how its runs go.
//!
//! ```text
//! from 2027-01-01T00:00                     the time, by the policy's clock
//! until 2037-01-01T00:00
//! 2027-02-07T02:00 fails                    a run, by the time of the clock when it is due
//! 2027-02-07T02:00..2027-03-07T02:00 fails  several
//! 2034-07-01T02:00.. fails                  all from one on
//! 2028-01-02T02:00 late 90m takes 3h        the snapshot comes 90 minutes later, the commit 3 hours after it
//! 2028-01-02T02:00 races: takes 2h; late 10m takes 1h
//! ```

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use permafrost_domain::policy::PolicySpec;
use permafrost_domain::schedule::Zone;
use permafrost_domain::simulate::{Course, Outcome};

/// A policy, and how its runs go.
pub(crate) struct Scenario {
    pub(crate) policy: PolicySpec,
    pub(crate) from: Timestamp,
    pub(crate) until: Timestamp,
    special: Vec<Special>,
}

/// Runs that do not simply succeed.
struct Special {
    first: Timestamp,
    last: Timestamp,
    words: String,
    outcome: Outcome,
}

impl Scenario {
    pub(crate) fn parse(head: &str) -> Self {
        let (_, rest) = head.split_once("\n--- policy\n").expect("a policy");
        let (policy, runs) = rest.split_once("\n--- runs\n").expect("runs");
        let policy = PolicySpec::parse(policy).unwrap_or_else(|problems| panic!("{problems}\n{policy}"));
        let zone = policy.zone();
        let at = |text: &str| instant(&zone, text);
        let (mut from, mut until, mut special) = (None, None, Vec::new());
        for line in runs.lines() {
            let (when, words) = line.split_once(' ').expect("a time and words");
            match when {
                "from" => from = Some(at(words)),
                "until" => until = Some(at(words)),
                runs => {
                    let (first, last) = runs.split_once("..").unwrap_or((runs, runs));
                    let last = if last.is_empty() { Timestamp::MAX } else { at(last) };
                    special.push(Special {
                        first: at(first),
                        last,
                        words: words.to_owned(),
                        outcome: outcome(words),
                    });
                }
            }
        }
        Self { policy, from: from.expect("from"), until: until.expect("until"), special }
    }

    /// How the run goes that is due at `due`.
    pub(crate) fn outcome(&self, due: Timestamp) -> Outcome {
        self.special(due).map_or(Outcome::ON_TIME, |special| special.outcome)
    }

    /// What the scenario says of the run that is due at `due`, where it says something.
    pub(crate) fn words(&self, due: Timestamp) -> Option<&str> {
        self.special(due).map(|special| special.words.as_str())
    }

    fn special(&self, due: Timestamp) -> Option<&Special> {
        self.special.iter().find(|special| (special.first..=special.last).contains(&due))
    }
}

fn instant(zone: &Zone, text: &str) -> Timestamp {
    let clock: DateTime = text.parse().expect("a time of the clock");
    zone.first_instant(clock.date(), clock.time())
}

fn outcome(words: &str) -> Outcome {
    if words == "fails" {
        return Outcome::Fails;
    }
    match words.strip_prefix("races: ").map(|both| both.split_once("; ").expect("two backups")) {
        Some((one, other)) => Outcome::Races(course(one), course(other)),
        None => Outcome::Commits(course(words)),
    }
}

fn course(words: &str) -> Course {
    let mut course = Course::default();
    let mut words = words.split(' ');
    while let (Some(what), Some(time)) = (words.next(), words.next()) {
        match what {
            "late" => course.late = duration(time),
            "takes" => course.takes = duration(time),
            other => panic!("{other} is neither late nor takes"),
        }
    }
    course
}

fn duration(text: &str) -> Duration {
    let (count, seconds) = match (text.strip_suffix('h'), text.strip_suffix('m')) {
        (Some(hours), _) => (hours, 3_600),
        (None, Some(minutes)) => (minutes, 60),
        (None, None) => panic!("{text} is neither hours nor minutes"),
    };
    Duration::from_secs(count.parse::<u64>().expect("a number") * seconds)
}
