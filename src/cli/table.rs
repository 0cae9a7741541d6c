//! Columns for people.

use std::io::{IsTerminal, stdout};

/// Sets rows under a header, each column as wide as its widest cell.
pub(super) fn columns(header: &[&str], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = header
        .iter()
        .enumerate()
        .map(|(n, title)| {
            let cells = rows.iter().filter_map(|row| row.get(n)).map(|cell| cell.chars().count());
            cells.chain([title.len()]).max().unwrap_or_default()
        })
        .collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<_> = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let mut text = line(&mut header.iter().copied());
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

/// Rows in a frame, as etcdctl draws its tables.
pub(super) fn framed(header: &[&str], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = header
        .iter()
        .enumerate()
        .map(|(n, title)| {
            let cells = rows.iter().filter_map(|row| row.get(n)).map(|cell| cell.chars().count());
            cells.chain([title.len()]).max().unwrap_or_default()
        })
        .collect();
    let rule: String =
        widths.iter().map(|width| format!("+{}", "-".repeat(width + 2))).collect::<String>() + "+\n";
    let mut text = rule.clone();
    text.push_str(&framed_row(
        header.iter().map(|title| format!("{title:^0$}", 0)).collect::<Vec<_>>().as_slice(),
        &widths,
        true,
    ));
    text.push_str(&rule);
    for row in rows {
        text.push_str(&framed_row(row, &widths, false));
    }
    text.push_str(&rule);
    text
}

fn framed_row(cells: &[String], widths: &[usize], centred: bool) -> String {
    let cells: String = cells
        .iter()
        .zip(widths)
        .map(
            |(cell, width)| if centred { format!("| {cell:^width$} ") } else { format!("| {cell:>width$} ") },
        )
        .collect();
    cells + "|\n"
}

/// Whether standard output takes colours: a terminal, and NO_COLOR is not set (no-color.org).
pub(super) fn colours() -> bool {
    stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let text =
            columns(&["NAME", "ID"], &[vec!["demo-x".into(), "1".into()], vec!["a".into(), "22".into()]]);
        assert_eq!(text, "NAME    ID\ndemo-x  1\na       22\n");
    }

    #[test]
    fn frames_look_like_those_of_etcdctl() {
        let text = framed(&["ID", "STATUS"], &[vec!["8e9e".into(), "started".into()]]);
        assert_eq!(
            text,
            "+------+---------+\n|  ID  | STATUS  |\n+------+---------+\n| 8e9e | started |\n+------+---------+\n"
        );
    }
}
