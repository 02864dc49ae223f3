//! `doctor`: what it says holds on any machine, with a GPU or without.

use crate::harness::{json, run};

#[test]
fn says_what_is_there_and_what_each_command_needs() {
    let answer = json(&["doctor", "--json"]);
    let gpus = answer["gpus"].as_array().unwrap();
    let libraries = answer["libraries"].as_array().unwrap();
    let names: Vec<&str> = libraries.iter().map(|library| library["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["libcuda", "libnvrtc", "libcublasLt"]);
    for library in libraries {
        assert!(!library["tried"].as_array().unwrap().is_empty(), "{library}");
    }
    assert!(libraries[0]["found"] == true || gpus.is_empty(), "no GPU is listed without a driver");
    let commands = answer["commands"].as_array().unwrap();
    for name in ["import", "simulate", "doctor"] {
        let command = commands.iter().find(|command| command["name"] == name).unwrap();
        assert_eq!(command["missing"], serde_json::json!([]), "{name} needs no GPU");
    }
    let models: Vec<&str> =
        answer["models"].as_array().unwrap().iter().map(|model| model["name"].as_str().unwrap()).collect();
    assert_eq!(models, ["qwen3-4b", "qwen3-8b"]);
    assert!(gpus.iter().all(|gpu| gpu["name"].is_string() && (gpu["free_bytes"].is_null() || gpu["free_bytes"].is_u64())));
    assert_eq!(answer["servers"].as_array().unwrap().len(), 3);
}

#[test]
fn exits_with_success_in_words_too() {
    let ran = run(&["doctor"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    for part in ["machine: ", "GPU: ", "libcuda: ", "nvidia-smi: ", "vLLM: ", "commands\n"] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    // Nobody can say that files are here which a call names.
    for line in ["  inspect: needs trace files\n", "  synth: ready; needs nothing else; with"] {
        assert!(ran.stdout.contains(line), "{line}: {}", ran.stdout);
    }
}
