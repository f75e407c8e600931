//! Markdown as plain text for a terminal of some width: the few forms that the topics use.

/// Columns by which code is moved in.
const CODE: &str = "    ";
/// Between the columns of a table.
const GAP: usize = 2;
/// The least width of the last column of a table beside the others.
const LEAST: usize = 24;

/// `text` in lines of at most `width` characters, but for code and words that are longer.
pub(super) fn render(text: &str, width: usize) -> String {
    let mut done = String::new();
    let mut lines = text.lines().peekable();
    let mut paragraph = String::new();
    while let Some(line) = lines.next() {
        let is_more =
            !line.is_empty() && !line.starts_with(['#', '|', '-']) && !line.starts_with("```");
        if is_more {
            paragraph += unmarked(line).trim();
            paragraph.push(' ');
            continue;
        }
        flush(&mut paragraph, &mut done, width);
        let line = unmarked(line);
        let line = line.as_str();
        if line.starts_with("```") {
            for code in lines.by_ref().take_while(|line| !line.starts_with("```")) {
                done += format!("{CODE}{code}").trim_end();
                done.push('\n');
            }
        } else if let Some(heading) = line.strip_prefix("## ") {
            done += &filled(&shouted(heading), width, "", "");
            lines.next_if(|line| line.is_empty());
        } else if let Some(title) = line.strip_prefix("# ") {
            done += &filled(title, width, "", "");
        } else if line.starts_with('|') {
            let mut rows = vec![cells(line)];
            while let Some(line) = lines.next_if(|line| line.starts_with('|')) {
                rows.push(cells(line));
            }
            rows.retain(|row| !row.iter().all(|cell| cell.chars().all(|c| c == '-')));
            done += &table(&rows, width);
        } else if line.is_empty() {
            done.push('\n');
        } else {
            paragraph += line;
            paragraph.push(' ');
        }
    }
    flush(&mut paragraph, &mut done, width);
    done
}

/// `line` without the stars of `*emphasis*` and `**strength**`; those in code stay, and its backticks, which are how all
/// messages quote.
fn unmarked(line: &str) -> String {
    if line.starts_with("```") {
        return line.to_owned();
    }
    let parts = line.split('`').enumerate();
    let parts: Vec<String> = parts
        .map(|(at, part)| match at % 2 {
            0 => part.replace('*', ""),
            _ => part.to_owned(),
        })
        .collect();
    parts.join("`")
}

/// In capitals, but for code.
fn shouted(heading: &str) -> String {
    let parts = heading.split('`').enumerate();
    let parts: Vec<String> = parts
        .map(|(at, part)| {
            if at % 2 == 0 {
                part.to_uppercase()
            } else {
                part.to_owned()
            }
        })
        .collect();
    parts.concat()
}

fn flush(paragraph: &mut String, done: &mut String, width: usize) {
    let indent = if paragraph.starts_with("- ") {
        "  "
    } else {
        ""
    };
    *done += &filled(paragraph, width, "", indent);
    paragraph.clear();
}

/// The words of `text` in lines that begin with `first`, then `rest`; empty for no words.
fn filled(text: &str, width: usize, first: &str, rest: &str) -> String {
    let mut done = String::new();
    let mut line = first.to_owned();
    let mut is_empty = true;
    for word in text.split_whitespace() {
        let gap = usize::from(!is_empty);
        if !is_empty && line.chars().count() + gap + word.chars().count() > width {
            done += line.trim_end();
            done.push('\n');
            line = rest.to_owned();
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line += word;
        is_empty = false;
    }
    if !is_empty {
        done += line.trim_end();
        done.push('\n');
    }
    done
}

/// The cells of a row; `\|` is a stroke in one of them.
fn cells(line: &str) -> Vec<String> {
    let line = line.trim().trim_start_matches('|');
    let line = line
        .strip_suffix('|')
        .unwrap_or(line)
        .replace("\\|", "\u{0}");
    let cells = line
        .split('|')
        .map(|cell| cell.trim().replace('\u{0}', "|"));
    // The first one is what the row is about: it needs no quotes to stand out.
    cells
        .enumerate()
        .map(|(at, cell)| if at == 0 { cell.replace('`', "") } else { cell })
        .collect()
}

/// A table whose last column is filled; where that would be narrow, each row becomes a paragraph.
fn table(rows: &[Vec<String>], width: usize) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(widest).collect();
    let before: usize = widths.iter().rev().skip(1).map(|width| width + GAP).sum();
    let last = widths.last().copied().unwrap_or(0);
    let beside = before + last.min(LEAST) <= width;
    let mut done = String::new();
    for row in rows {
        let Some((end, front)) = row.split_last() else {
            continue;
        };
        if beside {
            let front = front.iter().zip(&widths);
            let front: String = front
                .map(|(cell, width)| format!("{cell:width$}{:GAP$}", ""))
                .collect();
            let line = filled(end, width, &front, &" ".repeat(before));
            done += if line.is_empty() {
                front.trim_end()
            } else {
                &line
            };
            if line.is_empty() {
                done.push('\n');
            }
        } else {
            let (name, more) = front
                .split_first()
                .map_or((&**end, &[][..]), |(name, more)| (&**name, more));
            let about = more.iter().chain((!front.is_empty()).then_some(end));
            let about: Vec<&str> = about
                .map(String::as_str)
                .filter(|cell| !cell.is_empty())
                .collect();
            done += &filled(&format!("{name} — {}", about.join("; ")), width, "", CODE);
        }
    }
    done
}

/// Rows of a list whose second column begins at the 19th character: a longer one goes on below itself.
pub(super) fn wrapped_rows(text: &str, width: usize) -> String {
    const SECOND: usize = 18;
    let mut done = String::new();
    for line in text.lines() {
        let is_row = line.starts_with("  ") && line.is_char_boundary(SECOND) && line.len() > SECOND;
        if line.chars().count() <= width {
            done += line;
            done.push('\n');
        } else if is_row && width >= SECOND + LEAST && line[..SECOND].ends_with(' ') {
            let (name, about) = line.split_at(SECOND);
            done += &filled(about, width, name, &" ".repeat(SECOND));
        } else {
            let indent = if line.starts_with(' ') { "  " } else { "" };
            done += &filled(line, width, indent, &format!("{indent}  "));
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::render;

    #[test]
    fn each_form_is_rendered() {
        let text = "# Title\n\nSome words that\ngo on.\n\n## Part\n\n```\ncode  as it is\n```\n\n- **one** thing that is *long*\n- two\n\n| a | b |\n|---|---|\n| `x\\|y` | some words of it |\n";
        let wanted = "Title\n\nSome words that go\non.\n\nPART\n    code  as it is\n\n- one thing that is\n  long\n- two\n\na — b\nx|y — some words of\n    it\n";
        assert_eq!(render(text, 20), wanted);
        assert!(render(text, 60).contains("\nx|y  some words of it\n"));
    }
}
