//! Holds planning and delivering back until there is a configuration.

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often a stage that waits gives a sign of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// Waits until the configuration was read, or until shutdown. `alive` is called now and then meanwhile.
pub(crate) async fn configured(
    configured: &mut watch::Receiver<bool>,
    shutdown: &CancellationToken,
    alive: impl Fn(),
) {
    loop {
        alive();
        tokio::select! {
            Ok(_) = configured.wait_for(|configured| *configured) => return,
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(SIGN_OF_LIFE) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_opens_with_the_first_configuration_and_gives_signs_of_life_before() {
        let (sender, mut receiver) = watch::channel(false);
        let signs = AtomicU32::new(0);
        let shutdown = CancellationToken::new();
        let waiting = configured(&mut receiver, &shutdown, || {
            signs.fetch_add(1, Ordering::Relaxed);
        });
        tokio::pin!(waiting);
        assert!(
            tokio::time::timeout(Duration::from_mins(1), &mut waiting)
                .await
                .is_err()
        );
        assert!(signs.load(Ordering::Relaxed) > 10);
        sender.send_replace(true);
        waiting.await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_died_does_not_open_it() {
        let (sender, mut receiver) = watch::channel(false);
        drop(sender);
        let shutdown = CancellationToken::new();
        let waiting = configured(&mut receiver, &shutdown, || {});
        tokio::pin!(waiting);
        assert!(
            tokio::time::timeout(Duration::from_mins(1), &mut waiting)
                .await
                .is_err()
        );
        shutdown.cancel();
        waiting.await;
    }
}
