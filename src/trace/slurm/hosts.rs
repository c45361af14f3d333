//! Lists of nodes as Slurm writes them: `gpu[001-004,007],login1`.

/// Nodes that one list may name.
pub const HOSTS_MAX: usize = 1_024;

/// The names in a list; none when it is no such list, or names more than [`HOSTS_MAX`]. A list as
/// Python writes it is one, too: excerpts have been made with it.
#[must_use]
pub fn expand(text: &str) -> Option<Vec<String>> {
    let is_nothing = matches!(text, "" | "None assigned" | "(null)" | "[]");
    if is_nothing {
        return Some(vec![]);
    }
    if let Some(quoted) = text.strip_prefix("['").and_then(|text| text.strip_suffix("']")) {
        let names: Vec<String> = quoted.split("', '").map(str::to_owned).collect();
        return (names.len() <= HOSTS_MAX).then_some(names);
    }
    let mut names = vec![];
    for item in outside_brackets(text)? {
        expand_one(item, &mut names)?;
    }
    Some(names)
}

/// The parts between commas that stand in no brackets.
fn outside_brackets(text: &str) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut is_inside) = (vec![], 0, false);
    for (at, sign) in text.char_indices() {
        match (sign, is_inside) {
            ('[', false) => is_inside = true,
            (']', true) => is_inside = false,
            ('[', true) | (']', false) => return None,
            (',', false) => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    (!is_inside).then_some(parts)
}

/// `rack[1-2]n[01-03]` is six names.
fn expand_one(item: &str, names: &mut Vec<String>) -> Option<()> {
    let Some((before, rest)) = item.split_once('[') else {
        if item.is_empty() || names.len() == HOSTS_MAX {
            return None;
        }
        names.push(item.to_owned());
        return Some(());
    };
    let (ranges, after) = rest.split_once(']')?;
    for range in ranges.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let is_number = |text: &str| {
            (1..=9).contains(&text.len()) && text.bytes().all(|one| one.is_ascii_digit())
        };
        let (from, to): (u64, u64) = match is_number(first) && is_number(last) {
            true => (first.parse().ok()?, last.parse().ok()?),
            false => return None,
        };
        if from > to {
            return None;
        }
        let width = first.len();
        for number in from..=to {
            expand_one(&format!("{before}{number:0width$}{after}"), names)?;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let table: &[(&str, Option<&[&str]>)] = &[
            ("", Some(&[])),
            ("None assigned", Some(&[])),
            ("n1", Some(&["n1"])),
            ("n1,n2", Some(&["n1", "n2"])),
            ("gpu[001-003,007],x", Some(&["gpu001", "gpu002", "gpu003", "gpu007", "x"])),
            ("r[1-2]n[9-10]", Some(&["r1n9", "r1n10", "r2n9", "r2n10"])),
            ("['a-1', 'b-2']", Some(&["a-1", "b-2"])),
            ("gpu[1-", None),
            ("gpu[3-1]", None),
            ("gpu[a-b]", None),
            ("gpu1]", None),
            ("n1,,n2", None),
            ("gpu[1-999999999]", None),
        ];
        for (text, wanted) in table {
            let wanted = wanted.map(|names| names.iter().map(ToString::to_string).collect());
            assert_eq!(expand(text), wanted, "{text}");
        }
    }
}
