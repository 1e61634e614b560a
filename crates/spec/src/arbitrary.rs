//! Any document that the types can hold, for property tests; not only valid ones.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::Value;

use crate::{
    Alias, Cache, CausePolicy, Cost, Credential, Defaults, Deployment, Document, Endpoint, Engine, Gpu, Housekeeping,
    Ledger, Limits, Model, ModelType, OnFull, Passthrough, Period, PeriodUnit, Price, Provider, Recipe, Requests,
    Routing, Runtime, SecretText, ShownAlias, Strategy as Choice, TimeoutOverrides, Timeouts,
};

/// A whole document.
pub(crate) fn documents() -> impl Strategy<Value = Document> {
    let ledger = prop_oneof![Just(OnFull::Refuse), Just(OnFull::Serve)].prop_map(|on_full| Ledger { on_full });
    let items = (vec(models(), 0..4), vec(credentials(), 0..3), vec(recipes(), 0..3), passed_through());
    let routing = (routing(), btree_map(text(), aliases(), 0..3));
    (0_u32..3, items, routing, ledger, cache(), requests(), some_limits(), housekeeping()).prop_map(
        |(
            version,
            (models, credentials, recipes, passthrough),
            (routing, aliases),
            ledger,
            cache,
            requests,
            limits,
            housekeeping,
        )| {
            Document {
                version,
                models,
                defaults: Defaults::default(),
                credentials,
                recipes,
                aliases,
                routing,
                ledger,
                cache,
                requests,
                limits,
                housekeeping,
                passthrough,
            }
        },
    )
}

fn housekeeping() -> impl Strategy<Value = Housekeeping> {
    (any::<bool>(), any::<[u32; 2]>(), option::of(any::<u32>())).prop_map(
        |(enabled, [interval_hours, usage_retention_days], expired_keys_days)| Housekeeping {
            enabled,
            interval_hours,
            usage_retention_days,
            expired_keys_days,
        },
    )
}

fn credentials() -> impl Strategy<Value = Credential> {
    let provider = option::of(prop_oneof![Just(Provider::Openai), Just(Provider::OpenaiCompatible)]);
    (text(), provider, text()).prop_map(|(name, provider, secret)| Credential {
        name,
        provider,
        secret: SecretText::new(secret),
    })
}

fn recipes() -> impl Strategy<Value = Recipe> {
    (text(), text(), vec(text(), 0..3), vec(text(), 0..3)).prop_map(|(name, base, apt, pip)| Recipe {
        name,
        base,
        apt,
        pip,
    })
}

fn passed_through() -> impl Strategy<Value = Passthrough> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from)
    ];
    let value = leaf.prop_recursive(2, 8, 3, |inner| vec(inner, 0..3).prop_map(Value::from));
    btree_map(text(), value, 0..3).prop_map(|litellm| Passthrough { litellm: litellm.into_iter().collect() })
}

fn requests() -> impl Strategy<Value = Requests> {
    any::<[u64; 3]>().prop_map(|[max_body_bytes, max_response_bytes, max_buffered_bytes]| Requests {
        max_body_bytes,
        max_response_bytes,
        max_buffered_bytes,
    })
}

fn cache() -> impl Strategy<Value = Cache> {
    let bytes = || prop_oneof![Just(1_u64 << 20), any::<u64>()];
    (any::<bool>(), -1.0..1e5_f64, bytes(), bytes(), option::of(text()), any::<bool>()).prop_map(
        |(enabled, ttl_seconds, max_bytes, max_entry_bytes, namespace, coalesce)| Cache {
            enabled,
            ttl_seconds,
            max_bytes,
            max_entry_bytes,
            namespace,
            coalesce,
        },
    )
}

/// Words that writers of YAML have to quote, among others.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z0-9/._-]{0,12}",
        2 => any::<String>(),
        2 => proptest::sample::select(vec![
            "", " ", "no", "null", "~", "1e3", "0x10", "1_000", ".nan", "- a", "a: b", "#", "\"", "'", "{port}", "|", ">",
            "a\nb\n\n", "\ta", "a ", "\u{85}", "\u{7f}", "\u{2028}", "\u{feff}", "é😀", "<<", "*a", "&a", "!t", "%", "@",
            "2026-01-01", "12:30", "os.environ/NAME", "---", "...", "\r\n", "\0", "\\",
        ]).prop_map(str::to_owned),
    ]
}

fn models() -> impl Strategy<Value = Model> {
    let choice = (option::of(strategies()), option::of(0_u32..10), policies());
    let model_type = proptest::sample::select(ModelType::ALL.to_vec());
    (text(), model_type, vec(deployments(), 0..4), prices(), any::<bool>(), choice, some_limits()).prop_map(
        |(name, model_type, deployments, price, open_access, (strategy, retries, retry_policy), limits)| Model {
            name,
            model_type,
            deployments,
            price,
            open_access,
            strategy,
            retries,
            retry_policy,
            limits,
        },
    )
}

fn strategies() -> impl Strategy<Value = Choice> {
    proptest::sample::select(Choice::ALL.to_vec())
}

fn policies() -> impl Strategy<Value = CausePolicy> {
    let n = || option::of(0_u32..10);
    (n(), n(), n()).prop_map(|(timeout, rate_limit, bad_request)| CausePolicy {
        bad_request,
        timeout,
        rate_limit,
        ..CausePolicy::default()
    })
}

fn aliases() -> impl Strategy<Value = Alias> {
    let shown = (text(), any::<bool>()).prop_map(|(model, hidden)| Alias::Shown(ShownAlias { model, hidden }));
    prop_oneof![text().prop_map(Alias::Model), shown]
}

fn deployments() -> impl Strategy<Value = Deployment> {
    let bound = || option::of(-1.0..1e5_f64);
    let timeouts = (bound(), bound(), bound(), bound()).prop_map(|(connect, first_byte, between_bytes, total)| {
        TimeoutOverrides { connect, first_byte, between_bytes, total }
    });
    let cost = option::of((-1.0..1e7_f64, 0.0..9.0_f64).prop_map(|(input, output)| Cost { input, output }));
    (option::of("[a-c]{1,2}"), option::of(endpoints()), option::of(engines()), timeouts, 0_u32..3, cost).prop_map(
        |(id, endpoint, engine, timeouts, order, cost)| Deployment { id, endpoint, engine, timeouts, order, cost },
    )
}

fn endpoints() -> impl Strategy<Value = Endpoint> {
    let provider = prop_oneof![Just(Provider::Openai), Just(Provider::OpenaiCompatible)];
    let bound = || option::of(any::<u64>());
    let window = option::of(any::<u32>());
    (provider, text(), option::of(text()), option::of(text()), 0_u32..2000, (bound(), bound()), window).prop_map(
        |(provider, url, model, credential, weight, (rpm, tpm), max_input_tokens)| Endpoint {
            provider,
            url,
            model,
            credential,
            weight,
            rpm,
            tpm,
            max_input_tokens,
        },
    )
}

fn engines() -> impl Strategy<Value = Engine> {
    let runtime = prop_oneof![Just(Runtime::Docker), Just(Runtime::Process)];
    let gpu = prop_oneof![any::<u32>().prop_map(Gpu::Index), "GPU-[0-9a-f]{4}".prop_map(Gpu::Name)];
    let texts = (text(), option::of(text()), option::of(text()));
    let lists = (vec(text(), 0..4), vec(gpu, 0..4), vec(text(), 0..3), btree_map(text(), text(), 0..3));
    let numbers = (0_u32..10, option::of(any::<u32>()), option::of(any::<u32>()));
    (runtime, texts, lists, numbers).prop_map(|(runtime, texts, lists, numbers)| {
        let (source, revision, quantization) = texts;
        let (command, gpus, args, env) = lists;
        let (replicas, max_model_len, start_timeout) = numbers;
        Engine {
            source,
            revision,
            runtime,
            command,
            image: None,
            recipe: None,
            host_port: None,
            gpus,
            replicas,
            quantization,
            max_model_len,
            kv_cache_dtype: None,
            tensor_parallel_size: None,
            gpu_memory_utilization: None,
            max_num_batched_tokens: None,
            tool_call_parser: None,
            reasoning_parser: None,
            chat_template: None,
            trust_remote_code: false,
            cpus: None,
            memory_bytes: None,
            args,
            env,
            start_timeout,
        }
    })
}

fn some_limits() -> impl Strategy<Value = Limits> {
    let n = || option::of(any::<u64>());
    let unit = proptest::sample::select(vec![PeriodUnit::Second, PeriodUnit::Hour, PeriodUnit::Month]);
    let period = (1_u32..100, unit).prop_map(|(count, unit)| Period::new(count, unit));
    (n(), n(), n(), option::of(-1.0..1e10_f64), period).prop_map(
        |(rpm, tpm, max_parallel, max_budget, budget_period)| Limits {
            rpm,
            tpm,
            max_parallel,
            max_budget,
            budget_period,
        },
    )
}

fn prices() -> impl Strategy<Value = Price> {
    let n = || prop_oneof![Just(0.0), Just(0.1), -1.0..1e7_f64];
    (n(), option::of(n()), n(), n(), n(), n(), n(), n()).prop_map(
        |(input, cached_input, output, image, audio_second, character, search, request)| Price {
            input,
            cached_input,
            output,
            image,
            audio_second,
            character,
            search,
            request,
        },
    )
}

fn routing() -> impl Strategy<Value = Routing> {
    let timeouts = (0.0..1e5_f64, 0.0..1e5_f64, 0.0..1e5_f64, 0.0..1e5_f64)
        .prop_map(|(connect, first_byte, between_bytes, total)| Timeouts { connect, first_byte, between_bytes, total });
    let others = || btree_map(text(), vec(text(), 0..3), 0..3);
    let fallbacks = (others(), others(), others(), vec(text(), 0..3), 0_u32..20);
    let rest = (policies(), policies(), any::<bool>(), -1.0..20.0_f64);
    (strategies(), 0_u32..10, any::<u32>(), -1.0..1e5_f64, timeouts, fallbacks, rest).prop_map(
        |(strategy, retries, allowed_fails, cooldown_seconds, timeouts, fallbacks, rest)| Routing {
            strategy,
            retries,
            allowed_fails,
            cooldown_seconds,
            timeouts,
            retry_policy: rest.0,
            allowed_fails_policy: rest.1,
            fallbacks: fallbacks.0,
            context_window_fallbacks: fallbacks.1,
            content_policy_fallbacks: fallbacks.2,
            default_fallbacks: fallbacks.3,
            max_fallbacks: fallbacks.4,
            enable_pre_call_checks: rest.2,
            lowest_latency_buffer: rest.3,
        },
    )
}
