use std::sync::Arc;
use std::time::Duration;

use ledger::Nanos;
use proptest::prelude::*;
use snapshot::Limits;
use tokio::time::Instant;

use super::{Applied, Limit, Scope, admit};

fn scope(limits: Limits) -> Applied {
    Applied { scope: Arc::new(Scope::new(Nanos::ZERO)), limits, name: "key 'k'".into() }
}

fn start() -> Instant {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async { Instant::now() })
}

#[test]
fn a_minute_s_requests_and_not_one_more() {
    let (now, key) = (start(), [scope(Limits { rpm: Some(2), ..Limits::default() })]);
    admit(&key, Nanos::ZERO, now).unwrap();
    admit(&key, Nanos::ZERO, now + Duration::from_secs(20)).unwrap();
    let rejection = admit(&key, Nanos::ZERO, now + Duration::from_secs(59)).unwrap_err();
    assert_eq!((rejection.limit, rejection.retry_after), (Limit::Rpm(2), Some(Duration::from_secs(1))));
    admit(&key, Nanos::ZERO, now + Duration::from_secs(60)).unwrap();
}

#[test]
fn a_rejection_consumes_nothing_in_any_scope() {
    let now = start();
    let wide = scope(Limits { rpm: Some(1), ..Limits::default() });
    let narrow = scope(Limits { max_parallel: Some(0), ..Limits::default() });
    admit(&[wide.clone(), narrow], Nanos(5), now).unwrap_err();
    assert_eq!(wide.scope.running(), 0);
    admit(&[wide], Nanos(5), now).unwrap();
}

#[test]
fn a_cancelled_ticket_leaves_no_trace() {
    let (now, key) = (start(), [scope(Limits { rpm: Some(1), ..Limits::default() })]);
    admit(&key, Nanos(7), now).unwrap().cancel();
    admit(&key, Nanos(7), now).unwrap();
}

#[test]
fn the_last_of_a_budget_goes_to_one_request_alone() {
    let (now, key) = (start(), [scope(Limits { max_budget: Some(Nanos(10)), ..Limits::default() })]);
    let alone = admit(&key, Nanos(50), now).unwrap();
    assert_eq!(admit(&key, Nanos(1), now).unwrap_err().limit, Limit::Budget(Nanos(10)));
    alone.settle(Nanos(4));
    let second = admit(&key, Nanos(6), now).unwrap();
    second.settle(Nanos(6));
    admit(&key, Nanos(1), now).unwrap_err();
}

proptest! {
    /// Whatever is admitted and settled in whatever order: rate and parallel limits hold, and the budget is
    /// passed by no more than one request's excess over its reservation.
    #[test]
    fn limits_hold_in_every_order(
        steps in prop::collection::vec((0_u64..3, 0_i64..40, 0_i64..60), 1..200),
        rpm in 1_u64..20, parallel in 1_u64..5, budget in 1_i64..200,
    ) {
        let limits = Limits { rpm: Some(rpm), tpm: None, max_parallel: Some(parallel), max_budget: Some(Nanos(budget)) };
        let key = [scope(limits)];
        let mut now = start();
        let (mut running, mut admitted, mut worst_excess) = (Vec::new(), Vec::new(), 0);
        for (what, reserved, cost) in steps {
            match what {
                0 => now += Duration::from_secs(reserved.unsigned_abs()),
                1 => if let Ok(ticket) = admit(&key, Nanos(reserved), now) {
                    admitted.push(now);
                    running.push((ticket, reserved));
                },
                _ => if let Some((ticket, reserved)) = running.pop() {
                    worst_excess = worst_excess.max(cost - reserved);
                    ticket.settle(Nanos(cost));
                },
            }
            prop_assert!(running.len() as u64 <= parallel);
            prop_assert_eq!(key[0].scope.running(), running.len() as u64);
        }
        drop(running);
        prop_assert_eq!(key[0].scope.running(), 0);
        // In a window that starts with a request, never more than the limit.
        let mut rest = admitted.as_slice();
        while let [first, ..] = rest {
            let within = rest.iter().take_while(|at| **at - *first < Duration::from_secs(60)).count();
            prop_assert!(within as u64 <= rpm);
            rest = &rest[within..];
        }
    }

    /// With costs that never pass their reservation, a budget is passed by one lone request's at most.
    #[test]
    fn a_budget_is_passed_by_one_request_s_excess_only(
        costs in prop::collection::vec((1_i64..40, 0_i64..40), 1..100), budget in 1_i64..300,
    ) {
        let key = [scope(Limits { max_budget: Some(Nanos(budget)), ..Limits::default() })];
        let now = start();
        let mut excess = 0;
        for (reserved, cost) in costs {
            let before = key[0].scope.spent();
            match admit(&key, Nanos(reserved), now) {
                Ok(ticket) => {
                    excess = excess.max(cost.max(reserved) - reserved.min(budget - before.0));
                    ticket.settle(Nanos(cost));
                }
                Err(_) => prop_assert!(before.0 >= budget),
            }
            prop_assert!(key[0].scope.spent().0 <= budget + excess);
        }
    }
}
