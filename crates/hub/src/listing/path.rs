/// Bytes that a path and each of its parts may have.
const MAX_PATH: usize = 1_024;
const MAX_PART: usize = 255;

/// What is wrong with the path of a file that is to lie below a folder; none if nothing is.
pub(super) fn fault(path: &str) -> Option<&'static str> {
    let part_is_odd = |part: &str| part.is_empty() || part == "." || part == "..";
    let rules = [
        (path.is_empty(), "it is empty"),
        (path.starts_with('/'), "it is absolute"),
        (path.split('/').any(part_is_odd), "it leads out of its folder"),
        (path.contains('\\'), "it has a backslash"),
        (path.chars().any(char::is_control), "it has control characters"),
        (path.len() > MAX_PATH || path.split('/').any(|part| part.len() > MAX_PART), "it is too long"),
    ];
    rules.into_iter().find(|(applies, _)| *applies).map(|(_, why)| why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_stays_below_its_folder() {
        for path in ["config.json", "a/b/c.bin", ".gitattributes", "..x/y", "ü.txt"] {
            assert_eq!(fault(path), None, "{path}");
        }
        let long = "x".repeat(256);
        for path in
            ["", "/etc/passwd", "..", "../x", "a/../../x", "a//b", "a/", "./a", "a\\..\\b", "a\0", "a\nb", &long]
        {
            assert!(fault(path).is_some(), "{path}");
        }
    }
}
