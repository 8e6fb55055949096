//! Budgets are taken, refused and given back.

use std::task::Waker;

use super::*;

/// A peer that always has as much to say as is asked for, and never listens.
struct Talker;

impl AsyncRead for Talker {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let room = buffer.remaining();
        buffer.put_slice(&vec![b'x'; room]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Talker {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<Result<usize>> {
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }
}

const MIB: usize = 1 << 20;

fn read(guarded: &mut Guarded<Talker>, bytes: usize) -> Result<()> {
    let mut room = vec![0; bytes];
    let mut context = Context::from_waker(Waker::noop());
    match Pin::new(guarded).poll_read(&mut context, &mut ReadBuf::new(&mut room)) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("it always has something to say"),
    }
}

fn write(guarded: &mut Guarded<Talker>) -> Poll<Result<usize>> {
    Pin::new(guarded).poll_write(&mut Context::from_waker(Waker::noop()), b"answer")
}

#[test]
fn heads_share_a_budget_and_give_it_back() {
    let shared = Arc::new(Shared::default());
    let progress = Progress::default();
    let mut first = Guarded::new(Talker, shared.clone(), progress.clone());
    let mut second = Guarded::new(Talker, shared.clone(), Progress::default());
    read(&mut first, 31 * MIB).unwrap();
    // The first kibibytes are free, what comes behind them is not.
    read(&mut second, FREE).unwrap();
    let refused = read(&mut second, 2 * MIB).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::OutOfMemory);
    drop(second);
    // The head was complete, and this is its body.
    progress.step();
    read(&mut first, 100 * MIB).unwrap();
    assert_eq!(shared.heads.load(Ordering::Relaxed), 0);
    // The next head pays again.
    progress.step();
    read(&mut first, FREE + 1).unwrap();
    assert_eq!(shared.heads.load(Ordering::Relaxed), 1);
    drop(first);
    assert_eq!(shared.heads.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn only_so_many_peers_may_let_us_wait() {
    let shared = Arc::new(Shared::default());
    let open = || Guarded::new(Talker, shared.clone(), Progress::default());
    let mut waiting: Vec<_> = (0..MOST_DEAF).map(|_| open()).collect();
    for guarded in &mut waiting {
        assert!(write(guarded).is_pending());
        assert!(write(guarded).is_pending(), "it counts once");
    }
    let mut another = open();
    assert!(matches!(write(&mut another), Poll::Ready(Err(_))));
    drop(another);
    let mut hearing = waiting.pop().unwrap();
    let flushed = Pin::new(&mut hearing).poll_flush(&mut Context::from_waker(Waker::noop()));
    assert!(flushed.is_ready());
    assert!(write(&mut open()).is_pending(), "there is room again");
}
