use clap::{Args, ValueEnum};

use crate::client::{self, Client};
use crate::{output, span};

mod report;

const EXAMPLES: &str = "\
Examples:
  enginehouse usage                                     what each key used of each model
  enginehouse usage --by day --from 2026-11-01 --to 2026-11-30
  enginehouse usage --by key,model,day --csv > november.csv";

/// Flags of `usage`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct UsageArgs {
    /// What makes a line: any of key, model, day, separated by commas
    #[arg(long, value_name = "PARTS", value_enum, value_delimiter = ',', default_value = "key,model")]
    by: Vec<Part>,
    /// First day (UTC)
    #[arg(long, value_name = "DAY", value_parser = span::day)]
    from: Option<String>,
    /// Last day (UTC), included
    #[arg(long, value_name = "DAY", value_parser = span::day)]
    to: Option<String>,
    /// Only this key (id or alias)
    #[arg(long)]
    key: Option<String>,
    /// Only this model
    #[arg(long)]
    model: Option<String>,
    /// Print as CSV
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Key,
    Model,
    Day,
}

/// Prints what was used and what it cost.
pub(crate) async fn run(client: &Client, args: UsageArgs) -> anyhow::Result<()> {
    let answer = client.whole(&args.path(), "rows").await?;
    if args.json {
        return Ok(output::json(&answer)?);
    }
    let report: report::Report = client::view(&answer)?;
    if args.csv {
        return Ok(output::data(&report.csv(&args.by)?)?);
    }
    Ok(output::table(&report.table(&args.by))?)
}

// === impl UsageArgs ===

impl UsageArgs {
    fn path(&self) -> String {
        let by: Vec<&str> = self.by.iter().map(|part| part.as_str()).collect();
        let mut pairs = vec![("by", by.join(",")), ("limit", client::PAGE.to_string())];
        let filters = [("from", &self.from), ("to", &self.to), ("key", &self.key), ("model", &self.model)];
        pairs.extend(filters.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
        format!("/api/v1/usage{}", client::query(pairs))
    }
}

// === impl Part ===

impl Part {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Model => "model",
            Self::Day => "day",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Key => "KEY",
            Self::Model => "MODEL",
            Self::Day => "DAY",
        }
    }
}
