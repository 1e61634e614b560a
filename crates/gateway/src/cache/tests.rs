use bytes::Bytes;

use super::*;
use crate::edge::Buffers;
use crate::surface::Api;

fn cache(change: impl FnOnce(&mut CacheSettings)) -> Arc<Cache> {
    let mut settings = CacheSettings {
        ttl: Duration::from_secs(60),
        max_bytes: 100_000,
        max_entry_bytes: 10_000,
        namespace: None,
        coalesce: false,
    };
    change(&mut settings);
    Arc::new(Cache::new(settings))
}

fn question<'a>(owner: Owner<'a>, body: &'a [u8]) -> Question<'a> {
    Question { owner, api: Api::ChatCompletions, model: "m", targets: &[("d", "up")], body }
}

const ALWAYS: Control = Control { reads: true, stores: true };

async fn fill(cache: &Arc<Cache>, digest: Digest, body: &[u8]) {
    let Found::Miss(fill) = cache.clone().look(digest, ALWAYS, true).await else { panic!("a hit") };
    fill.keep(StatusCode::OK, &HeaderMap::new(), body);
}

#[test]
fn every_part_of_a_question_matters() {
    let plain = question(Owner::Key("k"), b"{}");
    let all = [
        plain,
        question(Owner::Namespace("k"), b"{}"),
        question(Owner::Key("k2"), b"{}"),
        question(Owner::Key("k"), b"{ }"),
        Question { api: Api::Completions, ..plain },
        Question { model: "n", ..plain },
        Question { targets: &[("d", "down")], ..plain },
        Question { targets: &[("d", "up"), ("e", "up")], ..plain },
    ];
    let digests: std::collections::HashSet<_> = all.iter().map(Question::digest).collect();
    assert_eq!(digests.len(), all.len());
    assert_eq!(plain.digest(), plain.digest());
}

#[tokio::test]
async fn memory_is_bounded() {
    let cache = cache(|_| ());
    for number in 0..1_000_u32 {
        fill(&cache, question(Owner::Key("k"), &number.to_le_bytes()).digest(), &[b'x'; 5_000]).await;
    }
    cache.answers.run_pending_tasks();
    assert!((50_000..=100_000).contains(&cache.answers.weighted_size()), "{}", cache.answers.weighted_size());
}

#[tokio::test]
async fn headers_count_for_the_bound() {
    let cache = cache(|_| ());
    let headers = HeaderMap::from_iter([(http::header::WARNING, "x".repeat(20_000).parse().unwrap())]);
    for number in 0..100_u32 {
        let digest = question(Owner::Key("k"), &number.to_le_bytes()).digest();
        let Found::Miss(fill) = cache.clone().look(digest, ALWAYS, true).await else { panic!("a hit") };
        fill.keep(StatusCode::OK, &headers, b"{}");
    }
    cache.answers.run_pending_tasks();
    assert!((1..=5).contains(&cache.answers.entry_count()), "{}", cache.answers.entry_count());
}

#[tokio::test]
async fn nothing_but_200_is_kept() {
    let (cache, digest) = (cache(|_| ()), question(Owner::Key("k"), b"q").digest());
    for status in [StatusCode::CREATED, StatusCode::PARTIAL_CONTENT] {
        let Found::Miss(fill) = cache.clone().look(digest, ALWAYS, true).await else { panic!("a hit") };
        fill.keep(status, &HeaderMap::new(), b"{}");
    }
    assert!(matches!(cache.look(digest, ALWAYS, true).await, Found::Miss(_)));
}

#[tokio::test]
async fn a_stream_that_grows_too_large_is_let_go_of_at_once() {
    let (cache, digest) = (cache(|_| ()), question(Owner::Key("k"), b"q").digest());
    let buffers = Buffers::default();
    let Found::Miss(fill) = cache.clone().look(digest, ALWAYS, true).await else { panic!("a hit") };
    let mut recorder = fill.record(HeaderMap::new(), buffers.permit(), 1 << 20).unwrap();
    recorder.push(&[b'x'; 6_000]);
    assert_eq!(buffers.held(), 6_000);
    for _ in 0..3 {
        recorder.push(&[b'x'; 6_000]);
        assert_eq!(buffers.held(), 0, "while it goes on");
    }
    recorder.finish();
    assert!(matches!(cache.look(digest, ALWAYS, true).await, Found::Miss(_)));
}

#[tokio::test]
async fn what_is_kept_does_not_hold_the_buffer_that_it_came_in() {
    let (cache, digest) = (cache(|_| ()), question(Owner::Key("k"), b"q").digest());
    let buffer = Bytes::from(vec![b'x'; 1 << 20]);
    fill(&cache, digest, &buffer.slice(..10)).await;
    let Found::Hit(kept) = cache.clone().look(digest, ALWAYS, true).await else { panic!("a miss") };
    assert_ne!(kept.body.as_ptr(), buffer.as_ptr());
}

#[tokio::test]
async fn a_question_that_has_ended_is_no_longer_waited_for() {
    let (cache, digest) = (cache(|settings| settings.coalesce = true), question(Owner::Key("k"), b"q").digest());
    let Found::Miss(leads) = cache.clone().look(digest, ALWAYS, true).await else { panic!("a hit") };
    let waits = tokio::spawn(cache.clone().look(digest, ALWAYS, true));
    tokio::task::yield_now().await;
    assert!(!waits.is_finished());
    drop(leads);
    assert!(matches!(waits.await.unwrap(), Found::Miss(Fill { lead: None, .. })));
    assert!(matches!(cache.look(digest, ALWAYS, true).await, Found::Miss(Fill { lead: Some(_), .. })));
}

#[test]
fn changed_settings_make_a_new_cache_and_none_takes_it_away() {
    let old = cache(|_| ());
    let same = Cache::next(Some(&old), Some(&old.settings)).unwrap();
    assert!(Arc::ptr_eq(&old, &same));
    let other = CacheSettings { max_bytes: 5_000, ..old.settings.clone() };
    assert!(!Arc::ptr_eq(&old, &Cache::next(Some(&old), Some(&other)).unwrap()));
    assert!(Cache::next(Some(&old), None).is_none());
}
