/// The words of a command in one text: parted by blanks, but for what stands in quotes. Nothing else is special: it is no shell.
pub(super) fn of(text: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None::<char>);
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    match quote {
        Some(open) => Err(format!("the quote {open} is not closed")),
        None if words.is_empty() => Err("it is empty".to_owned()),
        None => Ok(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_part_words_and_quotes_keep_them() {
        assert_eq!(of("  vllm serve  {source} ").unwrap(), ["vllm", "serve", "{source}"]);
        assert_eq!(of(r#"a "b c" d'e f'g '' "#).unwrap(), ["a", "b c", "de fg", ""]);
        assert_eq!(of(r#"a '{"x": "$y"}'"#).unwrap(), ["a", r#"{"x": "$y"}"#]);
        assert!(of("a 'b").unwrap_err().contains('\''));
        assert!(of("  ").is_err());
    }
}
