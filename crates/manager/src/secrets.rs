use ambient::Rng;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use snapshot::Secret;

/// What every key begins with.
const PREFIX: &str = "sk-";
/// Characters that a key chosen by people has at least.
const MIN_CHARS: usize = 16;
/// Characters that it has at most: it must fit into a header.
const MAX_CHARS: usize = 256;

/// A key chosen by people cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnfitKey {
    /// It does not begin with `sk-`.
    #[error("a key must start with `sk-`")]
    Prefix,
    /// It is too short to be secret.
    #[error("a key must be at least {MIN_CHARS} characters long")]
    Short,
    /// It is too long for a header.
    #[error("a key must be at most {MAX_CHARS} characters long")]
    Long,
    /// It holds what a header cannot.
    #[error("a key must consist of visible ASCII characters without spaces")]
    Characters,
}

/// A new key with 256 random bits.
pub(crate) fn generate(rng: &Rng) -> Secret {
    Secret::new(format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(rng.bytes::<32>())))
}

/// Whether a key chosen by people can be one.
pub(crate) fn check(key: &Secret) -> Result<(), UnfitKey> {
    let key = key.expose();
    if !key.starts_with(PREFIX) {
        return Err(UnfitKey::Prefix);
    }
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(UnfitKey::Characters);
    }
    match key.len() {
        ..MIN_CHARS => Err(UnfitKey::Short),
        MIN_CHARS..=MAX_CHARS => Ok(()),
        _ => Err(UnfitKey::Long),
    }
}

/// What may be shown of a key for ever: `sk-...` and its last four characters.
pub(crate) fn shown(key: &Secret) -> String {
    let tail: String = key.expose().chars().rev().take(4).collect::<Vec<_>>().into_iter().rev().collect();
    format!("{PREFIX}...{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_has_256_bits_and_is_fit() {
        let key = generate(&Rng::system());
        assert_eq!(key.expose().len(), 3 + 43);
        assert_eq!(check(&key), Ok(()));
        assert_ne!(key, generate(&Rng::system()));
    }

    #[test]
    fn unfit_keys_are_told_apart() {
        let fault = |text: &str| check(&Secret::new(text)).unwrap_err();
        assert_eq!(fault("nosk-0123456789abcdef"), UnfitKey::Prefix);
        assert_eq!(fault("sk-custom-1"), UnfitKey::Short);
        assert_eq!(fault(&format!("sk-{}", "x".repeat(300))), UnfitKey::Long);
        assert_eq!(fault("sk-0123456789 abcdef"), UnfitKey::Characters);
        assert_eq!(check(&Secret::new("sk-master-1234567")), Ok(()));
    }

    #[test]
    fn only_the_end_of_a_key_is_shown() {
        assert_eq!(shown(&Secret::new("sk-custom-key-000000001")), "sk-...0001");
    }
}
