//! A small lexer for Rust: what is code, what is comment, what is string.

/// One file, taken apart.
pub(super) struct Source {
    /// The path below the repository's root.
    pub(super) path: String,
    /// The whole text.
    pub(super) text: String,
    /// The text with comments and the inside of literals blanked; line numbers are kept.
    pub(super) code: String,
    /// The comments alone, each line where it was.
    pub(super) comments: Vec<String>,
    /// The string literals: line (from 1) and content between the quotes.
    pub(super) strings: Vec<(usize, String)>,
}

/// One token of code: a word, `::`, or a single character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// Its text.
    pub(super) text: String,
    /// The line that it stands on, from 1.
    pub(super) line: usize,
}

/// What the lexer is inside of.
enum Piece {
    Code,
    Comment,
    Literal,
}

impl Source {
    /// Takes `text` apart.
    pub(super) fn new(path: &str, text: &str) -> Source {
        let chars: Vec<char> = text.chars().collect();
        let mut source = Source {
            path: path.to_owned(),
            text: text.to_owned(),
            code: String::with_capacity(text.len()),
            comments: vec![String::new()],
            strings: Vec::new(),
        };
        let mut at = 0;
        while at < chars.len() {
            let (piece, end) = piece_at(&chars, at);
            source.take(&chars[at..end], &piece);
            at = end;
        }
        source
    }

    fn take(&mut self, chars: &[char], piece: &Piece) {
        if matches!(piece, Piece::Literal) && chars[0] != '\'' {
            let text: String = chars.iter().collect();
            let inside = text
                .trim_start_matches(|c| c != '"')
                .trim_end_matches(|c| c != '"');
            let inside = inside.strip_prefix('"').unwrap_or(inside);
            let inside = inside.strip_suffix('"').unwrap_or(inside);
            self.strings.push((self.comments.len(), inside.to_owned()));
        }
        for (idx, char) in chars.iter().enumerate() {
            let edge = idx == 0 || idx + 1 == chars.len();
            match (piece, char) {
                (_, '\n') => {
                    self.code.push('\n');
                    self.comments.push(String::new());
                }
                (Piece::Code, char) => self.code.push(*char),
                (Piece::Literal, '"' | '\'') if edge => self.code.push('"'),
                (Piece::Literal, _) => self.code.push(' '),
                (Piece::Comment, char) => {
                    self.code.push(' ');
                    self.comments
                        .last_mut()
                        .expect("it starts with one line")
                        .push(*char);
                }
            }
        }
    }

    /// The tokens of the code.
    pub(super) fn tokens(&self) -> Vec<Token> {
        let mut tokens = Vec::new();
        for (idx, line) in self.code.lines().enumerate() {
            let mut rest = line.trim_start();
            while let Some(first) = rest.chars().next() {
                let word = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
                let end = match first {
                    c if is_word(c) => word,
                    ':' if rest.starts_with("::") => 2,
                    c => c.len_utf8(),
                };
                tokens.push(Token {
                    text: rest[..end].to_owned(),
                    line: idx + 1,
                });
                rest = rest[end..].trim_start();
            }
        }
        tokens
    }

    /// A complaint about `line` of this file.
    pub(super) fn complain(&self, line: usize, what: impl std::fmt::Display) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What starts at `at`, and where it ends.
fn piece_at(chars: &[char], at: usize) -> (Piece, usize) {
    let next = chars.get(at + 1).copied();
    let after_word = at > 0 && is_word(chars[at - 1]);
    match chars[at] {
        '/' if next == Some('/') => (Piece::Comment, end_of_line(chars, at)),
        '/' if next == Some('*') => (Piece::Comment, end_of_block(chars, at)),
        '"' => (Piece::Literal, end_of_string(chars, at + 1)),
        'r' | 'b' | 'c' if !after_word => match prefixed_string(chars, at) {
            Some(end) => (Piece::Literal, end),
            None => (Piece::Code, at + 1),
        },
        '\'' => match end_of_char(chars, at) {
            Some(end) => (Piece::Literal, end),
            None => (Piece::Code, at + 1),
        },
        _ => (Piece::Code, at + 1),
    }
}

fn end_of_line(chars: &[char], at: usize) -> usize {
    let rest = &chars[at..];
    at + rest.iter().position(|c| *c == '\n').unwrap_or(rest.len())
}

/// Block comments nest in Rust.
fn end_of_block(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

fn end_of_string(chars: &[char], mut at: usize) -> usize {
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

/// `r"…"`, `r#"…"#`, `b"…"`, `br"…"`, `c"…"`; not `r#name` and not a word that starts so.
fn prefixed_string(chars: &[char], at: usize) -> Option<usize> {
    let mut pos = at;
    let mut raw = false;
    while let Some(c @ ('r' | 'b' | 'c')) = chars.get(pos) {
        raw |= *c == 'r';
        pos += 1;
    }
    if pos - at > 2 {
        return None;
    }
    let hashes = chars[pos..].iter().take_while(|c| **c == '#').count();
    if chars.get(pos + hashes) != Some(&'"') || (hashes > 0 && !raw) {
        return None;
    }
    if !raw {
        return Some(end_of_string(chars, pos + 1));
    }
    let mut end = pos + hashes + 1;
    while end < chars.len() {
        let closed = chars[end] == '"'
            && chars[end + 1..].len() >= hashes
            && chars[end + 1..end + 1 + hashes].iter().all(|c| *c == '#');
        if closed {
            return Some(end + 1 + hashes);
        }
        end += 1;
    }
    Some(chars.len())
}

/// The end of a character literal; `None` where the quote starts a lifetime.
fn end_of_char(chars: &[char], at: usize) -> Option<usize> {
    match (chars.get(at + 1)?, chars.get(at + 2)) {
        ('\\', _) => {
            let rest = chars.get(at + 3..)?;
            Some(at + 4 + rest.iter().position(|c| *c == '\'')?)
        }
        (_, Some('\'')) => Some(at + 3),
        _ => None,
    }
}

#[test]
fn comments_strings_and_lifetimes_are_told_apart() {
    let text = "let a = \"x // no\"; // yes \"a\"\n/* one /* two */ still */ let c = '\"'; fn f<'a>(r: &'a str) {}\n\
                let s = r#\"raw \" unsafe\"#; let q = '\\''; let b = b\"by\\\"te\"; call(r, b'x');";
    let source = Source::new("x.rs", text);
    let code: Vec<&str> = source.code.lines().collect();
    assert_eq!(code[0].trim_end(), "let a = \"       \";");
    assert!(code[1].ends_with("let c = \" \"; fn f<'a>(r: &'a str) {}"));
    assert!(!code[1].contains("still") && !code[2].contains("unsafe"));
    assert!(code[2].ends_with("call(r, b\" \");"), "{}", code[2]);
    assert_eq!(source.comments[0], "// yes \"a\"");
    let strings: Vec<&str> = source.strings.iter().map(|(_, s)| s.as_str()).collect();
    assert_eq!(strings, ["x // no", "raw \" unsafe", "by\\\"te"]);
    assert_eq!(
        source.strings.iter().map(|s| s.0).collect::<Vec<_>>(),
        [1, 3, 3]
    );
}
