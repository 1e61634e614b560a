use ledger::Nanos;

/// An amount of money cannot be kept.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub(crate) enum UnfitAmount {
    #[error("must be an amount that is not negative")]
    NoAmount,
    #[error("is {0}, less than the smallest amount, 0.000000001; give 0 to allow nothing")]
    TooSmall(f64),
}

/// Currency units to nano-units. What is more than nothing never becomes nothing.
pub(crate) fn nanos(units: f64) -> Result<Nanos, UnfitAmount> {
    if !units.is_finite() || units < 0.0 {
        return Err(UnfitAmount::NoAmount);
    }
    match Nanos::from_units(units) {
        Nanos::ZERO if units > 0.0 => Err(UnfitAmount::TooSmall(units)),
        nanos => Ok(nanos),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_rounded_to_nothing() {
        assert_eq!((nanos(0.0), nanos(1e-9), nanos(1.5)), (Ok(Nanos(0)), Ok(Nanos(1)), Ok(Nanos(1_500_000_000))));
        assert_eq!(nanos(1e-10), Err(UnfitAmount::TooSmall(1e-10)));
        for none in [-1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(nanos(none), Err(UnfitAmount::NoAmount));
        }
        let message = UnfitAmount::TooSmall(1e-10).to_string();
        assert!(message.starts_with("is 0.0000000001, less than the smallest amount, 0.000000001"), "{message}");
    }
}
