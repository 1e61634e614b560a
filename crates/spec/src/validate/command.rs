use crate::{
    environment_variable,
    fault::Scope,
    placeholder::{self, Piece, Placeholder, pieces},
    quote::Quoted,
    secret_words,
};

/// Characters of an unknown placeholder that a message repeats.
const SHOWN: usize = 40;

/// The command of a process engine and the arguments behind it.
pub(super) fn check(here: &mut Scope<'_>, command: &[String], args: &[String]) {
    check_words(here, command, args);
    let mut here = here.field("command");
    if command.is_empty() {
        here.fault("command is empty; runtime process needs the program and its arguments");
    }
    let holds = |placeholder| placeholder::holds(command, placeholder) || placeholder::holds(args, placeholder);
    if !command.is_empty() && !holds(Placeholder::Port) && !holds(Placeholder::Socket) {
        here.fault(
            "command holds neither `{port}` nor `{socket}`; say where the program has to listen, as `--port {port}`",
        );
    }
}

/// The words of a command that people wrote themselves, whatever runs it.
pub(super) fn check_words(here: &mut Scope<'_>, command: &[String], args: &[String]) {
    for (field, words) in [("command", command), ("args", args)] {
        let mut here = here.field(field);
        words.iter().enumerate().for_each(|(index, word)| check_word(&mut here.element(index), field, word));
    }
    check_secrets(here, command, args);
    if command.first().is_some_and(String::is_empty) {
        here.field("command").element(0).fault("command begins with an empty word");
    }
}

/// A flag at the end of the command may be that of the first argument. No message repeats the word.
pub(super) fn check_secrets(here: &mut Scope<'_>, command: &[String], args: &[String]) {
    for at in secret_words(&[command, args].concat()) {
        let (field, index) = at.checked_sub(command.len()).map_or(("command", at), |index| ("args", index));
        here.field(field).element(index).fault(format!(
            "{field} holds what is or may be a secret, which every user of the machine or of Docker can read there, and who reads this configuration; \
             put it into `env` as `os.environ/NAME`, and let the program read it there"
        ));
    }
}

fn check_word(here: &mut Scope<'_>, field: &str, word: &str) {
    for piece in pieces(word) {
        if let Piece::Unknown(unknown) = piece {
            let known = Placeholder::ALL.map(|p| format!("`{}`", p.as_str())).join(", ");
            let unknown = unknown.get(..SHOWN).unwrap_or(unknown);
            here.fault(format!(
                "{field} holds the placeholder `{{{unknown}}}`; there are {known} (write `{{ {unknown} }}` for plain text)"
            ));
        }
    }
    if word.contains('\0') {
        here.fault(format!("{field} holds a NUL character in {}, which no command can", Quoted(word)));
    }
    if environment_variable(word).is_some() {
        here.fault(format!(
            "{field} refers to the environment, but every user of the machine can read the words of a command; put it into `env`, and let the program read it there"
        ));
    }
}
