//! ServiceAccounts of a cluster that exists in memory only.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use api::{ObjectKey, Secret};
use domain::ports::{TokenIssuer, TokenIssuerError};
use futures::FutureExt;
use futures::future::BoxFuture;

/// A [`TokenIssuer`] over a map. Tokens say whose they are and for whom.
#[derive(Debug, Default)]
pub struct ServiceAccounts {
    annotations: Mutex<BTreeMap<ObjectKey, BTreeMap<String, String>>>,
    failure: Mutex<Option<TokenIssuerError>>,
}

impl ServiceAccounts {
    /// Sets an account's annotations.
    pub fn set(&self, account: ObjectKey, annotations: &[(&str, &str)]) {
        let annotations = annotations.iter();
        let annotations =
            annotations.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.annotations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(account, annotations.collect());
    }

    /// Makes every further request for a token fail.
    pub fn fail(&self, failure: TokenIssuerError) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
    }
}

impl TokenIssuer for ServiceAccounts {
    fn annotations<'a>(
        &'a self,
        account: &'a ObjectKey,
    ) -> BoxFuture<'a, Result<Option<BTreeMap<String, String>>, TokenIssuerError>> {
        let known = self
            .annotations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let found = known.get(account).cloned();
        async move { Ok(found) }.boxed()
    }

    fn issue<'a>(
        &'a self,
        account: &'a ObjectKey,
        audience: &'a str,
    ) -> BoxFuture<'a, Result<Secret<String>, TokenIssuerError>> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = match &*failure {
            Some(failure) => Err(failure.clone()),
            None => Ok(Secret::new(format!("token of {account} for {audience}"))),
        };
        async move { answer }.boxed()
    }
}
