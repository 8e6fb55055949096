//! Finds the manifest files of a folder.
//!
//! Names that start with a dot are passed over, links are followed. That is right for Kubernetes'
//! mounts, too: there, `alerts.yaml` is a link through the hidden link `..data` into a hidden folder.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use api::Problem;

/// Most manifest files.
const FILES_LIMIT: usize = 10_000;
/// Most folder entries looked at, of whatever kind.
const ENTRIES_LIMIT: usize = 100_000;

/// Files, and what could not be read.
#[derive(Default)]
pub(super) struct Found {
    /// In order.
    pub(super) files: Vec<PathBuf>,
    pub(super) failures: Vec<Failure>,
}

/// A file or folder that could not be read.
pub(super) struct Failure {
    pub(super) path: PathBuf,
    pub(super) problem: Problem,
}

impl Failure {
    pub(super) fn new(path: &Path, error: &io::Error) -> Self {
        Self {
            path: path.to_owned(),
            problem: Problem::error("", format!("cannot be read: {error}")),
        }
    }
}

/// The manifest files of a folder and its folders, each once however many links lead to it; a file
/// stands for itself.
pub(super) fn manifests(root: &Path) -> Found {
    let mut found = Found::default();
    match fs::metadata(root) {
        Ok(metadata) if metadata.is_dir() => walk(root, &mut found),
        Ok(_) => found.files.push(root.to_owned()),
        Err(error) => found.failures.push(Failure::new(root, &error)),
    }
    found
}

fn walk(root: &Path, found: &mut Found) {
    let mut folders = vec![root.to_owned()];
    let mut seen = HashSet::new();
    let mut entries = 0;
    while let Some(folder) = folders.pop() {
        // Links may lead in circles.
        match fs::canonicalize(&folder) {
            Ok(real) if seen.insert(real.clone()) => {}
            Ok(_) => continue,
            Err(error) => {
                found.failures.push(Failure::new(&folder, &error));
                continue;
            }
        }
        let names = match names(&folder, &mut entries) {
            Ok(names) => names,
            Err(error) => {
                found.failures.push(Failure::new(&folder, &error));
                continue;
            }
        };
        // The stack turns the order around.
        for path in names.into_iter().rev() {
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_dir() => folders.push(path),
                Ok(_) if is_manifest(&path) => found.files.push(path),
                Err(error) if is_manifest(&path) => {
                    found.failures.push(Failure::new(&path, &error));
                }
                Ok(_) | Err(_) => {}
            }
        }
        if found.files.len() > FILES_LIMIT || entries > ENTRIES_LIMIT {
            let message = format!(
                "more than {FILES_LIMIT} manifest files or {ENTRIES_LIMIT} entries; the rest is \
                 not read"
            );
            found.failures.push(Failure {
                path: root.to_owned(),
                problem: Problem::error("", message),
            });
            break;
        }
    }
    found.files.sort();
    found.files.truncate(FILES_LIMIT);
    let mut seen = HashSet::new();
    found
        .files
        .retain(|path| fs::canonicalize(path).map_or(true, |real| seen.insert(real)));
}

/// The visible entries of a folder, in order.
fn names(folder: &Path, entries: &mut usize) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        *entries += 1;
        if *entries > ENTRIES_LIMIT {
            break;
        }
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn is_manifest(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        ["yaml", "yml", "json"]
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
    })
}
