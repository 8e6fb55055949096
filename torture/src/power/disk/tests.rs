//! Deeds of a program on a real folder, and what the record makes of them.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::power::fate::Survival;
use crate::power::image;

const FOLDER: Inode = 1;

/// What a program may do to one of four files, by number.
#[derive(Clone, Debug)]
enum Deed {
    Open(u64),
    Write(u64, u64, Vec<u8>),
    Resize(u64, u64),
    Zero(u64, u64, u64),
    Remove(u64),
    Rename(u64, u64),
    Sync(u64),
    FailSync(u64),
    SyncFolder,
}

fn deed() -> impl Strategy<Value = Deed> {
    let file = 0_u64..4;
    let place = 0_u64..6000;
    prop_oneof![
        file.clone().prop_map(Deed::Open),
        (
            file.clone(),
            place.clone(),
            proptest::collection::vec(1_u8.., 1..3000)
        )
            .prop_map(|(file, at, data)| Deed::Write(file, at, data)),
        (file.clone(), place.clone()).prop_map(|(file, to)| Deed::Resize(file, to)),
        (file.clone(), place, 0_u64..3000).prop_map(|(file, at, by)| Deed::Zero(file, at, by)),
        file.clone().prop_map(Deed::Remove),
        (file.clone(), file.clone()).prop_map(|(from, to)| Deed::Rename(from, to)),
        file.clone().prop_map(Deed::Sync),
        file.prop_map(Deed::FailSync),
        Just(Deed::SyncFolder),
    ]
}

/// Does deeds to a real folder and records them as the shim would.
struct Program {
    real: tempfile::TempDir,
    disk: Disk,
    inodes: BTreeMap<u64, Inode>,
    next: Inode,
    ticket: u64,
}

impl Program {
    fn new() -> Self {
        let real = tempfile::tempdir().unwrap();
        let mut disk = Disk::of_folder(real.path(), None).unwrap();
        disk.inodes.insert(FOLDER, ROOT);
        Self {
            real,
            disk,
            inodes: BTreeMap::new(),
            next: FOLDER + 1,
            ticket: 0,
        }
    }

    fn record(&mut self, change: &Change) {
        self.disk.apply(change).unwrap();
    }

    fn sync(&mut self, inode: Inode, has_failed: bool) {
        self.ticket += 1;
        let ticket = self.ticket;
        self.record(&Change::SyncBegins { inode, ticket });
        self.record(&Change::SyncEnds {
            inode,
            ticket,
            has_failed,
        });
    }

    fn sync_everything(&mut self) {
        for inode in self.inodes.clone().into_values() {
            // Writing a page again is the only way to get it to the disk after a failed sync.
            let content = self.disk.current();
            let name = self.name_of(inode);
            if let Some(Some(Content::Bytes(bytes))) = content.get(&name) {
                let data = Bytes::from(bytes.clone());
                self.record(&Change::Write {
                    inode,
                    offset: 0,
                    data,
                });
            }
            self.sync(inode, false);
        }
        self.sync(FOLDER, false);
    }

    fn name_of(&self, inode: Inode) -> String {
        let found = self.inodes.iter().find(|(_, known)| **known == inode);
        found.unwrap().0.to_string()
    }

    fn content(&self, file: u64) -> Vec<u8> {
        std::fs::read(self.real.path().join(file.to_string())).unwrap()
    }

    fn set(&self, file: u64, content: &[u8]) {
        std::fs::write(self.real.path().join(file.to_string()), content).unwrap();
    }

    fn set_range(&self, file: u64, at: u64, data: &[u8]) {
        let mut content = self.content(file);
        let at = usize::try_from(at).unwrap();
        let end = at + data.len();
        content.resize(content.len().max(end), 0);
        content[at..end].copy_from_slice(data);
        self.set(file, &content);
    }

    fn perform(&mut self, deed: Deed) {
        let file = match &deed {
            Deed::Open(file)
            | Deed::Write(file, ..)
            | Deed::Resize(file, _)
            | Deed::Zero(file, ..)
            | Deed::Remove(file)
            | Deed::Rename(file, _)
            | Deed::Sync(file)
            | Deed::FailSync(file) => *file,
            Deed::SyncFolder => return self.sync(FOLDER, false),
        };
        let name = file.to_string();
        if let Deed::Open(_) = deed {
            let next = self.next;
            let inode = *self.inodes.entry(file).or_insert(next);
            if inode == next {
                self.next += 1;
                self.set(file, b"");
            }
            return self.record(&Change::Opened {
                inode,
                name,
                is_new: inode == next,
            });
        }
        let Some(inode) = self.inodes.get(&file).copied() else {
            return;
        };
        match deed {
            Deed::Write(_, offset, data) => {
                self.set_range(file, offset, &data);
                let data = data.into();
                self.record(&Change::Write {
                    inode,
                    offset,
                    data,
                });
            }
            Deed::Resize(_, length) => {
                let mut content = self.content(file);
                content.resize(usize::try_from(length).unwrap(), 0);
                self.set(file, &content);
                self.record(&Change::Resize { inode, length });
            }
            Deed::Zero(_, offset, length) => {
                self.set_range(file, offset, &vec![0; usize::try_from(length).unwrap()]);
                self.record(&Change::Zero {
                    inode,
                    offset,
                    length,
                });
            }
            Deed::Remove(_) => {
                self.inodes.remove(&file);
                std::fs::remove_file(self.real.path().join(&name)).unwrap();
                self.record(&Change::Remove { name });
            }
            Deed::Rename(_, to) if to != file => {
                self.inodes.remove(&file);
                self.inodes.insert(to, inode);
                let path = |name: &str| self.real.path().join(name);
                std::fs::rename(path(&name), path(&to.to_string())).unwrap();
                let to = to.to_string();
                self.record(&Change::Rename { from: name, to });
            }
            Deed::Sync(_) => self.sync(inode, false),
            Deed::FailSync(_) => self.sync(inode, true),
            Deed::Rename(..) | Deed::Open(_) | Deed::SyncFolder => {}
        }
    }
}

fn contents(image: &Image) -> BTreeMap<&str, &[u8]> {
    let bytes = image.iter().filter_map(|(name, content)| match content {
        Some(Content::Bytes(bytes)) => Some((name.as_str(), bytes.as_slice())),
        _ => None,
    });
    bytes.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_record_leads_to_the_real_folder_and_so_does_a_cut_that_loses_nothing(
        deeds in proptest::collection::vec(deed(), 0..40)
    ) {
        let mut program = Program::new();
        let mut has_failed = false;
        for deed in deeds {
            has_failed |= matches!(deed, Deed::FailSync(_));
            program.perform(deed);
            image::compare(&program.disk, program.real.path(), None).unwrap();
        }
        if !has_failed {
            let all = program.disk.after_cut(&Fate::of_all(Survival::All));
            prop_assert_eq!(all, program.disk.current());
        }
    }

    #[test]
    fn what_was_synced_is_there_whatever_happened_before(
        deeds in proptest::collection::vec(deed(), 0..40), seed in 0_u64..
    ) {
        let mut program = Program::new();
        for deed in deeds {
            program.perform(deed);
        }
        program.sync_everything();
        let image = program.disk.after_cut(&Fate::of_seed(seed));
        prop_assert_eq!(&image, &program.disk.current());
        let folder = tempfile::tempdir().unwrap();
        image::write(&image, folder.path()).unwrap();
        image::compare(&program.disk, folder.path(), None).unwrap();
    }

    #[test]
    fn each_sector_shows_a_moment_since_the_last_sync(
        before in proptest::collection::vec(deed(), 0..20),
        after in proptest::collection::vec(deed(), 0..20),
        seed in 0_u64..
    ) {
        let mut program = Program::new();
        program.perform(Deed::Open(0));
        for deed in before {
            program.perform(deed);
        }
        program.sync_everything();
        let mut moments = vec![program.disk.current()];
        for deed in after {
            // Names stand still, so that moments can be compared by name.
            if matches!(deed, Deed::Write(..) | Deed::Resize(..) | Deed::Zero(..)) {
                program.perform(deed);
                moments.push(program.disk.current());
            }
        }
        let fate = Fate::of_seed(seed);
        let image = program.disk.after_cut(&fate);
        let size = usize::try_from(fate.sector).unwrap();
        for (name, content) in contents(&image) {
            let versions: Vec<&[u8]> = moments.iter().map(|moment| contents(moment)[name]).collect();
            prop_assert!(versions.iter().any(|version| version.len() == content.len()));
            for (index, sector) in content.chunks(size).enumerate() {
                let sector_of = |version: &[u8]| -> Vec<u8> {
                    let mut sector: Vec<u8> =
                        version.iter().skip(index * size).take(size).copied().collect();
                    sector.resize(size, 0);
                    sector
                };
                let mut full = sector.to_vec();
                full.resize(size, 0);
                let cut = sector.len();
                let is_known = versions
                    .iter()
                    .any(|version| sector_of(version)[..cut] == full[..cut]);
                prop_assert!(is_known, "sector {index} of {name}");
            }
        }
    }
}

#[test]
fn without_a_sync_contents_and_names_may_be_gone() {
    let mut program = Program::new();
    program.perform(Deed::Open(0));
    program.perform(Deed::Write(0, 0, vec![1; 700]));
    program.sync(FOLDER + 1, false);
    let none = Fate::of_all(Survival::None);
    assert!(
        contents(&program.disk.after_cut(&none)).is_empty(),
        "the name was not synced"
    );
    program.perform(Deed::SyncFolder);
    program.perform(Deed::Write(0, 600, vec![2; 700]));
    let image = program.disk.after_cut(&none);
    assert_eq!(contents(&image)["0"], [1; 700]);
    program.perform(Deed::Rename(0, 1));
    let image = program.disk.after_cut(&none);
    assert_eq!(contents(&image).into_keys().collect::<Vec<_>>(), ["0"]);
}

#[test]
fn some_seed_tears_a_write_in_the_middle() {
    let mut program = Program::new();
    program.perform(Deed::Open(0));
    program.perform(Deed::Write(0, 0, vec![1; 2048]));
    program.sync_everything();
    program.perform(Deed::Write(0, 0, vec![2; 2048]));
    let is_torn = |seed| {
        let image = program.disk.after_cut(&Fate::of_seed(seed));
        let content = contents(&image)["0"].to_vec();
        content.contains(&1) && content.contains(&2)
    };
    assert!((0..50).any(is_torn));
}

#[test]
fn a_sync_that_succeeds_after_one_that_failed_promises_nothing_about_the_first() {
    let mut program = Program::new();
    program.perform(Deed::Open(0));
    program.perform(Deed::SyncFolder);
    program.perform(Deed::Write(0, 0, vec![1; 100]));
    program.perform(Deed::FailSync(0));
    program.perform(Deed::Sync(0));
    let after = |program: &Program, seed| {
        let image = program.disk.after_cut(&Fate::of_seed(seed));
        contents(&image)["0"].to_vec()
    };
    assert!((0..50).any(|seed| after(&program, seed) == [0; 100]));
    program.perform(Deed::Write(0, 50, vec![2; 1]));
    program.perform(Deed::Sync(0));
    let expected = [vec![1; 50], vec![2], vec![1; 49]].concat();
    assert!((0..50).all(|seed| after(&program, seed) == expected));
}

#[test]
fn mapped_files_hold_anything() {
    let mut program = Program::new();
    program.perform(Deed::Open(0));
    program.perform(Deed::Write(0, 0, vec![1; 100]));
    program.sync_everything();
    program.record(&Change::Mapped { inode: FOLDER + 1 });
    let mut seen: Vec<Image> = (0..50)
        .map(|seed| program.disk.after_cut(&Fate::of_seed(seed)))
        .collect();
    seen.dedup();
    assert!(seen.len() > 2);
}
