//! The problems that each kind of route may answer with.

use std::collections::BTreeMap;

use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema as _};

use crate::server::problem::Problem;

type Responses = BTreeMap<String, RefOr<Response>>;

fn problems(of: &[(u16, &str)]) -> Responses {
    let schema = || Ref::from_schema_name(Problem::name());
    let described = |(status, what): &(u16, &str)| {
        let content = ContentBuilder::new().schema(Some(schema())).build();
        let response = ResponseBuilder::new()
            .description(*what)
            .content("application/problem+json", content)
            .build();
        (status.to_string(), response.into())
    };
    of.iter().map(described).collect()
}

const ANY: &[(u16, &str)] = &[
    (400, "The request can't be read"),
    (401, "A token is missing, or opens nothing"),
    (
        403,
        "The token lacks the scope, or the rules refuse for want of authority",
    ),
    (
        421,
        "Without a token, and under a name that is not this machine's",
    ),
    (429, "Too many requests of one client"),
    (500, "Something failed that is not the client's business"),
    (
        503,
        "Not now: nothing was done, and the same may be asked again",
    ),
];

/// What every read may answer.
pub(super) struct ReadProblems;

impl IntoResponses for ReadProblems {
    fn responses() -> Responses {
        problems(ANY)
    }
}

/// What a read of one thing may answer.
pub(super) struct FindProblems;

impl IntoResponses for FindProblems {
    fn responses() -> Responses {
        let mut all = problems(ANY);
        all.extend(problems(&[(404, "There is no such thing")]));
        all
    }
}

/// What a write may answer.
pub(super) struct WriteProblems;

impl IntoResponses for WriteProblems {
    fn responses() -> Responses {
        let mut all = problems(ANY);
        all.extend(problems(&[
            (408, "The body took too long"),
            (409, "The rules refuse"),
            (413, "The body is too long"),
            (415, "The body is not JSON"),
            (422, "The body is JSON, but not what is expected"),
            (507, "The disk is full"),
        ]));
        all
    }
}

/// What a write may answer that the service signs itself.
pub(super) struct SignProblems;

impl IntoResponses for SignProblems {
    fn responses() -> Responses {
        let mut all = WriteProblems::responses();
        let what = "There is no such proposal, or the service signs for nobody";
        all.extend(problems(&[(404, what)]));
        all
    }
}

/// What the service's own state may keep it from.
pub(super) struct NotReady;

impl IntoResponses for NotReady {
    fn responses() -> Responses {
        problems(&[(503, "Not now")])
    }
}
