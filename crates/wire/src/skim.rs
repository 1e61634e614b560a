//! The quick way through a JSON object: where the values of its members stand, without reading what is in them.
//!
//! Most of a body is one long string. It is crossed at the speed of `memchr` here, several times that of a parser that looks
//! at each byte. What is odd (an escape in a name, deep nesting, any fault) is left to the parser, which stays the judge:
//! whatever passes here passes there, with the same members at the same places.

use memchr::memchr2;

/// Nesting that is followed; deeper values are left to the parser.
const MAX_DEPTH: u32 = 100;

/// Bytes of a string that are looked at together.
const PART: usize = 16 << 10;

/// Where in the input we are.
struct Skim<'a> {
    json: &'a [u8],
    at: usize,
}

/// A member that was wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found<'a> {
    /// Its place among those that were wanted.
    pub(crate) index: usize,
    /// Where its value begins.
    pub(crate) start: usize,
    /// Its value.
    pub(crate) text: &'a str,
}

/// The members that `wanted` names of the object that `json` is, in its order. None if the parser has to judge.
pub(crate) fn members<'a>(json: &'a [u8], wanted: &[&str]) -> Option<Vec<Found<'a>>> {
    let mut skim = Skim { json, at: 0 };
    let mut found = Vec::new();
    skim.expect(b'{')?;
    if !skim.takes(b'}') {
        loop {
            let name = skim.name()?;
            skim.expect(b':')?;
            skim.space();
            let start = skim.at;
            skim.value()?;
            if let Some(index) = wanted.iter().position(|wanted| wanted.as_bytes() == name) {
                found.push(Found { index, start, text: std::str::from_utf8(&json[start..skim.at]).ok()? });
            }
            if !skim.takes(b',') {
                break;
            }
        }
        skim.expect(b'}')?;
    }
    skim.space();
    (skim.at == json.len()).then_some(found)
}

// === impl Skim ===

impl<'a> Skim<'a> {
    fn peek(&self) -> Option<u8> {
        self.json.get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Whether `byte` comes next, which then is behind us.
    fn takes(&mut self, byte: u8) -> bool {
        self.space();
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.takes(byte).then_some(())
    }

    /// A member's name, if it is plain.
    fn name(&mut self) -> Option<&'a [u8]> {
        self.expect(b'"')?;
        let start = self.at;
        // Names are short: one look at each byte costs less than a search.
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => return None,
                b' '..=b'~' => self.at += 1,
                _ => return None,
            }
        }
        self.at += 1;
        Some(&self.json[start..self.at - 1])
    }

    /// Crosses one value, which begins here.
    fn value(&mut self) -> Option<()> {
        // What is open around us, innermost in the lowest bit: an object is 1, an array 0.
        let (mut open, mut depth) = (0_u128, 0);
        loop {
            self.space();
            match self.peek()? {
                bracket @ (b'{' | b'[') => {
                    let is_object = bracket == b'{';
                    self.at += 1;
                    if !self.takes(if is_object { b'}' } else { b']' }) {
                        depth += 1;
                        if depth > MAX_DEPTH {
                            return None;
                        }
                        open = open << 1 | u128::from(is_object);
                        self.member(is_object)?;
                        continue;
                    }
                }
                b'"' => self.string()?,
                b't' => self.word(b"true")?,
                b'f' => self.word(b"false")?,
                b'n' => self.word(b"null")?,
                _ => self.number()?,
            }
            // A value is complete, and maybe what is around it.
            loop {
                if depth == 0 {
                    return Some(());
                }
                let is_object = open & 1 == 1;
                if self.takes(b',') {
                    self.member(is_object)?;
                    break;
                }
                self.expect(if is_object { b'}' } else { b']' })?;
                open >>= 1;
                depth -= 1;
            }
        }
    }

    /// In an object, crosses the name of the next member.
    fn member(&mut self, is_object: bool) -> Option<()> {
        if is_object {
            self.name()?;
            self.expect(b':')?;
        }
        Some(())
    }

    fn string(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            let rest = &self.json[self.at..];
            // In parts that stay near while they are looked at twice.
            let (part, is_last) = rest.get(..PART).map_or((rest, true), |part| (part, false));
            let end = memchr2(b'"', b'\\', part);
            let length = end.unwrap_or(part.len());
            // No early end: that lets the compiler look at many bytes at once.
            if part[..length].iter().copied().fold(u8::MAX, u8::min) < b' ' {
                return None;
            }
            if end.is_none() {
                self.at += length;
                if is_last {
                    return None;
                }
                continue;
            }
            self.at += length + 1;
            if rest[length] == b'"' {
                return Some(());
            }
            self.escape()?;
        }
    }

    /// Crosses what follows a backslash.
    fn escape(&mut self) -> Option<()> {
        let rest = &self.json[self.at..];
        let length = match rest.first()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 1,
            b'u' if rest.get(1..5)?.iter().all(u8::is_ascii_hexdigit) => 5,
            _ => return None,
        };
        self.at += length;
        Some(())
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.json[self.at..].starts_with(word).then(|| self.at += word.len())
    }

    fn number(&mut self) -> Option<()> {
        self.at += usize::from(self.peek() == Some(b'-'));
        match self.peek()? {
            b'0' => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Some(())
    }

    /// One digit or more.
    fn digits(&mut self) -> Option<()> {
        let length = self.json[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += length;
        (length > 0).then_some(())
    }
}

#[cfg(test)]
mod tests;
