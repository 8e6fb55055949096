//! Identities of `ServiceAccount`s: their annotations, and tokens that the API server issues for them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use api::{ObjectKey, Secret};
use domain::ports::{TokenIssuer, TokenIssuerError};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::StatusCode;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt as _};
use tokio::time::{Instant, timeout};

/// How long annotations are not asked for again.
const FRESH: Duration = Duration::from_mins(1);
/// Accounts that are remembered.
const MOST_ACCOUNTS: usize = 1000;
/// How long the API server may take.
const LIMIT: Duration = Duration::from_secs(10);

type Annotations = Option<BTreeMap<String, String>>;

/// Asks the API server about `ServiceAccount`s.
pub struct ServiceAccounts {
    client: Client,
    known: Mutex<HashMap<ObjectKey, Known>>,
}

struct Known {
    annotations: Annotations,
    until: Instant,
}

impl ServiceAccounts {
    /// Prepares to ask; needs the permissions to get `serviceaccounts` and to create
    /// `serviceaccounts/token`, where a Provider uses one.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            known: Mutex::default(),
        }
    }

    async fn read(&self, key: &ObjectKey) -> Result<Annotations, TokenIssuerError> {
        if let Some(annotations) = self.known(key) {
            return Ok(annotations);
        }
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), &key.namespace);
        let found = within(key, accounts.get_metadata_opt(&key.name)).await?;
        let annotations = found.map(|account| account.annotations().clone());
        self.keep(key, annotations.clone());
        Ok(annotations)
    }

    async fn request(
        &self,
        key: &ObjectKey,
        audience: &str,
    ) -> Result<Secret<String>, TokenIssuerError> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), &key.namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: vec![audience.to_owned()],
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let parameters = PostParams::default();
        let answer = accounts.create_token_request(&key.name, &parameters, &request);
        match within(key, answer).await?.status {
            Some(status) if !status.token.is_empty() => Ok(Secret::new(status.token)),
            _ => Err(TokenIssuerError::Refused {
                account: key.clone(),
                reason: "the API server answered without a token".to_owned(),
            }),
        }
    }

    fn known(&self, key: &ObjectKey) -> Option<Annotations> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = known.get(key)?;
        (Instant::now() < entry.until).then(|| entry.annotations.clone())
    }

    fn keep(&self, key: &ObjectKey, annotations: Annotations) {
        let now = Instant::now();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_ACCOUNTS {
            known.retain(|_, entry| now < entry.until);
        }
        if known.len() < MOST_ACCOUNTS {
            let until = now + FRESH;
            known.insert(key.clone(), Known { annotations, until });
        }
    }
}

/// Waits for an answer; says whose identity it was about if there is none.
async fn within<T>(
    account: &ObjectKey,
    answer: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, TokenIssuerError> {
    let error = match timeout(LIMIT, answer).await {
        Ok(Ok(answer)) => return Ok(answer),
        Ok(Err(error)) => error,
        Err(_) => {
            return Err(TokenIssuerError::Unavailable {
                account: account.clone(),
                reason: "the API server did not answer in time".to_owned(),
            });
        }
    };
    Err(failure(account, &error))
}

fn failure(account: &ObjectKey, error: &kube::Error) -> TokenIssuerError {
    let account = account.clone();
    match error {
        kube::Error::Api(status) if is_refusal(status.code) => TokenIssuerError::Refused {
            account,
            reason: status.message.clone(),
        },
        other => TokenIssuerError::Unavailable {
            account,
            reason: other.to_string(),
        },
    }
}

fn is_refusal(code: u16) -> bool {
    StatusCode::from_u16(code).is_ok_and(|code| {
        code.is_client_error()
            && code != StatusCode::TOO_MANY_REQUESTS
            && code != StatusCode::REQUEST_TIMEOUT
    })
}

impl TokenIssuer for ServiceAccounts {
    fn annotations<'a>(
        &'a self,
        account: &'a ObjectKey,
    ) -> BoxFuture<'a, Result<Annotations, TokenIssuerError>> {
        self.read(account).boxed()
    }

    fn issue<'a>(
        &'a self,
        account: &'a ObjectKey,
        audience: &'a str,
    ) -> BoxFuture<'a, Result<Secret<String>, TokenIssuerError>> {
        self.request(account, audience).boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http::{Method, Request, Response};
    use http_body_util::BodyExt as _;
    use kube::client::Body;
    use serde_json::{Value, json};

    use super::*;

    fn answer(status: u16, body: &Value) -> Response<Body> {
        let mut response = Response::new(Body::from(serde_json::to_vec(body).unwrap()));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        response
    }

    fn refusal(status: u16, reason: &str) -> Response<Body> {
        let body = json!({
            "apiVersion": "v1", "kind": "Status", "status": "Failure",
            "reason": reason, "message": format!("it says {reason}"), "code": status,
        });
        answer(status, &body)
    }

    /// A server with the account `a/known`.
    fn accounts() -> (ServiceAccounts, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = asked.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            counter.fetch_add(1, Ordering::Relaxed);
            async move {
                let path = request.uri().path().to_owned();
                let method = request.method().clone();
                let body = request.into_body().collect().await.unwrap().to_bytes();
                let answer = match (method, path.as_str()) {
                    (Method::GET, "/api/v1/namespaces/a/serviceaccounts/known") => answer(
                        200,
                        &json!({
                            "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
                            "metadata": {"name": "known", "annotations": {"k": "v"}},
                        }),
                    ),
                    (Method::POST, "/api/v1/namespaces/a/serviceaccounts/known/token") => {
                        let request: Value = serde_json::from_slice(&body).unwrap();
                        let audience = request["spec"]["audiences"][0].as_str().unwrap();
                        answer(
                            201,
                            &json!({
                                "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                                "spec": request["spec"],
                                "status": {
                                    "token": format!("for {audience}"),
                                    "expirationTimestamp": "2030-01-01T00:00:00Z",
                                },
                            }),
                        )
                    }
                    (Method::POST, _) => refusal(403, "Forbidden"),
                    (_, path) if path.ends_with("/busy") => refusal(429, "TooManyRequests"),
                    _ => refusal(404, "NotFound"),
                };
                Ok::<_, std::convert::Infallible>(answer)
            }
        });
        let client = Client::new(service, "flux-system");
        (ServiceAccounts::new(client), asked)
    }

    #[tokio::test(start_paused = true)]
    async fn annotations_are_asked_for_once_a_minute() {
        let (accounts, asked) = accounts();
        let key = ObjectKey::new("a", "known");
        for _ in 0..3 {
            let annotations = accounts.annotations(&key).await.unwrap().unwrap();
            assert_eq!(annotations["k"], "v");
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        tokio::time::advance(FRESH).await;
        accounts.annotations(&key).await.unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_account_that_does_not_exist_is_no_error() {
        let (accounts, _) = accounts();
        let key = ObjectKey::new("a", "unknown");
        assert_eq!(accounts.annotations(&key).await, Ok(None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_for_the_audience_that_was_asked_for() {
        let (accounts, _) = accounts();
        let key = ObjectKey::new("a", "known");
        let token = accounts.issue(&key, "cloud").await.unwrap();
        assert_eq!(token.expose(), "for cloud");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_needs_a_change_and_a_busy_server_only_time() {
        let (accounts, _) = accounts();
        let refused = accounts.issue(&ObjectKey::new("b", "x"), "cloud").await;
        let error = refused.err().unwrap();
        assert!(matches!(error, TokenIssuerError::Refused { .. }), "{error}");
        assert!(error.to_string().contains("b/x"), "{error}");
        let busy = accounts.annotations(&ObjectKey::new("a", "busy")).await;
        let error = busy.err().unwrap();
        assert!(
            matches!(error, TokenIssuerError::Unavailable { .. }),
            "{error}"
        );
    }
}
