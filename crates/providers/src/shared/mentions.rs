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
    rewrite(text, |token| {
        is_slack_token(token.inside).then(|| format!("&lt;{}&gt;", token.inside))
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
    let text = broken(text, |token| {
        let digits = ["@!", "@&", "@", "#"]
            .iter()
            .find_map(|sigil| token.inside.strip_prefix(sigil));
        // Ids are 64-bit numbers made from a time in milliseconds.
        digits.is_some_and(|digits| {
            (15..=20).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
        })
    });
    words(&text, &["everyone", "here"])
}

/// Microsoft Teams: `<at>…</at>`.
///
/// Source: <https://learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/cards-format>.
pub(crate) fn teams(text: &str) -> String {
    let last_end = text.to_ascii_lowercase().rfind("</at>");
    broken(text, |token| {
        let attributes = without_case(token.inside, "at");
        let is_tag = attributes.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
        is_tag && last_end.is_some_and(|end| token.position < end)
    })
}

/// Matrix: `@room`.
///
/// Source: <https://spec.matrix.org/latest/client-server-api/#user-and-room-mentions>.
pub(crate) fn matrix(text: &str) -> String {
    words(text, &["room"])
}

/// Webex: `<@all>`, `<@personId:…>`, `<@personEmail:…>`, with or without a name behind a bar.
///
/// Source: <https://developer.webex.com/docs/basics#formatting-messages>.
pub(crate) fn webex(text: &str) -> String {
    broken(text, |token| {
        without_case(token.inside, "@all")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('|'))
            || without_case(token.inside, "@personId:").is_some()
            || without_case(token.inside, "@personEmail:").is_some()
    })
}

/// Lark: `<at id=…></at>` and its like, and `<a href=…>`.
///
/// Source: <https://open.larksuite.com/document/common-capabilities/message-card/message-cards-content/using-markdown-tags>.
pub(crate) fn lark(text: &str) -> String {
    broken(text, |token| {
        attributes(token.inside, "at").is_some_and(|attributes| attributes.contains('='))
            || is_html_link(token.inside)
    })
}

/// Google Chat: `<users/…>`, and `<a href=…>` in cards.
///
/// Source: <https://developers.google.com/workspace/chat/format-messages>.
pub(crate) fn google_chat(text: &str) -> String {
    broken(text, |token| {
        let id = token.inside.strip_prefix("users/").unwrap_or_default();
        let is_user = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_user || is_html_link(token.inside)
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

/// GitHub, GitLab and Gitea: `@user` and `@group/team`, commands such as `/close` at the start of a
/// line, which GitLab and bots obey, and the markers by which comments of ours are found again.
///
/// Sources: <https://docs.gitlab.com/user/project/quick_actions/>,
/// <https://docs.github.com/en/get-started/writing-on-github/getting-started-with-writing-and-formatting-on-github/basic-writing-and-formatting-syntax>.
pub(crate) fn git_host(text: &str) -> String {
    let text = broken_markers(text);
    let mut result = String::with_capacity(text.len());
    // The word so far, and whether only spaces stand before this character in its line.
    let (mut word, mut is_line_start) = (0, true);
    for (position, character) in text.char_indices() {
        let rest = text.get(position..).unwrap_or_default();
        if character == '/' && is_line_start && is_command(rest) {
            result.push(ZERO_WIDTH_SPACE);
        }
        result.push(character);
        if character == '@' && is_mention(text.get(word..position).unwrap_or_default(), rest) {
            result.push(ZERO_WIDTH_SPACE);
        }
        if character.is_whitespace() || "()<>[]\"'*~`|".contains(character) {
            word = position + character.len_utf8();
        }
        is_line_start =
            matches!(character, '\n' | '\r') || is_line_start && character.is_whitespace();
    }
    result
}

/// Breaks the markers by which comments of ours are found again, whether they end or not.
fn broken_markers(text: &str) -> String {
    let mut parts = text.split("<!--");
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_marker = ["flux-pr-comment-key:", "flux-mr-comment-key:"]
            .iter()
            .any(|prefix| part.trim_start().starts_with(prefix));
        result.push('<');
        if is_marker {
            result.push(ZERO_WIDTH_SPACE);
        }
        result.push_str("!--");
        result.push_str(part);
    }
    result
}

/// A lone word of letters behind the slash; paths go on.
fn is_command(rest: &str) -> bool {
    let name = rest.strip_prefix('/').unwrap_or_default();
    let after =
        name.trim_start_matches(|one: char| one.is_ascii_alphanumeric() || "_-".contains(one));
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && after.chars().next().is_none_or(char::is_whitespace)
}

/// Whether the `@` at the start of `rest` mentions somebody; `word` is what stands before it.
fn is_mention(word: &str, rest: &str) -> bool {
    let is_name = |one: char| one.is_alphanumeric() || one == '_';
    let is_link = ["http://", "https://"].iter().any(|scheme| {
        let host = word
            .strip_prefix(scheme)
            .and_then(|rest| rest.split_once('/'));
        host.is_some_and(|(host, _)| host.contains('.') && host.starts_with(is_name))
    });
    !is_link && !word.ends_with(is_name) && rest.chars().nth(1).is_some_and(is_name)
}

/// The attributes of a tag, if it has any.
fn attributes<'a>(inside: &'a str, name: &str) -> Option<&'a str> {
    let attributes = without_case(inside, name)?;
    attributes.starts_with(char::is_whitespace).then(|| {
        // What has another bracket in it is no tag; looking on would make long texts slow.
        attributes.split('<').next().unwrap_or_default()
    })
}

fn is_html_link(inside: &str) -> bool {
    attributes(inside, "a")
        .is_some_and(|attributes| attributes.to_ascii_lowercase().contains("href"))
}

/// What follows a beginning, in any case.
fn without_case<'a>(text: &'a str, beginning: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(beginning.len())?;
    head.eq_ignore_ascii_case(beginning).then_some(rest)
}

/// Whether Slack acts on what stands between two brackets.
fn is_slack_token(inside: &str) -> bool {
    if inside.contains(['<', '\n']) {
        return false;
    }
    let (target, label) = match inside.split_once('|') {
        Some((target, label)) => (target, Some(label)),
        None => (inside, None),
    };
    let is_id = |id: &str, first: &[char]| {
        id.starts_with(first) && id.len() > 1 && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    if let Some(command) = target.strip_prefix('!') {
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
    }
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
    broken(text, |token| is_slack_token(token.inside))
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

/// What stands between a `<` and the next `>`.
struct Token<'a> {
    /// Where the `<` is.
    position: usize,
    inside: &'a str,
}

/// Puts an invisible space behind the `<` of each live token.
fn broken(text: &str, is_live: impl Fn(&Token<'_>) -> bool) -> String {
    rewrite(text, |token| {
        is_live(token).then(|| format!("<{ZERO_WIDTH_SPACE}{}>", token.inside))
    })
}

/// Goes through a text; each token may be replaced. The time it takes grows with the text's length
/// and no faster, as long as `replaced` looks no further than the next `<`.
fn rewrite(text: &str, replaced: impl Fn(&Token<'_>) -> Option<String>) -> String {
    let mut result = String::with_capacity(text.len());
    let mut copied = 0;
    let mut ends = text.match_indices('>').map(|(end, _)| end).peekable();
    for (position, _) in text.match_indices('<') {
        while ends.next_if(|end| *end < position).is_some() {}
        let Some(end) = ends.peek().copied() else {
            break;
        };
        if position < copied {
            continue;
        }
        let inside = text.get(position + 1..end).unwrap_or_default();
        if let Some(replacement) = replaced(&Token { position, inside }) {
            result.push_str(text.get(copied..position).unwrap_or_default());
            result.push_str(&replacement);
            copied = end + 1;
        }
    }
    result.push_str(text.get(copied..).unwrap_or_default());
    result
}

#[cfg(test)]
mod tests;
