//! What a key has of its own, and what it can reach.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_allow_list_holds_on_every_hop() {
    let program = support::enginehouse!();
    let [main, second, third] = [
        Engine::start(&program, &["--model", "m"]).await,
        Engine::start(&program, &["--model", "m"]).await,
        Engine::start(&program, &["--model", "m"]).await,
    ];
    let server = Server::start(&program).await;
    let mut open = model("main", &main, 1);
    open["open_access"] = json!(true);
    let models = [open, model("second", &second, 1), model("third", &third, 1)];
    let routing = json!({ "fallbacks": { "main": ["second", "third"] } });
    server.apply(&desired(&models, &routing));
    server.cli(&["team", "create", "blue", "--models", "main"]).ok();
    main.fail("status:500", None).await;

    let of = |flags: &[&str]| server.client_with(&server.create_key(flags));
    assert_eq!(signed(of(&[]).post(PATH, &chat("main", false)).await.expect(200)), by("second", 1));
    let skips = of(&["--models", "main,third"]);
    assert_eq!(signed(skips.post(PATH, &chat("main", false)).await.expect(200)), by("third", 1));
    let [before_second, before_third] = [seen(&second).await, seen(&third).await];
    for flags in [&["--models", "main"][..], &["--team", "blue"], &["--disable-fallbacks"]] {
        for stream in [false, true] {
            let answer = of(flags).post(PATH, &chat("main", stream)).await;
            assert_eq!(answer.expect(502).json()["error"]["code"], "upstream_error", "{flags:?}");
        }
    }
    // From an open model only open models take over.
    let anybody = Http::to(server.client_address());
    anybody.post("/open/main/v1/chat/completions", &chat("main", false)).await.expect(502);
    let direct = of(&["--direct", "--models", "main"]);
    direct.post("/models/main/v1/chat/completions", &chat("main", false)).await.expect(502);
    assert_eq!([seen(&second).await, seen(&third).await], [before_second, before_third]);
    let direct = of(&["--direct"]);
    let answer = direct.post("/models/main/v1/chat/completions", &chat("main", false)).await;
    assert_eq!(signed(answer.expect(200)), by("second", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_routes_as_it_says() {
    let program = support::enginehouse!();
    let [cheap, dear] =
        [Engine::start(&program, &["--model", "m"]).await, Engine::start(&program, &["--model", "m"]).await];
    let server = Server::start(&program).await;
    let mut both = model("both", &cheap, 1);
    both["deployments"][0]["cost"] = json!({ "input": 1, "output": 1 });
    both["deployments"].as_array_mut().unwrap().push(json!({
        "id": "dear", "endpoint": { "url": dear.url(), "model": "m" }, "cost": { "input": 9, "output": 9 },
    }));
    let other = model("other", &dear, 1);
    let mut document = desired(&[both, other], &json!({ "strategy": "simple-shuffle" }));
    server.apply(&document);
    let flags = ["--alias", "thrifty", "--strategy", "cost-based-routing", "--fallbacks", "both=other"];
    let thrifty = server.client_with(&server.create_key(&flags));
    for _ in 0..20 {
        let answer = thrifty.post(PATH, &chat("both", false)).await;
        assert_eq!(signed(answer.expect(200)).1, "at-both", "the cheaper one, each time");
    }
    cheap.fail("status:500", None).await;
    let answer = thrifty.post(PATH, &chat("both", false)).await;
    assert_eq!(signed(answer.expect(200)), ("other".into(), "at-other".into(), "1".into()));

    let shown = server.cli(&["key", "show", "thrifty", "--json"]).json();
    assert_eq!((&shown["strategy"], &shown["fallbacks"]), (&json!("cost-based-routing"), &json!({"both": ["other"]})));
    for (flags, words) in [
        (["--strategy", "fastest"], ["strategy", "usage-based-routing-v2"]),
        (["--fallbacks", "both=both"], ["fallbacks", "`both`"]),
    ] {
        let told = server.cli(&[&["key", "update", "thrifty"][..], &flags].concat());
        let told = told.fails_with(1);
        assert!(words.iter().all(|word| told.contains(word)), "{told}");
    }
    assert_eq!(server.cli(&["key", "show", "thrifty", "--json"]).json()["strategy"], "cost-based-routing");

    // What the key can reach, and through what.
    document["aliases"] = json!({ "gpt": "both" });
    server.apply(&document);
    let reach = server.cli(&["key", "reach", "thrifty", "--json"]).json();
    let names: Vec<_> = reach["models"].as_array().unwrap().iter().map(|model| model["name"].clone()).collect();
    assert_eq!((names, &reach["works"]), (vec![json!("both"), json!("other")], &json!(true)));
    let table = server.cli(&["key", "reach", "thrifty"]).ok().to_owned();
    for words in ["alias gpt", "fallback of both", "its name"] {
        assert!(table.contains(words), "{table}");
    }
    server.cli(&["key", "update", "thrifty", "--models", "other"]).ok();
    let reach = server.cli(&["key", "reach", "thrifty", "--json"]).json();
    assert_eq!(reach["models"].as_array().unwrap().len(), 1, "{reach}");
    server.cli(&["key", "reach", "nobody"]).fails_with(1);
}
