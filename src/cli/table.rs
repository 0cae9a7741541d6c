//! Columns for people.

use std::io::IsTerminal;

/// Sets rows under a header, each column as wide as its widest cell.
pub(super) fn columns(header: &[&str], rows: &[Vec<String>]) -> String {
    let header: Vec<String> = header.iter().map(|title| (*title).to_owned()).collect();
    let widths = widths(&header, rows);
    let line = |cells: &Vec<String>| {
        let padded: Vec<_> =
            cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    std::iter::once(&header).chain(rows).map(line).collect()
}

/// Rows in a frame, as etcdctl draws its tables: titles in the middle, cells to the right.
pub(super) fn framed(header: &[&str], rows: &[Vec<String>]) -> String {
    let header: Vec<String> = header.iter().map(|title| (*title).to_owned()).collect();
    let widths = widths(&header, rows);
    let rule: String = widths.iter().map(|width| format!("+{}", "-".repeat(width + 2))).collect();
    let rule = format!("{rule}+\n");
    let titles: String =
        header.iter().zip(&widths).map(|(title, width)| format!("| {title:^width$} ")).collect();
    let line = |cells: &Vec<String>| {
        let cells: String =
            cells.iter().zip(&widths).map(|(cell, width)| format!("| {cell:>width$} ")).collect();
        format!("{cells}|\n")
    };
    let lines: String = rows.iter().map(line).collect();
    format!("{rule}{titles}|\n{rule}{lines}{rule}")
}

/// The width of each column: that of its widest cell, its title included.
fn widths(header: &[String], rows: &[Vec<String>]) -> Vec<usize> {
    let width = |cell: &String| cell.chars().count();
    header
        .iter()
        .enumerate()
        .map(|(n, title)| {
            let cells = rows.iter().filter_map(|row| row.get(n)).map(width);
            cells.chain([width(title)]).max().unwrap_or_default()
        })
        .collect()
}

/// Whether a stream takes colours: a terminal, and NO_COLOR is not set (no-color.org).
pub(super) fn colours(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A text in green, for what is as it should be.
pub(super) fn green(text: &str) -> String {
    format!("\u{1b}[32m{text}\u{1b}[0m")
}

/// A text in red, for bad news.
pub(super) fn red(text: &str) -> String {
    format!("\u{1b}[31m{text}\u{1b}[0m")
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
