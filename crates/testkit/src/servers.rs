//! Real servers for tests: found where `testing/install-servers` puts them, and ended with the test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take to become ready on a busy machine.
const LONGEST_START: Duration = Duration::from_mins(2);

/// Where a program of a server is, below the folder `servers` of the build, or on the path of the
/// environment by its bare name; `None` if the test must be skipped, which is printed.
///
/// In CI a missing server is a failure, unless `testing/install-servers` tried and could not fetch it.
pub fn find(target: &Path, server: &str, program: &str) -> Option<PathBuf> {
    let folder = target.join("servers");
    let file = Path::new(program).file_name().expect("a file's name");
    let path = environment("PATH").unwrap_or_default();
    let mut candidates = vec![folder.join(server).join(program)];
    // A Python of the system would lack the package, so only servers count.
    if !program.contains("python") {
        candidates.extend(std::env::split_paths(&path).map(|folder| folder.join(file)));
    }
    if let Some(found) = candidates.into_iter().find(|candidate| candidate.is_file()) {
        return Some(found);
    }
    let missing = fs::read_to_string(folder.join("missing")).unwrap_or_default();
    let was_tried = missing.lines().any(|line| line == server);
    let is_ci = environment("CI").is_some_and(|value| value == "true");
    assert!(
        was_tried || !is_ci,
        "there is no {server} server for this test: run testing/install-servers {server}"
    );
    say_skipped(server);
    None
}

#[expect(
    clippy::print_stdout,
    reason = "a skipped test must not look like one that passed"
)]
fn say_skipped(server: &str) {
    println!("skipped: there is no {server} server; testing/install-servers {server} fetches it");
}

#[expect(
    clippy::disallowed_methods,
    reason = "where programs are and whether this is CI is said by the environment of who runs tests"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A server that runs until this is dropped.
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts a program; what it prints goes to `log`.
    pub fn start(command: &mut Command, log: &Path) -> Self {
        let file = fs::File::create(log).expect("a log");
        let errors = file.try_clone().expect("a handle");
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            .spawn()
            .expect("a server that starts");
        Self {
            child,
            log: log.to_owned(),
        }
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks again and again until there is an answer, for a while; panics with the server's log if
    /// there is none or the server has ended.
    pub async fn until_ready<T>(&mut self, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            let ended = self.child.try_wait().expect("a child");
            if ended.is_some() || start.elapsed() > LONGEST_START {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                panic!("the server is not ready ({ended:?}):\n{log}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
