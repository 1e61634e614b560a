use std::str::FromStr;

/// A pattern for paths of files: `*` is anything, also with `/` in it, `?` one character, `[a-c]` one of these, `[!a]` none of
/// them; a folder (`original/`) means all that is in it. As `huggingface_hub` reads its patterns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(Vec<Part>);

/// What was given is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no pattern: write one as *.safetensors, with at most 200 characters and every `[` closed")]
pub struct UnfitGlob(String);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Anything,
    One,
    Exactly(char),
    Of { ranges: Vec<(char, char)>, negated: bool },
}

/// Characters that a pattern may have at most: matching takes pattern times path at worst.
const MAX_LENGTH: usize = 200;

// === impl Glob ===

impl Glob {
    /// Whether a path fits.
    pub fn matches(&self, path: &str) -> bool {
        let path: Vec<char> = path.chars().collect();
        let (mut part, mut at) = (0, 0);
        // Where to go on when what followed the last `*` does not fit.
        let mut retry: Option<(usize, usize)> = None;
        while at < path.len() {
            match self.0.get(part) {
                Some(Part::Anything) => {
                    retry = Some((part + 1, at));
                    part += 1;
                }
                Some(single) if single.is(path[at]) => (part, at) = (part + 1, at + 1),
                _ => match retry {
                    Some((after, from)) => {
                        retry = Some((after, from + 1));
                        (part, at) = (after, from + 1);
                    }
                    None => return false,
                },
            }
        }
        self.0[part..].iter().all(|part| *part == Part::Anything)
    }
}

impl FromStr for Glob {
    type Err = UnfitGlob;

    fn from_str(text: &str) -> Result<Self, UnfitGlob> {
        let unfit = || UnfitGlob(crate::repository::shown(text));
        if text.is_empty() || text.len() > MAX_LENGTH || text.chars().any(char::is_control) {
            return Err(unfit());
        }
        let mut parts = Vec::new();
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            parts.push(match c {
                '*' => Part::Anything,
                '?' => Part::One,
                '[' => class(&mut rest).ok_or_else(unfit)?,
                c => Part::Exactly(c),
            });
        }
        if text.ends_with('/') {
            parts.push(Part::Anything);
        }
        Ok(Self(parts))
    }
}

// === impl Part ===

impl Part {
    fn is(&self, c: char) -> bool {
        match self {
            Self::Anything => false,
            Self::One => true,
            Self::Exactly(exactly) => *exactly == c,
            Self::Of { ranges, negated } => ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *negated,
        }
    }
}

/// What stands between `[` and `]`.
fn class(rest: &mut std::str::Chars<'_>) -> Option<Part> {
    let text = rest.as_str();
    let skipped = usize::from(text.starts_with('!'));
    // A `]` in front is meant as itself.
    let first = skipped + text[skipped..].chars().next()?.len_utf8();
    let end = first + text[first..].find(']')?;
    let members: Vec<char> = text[skipped..end].chars().collect();
    *rest = text[end + 1..].chars();
    let (mut ranges, mut at) = (Vec::new(), 0);
    while at < members.len() {
        match members[at..] {
            [from, '-', to, ..] => {
                ranges.push((from, to));
                at += 3;
            }
            [one, ..] => {
                ranges.push((one, one));
                at += 1;
            }
            [] => break,
        }
    }
    Some(Part::Of { ranges, negated: skipped == 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_expected() {
        for (pattern, path, fits) in [
            ("*.safetensors", "model-00001-of-2.safetensors", true),
            ("*.safetensors", "deep/model.safetensors", true),
            ("*.safetensors", "model.safetensors.index.json", false),
            ("config.json", "config.json", true),
            ("config.json", "xconfig.json", false),
            ("original/", "original/a/b.pth", true),
            ("original/", "originals", false),
            ("model-0000[1-3]*", "model-00002-of-5.bin", true),
            ("model-0000[!1-3]*", "model-00002-of-5.bin", false),
            ("[]x]", "]", true),
            ("?.json", "é.json", true),
            ("*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
            ("*", "", true),
        ] {
            assert_eq!(pattern.parse::<Glob>().unwrap().matches(path), fits, "{pattern} {path}");
        }
        for pattern in ["", "[a", "a\nb", "[é", "[!", &"*".repeat(201)] {
            assert!(pattern.parse::<Glob>().is_err(), "{pattern}");
        }
    }
}
