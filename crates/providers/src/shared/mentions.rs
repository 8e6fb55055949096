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
    words(&broken_slack_tokens(text), &["all", "here"])
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
    words(&text, &["everyone", "here"])
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

/// Webex: `<@all>`, `<@personId:…>`, `<@personEmail:…>`, with or without a name behind a bar.
///
/// Source: <https://developer.webex.com/docs/basics#formatting-messages>.
pub(crate) fn webex(text: &str) -> String {
    rewrite(text, '<', |rest| {
        let (inside, _) = rest.strip_prefix("<@")?.split_once('>')?;
        let target = inside.split_once('|').map_or(inside, |(target, _)| target);
        let target = target.to_ascii_lowercase();
        let is_live = target == "all"
            || target.starts_with("personid:")
            || target.starts_with("personemail:");
        is_live.then(|| (1, format!("<{ZERO_WIDTH_SPACE}")))
    })
}

/// Lark: `<at id=…></at>` and its like, and `<a href=…>`.
///
/// Source: <https://open.larksuite.com/document/common-capabilities/message-card/message-cards-content/using-markdown-tags>.
pub(crate) fn lark(text: &str) -> String {
    rewrite(text, '<', |rest| {
        let is_live = attributes(rest, "at").is_some_and(|attributes| attributes.contains('='))
            || is_html_link(rest);
        is_live.then(|| (1, format!("<{ZERO_WIDTH_SPACE}")))
    })
}

/// Google Chat: `<users/…>`, and `<a href=…>` in cards.
///
/// Source: <https://developers.google.com/workspace/chat/format-messages>.
pub(crate) fn google_chat(text: &str) -> String {
    rewrite(text, '<', |rest| {
        let is_user = rest
            .strip_prefix("<users/")
            .and_then(|rest| rest.split_once('>'))
            .is_some_and(|(id, _)| {
                !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
            });
        (is_user || is_html_link(rest)).then(|| (1, format!("<{ZERO_WIDTH_SPACE}")))
    })
}

/// Zulip: `@**name**` and `@*group*`; the silent `@_**name**` tells nobody.
///
/// Source: <https://zulip.com/help/mention-a-user-or-group>.
pub(crate) fn zulip(text: &str) -> String {
    standing_alone(text, |rest| {
        let is_live = |stars: &str| {
            let (name, _) = rest.strip_prefix(stars)?.split_once(stars)?;
            Some(!name.is_empty() && !name.contains('*'))
        };
        is_live("**").or_else(|| is_live("*")).unwrap_or_default()
    })
}

/// Mattermost: Slack's tokens, which its webhooks translate, `@all`, `@channel` and `@here` in any
/// case.
///
/// Source: <https://developers.mattermost.com/integrate/webhooks/incoming>.
pub(crate) fn mattermost(text: &str) -> String {
    let text = broken_slack_tokens(text);
    standing_alone(&text, |rest| {
        ["all", "channel", "here"].iter().any(|word| {
            let (head, after) = rest.split_at_checked(word.len()).unwrap_or_default();
            head.eq_ignore_ascii_case(word) && !continues(after)
        })
    })
}

/// Telegram: `@name`, where names have 5 to 32 characters; it tells the person of that name.
///
/// Source: <https://core.telegram.org/method/account.checkUsername>.
pub(crate) fn telegram(text: &str) -> String {
    standing_alone(text, |rest| {
        let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let length = rest.find(|next: char| !is_word(next)).unwrap_or(rest.len());
        rest.starts_with(|first: char| first.is_ascii_alphabetic()) && (5..=32).contains(&length)
    })
}

/// The attributes of a tag at the start of a text, if it has any.
fn attributes<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (inside, _) = text.strip_prefix('<')?.split_once('>')?;
    let (found, attributes) = inside.split_once(char::is_whitespace)?;
    found.eq_ignore_ascii_case(name).then_some(attributes)
}

fn is_html_link(text: &str) -> bool {
    attributes(text, "a").is_some_and(|attributes| attributes.to_ascii_lowercase().contains("href"))
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

/// Slack's tokens for services that show entities as they are: an invisible space is used instead.
fn broken_slack_tokens(text: &str) -> String {
    rewrite(text, '<', |rest| {
        slack_token(rest)?;
        Some((1, format!("<{ZERO_WIDTH_SPACE}")))
    })
}

/// Puts an invisible space behind the `@` of each of these words where it stands by itself.
fn words(text: &str, words: &[&str]) -> String {
    standing_alone(text, |rest| {
        let is_word = |word: &&str| {
            rest.strip_prefix(*word)
                .is_some_and(|after| !continues(after))
        };
        words.iter().any(is_word)
    })
}

/// Puts an invisible space behind each `@` that continues no name and that what follows makes live.
fn standing_alone(text: &str, is_live: impl Fn(&str) -> bool) -> String {
    let mut before = None;
    let mut result = String::with_capacity(text.len());
    for (position, character) in text.char_indices() {
        result.push(character);
        if character == '@' && before.is_none_or(|before: char| !is_name(before)) {
            let rest = text.get(position + 1..).unwrap_or_default();
            if is_live(rest) {
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
mod tests;
