/// The options of a command line as vLLM reads them: each with the value behind its `=`, or the word after it (empty where
/// there is none), and its name with dashes. Words that are no options come along; nobody looks for their names.
pub(crate) fn options(words: &[String]) -> impl Iterator<Item = (String, &str)> {
    words.iter().enumerate().map(|(place, word)| {
        let after = || words.get(place + 1).map_or("", String::as_str);
        let (name, value) = word.split_once('=').unwrap_or_else(|| (word.as_str(), after()));
        (name.replace('_', "-"), value)
    })
}
