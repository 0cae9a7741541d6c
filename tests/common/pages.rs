//! Markdown as far as the documentation uses it: blocks, headings and links.

#![allow(dead_code, reason = "every test program that has this module uses a part of it")]

use std::path::{Path, PathBuf};

/// The folder of the project.
pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A fenced block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What stands behind the fence, such as `sh run`.
    pub info: String,
    /// What is in it.
    pub text: String,
    /// The line of the fence, from 1.
    pub line: usize,
    /// Why it is not run, from the comment above it.
    pub not_run: Option<String>,
}

/// A page of the documentation.
#[derive(Debug, Clone)]
pub struct Page {
    /// Its path below the root.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

impl Page {
    /// A page by its path below the root.
    pub fn read(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().to_owned();
        let text = std::fs::read_to_string(Path::new(ROOT).join(&path))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { path, text }
    }

    /// All fenced blocks.
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut open: Option<Block> = None;
        let mut above = "";
        for (number, line) in self.text.lines().enumerate() {
            match &mut open {
                Some(block) if line.trim() == "```" => {
                    blocks.push(block.clone());
                    open = None;
                }
                Some(block) => {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                None => {
                    if let Some(info) = line.trim_start().strip_prefix("```") {
                        let reason = above.trim().strip_prefix("<!-- not run: ");
                        open = Some(Block {
                            info: info.trim().to_owned(),
                            text: String::new(),
                            line: number + 1,
                            not_run: reason.and_then(|one| one.strip_suffix(" -->")).map(str::to_owned),
                        });
                    }
                }
            }
            if !line.trim().is_empty() {
                above = line;
            }
        }
        assert!(open.is_none(), "{}: a block has no end: {open:?}", self.path.display());
        blocks
    }

    /// The text outside of blocks, line by line with its number.
    pub fn prose(&self) -> Vec<(usize, &str)> {
        let mut inside = false;
        let mut lines = Vec::new();
        for (number, line) in self.text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                inside = !inside;
            } else if !inside {
                lines.push((number + 1, line));
            }
        }
        lines
    }

    /// The anchors of its headings, as GitHub makes them.
    pub fn anchors(&self) -> Vec<String> {
        let mut anchors: Vec<String> = Vec::new();
        for (_, line) in self.prose() {
            let title = line.trim_start_matches('#');
            if title.len() == line.len() || !title.starts_with(' ') {
                continue;
            }
            let kept = |one: &char| one.is_alphanumeric() || matches!(one, ' ' | '-' | '_');
            let base: String = title.trim().to_lowercase().chars().filter(kept).collect();
            let base = base.replace(' ', "-");
            let before = anchors.iter().filter(|one| **one == base).count();
            anchors.push(if before == 0 { base } else { format!("{base}-{before}") });
        }
        anchors
    }
}

/// All pages below a folder of the root, by path.
pub fn below(folder: &str) -> Vec<Page> {
    let mut pages = Vec::new();
    let mut folders = vec![Path::new(ROOT).join(folder)];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|one| one == "md") {
                pages.push(Page::read(path.strip_prefix(ROOT).unwrap()));
            }
        }
    }
    pages.sort_by(|one, other| one.path.cmp(&other.path));
    pages
}
