//! What an input brought to light, in words: errors, verdicts, shapes. On stable Rust this stands for
//! the coverage that other fuzzers measure: an input that shows something new is worth changing further.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

thread_local! {
    static SEEN: RefCell<BTreeSet<u64>> = const { RefCell::new(BTreeSet::new()) };
}

/// Says that an input led here. Numbers and what stands in quotes count as the same, so that there are
/// not more features than there are cases in the code.
pub(crate) fn feature(text: &str) {
    let mut hasher = DefaultHasher::new();
    let mut quote = None;
    for byte in text.bytes().take(400) {
        if let Some(end) = quote {
            if byte == end {
                quote = None;
            }
        } else if matches!(byte, b'`' | b'"' | b'\'') {
            quote = Some(byte);
        } else if !byte.is_ascii_digit() {
            byte.hash(&mut hasher);
        }
    }
    SEEN.with_borrow_mut(|seen| seen.insert(hasher.finish()));
}

/// Takes what the last input showed.
pub(crate) fn take() -> BTreeSet<u64> {
    SEEN.take()
}
