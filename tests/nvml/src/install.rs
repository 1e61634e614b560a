use std::fs;
use std::path::{Path, PathBuf};

use crate::Scene;

/// The file that cargo builds of this crate, beside the tests that need it.
const BUILT: &str = "libnvml_sim.so";
/// Its name where it is installed: the real one's.
const NAME: &str = "libnvidia-ml.so.1";

/// A copy of the library with a scene of its own.
#[derive(Debug)]
pub struct Installed {
    library: PathBuf,
}

// === impl Installed ===

impl Installed {
    /// The one that [`install`] put into a folder.
    pub fn at(folder: &Path) -> Self {
        Self { library: folder.join(NAME) }
    }

    /// What is to be loaded.
    pub fn library(&self) -> &Path {
        &self.library
    }

    /// Plays another scene from the next reading on.
    pub fn play(&self, scene: &Scene) {
        // In one step, or somebody reads half of it.
        let (file, new) = (script(&self.library), self.library.with_extension("new"));
        fs::write(&new, serde_json::to_vec_pretty(scene).expect("a scene is JSON")).expect("a folder to write into");
        fs::rename(new, file).expect("a folder to write into");
    }
}

/// Puts a copy of the library into `folder`: who loads it sees `scene`.
pub fn install(folder: &Path, scene: &Scene) -> Installed {
    let installed = Installed::at(folder);
    fs::copy(built(), &installed.library).expect("the library was built");
    installed.play(scene);
    installed
}

/// Where a library has its scene.
pub(crate) fn script(library: &Path) -> PathBuf {
    let mut name = library.as_os_str().to_owned();
    name.push(".json");
    PathBuf::from(name)
}

/// Tests lie in the folder of what they depend on.
fn built() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it is");
    let folders = test.ancestors().skip(1).take(2);
    let mut found = folders.flat_map(|folder| [folder.join(BUILT), folder.join("deps").join(BUILT)]);
    found.find(|path| path.exists()).expect("cargo builds the library with the tests")
}
