//! The events of the CDEvents specification 0.4.1, as far as their validity depends on them
//! (<https://cdevents.dev/docs/>, <https://github.com/cdevents/spec/tree/v0.4.1/schemas>).

/// A type of event.
pub(super) struct EventType {
    /// Subject and predicate.
    pub(super) name: &'static str,
    /// The only version that is taken.
    pub(super) version: &'static str,
    /// What `subject.type` must be.
    pub(super) subject: &'static str,
    /// The known fields of `subject.content`, in groups that types share.
    pub(super) content: &'static [&'static [Field]],
}

/// A field and its rule.
pub(super) type Field = (&'static str, Rule);

/// What a field must be.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    /// A string, empty or missing as well.
    Text,
    /// A string with content.
    NonEmpty,
    /// A package URL.
    PackageUrl,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// One of these words, or nothing.
    MaybeOneOf(&'static [&'static str]),
    /// A list of strings.
    Texts,
    /// An object with an id, or nothing.
    MaybeReference,
    /// An object with an id.
    Reference,
    /// An object with these fields, or nothing.
    Object(&'static [Field]),
}

const URI: &[Field] = &[("uri", Rule::Text)];
const NAMED: &[Field] = &[("name", Rule::Text), ("url", Rule::Text)];
const REPOSITORY: &[Field] = &[
    ("name", Rule::Text),
    ("owner", Rule::Text),
    ("url", Rule::Text),
    ("viewUrl", Rule::Text),
];
const IN_ENVIRONMENT: &[Field] = &[("environment", Rule::Reference)];
const MAYBE_IN_ENVIRONMENT: &[Field] = &[("environment", Rule::MaybeReference)];
// The reference demands the artifact of incidents and builds, although the specification does not.
const INCIDENT: &[Field] = &[
    ("description", Rule::Text),
    ("environment", Rule::Reference),
    ("service", Rule::MaybeReference),
    ("artifactId", Rule::PackageUrl),
];
const TICKET_URI: &[Field] = &[("ticketURI", Rule::NonEmpty)];
const DEPLOYED: &[Field] = &[
    ("environment", Rule::Reference),
    ("artifactId", Rule::PackageUrl),
];
const PIPELINE_RUN: &[Field] = &[
    ("pipelineName", Rule::Text),
    ("url", Rule::Text),
    ("outcome", Rule::Text),
    ("errors", Rule::Text),
];
const TASK_RUN: &[Field] = &[
    ("taskName", Rule::Text),
    ("pipelineRun", Rule::MaybeReference),
    ("url", Rule::Text),
    ("outcome", Rule::Text),
    ("errors", Rule::Text),
];
const TESTED: &[Field] = &[
    ("id", Rule::Text),
    ("name", Rule::Text),
    ("type", Rule::Text),
    ("uri", Rule::Text),
    ("version", Rule::Text),
];
const TEST_CASE_RUN: &[Field] = &[
    ("testCase", Rule::Object(TESTED)),
    ("testSuiteRun", Rule::MaybeReference),
];
const TEST_SUITE_RUN: &[Field] = &[("testSuite", Rule::Object(TESTED))];
const TRIGGERED: &[Field] = &[(
    "trigger",
    Rule::Object(&[("type", Rule::Text), ("uri", Rule::Text)]),
)];
const OUTCOME: &[Field] = &[("outcome", Rule::OneOf(&["pass", "fail", "cancel", "error"]))];
const FINDINGS: &[Field] = &[
    ("reason", Rule::Text),
    (
        "severity",
        Rule::MaybeOneOf(&["low", "medium", "high", "critical"]),
    ),
];
const TICKET: &[Field] = &[
    ("assignees", Rule::Texts),
    ("group", Rule::Text),
    ("labels", Rule::Texts),
    ("milestone", Rule::Text),
    ("priority", Rule::Text),
    ("summary", Rule::Text),
    ("ticketType", Rule::Text),
    ("updatedBy", Rule::Text),
    ("uri", Rule::NonEmpty),
];
const CREATOR: &[Field] = &[("creator", Rule::Text)];
const NAMED_CREATOR: &[Field] = &[("creator", Rule::NonEmpty)];
const RESOLUTION: &[Field] = &[("resolution", Rule::NonEmpty)];

const fn event(
    name: &'static str,
    version: &'static str,
    subject: &'static str,
    content: &'static [&'static [Field]],
) -> EventType {
    EventType {
        name,
        version,
        subject,
        content,
    }
}

/// All types.
pub(super) const TYPES: &[EventType] = &[
    event(
        "artifact.deleted",
        "0.1.0",
        "artifact",
        &[&[("user", Rule::Text)]],
    ),
    event(
        "artifact.downloaded",
        "0.1.0",
        "artifact",
        &[&[("user", Rule::Text)]],
    ),
    event(
        "artifact.packaged",
        "0.2.0",
        "artifact",
        &[&[("change", Rule::Reference), ("sbom", Rule::Object(URI))]],
    ),
    event(
        "artifact.published",
        "0.2.0",
        "artifact",
        &[&[("sbom", Rule::Object(URI)), ("user", Rule::Text)]],
    ),
    event(
        "artifact.signed",
        "0.2.0",
        "artifact",
        &[&[("signature", Rule::NonEmpty)]],
    ),
    event(
        "branch.created",
        "0.2.0",
        "branch",
        &[&[("repository", Rule::MaybeReference)]],
    ),
    event(
        "branch.deleted",
        "0.2.0",
        "branch",
        &[&[("repository", Rule::MaybeReference)]],
    ),
    event(
        "build.finished",
        "0.2.0",
        "build",
        &[&[("artifactId", Rule::PackageUrl)]],
    ),
    event("build.queued", "0.2.0", "build", &[]),
    event("build.started", "0.2.0", "build", &[]),
    event(
        "change.abandoned",
        "0.2.0",
        "change",
        &[&[("repository", Rule::MaybeReference)]],
    ),
    event(
        "change.created",
        "0.3.0",
        "change",
        &[&[
            ("description", Rule::Text),
            ("repository", Rule::MaybeReference),
        ]],
    ),
    event(
        "change.merged",
        "0.2.0",
        "change",
        &[&[("repository", Rule::MaybeReference)]],
    ),
    event(
        "change.reviewed",
        "0.2.0",
        "change",
        &[&[("repository", Rule::MaybeReference)]],
    ),
    event(
        "change.updated",
        "0.2.0",
        "change",
        &[&[("repository", Rule::MaybeReference)]],
    ),
    event("environment.created", "0.2.0", "environment", &[NAMED]),
    event("environment.deleted", "0.2.0", "environment", &[NAMED]),
    event("environment.modified", "0.2.0", "environment", &[NAMED]),
    event("incident.detected", "0.2.0", "incident", &[INCIDENT]),
    event(
        "incident.reported",
        "0.2.0",
        "incident",
        &[INCIDENT, TICKET_URI],
    ),
    event("incident.resolved", "0.2.0", "incident", &[INCIDENT]),
    event(
        "pipelinerun.finished",
        "0.2.0",
        "pipelineRun",
        &[PIPELINE_RUN],
    ),
    event(
        "pipelinerun.queued",
        "0.2.0",
        "pipelineRun",
        &[PIPELINE_RUN],
    ),
    event(
        "pipelinerun.started",
        "0.2.0",
        "pipelineRun",
        &[PIPELINE_RUN],
    ),
    event(
        "repository.created",
        "0.2.0",
        "repository",
        &[&[
            ("name", Rule::NonEmpty),
            ("owner", Rule::Text),
            ("url", Rule::NonEmpty),
            ("viewUrl", Rule::Text),
        ]],
    ),
    event("repository.deleted", "0.2.0", "repository", &[REPOSITORY]),
    event("repository.modified", "0.2.0", "repository", &[REPOSITORY]),
    event("service.deployed", "0.2.0", "service", &[DEPLOYED]),
    event(
        "service.published",
        "0.2.0",
        "service",
        &[&[("environment", Rule::MaybeReference)]],
    ),
    event(
        "service.removed",
        "0.2.0",
        "service",
        &[&[("environment", Rule::MaybeReference)]],
    ),
    event("service.rolledback", "0.2.0", "service", &[DEPLOYED]),
    event("service.upgraded", "0.2.0", "service", &[DEPLOYED]),
    event("taskrun.finished", "0.2.0", "taskRun", &[TASK_RUN]),
    event("taskrun.started", "0.2.0", "taskRun", &[TASK_RUN]),
    event(
        "testcaserun.finished",
        "0.2.0",
        "testCaseRun",
        &[IN_ENVIRONMENT, TEST_CASE_RUN, OUTCOME, FINDINGS],
    ),
    event(
        "testcaserun.queued",
        "0.2.0",
        "testCaseRun",
        &[IN_ENVIRONMENT, TEST_CASE_RUN, TRIGGERED],
    ),
    event(
        "testcaserun.skipped",
        "0.1.0",
        "testCaseRun",
        &[TEST_CASE_RUN, FINDINGS, MAYBE_IN_ENVIRONMENT],
    ),
    event(
        "testcaserun.started",
        "0.2.0",
        "testCaseRun",
        &[IN_ENVIRONMENT, TEST_CASE_RUN, TRIGGERED],
    ),
    event(
        "testoutput.published",
        "0.2.0",
        "testOutput",
        &[&[
            ("format", Rule::Text),
            (
                "outputType",
                Rule::OneOf(&["report", "video", "image", "log", "other"]),
            ),
            ("testCaseRun", Rule::MaybeReference),
            ("uri", Rule::Text),
        ]],
    ),
    event(
        "testsuiterun.finished",
        "0.2.0",
        "testSuiteRun",
        &[IN_ENVIRONMENT, TEST_SUITE_RUN, OUTCOME, FINDINGS],
    ),
    event(
        "testsuiterun.queued",
        "0.2.0",
        "testSuiteRun",
        &[IN_ENVIRONMENT, TEST_SUITE_RUN, TRIGGERED],
    ),
    event(
        "testsuiterun.started",
        "0.2.0",
        "testSuiteRun",
        &[IN_ENVIRONMENT, TEST_SUITE_RUN, TRIGGERED],
    ),
    event(
        "ticket.closed",
        "0.1.0",
        "ticket",
        &[TICKET, CREATOR, RESOLUTION],
    ),
    event(
        "ticket.created",
        "0.1.0",
        "ticket",
        &[TICKET, NAMED_CREATOR],
    ),
    event("ticket.updated", "0.1.0", "ticket", &[TICKET, CREATOR]),
];
