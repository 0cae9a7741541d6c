//! What the last lines of a member's log prove about its data.

/// Texts that etcd prints only when its data is damaged, and what they mean. Each was seen on a real server or stands
/// in the place of etcd's source that is named.
const CORRUPTION: &[(&str, &str)] = &[
    // raft: the leader counts on entries that this member once had (measured: its folder was emptied).
    ("is out of range [lastIndex(", "its raft log lost entries that the leader counts on"),
    // server/storage/wal: a checksum in the write-ahead log does not fit.
    ("walpb: crc mismatch", "a checksum of its write-ahead log does not fit"),
    ("wal: crc mismatch", "a checksum of its write-ahead log does not fit"),
    // server/etcdserver/api/snap: the same for a raft snapshot.
    ("snap: crc mismatch", "a checksum of its raft snapshot does not fit"),
    // go.etcd.io/bbolt: both meta pages are bad, or a page is not what it should be.
    ("invalid database", "its database file is damaged"),
    ("assertion failed: Page expected to be", "its database file is damaged"),
    ("page already freed", "its database file is damaged"),
];

/// What a log proves about the data: `None` when nothing. An unreadable image, a taken port, a full disk or an
/// out-of-memory kill is never evidence.
pub fn of_corruption(log: &str) -> Option<String> {
    let (text, meaning) = CORRUPTION.iter().find(|(text, _)| log.contains(text))?;
    let line = log.lines().rev().find(|line| line.contains(text)).unwrap_or_default();
    Some(format!("{meaning} ({})", shorten(line)))
}

/// The line of a log that says most about its end: the last panic, fatal error or usage error, else the last line.
pub fn telling_line(log: &str) -> Option<&str> {
    const ALARMING: [&str; 4] =
        ["panic: ", "\"level\":\"panic\"", "\"level\":\"fatal\"", "flag provided but not defined"];
    let lines = || log.lines().rev().filter(|line| !line.trim().is_empty());
    lines().find(|line| ALARMING.iter().any(|text| line.contains(text))).or_else(|| lines().next())
}

/// The lines of a log just before the telling one, at most two: what it was about when that happened.
pub fn lines_before(log: &str) -> Vec<&str> {
    let Some(telling) = telling_line(log) else { return Vec::new() };
    let lines: Vec<_> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    let at = lines.iter().rposition(|line| *line == telling).unwrap_or_default();
    lines.into_iter().take(at).skip(at.saturating_sub(2)).collect()
}

/// At most 200 characters of a line, so that a status stays readable.
pub fn shorten(line: &str) -> String {
    const LIMIT: usize = 200;
    let line = line.trim();
    if line.chars().count() <= LIMIT {
        return line.to_owned();
    }
    let mut short: String = line.chars().take(LIMIT).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emptied_folder_is_evidence() {
        let log = "info\npanic: tocommit(41) is out of range [lastIndex(0)]. Was the raft log corrupted, truncated, or lost?\n";
        let fault = of_corruption(log).unwrap();
        assert!(fault.starts_with("its raft log lost entries") && fault.contains("tocommit(41)"), "{fault}");
    }

    #[test]
    fn what_came_just_before_is_told_in_order() {
        let log = "first\nsecond\n\nthird\npanic: no\nafter\n";
        assert_eq!(telling_line(log), Some("panic: no"));
        assert_eq!(lines_before(log), ["second", "third"]);
        assert!(lines_before("panic: no").is_empty() && lines_before("").is_empty());
    }

    #[test]
    fn faults_of_the_surroundings_are_not() {
        for log in [
            "listen tcp 127.0.0.1:2380: bind: address already in use",
            "write /data/member/wal/0.wal: no space left on device",
            "signal: killed",
            // Fatal for members whose data is right, when another one's folder was emptied: wiping would lose the data.
            "panic: need non-empty snapshot",
            "the member has been permanently removed from the cluster",
            // The initial corruption check of 3.6 and later: it does not know whose data is right.
            "checkInitialHashKV failed: 8e9e found data inconsistency with peers",
            "",
        ] {
            assert_eq!(of_corruption(log), None, "{log}");
        }
    }

    #[test]
    fn the_line_that_tells_most_is_found_behind_later_noise() {
        let log =
            "{\"level\":\"info\"}\n{\"level\":\"fatal\",\"msg\":\"discovery failed\"}\n\tmain.go:31\n\n";
        assert_eq!(telling_line(log), Some("{\"level\":\"fatal\",\"msg\":\"discovery failed\"}"));
        assert_eq!(telling_line("a\nb\n"), Some("b"));
        assert_eq!(telling_line("\n"), None);
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        assert_eq!(shorten(&"ü".repeat(300)).chars().count(), 201);
    }
}
