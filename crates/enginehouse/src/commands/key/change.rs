use ambient::Clock;
use clap::{ArgGroup, Args};
use serde_json::{Map, Value};

use super::{about, not_a_secret, path, show};
use crate::client::Client;
use crate::{output, span};

const CREATE_EXAMPLES: &str = "\
Examples:
  KEY=$(enginehouse key create --quiet)
  enginehouse key create --alias notebook --models tiny,embed --rpm 60 --parallel 4 --budget 5.00 --expires 30d

The key goes to standard output, everything said about it to standard error.";

const UPDATE_EXAMPLES: &str = "\
Examples:
  enginehouse key update notebook --budget 20 --expires never
  enginehouse key update notebook --models all --rpm none";

/// Flags of `key create`.
#[derive(Debug, Args)]
#[command(after_help = CREATE_EXAMPLES)]
pub(super) struct CreateArgs {
    #[command(flatten)]
    limits: Limits,
    /// Print the key and nothing else
    #[arg(short, long)]
    quiet: bool,
    /// Print the answer, key included, as JSON
    #[arg(long, conflicts_with = "quiet")]
    json: bool,
}

/// Flags of `key update`.
#[derive(Debug, Args)]
#[command(after_help = UPDATE_EXAMPLES, group = ArgGroup::new("change").args(["alias", "models", "rpm", "parallel", "budget", "expires"]).required(true).multiple(true))]
pub(super) struct UpdateArgs {
    /// Id, alias or hash of the key; never the key itself
    #[arg(value_name = "KEY", value_parser = not_a_secret)]
    key: String,
    #[command(flatten)]
    limits: Limits,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

/// What a key may do. A flag that is not given changes nothing.
#[derive(Debug, Args)]
struct Limits {
    /// Name for people; unique
    #[arg(long)]
    alias: Option<String>,
    /// Models that it may use, separated by commas; `all` for every model
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    models: Option<Vec<String>>,
    /// Requests in a window of 60 s, which starts with its first request; `none` for no limit
    #[arg(long, value_name = "COUNT", value_parser = count)]
    rpm: Option<Setting>,
    /// Requests at once; `none` for no limit
    #[arg(long, value_name = "COUNT", value_parser = count)]
    parallel: Option<Setting>,
    /// What it may spend in all, in units of the installation's currency; `none` for no limit
    #[arg(long, value_name = "AMOUNT", value_parser = amount)]
    budget: Option<Setting>,
    /// When it stops working: `30d`, `12h`, a day (UTC), RFC 3339, or `never`
    #[arg(long, value_name = "WHEN", value_parser = expiry)]
    expires: Option<Setting>,
}

/// The value of a limit as the admin API takes it; null lifts it.
#[derive(Clone, Debug, PartialEq)]
struct Setting(Value);

/// Makes a key and prints it.
pub(super) async fn create(client: &Client, args: CreateArgs) -> anyhow::Result<()> {
    let answer = client.post("/api/v1/keys", &args.limits.into_body()).await?;
    show::secret(&answer, args.json, args.quiet, "created")
}

/// Changes a key and shows it as it is now.
pub(super) async fn update(client: &Client, args: UpdateArgs) -> anyhow::Result<()> {
    let body = args.limits.into_body();
    let answer = about(&args.key, client.patch(&path(&args.key), &body)).await?;
    show::warn(&answer)?;
    if !args.json {
        output::note(&format!("{} is changed:", args.key));
    }
    show::one(&answer, args.json)
}

// === impl Limits ===

impl Limits {
    fn into_body(self) -> Value {
        let mut body = Map::new();
        let mut put = |name: &str, value: Option<Value>| value.map(|value| body.insert(name.to_owned(), value));
        put("alias", self.alias.map(Value::from));
        put("models", self.models.map(|names| Value::from(if names == ["all"] { Vec::new() } else { names })));
        put("rpm", self.rpm.map(|setting| setting.0));
        put("max_parallel", self.parallel.map(|setting| setting.0));
        put("max_budget", self.budget.map(|setting| setting.0));
        put("expires_at", self.expires.map(|setting| setting.0));
        Value::Object(body)
    }
}

fn count(text: &str) -> Result<Setting, String> {
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

fn expiry(text: &str) -> Result<Setting, String> {
    if text == "never" {
        return Ok(Setting(Value::Null));
    }
    span::moment(text, Clock::system().now()).map(|moment| Setting(moment.to_string().into()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        limits: Limits,
    }

    fn body(flags: &[&str]) -> Value {
        Line::try_parse_from(std::iter::once("test").chain(flags.iter().copied())).unwrap().limits.into_body()
    }

    #[test]
    fn only_what_is_given_is_sent() {
        assert_eq!(body(&[]), json!({}));
        assert_eq!(
            body(&["--alias", "a", "--models", "x,y", "--rpm", "60", "--parallel", "4", "--budget", "5.00"]),
            json!({"alias": "a", "models": ["x", "y"], "rpm": 60, "max_parallel": 4, "max_budget": 5.0})
        );
    }

    #[test]
    fn limits_can_be_lifted() {
        let flags =
            ["--models", "all", "--rpm", "none", "--parallel", "none", "--budget", "none", "--expires", "never"];
        let lifted = json!({"models": [], "rpm": null, "max_parallel": null, "max_budget": null, "expires_at": null});
        assert_eq!(body(&flags), lifted);
    }

    #[test]
    fn nonsense_is_refused() {
        for flags in
            [["--rpm", "-1"], ["--rpm", "many"], ["--budget", "NaN"], ["--budget", "-2"], ["--expires", "2001-01-01"]]
        {
            assert!(Line::try_parse_from(["test", flags[0], flags[1]]).is_err(), "{flags:?}");
        }
    }
}
