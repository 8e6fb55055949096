//! Where the API server comes from: a folder that is given, or a build of our own.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder with `kube-apiserver`, `etcd` and `kubectl`.
#[derive(Clone, Debug)]
pub struct Assets {
    folder: PathBuf,
}

impl Assets {
    /// `KUBEBUILDER_ASSETS` if that is set; else what `e2e/build` makes, once, which
    /// needs Go and takes some minutes. The error says why there is none.
    pub fn find() -> Result<Self, String> {
        if let Some(folder) = environment("KUBEBUILDER_ASSETS") {
            return Self::in_folder(PathBuf::from(folder));
        }
        Self::in_folder(build("control-plane")?)
    }

    fn in_folder(folder: PathBuf) -> Result<Self, String> {
        for name in ["kube-apiserver", "etcd", "kubectl"] {
            if !folder.join(name).is_file() {
                return Err(format!("there is no {name} in {}", folder.display()));
            }
        }
        Ok(Self { folder })
    }

    pub(super) fn api_server(&self) -> PathBuf {
        self.folder.join("kube-apiserver")
    }

    pub(super) fn etcd(&self) -> PathBuf {
        self.folder.join("etcd")
    }

    pub(super) fn kubectl(&self) -> PathBuf {
        self.folder.join("kubectl")
    }
}

/// The `helm` that `e2e/build helm` makes; as with [`super::ControlPlane::shared`], `None`
/// says that tests are skipped.
pub fn find_helm() -> Option<PathBuf> {
    found_or_skipped(build("helm").map(|folder| folder.join("helm")))
}

/// The program that `e2e/build sender` makes: it sends events through the library of Flux's
/// controllers. `None` says that tests are skipped.
pub fn find_sender() -> Option<PathBuf> {
    found_or_skipped(build("sender").map(|folder| folder.join("sender")))
}

/// Whether there is something, or a reason why tests are skipped; in CI that is a failure.
pub(super) fn found_or_skipped<T>(found: Result<T, String>) -> Option<T> {
    match found {
        Ok(found) => Some(found),
        Err(reason) if environment("CI").is_some() => panic!("tests cannot run: {reason}"),
        Err(reason) => {
            report(&reason);
            None
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "whoever runs tests must see what did not run"
)]
fn report(reason: &str) {
    eprintln!("skipped: {reason}");
}

/// Runs the build script, which prints the folder; it does nothing when that is up to date.
fn build(what: &str) -> Result<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .and_then(Path::parent)
        .expect("this crate is two folders deep");
    let script = root.join("e2e/build");
    let output = Command::new(&script)
        .arg(what)
        .output()
        .map_err(|error| format!("{} does not run: {error}", script.display()))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(PathBuf::from(folder))
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests are set up by the environment"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
