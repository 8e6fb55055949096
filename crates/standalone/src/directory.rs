//! Reads folders of manifests into a [`Configuration`], with every problem listed.

mod admit;
mod fingerprint;
mod identity;
mod secret;
mod secret_files;
mod walk;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use api::manifest::{self, Position};
use api::{ObjectKey, Problem};
use domain::ports::KindDirectory;
use domain::receiver::ReceiverRules;
use sha2::{Digest, Sha256};

use crate::configuration::{Configuration, Entry, FileProblem, Origin};

pub(crate) use fingerprint::fingerprint;

/// Most objects in all.
const OBJECTS_LIMIT: usize = 100_000;
/// Most bytes in all.
const BYTES_LIMIT: u64 = 256 << 20;
/// Greatest size of a value in the secrets folder, that of a whole Secret in a cluster
/// (<https://kubernetes.io/docs/concepts/configuration/secret/#restriction-data-size>).
const SECRET_VALUE_LIMIT: u64 = 1 << 20;

/// Where configuration is.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// Folders with manifests, read recursively, or single files.
    pub paths: Vec<PathBuf>,
    /// A folder with Secrets as files: `<namespace>/<name>/<key>`.
    pub secrets: Option<PathBuf>,
    /// What Receivers may name.
    pub receivers: ReceiverRules,
}

impl Source {
    /// One folder.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            paths: vec![path.into()],
            ..Self::default()
        }
    }
}

/// Reads everything. Blocks on the file system; what cannot be read is a problem, never an error.
pub fn read(source: &Source, kinds: &dyn KindDirectory) -> Configuration {
    let mut reading = Reading {
        configuration: Configuration {
            fingerprint: fingerprint(source),
            ..Configuration::default()
        },
        kinds,
        rules: source.receivers,
        digest: Sha256::new(),
        bytes: 0,
        objects: 0,
    };
    for path in &source.paths {
        reading.root(path);
    }
    if let Some(path) = &source.secrets {
        reading.secrets(path);
    }
    let mut configuration = reading.configuration;
    configuration.content = reading.digest.finalize().into();
    configuration.collect_problems();
    configuration
}

struct Reading<'kinds> {
    configuration: Configuration,
    kinds: &'kinds dyn KindDirectory,
    rules: ReceiverRules,
    digest: Sha256,
    bytes: u64,
    objects: usize,
}

impl Reading<'_> {
    fn root(&mut self, root: &Path) {
        let damaged = self.configuration.damaged.len();
        let found = walk::manifests(root);
        for failure in found.failures {
            self.damage(&failure.path, failure.problem);
        }
        let objects = self.objects;
        for path in found.files {
            self.file(&path);
        }
        if self.objects == objects && self.configuration.damaged.len() == damaged {
            let message = "there are no manifests here";
            let hint = format!(
                "put the manifests of Providers and Alerts into {}; their files end with .yaml, \
                 .yml or .json",
                root.display()
            );
            self.damage(root, Problem::warning("", message).with_hint(hint));
        }
    }

    fn file(&mut self, path: &Path) {
        let content = match self.content(path, manifest::FILE_LIMIT as u64) {
            Ok(content) => content,
            Err(problem) => return self.damage(path, problem),
        };
        self.configuration.files += 1;
        let file: Arc<Path> = path.into();
        for document in manifest::parse_bytes(&content) {
            if self.objects >= OBJECTS_LIMIT {
                let message = format!("more than {OBJECTS_LIMIT} objects; the rest is not read");
                return self.damage(path, Problem::error("", message));
            }
            match document {
                Ok(manifest) => {
                    self.objects += 1;
                    self.admit(manifest, &file);
                }
                Err(broken) => self.broken(&file, broken.position, None, broken.problem),
            }
        }
    }

    fn secrets(&mut self, root: &Path) {
        let damaged = self.configuration.damaged.len();
        let found = secret_files::list(root);
        for failure in found.failures {
            self.damage(&failure.path, failure.problem);
        }
        let folder: Arc<Path> = root.into();
        if found.secrets.is_empty() && self.configuration.damaged.len() == damaged {
            let problem = Problem::warning("", "there are no Secrets here")
                .with_hint("lay them out as NAMESPACE/NAME/KEY");
            self.damage(root, problem);
        }
        for (key, files) in found.secrets {
            let mut data = api::SecretData::new();
            let mut is_whole = true;
            for (name, path) in files {
                match self.content(&path, SECRET_VALUE_LIMIT) {
                    Ok(content) => data.insert(name, content),
                    Err(problem) => {
                        is_whole = false;
                        self.problem(&path.into(), None, Some(title(&key)), problem);
                    }
                }
            }
            let entry = Entry {
                value: is_whole.then(|| secret::versioned(data)),
                origin: Origin {
                    file: folder.clone(),
                    position: None,
                },
                references: Vec::new(),
            };
            // Files win over manifests.
            self.configuration.secrets.insert(key, entry);
        }
    }

    /// A file's bytes, counted and digested.
    fn content(&mut self, path: &Path, limit: u64) -> Result<Vec<u8>, Problem> {
        self.digest.update(path.as_os_str().as_encoded_bytes());
        self.digest.update([0]);
        let content = read_file(path, limit)?;
        self.bytes = self.bytes.saturating_add(content.len() as u64);
        if self.bytes > BYTES_LIMIT {
            let message = format!(
                "all files together have more than {} MiB",
                BYTES_LIMIT >> 20
            );
            return Err(Problem::error("", message));
        }
        self.digest.update((content.len() as u64).to_le_bytes());
        self.digest.update(&content);
        Ok(content)
    }

    /// A file or folder that could not be read as a whole.
    fn damage(&mut self, path: &Path, problem: Problem) {
        let path: Arc<Path> = path.into();
        self.digest.update(path.as_os_str().as_encoded_bytes());
        self.digest.update(problem.message.as_bytes());
        self.configuration.damaged.push(path.clone());
        self.problem(&path, None, None, problem);
    }

    /// A document that could not be read.
    fn broken(
        &mut self,
        file: &Arc<Path>,
        position: Position,
        object: Option<String>,
        problem: Problem,
    ) {
        if self.configuration.damaged.last() != Some(file) {
            self.configuration.damaged.push(file.clone());
        }
        self.problem(file, Some(position), object, problem);
    }

    fn problem(
        &mut self,
        file: &Arc<Path>,
        position: Option<Position>,
        object: Option<String>,
        problem: Problem,
    ) {
        self.configuration.add_problem(FileProblem {
            file: file.clone(),
            position,
            object,
            problem,
        });
    }
}

fn title(secret: &ObjectKey) -> String {
    format!("Secret {secret}")
}

fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, Problem> {
    let failed = |error: io::Error| Problem::error("", format!("cannot be read: {error}"));
    // Opening a pipe would wait for its other end.
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(Problem::error("", "is no regular file"));
    }
    let file = File::open(path).map_err(failed)?;
    let mut content = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut content)
        .map_err(failed)?;
    if content.len() as u64 > limit {
        return Err(Problem::error(
            "",
            format!("is larger than {} MiB", limit >> 20),
        ));
    }
    Ok(content)
}
