//! What the file system says about changes.

use std::path::Path;
use std::sync::Arc;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use crate::directory::Source;

/// A stream of "something changed", without details and without a backlog.
pub(super) struct Announcements {
    signal: Arc<Notify>,
    /// Announces for as long as it lives; `None` where the file system cannot.
    _watcher: Option<RecommendedWatcher>,
}

impl Announcements {
    /// Watches the folders of a source. Where that is not possible, nothing is ever announced.
    pub(super) fn start(source: &Source) -> Self {
        let signal = Arc::new(Notify::new());
        let watcher = watch(source, signal.clone())
            .inspect_err(|error| {
                tracing::warn!(
                    %error,
                    "the file system does not announce all changes; they are noticed later"
                );
            })
            .ok();
        Self {
            signal,
            _watcher: watcher,
        }
    }

    /// Waits for the next change; changes since the last call count.
    pub(super) async fn next(&self) {
        self.signal.notified().await;
    }
}

fn watch(source: &Source, signal: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // An error may mean that announcements were lost.
        if event.map_or(true, |event| is_change(event.kind)) {
            signal.notify_one();
        }
    })?;
    for path in source.paths.iter().chain(&source.secrets) {
        if path.is_file() {
            // A file that is replaced takes the watch on it with it.
            let folder = path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty());
            watcher.watch(
                folder.unwrap_or(Path::new(".")),
                RecursiveMode::NonRecursive,
            )?;
        } else {
            watcher.watch(path, RecursiveMode::Recursive)?;
        }
    }
    Ok(watcher)
}

/// Reading is announced, too; heeding that would make every look at the files cause the next one.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}
