use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small file system of its own, taken away again when it is dropped. Only root may mount.
#[derive(Debug)]
pub struct Mount {
    at: PathBuf,
    /// What a file system on a disk lies in.
    image: Option<PathBuf>,
}

// === impl Mount ===

impl Mount {
    /// A file system in memory with `bytes`, mounted at `at`, which is made. None where this process may not mount: says so.
    pub fn in_memory(at: &Path, bytes: u64) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let size = format!("size={bytes},mode=0700");
        let mounted = mount(&["-t", "tmpfs", "-o", &size, "tmpfs"], at);
        mounted.then(|| Self { at: at.to_owned(), image: None }).or_else(skipped)
    }

    /// A file system on a disk with `bytes`, in the file `image`, mounted at `at`, which is made. It turns read-only at its
    /// first error, as those of servers do. None where this process may not mount: says so.
    pub fn on_disk(at: &Path, image: &Path, bytes: u64) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        fs::File::create(image).and_then(|file| file.set_len(bytes)).unwrap();
        if !run(Command::new("mkfs.ext4").args(["-q", "-m", "0"]).arg(image)) {
            return skipped();
        }
        let mount = Self { at: at.to_owned(), image: Some(image.to_owned()) };
        mount.again().then_some(mount).or_else(skipped)
    }

    /// An error of the disk: the file system is read-only from now on, also for files that are open.
    pub fn break_disk(&self) {
        let mounts = fs::read_to_string("/proc/mounts").unwrap();
        let at = self.at.to_str().unwrap();
        let line = mounts.lines().find(|line| line.split(' ').nth(1) == Some(at)).unwrap();
        let device = line.split(' ').next().unwrap().trim_start_matches("/dev/");
        fs::write(format!("/sys/fs/ext4/{device}/trigger_fs_error"), "1").unwrap();
        assert!(fs::write(self.at.join("probe"), "").is_err(), "still writable");
    }

    /// Checks the disk after [`break_disk`](Self::break_disk) and mounts it anew. Nothing on it may be open.
    pub fn repair_disk(&self) {
        let image = self.image.as_deref().unwrap();
        assert!(run(Command::new("umount").arg(&self.at)), "something on it is still open");
        // 1: errors were found, and mended.
        let checked = Command::new("e2fsck").arg("-fy").arg(image).output().unwrap();
        assert!(checked.status.code().is_some_and(|code| code <= 1), "{checked:?}");
        assert!(self.again());
    }

    /// Takes all room that is left, until the file that this gives is removed.
    pub fn fill(&self) -> PathBuf {
        let path = self.at.join("ballast");
        let mut file = fs::File::create(&path).unwrap();
        // In smaller and smaller pieces: the last page counts.
        for piece in [1 << 20, 1 << 12, 1] {
            while file.write_all(&vec![0; piece]).is_ok() {}
        }
        path
    }

    fn again(&self) -> bool {
        let image = self.image.as_deref().unwrap();
        mount(&["-o", "loop,errors=remount-ro", image.to_str().unwrap()], &self.at)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: a process that a failed test left behind must not keep it.
        run(Command::new("umount").arg("-l").arg(&self.at));
    }
}

fn skipped() -> Option<Mount> {
    let _ = writeln!(io::stderr(), "SKIPPED: this test needs root, the right to mount, and mkfs.ext4");
    None
}

fn mount(arguments: &[&str], at: &Path) -> bool {
    run(Command::new("mount").args(arguments).arg(at))
}

/// Whether a command did what it should; if not, what it said is shown.
fn run(command: &mut Command) -> bool {
    let ended = command.output();
    let is_done = ended.as_ref().is_ok_and(|ended| ended.status.success());
    if !is_done {
        let _ = writeln!(io::stderr(), "{command:?}: {ended:?}");
    }
    is_done
}
