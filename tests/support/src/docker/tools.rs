use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{Daemon, IMAGE, libraries};

/// An image as [`IMAGE`], with a shell and stand-ins of `apt-get` and `python3 -m pip`, which write down what they
/// should install.
pub const TOOLS: &str = "enginehouse-test/vllm-tools:1";

/// Programs of the machine that scripts need.
const PROGRAMS: [&str; 3] = ["/bin/sh", "/bin/rm", "/bin/sleep"];

/// Of both: what `no-such…` is is not found, what `endless…` is never comes to an end.
const INSTALL: &str = r#"
for word; do
  case "$word" in
    -*|install|pip) ;;
    no-such*) echo "there is no package $word" >&2; exit 100 ;;
    endless*) echo "fetching $word"; while :; do sleep 1; done ;;
    *) echo "fetched $word"; echo "$word" >> /installed ;;
  esac
done
"#;

// === impl Daemon ===

impl Daemon {
    /// Makes the image [`TOOLS`].
    pub fn make_tools(&self) {
        let root = self.folder.path().join("tools");
        for program in PROGRAMS {
            let found = Path::new(program);
            for file in libraries(found).into_iter().chain([found.to_owned()]) {
                let target = root.join(file.strip_prefix("/").unwrap());
                fs::create_dir_all(target.parent().unwrap()).unwrap();
                fs::copy(&file, target).unwrap();
            }
        }
        fs::create_dir_all(root.join("usr/bin")).unwrap();
        for (name, text) in [
            (
                "apt-get",
                format!("#!/bin/sh\nif [ \"$1\" = update ]; then echo 'nothing to update'; exit 0; fi\n{INSTALL}"),
            ),
            ("python3", format!("#!/bin/sh\n{INSTALL}")),
        ] {
            let path = root.join("usr/bin").join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let container = self.docker(&["create", "--network=none", IMAGE]).ok().trim().to_owned();
        let tree = format!("{}/.", root.display());
        self.docker(&["cp", &tree, &format!("{container}:/")]).ok();
        self.docker(&["commit", &container, TOOLS]).ok();
        self.docker(&["rm", &container]).ok();
        fs::remove_dir_all(root).unwrap();
    }

    /// Makes an image as [`TOOLS`] that starts something else (`["/bin/sh", "-c", "…"]`).
    pub fn make_starting(&self, name: &str, entrypoint: &str) {
        let container = self.docker(&["create", "--network=none", TOOLS]).ok().trim().to_owned();
        self.docker(&["commit", "--change", &format!("ENTRYPOINT {entrypoint}"), &container, name]).ok();
        self.docker(&["rm", &container]).ok();
    }

    /// Makes an image as [`IMAGE`] that starts nothing by itself.
    pub fn make_starting_nothing(&self, name: &str) {
        let archive = self.folder.path().join("nothing.tar");
        fs::write(&archive, self.exported().0).unwrap();
        self.docker(&["import", archive.to_str().unwrap(), name]).ok();
        fs::remove_file(archive).unwrap();
    }

    /// What the stand-ins have installed in a running container.
    pub fn installed(&self, container: &str) -> Vec<String> {
        let read = "while read line; do echo \"$line\"; done < /installed";
        let listed = self.docker(&["exec", container, "/bin/sh", "-c", read]);
        listed.ok().lines().map(str::to_owned).collect()
    }

    /// Names of all images that were built from recipes.
    pub fn recipe_images(&self) -> Vec<String> {
        let listed =
            self.docker(&["images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "reference=enginehouse/*"]);
        let mut names: Vec<_> = listed.ok().lines().map(str::to_owned).collect();
        names.sort();
        names
    }
}
