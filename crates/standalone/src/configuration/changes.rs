//! What differs between two configurations, as far as waiting deliveries care.

use api::ObjectKey;
use domain::catalog::ProviderEntry;

use super::{Configuration, Entry};

/// The usable Providers that were changed, were added, became usable, or use a Secret of which that
/// is true, in order. What waits for one of them is worth another attempt.
pub(crate) fn changed_providers(before: &Configuration, after: &Configuration) -> Vec<ObjectKey> {
    after
        .providers
        .iter()
        .filter(|(key, entry)| {
            state(before, before.providers.get(*key)) != state(after, Some(*entry))
        })
        .filter(|(_, entry)| entry.value.valid().is_some())
        .map(|(key, _)| key.clone())
        .collect()
}

/// Everything that an attempt depends on; `None` if there can be none.
fn state<'configuration>(
    configuration: &'configuration Configuration,
    entry: Option<&'configuration Entry<ProviderEntry>>,
) -> Option<(u64, Vec<Option<&'configuration str>>)> {
    let entry = entry?;
    let provider = entry.value.valid()?;
    let secrets = entry
        .references
        .iter()
        .map(|reference| {
            let secret = configuration.secrets.get(&reference.target)?;
            Some(secret.value.as_ref()?.version.as_str())
        })
        .collect();
    Some((provider.version, secrets))
}
