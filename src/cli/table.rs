//! Tables that fit a terminal: what is too long is shortened, and never what somebody has to type.

/// Between two columns.
const GAP: usize = 3;
/// The least that is left of a shortened column.
const LEAST: usize = 6;
/// The least that is left of a name.
const LEAST_NAME: usize = 8;
/// Columns that stay whole: half of an id or a digest is none, and numbers would lie.
const WHOLE: [&str; 9] = [
    "ID", "DIGEST", "SIZE", "TAG", "PID", "KEY", "UUID", "STATE", "STARS",
];

/// `rows` with cells shortened so that all columns stand in `width`; as they are where that cannot be reached.
pub(crate) fn fitted(heading: &[&str], rows: &[Vec<String>], width: usize) -> Vec<Vec<String>> {
    let widest = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at));
        let widest = cells.map(|cell| cell.chars().count()).max();
        widest.unwrap_or(0).max(heading[at].chars().count())
    };
    let mut widths: Vec<usize> = (0..heading.len()).map(widest).collect();
    let total = |widths: &[usize]| widths.iter().sum::<usize>() + GAP * (widths.len().max(1) - 1);
    while total(&widths) > width {
        let yields = |worth: Worth| {
            let columns = 0..widths.len();
            let least = if worth == Worth::Name {
                LEAST_NAME
            } else {
                LEAST
            };
            let columns = columns.filter(|at| {
                let floor = least.max(heading[*at].chars().count());
                Worth::of(heading[*at]) == Some(worth) && widths[*at] > floor
            });
            columns.max_by_key(|at| widths[*at])
        };
        match Worth::RISING.into_iter().find_map(yields) {
            Some(at) => widths[at] -= 1,
            None => return rows.to_vec(),
        }
    }
    let cell = |at: usize, cell: &String| shortened(cell, widths[at]);
    let row = |row: &Vec<String>| {
        row.iter()
            .enumerate()
            .map(|(at, text)| cell(at, text))
            .collect()
    };
    rows.iter().map(row).collect()
}

/// What a column is worth that may be shortened.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Worth {
    /// What is long, and known by its beginning or end.
    Known,
    /// Anything else.
    Plain,
    /// What one looks at such a table for.
    Status,
    /// What is typed more than all else.
    Name,
}

impl Worth {
    /// The order in which columns are shortened.
    const RISING: [Worth; 4] = [Worth::Known, Worth::Plain, Worth::Status, Worth::Name];

    /// That of a column; `None` where it stays whole.
    fn of(heading: &str) -> Option<Worth> {
        if heading.split(' ').any(|word| WHOLE.contains(&word)) {
            return None;
        }
        Some(match heading {
            "COMMAND" | "IMAGE" => Worth::Known,
            "STATUS" => Worth::Status,
            name if name.starts_with("NAME") => Worth::Name,
            _ => Worth::Plain,
        })
    }
}

/// `text` in `width` characters; of a path or a reference the end says more.
fn shortened(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(1);
    match text.contains('/') {
        true => format!("…{}", text.chars().skip(length - kept).collect::<String>()),
        false => format!("{}…", text.chars().take(kept).collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use super::fitted;

    #[test]
    fn what_is_typed_stays_whole() {
        let heading = ["CONTAINER ID", "IMAGE", "COMMAND", "NAMES"];
        let row = [
            "0123456789ab",
            "registry.example/deep/library/debian:13",
            "sleep infinity",
            "tools",
        ];
        let rows = vec![row.map(str::to_owned).to_vec()];
        let fit = |width| fitted(&heading, &rows, width).remove(0);
        assert_eq!(fit(100), row);
        assert_eq!(
            fit(60),
            [
                "0123456789ab",
                "…p/library/debian:13",
                "sleep infinity",
                "tools"
            ]
        );
        assert_eq!(
            fit(45),
            ["0123456789ab", "…debian:13", "sleep in…", "tools"]
        );
        assert_eq!(fit(20), row);
    }

    #[test]
    fn a_status_is_read_to_its_end() {
        let heading = [
            "CONTAINER ID",
            "IMAGE",
            "COMMAND",
            "CREATED",
            "STATUS",
            "NAMES",
        ];
        let row = [
            "0123456789ab",
            "registry.example/deep/library/debian:13",
            "\"sh -c 'sleep 600'\"",
            "14 minutes ago",
            "Exited (137) 12 minutes ago",
            "box",
        ];
        let rows = vec![row.map(str::to_owned).to_vec()];
        let cells = fitted(&heading, &rows, 80).remove(0);
        assert_eq!(cells[4..], row[4..]);
    }
}
