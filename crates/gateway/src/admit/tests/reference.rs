//! Admission against a model of it that is too simple to be wrong: it keeps every request that ever came, and adds up.

use ambient::Timestamp;
use proptest::prelude::*;
use snapshot::Period;

use super::*;

/// Requests as the model remembers them; a scope is its place among the four.
#[derive(Clone, Debug)]
struct Past {
    scopes: [bool; 4],
    /// The minute that each scope counts it in, by the second in which that began.
    minutes: [u64; 4],
    tokens: u64,
    reserved: i64,
    /// When it ended, and what it cost; none while it runs.
    ended: Option<(Timestamp, i64)>,
}

#[derive(Debug, Default)]
struct Reference {
    past: Vec<Past>,
    minutes: [Option<u64>; 4],
    seconds: u64,
}

// === impl Reference ===

impl Reference {
    fn minute(&self, scope: usize) -> Option<u64> {
        self.minutes[scope].filter(|began| self.seconds - began < 60)
    }

    fn of(&self, scope: usize) -> impl Iterator<Item = &Past> {
        self.past.iter().filter(move |past| past.scopes[scope])
    }

    fn counted(&self, scope: usize) -> (u64, u64) {
        let Some(minute) = self.minute(scope) else { return (0, 0) };
        let counted = || self.of(scope).filter(|past| past.minutes[scope] == minute);
        (counted().count() as u64, counted().map(|past| past.tokens).sum())
    }

    fn admits(&self, scope: usize, limits: &Limits, tokens: u64, cost: i64, now: Timestamp) -> bool {
        let (requests, used) = self.counted(scope);
        let running: Vec<_> = self.of(scope).filter(|past| past.ended.is_none()).collect();
        let begins = limits.budget_period.map_or(Timestamp::from_micros(i64::MIN), |period| period.run(now).begins);
        let spent: i64 =
            self.of(scope).filter_map(|past| past.ended).filter(|(at, _)| *at >= begins).map(|(_, cost)| cost).sum();
        let reserved: i64 = running.iter().map(|past| past.reserved).sum();
        limits.rpm.is_none_or(|limit| requests < limit)
            && limits.tpm.is_none_or(|limit| used + tokens <= limit || (used == 0 && limit > 0))
            && limits.max_parallel.is_none_or(|limit| (running.len() as u64) < limit)
            && limits
                .max_budget
                .is_none_or(|Nanos(budget)| spent + reserved + cost <= budget || (spent < budget && running.is_empty()))
    }

    fn admit(&mut self, scopes: [bool; 4], tokens: u64, reserved: i64) {
        for scope in (0..4).filter(|scope| scopes[*scope]) {
            self.minutes[scope] = Some(self.minute(scope).unwrap_or(self.seconds));
        }
        let minutes = self.minutes.map(Option::unwrap_or_default);
        self.past.push(Past { scopes, minutes, tokens, reserved, ended: None });
    }
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Admit { scopes: [bool; 4], tokens: u64, cost: i64 },
    Settle { which: usize, tokens: u64, cost: i64 },
    Drop(usize),
    Cancel(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let admit = (any::<[bool; 4]>(), 0_u64..60, 0_i64..60);
    let step = prop_oneof![
        2 => prop_oneof![0_u64..30, 30_u64..90, 0_u64..5_000].prop_map(Step::Wait),
        5 => admit.prop_map(|(scopes, tokens, cost)| Step::Admit { scopes, tokens, cost }),
        3 => (0_usize..8, 0_u64..90, 0_i64..90).prop_map(|(which, tokens, cost)| Step::Settle { which, tokens, cost }),
        1 => (0_usize..8).prop_map(Step::Drop),
        1 => (0_usize..8).prop_map(Step::Cancel),
    ];
    prop::collection::vec(step, 1..150)
}

fn some_limits() -> impl Strategy<Value = Limits> {
    let maybe = |most: u64| prop::option::of(0..most);
    let period = prop_oneof![Just(None), Just(Some("30s")), Just(Some("1h")), Just(Some("1d")), Just(Some("1mo"))];
    (maybe(8), maybe(150), maybe(5), prop::option::of(0_i64..200), period).prop_map(
        |(rpm, tpm, max_parallel, budget, period)| Limits {
            rpm,
            tpm,
            max_parallel,
            max_budget: budget.map(Nanos),
            budget_period: period
                .map(|every| BudgetPeriod { every: every.parse::<Period>().unwrap(), anchor: Timestamp::default() }),
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever is admitted, settled, dropped and cancelled in whatever order over four scopes: what the model admits is
    /// admitted, nothing else, and what is left is what the model says.
    #[test]
    fn admission_is_what_the_simple_model_says(limits in prop::array::uniform4(some_limits()), steps in steps()) {
        let mut hands = Hands::new();
        let all = ["key", "team", "model", "everything"];
        let applied: Vec<_> = all.iter().zip(&limits).map(|(name, limits)| scope(name, limits.clone())).collect();
        let mut reference = Reference::default();
        let mut running: Vec<(Ticket, usize)> = Vec::new();
        for step in steps {
            match step {
                Step::Wait(seconds) => {
                    hands.advance(seconds);
                    reference.seconds += seconds;
                }
                Step::Admit { scopes, tokens, cost } => {
                    let now = hands.clock.now();
                    let refusing = (0..4).find(|i| scopes[*i] && !reference.admits(*i, &limits[*i], tokens, cost, now));
                    let chosen: Scopes = std::array::from_fn(|i| scopes[i].then(|| applied[i].clone()));
                    match (hands.admit(&chosen, tokens, cost), refusing) {
                        (Ok((ticket, allowance)), None) => {
                            reference.admit(scopes, tokens, cost);
                            running.push((ticket, reference.past.len() - 1));
                            let left = (0..4).filter(|i| scopes[*i]).filter_map(|i| {
                                Some(limits[i].tpm?.saturating_sub(reference.counted(i).1))
                            });
                            prop_assert_eq!(allowance.tokens.map(|quota| quota.remaining), left.min());
                        }
                        (Err(rejection), Some(i)) => prop_assert_eq!(&*rejection.scope, all[i]),
                        (real, refusing) => prop_assert!(false, "{:?}, but the model: {:?}", real, refusing),
                    }
                }
                Step::Settle { which, tokens, cost } if !running.is_empty() => {
                    let (ticket, past) = running.remove(which % running.len());
                    ticket.settle(tokens, Nanos(cost));
                    reference.past[past].tokens = tokens;
                    reference.past[past].ended = Some((hands.clock.now(), cost));
                }
                Step::Drop(which) if !running.is_empty() => {
                    let (ticket, past) = running.remove(which % running.len());
                    drop(ticket);
                    reference.past[past].tokens = 0;
                    reference.past[past].ended = Some((hands.clock.now(), 0));
                }
                Step::Cancel(which) if !running.is_empty() => {
                    let (ticket, past) = running.remove(which % running.len());
                    ticket.cancel();
                    reference.past[past].scopes = [false; 4];
                }
                Step::Settle { .. } | Step::Drop(_) | Step::Cancel(_) => {}
            }
            for (i, applied) in applied.iter().enumerate() {
                let expected = reference.of(i).filter(|past| past.ended.is_none()).count() as u64;
                prop_assert_eq!(applied.scope.running(), expected);
            }
        }
        drop(running);
        prop_assert!(applied.iter().all(|applied| applied.scope.running() == 0), "nothing leaks");
    }
}
