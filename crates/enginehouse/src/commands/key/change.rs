use ambient::Clock;
use clap::{ArgGroup, Args};
use serde_json::{Map, Value};

use super::{about, not_a_secret, path, show};
use crate::client::Client;
use crate::commands::limits::{LimitFlags, Setting, count};
use crate::{output, span};

const CREATE_EXAMPLES: &str = "\
Examples:
  KEY=$(enginehouse key create --quiet)
  enginehouse key create --alias notebook --models tiny,embed --rpm 60 --parallel 4 --budget 5.00 --expires 30d
  enginehouse key create --direct --alias batch --models qwen

The key goes to standard output, everything said about it to standard error.";

const UPDATE_EXAMPLES: &str = "\
Examples:
  enginehouse key update notebook --budget 20 --expires never
  enginehouse key update notebook --models all --rpm none
  enginehouse key update notebook --team research --budget 10 --budget-period 1d
  enginehouse key update notebook --strategy latency-based-routing --fallbacks gpt-4o=qwen,tiny";

/// Flags of `key create`.
#[derive(Debug, Args)]
#[command(after_help = CREATE_EXAMPLES)]
pub(super) struct CreateArgs {
    /// Make a key for direct routes, `/models/<name>/v1/…`, and for nothing else
    #[arg(long)]
    direct: bool,
    #[command(flatten)]
    what: What,
    /// Print the key and nothing else
    #[arg(short, long)]
    quiet: bool,
    /// Print the answer, key included, as JSON
    #[arg(long, conflicts_with = "quiet")]
    json: bool,
}

/// Flags of `key update`.
#[derive(Debug, Args)]
#[command(after_help = UPDATE_EXAMPLES, group = ArgGroup::new("change").args(["alias", "models", "rpm", "tpm", "parallel", "budget", "budget_period", "model_alias", "owner", "team", "tags", "retries", "strategy", "fallbacks", "disable_fallbacks", "expires"]).required(true).multiple(true))]
pub(super) struct UpdateArgs {
    /// Id, alias or hash of the key; never the key itself
    #[arg(value_name = "KEY", value_parser = not_a_secret)]
    key: String,
    #[command(flatten)]
    what: What,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

/// What a key may do. A flag that is not given changes nothing.
#[derive(Debug, Args)]
struct What {
    /// Name for people; unique
    #[arg(long)]
    alias: Option<String>,
    /// Models that it may use, separated by commas; `all` for every model
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    models: Option<Vec<String>>,
    #[command(flatten)]
    limits: LimitFlags,
    /// Another name for a model when this key says it, as `gpt-4o=qwen`; repeatable. They replace those that were
    #[arg(long, value_name = "NAME=MODEL", value_parser = alias_of_model)]
    model_alias: Option<Vec<(String, String)>>,
    /// Whom it belongs to; `none` for nobody
    #[arg(long, value_name = "NAME", value_parser = word)]
    owner: Option<Setting>,
    /// Id or alias of the team that it belongs to; `none` for no team
    #[arg(long, value_name = "TEAM", value_parser = word)]
    team: Option<Setting>,
    /// What its requests are labelled with in the books, separated by commas
    #[arg(long, value_name = "TAGS", value_delimiter = ',')]
    tags: Option<Vec<String>>,
    /// Further tries after a failed one; `none` for as many as everybody
    #[arg(long, value_name = "COUNT", value_parser = count)]
    retries: Option<Setting>,
    /// How a deployment is chosen for it, as `latency-based-routing`; `none` as for everybody
    #[arg(long, value_name = "STRATEGY", value_parser = word)]
    strategy: Option<Setting>,
    /// Models that take over for it when one fails, as `gpt-4o=qwen,tiny`; repeatable. They replace those that were;
    /// `none` for those of everybody
    #[arg(long, value_name = "MODEL=OTHERS", value_parser = fallbacks_of)]
    fallbacks: Option<Vec<(String, Vec<String>)>>,
    /// Whether no other model ever takes over for it
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    disable_fallbacks: Option<bool>,
    /// When it stops working: `30d`, `12h`, a day (UTC), RFC 3339, or `never`
    #[arg(long, value_name = "WHEN", value_parser = expiry)]
    expires: Option<Setting>,
}

/// Makes a key and prints it.
pub(super) async fn create(client: &Client, args: CreateArgs) -> anyhow::Result<()> {
    let mut body = args.what.into_body();
    if args.direct {
        body["kind"] = "direct".into();
    }
    let answer = client.post("/api/v1/keys", &body).await?;
    show::secret(&answer, args.json, args.quiet, "created")
}

/// Changes a key and shows it as it is now.
pub(super) async fn update(client: &Client, args: UpdateArgs) -> anyhow::Result<()> {
    let body = args.what.into_body();
    let answer = about(&args.key, client.patch(&path(&args.key), &body)).await?;
    crate::commands::outcome::warn(&answer)?;
    if !args.json {
        output::note(&format!("{} is changed:", args.key));
    }
    show::one(&answer, args.json)
}

// === impl What ===

impl What {
    fn into_body(self) -> Value {
        let mut body = Map::new();
        let mut put = |name: &str, value: Option<Value>| value.map(|value| body.insert(name.to_owned(), value));
        put("alias", self.alias.map(Value::from));
        put("models", self.models.map(|names| Value::from(if names == ["all"] { Vec::new() } else { names })));
        let aliases = |pairs: Vec<(String, String)>| pairs.into_iter().map(|(name, model)| (name, model.into()));
        put("aliases", self.model_alias.map(|pairs| aliases(pairs).collect::<Map<_, _>>().into()));
        put("owner", self.owner.map(|setting| setting.0));
        put("team", self.team.map(|setting| setting.0));
        put("tags", self.tags.map(|tags| tags.into_iter().filter(|tag| !tag.is_empty()).collect::<Vec<_>>().into()));
        put("retries", self.retries.map(|setting| setting.0));
        put("strategy", self.strategy.map(|setting| setting.0));
        let named = |pairs: Vec<(String, Vec<String>)>| pairs.into_iter().filter(|(name, _)| !name.is_empty());
        let lists = |pairs| named(pairs).map(|(name, others)| (name, others.into())).collect::<Map<_, _>>();
        put("fallbacks", self.fallbacks.map(|pairs| lists(pairs).into()));
        put("disable_fallbacks", self.disable_fallbacks.map(Value::from));
        put("expires_at", self.expires.map(|setting| setting.0));
        self.limits.put_into(&mut body);
        Value::Object(body)
    }
}

fn word(text: &str) -> Result<Setting, String> {
    match text {
        "" => Err("a name, or `none`".to_owned()),
        "none" => Ok(Setting(Value::Null)),
        name => Ok(Setting(name.into())),
    }
}

fn alias_of_model(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, model)) if !name.is_empty() && !model.is_empty() => Ok((name.to_owned(), model.to_owned())),
        _ => Err("a name, `=` and a model, as `gpt-4o=qwen`".to_owned()),
    }
}

/// A model and those that take over from it; the name is empty for `none`.
fn fallbacks_of(text: &str) -> Result<(String, Vec<String>), String> {
    if text == "none" {
        return Ok((String::new(), Vec::new()));
    }
    match text.split_once('=') {
        Some((name, others)) if !name.is_empty() => {
            let others = others.split(',').filter(|other| !other.is_empty()).map(str::to_owned);
            Ok((name.to_owned(), others.collect()))
        }
        _ => Err("a model, `=` and those that take over from it, as `gpt-4o=qwen,tiny`".to_owned()),
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
        what: What,
    }

    fn body(flags: &[&str]) -> Value {
        Line::try_parse_from(std::iter::once("test").chain(flags.iter().copied())).unwrap().what.into_body()
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
    fn whom_it_belongs_to_and_its_own_names_are_sent() {
        let flags = ["--team", "blue", "--owner", "none", "--tags", "a,b", "--model-alias", "gpt=m", "--tpm", "9"];
        let sent = json!({"team": "blue", "owner": null, "tags": ["a", "b"], "aliases": {"gpt": "m"}, "tpm": 9});
        assert_eq!(body(&flags), sent);
        assert_eq!(body(&["--budget-period", "30d", "--retries", "0"]), json!({"budget_period": "30d", "retries": 0}));
    }

    #[test]
    fn routing_of_its_own_is_sent() {
        let flags =
            ["--strategy", "simple-shuffle", "--fallbacks", "a=b,c", "--fallbacks", "d=", "--disable-fallbacks"];
        let sent =
            json!({"strategy": "simple-shuffle", "fallbacks": {"a": ["b", "c"], "d": []}, "disable_fallbacks": true});
        assert_eq!(body(&flags), sent);
        let lifted = json!({"strategy": null, "fallbacks": {}, "disable_fallbacks": false});
        assert_eq!(body(&["--strategy", "none", "--fallbacks", "none", "--disable-fallbacks", "false"]), lifted);
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
        for flags in [
            ["--rpm", "-1"],
            ["--rpm", "many"],
            ["--budget", "NaN"],
            ["--budget", "-2"],
            ["--budget-period", "1y"],
            ["--model-alias", "gpt"],
            ["--expires", "2001-01-01"],
        ] {
            assert!(Line::try_parse_from(["test", flags[0], flags[1]]).is_err(), "{flags:?}");
        }
    }
}
