use bytes::Bytes;
use ledger::{Usage, UsageSource};
use wire::{Answer, count_elements};

use crate::demand::Demand;
use crate::surface::Meter;

/// What an answer tells about what it took: reported by the engine, or seen in the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Tokens or audio, by the engine's own count.
    pub(crate) usage: Option<wire::Usage>,
    /// Images in the answer.
    pub(crate) images: Option<u64>,
    /// Length of the audio, where the answer says it beside the usage.
    pub(crate) audio_millis: Option<u64>,
    /// Search units.
    pub(crate) searches: Option<u64>,
}

// === impl Report ===

impl Report {
    /// What a whole answer tells.
    pub(crate) fn of(answer: &Answer, body: &Bytes, meter: Meter) -> Self {
        let images = answer.data.clone().filter(|_| meter == Meter::Images);
        Self {
            usage: answer.usage,
            images: images.and_then(|span| count_elements(&body[span])),
            audio_millis: answer.audio_millis,
            searches: answer.searches,
        }
    }

    /// What is billed: as reported, else as asked for. `estimate` has the tokens of those who report none.
    pub(super) fn bill(&self, meter: Meter, demand: &Demand, estimate: (Usage, UsageSource)) -> (Usage, UsageSource) {
        let (mut usage, source) = match self.usage {
            _ if meter == Meter::Nothing => return (Usage::default(), UsageSource::None),
            Some(reported) => (tokens(reported), UsageSource::Engine),
            None => estimate,
        };
        if source == UsageSource::None {
            return (usage, source);
        }
        match meter {
            Meter::Images => usage.images = self.images.unwrap_or(demand.units.images),
            Meter::Characters => usage.characters = demand.units.characters,
            Meter::Searches => usage.searches = self.searches.unwrap_or(demand.units.searches),
            Meter::Audio => {
                let seen = || demand.audio.as_ref().map_or(demand.units.audio_millis, |audio| audio.millis());
                let reported = self.usage.and_then(|usage| usage.audio_millis).or(self.audio_millis);
                usage.audio_millis = reported.unwrap_or_else(seen);
            }
            Meter::Generated | Meter::Prompt | Meter::Nothing => {}
        }
        (usage, source)
    }
}

fn tokens(reported: wire::Usage) -> Usage {
    Usage {
        prompt_tokens: reported.prompt_tokens,
        cached_tokens: reported.cached_tokens,
        completion_tokens: reported.completion_tokens,
        ..Usage::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ESTIMATE: (Usage, UsageSource) = (
        Usage {
            prompt_tokens: 5,
            cached_tokens: 0,
            completion_tokens: 0,
            images: 0,
            audio_millis: 0,
            characters: 0,
            searches: 0,
        },
        UsageSource::Estimate,
    );

    fn report(body: &'static str, meter: Meter) -> Report {
        let body = Bytes::from_static(body.as_bytes());
        Report::of(&Answer::parse(&body).unwrap(), &body, meter)
    }

    #[test]
    fn what_is_reported_goes_before_what_was_asked_for() {
        let units = Usage { images: 3, characters: 9, searches: 1, ..Usage::default() };
        let demand = Demand { units, ..Demand::default() };
        let images = report(r#"{"data":[{},{}]}"#, Meter::Images).bill(Meter::Images, &demand, ESTIMATE);
        assert_eq!((images.0.images, images.0.prompt_tokens, images.1), (2, 5, UsageSource::Estimate));
        let ranked =
            report(r#"{"usage":{"total_tokens":7},"meta":{"billed_units":{"search_units":4}}}"#, Meter::Searches);
        let ranked = ranked.bill(Meter::Searches, &demand, ESTIMATE);
        assert_eq!((ranked.0.searches, ranked.0.prompt_tokens, ranked.1), (4, 7, UsageSource::Engine));
        let spoken = Report::default().bill(Meter::Characters, &demand, ESTIMATE).0;
        assert_eq!((spoken.characters, spoken.images), (9, 0));
    }

    #[test]
    fn nothing_is_billed_where_nothing_was_used() {
        let demand = Demand { units: Usage { images: 3, ..Usage::default() }, ..Demand::default() };
        let nothing = (Usage::default(), UsageSource::None);
        assert_eq!(Report::default().bill(Meter::Images, &demand, nothing), nothing);
        assert_eq!(Report::default().bill(Meter::Nothing, &demand, ESTIMATE), nothing);
    }
}
