//! An object as the API server gives it: JSON, and nothing about it is sure.

use std::sync::Arc;

use api::{Alert, Provider, Receiver};
use domain::receiver::ReceiverRules;
use domain::{ValidAlert, ValidProvider, ValidReceiver};
use providers::Directory;
use serde_json::Value;

use super::Target;
use crate::features::feature;
use crate::seeds;

pub(super) const TARGET: Target = Target {
    name: "objects",
    seeds: objects,
    words: &[
        "null",
        "{}",
        "[]",
        "\"\"",
        "\"spec\":{",
        "\"metadata\":{",
        "\"eventSources\":[{",
        "\"matchLabels\":{\"*\":\"*\"}",
        "\"inclusionList\":[\"(\"]",
        "\"interval\":\"9999999999m\"",
        "\"timeout\":-1",
        "\"secretRef\":{\"name\":\"../x\"}",
        "\"events\":[\"push\"]",
        "\"resourceFilter\":\"",
        "\"oidcProviders\":[{",
        "\"issuerURL\":\"http://",
        "\"validations\":[{\"expression\":\"",
        "\"suspend\":\"yes\"",
        "\"name\":\"*\"",
        "\"namespace\":",
    ],
    run,
};

fn objects() -> Vec<Vec<u8>> {
    let receivers = [
        r#"{"kind":"Receiver","metadata":{"name":"r","namespace":"n"},"spec":{"type":"github","events":["push"],"secretRef":{"name":"t"},"interval":"5m","resourceFilter":"req.ref == 'x'","resources":[{"kind":"GitRepository","name":"*","matchLabels":{"a":"b"}}]}}"#,
        r#"{"kind":"Receiver","metadata":{"name":"r","namespace":"n"},"spec":{"type":"generic-oidc","oidcProviders":[{"issuerURL":"https://i","audience":"a","variables":[{"name":"v","expression":"claims.sub"}],"validations":[{"expression":"vars.v == 'x'","message":"m"}]}],"resources":[{"kind":"OCIRepository","name":"x"}]}}"#,
        r#"{"kind":"Alert","metadata":{"name":"a","namespace":"n"},"spec":{"providerRef":{"name":"p"},"eventSeverity":"error","eventSources":[{"kind":"Kustomization","name":"*","matchLabels":{"a":"b"}}],"inclusionList":["^a"],"exclusionList":["b$"],"eventMetadata":{"k":"v"},"summary":"s"}}"#,
    ];
    let recorded = seeds::cases().into_iter().flat_map(|case| case.objects);
    receivers
        .into_iter()
        .map(|text| text.as_bytes().to_vec())
        .chain(recorded.map(|object| object.to_string().into_bytes()))
        .collect()
}

/// Validating never panics, whatever it is taken for, and a refusal says why.
fn run(input: &[u8]) -> Result<(), String> {
    let Ok(object) = serde_json::from_slice::<Value>(input) else {
        return Ok(());
    };
    let object = Arc::new(object);
    let provider = ValidProvider::validate(&Provider::from_object(Arc::clone(&object)), &Directory);
    let alert = ValidAlert::validate(&Alert::from_object(Arc::clone(&object)));
    let receiver = Receiver::from_object(object);
    let receiver = ValidReceiver::validate(&receiver, ReceiverRules::default());
    for problem in provider.problems.iter().chain(&alert.problems) {
        feature(&problem.message);
    }
    feature(
        &format!("{receiver:?}")
            .chars()
            .take(120)
            .collect::<String>(),
    );
    if provider.value.is_none() && provider.problems.is_empty() {
        return Err("a Provider is refused without a problem".to_owned());
    }
    if alert.value.is_none() && alert.problems.is_empty() {
        return Err("an Alert is refused without a problem".to_owned());
    }
    Ok(())
}
