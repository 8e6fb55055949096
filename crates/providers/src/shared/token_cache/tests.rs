//! How long tokens are kept, and who waits for whom.

use std::sync::atomic::AtomicUsize;

use domain::delivery::FailureClass;
use futures::future::join_all;
use tokio::sync::Notify;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn minted(text: &str, expires: i64) -> Minted {
    Minted {
        token: Secret::new(text.to_owned()),
        expires: at(expires),
    }
}

#[tokio::test]
async fn a_token_is_used_for_80_percent_of_its_life_and_no_longer_than_allowed() {
    for (longest, life, used_until) in [
        (Duration::from_hours(1), 1000, 800),
        (Duration::from_hours(1), 36_000, 3600),
        (Duration::from_hours(9), 36_000, 3600),
        (Duration::from_mins(5), 1000, 300),
    ] {
        let cache = TokenCache::new(1).keeping_no_longer_than(longest);
        let first = cache.get_or_mint("a", at(0), async { Ok(minted("first", life)) });
        assert!(!first.await.unwrap().is_from_cache);
        let late = at(used_until - 1);
        let again = cache.get_or_mint("a", late, async { Ok(minted("second", life)) });
        assert_eq!(again.await.unwrap().token.expose(), "first");
        let later = at(used_until);
        let anew = cache.get_or_mint("a", later, async { Ok(minted("second", life * 2)) });
        assert_eq!(anew.await.unwrap().token.expose(), "second", "{longest:?}");
    }
}

#[tokio::test]
async fn attempts_at_the_same_time_make_one_request() {
    let cache = TokenCache::new(10);
    let requests = AtomicUsize::new(0);
    let answer = Notify::new();
    let attempts = (0..20).map(|_| {
        cache.get_or_mint("a", at(0), async {
            requests.fetch_add(1, Ordering::Relaxed);
            answer.notified().await;
            Ok(minted("shared", 1000))
        })
    });
    let (tokens, ()) = futures::join!(join_all(attempts), async { answer.notify_one() });
    assert_eq!(requests.load(Ordering::Relaxed), 1);
    for token in tokens {
        assert_eq!(token.unwrap().token.expose(), "shared");
    }
    assert!(cache.minting.lock().unwrap().is_empty());
}

#[tokio::test]
async fn those_who_waited_share_a_failure_and_later_ones_ask_again() {
    let cache = TokenCache::new(10);
    let requests = AtomicUsize::new(0);
    let answer = Notify::new();
    let refused = || Failure::new(FailureClass::ServerFault, "down");
    let attempts = (0..5).map(|_| {
        cache.get_or_mint("a", at(0), async {
            requests.fetch_add(1, Ordering::Relaxed);
            answer.notified().await;
            Err(refused())
        })
    });
    let (results, ()) = futures::join!(join_all(attempts), async { answer.notify_one() });
    assert!(
        results
            .into_iter()
            .all(|result| result.unwrap_err() == refused())
    );
    assert_eq!(requests.load(Ordering::Relaxed), 1);
    let healed = cache.get_or_mint("a", at(0), async { Ok(minted("healed", 1000)) });
    assert_eq!(healed.await.unwrap().token.expose(), "healed");
}

#[tokio::test]
async fn a_slow_service_holds_up_nobody_else() {
    let cache = TokenCache::new(10);
    let stuck = cache.get_or_mint("slow", at(0), std::future::pending());
    let quick = cache.get_or_mint("quick", at(0), async { Ok(minted("quick", 1000)) });
    tokio::select! {
        biased;
        _ = stuck => unreachable!(),
        token = quick => assert_eq!(token.unwrap().token.expose(), "quick"),
    }
    // The one that was given up leaves nothing behind, and the next one tries.
    assert!(cache.minting.lock().unwrap().is_empty());
    let next = cache.get_or_mint("slow", at(0), async { Ok(minted("at last", 1000)) });
    assert_eq!(next.await.unwrap().token.expose(), "at last");
}

#[tokio::test]
async fn whoever_waits_for_one_that_is_given_up_tries_itself() {
    let cache = TokenCache::new(10);
    let mut stuck = Box::pin(cache.get_or_mint("a", at(0), std::future::pending()));
    let mut waiting = Box::pin(cache.get_or_mint("a", at(0), async { Ok(minted("own", 1000)) }));
    assert!(futures::poll!(&mut stuck).is_pending());
    assert!(futures::poll!(&mut waiting).is_pending());
    drop(stuck);
    assert_eq!(waiting.await.unwrap().token.expose(), "own");
}

#[tokio::test]
async fn the_cache_is_bounded_and_can_be_switched_off() {
    let cache = TokenCache::new(2);
    for (key, expires) in [("a", 1000), ("b", 2000), ("c", 3000)] {
        let token = cache.get_or_mint(key, at(0), async { Ok(minted(key, expires)) });
        token.await.unwrap();
    }
    assert_eq!(cache.tokens.lock().unwrap().len(), 2);
    assert!(cache.get("a", at(1)).is_none(), "it would have gone first");
    let off = TokenCache::new(0);
    for _ in 0..2 {
        let token = off.get_or_mint("a", at(0), async { Ok(minted("a", 1000)) });
        assert!(!token.await.unwrap().is_from_cache);
    }
}

#[test]
fn keys_differ_by_provider_and_by_every_part() {
    let provider = ObjectKey::new("a", "p");
    let parts: [&[u8]; 2] = [b"ab", b"c"];
    let shifted: [&[u8]; 2] = [b"a", b"bc"];
    let other = ObjectKey::new("b", "p");
    let one = key("x", &provider, parts);
    assert_ne!(one, key("x", &provider, shifted));
    assert_ne!(one, key("x", &other, parts));
    assert_eq!(one, key("x", &provider, parts));
}
