//! Rules: which job, which function, what goes wrong, how often.

use std::path::{Path, PathBuf};
use std::time::Duration;

use permafrost_domain::JobId;
use serde_json::{Value, json};

use crate::support::unique;

/// When in the course of an event the function is killed, with its children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kill {
    /// Before it sees the event.
    Before,
    /// So long after it was given the event, should it still be at work then.
    During(Duration),
    /// When it has answered: the effects are there, the answer is lost.
    After,
}

/// On which side of its effect a request fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// It never reaches the service.
    BeforeEffect,
    /// It took effect; its answer is lost.
    AfterEffect,
}

/// What the function sees of a request that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// The connection breaks.
    Disconnect,
    /// The service answers 503.
    Unavailable,
    /// Nothing: it is killed there and then.
    Kill,
}

/// One rule. Without [`Rule::times`] it holds for ever.
#[derive(Debug, Clone)]
pub struct Rule {
    function: &'static str,
    what: Value,
    times: Option<u32>,
    of: Option<String>,
}

impl Rule {
    /// Kills `function` (named as its crate).
    pub fn kill(function: &'static str, kill: Kill) -> Self {
        let kill = match kill {
            Kill::Before => json!("before"),
            Kill::During(time) => json!({"during": {"after_ms": time.as_millis()}}),
            Kill::After => json!("after"),
        };
        Self { function, what: json!({"kill": kill}), times: None, of: None }
    }

    /// Fails the requests of `function` that are `operation` (`s3:PutObject`, `dynamodb:TransactWriteItems`) and
    /// whose path holds `path`.
    pub fn fail(
        function: &'static str,
        operation: &str,
        path: impl Into<String>,
        when: When,
        how: How,
    ) -> Self {
        let when = match when {
            When::BeforeEffect => "before",
            When::AfterEffect => "after",
        };
        let how = match how {
            How::Disconnect => "disconnect",
            How::Unavailable => "unavailable",
            How::Kill => "kill",
        };
        let request = json!({"operation": operation, "path": path.into(), "when": when, "how": how});
        Self { function, what: json!({"request": request}), times: None, of: None }
    }

    /// Lets `function` wait before it sees an event.
    pub fn delay(function: &'static str, time: Duration) -> Self {
        Self { function, what: json!({"delay_ms": time.as_millis()}), times: None, of: None }
    }

    /// The same rule, carried out at most `times` times.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// The same rule, for events that also hold `text`, such as `"level":2`. Events are compact JSON.
    #[must_use]
    pub fn only_where(mut self, text: impl Into<String>) -> Self {
        self.of = Some(text.into());
        self
    }

    /// Puts the rule in force for the events of `job`, until the returned value is dropped.
    pub(super) fn enforce(self, directory: &Path, job: JobId) -> Injection {
        let id = format!("{job}.{}.{}", self.function, unique());
        let marks = directory.join(format!("{id}.marks"));
        let file = directory.join(format!("{id}.json"));
        let mut rule = json!({
            "id": id, "function": self.function, "times": self.times,
            "match": [job.to_string()],
        });
        let fields = rule.as_object_mut().expect("it is an object");
        fields.extend(self.what.as_object().cloned().unwrap_or_default());
        if let (Some(text), Some(Value::Array(texts))) = (self.of, fields.get_mut("match")) {
            texts.push(text.into());
        }
        std::fs::create_dir_all(&marks).expect("the directory of marks can be made");
        // Whole or not at all: functions read the directory at any time.
        let partial = file.with_extension("partial");
        std::fs::write(&partial, rule.to_string()).expect("the rule can be written");
        std::fs::rename(&partial, &file).expect("the rule can be put in place");
        Injection { file, marks, rule: rule.to_string() }
    }
}

/// A rule in force.
#[derive(Debug)]
#[must_use = "the rule is taken away when this is dropped"]
pub struct Injection {
    file: PathBuf,
    marks: PathBuf,
    rule: String,
}

impl Injection {
    /// How often it was carried out.
    ///
    /// # Panics
    /// The marks that it left cannot be read.
    pub fn fired(&self) -> usize {
        self.events().len()
    }

    /// The events in whose course it was carried out.
    ///
    /// # Panics
    /// The marks that it left cannot be read.
    pub fn events(&self) -> Vec<Value> {
        let marks = std::fs::read_dir(&self.marks).expect("the marks can be read");
        let marks = marks.map(|mark| mark.expect("a mark can be read").path());
        let fired = marks.filter(|mark| mark.extension().is_some_and(|kind| kind == "fired"));
        fired
            .map(|mark| std::fs::read_to_string(mark).expect("a mark can be read"))
            .map(|event| serde_json::from_str(&event).expect("a mark holds an event"))
            .collect()
    }

    /// Waits until it has been carried out.
    ///
    /// # Panics
    /// It is not, within three minutes.
    pub async fn wait_until_fired(&self) {
        for _ in 0..1800 {
            if self.fired() > 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.assert_fired();
    }

    /// Fails the test unless the rule was carried out: a test that injected nothing shows nothing.
    #[track_caller]
    pub fn assert_fired(&self) {
        assert_ne!(self.fired(), 0, "the rule was never carried out: {}", self.rule);
    }

    /// Fails the test unless the rule was carried out `times` times.
    #[track_caller]
    pub fn assert_fired_times(&self, times: usize) {
        assert_eq!(self.fired(), times, "how often the rule was carried out: {}", self.rule);
    }
}

impl Drop for Injection {
    fn drop(&mut self) {
        // What cannot be removed is about a job that has ended.
        let _ = std::fs::remove_file(&self.file);
        let _ = std::fs::remove_dir_all(&self.marks);
    }
}
