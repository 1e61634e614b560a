use crate::{Facts, Target};

/// Digits of the digest that are shown.
const DIGEST: usize = 16;

/// The lines in front of a file: where it comes from, how it is used, and what to know about it.
pub(crate) fn of(target: Target, facts: &Facts<'_>, notes: &[String]) -> String {
    let digest = facts.digest.get(..DIGEST).unwrap_or(facts.digest);
    let mut header = format!(
        "# Made by Enginehouse from revision {} ({digest}); the next apply writes it anew.\n# Use: {}\n",
        facts.revision,
        target.usage()
    );
    for note in notes {
        header.push_str("# Note: ");
        // A name may hold what would end the comment.
        header.extend(note.chars().map(|c| if c.is_control() || c == '\u{2028}' || c == '\u{2029}' { ' ' } else { c }));
        header.push('\n');
    }
    header
}
