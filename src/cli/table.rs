//! Tables that fit a terminal: what is too long is shortened, and never what somebody has to type.

/// Between two columns.
const GAP: usize = 3;
/// The least that is left of a shortened column.
const LEAST: usize = 8;
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
        // Names go last: they are typed more than all else.
        let yields = |names: bool| {
            let columns = 0..widths.len();
            let columns = columns.filter(|at| {
                let floor = LEAST.max(heading[*at].chars().count());
                may_yield(heading[*at]) == Some(names) && widths[*at] > floor
            });
            columns.max_by_key(|at| widths[*at])
        };
        match yields(false).or_else(|| yields(true)) {
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

/// Whether a column may be shortened, and if so, whether it holds names.
fn may_yield(heading: &str) -> Option<bool> {
    let is_whole = heading.split(' ').any(|word| WHOLE.contains(&word));
    (!is_whole).then(|| heading.starts_with("NAME"))
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
}
