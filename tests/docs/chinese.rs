//! The Chinese pages have the same commands as the English ones.

use crate::pages::{self, Block, Page};

/// A block's text without comments, which are translated.
fn commands(block: &Block) -> Vec<String> {
    let bare = block.text.lines().map(|line| {
        let comment = line.starts_with('#').then_some(0).or_else(|| line.find(" #"));
        comment.map_or(line, |at| &line[..at]).trim_end().to_owned()
    });
    bare.filter(|line| !line.is_empty()).collect()
}

#[test]
fn the_same_commands_stand_in_both_languages() {
    let pages = pages::below("docs/zh-CN");
    let pairs = pages.iter().map(|page| {
        let rest = page.path.strip_prefix("docs/zh-CN").unwrap();
        (page.clone(), Page::read(std::path::Path::new("docs").join(rest)))
    });
    let front = (Page::read("README.zh-CN.md"), Page::read("README.md"));
    let mut count = 0;
    for (chinese, english) in pairs.chain([front]) {
        let (ours, theirs) = (chinese.blocks(), english.blocks());
        let name = chinese.path.display();
        assert_eq!(ours.len(), theirs.len(), "{name} and {} differ in blocks", english.path.display());
        for (one, other) in ours.iter().zip(&theirs) {
            count += 1;
            let at = format!("{name}:{} and line {}", one.line, other.line);
            assert_eq!((&one.info, commands(one)), (&other.info, commands(other)), "{at}");
            assert_eq!(one.not_run.is_some(), other.not_run.is_some(), "{at}");
        }
    }
    assert!(count > 20, "only {count} blocks were compared");
}
