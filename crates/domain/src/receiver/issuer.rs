//! Whose tokens a Receiver takes, and what they must say.

use std::collections::BTreeSet;

use api::OidcProvider;
use expr::cel::{
    Budget, ChainError, CompileError, Definition, OutputType, Program, evaluate_chain,
};
use serde_json::Value;
use thiserror::Error;

use super::{Fault, filter};

/// The audience of tokens when none is configured.
pub const DEFAULT_AUDIENCE: &str = "notification-controller";

const VARIABLES: [&str; 2] = ["claims", "vars"];

/// One issuer with the conditions its tokens must meet.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// Byte for byte what tokens name as `iss`.
    pub url: String,
    /// What `aud` must contain.
    pub audience: String,
    definitions: Vec<Definition>,
    conditions: Vec<Program>,
    messages: Vec<String>,
}

/// Why the claims of a token do not do.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum ClaimsError {
    /// A variable could not be computed.
    #[error("failed to evaluate variable \"{name}\": {error}")]
    Variable {
        /// Its name.
        name: String,
        /// What went wrong.
        error: String,
    },
    /// A validation could not be computed.
    #[error("failed to evaluate validation: {0}")]
    Validation(String),
    /// Validations are false; their messages.
    #[error("token validation failed: {}", .0.join("; "))]
    Refused(Vec<String>),
}

impl Issuer {
    /// Whether the claims of a verified token meet all conditions.
    pub fn check(&self, claims: &Value, budget: Budget) -> Result<(), ClaimsError> {
        let variables = [("claims", claims)];
        let (definitions, conditions) = (&self.definitions, &self.conditions);
        let results = evaluate_chain(&variables, "vars", definitions, conditions, budget).map_err(
            |failed| match failed {
                ChainError::Definition { index, error } => ClaimsError::Variable {
                    name: self
                        .definitions
                        .get(index)
                        .map(|definition| definition.name.clone())
                        .unwrap_or_default(),
                    error: error.to_string(),
                },
                ChainError::Condition { error, .. } => ClaimsError::Validation(error.to_string()),
            },
        )?;
        let refused: Vec<String> = results
            .iter()
            .zip(&self.messages)
            .filter(|(holds, _)| !**holds)
            .map(|(_, message)| message.clone())
            .collect();
        if refused.is_empty() {
            Ok(())
        } else {
            Err(ClaimsError::Refused(refused))
        }
    }
}

/// Checks all issuers: first their fields, then their expressions, as the reference does.
pub(super) fn validate(providers: &[OidcProvider], faults: &mut Vec<Fault>) -> Vec<Issuer> {
    let mut seen = BTreeSet::new();
    for (index, provider) in providers.iter().enumerate() {
        check_fields(index, provider, &mut seen, faults);
    }
    let issuers = providers.iter().enumerate();
    issuers
        .map(|(index, provider)| compile(index, provider, faults))
        .collect()
}

fn check_fields<'a>(
    index: usize,
    provider: &'a OidcProvider,
    seen: &mut BTreeSet<&'a str>,
    faults: &mut Vec<Fault>,
) {
    let url = &provider.issuer_url;
    let base = format!("spec.oidcProviders[{index}]");
    let mut add = |field: &str, words: String| {
        let path = format!("{base}.{field}");
        faults.push(Fault::validation(
            path,
            format!("oidcProviders[{index}]{words}"),
        ));
    };
    if url.is_empty() {
        add("issuerURL", ": issuerURL is required".to_owned());
    } else if !url.starts_with("http://") && !url.starts_with("https://") {
        let words = format!(": issuerURL \"{url}\" must start with http:// or https://");
        add("issuerURL", words);
    } else if !seen.insert(url) {
        add("issuerURL", format!(": duplicate issuerURL \"{url}\""));
    }
    let of = format!(" (issuerURL=\"{url}\"): ");
    if provider.validations.is_empty() {
        let words = "at least one validation is required; tokens without one would all be taken";
        add("validations", format!("{of}{words}"));
    }
    for (place, (name, expression)) in provider.variables.iter().enumerate() {
        if name.is_empty() {
            add(
                &format!("variables[{place}].name"),
                format!("{of}variables[{place}]: name is required"),
            );
        } else if expression.is_empty() {
            add(
                &format!("variables[{place}].expression"),
                format!("{of}variables[{place}] (name=\"{name}\"): expression is required"),
            );
        }
    }
    for (place, (expression, message)) in provider.validations.iter().enumerate() {
        for (text, field) in [(expression, "expression"), (message, "message")] {
            if text.is_empty() {
                add(
                    &format!("validations[{place}].{field}"),
                    format!("{of}validations[{place}]: {field} is required"),
                );
                break;
            }
        }
    }
}

fn compile(index: usize, provider: &OidcProvider, faults: &mut Vec<Fault>) -> Issuer {
    let base = format!("spec.oidcProviders[{index}]");
    let of = format!(
        "oidcProviders[{index}] (issuerURL=\"{}\"): ",
        provider.issuer_url
    );
    let mut add = |field: String, what: String, source: &str, error: &CompileError| {
        let words = filter::words(source, error);
        let prefix = format!("{of}invalid expression for {what}: ");
        faults.push(Fault::expression(
            format!("{base}.{field}"),
            &prefix,
            &words,
        ));
    };
    let mut definitions = Vec::new();
    // Empty expressions were reported already.
    let variables = provider.variables.iter().enumerate();
    for (place, (name, source)) in variables.filter(|(_, (_, source))| !source.is_empty()) {
        match Program::compile_any(source, &VARIABLES) {
            Ok(program) => definitions.push(Definition {
                name: name.clone(),
                program,
            }),
            Err(error) => add(
                format!("variables[{place}].expression"),
                format!("variable \"{name}\""),
                source,
                &error,
            ),
        }
    }
    let (mut conditions, mut messages) = (Vec::new(), Vec::new());
    let validations = provider.validations.iter().enumerate();
    for (place, (source, message)) in validations.filter(|(_, (source, _))| !source.is_empty()) {
        match Program::compile(source, &VARIABLES, OutputType::Bool) {
            Ok(program) => {
                conditions.push(program);
                messages.push(message.clone());
            }
            Err(error) => add(
                format!("validations[{place}].expression"),
                format!("validation \"{message}\""),
                source,
                &error,
            ),
        }
    }
    Issuer {
        url: provider.issuer_url.clone(),
        audience: if provider.audience.is_empty() {
            DEFAULT_AUDIENCE.to_owned()
        } else {
            provider.audience.clone()
        },
        definitions,
        conditions,
        messages,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn issuer(variables: &[(&str, &str)], validations: &[(&str, &str)]) -> Issuer {
        let pairs = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(left, right)| ((*left).to_owned(), (*right).to_owned()))
                .collect()
        };
        let provider = OidcProvider {
            issuer_url: "https://issuer.example".to_owned(),
            audience: String::new(),
            variables: pairs(variables),
            validations: pairs(validations),
        };
        let mut faults = Vec::new();
        let issuers = validate(&[provider], &mut faults);
        assert_eq!(faults, []);
        issuers.into_iter().next().unwrap()
    }

    #[test]
    fn all_false_validations_are_named() {
        let issuer = issuer(
            &[],
            &[
                ("claims.repo == 'org/app'", "wrong repo"),
                ("claims.env == 'prod'", "wrong env"),
                ("true", "never"),
            ],
        );
        assert_eq!(issuer.audience, DEFAULT_AUDIENCE);
        let good = json!({"repo": "org/app", "env": "prod"});
        assert_eq!(issuer.check(&good, Budget::default()), Ok(()));
        let bad = json!({"repo": "evil", "env": "dev"});
        assert_eq!(
            issuer
                .check(&bad, Budget::default())
                .unwrap_err()
                .to_string(),
            "token validation failed: wrong repo; wrong env"
        );
    }

    #[test]
    fn a_variable_that_cannot_be_computed_refuses_the_token() {
        let issuer = issuer(&[("x", "claims.nope")], &[("true", "m")]);
        assert_eq!(
            issuer
                .check(&json!({}), Budget::default())
                .unwrap_err()
                .to_string(),
            "failed to evaluate variable \"x\": no such key: nope"
        );
    }
}
