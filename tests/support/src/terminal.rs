//! A command in a real terminal, and what stands on its screen in the end.

use std::process::{Command, Stdio};

use crate::Finished;

/// Runs the words behind the number of columns in a pseudo-terminal of its own, and passes on what comes from it.
const IN_TERMINAL: &str = r"
import fcntl, os, pty, struct, sys, termios
columns, words = int(sys.argv[1]), sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack('HHHH', 50, columns, 0, 0))
    os.execvp(words[0], words)
while True:
    try:
        data = os.read(terminal, 65536)
    except OSError:
        break
    if not data:
        break
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
";

/// What a command did in a terminal.
#[derive(Debug)]
pub struct InTerminal {
    /// How it ended; its standard output is all that came to the terminal, as it came.
    pub finished: Finished,
    columns: usize,
}

// === impl InTerminal ===

impl InTerminal {
    /// Runs a command to its end in a terminal with so many columns.
    pub fn run(command: &Command, columns: usize) -> Self {
        let mut python = Command::new("python3");
        python.args(["-c", IN_TERMINAL, &columns.to_string()]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => python.env(name, value),
                None => python.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            python.current_dir(folder);
        }
        python.stdin(Stdio::null());
        Self { finished: Finished::of(&mut python, None), columns }
    }

    /// The lines that stand on the screen in the end, as if it had no bottom.
    pub fn screen(&self) -> Vec<String> {
        let mut screen = Screen { rows: vec![String::new()], row: 0, column: 0, columns: self.columns };
        let mut text = self.finished.stdout.chars();
        while let Some(next) = text.next() {
            match next {
                '\n' => screen.down(),
                '\r' => screen.column = 0,
                '\x1b' => screen.obey(&mut text),
                other => screen.put(other),
            }
        }
        screen.rows
    }
}

struct Screen {
    rows: Vec<String>,
    row: usize,
    column: usize,
    columns: usize,
}

// === impl Screen ===

impl Screen {
    fn down(&mut self) {
        self.row += 1;
        if self.row == self.rows.len() {
            self.rows.push(String::new());
        }
    }

    fn put(&mut self, letter: char) {
        if self.column == self.columns {
            self.column = 0;
            self.down();
        }
        let mut letters: Vec<_> = self.rows[self.row].chars().collect();
        letters.resize(letters.len().max(self.column + 1), ' ');
        letters[self.column] = letter;
        self.rows[self.row] = letters.into_iter().collect();
        self.column += 1;
    }

    /// What stands behind an escape: so many rows up, or all below away, or the rest of the row.
    fn obey(&mut self, text: &mut impl Iterator<Item = char>) {
        assert_eq!(text.next(), Some('['), "only what our commands use");
        let mut number = String::new();
        loop {
            match text.next().unwrap() {
                digit if digit.is_ascii_digit() => number.push(digit),
                'A' => return self.row = self.row.checked_sub(number.parse().unwrap()).unwrap(),
                'J' => {
                    self.rows.truncate(self.row + 1);
                    return self.erase();
                }
                'K' => return self.erase(),
                other => panic!("what is {other}?"),
            }
        }
    }

    fn erase(&mut self) {
        self.rows[self.row] = self.rows[self.row].chars().take(self.column).collect();
    }
}
