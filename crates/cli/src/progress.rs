//! The way of a job while somebody waits: a bar on a terminal, a line every few seconds elsewhere.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use permafrost_domain::job::{Job, JobStatus, Progress};

use crate::console::{Live, say};
use crate::render::units::{bytes, count, span};

/// How long a line stands for where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// The columns of the bar itself.
const BAR_COLUMNS: usize = 16;

/// Shows a job as it goes on.
#[derive(Debug)]
pub(crate) struct Reporter {
    view: View,
    began: Instant,
    /// Where the copying was first seen: the rate counts from there.
    first: Option<(Instant, u64)>,
}

#[derive(Debug)]
enum View {
    Bar(ProgressBar),
    Lines { last: Option<Instant>, status: Option<JobStatus> },
    Silent,
}

impl Reporter {
    /// A reporter that has shown nothing yet.
    pub(crate) fn new(live: Live) -> Self {
        let view = match live {
            Live::Bar => View::Bar(bar()),
            Live::Lines => View::Lines { last: None, status: None },
            Live::Silent => View::Silent,
        };
        Self { view, began: Instant::now(), first: None }
    }

    /// Shows the job as it is now.
    pub(crate) fn show(&mut self, job: &Job) {
        let now = Instant::now();
        let done = job.progress.bytes_done;
        let rate = match self.first {
            None if done > 0 => {
                self.first = Some((now, done));
                None
            }
            None => None,
            Some((since, from)) => rate(done.saturating_sub(from), now - since),
        };
        let text = describe(job, rate, now - self.began);
        match &mut self.view {
            View::Silent => {}
            View::Bar(bar) => {
                if let Some(expected) = job.progress.bytes_expected.filter(|expected| *expected > 0) {
                    // A backup's expectation is an estimate: the bar ends full, not beyond.
                    bar.set_length(expected.max(done));
                    bar.set_position(done);
                }
                bar.set_message(text);
            }
            View::Lines { last, status } => {
                let due = last.is_none_or(|last| now - last >= LINE_EVERY) || *status != Some(job.status);
                if due && !job.status.has_ended() {
                    *last = Some(now);
                    *status = Some(job.status);
                    say(&text);
                }
            }
        }
    }

    /// Leaves the terminal as it was.
    pub(crate) fn finish(self) {
        if let View::Bar(bar) = self.view {
            bar.finish_and_clear();
        }
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let template = format!("{{spinner}} [{{bar:{BAR_COLUMNS}}}] {{wide_msg}}");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// Bytes a second, once enough time has passed to say.
fn rate(bytes_done: u64, took: Duration) -> Option<u64> {
    let ms = u64::try_from(took.as_millis()).ok()?;
    (ms >= 500).then(|| bytes_done.saturating_mul(1_000) / ms)
}

/// One line: what, bytes, rows, tables, rate, elapsed. What is not known is left out.
fn describe(job: &Job, rate: Option<u64>, elapsed: Duration) -> String {
    let Progress { tables_done, tables_expected, rows_done, bytes_done, bytes_expected } = job.progress;
    // That a job that moves is in progress need not be said; lines are short enough as they are.
    let mut parts = vec![match job.status {
        _ if job.suspended_at.is_some() => format!("{} suspended", job.operation),
        JobStatus::InProgress => job.operation.to_string(),
        status => format!("{} {status}", job.operation),
    }];
    match bytes_expected {
        Some(expected) if expected > 0 => {
            parts.push(format!("{} of about {}", bytes(bytes_done), bytes(expected)));
        }
        _ if bytes_done > 0 => parts.push(bytes(bytes_done)),
        _ => {}
    }
    if rows_done > 0 {
        parts.push(format!("{} rows", count(rows_done)));
    }
    if let Some(expected) = tables_expected {
        parts.push(format!("{tables_done}/{expected} tables"));
    }
    if let Some(rate) = rate.filter(|rate| *rate > 0) {
        parts.push(format!("{}/s", bytes(rate)));
    }
    parts.push(span(jiff::SignedDuration::try_from(elapsed).unwrap_or_default()));
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples;

    #[test]
    fn a_line_tells_what_is_known() {
        let mut job = samples::backup_job();
        job.progress = Progress::default();
        assert_eq!(describe(&job, None, Duration::from_secs(1)), "Backup, 1 s");
        job.progress = Progress {
            tables_done: 12,
            tables_expected: Some(30),
            rows_done: 1_234_567,
            bytes_done: 130_023_424,
            bytes_expected: Some(314_572_800),
        };
        assert_eq!(
            describe(&job, Some(47_185_920), Duration::from_secs(72)),
            "Backup, 124.0 MiB of about 300.0 MiB, 1,234,567 rows, 12/30 tables, 45.0 MiB/s, 1 min 12 s"
        );
        job.suspended_at = Some(job.created_at);
        job.progress = Progress::default();
        assert_eq!(describe(&job, None, Duration::from_secs(1)), "Backup suspended, 1 s");
    }

    #[test]
    fn the_rate_waits_until_it_means_something() {
        assert_eq!(rate(1_000, Duration::from_millis(100)), None);
        assert_eq!(rate(1_000, Duration::from_secs(2)), Some(500));
    }
}
