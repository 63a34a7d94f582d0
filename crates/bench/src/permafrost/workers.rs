//! Workers: processes that take numbers of tasks from their standard input and answer each with a line.

use std::collections::VecDeque;
use std::process::Stdio;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::error::BenchError;
use crate::{say, usage};

/// A worker's answer to a task.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Answer {
    task: u32,
    peak_kib: u64,
}

/// Workers that wait for tasks.
#[derive(Debug)]
pub(crate) struct Workers(Vec<Worker>);

#[derive(Debug)]
struct Worker {
    child: Child,
    tasks: ChildStdin,
    answers: tokio::io::Lines<BufReader<ChildStdout>>,
}

impl Workers {
    /// Starts `count` processes of this program with these arguments.
    pub(crate) fn start(count: usize, args: &[String]) -> Result<Self, BenchError> {
        let program = std::env::current_exe().map_err(BenchError::io("find this program"))?;
        let start = || {
            let mut child = Command::new(&program)
                .args(args)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .map_err(BenchError::io("start a worker"))?;
            let (tasks, answers) = (child.stdin.take(), child.stdout.take());
            let gone = || BenchError::Wrong("a worker has no pipes".to_owned());
            let answers = BufReader::new(answers.ok_or_else(gone)?).lines();
            Ok(Worker { tasks: tasks.ok_or_else(gone)?, answers, child })
        };
        (0..count).map(|_| start()).collect::<Result<_, _>>().map(Self)
    }

    /// Has the tasks carried out in order, each by the worker that is free first. Returns the most memory that any
    /// worker has had, in KiB.
    pub(crate) async fn carry_out(self, tasks: impl Iterator<Item = u32>) -> Result<u64, BenchError> {
        let queue = std::sync::Mutex::new(tasks.collect::<VecDeque<u32>>());
        let next = || queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop_front();
        let work = |worker: Worker| async {
            let mut worker = worker;
            let mut peak_kib = 0;
            while let Some(task) = next() {
                peak_kib = peak_kib.max(worker.carry_out(task).await?);
            }
            worker.end().await?;
            Ok::<_, BenchError>(peak_kib)
        };
        let peaks = futures_util::future::try_join_all(self.0.into_iter().map(work)).await?;
        Ok(peaks.into_iter().max().unwrap_or_default())
    }
}

impl Worker {
    async fn carry_out(&mut self, task: u32) -> Result<u64, BenchError> {
        let line = format!("{task}\n");
        self.tasks.write_all(line.as_bytes()).await.map_err(BenchError::io("send a task"))?;
        let answer = self.answers.next_line().await.map_err(BenchError::io("read an answer"))?;
        let answer =
            answer.ok_or_else(|| BenchError::Wrong(format!("the worker of task {task} has ended")))?;
        let answer: Answer = serde_json::from_str(&answer).map_err(BenchError::json("a worker's answer"))?;
        if answer.task == task { Ok(answer.peak_kib) } else { Err(BenchError::Wrong(format!("{answer:?}"))) }
    }

    async fn end(mut self) -> Result<(), BenchError> {
        drop(self.tasks);
        let status = self.child.wait().await.map_err(BenchError::io("wait for a worker"))?;
        if status.success() {
            return Ok(());
        }
        Err(BenchError::Program { program: "a worker".to_owned(), words: status.to_string() })
    }
}

/// A worker's life: carries out each task that is asked for, and says when it is done.
pub(crate) async fn answer_tasks(
    mut carry_out: impl AsyncFnMut(u32) -> Result<(), BenchError>,
) -> Result<(), BenchError> {
    loop {
        let mut line = String::new();
        // Between two tasks nothing else is to be done, as in a function between two calls.
        if std::io::stdin().read_line(&mut line).map_err(BenchError::io("read a task"))? == 0 {
            return Ok(());
        }
        let task = line.trim().parse().map_err(|_| BenchError::Wrong(format!("{line:?} is no task")))?;
        carry_out(task).await?;
        say::answer(&Answer { task, peak_kib: usage::own_peak_kib()? })?;
    }
}
