//! A Git host in memory, as far as comments go: pages, other authors, lost answers.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use outbound::{Endpoint, HttpError, HttpRequest, HttpResponse, HttpTransport, Route, SendOptions};
use serde_json::{Value, json};
use url::Url;

/// The user whose token we have.
pub(crate) const US: &str = "flux-bot";

/// A comment on some change request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Comment {
    pub(crate) author: String,
    pub(crate) body: String,
    pub(crate) number: u64,
}

/// What goes wrong with the next request that writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is done, and the answer is lost.
    AnswerLost,
    /// It is refused for now.
    Unavailable,
}

/// How lists are cut into pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paging {
    /// As asked for, at most so many.
    AtMost(usize),
    /// Everything at once, whatever is asked for, as Gitea does.
    None,
}

#[derive(Default)]
struct State {
    comments: BTreeMap<u64, Comment>,
    last_id: u64,
    fault: Option<Fault>,
    methods: String,
}

/// The host. Whoever asks may edit everything, so that only our own care protects others' comments.
pub(crate) struct Host {
    paging: Paging,
    state: Mutex<State>,
}

impl Host {
    pub(crate) fn new(paging: Paging) -> Self {
        Self {
            paging,
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody comments.
    pub(crate) fn comment(&self, author: &str, number: u64, body: impl Into<String>) -> u64 {
        let mut state = self.lock();
        state.last_id += 1;
        let id = state.last_id;
        let comment = Comment {
            author: author.to_owned(),
            body: body.into(),
            number,
        };
        state.comments.insert(id, comment);
        id
    }

    pub(crate) fn delete(&self, id: u64) {
        self.lock().comments.remove(&id);
    }

    pub(crate) fn fail_next(&self, fault: Option<Fault>) {
        self.lock().fault = fault;
    }

    pub(crate) fn comments(&self) -> BTreeMap<u64, Comment> {
        self.lock().comments.clone()
    }

    /// Methods of the requests since the last call, one letter each: `G`, `P` for a new comment, `E`
    /// for an edit.
    pub(crate) fn methods(&self) -> String {
        std::mem::take(&mut self.lock().methods)
    }

    fn answer(&self, request: &HttpRequest) -> Result<Answer, HttpError> {
        let url = &request.url;
        let path = url.path();
        let last = path.rsplit('/').next().unwrap_or_default();
        if request.method == Method::GET {
            self.lock().methods.push('G');
            return Ok(match last {
                "version" => Answer::new(200, json!({"version": "1.22.0"})),
                "user" => Answer::new(200, json!({"login": US, "username": US, "id": 1})),
                "comments" | "notes" => self.list(url),
                _ => Answer::new(404, json!({})),
            });
        }
        let is_new = request.method == Method::POST;
        self.lock().methods.push(if is_new { 'P' } else { 'E' });
        let fault = self.lock().fault.take();
        if fault == Some(Fault::Unavailable) {
            return Ok(Answer::new(503, json!({})));
        }
        let sent: Value = serde_json::from_slice(&request.body).unwrap();
        let body = sent["body"].as_str().expect("a body").to_owned();
        let answer = if is_new {
            let id = self.comment(US, number_of(path), body);
            Answer::new(201, json!({"id": id}))
        } else {
            let id: u64 = last.parse().expect("an id");
            match self.lock().comments.get_mut(&id) {
                Some(comment) => {
                    comment.body = body;
                    Answer::new(200, json!({"id": id}))
                }
                None => Answer::new(404, json!({"message": "Not Found"})),
            }
        };
        if fault == Some(Fault::AnswerLost) {
            let endpoint = Endpoint::of(url);
            return Err(HttpError::ConnectionLost { endpoint });
        }
        Ok(answer)
    }

    fn list(&self, url: &Url) -> Answer {
        let number = number_of(url.path());
        let comments = self.comments();
        let comments: Vec<_> = comments
            .into_iter()
            .filter(|(_, comment)| comment.number == number)
            .collect();
        let asked = |names: [&str; 2]| -> Option<usize> {
            let (_, value) = url
                .query_pairs()
                .find(|(name, _)| names.contains(&name.as_ref()))?;
            value.parse().ok()
        };
        let page = asked(["page", "page"]).unwrap_or(1);
        let size = asked(["per_page", "limit"]).expect("a size");
        let (start, size) = match self.paging {
            Paging::AtMost(most) => ((page - 1) * size.min(most), size.min(most)),
            Paging::None => (0, usize::MAX),
        };
        let total = comments.len();
        let shown: Vec<Value> = comments
            .iter()
            .skip(start)
            .take(size)
            .map(|(id, comment)| {
                let user = json!({"login": comment.author, "username": comment.author});
                let by = if url.path().ends_with("notes") {
                    "author"
                } else {
                    "user"
                };
                json!({"id": id, "body": comment.body, by: user})
            })
            .collect();
        let has_more = start + shown.len() < total;
        let mut answer = Answer::new(200, json!(shown));
        let mut header = |name: &'static str, value: String| {
            answer.headers.insert(name, value.parse().unwrap());
        };
        match url.host_str() {
            Some("api.github.com") if has_more => {
                header(
                    "link",
                    format!("<https://x.test/?page={}>; rel=\"next\"", page + 1),
                );
            }
            Some("gitlab.com") if has_more => header("x-next-page", (page + 1).to_string()),
            Some("gitlab.com") => header("x-next-page", String::new()),
            Some("gitea.example.com") => header("x-total-count", total.to_string()),
            _ => {}
        }
        answer
    }
}

/// The number before `comments` or `notes`.
fn number_of(path: &str) -> u64 {
    let number = path.rsplit('/').nth(1).expect("a number");
    number.parse().expect("a number")
}

struct Answer {
    status: u16,
    headers: HeaderMap<HeaderValue>,
    body: Value,
}

impl Answer {
    fn new(status: u16, body: Value) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body,
        }
    }
}

impl HttpTransport for Host {
    fn send<'a>(
        &'a self,
        request: HttpRequest,
        _: &'a Route,
        options: &'a SendOptions,
    ) -> BoxFuture<'a, Result<HttpResponse, HttpError>> {
        async move {
            let answer = self.answer(&request)?;
            let mut body = answer.body.to_string();
            let truncated = body.len() > options.max_response_bytes;
            // The texts of these tests are ASCII.
            body.truncate(options.max_response_bytes);
            Ok(HttpResponse {
                status: StatusCode::from_u16(answer.status).unwrap(),
                headers: answer.headers,
                body: Bytes::from(body),
                truncated,
            })
        }
        .boxed()
    }
}
