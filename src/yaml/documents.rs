//! Several documents in one file, as kubectl takes them.

/// The documents of a text that hold something, in their order.
///
/// Each comes as the whole text with everything else blanked, so that lines, columns and byte offsets stay those of the
/// file that the person sees.
pub fn documents(text: &str) -> Vec<String> {
    let mut documents = Vec::new();
    let mut start = 0;
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        if opens_document(line) {
            documents.push((start, offset));
            start = offset;
        }
        offset += line.len();
        if closes_document(line) {
            documents.push((start, offset));
            start = offset;
        }
    }
    documents.push((start, offset));
    documents
        .into_iter()
        .filter(|&(start, end)| text.get(start..end).is_some_and(|part| part.lines().any(holds_something)))
        .map(|(start, end)| only(text, start, end))
        .collect()
}

/// YAML reserves these at the start of a line, inside of block texts too.
fn opens_document(line: &str) -> bool {
    marker(line, "---").is_some()
}

fn closes_document(line: &str) -> bool {
    marker(line, "...").is_some()
}

fn marker<'a>(line: &'a str, marker: &str) -> Option<&'a str> {
    line.strip_prefix(marker).filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

fn holds_something(line: &str) -> bool {
    let rest = marker(line, "---").or_else(|| marker(line, "...")).unwrap_or(line);
    let rest = rest.trim_start_matches('\u{feff}').trim();
    !rest.is_empty() && !rest.starts_with(['#', '%'])
}

fn only(text: &str, start: usize, end: usize) -> String {
    let blank = |part: Option<&str>| -> String {
        // A character of several bytes becomes as many spaces, which keeps byte offsets.
        part.unwrap_or_default().bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect()
    };
    format!(
        "{}{}{}",
        blank(text.get(..start)),
        text.get(start..end).unwrap_or_default(),
        blank(text.get(end..))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_keep_their_place_in_the_file() {
        let text = "# é\na: 1\n---\n\n# only a comment\n---\nb: |\n  ---x\n  --- y\n...\n--- {c: 1}\n";
        let found = documents(text);
        assert_eq!(found.len(), 3, "{found:?}");
        for one in &found {
            assert_eq!(one.len(), text.len());
            assert_eq!(one.lines().count(), text.lines().count());
        }
        assert_eq!(found[1].trim(), "---\nb: |\n  ---x\n  --- y\n...");
        assert_eq!(found[1].lines().position(|line| line.starts_with("b:")), Some(6));
    }

    #[test]
    fn nothing_is_no_document() {
        for text in ["", "\n\n", "# hi\n", "---\n", "---\n# hi\n---\n...\n", "\u{feff}"] {
            assert!(documents(text).is_empty(), "{text:?}");
        }
        assert_eq!(documents("%YAML 1.2\n---\na: 1\n").len(), 1);
    }
}
