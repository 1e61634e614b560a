//! What is in a cache, and what can be taken out of it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use hub::{Cache, CacheError, InUse};

const OLD: &str = "1111111111111111111111111111111111111111";
const NEW: &str = "2222222222222222222222222222222222222222";

/// Two revisions of a model that share one blob, and a file that is not whole.
fn make(cache: &Path) {
    let model = cache.join("models--org--tiny");
    for folder in ["blobs", "refs", &format!("snapshots/{OLD}"), &format!("snapshots/{NEW}/deep")] {
        fs::create_dir_all(model.join(folder)).unwrap();
    }
    for (blob, size) in [("shared", 1_000), ("old", 10), ("new", 200), ("coming.incomplete", 7)] {
        fs::write(model.join("blobs").join(blob), vec![0; size]).unwrap();
    }
    for (path, blob) in [
        (format!("{OLD}/a"), "../../blobs/shared"),
        (format!("{OLD}/b"), "../../blobs/old"),
        (format!("{NEW}/a"), "../../blobs/shared"),
        (format!("{NEW}/deep/b"), "../../../blobs/new"),
        (format!("{NEW}/copy"), "../../blobs/new"),
    ] {
        symlink(blob, model.join("snapshots").join(path)).unwrap();
    }
    fs::write(model.join("refs/main"), NEW).unwrap();
    fs::write(model.join("refs/v1"), OLD).unwrap();
    fs::create_dir_all(model.join("trees")).unwrap();
    fs::write(model.join(format!("trees/{OLD}.json")), "{}").unwrap();
    fs::create_dir_all(cache.join("datasets--org--data/blobs")).unwrap();
    fs::create_dir_all(cache.join("models--org--other/blobs")).unwrap();
    fs::write(cache.join("models--org--other/blobs/x"), "x").unwrap();
}

fn user(revision: Option<&str>) -> InUse {
    InUse { repository: "org/tiny".to_owned(), revision: revision.map(str::to_owned), by: "the model chat".to_owned() }
}

#[test]
fn shared_blobs_count_once() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path());
    assert!(Cache::new(folder.path().join("absent")).models().unwrap().is_empty());
    make(folder.path());
    let models = cache.models().unwrap();
    assert_eq!(models.iter().map(|model| model.model.as_str()).collect::<Vec<_>>(), ["org/other", "org/tiny"]);
    let tiny = &models[1];
    assert_eq!((tiny.bytes, tiny.incomplete_bytes, tiny.revisions.len()), (1_217, 7, 2));
    let revision = |commit: &str| tiny.revisions.iter().find(|revision| revision.commit == commit).unwrap();
    let (old, new) = (revision(OLD), revision(NEW));
    assert_eq!((old.bytes, old.own_bytes, old.files, &old.refs[..]), (1_010, 10, 2, &["v1".to_owned()][..]));
    assert_eq!((new.bytes, new.own_bytes, new.files, &new.refs[..]), (1_200, 200, 3, &["main".to_owned()][..]));
}

#[test]
fn a_revision_goes_and_what_others_share_stays() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path());
    let cache = Cache::new(folder.path());
    let tiny = "org/tiny".parse().unwrap();
    let removed = cache.remove(&tiny, Some(&"v1".parse().unwrap()), &[user(None)]).unwrap();
    assert_eq!((removed.freed_bytes, &removed.revisions[..]), (10, &[OLD.to_owned()][..]));
    let model = folder.path().join("models--org--tiny");
    assert!(
        model.join("blobs/shared").exists() && !model.join("blobs/old").exists() && !model.join("refs/v1").exists()
    );
    assert!(!model.join(format!("trees/{OLD}.json")).exists());
    assert!(fs::read(model.join(format!("snapshots/{NEW}/a"))).is_ok());
    // With the last one the rest goes too.
    cache.remove(&tiny, Some(&NEW.parse().unwrap()), &[]).unwrap();
    assert!(!model.exists());
    assert!(matches!(cache.remove(&tiny, None, &[]), Err(CacheError::Absent { .. })));
    assert_eq!(cache.models().unwrap().len(), 1);
}

#[test]
fn what_is_in_use_stays() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path());
    let cache = Cache::new(folder.path());
    let tiny = "org/tiny".parse().unwrap();
    let refused = |revision: Option<&str>, used: Option<&str>| {
        let revision = revision.map(|revision| revision.parse().unwrap());
        cache.remove(&tiny, revision.as_ref(), &[user(used)]).unwrap_err().to_string()
    };
    // Whoever names no revision uses `main`; names of one commit are one revision.
    for (revision, used) in
        [(None, None), (Some("main"), None), (Some(NEW), None), (Some(NEW), Some("main")), (Some("v1"), Some(OLD))]
    {
        let refused = refused(revision, used);
        assert!(refused.contains("in use by the model chat"), "{refused}");
    }
    assert!(matches!(cache.remove(&tiny, Some(&"v2".parse().unwrap()), &[]), Err(CacheError::Absent { .. })));

    let locks = folder.path().join(".locks/models--org--tiny");
    fs::create_dir_all(&locks).unwrap();
    let lock = fs::File::create(locks.join("x.lock")).unwrap();
    lock.lock().unwrap();
    assert!(cache.remove(&tiny, None, &[]).unwrap_err().to_string().contains("a download that runs"));
    drop(lock);
    let removed = cache.remove(&tiny, None, &[]).unwrap();
    assert_eq!(removed.freed_bytes, 1_217);
    assert!(!locks.exists());
    assert!(folder.path().join("models--org--other").exists());
}

#[test]
fn links_out_of_the_cache_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let outside = folder.path().join("outside");
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("precious"), "x").unwrap();
    let cache = folder.path().join("cache");
    make(&cache);
    symlink(outside.join("precious"), cache.join(format!("models--org--tiny/snapshots/{OLD}/evil"))).unwrap();
    symlink(&outside, cache.join(format!("models--org--tiny/snapshots/{OLD}/folder"))).unwrap();
    Cache::new(&cache).remove(&"org/tiny".parse().unwrap(), None, &[]).unwrap();
    assert!(outside.join("precious").exists());
}
