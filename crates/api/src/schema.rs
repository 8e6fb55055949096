//! The schemas of our objects as data: one table that checks manifests and makes the CRDs.
//!
//! Source: the reference's CRDs (`crds.md`). Where older API versions were stricter or looser, the
//! current rules hold; object kinds in `eventSources` are not limited to Flux's twelve.

mod check;
mod rules;
mod tables;

pub use check::check;
pub use rules::{RECEIVER_RULES, Rule};
pub use tables::{
    ALERT, DEFAULT_EVENT_SEVERITY, DEFAULT_RECEIVER_INTERVAL, PROVIDER, RECEIVER, RECEIVER_TYPES,
    RECONCILED_KINDS, is_commit_status_rule_broken,
};

/// The shape of a value.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// An object with these fields.
    Object(&'static [Field]),
    /// A string under rules.
    Text(TextRules),
    /// `true` or `false`.
    Boolean,
    /// A list.
    List(&'static Shape),
    /// A list with at least one item.
    NonEmptyList(&'static Shape),
    /// A list of objects, no two of which have the same text in the field `key`.
    KeyedList {
        /// The shape of each object.
        item: &'static Shape,
        /// The field that tells them apart.
        key: &'static str,
    },
    /// A map from string to string.
    TextMap,
}

/// One field of an object.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// What it must look like.
    pub shape: Shape,
    /// What to say when it is used though it should not be any more.
    pub deprecated: Option<&'static str>,
}

/// Rules for a string.
#[derive(Clone, Copy, Debug)]
pub struct TextRules {
    /// Least number of characters.
    pub min_length: usize,
    /// Greatest number of characters.
    pub max_length: Option<usize>,
    /// What it must look like.
    pub format: TextFormat,
}

/// What a string must look like.
#[derive(Clone, Copy, Debug)]
pub enum TextFormat {
    /// Anything.
    Any,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A duration with these units.
    Duration(&'static [&'static str]),
    /// Starts with `http://` or `https://`.
    HttpUrl,
    /// Starts with `http://` or `https://` and has no line break.
    HttpUrlLine,
    /// The kind of an object: letters and digits, an upper-case letter first.
    ObjectKind,
    /// A provider type; the list lives with the providers, who check it.
    ProviderType,
}
