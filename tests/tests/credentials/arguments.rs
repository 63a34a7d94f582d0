//! Watching the arguments of every process of the machine, as anybody on it could.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::haystacks::Haystack;

/// How often all processes are looked at.
const EVERY: Duration = Duration::from_millis(3);

/// A watch over the arguments of all processes.
pub(crate) struct Watch {
    watching: JoinHandle<BTreeSet<Vec<u8>>>,
    stop: Arc<AtomicBool>,
}

impl Watch {
    /// Begins to watch.
    pub(crate) fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&stop);
        let watching = std::thread::spawn(move || {
            let mut seen = BTreeSet::new();
            while !until.load(Ordering::Relaxed) {
                look(&mut seen);
                std::thread::sleep(EVERY);
            }
            seen
        });
        Self { watching, stop }
    }

    /// Ends the watch: everything that was seen.
    pub(crate) fn stop(self) -> Haystack {
        self.stop.store(true, Ordering::Relaxed);
        let seen = self.watching.join().expect("the watch does not panic");
        let lines = seen.into_iter().map(|line| (String::from_utf8_lossy(&line).replace('\0', " "), line));
        Haystack::new("the arguments of processes", lines.collect())
    }
}

fn look(seen: &mut BTreeSet<Vec<u8>>) {
    let processes = std::fs::read_dir("/proc").expect("the kernel shows its processes");
    for process in processes.flatten() {
        if process.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit) {
            // One that has just ended has no arguments any more.
            if let Ok(line) = std::fs::read(process.path().join("cmdline"))
                && !line.is_empty()
            {
                seen.insert(line);
            }
        }
    }
}
