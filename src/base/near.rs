//! Which of some words was meant by a mistyped one.

/// The word of `known` that is nearest to `typed`, where one is near enough to have been meant.
///
/// One typing error in three letters is taken for one; with more, the guess would be wrong more often than right.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed: Vec<char> = typed.chars().take(MAX_CHARS).collect();
    let most = typed.len().div_ceil(3).min(3);
    let near = known.into_iter().map(|word| (distance(&typed, word), word));
    let near = near.filter(|(far, word)| *far > 0 && *far <= most && *far < word.chars().count());
    near.min().map(|(_, word)| word)
}

/// A question, to be put as a hint, of whether the nearest of `known` was meant.
pub fn question<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(typed, known).map(|word| format!("did you mean `{word}`?"))
}

/// Characters of a word that are looked at.
const MAX_CHARS: usize = 64;

/// How many letters must be added, dropped, changed or swapped with a neighbour to make one word of the other
/// (optimal string alignment).
fn distance(typed: &[char], word: &str) -> usize {
    let word: Vec<char> = word.chars().take(MAX_CHARS).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=word.len()).collect();
    for (i, a) in typed.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in word.iter().enumerate() {
            let changed = last[j] + usize::from(a != b);
            let mut least = changed.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == word[j - 1] && typed[i - 1] == *b {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[word.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_typing_error_is_seen_through() {
        let known = ["tools", "trainer", "db", "engine", "exec", "stop"];
        for (typed, meant) in [
            ("toosl", Some("tools")),
            ("tool", Some("tools")),
            ("trianer", Some("trainer")),
            ("engin", Some("engine")),
            ("exce", Some("exec")),
            ("nobody", None),
            ("x", None),
            ("", None),
            ("tools", None),
        ] {
            assert_eq!(nearest(typed, known), meant, "{typed}");
        }
    }
}
