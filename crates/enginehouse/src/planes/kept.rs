//! The last snapshot of a gateway that runs apart from its manager.

use std::io;

use ambient::Rng;
use anyhow::Context as _;
use ledger::{GatewayId, Recovered};
use snapshot::{Kept, Keyring, SealedFile};

/// Where the last snapshot is kept, sealed with the first of `keyring` or else with the key of the home.
pub(super) fn file(home: &manager::Home, keyring: Option<Keyring>) -> anyhow::Result<SealedFile> {
    let rng = Rng::system();
    let keyring = match keyring {
        Some(keyring) => keyring.before(&Keyring::read(&home.secret_key())?),
        None => Keyring::load_or_make(&home.secret_key(), &rng)?,
    };
    Ok(SealedFile::new(home.snapshot(), keyring, rng))
}

/// What was served last; none where that cannot be read, or where budgets cannot be told from it.
pub(super) fn read(file: &SealedFile, gateway: GatewayId, recovered: &Recovered) -> Option<Kept> {
    let kept = match file.read() {
        Ok(kept) => kept?,
        Err(error) => {
            tracing::error!(%error, "what was served last cannot be used; waiting for the manager");
            return None;
        }
    };
    // What lies between its sums and the books was counted, and is in the store: only the manager knows it.
    if kept.snapshot.booked(gateway).segment.max(1) < recovered.oldest.segment {
        tracing::error!(
            "what was served last is older than the books, so budgets are not known; waiting for the manager"
        );
        return None;
    }
    Some(kept)
}

/// Removes it.
pub(super) fn forget(home: &manager::Home) -> anyhow::Result<()> {
    match std::fs::remove_file(home.snapshot()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", home.snapshot().display()))
        }
        _ => Ok(()),
    }
}
