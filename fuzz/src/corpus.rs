//! Inputs that are kept: `corpus/TARGET/` shows between them everything that was ever found to be new,
//! `regressions/TARGET/` broke something once.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::targets::Target;

/// Larger inputs are not worth a place in the repository.
pub(crate) const LARGEST: usize = 4096;
/// Inputs kept per target.
pub(crate) const MOST: usize = 60;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file's name for an input: what it is, not when it was found.
pub(crate) fn name(input: &[u8]) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in input {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{hash:016x}")
}

/// The kept inputs of a target in a folder, sorted by name.
fn kept(folder: &str, target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<PathBuf> = fs::read_dir(root().join(folder).join(target.name))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    files.sort();
    files
        .into_iter()
        .filter_map(|path| Some((path.clone(), fs::read(path).ok()?)))
        .collect()
}

/// What showed something new.
pub(crate) fn corpus(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    kept("corpus", target)
}

/// What broke something once.
pub(crate) fn regressions(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    kept("regressions", target)
}

/// Replaces the corpus of a target by those of its inputs that are needed for all features, the small
/// ones first, and gives how many those are.
pub(crate) fn rewrite(target: &Target, mut found: Vec<(Vec<u8>, BTreeSet<u64>)>) -> Result<usize> {
    found.sort_by_key(|(input, _)| (input.len(), name(input)));
    let folder = root().join("corpus").join(target.name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let mut shown = BTreeSet::new();
    let mut count = 0;
    for (input, features) in found {
        if count < MOST && features.iter().any(|feature| shown.insert(*feature)) {
            shown.extend(features);
            fs::write(folder.join(name(&input)), &input)
                .with_context(|| format!("writing to {}", folder.display()))?;
            count += 1;
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::try_one;
    use crate::targets;

    #[test]
    fn kept_inputs_break_nothing() {
        for target in targets::ALL {
            let kept = corpus(target).into_iter().chain(regressions(target));
            for (path, input) in kept {
                if let Err(problem) = try_one(target, &input) {
                    panic!("{}: {problem}", path.display());
                }
            }
        }
    }

    #[test]
    fn every_target_has_a_corpus_of_small_files() {
        for target in targets::ALL {
            let corpus = corpus(target);
            assert!(!corpus.is_empty(), "fuzz/run --grow 60 {}", target.name);
            assert!(corpus.len() <= MOST, "{}", target.name);
            for (path, input) in corpus {
                assert!(input.len() <= LARGEST, "{}", path.display());
                assert!(path.ends_with(name(&input)), "{}", path.display());
            }
        }
    }

    #[test]
    fn folders_belong_to_targets() {
        for folder in ["corpus", "regressions"] {
            for entry in fs::read_dir(root().join(folder)).into_iter().flatten() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                assert!(
                    name == "README.md" || targets::find(&name).is_some(),
                    "{folder}/{name}"
                );
            }
        }
    }
}
