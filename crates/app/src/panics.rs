//! What is said of a panic: one line of the log with the place, the thread and the task.
//!
//! What the panic itself says is never written, although it would help: the standard library quotes
//! texts and values in it, whole or in part, and they may be a tenant's secret. No redaction finds a part
//! of a secret. The place is known when the program is built, so it cannot hold data.

use serde_json::{Map, Value};

use crate::settings::LogEncoding;
use crate::telemetry;

/// From now on panics are told in this form, on standard error.
pub(crate) fn tell_in(encoding: LogEncoding) {
    std::panic::set_hook(Box::new(move |panic| {
        let mut values = Map::new();
        let mut value = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                values.insert(key.to_owned(), Value::String(value));
            }
        };
        value("place", panic.location().map(ToString::to_string));
        value(
            "thread",
            std::thread::current().name().map(ToOwned::to_owned),
        );
        value("task", tokio::task::try_id().map(|task| task.to_string()));
        // Not through `tracing`, which loses what is said while it is at work itself.
        telemetry::write_error(
            encoding,
            "a part of the program panicked, which is a bug",
            values,
        );
    }));
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use serde_json::Value;
    use testkit::secrets::{leaks, marked};

    use super::*;

    /// Set in the process that panics.
    const VARIABLE: &str = "FANFARE_TEST_PANICS";

    /// Panics in every kind of task, with secrets in what is said.
    #[expect(clippy::string_slice, reason = "one of the panics")]
    fn panic_everywhere(secret: &'static str) {
        telemetry::start(crate::settings::LogLevel::Info, LogEncoding::Json).unwrap();
        crate::runtime::full().unwrap().block_on(async {
            let task = tokio::spawn(async move { format!("\u{e9}{secret}")[1..].len() });
            assert!(task.await.unwrap_err().is_panic());
        });
        let failing: [fn(&'static str); 4] = [
            |secret| std::panic::panic_any(secret),
            |secret| secret.parse::<u8>().map(drop).map_err(|_| secret).unwrap(),
            |secret| assert_eq!(secret, "", "{secret}"),
            // Within a line of the log, too.
            |secret| tracing::error!("{}", std::fmt::from_fn(|_| panic!("{secret}"))),
        ];
        for fails in failing {
            let thread = std::thread::Builder::new().name("worker".to_owned());
            let thread = thread.spawn(move || fails(secret)).unwrap();
            assert!(thread.join().is_err());
        }
        println!("went on");
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "the hook is one per process, so the test starts another one of itself"
    )]
    fn a_panic_is_one_line_that_holds_nothing_but_the_place() {
        if let Ok(secret) = std::env::var(VARIABLE) {
            return panic_everywhere(secret.leak());
        }
        let name = "panics::tests::a_panic_is_one_line_that_holds_nothing_but_the_place";
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(VARIABLE, marked("panic"))
            .env("RUST_BACKTRACE", "full")
            .output()
            .unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{log}");
        assert!(said.contains("went on"), "{said}");
        assert_eq!(leaks(&log), Vec::<String>::new());
        let lines: Vec<Value> = log
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 5, "{log}");
        for (index, line) in lines.iter().enumerate() {
            assert_eq!(line["level"], "error");
            assert_eq!(
                line["msg"],
                "a part of the program panicked, which is a bug"
            );
            assert!(line["place"].as_str().unwrap().contains(".rs:"), "{line}");
            let thread = if index == 0 { "fanfare" } else { "worker" };
            assert_eq!(line["thread"], thread);
            assert_eq!(line["task"].is_string(), index == 0, "{line}");
        }
    }
}
