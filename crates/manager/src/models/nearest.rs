/// Bytes of a name that is compared.
const LONGEST: usize = 256;

/// The one of `names` that somebody most likely meant who wrote `name`; none if none is near.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    let near = |known: &&str| {
        let known = known.to_lowercase();
        let is_part = wanted.len() >= 3 && (known.contains(&wanted) || wanted.contains(&known));
        if is_part { 1 } else { distance(&wanted, &known) }
    };
    let best = names.filter(|known| known.len() <= LONGEST).min_by_key(near)?;
    (wanted.len() <= LONGEST && near(&best) <= wanted.chars().count().div_ceil(3)).then_some(best)
}

/// Characters to insert, remove or replace to make one of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (n, a) in one.chars().enumerate() {
        let mut corner = n;
        row[0] = n + 1;
        for (m, b) in other.iter().enumerate() {
            let replaced = corner + usize::from(a != *b);
            corner = row[m + 1];
            row[m + 1] = replaced.min(corner + 1).min(row[m] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_seen_and_another_name_is_not() {
        let names = ["qwen3-8b", "whisper", "bge-m3"];
        let meant = |name: &str| nearest(name, names.into_iter());
        assert_eq!(
            [meant("qwen3-8"), meant("Wisper"), meant("bge")],
            [Some("qwen3-8b"), Some("whisper"), Some("bge-m3")]
        );
        assert_eq!([meant("llama"), meant(""), nearest("a", [].into_iter())], [None; 3]);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
