//! What stays in force when the new configuration is damaged.
//!
//! An object that cannot be used any more keeps its last usable version, and so does every object of
//! a file or folder that cannot be read any more: a mistake or a half-finished copy never switches
//! off what worked.

use std::collections::BTreeMap;
use std::path::Path;

use api::ObjectKey;

use super::{Configuration, Entry};

impl Configuration {
    /// Fills gaps from the configuration in force and returns the titles of what stays, in order.
    pub(crate) fn keep_last_good(&mut self, previous: &Self) -> Vec<String> {
        let damaged = std::mem::take(&mut self.damaged);
        let is_damaged = |file: &Path| damaged.iter().any(|path| file.starts_with(path));
        let mut kept = Vec::new();
        fill(
            "Alert",
            &mut self.alerts,
            &previous.alerts,
            Option::is_some,
            is_damaged,
            &mut kept,
        );
        fill(
            "Provider",
            &mut self.providers,
            &previous.providers,
            |provider| provider.valid().is_some(),
            is_damaged,
            &mut kept,
        );
        fill(
            "Receiver",
            &mut self.receivers,
            &previous.receivers,
            Option::is_some,
            is_damaged,
            &mut kept,
        );
        fill(
            "Secret",
            &mut self.secrets,
            &previous.secrets,
            Option::is_some,
            is_damaged,
            &mut kept,
        );
        for (identity, entry) in &previous.objects {
            if is_damaged(&entry.origin.file) && !self.objects.contains_key(identity) {
                self.objects.insert(identity.clone(), entry.clone());
            }
        }
        self.damaged = damaged;
        self.collect_problems();
        kept
    }
}

fn fill<T: Clone>(
    kind: &str,
    entries: &mut BTreeMap<ObjectKey, Entry<T>>,
    previous: &BTreeMap<ObjectKey, Entry<T>>,
    is_usable: impl Fn(&T) -> bool,
    is_damaged: impl Fn(&Path) -> bool,
    kept: &mut Vec<String>,
) {
    for (key, old) in previous {
        match entries.get_mut(key) {
            Some(new) if is_usable(&new.value) || !is_usable(&old.value) => continue,
            Some(new) => {
                new.value.clone_from(&old.value);
                new.references.clone_from(&old.references);
            }
            None if is_damaged(&old.origin.file) => {
                entries.insert(key.clone(), old.clone());
            }
            None => continue,
        }
        kept.push(format!("{kind} {key}"));
    }
}
