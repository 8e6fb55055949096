//! Whether a body is a valid CDEvent: of a known type in its exact version, with everything that type
//! requires (`receivers.md` section 4.6; <https://cdevents.dev/docs/>).
//!
//! Each event is checked for itself. The reference decodes into shared objects, so that fields of one
//! event count for the next.

mod vocabulary;

use jiff::Timestamp;
use serde_json::Value;
use thiserror::Error;
use url::Url;

use crate::json;

use vocabulary::{EventType, Field, Rule, TYPES};

/// Why a body is no CDEvent: the path of a field and what it must be. Never its value.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{path} {problem}")]
pub(crate) struct Invalid {
    path: String,
    problem: &'static str,
}

type Result<T> = std::result::Result<T, Invalid>;

fn invalid<T>(path: impl Into<String>, problem: &'static str) -> Result<T> {
    let path = path.into();
    Err(Invalid { path, problem })
}

/// Checks a body and gives it back as JSON.
pub(crate) fn check(body: &[u8]) -> Result<Value> {
    let Ok(event) = json::whole(body) else {
        return invalid("the body", "is not one JSON value");
    };
    if !event.is_object() && !event.is_null() {
        return invalid("the body", "must be an object");
    }
    let context = object(&event, "context", "context")?;
    let written = text(context, "type", "context.type")?.unwrap_or_default();
    let subject = object(&event, "subject", "subject")?;
    match parse_type(written) {
        None => return invalid("context.type", "is no type of an event"),
        Some(Parsed::Custom) => check_custom_subject(subject)?,
        Some(Parsed::Known { name, version }) => {
            let Some(known) = TYPES.iter().find(|known| known.name == name) else {
                return invalid("context.type", "is unknown");
            };
            if known.version != version {
                return invalid(
                    "context.type",
                    "has another version than the one that is known",
                );
            }
            check_subject(subject, known)?;
        }
    }
    check_context(context)?;
    text(
        Some(&event),
        "customDataContentType",
        "customDataContentType",
    )?;
    Ok(event)
}

enum Parsed<'a> {
    Known { name: &'a str, version: &'a str },
    Custom,
}

/// Takes `dev.cdevents.<subject>.<predicate>.<version>` apart, or
/// `dev.cdeventsx.<tool>-<subject>.<predicate>.<version>`.
fn parse_type(written: &str) -> Option<Parsed<'_>> {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
    if let Some(rest) = written.strip_prefix("dev.cdevents.") {
        let (subject, after) = rest.split_once('.')?;
        let (predicate, version) = after.split_once('.')?;
        let name = rest.get(..subject.len() + 1 + predicate.len())?;
        let is_type = is_word(subject) && is_word(predicate);
        return is_type.then_some(Parsed::Known { name, version });
    }
    let rest = written.strip_prefix("dev.cdeventsx.")?;
    let (subject, after) = rest.split_once('.')?;
    let (predicate, _version) = after.split_once('.')?;
    let (tool, subject) = subject.split_once('-')?;
    let is_tool = !tool.is_empty()
        && tool
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    (is_tool && is_word(subject) && is_word(predicate)).then_some(Parsed::Custom)
}

fn check_context(context: Option<&Value>) -> Result<()> {
    for name in ["version", "id", "source"] {
        let path = format!("context.{name}");
        if text(context, name, &path)?.is_none_or(str::is_empty) {
            return invalid(path, "must not be empty");
        }
    }
    check_reference_source(context, "context.source")?;
    if text(context, "timestamp", "context.timestamp")?
        .is_some_and(|time| time.parse::<Timestamp>().is_err())
    {
        return invalid("context.timestamp", "must be RFC 3339");
    }
    text(context, "chainId", "context.chainId")?;
    if text(context, "schemaUri", "context.schemaUri")?.is_some_and(|uri| !uri.is_empty()) {
        return invalid("context.schemaUri", "names a schema that is not known here");
    }
    match context.and_then(|context| json::field(context, "links")) {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Array(links)) => links.iter().try_for_each(check_link),
        Some(_) => invalid("context.links", "must be a list"),
    }
}

fn check_link(link: &Value) -> Result<()> {
    const PATH: &str = "context.links";
    let kind = text(Some(link), "linkType", PATH)?.unwrap_or_default();
    let place = match kind {
        "PATH" | "END" => "from",
        "RELATION" => "target",
        _ => return invalid(PATH, "has a link of an unknown type"),
    };
    let end = object(link, place, PATH)?;
    text(end, "contextId", PATH)?;
    match json::field(link, "tags") {
        Some(Value::Object(tags)) if tags.values().all(Value::is_string) => Ok(()),
        _ => invalid(PATH, "has a link without tags"),
    }
}

fn check_subject(subject: Option<&Value>, known: &EventType) -> Result<()> {
    if text(subject, "id", "subject.id")?.is_none_or(str::is_empty) {
        return invalid("subject.id", "must not be empty");
    }
    check_reference_source(subject, "subject.source")?;
    if text(subject, "type", "subject.type")? != Some(known.subject) {
        return invalid("subject.type", "is not that of the event");
    }
    let content = match subject {
        Some(subject) => object(subject, "content", "subject.content")?,
        None => None,
    };
    let fields = known.content.iter().flat_map(|fields| fields.iter());
    for field in fields {
        check_field(content, field)?;
    }
    Ok(())
}

fn check_custom_subject(subject: Option<&Value>) -> Result<()> {
    if text(subject, "id", "subject.id")?.is_none_or(str::is_empty) {
        return invalid("subject.id", "must not be empty");
    }
    let kind = text(subject, "type", "subject.type")?.unwrap_or_default();
    let is_custom = kind.split_once('-').is_some_and(|(tool, subject)| {
        !tool.is_empty()
            && tool.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && !subject.is_empty()
            && subject.bytes().all(|byte| byte.is_ascii_alphabetic())
    });
    if is_custom {
        Ok(())
    } else {
        invalid("subject.type", "must name tool and subject")
    }
}

fn check_field(content: Option<&Value>, field: &Field) -> Result<()> {
    let (name, rule) = field;
    let path = || format!("subject.content.{name}");
    let fault = |problem| invalid(path(), problem);
    match rule {
        Rule::Text => text(content, name, &path()).map(|_| ()),
        Rule::NonEmpty => match text(content, name, &path())? {
            Some(value) if !value.is_empty() => Ok(()),
            _ => fault("must not be empty"),
        },
        Rule::PackageUrl => match text(content, name, &path())? {
            Some(value) if is_package_url(value) => Ok(()),
            _ => fault("must be a package URL"),
        },
        Rule::OneOf(words) => match text(content, name, &path())? {
            Some(value) if words.contains(&value) => Ok(()),
            _ => fault("is not one of the known words"),
        },
        Rule::MaybeOneOf(words) => match text(content, name, &path())? {
            Some(value) if !value.is_empty() && !words.contains(&value) => {
                fault("is not one of the known words")
            }
            _ => Ok(()),
        },
        Rule::Texts => {
            let value = content.and_then(|content| json::field(content, name));
            if value.is_none_or(|value| json::Shape::Texts.fits(value)) {
                Ok(())
            } else {
                fault("must be a list of strings")
            }
        }
        Rule::MaybeReference | Rule::Reference => {
            let found = match content {
                Some(content) => object(content, name, &path())?,
                None => None,
            };
            if found.is_none() {
                return match rule {
                    Rule::Reference => fault("is required"),
                    _ => Ok(()),
                };
            }
            check_reference_source(found, &path())?;
            if text(found, "id", &path())?.is_none_or(str::is_empty) {
                return fault("must have an id");
            }
            Ok(())
        }
        Rule::Object(fields) => {
            let found = match content {
                Some(content) => object(content, name, &path())?,
                None => None,
            };
            fields
                .iter()
                .try_for_each(|field| check_field(found, field))
        }
    }
}

fn check_reference_source(of: Option<&Value>, path: &str) -> Result<()> {
    let source = text(of, "source", path)?.unwrap_or_default();
    let base = Url::parse("http://base.invalid/").map_err(|_| Invalid {
        path: path.to_owned(),
        problem: "cannot be checked",
    })?;
    if base.join(source).is_ok() {
        Ok(())
    } else {
        invalid(path, "must be a URI")
    }
}

/// `pkg:<type>/<name>`, with anything behind it
/// (<https://github.com/package-url/purl-spec/blob/main/PURL-SPECIFICATION.rst>).
fn is_package_url(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("pkg:") else {
        return false;
    };
    let Some((kind, name)) = rest.trim_start_matches('/').split_once('/') else {
        return false;
    };
    let name = name.split(['@', '?', '#']).next().unwrap_or_default();
    kind.starts_with(|first: char| first.is_ascii_alphabetic())
        && kind
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".+-".contains(&byte))
        && !name.trim_matches('/').is_empty()
}

/// A text field; `null` and what is missing count as absent.
fn text<'a>(of: Option<&'a Value>, name: &str, path: &str) -> Result<Option<&'a str>> {
    match of.and_then(|of| json::field(of, name)) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => invalid(path, "must be a string"),
    }
}

/// A field that is an object; `null` and what is missing count as absent.
fn object<'a>(of: &'a Value, name: &str, path: &str) -> Result<Option<&'a Value>> {
    match json::field(of, name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) if value.is_object() => Ok(Some(value)),
        Some(_) => invalid(path, "must be an object"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(kind: &str, subject: &str, content: &Value) -> Value {
        json!({
            "context": {"version": "0.4.1", "id": "1", "source": "/ci", "type": kind,
                        "timestamp": "2023-03-20T14:27:05.315384Z"},
            "subject": {"id": "s", "type": subject, "content": content},
        })
    }

    fn problem(event: &Value) -> Option<String> {
        check(event.to_string().as_bytes())
            .err()
            .map(|error| error.to_string())
    }

    #[test]
    fn the_vector_of_the_reference_is_valid() {
        let event = json!({
            "context": {"gitRepository": "adamkenihan/notification-controller", "gitRevision": "5555",
                        "version": "0.3.0", "id": "5555", "source": "github",
                        "timestamp": "2023-12-07T14:51:29.908479495Z",
                        "type": "dev.cdevents.change.merged.0.2.0"},
            "subject": {"type": "change", "id": "5555"}});
        assert_eq!(problem(&event), None);
    }

    #[test]
    fn every_known_type_is_valid_with_what_it_requires_and_not_without() {
        for known in TYPES {
            let kind = format!("dev.cdevents.{}.{}", known.name, known.version);
            let mut content = serde_json::Map::new();
            for (name, rule) in known.content.iter().flat_map(|fields| fields.iter()) {
                let value = match rule {
                    Rule::NonEmpty => json!("x"),
                    Rule::PackageUrl => json!("pkg:oci/app@sha256%3Aabc"),
                    Rule::OneOf(words) => json!(words[0]),
                    Rule::Reference => json!({"id": "r"}),
                    _ => continue,
                };
                content.insert((*name).to_owned(), value);
            }
            let whole = Value::Object(content.clone());
            assert_eq!(
                problem(&event(&kind, known.subject, &whole)),
                None,
                "{kind}"
            );
            for name in content.keys() {
                let mut less = content.clone();
                less.remove(name);
                let event = event(&kind, known.subject, &Value::Object(less));
                assert!(problem(&event).is_some(), "{kind} without {name}");
            }
        }
    }

    #[test]
    fn nothing_of_one_event_counts_for_the_next() {
        let kind = "dev.cdevents.ticket.created.0.1.0";
        let incomplete = event(kind, "ticket", &json!({"uri": "https://t/1"}));
        let complete = event(
            kind,
            "ticket",
            &json!({"uri": "https://t/1", "creator": "c"}),
        );
        assert!(problem(&incomplete).is_some());
        assert_eq!(problem(&complete), None);
        assert!(problem(&incomplete).is_some());
    }

    #[test]
    fn types_are_exact() {
        for (kind, subject, is_valid) in [
            ("dev.cdevents.change.merged.0.2.0", "change", true),
            ("dev.cdevents.change.merged.0.1.0", "change", false),
            ("dev.cdevents.change.merged.1.0.0", "change", false),
            ("dev.cdevents.change.merged", "change", false),
            ("dev.cdevents.Change.merged.0.2.0", "change", false),
            ("dev.cdevents.cat.meowed.0.1.0", "cat", false),
            (
                "dev.cdevents.pipelinerun.started.0.2.0",
                "pipelinerun",
                false,
            ),
            (
                "dev.cdevents.pipelinerun.started.0.2.0",
                "pipelineRun",
                true,
            ),
            (
                "dev.cdeventsx.mytool-resource.created.0.1.0",
                "mytool-resource",
                true,
            ),
            (
                "dev.cdeventsx.mytool-resource.created.0.1.0",
                "resource",
                false,
            ),
            ("", "change", false),
        ] {
            let found = problem(&event(kind, subject, &json!({})));
            assert_eq!(found.is_none(), is_valid, "{kind} {subject}: {found:?}");
        }
    }

    #[test]
    fn package_urls_are_told_from_other_texts() {
        for good in [
            "pkg:oci/app@sha256%3Aabc",
            "pkg:golang/github.com/a/b",
            "pkg:npm/x?y=z",
        ] {
            assert!(is_package_url(good), "{good}");
        }
        for bad in [
            "myapp:1.0",
            "",
            "pkg:",
            "pkg:oci",
            "pkg:oci/",
            "pkg:/x",
            "oci/app",
        ] {
            assert!(!is_package_url(bad), "{bad}");
        }
    }
}
