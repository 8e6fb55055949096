//! An image of a folder, written to a real one and compared with a real one.

use std::path::Path;

use anyhow::Context;

use super::disk::{Content, Disk, Image};

/// Differences that are listed; the rest is counted.
const LISTED: usize = 5;

/// Writes an image into an empty folder.
pub(crate) fn write(image: &Image, folder: &Path) -> anyhow::Result<()> {
    for (name, content) in image {
        let path = folder.join(name);
        match content {
            None => std::fs::create_dir(&path),
            Some(Content::Bytes(bytes) | Content::Volatile(bytes)) => std::fs::write(&path, bytes),
        }
        .with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// Makes sure that the record shows everything: that it leads to the folder as it is.
pub(crate) fn compare(recorded: &Disk, folder: &Path, only: Option<&str>) -> anyhow::Result<()> {
    let recorded = recorded.current();
    let real = Disk::of_folder(folder, only)?.current();
    let mut differences = Vec::new();
    for name in recorded.keys().filter(|name| !real.contains_key(*name)) {
        differences.push(format!("`{name}` is recorded, but not there"));
    }
    for (name, content) in &real {
        match (recorded.get(name), content) {
            (None, _) => differences.push(format!("`{name}` is there, but not recorded")),
            (Some(Some(Content::Bytes(recorded))), Some(Content::Bytes(real)))
                if recorded != real =>
            {
                let same = recorded.iter().zip(real).take_while(|(a, b)| a == b);
                differences.push(format!(
                    "`{name}` differs from byte {} on ({} bytes recorded, {} there)",
                    same.count(),
                    recorded.len(),
                    real.len()
                ));
            }
            _ => {}
        }
    }
    let count = differences.len();
    differences.truncate(LISTED);
    anyhow::ensure!(
        differences.is_empty(),
        "the record does not show all that happened to the disk ({count} differences), so nothing can \
         be concluded from it; does the program use the disk without the C library? {}",
        differences.join("; ")
    );
    Ok(())
}
