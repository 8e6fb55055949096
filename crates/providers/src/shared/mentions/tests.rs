//! What is broken up, and what stays byte for byte.

use proptest::prelude::*;

use super::*;

type Service = fn(&str) -> String;

const ALL: [(&str, Service); 11] = [
    ("matrix", matrix),
    ("slack", slack),
    ("rocket", rocket),
    ("discord", discord),
    ("teams", teams),
    ("webex", webex),
    ("lark", lark),
    ("google_chat", google_chat),
    ("zulip", zulip),
    ("mattermost", mattermost),
    ("telegram", telegram),
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
        "@team/x @user naïve 日本語 🚨",
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
        for (name, service) in ALL.into_iter().chain([("git", git_host as Service)]) {
            assert_eq!(service(&event_text), event_text, "{name}: {event}");
        }
    }
}

/// Commands and names that mention nobody elsewhere do so at Git hosts.
#[test]
fn git_hosts_are_told_nothing_live() {
    for (text, inert) in [
        ("@user look", "@\u{200b}user look"),
        ("(@org/team), @all.", "(@\u{200b}org/team), @\u{200b}all."),
        ("a-@b /@c", "a-@\u{200b}b /@\u{200b}c"),
        ("http://@user x", "http://@\u{200b}user x"),
        (
            "/close\n  /assign @me",
            "\u{200b}/close\n  \u{200b}/assign @\u{200b}me",
        ),
        ("x\r/merge", "x\r\u{200b}/merge"),
        (
            "<!-- flux-pr-comment-key:u/K/n/m --> <!--flux-mr-comment-key:x",
            "<\u{200b}!-- flux-pr-comment-key:u/K/n/m --> <\u{200b}!--flux-mr-comment-key:x",
        ),
    ] {
        assert_eq!(git_host(text), inert);
        assert_eq!(git_host(inert), inert);
    }
    for text in [
        "someone@example.com podinfo@6.5.4 main@sha1:abc",
        "https://example.com/@types/node and a/b",
        "/apis/apps/v1 is gone, not /close",
        "/etc/passwd\n/ x\n/1 x\n//close",
        "a < b, <!-- note -->, @ @- #42 !7",
        "naïve 日本語 🚨",
    ] {
        assert_eq!(git_host(text), text);
    }
}

#[test]
fn matrix_rooms_are_not_called() {
    assert_eq!(matrix("hey @room!"), "hey @\u{200b}room!");
    assert_eq!(matrix("@rooms a@room"), "@rooms a@room");
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
        for (name, service) in ALL.into_iter().chain([("git", git_host as Service)]) {
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
fn rocket_and_teams_mentions_are_broken_invisibly() {
    assert_eq!(rocket("@all <!here>"), "@\u{200b}all <\u{200b}!here>");
    assert_eq!(teams("<at>Jo</at>"), "<\u{200b}at>Jo</at>");
    assert_eq!(
        teams("<AT id=\"0\">Jo</At>"),
        "<\u{200b}AT id=\"0\">Jo</At>"
    );
}

#[test]
fn tags_of_other_services_are_broken_invisibly() {
    for (service, text, inert) in [
        (webex as Service, "<@all> up", "<\u{200b}@all> up"),
        (
            webex,
            "<@personEmail:jo@example.com|Jo>",
            "<\u{200b}@personEmail:jo@example.com|Jo>",
        ),
        (webex, "<@personId:Y2lz>", "<\u{200b}@personId:Y2lz>"),
        (webex, "<@U123> <@> <@al", "<@U123> <@> <@al"),
        (lark, "<at id=all></at>", "<\u{200b}at id=all></at>"),
        (
            lark,
            "<at email=\"jo@example.com\"></at>",
            "<\u{200b}at email=\"jo@example.com\"></at>",
        ),
        (
            lark,
            "<a href='https://a.b'>log in</a>",
            "<\u{200b}a href='https://a.b'>log in</a>",
        ),
        (lark, "rules[0]<at 3> <a b>", "rules[0]<at 3> <a b>"),
        (google_chat, "<users/all>", "<\u{200b}users/all>"),
        (google_chat, "<users/42>!", "<\u{200b}users/42>!"),
        (
            google_chat,
            "<A HREF=\"https://a.b\">x</A>",
            "<\u{200b}A HREF=\"https://a.b\">x</A>",
        ),
        (google_chat, "<users/> <users/a b>", "<users/> <users/a b>"),
    ] {
        assert_eq!(service(text), inert);
    }
}

#[test]
fn words_of_other_services_are_broken_invisibly() {
    for (service, text, inert) in [
        (zulip as Service, "@**all** up", "@\u{200b}**all** up"),
        (zulip, "(@**Jo Doe|12**)", "(@\u{200b}**Jo Doe|12**)"),
        (zulip, "@*backend*", "@\u{200b}*backend*"),
        (
            zulip,
            "@_**Jo**, a@**b**, @****",
            "@_**Jo**, a@**b**, @****",
        ),
        (mattermost, "@all @Here", "@\u{200b}all @\u{200b}Here"),
        (
            mattermost,
            "@channel: <!here>",
            "@\u{200b}channel: <\u{200b}!here>",
        ),
        (
            mattermost,
            "@allow @here.example.com",
            "@allow @here.example.com",
        ),
        (telegram, "ask @durov_1!", "ask @\u{200b}durov_1!"),
        (telegram, "@here @1234567 x@durov", "@here @1234567 x@durov"),
    ] {
        assert_eq!(service(text), inert);
    }
}

#[test]
fn the_time_it_takes_grows_with_the_length_of_a_text_and_no_faster() {
    // With time that grows with the square of the length nobody would wait for the end of this.
    for part in [
        "<", "<a ", "<at ", "<at>", "<@", "<!", "<users/", "<x|", "@", "@*", "@**", "@**a", "@all",
        "@a",
    ] {
        for end in ["", "=>"] {
            let text = part.repeat(200_000 / part.len()) + end;
            for (_, service) in ALL {
                assert!(service(&text).len() >= text.len());
            }
        }
    }
}
