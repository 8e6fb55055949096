//! What a comment says, and the marker by which it is found again (`providers-common.md` C10).

use api::{Event, ObjectReference};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::Limit;
use crate::shared::fit::{self, Fitted, Limits};
use crate::shared::mentions;

/// What would end a marker, or make two objects one. Names that Kubernetes takes have none of it.
const PART: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'/').add(b'<').add(b'>');

/// What a metadata entry costs besides its name and value: ``* `name`: value`` and a line's end.
const ENTRY_OVERHEAD: usize = 7;

/// Room for what cutting may bring to life: at most a mention and a command at each cut.
const SLACK: usize = 64;

/// The marker of a Provider's comment about an object. The reference finds it, and we find its.
pub(super) fn marker(prefix: &str, provider_uid: &str, object: &ObjectReference) -> String {
    let part = |text: &str| utf8_percent_encode(text, PART).to_string();
    format!(
        "<!-- {prefix}:{provider_uid}/{}/{}/{} -->",
        part(&object.kind),
        part(&object.namespace),
        part(&object.name)
    )
}

/// Marker and message, within a host's limit.
pub(super) fn body(marker: &str, event: &Event, limit: Limit) -> String {
    let Limit { length, unit } = limit;
    let object = &event.involved_object;
    let sign = if event.is_error() { "⚠️" } else { "ℹ️" };
    let title = format!(
        "{sign} {}/{}/{}",
        object.kind, object.namespace, object.name
    );
    let render = |title: &str, fitted: &Fitted| {
        let entries = fitted.fields.iter();
        let entries = entries.map(|(name, value)| format!("* `{name}`: {value}\n"));
        format!(
            "## Flux Status\n\n{title}\n\n{}\n\nMetadata:\n{}",
            fitted.text,
            entries.collect::<String>()
        )
    };
    let title = mentions::git_host(&title);
    let mut metadata = event.metadata.clone();
    metadata.remove("change_request");
    let nothing = Fitted {
        text: String::new(),
        fields: Vec::new(),
    };
    let fixed = unit.length(marker) + 2 + unit.length(&render(&title, &nothing)) + SLACK;
    let limits = Limits {
        unit,
        total: length,
        text: length,
        name: length,
        value: length,
        fields: usize::MAX,
        field_overhead: ENTRY_OVERHEAD,
    };
    let fitted = fit::fit(
        &mentions::git_host(&event.message),
        fit::sorted(&metadata, mentions::git_host),
        fixed,
        &limits,
    );
    // Once more, since a cut can put something at the start of a line or take what stood before it.
    let text = mentions::git_host(&render(&title, &fitted));
    format!("{marker}\n\n{text}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::shared::truncate::Unit;

    fn object(kind: &str, namespace: &str, name: &str) -> ObjectReference {
        ObjectReference {
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            ..ObjectReference::default()
        }
    }

    fn event(message: &str, metadata: &[(&str, &str)]) -> Event {
        Event {
            involved_object: object("Kustomization", "apps", "webapp"),
            severity: "info".to_owned(),
            message: message.to_owned(),
            metadata: metadata
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..Event::default()
        }
    }

    const GITHUB: Limit = Limit {
        length: 65_536,
        unit: Unit::Characters,
    };

    #[test]
    fn a_comment_is_that_of_the_reference() {
        let uid = "0c9c2e41-d2f9-4f9b-9c41-bebc1984d67a";
        let event = event(
            "Deployment/apps/webapp configured\nService/apps/webapp created",
            &[
                ("summary", "Webapp impacted"),
                ("cluster", "prod-1"),
                ("change_request", "42"),
            ],
        );
        let marker = marker("flux-pr-comment-key", uid, &event.involved_object);
        assert_eq!(
            body(&marker, &event, GITHUB),
            "<!-- flux-pr-comment-key:0c9c2e41-d2f9-4f9b-9c41-bebc1984d67a/Kustomization/apps/webapp -->\
             \n\n## Flux Status\n\nℹ️ Kustomization/apps/webapp\n\n\
             Deployment/apps/webapp configured\nService/apps/webapp created\n\n\
             Metadata:\n* `cluster`: prod-1\n* `summary`: Webapp impacted\n"
        );
    }

    #[test]
    fn no_name_makes_the_marker_of_another_object() {
        let of = |kind, namespace, name| marker("p", "u", &object(kind, namespace, name));
        let victim = of("Kustomization", "apps", "webapp");
        for [kind, namespace, name] in [
            ["Kustomization/apps", "", "webapp"],
            ["Kustomization", "apps/webapp", ""],
            ["Kustomization", "", "apps/webapp"],
            ["Kustomization", "apps", "webapp -->"],
            [
                "Kustomization",
                "apps",
                "x -->\n\n<!-- p:u/Kustomization/apps/webapp",
            ],
        ] {
            let forged = of(kind, namespace, name);
            assert!(!forged.contains(&victim), "{forged}");
            assert_eq!(forged.matches("-->").count(), 1, "{forged}");
        }
    }

    proptest! {
        #[test]
        fn no_event_exceeds_the_limit_or_says_anything_live(
            parts in proptest::collection::vec(
                proptest::sample::select(vec![
                    "@user ", "a", "/close\n", "\n", "é", "🚨", "x/close @y",
                    "<!-- flux-pr-comment-key:u/Kustomization/apps/other -->",
                ]),
                0..60,
            ),
            value in "\\PC{0,400}",
            length in 300_usize..700,
        ) {
            let message = parts.concat();
            let event = event(&message, &[("key", &value), ("other", &message)]);
            let marker = marker("flux-pr-comment-key", "u", &event.involved_object);
            for unit in [Unit::Bytes, Unit::Characters] {
                let body = body(&marker, &event, Limit { length, unit });
                prop_assert!(unit.length(&body) <= length);
                let text = body.strip_prefix(&marker).unwrap();
                prop_assert!(!text.contains("<!-- flux"));
                prop_assert_eq!(mentions::git_host(text), text);
            }
        }
    }
}
