//! Values that must never be printed: a wrapper without content in `Debug`, wiped when dropped.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroize;

/// A value that is never shown: `Debug` prints a placeholder, there is no `Display`, and the memory
/// is overwritten on drop.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Wraps a value.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for the one place that sends or compares it.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(*****)")
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// The data of one Kubernetes Secret: key to raw bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretData(BTreeMap<String, Secret<Vec<u8>>>);

impl SecretData {
    /// An empty Secret.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets one key.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<Vec<u8>>) {
        self.0.insert(key.into(), Secret::new(value.into()));
    }

    /// The raw bytes of a key, exactly as stored.
    pub fn get(&self, key: &str) -> Option<&Secret<Vec<u8>>> {
        self.0.get(key)
    }

    /// Key names, sorted. Names are not secret.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Keys and values, for redaction and for digests.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Secret<Vec<u8>>)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }
}

impl<K: Into<String>, V: Into<Vec<u8>>> FromIterator<(K, V)> for SecretData {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut data = Self::new();
        for (key, value) in entries {
            data.insert(key, value);
        }
        data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_keys_but_no_values() {
        let data: SecretData = [("token", "hunter2")].into_iter().collect();
        let shown = format!("{data:?}");
        assert!(shown.contains("token"));
        assert!(!shown.contains("hunter2"));
    }
}
