//! A change on disk becomes the configuration in force.

use std::sync::Arc;
use std::time::Duration;

use api::ObjectKey;
use futures::FutureExt as _;
use standalone::{Current, Reload, Timing, Watch};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::folder::{Folder, Kinds, alert, provider};

/// Longer than any machine is busy; a test that waits this long has failed.
const FOREVER: Duration = Duration::from_mins(1);

struct Following {
    current: Arc<Current>,
    reloads: mpsc::UnboundedReceiver<Reload>,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

fn follow(folder: &Folder, timing: Timing) -> Following {
    let current = Arc::new(Current::new(folder.read()));
    let watch = Watch::new(folder.source(), Arc::new(Kinds), current.clone(), timing);
    let (sender, reloads) = mpsc::unbounded_channel();
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(watch.run(
        async move {
            let _ = stopped.await;
        },
        move |reload| {
            sender.send(reload).unwrap();
            futures::future::ready(()).boxed()
        },
    ));
    Following {
        current,
        reloads,
        stop,
        task,
    }
}

impl Following {
    async fn next(&mut self) -> Reload {
        timeout(FOREVER, self.reloads.recv())
            .await
            .unwrap()
            .unwrap()
    }
}

#[tokio::test]
async fn announced_changes_are_put_in_force() {
    let folder = Folder::new();
    folder.write("p.yaml", provider("p"));
    let timing = Timing {
        quiet: Duration::from_millis(20),
        // Nothing but an announcement can cause a reload.
        poll: FOREVER * 60,
        ..Timing::default()
    };
    let mut following = follow(&folder, timing);
    folder.write("new/q.yaml", provider("q"));
    let mut reload = following.next().await;
    if reload.catalog.providers().count() < 2 {
        // The new folder was seen before its file.
        reload = following.next().await;
    }
    assert_eq!(reload.changed, [ObjectKey::new("default", "q")]);
    assert_eq!(following.current.configuration().counts().providers, 2);

    folder.write("new/q.yaml", "kind: [");
    let reload = following.next().await;
    assert_eq!(reload.kept, ["Provider default/q"]);
    assert_eq!(reload.configuration.problems().len(), 1);

    following.stop.send(()).unwrap();
    timeout(FOREVER, following.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn changes_that_nobody_announced_are_found() {
    let folder = Folder::new();
    folder.write("p.yaml", provider("p"));
    let current = Arc::new(Current::new(folder.read()));
    // Changed before anybody watches: there will be no announcement.
    folder.write("a.yaml", alert("a", "p"));
    let timing = Timing {
        poll: Duration::from_millis(20),
        ..Timing::default()
    };
    let watch = Watch::new(folder.source(), Arc::new(Kinds), current.clone(), timing);
    let (sender, mut reloads) = mpsc::unbounded_channel();
    let task = tokio::spawn(
        watch.run(futures::future::pending(), move |reload: Reload| {
            sender.send(reload.catalog.alerts().len()).unwrap();
            futures::future::ready(()).boxed()
        }),
    );
    assert_eq!(timeout(FOREVER, reloads.recv()).await.unwrap(), Some(1));
    assert_eq!(current.configuration().counts().alerts, 1);
    task.abort();
}
