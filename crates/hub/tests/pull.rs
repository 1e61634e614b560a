//! Pulls from a stand-in hub: what is fetched, what is refused, and what a bad network does to it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ambient::Rng;
use hub::{Hub, HubError, Patience, Progress, Pulled, Settings, Token, Wish};
use serde_json::json;
use support::HubServer;
use support::hub::{COMMIT, Fault};
use tempfile::TempDir;
use tokio::sync::watch;

const MODEL: &str = "org/tiny";
/// Several pieces of it go over the network.
const LARGE: usize = 300_000;

/// A hub with a model, and an empty cache.
struct Scene {
    server: HubServer,
    folder: TempDir,
    token: Option<Token>,
}

impl Scene {
    async fn new() -> Self {
        let server = HubServer::start().await;
        server.file(MODEL, "config.json", "{\"model_type\": \"llama\"}", false);
        server.file(MODEL, "deep/er/notes.txt", "notes", false);
        server.file(MODEL, "model.safetensors", large(1), true);
        server.file(MODEL, "copy.safetensors", large(1), true);
        server.file(MODEL, "empty.txt", "", false);
        Self { server, folder: tempfile::tempdir().unwrap(), token: None }
    }

    fn hub(&self) -> Hub {
        let get = |name: &str| match name {
            "HF_HOME" => Some(self.folder.path().to_str().unwrap().to_owned()),
            "HF_ENDPOINT" => Some(self.server.url().to_owned()),
            _ => None,
        };
        let patience = Patience {
            attempts: 4,
            first_wait: Duration::from_millis(1),
            longest_wait: Duration::from_millis(50),
            stall: Duration::from_secs(2),
        };
        let settings = Settings { patience, token: self.token.clone(), ..Settings::from_environment(get).unwrap() };
        Hub::new(settings, Rng::seeded(1)).unwrap()
    }

    async fn pull(&self) -> Result<Pulled, HubError> {
        self.pull_of("main", &[]).await
    }

    async fn pull_of(&self, revision: &str, include: &[&str]) -> Result<Pulled, HubError> {
        let include: Vec<hub::Glob> = include.iter().map(|glob| glob.parse().unwrap()).collect();
        let wish =
            Wish { repository: MODEL.parse().unwrap(), revision: revision.parse().unwrap(), choice: include.into() };
        self.hub().pull(&wish, &watch::Sender::new(Progress::default())).await
    }

    async fn refused(&self) -> String {
        self.pull().await.unwrap_err().to_string()
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join("hub/models--org--tiny").join(path)
    }

    /// Names of blobs, those that are not whole included.
    fn blobs(&self) -> Vec<String> {
        let entries = fs::read_dir(self.at("blobs")).map(Iterator::flatten).into_iter().flatten();
        entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
    }

    /// The file that the large one is in until it is whole.
    fn partial(&self) -> String {
        self.blobs().into_iter().find(|name| name.len() == 64 + ".incomplete".len()).unwrap()
    }

    fn assert_whole(&self) {
        let snapshot = self.at(&format!("snapshots/{COMMIT}"));
        assert_eq!(fs::read(snapshot.join("model.safetensors")).unwrap(), large(1));
        assert_eq!(fs::read(snapshot.join("copy.safetensors")).unwrap(), large(1));
        assert_eq!(fs::read(snapshot.join("deep/er/notes.txt")).unwrap(), b"notes");
        assert_eq!(fs::read_to_string(self.at("refs/main")).unwrap(), COMMIT);
        let mut blobs = self.blobs();
        blobs.retain(|name| name.ends_with(".incomplete"));
        assert!(blobs.is_empty(), "{blobs:?}");
    }
}

fn large(seed: u8) -> Vec<u8> {
    (0..LARGE).map(|n| u8::try_from(n % 251).unwrap() ^ seed).collect()
}

fn link(path: &Path) -> String {
    fs::read_link(path).unwrap().to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_model_is_fetched_into_the_layout_that_others_read() {
    let scene = Scene::new().await;
    let pulled = scene.pull().await.unwrap();
    scene.assert_whole();
    assert_eq!((pulled.commit.as_str(), pulled.files), (COMMIT, 5));
    assert_eq!(pulled.bytes, LARGE as u64 + 23 + 5, "each content once");
    assert_eq!(scene.blobs().len(), 4);
    let snapshot = scene.at(&format!("snapshots/{COMMIT}"));
    assert_eq!(pulled.path, snapshot);
    assert!(link(&snapshot.join("config.json")).starts_with("../../blobs/"));
    assert!(link(&snapshot.join("deep/er/notes.txt")).starts_with("../../../../blobs/"));
    assert_eq!(link(&snapshot.join("empty.txt")), "../../blobs/e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");

    scene.server.seen();
    let again = scene.pull().await.unwrap();
    assert_eq!(again.fetched_bytes, 0);
    assert!(scene.server.seen().iter().all(|seen| seen.path.starts_with("/api/")), "nothing is fetched twice");
}

#[tokio::test]
async fn revisions_and_patterns_choose() {
    let scene = Scene::new().await;
    scene.server.tag(MODEL, "v1.0").tag(MODEL, "refs/pr/7").pages(MODEL, 2);
    let pulled = scene.pull_of("v1.0", &["*.json", "deep/"]).await.unwrap();
    assert_eq!(pulled.files, 2);
    assert_eq!(fs::read_to_string(scene.at("refs/v1.0")).unwrap(), COMMIT);
    assert!(!scene.at("refs/main").exists());
    scene.pull_of("refs/pr/7", &["*.json"]).await.unwrap();
    assert_eq!(fs::read_to_string(scene.at("refs/refs/pr/7")).unwrap(), COMMIT);
    assert_eq!(scene.pull_of(COMMIT, &[]).await.unwrap().files, 5, "from three pages");
    assert!(!scene.at(&format!("refs/{COMMIT}")).exists());

    let refused = scene.pull_of("main", &["*.gguf"]).await.unwrap_err().to_string();
    assert!(refused.contains("config.json"), "{refused}");
    let refused = scene.pull_of("v9", &[]).await.unwrap_err().to_string();
    assert!(refused.contains("no revision v9"), "{refused}");
}

#[tokio::test]
async fn the_token_goes_to_the_hub_and_to_nobody_else() {
    let mut scene = Scene::new().await;
    scene.server.closed(MODEL, "hf_right", "GatedRepo");
    let refused = scene.refused().await;
    assert!(refused.contains("gated") && refused.contains(&format!("{}/{MODEL}", scene.server.url())), "{refused}");
    assert!(refused.contains("then set HF_TOKEN"), "{refused}");

    scene.token = Some(Token::new("hf_wrong").unwrap());
    let refused = scene.refused().await;
    assert!(refused.contains("the account of this token") && !refused.contains("hf_wrong"), "{refused}");

    scene.server.seen();
    scene.token = Some(Token::new("hf_right").unwrap());
    scene.pull().await.unwrap();
    let seen = scene.server.seen();
    let (cdn, hub): (Vec<_>, Vec<_>) = seen.iter().partition(|seen| seen.cdn);
    assert!(!cdn.is_empty() && cdn.iter().all(|seen| seen.authorization.is_none()), "{cdn:?}");
    assert!(hub.iter().all(|seen| seen.authorization.as_deref() == Some("Bearer hf_right")), "{hub:?}");
}

#[tokio::test]
async fn what_is_private_or_absent_says_what_to_do() {
    let mut scene = Scene::new().await;
    scene.server.closed(MODEL, "hf_right", "RepoNotFound");
    let refused = scene.refused().await;
    assert!(refused.contains("check the name") && refused.contains("set HF_TOKEN"), "{refused}");
    scene.token = Some(Token::new("hf_right").unwrap());
    scene.pull().await.unwrap();
    let wish = Wish {
        repository: "org/nothing".parse().unwrap(),
        revision: "main".parse().unwrap(),
        choice: hub::Choice::All,
    };
    let refused = scene.hub().pull(&wish, &watch::Sender::new(Progress::default())).await.unwrap_err().to_string();
    assert!(refused.contains("org/nothing is not at") && refused.contains("account of this token"), "{refused}");
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    let scene = Scene::new().await;
    let retry = vec![("retry-after", "0".to_owned())];
    scene.server.fault("/revision/", 2, Fault::Status(429, retry.clone()));
    scene.server.fault("/tree/", 1, Fault::Status(503, Vec::new()));
    scene.server.fault("config.json", 3, Fault::Status(500, Vec::new()));
    scene.server.fault("notes.txt", 1, Fault::Status(504, retry));
    scene.pull().await.unwrap();
    scene.assert_whole();
}

#[tokio::test]
async fn what_does_not_pass_ends_with_what_to_do() {
    let scene = Scene::new().await;
    scene.server.fault("/revision/", 99, Fault::Status(429, Vec::new()));
    let refused = scene.refused().await;
    assert!(refused.contains("429") && refused.contains("try again later"), "{refused}");
    scene.server.heal();
    scene.server.fault("config.json", 99, Fault::Status(502, Vec::new()));
    let refused = scene.refused().await;
    assert!(refused.contains("502"), "{refused}");
    assert!(!scene.at("refs/main").exists(), "a ref leads to whole snapshots only");
    scene.server.heal();
    scene.pull().await.unwrap();
    scene.assert_whole();
}

#[tokio::test]
async fn cut_connections_go_on_where_they_were() {
    let scene = Scene::new().await;
    // More cuts than tries: each brings something new, so none of them counts.
    scene.server.fault("signature", 7, Fault::Cut(40_000));
    scene.server.seen();
    let pulled = scene.pull().await.unwrap();
    scene.assert_whole();
    assert_eq!(pulled.fetched_bytes, pulled.bytes, "no byte comes twice");
    let ranges: Vec<_> =
        scene.server.seen().into_iter().filter(|seen| seen.cdn).filter_map(|seen| seen.range).collect();
    assert!(ranges.iter().any(|range| range == "bytes=40000-"), "{ranges:?}");
    assert!(ranges.windows(2).all(|pair| pair[0] != pair[1]), "{ranges:?}");
}

#[tokio::test]
async fn addresses_of_the_cdn_that_have_expired_are_asked_for_anew() {
    let scene = Scene::new().await;
    scene.server.fault("signature", 2, Fault::Status(403, Vec::new()));
    scene.pull().await.unwrap();
    scene.assert_whole();
}

#[tokio::test]
async fn silence_is_a_cut_too() {
    let scene = Scene::new().await;
    scene.server.fault("signature", 1, Fault::Stall(40_000));
    scene.pull().await.unwrap();
    scene.assert_whole();
}

#[tokio::test]
async fn what_an_earlier_pull_left_is_taken_up() {
    let scene = Scene::new().await;
    scene.server.fault("safetensors", 99, Fault::Status(403, Vec::new()));
    scene.refused().await;
    let name = scene.partial();
    fs::write(scene.at("blobs").join(&name), &large(1)[..100_000]).unwrap();
    scene.server.heal();
    let pulled = scene.pull().await.unwrap();
    scene.assert_whole();
    assert!(pulled.fetched_bytes <= pulled.bytes - 100_000, "{pulled:?}");
}

#[tokio::test]
async fn a_broken_rest_is_fetched_anew() {
    for left in [vec![9; 100_000], vec![9; LARGE], vec![9; LARGE + 7]] {
        let scene = Scene::new().await;
        scene.server.fault("safetensors", 99, Fault::Status(403, Vec::new()));
        scene.refused().await;
        let name = scene.partial();
        fs::write(scene.at("blobs").join(&name), left).unwrap();
        scene.server.heal();
        scene.pull().await.unwrap();
        scene.assert_whole();
    }
}

#[tokio::test]
async fn a_server_without_ranges_costs_bytes_but_no_truth() {
    let scene = Scene::new().await;
    scene.server.fault("signature", 1, Fault::Cut(40_000)).fault("signature", 1, Fault::Whole);
    scene.pull().await.unwrap();
    scene.assert_whole();
}

#[tokio::test]
async fn a_wrong_checksum_is_never_a_blob() {
    let scene = Scene::new().await;
    scene.server.fault("signature", 99, Fault::Wrong);
    let refused = scene.refused().await;
    assert!(refused.contains("safetensors arrived broken: its checksum is"), "{refused}");
    assert!(scene.blobs().iter().all(|name| name.len() != 64), "{:?}", scene.blobs());
    assert!(!scene.at("refs/main").exists());
    // In a cache of its own: that file may be whole already in the other.
    let scene = Scene::new().await;
    scene.server.fault("config.json", 99, Fault::Wrong);
    let refused = scene.refused().await;
    assert!(refused.contains("config.json arrived broken"), "{refused}");
}

#[tokio::test]
async fn what_is_no_file_is_not_kept() {
    for (fault, why) in [
        (Fault::Page, "a page for people"),
        (Fault::More, "not of 300000 bytes"),
        (Fault::Redirect("{self}".to_owned()), "in circles"),
        (Fault::Redirect("file:///etc/passwd".to_owned()), "no address on the web"),
    ] {
        let scene = Scene::new().await;
        scene.server.fault("safetensors", 99, fault.clone());
        let refused = scene.refused().await;
        assert!(refused.contains(why), "{fault:?}: {refused}");
        assert!(!scene.at("refs/main").exists());
    }
    let scene = Scene::new().await;
    scene.server.fault("signature", 1, Fault::Cut(40_000)).fault("signature", 99, Fault::OtherRange);
    let refused = scene.refused().await;
    assert!(refused.contains("another part"), "{refused}");
    scene.server.fault("/revision/", 99, Fault::Page);
    let refused = scene.refused().await;
    assert!(refused.contains("HF_ENDPOINT"), "{refused}");
}

#[tokio::test]
async fn names_that_lead_elsewhere_are_refused_before_anything_is_fetched() {
    let oid = "ce013625030ba8dba906f756967f9e9ca394464a";
    for name in ["../../../escaped", "/etc/escaped", "a/../../escaped", "a\\b", "", "a\u{0}b", "x/./y"] {
        let scene = Scene::new().await;
        scene.server.lists(MODEL, json!([{ "type": "file", "path": name, "oid": oid, "size": 6 }]));
        let refused = scene.refused().await;
        assert!(refused.contains("which is refused") && !refused.contains('\0'), "{name}: {refused}");
        assert!(!scene.folder.path().join("hub").exists(), "{name}");
    }
}

#[tokio::test]
async fn lists_that_make_no_sense_are_refused() {
    let oid = "ce013625030ba8dba906f756967f9e9ca394464a";
    let entry = json!({ "type": "file", "path": "a", "oid": oid, "size": 6 });
    for (listing, why) in [
        (json!({ "error": "no" }), "cannot be read"),
        (json!([entry, entry]), "a file twice"),
        (json!([{ "type": "file", "path": "a", "oid": "../../x", "size": 6 }]), "no checksum"),
        (json!([{ "type": "file", "path": "a", "size": 6 }]), "no checksum"),
        (json!([{ "type": "file", "path": "a", "oid": oid, "size": -1 }]), "cannot be read"),
        (json!([]), "none at all"),
    ] {
        let scene = Scene::new().await;
        scene.server.lists(MODEL, listing);
        let refused = scene.refused().await;
        assert!(refused.contains(why), "{refused}");
    }
}

#[tokio::test]
async fn sizes_are_believed_only_as_far_as_there_is_room() {
    let oid = "ce013625030ba8dba906f756967f9e9ca394464a";
    let other = "de013625030ba8dba906f756967f9e9ca394464a";
    let entry = |path: &str, oid: &str| json!({ "type": "file", "path": path, "oid": oid, "size": u64::MAX });
    let scene = Scene::new().await;
    scene.server.lists(MODEL, json!([entry("a", oid), entry("b", other)]));
    let error = scene.pull().await.unwrap_err();
    assert!(matches!(error, HubError::NoRoom { .. }), "{error}");
    assert!(scene.blobs().is_empty());
}

#[tokio::test]
async fn two_that_pull_the_same_fetch_it_once() {
    let scene = Scene::new().await;
    scene.server.fault("signature", 2, Fault::Slow(400_000));
    let (one, other) = tokio::join!(scene.pull(), scene.pull());
    let fetched = one.unwrap().fetched_bytes + other.unwrap().fetched_bytes;
    assert_eq!(fetched, LARGE as u64 + 23 + 5);
    scene.assert_whole();
}

#[tokio::test]
async fn a_look_keeps_nothing_and_a_snapshot_is_found_once_it_is_there() {
    let scene = Scene::new().await;
    let (repository, revision) = (MODEL.parse().unwrap(), "main".parse().unwrap());
    let look = scene.hub().look(&repository, &revision, &["config.json", "none.json"]).await.unwrap();
    assert_eq!(look.commit, COMMIT);
    assert_eq!(look.sizes["model.safetensors"], LARGE as u64);
    assert_eq!(look.contents.keys().collect::<Vec<_>>(), ["config.json"]);
    assert_eq!(look.contents["config.json"], b"{\"model_type\": \"llama\"}");
    let cache = scene.hub().cache();
    assert_eq!(cache.snapshot(&repository, &revision), None);
    let pulled = scene.pull().await.unwrap();
    assert_eq!(cache.snapshot(&repository, &revision), Some(pulled.path.clone()));
    assert_eq!(cache.snapshot(&repository, &COMMIT.parse().unwrap()), Some(pulled.path));
    assert_eq!(cache.snapshot(&repository, &"other".parse().unwrap()), None);
}
