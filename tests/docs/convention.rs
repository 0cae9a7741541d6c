//! Every block of commands is run by a test, or says why it is not.

use crate::pages::{self, Page};

/// The pages whose blocks are run, and where that happens.
const RUN: [&str; 6] = [
    "docs/by-hand.md",
    "docs/getting-started/one-machine.md",
    // By tests/e2e/documentation.rs, on a real Kubernetes.
    "docs/getting-started/kubernetes.md",
    // The same commands as theirs, by the test in chinese.rs.
    "docs/zh-CN/by-hand.md",
    "docs/zh-CN/getting-started/one-machine.md",
    "docs/zh-CN/getting-started/kubernetes.md",
];

/// Languages of blocks that are no commands.
const OTHERS: [&str; 5] = ["text", "text output", "yaml", "json", "promql"];

/// All pages there are.
pub fn all_pages() -> Vec<Page> {
    let mut all = pages::below("docs");
    for entry in std::fs::read_dir(pages::ROOT).unwrap().flatten() {
        let name = entry.file_name();
        if name.to_string_lossy().ends_with(".md") {
            all.push(Page::read(name));
        }
    }
    all.push(Page::read("examples/README.md"));
    all
}

#[test]
fn every_block_of_commands_is_run_or_says_why_not() {
    let mut wrong = Vec::new();
    for page in all_pages() {
        let path = page.path.to_string_lossy().into_owned();
        for block in page.blocks() {
            let at = format!("{path}:{}", block.line);
            match (block.info.as_str(), &block.not_run) {
                ("sh run", None) if RUN.contains(&path.as_str()) => {}
                ("sh run", None) => wrong.push(format!("{at}: no test runs the blocks of this page")),
                ("sh run", Some(_)) => wrong.push(format!("{at}: it is run and says why it is not")),
                ("sh", Some(why)) if !why.trim().is_empty() => {}
                ("sh", _) => wrong.push(format!("{at}: say `sh run`, or `<!-- not run: why -->` above it")),
                (other, None) if OTHERS.contains(&other) => {}
                (other, _) => wrong.push(format!("{at}: {other:?} is none of sh, sh run and {OTHERS:?}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_page_that_is_run_has_something_to_run() {
    for path in RUN {
        let blocks = Page::read(path).blocks();
        assert!(blocks.iter().any(|block| block.info == "sh run"), "{path} has no block that is run");
    }
}
