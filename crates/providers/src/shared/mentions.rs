//! Takes the life out of mentions and link tokens in event texts, per service.
//!
//! Only complete tokens that a service acts on are touched; any other text stays byte for byte what
//! it was, a lone `@` or `<`, an e-mail address and `chart@1.0.0` included.

/// Makes a token inert without being seen.
const ZERO_WIDTH_SPACE: char = '\u{200b}';

/// Slack: `<!channel>` and its like, `<@U…>`, `<#C…>`, `<url|text>`. The brackets become entities, so
/// readers see the text as it was.
///
/// Source: <https://docs.slack.dev/messaging/formatting-message-text>.
pub(crate) fn slack(text: &str) -> String {
    rewrite(text, '<', |rest| {
        let inside = slack_token(rest)?;
        Some((inside.len() + 2, format!("&lt;{inside}&gt;")))
    })
}

/// Rocket.Chat: Slack's tokens, which it understands too, `@all` and `@here`. It shows entities as
/// they are, so an invisible space is used instead.
pub(crate) fn rocket(text: &str) -> String {
    let text = rewrite(text, '<', |rest| {
        slack_token(rest)?;
        Some((1, format!("<{ZERO_WIDTH_SPACE}")))
    });
    words(&text, &["@all", "@here"])
}

/// Discord: `@everyone`, `@here`, `<@…>`, `<@&…>`, `<#…>`.
///
/// Source: <https://docs.discord.com/developers/reference#message-formatting>.
pub(crate) fn discord(text: &str) -> String {
    let text = rewrite(text, '<', |rest| {
        let (inside, _) = rest.strip_prefix('<')?.split_once('>')?;
        let digits = ["@!", "@&", "@", "#"]
            .iter()
            .find_map(|sigil| inside.strip_prefix(sigil))?;
        // Ids are 64-bit numbers made from a time in milliseconds.
        let is_id =
            (15..=20).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_id.then(|| (1, format!("<{ZERO_WIDTH_SPACE}")))
    });
    words(&text, &["@everyone", "@here"])
}

/// Microsoft Teams: `<at>…</at>`.
///
/// Source: <https://learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/cards-format>.
pub(crate) fn teams(text: &str) -> String {
    rewrite(text, '<', |rest| {
        let after = rest
            .get(1..3)?
            .eq_ignore_ascii_case("at")
            .then(|| rest.get(3..))??;
        let is_tag = after.starts_with('>') || after.starts_with(' ');
        let is_closed = after.to_ascii_lowercase().contains("</at>");
        (is_tag && is_closed).then(|| (1, format!("<{ZERO_WIDTH_SPACE}")))
    })
}

/// Matrix: `@room`.
///
/// Source: <https://spec.matrix.org/latest/client-server-api/#user-and-room-mentions>.
pub(crate) fn matrix(text: &str) -> String {
    words(text, &["@room"])
}

/// The inside of a Slack token at the start of a text.
fn slack_token(text: &str) -> Option<&str> {
    let (inside, _) = text.strip_prefix('<')?.split_once('>')?;
    if inside.contains(['<', '\n']) {
        return None;
    }
    let (target, label) = match inside.split_once('|') {
        Some((target, label)) => (target, Some(label)),
        None => (inside, None),
    };
    let is_id = |id: &str, first: &[char]| {
        id.starts_with(first) && id.len() > 1 && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let is_live = if let Some(command) = target.strip_prefix('!') {
        matches!(command, "channel" | "here" | "everyone" | "group")
            || command.starts_with("subteam^")
            || command.starts_with("date^")
    } else if let Some(id) = target.strip_prefix('@') {
        is_id(id, &['U', 'W', 'B'])
    } else if let Some(id) = target.strip_prefix('#') {
        is_id(id, &['C', 'G'])
    } else {
        // A link with a label can hide where it leads; without one it only shows itself.
        label.is_some() && is_link(target)
    };
    is_live.then_some(inside)
}

fn is_link(target: &str) -> bool {
    target.split_once(':').is_some_and(|(scheme, rest)| {
        !rest.is_empty()
            && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte))
    })
}

/// Puts an invisible space behind the `@` of each of these words where it stands by itself.
fn words(text: &str, words: &[&str]) -> String {
    let mut before = None;
    let mut result = String::with_capacity(text.len());
    for (position, character) in text.char_indices() {
        result.push(character);
        if character == '@' {
            let rest = text.get(position..).unwrap_or_default();
            let is_word = |word: &&str| {
                rest.strip_prefix(*word)
                    .is_some_and(|after| !continues(after))
            };
            let is_separate = before.is_none_or(|before: char| !is_name(before));
            if is_separate && words.iter().any(is_word) {
                result.push(ZERO_WIDTH_SPACE);
            }
        }
        before = Some(character);
    }
    result
}

fn is_name(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '-' | '.' | '+')
}

/// Whether a word goes on: `@here` in `@hereafter` or `@here.example.com`.
fn continues(after: &str) -> bool {
    let mut characters = after.chars();
    match characters.next() {
        Some('.' | '-') => characters.next().is_some_and(char::is_alphanumeric),
        Some(next) => next.is_alphanumeric() || next == '_',
        None => false,
    }
}

/// Goes through a text; wherever `start` stands, `token` may say how many bytes to replace by what.
fn rewrite(text: &str, start: char, token: impl Fn(&str) -> Option<(usize, String)>) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(position) = rest.find(start) {
        let (before, from) = rest.split_at(position);
        result.push_str(before);
        let (length, replacement) =
            token(from).unwrap_or_else(|| (start.len_utf8(), start.to_string()));
        result.push_str(&replacement);
        rest = from.get(length..).unwrap_or_default();
    }
    result.push_str(rest);
    result
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Service = fn(&str) -> String;

    const ALL: [(&str, Service); 5] = [
        ("slack", slack),
        ("rocket", rocket),
        ("discord", discord),
        ("teams", teams),
        ("matrix", matrix),
    ];

    #[test]
    fn texts_without_live_tokens_stay_as_they_are() {
        let texts = [
            "someone@example.com",
            "podinfo@6.5.4 and main@sha1:abc",
            "a < b && c > d, <b>bold</b>, <!DOCTYPE html>, <!-- note -->",
            "<nil> <none> Vec<T> <#1> <@> <!> <unclosed",
            "mail me@here.example.com or all@here",
            "<https://example.com/a>",
            "if x |y| <z|w>",
            "<at> without an end",
            "@team/owners @user naïve 日本語 🚨",
            "spec.rules[0]<at 3",
        ];
        for text in texts {
            for (name, service) in ALL {
                assert_eq!(service(text), text, "{name}");
            }
        }
    }

    #[test]
    fn texts_of_real_controllers_stay_as_they_are() {
        let events = testkit::corpus::real_events();
        assert!(events.len() > 50);
        for (event, body) in events {
            let event_text = api::event::decode(body.as_bytes()).unwrap().message;
            for (name, service) in ALL {
                assert_eq!(service(&event_text), event_text, "{name}: {event}");
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_live_is_left(
            parts in proptest::collection::vec(
                proptest::sample::select(vec![
                    "<", ">", "!", "@", "#", "|", "channel", "here", "everyone", "all", "U123",
                    "C9", "https://a.b", "x", " ", "\n", "at", "/at", "100000000000000001", "&",
                    "subteam^S1", ".", "naïve",
                ]),
                0..30,
            ),
        ) {
            let text = parts.concat();
            for (name, service) in ALL {
                let once = service(&text);
                prop_assert_eq!(service(&once), once, "{}", name);
            }
        }
    }

    #[test]
    fn slack_tokens_become_entities() {
        for (text, inert) in [
            ("<!channel> now", "&lt;!channel&gt; now"),
            ("<!here|here>", "&lt;!here|here&gt;"),
            ("<!subteam^S012|x>", "&lt;!subteam^S012|x&gt;"),
            ("hi <@U123>!", "hi &lt;@U123&gt;!"),
            ("<#C0A1|general>", "&lt;#C0A1|general&gt;"),
            ("<https://a.b|log in>", "&lt;https://a.b|log in&gt;"),
            ("<<!here>>", "<&lt;!here&gt;>"),
        ] {
            assert_eq!(slack(text), inert);
        }
    }

    #[test]
    fn discord_mentions_are_broken_invisibly() {
        for (text, inert) in [
            ("@everyone look", "@\u{200b}everyone look"),
            ("(@here).", "(@\u{200b}here)."),
            (
                "<@100000000000000001> <@!100000000000000002>",
                "<\u{200b}@100000000000000001> <\u{200b}@!100000000000000002>",
            ),
            (
                "<@&100000000000000003> <#100000000000000004>",
                "<\u{200b}@&100000000000000003> <\u{200b}#100000000000000004>",
            ),
        ] {
            assert_eq!(discord(text), inert);
        }
    }

    #[test]
    fn matrix_rooms_are_not_called() {
        assert_eq!(matrix("hey @room!"), "hey @\u{200b}room!");
        assert_eq!(matrix("@rooms a@room"), "@rooms a@room");
    }

    #[test]
    fn rocket_and_teams_mentions_are_broken_invisibly() {
        assert_eq!(rocket("@all <!here>"), "@\u{200b}all <\u{200b}!here>");
        assert_eq!(teams("<at>Jo</at>"), "<\u{200b}at>Jo</at>");
        assert_eq!(
            teams("<AT id=\"0\">Jo</At>"),
            "<\u{200b}AT id=\"0\">Jo</At>"
        );
    }
}
