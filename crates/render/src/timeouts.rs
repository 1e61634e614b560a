use spec::{Deployment, Document, Timeouts};

/// Seconds that an edge waits for an answer at least.
const AT_LEAST: f64 = 1800.0;

/// Whole seconds that an edge waits at most: longer than any deployment may take, so that Enginehouse is who gives up.
pub(crate) fn at_the_edge(document: &Document) -> u64 {
    let routing = &document.routing.timeouts;
    let deployments = document.models.iter().flat_map(|model| &model.deployments);
    let longest = deployments.map(|deployment| deployment.timeouts.over(routing).total).fold(routing.total, f64::max);
    // Validation has seen to it that it is at most a day.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between half an hour and a day")]
    let seconds = longest.clamp(AT_LEAST, f64::from(spec::limits::SECONDS)).ceil() as u64;
    seconds
}

/// Those of one deployment.
pub(crate) fn of(document: &Document, deployment: &Deployment) -> Timeouts {
    deployment.timeouts.over(&document.routing.timeouts)
}
