use super::*;

/// Of a document with one model of this name.
fn faults_of_name(name: &str) -> Vec<Fault> {
    let name = serde_json::to_string(name).unwrap();
    faults(&format!("version: 1\nmodels: [{{ name: {name}, type: chat }}]"))
}

/// What the issue of engines lists as bad input, each with a message of its own that says where, what, and what to do.
#[test]
fn each_bad_input_has_a_message_of_its_own() {
    for reserved in ["open", "models", "v1"] {
        let words = format!("name is `{reserved}`, but `models`, `open`, `v1` are reserved for paths; choose another");
        only(&faults_of_name(reserved), "models[0].name", &words);
    }
    only(&faults_of_name(""), "models[0].name", "name is empty; give 1 to 256 bytes");
    only(&faults_of_name(&"x".repeat(300)), "models[0].name", "with 300 bytes; give at most 256");
    only(&faults_of_name("a\nb"), "models[0].name", "it must not hold control characters");
    only(&faults_of_name("a/../b"), "models[0].name", "`.` and `..` are folders in paths; choose another");
    assert_eq!(faults_of_name("org/model"), []);

    let path = |field: &str| format!("models[0].deployments[0].engine.{field}");
    let found = faults_of_container("gpus: [0, 1, 2], replicas: 2");
    only(
        &found,
        &path("gpus"),
        "gpus names 3, which is not divisible by replicas (2); name 2 or 4, or set replicas to 1 or 3",
    );
    only(&faults_of_container("gpus: [0], replicas: 2"), &path("gpus"), "name 2, or set replicas to 1");
    let template = |text: &str| faults_of_container(&format!("chat_template: {}", serde_json::json!(text)));
    assert_eq!(template("{% for m in messages %}{{ m.content }}{% endfor %}"), []);
    only(&template("a\n{% if %}"), &path("chat_template"), "chat_template cannot be read: line 2: syntax error");
    only(&template("./t.jinja"), &path("chat_template"), "`enginehouse apply -f` and `config stage -f` read the file");
    only(&template(" "), &path("chat_template"), "chat_template is empty");
    only(&template(&"x".repeat(300_000)), &path("chat_template"), "chat_template has 300000 bytes; at most 262144");
    let twice = faults_of_container("chat_template: x, args: ['--chat-template=y']");
    only(&twice, &path("chat_template"), "args hold `--chat-template` too; keep one of them");
    let unasked = faults_of_container("chat_template: x, command: [serve, '{port}']");
    only(&unasked, &path("chat_template"), "the command does not take it; write `--chat-template {chat_template}`");
    assert_eq!(faults_of_container("chat_template: x, command: [serve, '{port}', '{chat_template}']"), []);
    only(
        &faults_of_container("command: [serve, '{port}', '{chat_template}']"),
        &path("chat_template"),
        "there is none",
    );

    // Whatever runs it, the words of a command are for everybody to read.
    for runs in ["command: [serve, '{port}'], args: ", "args: "] {
        let found = faults_of_container(&format!("{runs}[--hf-token, hf_abcdefghijklmnopqrstuvwxyz0123456789]"));
        only(&found, &path("args[1]"), "put it into `env` as `os.environ/NAME`");
        assert!(!found[0].message.contains("hf_abc"), "{found:?}");
    }
    only(&faults_of_container("command: [serve, '{prot}']"), &path("command[1]"), "the placeholder `{prot}`");
    only(&faults_of_container("command: ['']"), &path("command[0]"), "begins with an empty word");
    only(&faults_of_container("command: [serve, os.environ/X]"), &path("command[1]"), "refers to the environment");
    let defaults = |text: &str| faults(&format!("version: 1\nmodels: []\ndefaults: {{ {text} }}"));
    for (text, path) in [
        ("args: ['--hf-token=hf_abcdefghijklmnopqrstuvwxyz0123456789']", "defaults.args[0]"),
        (
            "types: { chat: { args: [--hf-token, hf_abcdefghijklmnopqrstuvwxyz0123456789] } }",
            "defaults.types.chat.args[1]",
        ),
    ] {
        only(&defaults(text), path, "secret");
    }
    only(
        &faults_of_container("gpus: [0, 1], replicas: 2, tensor_parallel_size: 4"),
        &path("tensor_parallel_size"),
        "is 4, but each replica gets 1 of the `gpus`; name 8 of them, or set it to 1",
    );
    for fine in
        ["gpus: [0, 1], tensor_parallel_size: 1", "gpus: [all], tensor_parallel_size: 4", "tensor_parallel_size: 4"]
    {
        assert_eq!(faults_of_container(fine), []);
    }
    for (field, value) in [("quantization", "x;y"), ("tool_call_parser", "a$(id)"), ("reasoning_parser", "a`b`")] {
        only(&faults_of_container(&format!("{field}: '{value}'")), &path(field), "no shell reads them");
    }
    only(&faults_of_container("revision: ../x"), &path("revision"), "give a branch, a tag or a commit");

    let source = |source: &str| faults_of_model(&format!("deployments: [{{ engine: {{ source: {source} }} }}]"));
    for wrong in [
        "a/b/c",
        "'https://huggingface.co/Qwen/Qwen3-8B'",
        "'a b'",
        "a/..",
        "org/a--b",
        ".hidden",
        "'Qwen/Qwen3-8B:main'",
    ] {
        only(
            &source(wrong),
            &path("source"),
            "give the id of a model at the Hugging Face Hub, as `Qwen/Qwen3-8B`, or a folder",
        );
    }
    only(&source("--port"), &path("source"), "it would be taken for an option");
    only(&faults_of_container("quantization: --api-key"), &path("quantization"), "it would be taken for an option");
    for right in ["gpt2", "Qwen/Qwen3-8B", "/srv/m", "os.environ/SOURCE"] {
        assert_eq!(source(right), [], "{right}");
    }
    only(&faults_of_container("args: [\"a\\0\"]"), &path("args[0]"), "no shell reads them");
    for taken in ["--uds=/x", "--ssl-keyfile", "--api-ke"] {
        only(&faults_of_container(&format!("args: ['{taken}']")), &path("args[0]"), "is for Enginehouse itself");
    }
    only(&faults_of_container("cpus: 0"), &path("cpus"), "cpus is 0; give 0.01 to 4096");
    only(&faults_of_container("memory_bytes: 1"), &path("memory_bytes"), "memory_bytes is 1; give 67108864 to");
    only(&faults_of_engine("memory_bytes: 67108864"), &path("memory_bytes"), "is for `runtime: docker`");
}

#[test]
fn a_recipe_is_names_and_versions_and_nothing_else() {
    let found = |recipes: &str| faults(&format!("version: 1\nrecipes: [{recipes}]"));
    assert_eq!(found("{ name: audio-2, base: 'x/y:1', apt: [ffmpeg], pip: ['a[b]==1'] }"), []);
    only(&found("{ name: Audio_, apt: [a] }"), "recipes[0].name", "name is `Audio_`; give 1 to 64 lower-case letters");
    only(&found("{ name: a, apt: [a] }, { name: a, apt: [b] }"), "recipes[1].name", "name is `a`, as at recipes[0]");
    only(&found("{ name: a }"), "recipes[0]", "without packages builds nothing");
    only(&found("{ name: a, base: 'a b', apt: [a] }"), "recipes[0].base", "base is `a b`; give the name of an image");
    only(&found("{ name: a, apt: ['a; rm -rf /'] }"), "recipes[0].apt[0]", "apt holds `a; rm -rf /`; give the name");
    only(
        &found("{ name: a, pip: [librosa] }"),
        "recipes[0].pip[0]",
        "pip holds `librosa`; give the name and one version",
    );
    only(&found("{ name: a, pip: ['--index-url=http://x'] }"), "recipes[0].pip[0]", "no options");
    only(&found("{ name: a, pip: ['a==1', 'a==2'] }"), "recipes[0].pip[1]", "pip names `a` twice");
    let engine = |rest: &str, recipes: &str| {
        let text = format!(
            "version: 1\n{recipes}\nmodels: [{{ name: m, type: chat, deployments: [{{ engine: {{ source: Org/M, {rest} }} }}] }}]"
        );
        faults(&text)
    };
    let place = "models[0].deployments[0].engine.recipe";
    only(&engine("recipe: a", ""), place, "there is no recipe `a`; put it there, or name another");
    let here = "recipes: [{ name: a, apt: [b] }]";
    assert_eq!(engine("recipe: a", here), []);
    only(&engine("recipe: a, image: x:1", here), place, "recipe and image are both set; keep one");
    let defaults = faults("version: 1\ndefaults: { types: { chat: { recipe: a } } }");
    only(&defaults, "defaults.types.chat.recipe", "there is no recipe `a`");
}
