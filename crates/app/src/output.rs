//! What people see of errors, and the only place that prints to the terminal.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use crate::hints;

/// The command failed, or found problems.
pub(crate) const FAILED: u8 = 1;
/// The command line was wrong.
pub(crate) const WRONG_USAGE: u8 = 2;

/// What is printed comes from events and destinations, too, and must not steer the terminal.
fn inert(text: &str) -> String {
    let steers = |character: char| character.is_control() && !matches!(character, '\n' | '\t');
    text.replace(steers, "\u{fffd}")
}

/// Prints to standard output; a reader that is gone, such as `head`, is no failure.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(inert(text).as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Prints a line.
pub(crate) fn print_line(text: &str) -> io::Result<()> {
    print(&format!("{text}\n"))
}

/// Prints a value as JSON.
pub(crate) fn print_json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    print_line(&serde_json::to_string_pretty(value)?)?;
    Ok(())
}

/// Prints to standard error; there is nobody to tell if that fails.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", inert(text));
}

/// Reports why a command failed: the whole chain once, and a hint if there is one.
pub(crate) fn failure(error: &anyhow::Error) -> ExitCode {
    complain(&format!("error: {error:#}"));
    if let Some(hint) = hints::for_error(error) {
        complain(&format!("hint: {hint}"));
    }
    ExitCode::from(FAILED)
}

/// Reports wrong usage, or prints the help that was asked for.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    // Nobody to tell if printing fails.
    let _ = error.print();
    if error.use_stderr() {
        ExitCode::from(WRONG_USAGE)
    } else {
        ExitCode::SUCCESS
    }
}

/// Lays rows out in columns, as `kubectl` does.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = header.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for (cell, width) in cells.zip(&widths) {
            line.push_str(cell);
            let padding = width.saturating_sub(cell.chars().count()) + 3;
            line.extend(std::iter::repeat_n(' ', padding));
        }
        line.truncate(line.trim_end().len());
        line.push('\n');
        line
    };
    let mut text = line(&mut header.iter().copied());
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{inert, table};

    #[test]
    fn nothing_that_is_printed_steers_the_terminal() {
        let text = "a\u{1b}[2J\u{9b}31m\r\0b\tc\né";
        assert_eq!(
            inert(text),
            "a\u{fffd}[2J\u{fffd}31m\u{fffd}\u{fffd}b\tc\né"
        );
    }

    #[test]
    fn columns_line_up_and_lines_have_no_trailing_space() {
        let rows = [vec!["a".to_owned(), "b".to_owned()]];
        assert_eq!(table(&["LONG", "X"], &rows), "LONG   X\na      b\n");
    }
}
