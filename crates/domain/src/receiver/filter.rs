//! Filters of a Receiver: expressions over the object, what was sent, and the token's claims.

use expr::cel::{Budget, CompileError, CompileProblem, EvaluationError, OutputType, Program};
use serde_json::Value;
use thiserror::Error;

/// A compiled filter.
#[derive(Clone, Debug)]
pub struct Filter {
    program: Program,
    source: String,
}

/// Why a filter gave no answer. The words are the reference's.
#[derive(Clone, Debug, Error, PartialEq)]
#[error("failed to evaluate the CEL expression '{expression}': {error}")]
pub struct FilterError {
    /// The expression, cut to 256 characters.
    pub expression: String,
    /// What went wrong.
    pub error: EvaluationError,
}

/// What a filter may look at (`receivers.md` section 7).
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// `apiVersion`, `kind` and `metadata` of the object.
    pub object: &'a Value,
    /// What was sent: an object, empty when it was no JSON.
    pub payload: &'a Value,
    /// The claims of the token, for the type that has them.
    pub claims: Option<&'a Value>,
}

impl Filter {
    /// Compiles an expression; `claims` are known for one type only.
    pub fn compile(source: &str, with_claims: bool) -> Result<Self, CompileError> {
        let variables: &[&str] = if with_claims {
            &["res", "req", "claims"]
        } else {
            &["res", "req"]
        };
        let program = Program::compile(source, variables, OutputType::Bool)?;
        Ok(Self {
            program,
            source: source.to_owned(),
        })
    }

    /// Whether an object passes. The budget bounds what an expression can do with 3 MiB that
    /// somebody sent.
    pub fn accepts(&self, seen: Seen<'_>, budget: Budget) -> Result<bool, FilterError> {
        let mut variables = vec![("res", seen.object), ("req", seen.payload)];
        variables.extend(seen.claims.map(|claims| ("claims", claims)));
        self.program
            .evaluate_bool(&variables, budget)
            .map_err(|error| FilterError {
                expression: self.source.chars().take(256).collect(),
                error,
            })
    }
}

/// The reference's words for an expression that does not compile.
pub(super) fn words(source: &str, error: &CompileError) -> String {
    match error.problem() {
        CompileProblem::OutputType { .. } => format!("CEL expression {error}"),
        problem if error.is_about_a_constant() => {
            format!("failed to create CEL program: {problem}")
        }
        _ => format!("failed to parse the CEL expression '{source}': {error}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn filters_see_object_payload_and_claims() {
        let object = json!({"kind": "Bucket", "metadata": {"name": "b"}});
        let payload = json!({"tag": "b:1"});
        let claims = json!({"sub": "x"});
        let seen = Seen {
            object: &object,
            payload: &payload,
            claims: Some(&claims),
        };
        let source = "res.metadata.name == req.tag.split(':')[0] && claims.sub == 'x'";
        let filter = Filter::compile(source, true).unwrap();
        assert_eq!(filter.accepts(seen, Budget::default()), Ok(true));
        assert!(Filter::compile(source, false).is_err());
    }

    #[test]
    fn an_expression_cannot_work_without_end_on_a_large_payload() {
        let list: Vec<u32> = (0..3000).collect();
        let payload = json!({ "list": list });
        let seen = Seen {
            object: &json!({}),
            payload: &payload,
            claims: None,
        };
        let source = "req.list.all(i, req.list.all(j, req.list.exists(k, k == j)))";
        let error = Filter::compile(source, false)
            .unwrap()
            .accepts(seen, Budget::default())
            .unwrap_err();
        assert!(matches!(error.error, EvaluationError::BudgetExhausted(_)));
    }

    #[test]
    fn words_about_expressions_are_the_references() {
        let words = |source: &str| words(source, &Filter::compile(source, false).unwrap_err());
        assert_eq!(
            words("'test'"),
            "CEL expression output type mismatch: expected bool, got string"
        );
        assert!(words("requrest.x == 1").contains("undeclared reference to 'requrest'"));
    }
}
