use ledger::{Nanos, Price};

/// Prices in nano-units, fixed to the revision that set them.
pub(super) fn compile(price: &spec::Price, version: u64) -> Price {
    Price {
        version,
        input: nanos(price.input),
        cached_input: nanos(price.cached_input.unwrap_or(price.input)),
        output: nanos(price.output),
        image: nanos(price.image),
        audio_second: nanos(price.audio_second),
        character: nanos(price.character),
        search: nanos(price.search),
        request: nanos(price.request),
    }
}

/// Validation has seen to it that no price is negative.
pub(super) fn nanos(units: f64) -> u64 {
    u64::try_from(Nanos::from_units(units).0).unwrap_or(0)
}
