//! A name for a delivery that services recognise repeats by.

use std::fmt::Write as _;

use domain::Notification;
use sha2::{Digest, Sha256};

/// Stays the same over all attempts of one delivery, and differs between Alerts, replicas and
/// clusters that happen to count alike. Digits, hexadecimal letters, `.` and `-` only.
pub(crate) fn delivery_id(notification: &Notification) -> String {
    let alert = fingerprint(&[&notification.alert_uid, &notification.alert.to_string()]);
    let alert = alert.get(..8).unwrap_or_default();
    format!("{}-{alert}", notification.idempotency_key)
}

/// 32 hexadecimal digits that tell these texts from others.
pub(crate) fn fingerprint(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let mut text = String::with_capacity(32);
    for byte in hash.finalize().iter().take(16) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
