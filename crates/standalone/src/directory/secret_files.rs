//! Finds Secrets that are laid out as files: `<namespace>/<name>/<key>`.
//!
//! A mounted Kubernetes Secret is such a folder of keys; its links `..data` and the like are passed
//! over. Keys may start with one dot (`.dockerconfigjson`).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use api::{ObjectKey, Problem};

use super::identity;
use super::walk::Failure;

/// Most files and folders looked at.
const ENTRIES_LIMIT: usize = 10_000;

/// Secrets with the files of their keys, and what could not be read.
#[derive(Default)]
pub(super) struct Found {
    pub(super) secrets: BTreeMap<ObjectKey, BTreeMap<String, PathBuf>>,
    pub(super) failures: Vec<Failure>,
    entries: usize,
}

/// The Secrets of a folder.
pub(super) fn list(root: &Path) -> Found {
    let mut found = Found::default();
    for (namespace, path) in found.children(root) {
        if !found.is_folder(&path, &namespace, identity::namespace_problem) {
            continue;
        }
        for (name, path) in found.children(&path) {
            if !found.is_folder(&path, &name, identity::name_problem) {
                continue;
            }
            let keys = found.children(&path);
            let key = ObjectKey::new(&namespace, name);
            found.secrets.insert(key, keys.into_iter().collect());
        }
    }
    if found.entries > ENTRIES_LIMIT {
        let message = format!("more than {ENTRIES_LIMIT} files; the rest is not read");
        found.failures.push(Failure {
            path: root.to_owned(),
            problem: Problem::error("", message),
        });
    }
    found
}

impl Found {
    /// The entries of a folder, in order.
    fn children(&mut self, folder: &Path) -> Vec<(String, PathBuf)> {
        let mut children = Vec::new();
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => {
                self.failures.push(Failure::new(folder, &error));
                return children;
            }
        };
        for entry in entries {
            if self.entries > ENTRIES_LIMIT {
                break;
            }
            self.entries += 1;
            match entry {
                Ok(entry) if entry.file_name().as_encoded_bytes().starts_with(b"..") => {}
                Ok(entry) => match OsString::into_string(entry.file_name()) {
                    Ok(name) => children.push((name, entry.path())),
                    Err(_) => self.failures.push(Failure {
                        path: entry.path(),
                        problem: Problem::warning("", "the name is no UTF-8 text; passed over"),
                    }),
                },
                Err(error) => self.failures.push(Failure::new(folder, &error)),
            }
        }
        children.sort();
        children
    }

    /// Whether this is a folder that can stand for a namespace or a Secret. Other files around them
    /// are passed over.
    fn is_folder(&mut self, path: &Path, name: &str, problem: fn(&str) -> Option<String>) -> bool {
        if name.starts_with('.') || !path.is_dir() {
            return false;
        }
        match problem(name) {
            Some(message) => {
                self.failures.push(Failure {
                    path: path.to_owned(),
                    problem: Problem::warning("", message),
                });
                false
            }
            None => true,
        }
    }
}
