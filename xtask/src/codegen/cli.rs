//! The command-line reference: what `--help` says, command by command.

use anyhow::Result;

use crate::fanfare::Fanfare;
use crate::tree::prefixed;

/// Asks the binary for its help, all levels down.
pub(super) fn render(fanfare: &Fanfare) -> Result<String> {
    let mut page = String::from(
        "# Command line\n\n\
         Every flag of every command, as `fanfare help` shows it.\n\
         Exit codes are the same for all commands: 0 success, 1 the command failed or found problems, 2 wrong usage.\n",
    );
    let mut pending = vec![Vec::new()];
    while let Some(command) = pending.pop() {
        let mut arguments: Vec<&str> = command.iter().map(String::as_str).collect();
        arguments.push("--help");
        let help = fanfare.text(&arguments)?;
        page.push_str(&section(&command, &help));
        for name in subcommands(&help).into_iter().rev() {
            let mut next = command.clone();
            next.push(name);
            pending.push(next);
        }
    }
    Ok(page)
}

fn section(command: &[String], help: &str) -> String {
    let title = ["fanfare".to_owned()]
        .iter()
        .chain(command)
        .cloned()
        .collect::<Vec<_>>()
        .join(" ");
    let help = prefixed(help.trim_end().lines().map(str::trim_end), "");
    format!("\n## `{title}`\n\n```text\n{help}```\n")
}

/// Names in the list of commands, without the built-in `help`.
fn subcommands(help: &str) -> Vec<String> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.trim().is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_in_a_help_text() {
        let help = "Text\n\nCommands:\n  run    Serve\n  queue  See\n         more\n  help   Print\n\nOptions:\n  -h\n";
        assert_eq!(subcommands(help), ["run", "queue"]);
        assert_eq!(subcommands("Options:\n  -h\n"), Vec::<String>::new());
    }

    #[test]
    fn a_section_shows_the_help_without_trailing_spaces() {
        let text = section(&["queue".to_owned()], "See  \n\nUsage\n\n");
        assert_eq!(text, "\n## `fanfare queue`\n\n```text\nSee\n\nUsage\n```\n");
    }
}
