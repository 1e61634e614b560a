//! The store's integers are signed 64-bit; ours are often unsigned. Out of range saturates: nothing real
//! comes near, and a row must never fail to be written or read for it.

use ambient::Timestamp;

pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub(crate) fn signed_option(number: Option<u64>) -> Option<i64> {
    number.map(signed)
}

pub(crate) fn unsigned_option(number: Option<i64>) -> Option<u64> {
    number.map(unsigned)
}

pub(crate) fn time_option(micros: Option<i64>) -> Option<Timestamp> {
    micros.map(Timestamp::from_micros)
}
