use std::sync::Arc;
use std::time::Duration;

use ambient::{Clock, ManualClock, Timestamp};
use ledger::Nanos;
use snapshot::{BudgetPeriod, Limits, Spent, SpentBefore};
use tokio::time::Instant;

use super::{Allowance, Applied, Limit, Moment, Rejection, Reserved, Scope, Scopes, Ticket, admit_at};

mod moves;
mod reference;

/// Both clocks, moved by hand and together.
pub(super) struct Hands {
    clock: Clock,
    hand: ManualClock,
    instant: Instant,
}

// === impl Hands ===

impl Hands {
    pub(super) fn new() -> Self {
        // 1970-01-02: every period has a run before it.
        let (clock, hand) = Clock::manual(Timestamp::from_micros(86_400_000_000));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Self { clock, hand, instant: runtime.block_on(async { Instant::now() }) }
    }

    pub(super) fn now(&self) -> Moment<'_> {
        Moment { instant: self.instant, clock: &self.clock }
    }

    pub(super) fn advance(&mut self, seconds: u64) {
        self.hand.advance(Duration::from_secs(seconds));
        self.instant += Duration::from_secs(seconds);
    }

    pub(super) fn admit(&self, scopes: &Scopes, tokens: u64, cost: i64) -> Result<(Ticket, Allowance), Rejection> {
        let reserved = Reserved { tokens, cost: Nanos(cost) };
        admit_at(scopes.clone(), reserved, self.now())
    }
}

fn scope(name: &str, limits: Limits) -> Arc<Applied> {
    let scope = Scope::new(&Spent::default());
    scope.follow(&limits, &Spent::default(), Hands::new().clock.now());
    Arc::new(Applied { scope: Arc::new(scope), limits, name: name.into() })
}

fn key(limits: Limits) -> Scopes {
    [Some(scope("key 'k'", limits)), None, None, None]
}

fn rpm(limit: u64) -> Limits {
    Limits { rpm: Some(limit), ..Limits::default() }
}

fn tpm(limit: u64) -> Limits {
    Limits { tpm: Some(limit), ..Limits::default() }
}

fn budget(limit: i64) -> Limits {
    Limits { max_budget: Some(Nanos(limit)), ..Limits::default() }
}

#[test]
fn a_minute_s_requests_and_not_one_more() {
    let (mut hands, key) = (Hands::new(), key(rpm(2)));
    hands.admit(&key, 0, 0).unwrap();
    hands.advance(20);
    hands.admit(&key, 0, 0).unwrap();
    hands.advance(39);
    let rejection = hands.admit(&key, 0, 0).unwrap_err();
    assert_eq!((rejection.limit, rejection.retry_after), (Limit::Rpm(2), Some(Duration::from_secs(1))));
    let told = rejection.allowance.requests.unwrap();
    assert_eq!((told.limit, told.remaining, told.resets), (2, 0, Duration::from_secs(1)));
    hands.advance(1);
    hands.admit(&key, 0, 0).unwrap();
}

#[test]
fn a_rejection_consumes_nothing_in_any_scope() {
    let hands = Hands::new();
    let narrow = Limits { max_parallel: Some(0), ..Limits::default() };
    let team = scope("team 't'", Limits { tpm: Some(9), ..rpm(1) });
    let scopes = [Some(team.clone()), None, Some(scope("model 'm'", narrow)), None];
    let rejection = hands.admit(&scopes, 5, 5).unwrap_err();
    assert_eq!((&*rejection.scope, rejection.limit), ("model 'm'", Limit::Parallel(0)));
    assert_eq!(rejection.allowance.requests.unwrap().remaining, 1);
    assert_eq!(team.scope.running(), 0);
    hands.admit(&[None, Some(team), None, None], 9, 5).unwrap();
}

#[test]
fn the_tightest_scope_is_told() {
    let hands = Hands::new();
    let limits = |rpm, tpm| Limits { rpm: Some(rpm), tpm: Some(tpm), ..Limits::default() };
    let scopes = [
        Some(scope("key", limits(10, 1_000))),
        Some(scope("team", limits(5, 2_000))),
        None,
        Some(scope("all", Limits::default())),
    ];
    let (_, Allowance { requests, tokens }) = hands.admit(&scopes, 300, 0).unwrap();
    let (requests, tokens) = (requests.unwrap(), tokens.unwrap());
    assert_eq!((requests.limit, requests.remaining), (5, 4));
    assert_eq!((tokens.limit, tokens.remaining, tokens.resets), (1_000, 700, Duration::from_secs(60)));
}

#[test]
fn a_cancelled_ticket_leaves_no_trace() {
    let (hands, key) = (Hands::new(), key(Limits { tpm: Some(8), ..rpm(1) }));
    hands.admit(&key, 8, 7).unwrap().0.cancel();
    hands.admit(&key, 8, 7).unwrap();
}

#[test]
fn tokens_that_were_used_take_the_place_of_those_set_aside() {
    let (mut hands, key) = (Hands::new(), key(tpm(40)));
    let (first, _) = hands.admit(&key, 30, 0).unwrap();
    let rejection = hands.admit(&key, 11, 0).unwrap_err();
    assert_eq!(rejection.limit, Limit::Tpm { limit: 40, wanted: 11 });
    assert_eq!(rejection.allowance.tokens.unwrap().remaining, 10);
    first.settle(18, Nanos::ZERO);
    let (second, allowance) = hands.admit(&key, 11, 0).unwrap();
    assert_eq!(allowance.tokens.unwrap().remaining, 11);
    hands.advance(60);
    let (_third, _) = hands.admit(&key, 40, 0).unwrap();
    // The second was counted in a minute that is over.
    second.settle(1_000, Nanos::ZERO);
    assert_eq!(hands.admit(&key, 1, 0).unwrap_err().retry_after, Some(Duration::from_secs(60)));
}

#[test]
fn a_request_above_the_whole_limit_of_tokens_runs_alone_in_its_minute() {
    let (mut hands, key) = (Hands::new(), key(tpm(40)));
    let (large, allowance) = hands.admit(&key, 1_024, 0).unwrap();
    assert_eq!(allowance.tokens.unwrap().remaining, 0);
    hands.admit(&key, 1, 0).unwrap_err();
    large.settle(50, Nanos::ZERO);
    hands.admit(&key, 1, 0).unwrap_err();
    hands.advance(60);
    hands.admit(&key, 1_024, 0).unwrap();
    let nothing = [Some(scope("key", tpm(0))), None, None, None];
    hands.admit(&nothing, 1, 0).unwrap_err();
}

#[test]
fn the_last_of_a_budget_goes_to_one_request_alone() {
    let (hands, key) = (Hands::new(), key(budget(10)));
    let (alone, _) = hands.admit(&key, 0, 50).unwrap();
    let rejection = hands.admit(&key, 0, 1).unwrap_err();
    assert_eq!((rejection.limit, rejection.retry_after), (Limit::Budget(Nanos(10), None), None));
    alone.settle(0, Nanos(4));
    let (second, _) = hands.admit(&key, 0, 6).unwrap();
    second.settle(0, Nanos(6));
    hands.admit(&key, 0, 1).unwrap_err();
}

#[test]
fn a_budget_begins_anew_with_its_period_and_says_when() {
    let mut hands = Hands::new();
    let period = BudgetPeriod { every: "1h".parse().unwrap(), anchor: Timestamp::default() };
    let key = key(Limits { budget_period: Some(period), ..budget(10) });
    hands.admit(&key, 0, 1).unwrap().0.settle(0, Nanos(10));
    hands.advance(3_599);
    let rejection = hands.admit(&key, 0, 1).unwrap_err();
    assert_eq!(rejection.limit.to_string(), "budget of 0.00000001 per 1h");
    assert_eq!(rejection.retry_after, Some(Duration::from_secs(1)));
    hands.advance(1);
    let (running, _) = hands.admit(&key, 0, 4).unwrap();
    hands.advance(3_600);
    // It ends in the next hour, whose budget pays.
    running.settle(0, Nanos(10));
    hands.admit(&key, 0, 1).unwrap_err();
}

#[test]
fn a_budget_counts_on_from_what_the_books_say_of_its_period() {
    let hands = Hands::new();
    let now = hands.clock.now();
    let period = BudgetPeriod { every: "1d".parse().unwrap(), anchor: Timestamp::default() };
    let begins = period.run(now).begins;
    let limits = Limits { budget_period: Some(period), ..budget(10) };
    let begin = |before: Option<SpentBefore>| {
        let spent = Spent { total: Nanos(100), before };
        let scope = Scope::new(&spent);
        scope.follow(&limits, &spent, now);
        [Some(Arc::new(Applied { scope: Arc::new(scope), limits: limits.clone(), name: "k".into() })), None, None, None]
    };
    let told = |nanos| Some(SpentBefore { run: begins, nanos: Nanos(nanos) });
    hands.admit(&begin(told(90)), 0, 1).unwrap_err();
    hands.admit(&begin(told(91)), 0, 1).unwrap();
    hands.admit(&begin(None), 0, 1).unwrap_err();

    let late = begin(None);
    let applied = late[0].as_ref().unwrap();
    applied.scope.follow(&limits, &Spent { total: Nanos(0), before: told(95) }, now);
    hands.admit(&late, 0, 5).unwrap().0.settle(0, Nanos(5));
    hands.admit(&late, 0, 5).unwrap_err();
    applied.scope.follow(&Limits { budget_period: None, ..limits }, &Spent::default(), now);
    assert_eq!(applied.scope.spent(), Nanos(105), "what was spent in all is never forgotten");
}
