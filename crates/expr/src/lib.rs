//! What users program: CEL expressions and RE2 regular expressions.
