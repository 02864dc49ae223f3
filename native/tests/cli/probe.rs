//! `probe` where there is no GPU, and calls of it that are wrong everywhere.

use crate::harness::{Folder, fails, json, run};

/// Heads of 96.
const ODD: &str = r#"{"model_type":"llama","num_hidden_layers":2,"hidden_size":768,"num_attention_heads":8,
    "num_key_value_heads":8,"head_dim":96,"intermediate_size":1024,"vocab_size":1000,"max_position_embeddings":4096}"#;

#[test]
fn without_cuda_it_says_what_is_missing() {
    let doctor = json(&["doctor", "--json"]);
    let commands = doctor["commands"].as_array().unwrap();
    let missing = &commands.iter().find(|command| command["name"] == "probe").unwrap()["missing"];
    let missing: Vec<&str> = missing.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    if missing.is_empty() {
        eprintln!("skipped: this machine has a GPU and CUDA");
        return;
    }
    let error = fails(&["probe"], 1);
    let said = format!("a probe needs what is not here: {};", missing.join(", "));
    assert!(error.contains(&said), "{error}");
    assert!(error.contains("atr-bench doctor"), "{error}");
}

#[test]
fn wrong_models_are_refused_before_anything_is_looked_for() {
    let error = fails(&["probe", "--model", "gpt-9"], 2);
    assert!(error.contains("`--model` is `gpt-9`, expected `qwen3-4b`"), "{error}");
    let folder = Folder::new("probe");
    let config = folder.file("config.json", br#"{"model_type":"mamba"}"#);
    let error = fails(&["probe", "--model", &config], 1);
    assert!(
        error.contains("`model_type` is `mamba`, expected one of: qwen3, qwen2, llama, mistral"),
        "{error}"
    );
    let within = config.trim_end_matches("config.json");
    assert_eq!(
        fails(&["probe", "--model", within], 1).matches("`mamba`").count(),
        1,
        "a folder is read as its file"
    );
    let empty = Folder::new("probe-without-config");
    let error = fails(&["probe", "--model", &empty.path("")], 1);
    assert!(error.contains("no `config.json` in this folder"), "{error}");
    let error = fails(&["probe", "--model", &folder.file("config.json", ODD.as_bytes())], 2);
    assert!(error.contains("heads of 96, expected 64 or 128"), "{error}");
    // 9 heads of 64 are 4.5 groups with a scale.
    let uneven = ODD.replace(":8", ":9").replace(":96", ":64");
    let uneven = folder.file("config.json", uneven.as_bytes());
    let error = fails(&["probe", "--model", &uneven, "--dtype", "w4"], 2);
    assert!(error.contains("a layer has rows of 576 weights"), "{error}");
    assert!(fails(&["probe", "--dtype", "fp8"], 2).contains("fp8"));
    assert!(fails(&["probe", "--date", "today"], 2).contains("2026-01-31"));
}

/// Before anything is looked for, and so before anything is measured: a run is not lost at its end.
#[test]
fn what_would_lose_a_run_is_refused_before_it() {
    let folder = Folder::new("probe-out");
    let (here, gone) = (folder.path(""), folder.path("none/probe.json"));
    for argument in ["--out", "--profile-out"] {
        assert!(
            fails(&["probe", argument, &gone], 1).contains(&format!("cannot write `{gone}`")),
            "{argument}"
        );
        assert!(fails(&["probe", argument, &here], 1).contains("it is a folder"), "{argument}");
    }
    let profile = folder.path("profile.json");
    let long = "x".repeat(81);
    assert!(fails(&["probe", "--name", &long, "--profile-out", &profile], 2).contains("at most 80 of"));
    // Without a GPU the next thing is what is missing; the name of the model's folder is one that a profile may have.
    let odd = folder.path("Qwen3(4B)");
    std::fs::create_dir(&odd).unwrap();
    let odd = folder.file("Qwen3(4B)/config.json", ODD.replace(":96", ":64").as_bytes());
    let ran = run(&["probe", "--model", &odd, "--profile-out", &profile, "--gpu", "999"]);
    assert!(!ran.stderr.contains("`name` is"), "{}", ran.stderr);
    assert!(!std::path::Path::new(&profile).exists(), "what was tried is gone");
    assert!(fails(&["probe", "--quick", "--thorough"], 2).contains("--thorough"));
}
