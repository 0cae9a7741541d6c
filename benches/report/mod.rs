//! Where the figures go: Markdown to the standard output, and to the end of the file that `QUORATE_BENCH_REPORT` names.
//!
//! What cargo says goes to the standard error, so that the output can be pasted into docs/performance.md as it is.

#![allow(dead_code, reason = "each bench program compiles this module and uses a part of it")]

pub mod busy;
pub mod process;

use std::{fs::File, io::Write, time::Duration};

/// The report of one program.
pub struct Report {
    file: Option<File>,
}

impl Report {
    /// Opens the file, if one is named. A file that can't be written is better known before the hour than after it.
    pub fn open() -> Self {
        let path = std::env::var_os("QUORATE_BENCH_REPORT").filter(|path| !path.is_empty());
        let file = path.map(|path| {
            File::options().create(true).append(true).open(&path).unwrap_or_else(|error| {
                panic!("QUORATE_BENCH_REPORT: {} can't be written: {error}", path.display())
            })
        });
        Self { file }
    }

    /// One paragraph.
    pub fn say(&mut self, text: &str) {
        println!("{text}\n");
        if let Some(file) = &mut self.file {
            writeln!(file, "{text}\n").expect("the report can be written");
        }
    }

    /// One table. Every figure is aligned to the right, the first column to the left.
    pub fn table(&mut self, head: &[&str], rows: &[Vec<String>]) {
        let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
        let head: Vec<_> = head.iter().map(|cell| (*cell).to_owned()).collect();
        let rule: Vec<_> = (0..head.len()).map(|n| if n == 0 { "---" } else { "---:" }.to_owned()).collect();
        let mut lines = vec![line(&head), line(&rule)];
        lines.extend(rows.iter().map(|row| line(row)));
        self.say(&lines.join("\n"));
    }
}

/// A short time, with a decimal while it is below ten.
pub fn ms(time: Duration) -> String {
    let value = time.as_secs_f64() * 1e3;
    if value < 10.0 { format!("{value:.1} ms") } else { format!("{value:.0} ms") }
}

/// A long time.
pub fn s(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// The value that this part of all values does not exceed.
pub fn quantile<T: Copy + Ord + Default>(values: &[T], part: f64) -> T {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let at = (part * sorted.len() as f64).ceil() as usize;
    sorted.get(at.saturating_sub(1)).copied().unwrap_or_default()
}

/// Several times: all of them while they are few, else the middle one and the range.
pub fn several(times: &[Duration]) -> String {
    match (times.iter().min(), times.iter().max()) {
        (Some(least), Some(most)) if times.len() > 3 => {
            format!("{} ({} – {})", s(quantile(times, 0.5)), s(*least), s(*most))
        }
        _ => times.iter().map(|time| s(*time)).collect::<Vec<_>>().join(", "),
    }
}
