//! The static description of a receiver type: everything the rest of the program may ask about it.

use crate::json::Shape;

/// How a call proves that it is genuine.
#[derive(Clone, Copy, Debug)]
pub enum Proof {
    /// It knows the path, and the vendor offers nothing else.
    Path,
    /// An HMAC `<algorithm>=<hex>` over the body, in the first of these headers that is there.
    Signature(&'static [&'static str]),
    /// A bare lower-case hexadecimal HMAC-SHA1 over the body in this header.
    PlainSha1(&'static str),
    /// The token itself in this header.
    Token(&'static str),
    /// A token of one of the Receiver's issuers.
    Oidc,
    /// A token of Google for the Secret's audience and account.
    Google,
}

/// What a genuine body must look like.
#[derive(Clone, Copy, Debug)]
pub enum Reading {
    /// Anything.
    Anything,
    /// JSON or a form with a field `payload`, by its `Content-Type`.
    JsonOrForm,
    /// A JSON value of this shape, whatever stands behind it.
    First(Shape),
    /// Exactly one JSON value of this shape.
    Whole(Shape),
    /// A push message of Google Pub/Sub.
    PubSub,
    /// A CDEvent.
    CdEvent,
}

/// One receiver type. Each file under `kinds/` has one as `pub(crate) const KIND`.
#[derive(Debug)]
pub struct ReceiverKind {
    /// The type's name in `spec.type`.
    pub name: &'static str,
    /// The service, as people call it.
    pub title: &'static str,
    /// How a call proves that it is genuine.
    pub proof: Proof,
    /// What its body must look like.
    pub reading: Reading,
    /// The header that names the event, for types that look at `spec.events`.
    pub event: Option<&'static str>,
    /// Headers in which the vendor numbers its deliveries.
    pub delivery: &'static [&'static str],
    /// The user page: the module's own documentation.
    pub page: &'static str,
}
