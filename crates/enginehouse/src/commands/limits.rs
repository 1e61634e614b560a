use clap::Args;
use serde_json::{Map, Value};

/// What a key or a team may use. A flag that is not given changes nothing.
#[derive(Debug, Args)]
pub(super) struct LimitFlags {
    /// Requests in a window of 60 s, which starts with its first request; `none` for no limit
    #[arg(long, value_name = "COUNT", value_parser = count)]
    rpm: Option<Setting>,
    /// Tokens of prompts and answers in such a window; `none` for no limit
    #[arg(long, value_name = "COUNT", value_parser = count)]
    tpm: Option<Setting>,
    /// Requests at once; `none` for no limit
    #[arg(long, value_name = "COUNT", value_parser = count)]
    parallel: Option<Setting>,
    /// What may be spent in each period, or in all, in units of the installation's currency; `none` for no limit
    #[arg(long, value_name = "AMOUNT", value_parser = amount)]
    budget: Option<Setting>,
    /// How often the budget begins anew: `1d`, `7d`, `30d`, `12h`, `1mo`; `none` for never
    #[arg(long, value_name = "PERIOD", value_parser = period)]
    budget_period: Option<Setting>,
}

/// The value of a limit as the admin API takes it; null lifts it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Setting(pub(super) Value);

// === impl LimitFlags ===

impl LimitFlags {
    /// Adds what was given to a request's body.
    pub(super) fn put_into(self, body: &mut Map<String, Value>) {
        let given = [
            ("rpm", self.rpm),
            ("tpm", self.tpm),
            ("max_parallel", self.parallel),
            ("max_budget", self.budget),
            ("budget_period", self.budget_period),
        ];
        body.extend(given.into_iter().filter_map(|(name, setting)| Some((name.to_owned(), setting?.0))));
    }
}

pub(super) fn count(text: &str) -> Result<Setting, String> {
    if text == "none" {
        return Ok(Setting(Value::Null));
    }
    text.parse::<u64>().map(|n| Setting(n.into())).map_err(|_| "a whole number, or `none`".to_owned())
}

fn amount(text: &str) -> Result<Setting, String> {
    if text == "none" {
        return Ok(Setting(Value::Null));
    }
    match text.parse::<f64>() {
        Ok(units) if units.is_finite() && units >= 0.0 => Ok(Setting(units.into())),
        _ => Err("an amount such as 5.00, or `none`".to_owned()),
    }
}

fn period(text: &str) -> Result<Setting, String> {
    if text == "none" {
        return Ok(Setting(Value::Null));
    }
    text.parse::<spec::Period>().map(|period| Setting(period.to_string().into())).map_err(|unfit| unfit.to_string())
}
