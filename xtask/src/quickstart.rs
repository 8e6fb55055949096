//! `cargo xtask quickstart`: an event goes in and a message comes out, with no account anywhere.

pub(crate) mod sink;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::fanfare::{Fanfare, Running, Scratch};
use crate::tree;
use sink::{Received, Sink};

/// How long a message may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// How many messages the example makes: one per Alert.
const MESSAGES: usize = 2;

/// Shows it.
pub(crate) fn run() -> Result<()> {
    println!("Building fanfare (the first time takes a few minutes) …");
    let fanfare = Fanfare::build()?;
    let scratch = Scratch::new("quickstart")?;
    let sink = Sink::start(sink::DEFAULT_PORT)?;
    let example = tree::root().join("examples/quickstart");
    let config = copy_manifests(&example, scratch.path(), sink.port())?;

    step(1, "The configuration is a folder of plain Flux manifests:");
    for file in files(&config)? {
        println!("    examples/quickstart/{}", name_of(&file));
    }
    print!("{}", indent(&fanfare.text(&["check", &text_of(&config)])?));

    let data = scratch.path().join("data");
    let running = fanfare.start(&config, &data)?;
    step(2, "Fanfare runs:");
    println!("    fanfare run --config examples/quickstart --data-dir data");
    println!("    takes events at http://{}/", running.events);

    let event = example.join("event.json");
    step(3, "An event goes in, as a Flux controller would send it:");
    println!("    fanfare send --event examples/quickstart/event.json");
    let url = format!("http://{}/", running.events);
    let sent = fanfare.text(&["send", "--event", &text_of(&event), "--url", &url])?;
    print!("{}", indent(&sent));

    step(4, "Messages come out. The receiver got:");
    for received in wait_for_messages(&sink, &running)? {
        println!();
        print!("{}", indent(&received.to_string()));
    }

    step(5, "What became of the event is on record:");
    println!("    fanfare queue list --state delivered --data-dir data");
    print!("{}", indent(&delivered(&fanfare, &data)?));

    drop(running);
    println!(
        "\nDone, and cleaned up.\n\
         Next: your own folder with a real Slack, Teams, Discord or GitHub is in README.md,\n\
         `fanfare explain` and `fanfare render` show what would be sent without sending it."
    );
    Ok(())
}

fn step(number: u32, text: &str) {
    println!("\n{number}. {text}");
}

/// Copies manifests into a folder of its own, with the port at which the receiver listens.
pub(crate) fn copy_manifests(example: &Path, scratch: &Path, port: u16) -> Result<PathBuf> {
    let config = scratch.join("config");
    std::fs::create_dir_all(&config)?;
    for file in files(example)? {
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("reading {}", file.display()))?;
        let text = text.replace(
            &format!("127.0.0.1:{}", sink::DEFAULT_PORT),
            &format!("127.0.0.1:{port}"),
        );
        std::fs::write(config.join(name_of(&file)), text)?;
    }
    Ok(config)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "yaml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn wait_for_messages(sink: &Sink, running: &Running) -> Result<Vec<Received>> {
    let mut messages = Vec::new();
    while messages.len() < MESSAGES {
        let Some(received) = sink.wait(PATIENCE) else {
            bail!(
                "{} of {MESSAGES} messages arrived within {PATIENCE:?}; the log says:\n{}",
                messages.len(),
                running.log()
            );
        };
        messages.push(received);
    }
    Ok(messages)
}

/// The receiver has a message a moment before its delivery is settled.
fn delivered(fanfare: &Fanfare, data: &Path) -> Result<String> {
    let data = text_of(data);
    let list = ["queue", "list", "--state", "delivered", "--data-dir", &data];
    let mut text = fanfare.text(&list)?;
    for _ in 0..50 {
        if text.matches("delivered").count() >= MESSAGES {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
        text = fanfare.text(&list)?;
    }
    Ok(text)
}

fn indent(text: &str) -> String {
    tree::prefixed(text.lines(), "    ")
}

fn text_of(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_are_copied_with_the_port_that_was_free() {
        let scratch = Scratch::new("copy").unwrap();
        let example = tree::root().join("examples/quickstart");
        let config = copy_manifests(&example, scratch.path(), 4711).unwrap();
        let copied: String = files(&config)
            .unwrap()
            .iter()
            .map(|file| std::fs::read_to_string(file).unwrap())
            .collect();
        assert_eq!(copied.matches("127.0.0.1:4711").count(), MESSAGES);
        assert_eq!(copied.matches("kind: Alert\n").count(), MESSAGES);
    }
}
