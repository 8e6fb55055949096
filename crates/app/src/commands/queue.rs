//! `fanfare queue`: what is pending, failed or delivered, and why.

mod channel;

use std::fmt::Write as _;
use std::process::ExitCode;

use delivery::store::{Backlog, DeliveryView, EventView};
use domain::delivery::DeliveryState;
use jiff::Timestamp;
use server::control::{self, Command, Reply, Selection};

use crate::cli::{ChangeArguments, Format, ListArguments, QueueCommand, ShowArguments};
use crate::hints::Hinted;
use crate::runtime::SystemClock;
use crate::{output, runtime};

use channel::Channel;

pub(super) fn execute(command: &QueueCommand) -> anyhow::Result<ExitCode> {
    let runtime = runtime::small()?;
    runtime.block_on(async {
        match command {
            QueueCommand::List(arguments) => list(arguments).await,
            QueueCommand::Show(arguments) => show(arguments).await,
            QueueCommand::Replay(arguments) => change(arguments, Change::Replay).await,
            QueueCommand::Drop(arguments) => change(arguments, Change::Drop).await,
        }
    })
}

async fn list(arguments: &ListArguments) -> anyhow::Result<ExitCode> {
    let mut selection = Selection {
        states: arguments.filter.states.clone(),
        provider: arguments.filter.provider.clone(),
        alert: arguments.filter.alert.clone(),
        ids: Vec::new(),
    };
    if selection == Selection::default() {
        selection.states = vec![
            DeliveryState::Pending,
            DeliveryState::Parked,
            DeliveryState::Failed,
            DeliveryState::Expired,
        ];
    }
    let channel = Channel::open(&arguments.store.data_dir).await?;
    let command = Command::List {
        selection,
        before: arguments.before.clone(),
        limit: usize::from(arguments.limit),
    };
    let reply = channel.ask(&command).await?;
    let summary = channel.ask(&Command::Summary).await?;
    channel.close().await;
    let (Reply::List(deliveries), Reply::Summary { backlog, .. }) = (reply, summary) else {
        anyhow::bail!("the answer does not fit the question");
    };
    match arguments.format.output {
        Format::Json => output::print_json(&deliveries)?,
        Format::Text => output::print(&list_text(&deliveries, backlog, now()))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list_text(deliveries: &[DeliveryView], backlog: Backlog, now: Timestamp) -> String {
    let mut text = String::new();
    if deliveries.is_empty() {
        text.push_str("no such deliveries\n");
    } else {
        let header = [
            "ID", "STATE", "PROVIDER", "OBJECT", "AGE", "ATTEMPTS", "LAST",
        ];
        let rows: Vec<Vec<String>> = deliveries
            .iter()
            .map(|delivery| {
                vec![
                    delivery.id.clone(),
                    delivery.state.label().to_owned(),
                    delivery.provider.to_string(),
                    delivery.object.clone(),
                    age(delivery.accepted_at, now),
                    delivery.attempts.to_string(),
                    last(delivery, 60),
                ]
            })
            .collect();
        text.push_str(&output::table(&header, &rows));
    }
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "\n{} waiting ({} of them parked), {} accepted events to be planned",
        backlog.live, backlog.parked, backlog.unplanned
    );
    text
}

async fn show(arguments: &ShowArguments) -> anyhow::Result<ExitCode> {
    let (position, delivery) = parse_id(&arguments.id)?;
    let channel = Channel::open(&arguments.store.data_dir).await?;
    let reply = channel.ask(&Command::Event { position }).await?;
    channel.close().await;
    let Reply::Event(Some(mut event)) = reply else {
        return Err(Hinted::error(
            format!("there is no event {position}"),
            "`fanfare queue list --state delivered` and the other states show what there is; \
             settled events go after --history",
        ));
    };
    if let Some(delivery) = delivery {
        event.deliveries.retain(|found| found.id == delivery);
        if event.deliveries.is_empty() {
            anyhow::bail!("event {position} has no delivery {delivery}");
        }
    }
    match arguments.format.output {
        Format::Json => output::print_json(&event)?,
        Format::Text => output::print(&show_text(&event, now()))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// `4711` is an event, `4711.0` one of its deliveries.
fn parse_id(id: &str) -> anyhow::Result<(u64, Option<String>)> {
    if let Ok(position) = id.parse() {
        return Ok((position, None));
    }
    match id.parse::<domain::DeliveryId>() {
        Ok(delivery) => Ok((delivery.position.0, Some(delivery.to_string()))),
        Err(error) => Err(Hinted::error(
            error,
            "an event is a number such as `4711`, a delivery has a second one, such as `4711.0`",
        )),
    }
}

fn show_text(view: &EventView, now: Timestamp) -> String {
    let mut lines = vec![format!("event {}", view.position)];
    let mut field = |name: &str, value: &str| {
        let mut value_lines = value.trim_end().lines();
        lines.push(format!(
            "  {name:10} {}",
            value_lines.next().unwrap_or_default()
        ));
        lines.extend(value_lines.map(|line| format!("  {:10} {line}", "")));
    };
    field(
        "received",
        &format!("{} ({} ago)", view.received_at, age(view.received_at, now)),
    );
    match &view.event {
        None => field("content", "cannot be read any more"),
        Some(event) => {
            let object = &event.involved_object;
            field(
                "object",
                &format!("{}/{}/{}", object.kind, object.namespace, object.name),
            );
            field("severity", &event.severity);
            field("reason", &event.reason);
            field("message", &event.message);
            for (key, value) in &event.metadata {
                field("metadata", &format!("{key}: {value}"));
            }
        }
    }
    if !view.planned {
        field("planned", "not yet");
    }
    for delivery in &view.deliveries {
        lines.push(String::new());
        lines.extend(delivery_lines(delivery, now));
    }
    let dispositions = &view.dispositions;
    if !dispositions.counts.is_empty() {
        lines.push(String::new());
        lines.push("alerts without a delivery".to_owned());
        for (alert, reason) in &dispositions.named {
            lines.push(format!("  {alert}: {reason}"));
        }
        for (reason, count) in &dispositions.counts {
            lines.push(format!("  {count} x {reason}"));
        }
    }
    lines.join("\n") + "\n"
}

fn delivery_lines(delivery: &DeliveryView, now: Timestamp) -> Vec<String> {
    let mut lines = vec![
        format!("delivery {}: {}", delivery.id, delivery.state.label()),
        format!("  provider   {} ({})", delivery.provider, kind(delivery)),
        format!("  alert      {}", delivery.alert),
        format!("  attempts   {}", delivery.attempts),
    ];
    if let Some(due) = delivery.due_at {
        lines.push(format!("  due        {due}"));
    }
    if let Some(settled) = delivery.settled_at {
        lines.push(format!(
            "  settled    {settled} ({} ago)",
            age(settled, now)
        ));
    }
    let last = last(delivery, 1024);
    if !last.is_empty() {
        lines.push(format!("  last       {last}"));
    }
    lines
}

fn kind(delivery: &DeliveryView) -> &str {
    if delivery.kind.is_empty() {
        "type not known when planned"
    } else {
        &delivery.kind
    }
}

/// The last answer in one line.
fn last(delivery: &DeliveryView, most: usize) -> String {
    let last = &delivery.last;
    let mut parts: Vec<String> = Vec::new();
    if let Some(class) = last.class {
        parts.push(class.label().to_owned());
    } else if let Some(status) = last.status {
        parts.push(format!("answered {status}"));
    }
    if !last.detail.is_empty() {
        parts.push(last.detail.clone());
    }
    let text = parts.join(": ");
    if text.chars().count() <= most {
        return text;
    }
    text.chars().take(most).chain(['…']).collect()
}

#[derive(Clone, Copy)]
enum Change {
    Replay,
    Drop,
}

async fn change(arguments: &ChangeArguments, change: Change) -> anyhow::Result<ExitCode> {
    let mut selection = Selection {
        states: arguments.filter.states.clone(),
        provider: arguments.filter.provider.clone(),
        alert: arguments.filter.alert.clone(),
        ids: arguments.ids.clone(),
    };
    if selection == Selection::default() && !arguments.all {
        return Err(Hinted::error(
            "nothing was selected",
            "name delivery ids, or use --state, --provider, --alert or --all",
        ));
    }
    if selection.states.is_empty() && selection.ids.is_empty() {
        selection.states = match change {
            Change::Replay => vec![DeliveryState::Failed, DeliveryState::Expired],
            Change::Drop => vec![DeliveryState::Pending, DeliveryState::Parked],
        };
    }
    let channel = Channel::open(&arguments.store.data_dir).await?;
    let command = match change {
        Change::Replay => Command::Replay(selection),
        Change::Drop => Command::Drop(selection),
    };
    let mut total = 0;
    loop {
        let Reply::Changed(changed) = channel.ask(&command).await? else {
            anyhow::bail!("the answer does not fit the question");
        };
        total += changed;
        if usize::try_from(changed).unwrap_or(usize::MAX) < control::BATCH {
            break;
        }
        output::complain(&format!("{total} so far …"));
    }
    channel.close().await;
    let verb = match change {
        Change::Replay => "replayed",
        Change::Drop => "dropped",
    };
    match arguments.format.output {
        Format::Json => output::print_json(&serde_json::json!({ verb: total }))?,
        Format::Text => output::print_line(&format!("{total} {verb}"))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn now() -> Timestamp {
    use domain::ports::Clock;
    SystemClock.now()
}

/// Like `kubectl`: the two greatest units at most.
fn age(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(since).as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_name_events_or_deliveries() {
        assert_eq!(parse_id("4711").unwrap(), (4711, None));
        assert_eq!(
            parse_id("4711.2").unwrap(),
            (4711, Some("4711.2".to_owned()))
        );
        assert!(parse_id("latest").is_err());
    }

    #[test]
    fn ages_are_short() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        assert_eq!(age(at(0), at(119)), "119s");
        assert_eq!(age(at(0), at(7199)), "119m");
        assert_eq!(age(at(0), at(86_400)), "24h");
        assert_eq!(age(at(10), at(0)), "0s");
    }
}
