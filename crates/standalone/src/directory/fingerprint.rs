//! A cheap summary of the state of the files, to notice changes that nobody announced.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::{Source, secret_files, walk};

/// Differs when files came, went, were replaced or written to. Content is not looked at.
pub(crate) fn fingerprint(source: &Source) -> u64 {
    let mut hasher = DefaultHasher::new();
    for root in &source.paths {
        let found = walk::manifests(root);
        for path in &found.files {
            add(path, &mut hasher);
        }
        for failure in &found.failures {
            failure.path.hash(&mut hasher);
            failure.problem.message.hash(&mut hasher);
        }
    }
    if let Some(root) = &source.secrets {
        let found = secret_files::list(root);
        for path in found.secrets.values().flat_map(|files| files.values()) {
            add(path, &mut hasher);
        }
        for failure in &found.failures {
            failure.path.hash(&mut hasher);
            failure.problem.message.hash(&mut hasher);
        }
    }
    hasher.finish()
}

fn add(path: &Path, hasher: &mut DefaultHasher) {
    path.hash(hasher);
    // A file replaced through a link has another inode; one written to has another change time,
    // even if its old modification time was put back.
    if let Ok(metadata) = fs::metadata(path) {
        metadata.dev().hash(hasher);
        metadata.ino().hash(hasher);
        metadata.size().hash(hasher);
        metadata.mtime().hash(hasher);
        metadata.mtime_nsec().hash(hasher);
        metadata.ctime().hash(hasher);
        metadata.ctime_nsec().hash(hasher);
    }
}
