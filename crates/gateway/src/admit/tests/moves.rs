//! A request that another model serves: all or nothing, and nothing is counted twice or lost.

use proptest::prelude::*;

use super::*;

/// Scopes of a key, two models and the whole service; the request is admitted to the first model.
fn two_models(key: Limits, other: Limits) -> (Scopes, Arc<Applied>) {
    let all = scope("the whole service", Limits::default());
    let scopes = [Some(scope("key 'k'", key)), None, Some(scope("model 'a'", Limits::default())), Some(all)];
    (scopes, scope("model 'b'", other))
}

fn running(scopes: &Scopes) -> Vec<u64> {
    scopes.iter().flatten().map(|applied| applied.scope.running()).collect()
}

fn reserved(tokens: u64, cost: i64) -> Reserved {
    Reserved { tokens, cost: Nanos(cost) }
}

#[test]
fn the_place_moves_and_what_was_used_is_paid_by_who_served() {
    let (scopes, other) = two_models(budget(10), Limits::default());
    let hands = Hands::new();
    let mut ticket = hands.admit(&scopes, 5, 2).unwrap().0;
    ticket.move_at(&other, reserved(5, 9), hands.instant).unwrap();
    assert_eq!((running(&scopes), other.scope.running()), (vec![1, 0, 1], 1));
    ticket.settle(7, Nanos(8));
    assert_eq!((running(&scopes), other.scope.running()), (vec![0, 0, 0], 0));
    let spent: Vec<_> = scopes.iter().flatten().map(|applied| applied.scope.spent().0).collect();
    assert_eq!((spent, other.scope.spent().0), (vec![8, 0, 8], 8));
}

#[test]
fn limits_of_the_model_and_of_all_others_hold_for_a_move() {
    let hands = Hands::new();
    for (key, other, name) in [
        (Limits::default(), rpm(0), "model 'b'"),
        (Limits::default(), budget(0), "model 'b'"),
        (tpm(10), Limits::default(), "key 'k'"),
        (budget(10), Limits::default(), "key 'k'"),
    ] {
        let (scopes, other) = two_models(key, other);
        let _before = hands.admit(&scopes, 5, 5).unwrap();
        let mut ticket = hands.admit(&scopes, 5, 5).unwrap().0;
        let rejection = ticket.move_at(&other, reserved(6, 6), hands.instant).unwrap_err();
        assert_eq!(&*rejection.scope, name);
        assert_eq!((running(&scopes), other.scope.running()), (vec![2, 2, 2], 0), "all stays as it was");
        drop(ticket);
        assert_eq!(running(&scopes), [1, 1, 1]);
    }
    // One request a minute is one request, however often it is passed on.
    let (scopes, other) = two_models(rpm(1), rpm(1));
    let mut ticket = hands.admit(&scopes, 0, 0).unwrap().0;
    ticket.move_at(&other, reserved(0, 0), hands.instant).unwrap();
    assert!(hands.admit(&scopes, 0, 0).is_err());
}

proptest! {
    /// However requests come, move and end: no budget is promised twice, and in the end nothing is held.
    #[test]
    fn budgets_hold_and_nothing_leaks(steps in proptest::collection::vec((0_u8..3, 0_usize..4, 0_i64..8), 1..60)) {
        let (scopes, other) = two_models(budget(20), budget(12));
        let (hands, mut tickets, mut spent) = (Hands::new(), Vec::<(Ticket, i64, bool)>::new(), (0, 0));
        for (step, at, cost) in steps {
            match step {
                0 => tickets.extend(hands.admit(&scopes, 1, cost).ok().map(|(ticket, _)| (ticket, cost, false))),
                1 if at < tickets.len() => {
                    let (ticket, held, moved) = &mut tickets[at];
                    if !*moved && ticket.move_at(&other, reserved(1, cost), hands.instant).is_ok() {
                        (*held, *moved) = (cost, true);
                    }
                }
                2 if at < tickets.len() => {
                    let (ticket, held, moved) = tickets.swap_remove(at);
                    ticket.settle(1, Nanos(held));
                    spent = (spent.0 + held, spent.1 + if moved { held } else { 0 });
                }
                _ => {}
            }
            // Alone, a request may pass its budget by its own excess.
            let of_key: i64 = tickets.iter().map(|(_, held, _)| held).sum();
            let of_other: i64 = tickets.iter().filter(|(_, _, moved)| *moved).map(|(_, held, _)| held).sum();
            prop_assert!(spent.0 + of_key < 20 + 8, "{} {of_key}", spent.0);
            prop_assert!(spent.1 + of_other < 12 + 8, "{} {of_other}", spent.1);
            prop_assert_eq!(other.scope.running(), tickets.iter().filter(|(_, _, moved)| *moved).count() as u64);
        }
        drop(tickets);
        prop_assert_eq!((running(&scopes), other.scope.running()), (vec![0, 0, 0], 0));
        prop_assert_eq!((scopes[0].as_ref().unwrap().scope.spent().0, other.scope.spent().0), spent);
    }
}
