//! The shim in real programs, which were not made for it.

use std::process::{Command, Output};

use super::*;
use crate::power::disk::{Content, Disk, Image};
use crate::power::fate::Fate;
use crate::power::{image, record};

/// A folder that a shell works in, watched.
struct Bench {
    folder: tempfile::TempDir,
    shim: Shim,
    control: Control,
    start: Disk,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let disk = folder.path().join("disk");
        std::fs::create_dir(&disk).unwrap();
        std::fs::create_dir(folder.path().join("record")).unwrap();
        Self {
            shim: Shim::build(folder.path()).unwrap(),
            control: Control::create(&folder.path().join("control")).unwrap(),
            start: Disk::of_folder(&disk, None).unwrap(),
            folder,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, script: &str) -> Output {
        let record = self.path("record");
        let environment = self
            .shim
            .environment(&self.path("disk"), Some(&record), Some(&self.control))
            .unwrap();
        Command::new("sh")
            .args(["-c", script])
            .current_dir(self.path("disk"))
            .envs(environment)
            .output()
            .unwrap()
    }

    /// The disk as recorded, which must be the disk as it is.
    fn recorded(&self) -> Disk {
        let mut disk = self.start.clone();
        for recorded in record::read(&self.path("record")).unwrap() {
            disk.apply(&recorded.change).unwrap();
        }
        image::compare(&disk, &self.path("disk"), None).unwrap();
        disk
    }
}

fn bytes(image: &Image, name: &str) -> Option<Vec<u8>> {
    match image.get(name)? {
        Some(Content::Bytes(bytes)) => Some(bytes.clone()),
        _ => None,
    }
}

#[test]
fn what_programs_do_is_recorded_and_what_they_synced_survives() {
    let bench = Bench::new();
    let output = bench.run(
        "set -e
         mkdir below
         dd if=/dev/zero of=below/synced bs=1000 count=9 conv=fsync
         sync below .
         printf abc > loose
         printf def >> loose
         mv loose moved
         ln moved twin
         truncate -s 2000 moved
         printf gone > gone
         rm gone
         mkdir empty
         rmdir empty
         dd if=/dev/zero of=below/synced bs=1 count=3 seek=9500 conv=notrunc
         cp below/synced copy",
    );
    assert!(output.status.success(), "{output:?}");
    let disk = bench.recorded();
    for seed in 0..50 {
        let image = disk.after_cut(&Fate::of_seed(seed));
        let content = bytes(&image, "below/synced").expect("it was synced");
        assert!(content.len() >= 9000);
    }
    let exists = |name, seed| disk.after_cut(&Fate::of_seed(seed)).contains_key(name);
    assert!((0..50).any(|seed| exists("moved", seed)));
    assert!((0..50).any(|seed| !exists("moved", seed)));
}

#[test]
fn a_process_that_is_killed_and_one_that_follows_share_a_record() {
    let bench = Bench::new();
    bench.run("printf one > a; kill -9 $$");
    bench.run("printf two >> a; sync a .");
    let disk = bench.recorded();
    let image = disk.after_cut(&Fate::of_seed(0));
    assert_eq!(bytes(&image, "a").unwrap(), b"onetwo");
}

#[test]
fn a_rule_hits_the_calls_that_it_names_and_no_others() {
    let bench = Bench::new();
    let rule = Rule {
        operations: vec![Operation::Write],
        action: Action::Fail(Errno::Io),
        skip: 2,
        times: 1,
        suffix: "/b",
    };
    bench.control.set(3, &rule).unwrap();
    let output = bench.run(
        "mkdir d
         dd if=/dev/zero of=d/a bs=10 count=4 &&
         dd if=/dev/zero of=d/b bs=10 count=4",
    );
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(text.contains("Input/output error"), "{text}");
    let image = bench.recorded().current();
    assert_eq!(bytes(&image, "d/a").unwrap().len(), 40);
    assert_eq!(bytes(&image, "d/b").unwrap().len(), 20);
    assert_eq!(bench.control.hit().unwrap().writes, 1);
    bench.control.clear(3).unwrap();
    assert!(bench.run("printf x > d/b").status.success());
}

#[test]
fn a_torn_write_leaves_half_and_fails() {
    let bench = Bench::new();
    let rule = Rule {
        operations: vec![Operation::Write],
        action: Action::Torn(Errno::Io),
        skip: 0,
        times: 1,
        suffix: "",
    };
    bench.control.set(0, &rule).unwrap();
    assert!(
        !bench
            .run("dd if=/dev/zero of=a bs=10 count=1")
            .status
            .success()
    );
    assert_eq!(bytes(&bench.recorded().current(), "a").unwrap().len(), 5);
}

#[test]
fn a_failed_sync_is_recorded_as_one() {
    let bench = Bench::new();
    let rule = Rule {
        operations: vec![Operation::Sync],
        action: Action::Fail(Errno::Io),
        skip: 0,
        times: 1,
        suffix: "a",
    };
    bench.control.set(0, &rule).unwrap();
    bench.run("printf abc > a; sync .; sync a; sync a");
    let disk = bench.recorded();
    let lost = |seed| bytes(&disk.after_cut(&Fate::of_seed(seed)), "a").unwrap() == [0; 3];
    assert!((0..50).any(lost), "the second sync did not write it");
}

#[test]
fn a_full_disk_takes_what_fits_and_heals() {
    let bench = Bench::new();
    bench.control.limit_room(Some(8192)).unwrap();
    let output = bench.run("dd if=/dev/zero of=a bs=4096 count=4");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("No space left"), "{text}");
    assert_eq!(bytes(&bench.recorded().current(), "a").unwrap().len(), 8192);
    bench.control.limit_room(None).unwrap();
    assert!(
        bench
            .run("dd if=/dev/zero of=a bs=4096 count=4")
            .status
            .success()
    );
}
