//! What we decide: match, merge, plan, retry.
