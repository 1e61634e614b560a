use tempfile::tempdir;

use super::*;
use crate::testing::{completed, crash_image, open, request};
use crate::{Nanos, Recovered};

fn spent(recovered: &Recovered) -> Nanos {
    recovered.spent_after(Position::default()).unwrap().values().copied().sum()
}

#[test]
fn a_settled_request_is_in_the_books_after_a_restart() {
    let home = tempdir().unwrap();
    let (books, recovered) = open(home.path());
    assert_eq!((recovered.interrupted, recovered.damage.len()), (0, 0));
    let gateway = books.gateway();
    let mut entry = books.admit(request("a")).unwrap();
    assert_eq!(entry.settle(completed(8)), Nanos(16));
    assert_eq!(entry.settle(completed(9)), Nanos(16), "the second settlement changes nothing");
    drop((entry, books));

    let (books, recovered) = open(home.path());
    assert_eq!(books.gateway(), gateway);
    assert_eq!(recovered.interrupted, 0);
    assert_eq!(spent(&recovered), Nanos(16));
    assert_eq!(books.admit(request("b")).unwrap().open().sequence, 2);
}

#[test]
fn a_crash_leaves_an_interrupted_event_with_what_the_checkpoint_saw() {
    let (home, copy) = (tempdir().unwrap(), tempdir().unwrap());
    let (books, _) = open(home.path());
    let entry = books.admit(request("a")).unwrap();
    entry.progress().relayed(100, 5);
    books.sync().unwrap();
    entry.progress().relayed(100, 5);
    crash_image(home.path(), copy.path());
    let (_, recovered) = open(copy.path());
    assert_eq!(recovered.interrupted, 1);
    assert_eq!(spent(&recovered), Nanos(10 + 5 * 2));
}
