//! Documents, places of fields, bounds.

use std::fmt::Write as _;

use serde_json::json;

use super::*;

fn objects(text: &str) -> Vec<Value> {
    parse(text)
        .into_iter()
        .map(|document| document.unwrap().object)
        .collect()
}

fn only(text: &str) -> Manifest {
    let mut documents = parse(text);
    assert_eq!(documents.len(), 1, "{documents:?}");
    documents.remove(0).unwrap()
}

fn broken(text: &str) -> Broken {
    let mut documents = parse(text);
    assert_eq!(documents.len(), 1, "{documents:?}");
    documents.remove(0).unwrap_err()
}

#[test]
fn fields_know_where_they_were_written() {
    let manifest = only(concat!(
        "# comment\n",
        "kind: Alert\n",
        "metadata:\n",
        "  labels:\n",
        "    app.kubernetes.io/name: x\n",
        "spec:\n",
        "  eventSources:\n",
        "    - name: '*'\n",
        "    -   kind: HelmRelease\n",
        "  inclusionList: [a, 'b']\n",
    ));
    let of = |path: &str| manifest.positions.of(path).to_string();
    assert_eq!(of(""), "2:1");
    assert_eq!(of("kind"), "2:1");
    assert_eq!(of("metadata.labels.app.kubernetes.io/name"), "5:5");
    assert_eq!(of("spec.eventSources[0].name"), "8:7");
    assert_eq!(of("spec.eventSources[1].kind"), "9:9");
    assert_eq!(of("spec.inclusionList[1]"), "10:22");
}

#[test]
fn a_missing_field_is_at_the_nearest_field_around_it() {
    let manifest = only("spec:\n  eventSources:\n    - name: x\n");
    let of = |path: &str| manifest.positions.of(path).to_string();
    assert_eq!(of("spec.eventSources[0].kind"), "3:7");
    assert_eq!(of("spec.eventSources[7].kind"), "2:3");
    assert_eq!(of("spec.providerRef.name"), "1:1");
    assert_eq!(of("metadata.name"), "1:1");
    assert_eq!(of("spec.event"), "1:1");
}

#[test]
fn a_broken_document_does_not_hurt_its_neighbours() {
    let documents = parse("a: 1\n---\nb: [\n---\nc: 'x\n---\nd: 2\n");
    assert_eq!(documents.len(), 4);
    assert_eq!(documents[0].as_ref().unwrap().object, json!({"a": 1}));
    assert_eq!(documents[3].as_ref().unwrap().object, json!({"d": 2}));
    assert_eq!(documents[3].as_ref().unwrap().positions.of("d").line, 7);
    for index in [1, 2] {
        let broken = documents[index].as_ref().unwrap_err();
        assert!(
            broken.problem.message.starts_with("not YAML: "),
            "{broken:?}"
        );
        assert!((3..=6).contains(&broken.position.line), "{broken:?}");
    }
}

#[test]
fn windows_line_ends_and_byte_order_marks_are_fine() {
    let documents = parse("\u{feff}a: 1\r\n---\r\nb: |\r\n  x\r\n  y\r\n---\r\n");
    let objects: Vec<_> = documents
        .iter()
        .map(|d| &d.as_ref().unwrap().object)
        .collect();
    assert_eq!(objects, [&json!({"a": 1}), &json!({"b": "x\ny\n"})]);
    assert_eq!(
        documents[0].as_ref().unwrap().positions.of("a").to_string(),
        "1:1"
    );
    assert_eq!(
        documents[1].as_ref().unwrap().positions.of("b").to_string(),
        "3:1"
    );
}

#[test]
fn a_tab_as_indentation_is_explained() {
    let broken = broken("spec:\n\ttype: slack\n");
    assert_eq!(broken.position.line, 2, "{broken:?}");
    assert_eq!(
        broken.problem.hint.as_deref(),
        Some("YAML takes only spaces for indentation"),
        "{broken:?}"
    );
}

#[test]
fn an_unquoted_star_is_explained() {
    let broken = broken("name: *\n");
    assert_eq!(broken.position.line, 1);
    let hint = broken.problem.hint.unwrap_or(broken.problem.message);
    assert!(hint.contains("'*'"), "{hint}");
}

#[test]
fn a_key_that_is_there_twice_is_a_problem() {
    let broken = broken("spec:\n  type: slack\n  address: x\n  type: github\n");
    assert_eq!(broken.position.to_string(), "4:3");
    assert_eq!(broken.problem.message, "the key `type` is there twice");
}

#[test]
fn json_is_read_with_positions() {
    let manifest =
        only("{\n\t\"kind\": \"Alert\",\n\t\"spec\": {\n\t\t\"suspend\": true\n\t}\n}\n");
    assert_eq!(
        manifest.object,
        json!({"kind": "Alert", "spec": {"suspend": true}})
    );
    assert_eq!(manifest.positions.of("spec.suspend").to_string(), "4:3");
}

#[test]
fn json_with_surrogate_pairs_is_read() {
    let manifest = only(r#"{"kind": "A", "summary": "\ud83d\ude00", "n": [1, -2, 1.5, null]}"#);
    assert_eq!(
        manifest.object,
        json!({"kind": "A", "summary": "😀", "n": [1, -2, 1.5, null]})
    );
    assert_eq!(parse(r#"{"a": "\ud83d\ude00", "a": 1}"#).len(), 1);
    assert!(parse(r#"{"a": "\ud83d\ude00", "a": 1}"#)[0].is_err());
}

#[test]
fn anchors_aliases_and_merge_keys_work() {
    assert_eq!(
        objects(concat!(
            "base: &base {a: 1, b: 2}\n",
            "one: *base\n",
            "two:\n  <<: *base\n  b: 3\n",
            "three:\n  <<: [{a: 9}, *base]\n",
        )),
        [json!({
            "base": {"a": 1, "b": 2},
            "one": {"a": 1, "b": 2},
            "two": {"a": 1, "b": 3},
            "three": {"a": 9, "b": 2},
        })]
    );
    let two = "a: &a {x: 1}\nb:\n  <<: *a\n  <<: *a\n";
    assert_eq!(broken(two).problem.message, "the key `<<` is there twice");
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(text, "a{level}: &a{level} [{items}]").unwrap();
    }
    assert_eq!(
        broken(&text).problem.message,
        "anchors and aliases make this document too large"
    );
    let long = format!(
        "a: &a {}\nb:\n{}",
        "x".repeat(1000),
        "  - *a\n".repeat(2000)
    );
    assert_eq!(
        broken(&long).problem.message,
        "anchors and aliases make this document too large"
    );
}

#[test]
fn nested_anchors_are_counted_too() {
    let items = "x,".repeat(20_000);
    let open: Vec<_> = (0..40).map(|level| format!("&a{level} [")).collect();
    let open = open.concat();
    let text = format!("a: {open}{items}{}", "]".repeat(40));
    assert_eq!(
        broken(&text).problem.message,
        "anchors and aliases make this document too large"
    );
}

#[test]
fn an_alias_to_what_is_around_it_is_refused() {
    assert_eq!(
        broken("a: &a\n  b: *a\n").problem.message,
        "not YAML: an alias inside its own value"
    );
}

#[test]
fn nesting_has_a_limit_also_through_aliases() {
    let flow = format!("a: {}{}", "[".repeat(100), "]".repeat(100));
    assert_eq!(
        broken(&flow).problem.message,
        "nested more than 64 levels deep"
    );
    let block = format!("{}x", "- ".repeat(100_000));
    assert_eq!(
        broken(&block).problem.message,
        "nested more than 64 levels deep"
    );
    let half = |inner: &str| format!("{}{inner}{}", "[".repeat(40), "]".repeat(40));
    let through = format!("a: &a {}\nb: {}", half("x"), half("*a"));
    assert_eq!(
        broken(&through).problem.message,
        "nested more than 64 levels deep"
    );
}

#[test]
fn tags_are_known_or_refused() {
    assert_eq!(
        objects("a: !!str 1\nb: !!int '2'\nc: ! yes\nd: !!map {}"),
        [json!({"a": "1", "b": 2, "c": "yes", "d": {}})]
    );
    assert_eq!(
        broken("a: !vault x").problem.message,
        "the tag `!vault` is not known"
    );
    assert_eq!(broken("a: !!int x").problem.message, "this is no `!!int`");
}

#[test]
fn a_list_stands_for_its_items() {
    let documents = parse(concat!(
        "apiVersion: v1\n",
        "kind: List\n",
        "items:\n",
        "  - kind: Alert\n",
        "    spec:\n",
        "      suspend: true\n",
        "  - text\n",
        "  - {kind: List, apiVersion: v1, items: [{kind: Provider}]}\n",
    ));
    assert_eq!(documents.len(), 3);
    let alert = documents[0].as_ref().unwrap();
    assert_eq!(alert.object["kind"], "Alert");
    assert_eq!(alert.positions.root().to_string(), "4:5");
    assert_eq!(alert.positions.of("spec.suspend").to_string(), "6:7");
    assert_eq!(documents[1].as_ref().unwrap_err().position.line, 7);
    assert_eq!(documents[2].as_ref().unwrap().object["kind"], "Provider");
}

#[test]
fn empty_documents_are_left_out() {
    assert!(parse("").is_empty());
    assert!(parse("# nothing\n---\n---\n# nothing\n...\n~\n").is_empty());
}

#[test]
fn what_is_no_object_is_named() {
    assert_eq!(
        broken("- a\n").problem.message,
        "expected an object, got a list"
    );
    assert_eq!(
        broken("hello\n").problem.message,
        "expected an object, got a single value"
    );
}

#[test]
fn large_documents_and_files_are_refused_alone() {
    let large = format!("a: {}\n---\nb: 1\n", "x".repeat(DOCUMENT_LIMIT));
    let documents = parse(&large);
    assert_eq!(
        documents[0].as_ref().unwrap_err().problem.message,
        "the document is larger than 1 MiB"
    );
    assert!(documents[1].is_ok());
    let huge = " ".repeat(FILE_LIMIT + 1);
    assert_eq!(broken(&huge).problem.message, "is larger than 16 MiB");
}

#[test]
fn bytes_that_are_no_text_are_located() {
    let documents = parse_bytes(b"a: 1\nb: \xff\n");
    let broken = documents[0].as_ref().unwrap_err();
    assert_eq!(broken.position.to_string(), "2:4");
    assert_eq!(parse_bytes(b"a: 1\n").len(), 1);
}

#[test]
fn no_problem_shows_a_value() {
    for text in [
        "token: 'hunter2\n",
        "data:\n  token: hunter2: hunter2\n",
        "data:\n  token: hunter2\n token: hunter2\n",
        "token: \"hunter2\\q\"\n",
        "token: !!int hunter2\n",
    ] {
        let broken = broken(text);
        assert!(!format!("{broken:?}").contains("hunter2"), "{broken:?}");
    }
    let manifest = only("token: hunter2\n");
    assert!(!format!("{manifest:?}").contains("hunter2"));
}
