use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use super::histogram::Histogram;
use crate::app::App;

/// Metrics that the simulation leaves at zero: name, type, further label.
const ZEROES: &[(&str, &str, &str)] = &[
    ("estimated_flops_per_gpu_total", "counter", ""),
    ("estimated_read_bytes_per_gpu_total", "counter", ""),
    ("estimated_write_bytes_per_gpu_total", "counter", ""),
    ("prefix_cache_queries_total", "counter", ""),
    ("prefix_cache_hits_total", "counter", ""),
    ("external_prefix_cache_queries_total", "counter", ""),
    ("external_prefix_cache_hits_total", "counter", ""),
    ("mm_cache_queries_total", "counter", ""),
    ("mm_cache_hits_total", "counter", ""),
    ("num_preemptions_total", "counter", ""),
    ("prompt_tokens_cached_total", "counter", ""),
    ("prompt_tokens_cached_by_source_total", "counter", r#",source="device""#),
    ("admission_rejections_total", "counter", r#",reason="max_num_queued_reqs""#),
    ("tool_call_parser_invocations_total", "counter", r#",mode="streaming",outcome="tool_call",request_type="other""#),
];

/// Histograms that the simulation keeps empty.
const EMPTY: &[&str] = &[
    "iteration_tokens_total",
    "request_max_num_generation_tokens",
    "request_params_n",
    "request_params_max_tokens",
    "request_queue_time_seconds",
    "request_inference_time_seconds",
    "request_prefill_time_seconds",
    "request_decode_time_seconds",
    "request_num_preemptions",
    "request_prefill_kv_computed_tokens",
];

/// The text of `/metrics`.
#[expect(clippy::cast_precision_loss, reason = "metrics are floating point")]
pub(crate) fn expose(app: &App) -> String {
    let metrics = &app.metrics;
    let mut page = Page { text: String::with_capacity(16 << 10), labels: labels(&app.args.model) };
    let waiting = metrics.waiting.load(Ordering::Relaxed) as f64;
    let running = (app.books.running() as f64 - waiting).max(0.0);
    page.single("num_requests_running", "gauge", "", running);
    page.single("num_requests_waiting", "gauge", "", waiting);
    page.family("num_requests_waiting_by_reason", "gauge", "reason", &[("capacity", waiting), ("deferred", 0.0)]);
    let sleep = [("awake", 1.0), ("weights_offloaded", 0.0), ("discard_all", 0.0)];
    page.family("engine_sleep_state", "gauge", "sleep_state", &sleep);
    page.single("kv_cache_usage_perc", "gauge", "", (running / f64::from(app.args.max_num_seqs)).min(1.0));
    page.single("cache_config_info", "gauge", r#",block_size="16",cache_dtype="auto""#, 1.0);
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed) as f64;
    let prompt = count(&metrics.prompt_tokens);
    page.single("prompt_tokens_total", "counter", "", prompt);
    let sources = [("local_compute", prompt), ("local_cache_hit", 0.0), ("external_kv_transfer", 0.0)];
    page.family("prompt_tokens_by_source_total", "counter", "source", &sources);
    page.single("generation_tokens_total", "counter", "", count(&metrics.generation_tokens));
    let ends = [("stop", count(&metrics.stopped)), ("length", count(&metrics.reached_length)), ("abort", 0.0)];
    let ends = [ends.as_slice(), &[("error", 0.0), ("repetition", 0.0)]].concat();
    page.family("request_success_total", "counter", "finished_reason", &ends);
    for (name, kind, label) in ZEROES {
        page.single(name, kind, label, 0.0);
    }
    histograms(app, &mut page);
    let _ = writeln!(page.text, "process_start_time_seconds {}", metrics.started.as_secs());
    page.text
}

fn histograms(app: &App, page: &mut Page) {
    let metrics = &app.metrics;
    page.histogram("request_prompt_tokens", &metrics.request_prompt_tokens);
    page.histogram("request_generation_tokens", &metrics.request_generation_tokens);
    page.histogram("time_to_first_token_seconds", &metrics.ttft);
    page.histogram("inter_token_latency_seconds", &metrics.inter_token);
    page.histogram("request_time_per_output_token_seconds", &metrics.per_output_token);
    page.histogram("e2e_request_latency_seconds", &metrics.end_to_end);
    let empty = Histogram::new(super::TOKENS);
    for name in EMPTY {
        page.histogram(name, &empty);
    }
}

fn labels(model: &str) -> String {
    let escaped = model.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
    format!(r#"engine="0",model_name="{escaped}""#)
}

struct Page {
    text: String,
    labels: String,
}

// === impl Page ===

impl Page {
    fn head(&mut self, name: &str, kind: &str) {
        let _ = writeln!(self.text, "# TYPE vllm:{name} {kind}");
    }

    /// One metric of one series; `label` starts with a comma where there is one.
    fn single(&mut self, name: &str, kind: &str, label: &str, value: f64) {
        self.head(name, kind);
        let _ = writeln!(self.text, "vllm:{name}{{{}{label}}} {value:?}", self.labels);
    }

    /// One metric with a series per value of `label`.
    fn family(&mut self, name: &str, kind: &str, label: &str, values: &[(&str, f64)]) {
        self.head(name, kind);
        for (series, value) in values {
            let _ = writeln!(self.text, "vllm:{name}{{{},{label}=\"{series}\"}} {value:?}", self.labels);
        }
    }

    fn histogram(&mut self, name: &str, histogram: &Histogram) {
        self.head(name, "histogram");
        let labels = &self.labels;
        for (bound, count) in histogram.cumulative() {
            let _ = writeln!(self.text, "vllm:{name}_bucket{{{labels},le=\"{bound:?}\"}} {count}.0");
        }
        let (count, sum) = (histogram.count(), histogram.sum());
        let _ = writeln!(self.text, "vllm:{name}_bucket{{{labels},le=\"+Inf\"}} {count}.0");
        let _ = writeln!(self.text, "vllm:{name}_count{{{labels}}} {count}.0");
        let _ = writeln!(self.text, "vllm:{name}_sum{{{labels}}} {sum:?}");
    }
}
