use std::collections::BTreeMap;

use sqlx::SqliteConnection;

use super::Sum;

pub(super) async fn store_models(connection: &mut SqliteConnection, models: &BTreeMap<&str, i64>) -> sqlx::Result<()> {
    for (model, cost) in models {
        sqlx::query(
            "INSERT INTO spend_by_model AS old (model, cost) VALUES ($1, $2)
             ON CONFLICT (model) DO UPDATE SET cost = old.cost + excluded.cost",
        )
        .bind(model)
        .bind(cost)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

pub(super) async fn store_team(connection: &mut SqliteConnection, team: &str, sum: &Sum) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO spend_by_team AS old (team_id, requests, tokens, cost) VALUES ($1, $2, $3, $4)
         ON CONFLICT (team_id) DO UPDATE SET requests = old.requests + excluded.requests,
         tokens = old.tokens + excluded.tokens, cost = old.cost + excluded.cost",
    )
    .bind(team)
    .bind(sum.requests)
    .bind(sum.prompt + sum.completion)
    .bind(sum.cost)
    .execute(connection)
    .await
    .map(drop)
}

pub(super) async fn store_team_day(
    connection: &mut SqliteConnection,
    day: &str,
    team: &str,
    cost: i64,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO team_spend_by_day AS old (day, team_id, cost) VALUES ($1, $2, $3)
         ON CONFLICT (day, team_id) DO UPDATE SET cost = old.cost + excluded.cost",
    )
    .bind(day)
    .bind(team)
    .bind(cost)
    .execute(connection)
    .await
    .map(drop)
}
