//! Looks for a comment of ours among all comments of a change request.
//!
//! A comment is ours if it is by the author whose credentials we have and begins with the marker;
//! that it holds one elsewhere, such as in a quotation, means nothing. The oldest counts.

use domain::delivery::{Failure, FailureClass};
use outbound::HttpResponse;
use serde::Deserialize;

use super::{CommentHost, Number};
use crate::classify;
use crate::notifier::AttemptContext;
use crate::shared::commit_status::json;
use crate::shared::pages;

/// Pages that are read at most: 100 comments each are four times what GitHub and twice what GitLab
/// let a change request have.
const MOST_PAGES: usize = 100;

/// Comments that a page is asked to hold.
const LARGEST_PAGE: usize = 100;

/// By how much a page shrinks that is too long to be read.
const SHRINK: usize = 10;

/// Which part of the list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// The first is 1.
    pub(crate) number: usize,
    /// Comments on a page.
    pub(crate) size: usize,
}

impl Page {
    /// The page's number for a query; the first goes without saying.
    pub(crate) fn query(self) -> String {
        match self.number {
            1 => String::new(),
            number => format!("&page={number}"),
        }
    }

    /// The page of this size that holds what comes behind the first `seen` comments.
    fn behind(seen: usize, size: usize) -> Self {
        Self {
            number: seen / size + 1,
            size,
        }
    }
}

/// A comment; GitHub and Gitea have a `user` with a `login`, GitLab an `author` with a `username`.
#[derive(Deserialize)]
struct Comment {
    id: u64,
    body: Option<String>,
    user: Option<User>,
    author: Option<User>,
}

#[derive(Deserialize)]
struct User {
    login: Option<String>,
    username: Option<String>,
}

impl Comment {
    fn is_by(&self, author: &str) -> bool {
        let user = self.user.as_ref().or(self.author.as_ref());
        let name = user.and_then(|user| user.login.as_ref().or(user.username.as_ref()));
        // None of the hosts tells names apart by case.
        name.is_some_and(|name| name.eq_ignore_ascii_case(author))
    }

    fn begins_with(&self, marker: &str) -> bool {
        let body = self.body.as_deref().unwrap_or_default();
        body.trim_start().starts_with(marker)
    }
}

/// The id of the oldest comment that is by this author and begins with this marker.
pub(super) async fn find(
    host: &impl CommentHost,
    number: Number,
    marker: &str,
    author: &str,
    context: &AttemptContext<'_>,
) -> Result<Option<u64>, Failure> {
    let (mut page, mut seen, mut first) = (Page::behind(0, LARGEST_PAGE), 0, None);
    for _ in 0..MOST_PAGES {
        let response = host.send(host.list(number, page)?, context).await?;
        let listed = read(&response, context)?;
        // A host that does not know pages gives the first one again.
        let is_repeated = page.number > 1 && first.is_some_and(|first| starts_with(&listed, first));
        if is_repeated {
            return Ok(None);
        }
        let is_ours = |one: &&Comment| one.is_by(author) && one.begins_with(marker);
        if let Some(found) = listed.iter().find(is_ours) {
            return Ok(Some(found.id));
        }
        first = first.or(listed.first().map(|comment| comment.id));
        if response.truncated {
            page = shrink(page, seen, listed.len())?;
            if page.size == 1 && listed.is_empty() {
                // One comment is longer than we read, so it is none of ours.
                seen = page.number - 1;
            }
            continue;
        }
        seen += listed.len();
        if listed.is_empty() || !pages::has_more(&response, seen) {
            return Ok(None);
        }
        page = grow(page, seen);
    }
    Err(Failure::new(
        FailureClass::Misconfigured,
        "the change request has more pages of comments than the 100 that we read",
    ))
}

fn starts_with(listed: &[Comment], id: u64) -> bool {
    listed.first().is_some_and(|comment| comment.id == id)
}

/// What to ask for when a page was too long to be read.
fn shrink(page: Page, seen: usize, read: usize) -> Result<Page, Failure> {
    if read >= page.size {
        return Err(Failure::new(
            FailureClass::Misconfigured,
            "the host lists more comments at once than the 4 MiB that we read",
        ));
    }
    Ok(if page.size > 1 {
        Page::behind(seen, page.size / SHRINK)
    } else {
        Page {
            number: page.number + 1,
            ..page
        }
    })
}

/// The next page, of full size again as soon as one begins where we are.
fn grow(page: Page, seen: usize) -> Page {
    let mut size = page.size;
    while size < LARGEST_PAGE && seen.is_multiple_of(size * SHRINK) {
        size *= SHRINK;
    }
    if size == page.size {
        Page {
            number: page.number + 1,
            size,
        }
    } else {
        Page::behind(seen, size)
    }
}

/// The comments of an answer; of one that was too long, those that came whole.
fn read(response: &HttpResponse, context: &AttemptContext<'_>) -> Result<Vec<Comment>, Failure> {
    if !response.truncated {
        return json(response, context);
    }
    classify::by_status(response, context.clock.now())?;
    let body = response.body.trim_ascii_start();
    let mut rest = body.strip_prefix(b"[").unwrap_or_default();
    let mut comments = Vec::new();
    loop {
        let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<Comment>();
        let Some(Ok(comment)) = values.next() else {
            return Ok(comments);
        };
        comments.push(comment);
        let after = rest.get(values.byte_offset()..).unwrap_or_default();
        let after = after.trim_ascii_start();
        rest = after.strip_prefix(b",").unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_shrink_without_skipping_and_grow_where_they_fit() {
        let page = Page::behind(200, LARGEST_PAGE);
        assert_eq!((page.number, page.size), (3, 100));
        let small = shrink(page, 200, 60).unwrap();
        assert_eq!((small.number, small.size), (21, 10));
        let next = grow(small, 210);
        assert_eq!((next.number, next.size), (22, 10));
        let single = shrink(next, 210, 2).unwrap();
        assert_eq!((single.number, single.size), (211, 1));
        // A single comment that is too long is passed over.
        let over = shrink(single, 210, 0).unwrap();
        assert_eq!((over.number, over.size), (212, 1));
        let ten = grow(over, 220);
        assert_eq!((ten.number, ten.size), (23, 10));
        let full = grow(ten, 300);
        assert_eq!((full.number, full.size), (4, 100));
    }

    #[test]
    fn a_host_that_ignores_the_size_of_pages_is_not_asked_for_ever() {
        let page = Page::behind(0, LARGEST_PAGE);
        assert!(shrink(page, 0, 100).is_err());
        assert!(shrink(Page::behind(0, 1), 0, 1).is_err());
    }
}
