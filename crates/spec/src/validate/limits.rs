use super::number;
use crate::{Limits, fault::Scope, limits};

pub(super) fn check(here: &mut Scope<'_>, given: &Limits) {
    let Limits { rpm: _, tpm: _, max_parallel: _, max_budget, budget_period } = *given;
    if let Some(budget) = max_budget {
        number::check_from_zero(&mut here.field("max_budget"), "max_budget", budget, limits::BUDGET);
        if budget > 0.0 && budget < limits::SMALLEST_AMOUNT {
            here.field("max_budget").fault(format!(
                "max_budget is {budget}, less than the smallest amount, {:.9}; give 0 to allow nothing",
                limits::SMALLEST_AMOUNT
            ));
        }
    }
    if let (Some(period), None) = (budget_period, max_budget) {
        here.field("budget_period")
            .fault(format!("budget_period is {period}, but there is no max_budget; give both, or neither"));
    }
}
