//! Links lead somewhere.

use std::path::{Component, Path, PathBuf};

use crate::{
    convention::all_pages,
    pages::{Page, ROOT},
};

/// The targets of all links and images of a page, with their lines.
fn links(page: &Page) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let text: Vec<(usize, &str)> = page.prose();
    for (number, line) in text {
        // What stands between backquotes is no link.
        let outside: String = line.split('`').step_by(2).collect::<Vec<_>>().join("``");
        for part in outside.split("](").skip(1) {
            let target = part.split(')').next().unwrap_or_default();
            found.push((number, target.to_owned()));
        }
    }
    found
}

/// A path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut plain, part| {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
        plain
    })
}

/// What is wrong with a link of a page; nothing when it leads somewhere.
fn fault(page: &Page, target: &str) -> Option<String> {
    if let Some(rest) = target.strip_prefix("https://") {
        let host = rest.split(['/', '#']).next().unwrap_or_default();
        return (!host.contains('.') || rest.contains(' ')).then(|| "is no address".to_owned());
    }
    if target.contains("://") {
        return Some("is neither a file nor https".to_owned());
    }
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let path = match file {
        "" => page.path.clone(),
        file => plain(&page.path.parent().unwrap_or(Path::new("")).join(file)),
    };
    if !Path::new(ROOT).join(&path).exists() {
        return Some(format!("leads to {}, which is not there", path.display()));
    }
    let anchor = anchor?;
    let other = Page::read(&path);
    (!other.anchors().iter().any(|one| one == anchor))
        .then(|| format!("{} has no heading #{anchor}, only {:?}", path.display(), other.anchors()))
}

#[test]
fn every_link_leads_somewhere() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for page in all_pages() {
        for (line, target) in links(&page) {
            count += 1;
            if let Some(fault) = fault(&page, &target) {
                wrong.push(format!("{}:{line}: {target} {fault}", page.path.display()));
            }
        }
    }
    assert!(count > 100, "only {count} links were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_page_is_reached_from_the_index() {
    let mut reached = vec![PathBuf::from("docs/README.md"), PathBuf::from("README.zh-CN.md")];
    let mut next = 0;
    while let Some(path) = reached.get(next).cloned() {
        next += 1;
        let page = Page::read(&path);
        for (_, target) in links(&page) {
            let file = target.split('#').next().unwrap_or_default();
            let to = plain(&path.parent().unwrap_or(Path::new("")).join(file));
            if file.ends_with(".md") && !reached.contains(&to) {
                reached.push(to);
            }
        }
    }
    let lost: Vec<_> =
        all_pages().into_iter().map(|page| page.path).filter(|path| !reached.contains(path)).collect();
    assert!(lost.is_empty(), "no link leads to {lost:?}");
}

#[test]
fn files_that_are_named_exist() {
    let folders = ["tests/", "src/", "scripts/", "benches/", "crds/", "deploy/", "charts/", "examples/"];
    let (mut count, mut wrong) = (0, Vec::new());
    for page in all_pages() {
        for (line, text) in page.prose() {
            for named in text.split('`').skip(1).step_by(2) {
                let is_path = folders.iter().any(|folder| named.starts_with(folder))
                    && !named.contains(['*', ' ', '…']);
                if is_path {
                    count += 1;
                    if !Path::new(ROOT).join(named).exists() {
                        wrong.push(format!("{}:{line}: {named}", page.path.display()));
                    }
                }
            }
        }
    }
    assert!(count > 50 && wrong.is_empty(), "{count} named, not there: {wrong:#?}");
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let page = Page { path: "docs/x.md".into(), text: String::new() };
    for wrong in ["nothing.md", "README.md#nothing", "http://example.com", "https://nohost", "../README.mdx"]
    {
        assert!(fault(&page, wrong).is_some(), "{wrong}");
    }
    for right in ["README.md", "../README.md#kubernetes", "../deploy", "https://etcd.io/docs"] {
        assert_eq!(fault(&page, right), None, "{right}");
    }
}
