//! A model as it lies on a disk: its `config.json`, or a folder with one.

use super::shape::Shape;
use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Kinds of models whose layers are those that the probe composes, whether heads have norms, and which products have biases.
const KINDS: [(&str, bool, Bias); 4] = [
    ("qwen3", true, Bias::AsSaid),
    ("qwen2", false, Bias::Inputs),
    ("llama", false, Bias::AsSaid),
    ("mistral", false, Bias::None),
];

#[derive(Clone, Copy)]
enum Bias {
    None,
    /// Queries, keys and values, whatever the file says.
    Inputs,
    /// Those of attention by `attention_bias`, the others by `mlp_bias`.
    AsSaid,
}

/// Shortest context that leaves prompts and decoding of several lengths to fit to.
const LEAST_CONTEXT: u64 = 2_048;

/// The keys of a `config.json` that are read.
#[derive(Deserialize)]
struct Config {
    num_hidden_layers: u64,
    hidden_size: u64,
    num_attention_heads: u64,
    #[serde(default)]
    num_key_value_heads: Option<u64>,
    #[serde(default)]
    head_dim: Option<u64>,
    intermediate_size: u64,
    vocab_size: u64,
    #[serde(default)]
    tie_word_embeddings: bool,
    #[serde(default)]
    rope_theta: Option<f64>,
    #[serde(default)]
    rope_parameters: Option<Rope>,
    #[serde(default)]
    rope_scaling: Option<Rope>,
    #[serde(default)]
    sliding_window: Option<u64>,
    /// Without it a window that is stated holds.
    #[serde(default = "yes")]
    use_sliding_window: bool,
    max_position_embeddings: u64,
    #[serde(default)]
    hidden_act: Option<String>,
    #[serde(default)]
    attention_bias: Option<bool>,
    #[serde(default)]
    mlp_bias: Option<bool>,
    #[serde(default)]
    quantization_config: Option<Value>,
}

#[derive(Deserialize)]
struct Rope {
    #[serde(default)]
    rope_theta: Option<f64>,
    #[serde(default, alias = "type")]
    rope_type: Option<String>,
}

fn yes() -> bool {
    true
}

impl Config {
    /// Whether some layer sees less than the whole context, which the probe's attention does not know.
    fn window(&self) -> Option<u64> {
        let window = self.sliding_window.filter(|_| self.use_sliding_window);
        window.filter(|&window| window < self.max_position_embeddings)
    }

    /// How positions are scaled.
    fn scaling(&self) -> Option<String> {
        let said = self.rope_scaling.as_ref().or(self.rope_parameters.as_ref())?;
        let unnamed = self.rope_scaling.as_ref().map(|_| "unnamed".to_owned());
        said.rope_type.clone().filter(|name| name != "default").or(unnamed)
    }

    /// How weights are packed.
    fn packing(&self) -> Option<String> {
        let said = self.quantization_config.as_ref()?;
        Some(said.get("quant_method").and_then(Value::as_str).unwrap_or("unnamed").to_owned())
    }

    /// Checks what would make the probe's steps others than the model's.
    fn check(&self) -> anyhow::Result<()> {
        if let Some(window) = self.window() {
            anyhow::bail!(
                "`sliding_window` is {window}: attention that sees less than the context is not measured"
            );
        }
        if let Some(act) = self.hidden_act.as_deref().filter(|act| !["silu", "swish"].contains(act)) {
            anyhow::bail!("`hidden_act` is `{act}`, expected `silu`: no other activation is measured");
        }
        let context = self.max_position_embeddings;
        anyhow::ensure!(
            context >= LEAST_CONTEXT,
            "`max_position_embeddings` is {context}, expected at least {LEAST_CONTEXT}: a shorter context leaves too little to \
             fit to"
        );
        Ok(())
    }
}

/// Numbers that are added to the products of a layer.
fn biases(config: &Config, bias: Bias, shape: &Shape) -> u64 {
    let inputs = (shape.heads + 2 * shape.kv_heads) * shape.dim;
    let said = |says: Option<bool>, numbers| if says.unwrap_or(false) { numbers } else { 0 };
    match bias {
        Bias::None => 0,
        Bias::Inputs => inputs,
        Bias::AsSaid => {
            said(config.attention_bias, inputs + shape.hidden)
                + said(config.mlp_bias, 2 * shape.inter + shape.hidden)
        }
    }
}

/// Reads a model's `config.json`, or that of a folder.
///
/// # Errors
/// When there is none, or as [`shape`].
pub(crate) fn read(model: &Path) -> anyhow::Result<Shape> {
    let file = file(model)?;
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read `{}`", file.display()))?;
    let config = json(&text)?;
    let name = named(&file, config.get("_name_or_path").and_then(Value::as_str));
    shape(&name, config)
}

/// The file itself; the one in a folder; the one that a cache of the hub has as its newest.
fn file(model: &Path) -> anyhow::Result<PathBuf> {
    if !model.is_dir() {
        return Ok(model.to_owned());
    }
    let own = model.join("config.json");
    let newest = fs::read_to_string(model.join("refs/main")).ok();
    let newest = newest.map(|revision| model.join("snapshots").join(revision.trim()).join("config.json"));
    let found = [Some(own), newest].into_iter().flatten().find(|file| file.is_file());
    found.context("no `config.json` in this folder")
}

/// What a model is called: by the cache of the hub that it lies in, by its folder, by its file.
fn named(file: &Path, said: Option<&str>) -> String {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let mut folders = file.ancestors().skip(1).filter_map(|folder| folder.file_name()?.to_str());
    let hub = folders.clone().find_map(|folder| folder.strip_prefix("models--")?.rsplit("--").next());
    // A revision's folder says nothing.
    let revision = |name: &str| name.len() >= 32 && name.chars().all(|c| c.is_ascii_hexdigit());
    let folder = folders.next().filter(|name| !revision(name));
    let said = said.and_then(|said| said.rsplit('/').find(|part| !part.is_empty() && !part.starts_with('.')));
    hub.or(folder).or(said).filter(|name| !name.is_empty()).unwrap_or("model").to_owned()
}

fn json(text: &str) -> anyhow::Result<Value> {
    serde_json::from_str(text).context("no JSON, so not a model's `config.json`")
}

/// The shape that a `config.json` describes.
///
/// # Errors
/// When it describes none, or layers of another kind.
fn shape(name: &str, config: Value) -> anyhow::Result<Shape> {
    let kind = config.get("model_type").and_then(Value::as_str).map(str::to_owned);
    let kind = kind.context("no `model_type`, so not a model's `config.json`")?;
    let Some(&(_, head_norms, bias)) = KINDS.iter().find(|(known, ..)| *known == kind) else {
        let known = KINDS.map(|(kind, ..)| kind).join(", ");
        anyhow::bail!("`model_type` is `{kind}`, expected one of: {known}");
    };
    let config: Config =
        serde_json::from_value(config).with_context(|| format!("the `config.json` of a `{kind}` model"))?;
    config.check()?;
    let heads = config.num_attention_heads;
    let rope = config.rope_parameters.as_ref().and_then(|rope| rope.rope_theta).or(config.rope_theta);
    let mut shape = Shape {
        name: name.to_owned(),
        layers: config.num_hidden_layers,
        hidden: config.hidden_size,
        heads,
        kv_heads: config.num_key_value_heads.unwrap_or(heads),
        dim: config.head_dim.unwrap_or(config.hidden_size.checked_div(heads).unwrap_or(0)),
        inter: config.intermediate_size,
        vocabulary: config.vocab_size,
        head_norms,
        tied: config.tie_word_embeddings,
        rope_base: rope.unwrap_or(1e4),
        context: config.max_position_embeddings,
        rope_scaling: config.scaling(),
        biases: 0,
        packing: config.packing(),
    };
    shape.check()?;
    shape.biases = biases(&config, bias, &shape);
    Ok(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"{"model_type":"qwen3","num_hidden_layers":36,"hidden_size":2560,"num_attention_heads":32,
        "num_key_value_heads":8,"head_dim":128,"intermediate_size":9728,"vocab_size":151936,"rope_theta":1000000,
        "tie_word_embeddings":true,"max_position_embeddings":40960,"torch_dtype":"bfloat16","hidden_act":"silu"}"#;

    fn from_config(text: &str) -> anyhow::Result<Shape> {
        shape("x", json(text)?)
    }

    fn error(text: &str) -> String {
        format!("{:#}", from_config(text).unwrap_err())
    }

    /// The file with some keys more.
    fn with(more: &str) -> String {
        CONFIG.replace("\"tie_word", &format!("{more},\"tie_word"))
    }

    #[test]
    fn a_config_reads_as_the_model_that_comes_along() {
        let read = shape("Qwen3-4B", json(CONFIG).unwrap()).unwrap();
        assert_eq!(Some(read), Shape::by_name("qwen3-4b"));
    }

    /// A window that is narrower than the context is another attention; scaled positions are only other angles.
    #[test]
    fn windows_are_refused_and_scaled_positions_said() {
        let read = |more: &str| from_config(&with(more));
        assert!(error(&with(r#""sliding_window":4096"#)).starts_with("`sliding_window` is 4096"));
        for unused in ["\"sliding_window\":null", "\"sliding_window\":40960"] {
            assert!(read(unused).is_ok(), "{unused}");
        }
        assert!(read(r#""sliding_window":4096,"use_sliding_window":false"#).is_ok());
        let scaling = |more: &str| read(more).unwrap().rope_scaling;
        assert_eq!(
            scaling(r#""rope_scaling":{"rope_type":"llama3","factor":8.0}"#).as_deref(),
            Some("llama3")
        );
        assert_eq!(scaling(r#""rope_scaling":{"type":"yarn"}"#).as_deref(), Some("yarn"));
        let default = r#""rope_parameters":{"rope_type":"default","rope_theta":5e5}"#;
        assert_eq!((scaling(default), read(default).unwrap().rope_base), (None, 5e5));
    }

    /// Qwen2.5-0.5B as published has 494,032,768 parameters, of which 24 · (896 + 2 · 128) are biases that no key mentions.
    #[test]
    fn biases_are_counted_and_said() {
        let qwen2 = r#"{"model_type":"qwen2","num_hidden_layers":24,"hidden_size":896,"num_attention_heads":14,
            "num_key_value_heads":2,"intermediate_size":4864,"vocab_size":151936,"tie_word_embeddings":true,
            "sliding_window":32768,"use_sliding_window":false,"max_position_embeddings":32768}"#;
        let read = from_config(qwen2).unwrap();
        assert_eq!((read.parameters(), read.biases), (494_032_768, 896 + 2 * 128));
        assert!(read.aside()[0].contains("27,648 biases"), "{:?}", read.aside());
        let biases = |kind: &str, more: &str| from_config(&with(more).replace("qwen3", kind)).unwrap().biases;
        let (attention, mlp) = ("\"attention_bias\":true", "\"mlp_bias\":true");
        assert_eq!(biases("llama", "\"mlp_bias\":false"), 0);
        assert_eq!(biases("llama", attention), 6_144 + 2_560);
        assert_eq!(biases("llama", mlp), 2 * 9_728 + 2_560);
        assert_eq!((biases("qwen3", attention), biases("mistral", attention)), (6_144 + 2_560, 0));
        assert_eq!(Shape::by_name("qwen3-4b").unwrap().aside(), Vec::<String>::new());
    }

    #[test]
    fn what_changes_the_steps_is_refused_or_said() {
        let gelu = CONFIG.replace("silu", "gelu");
        assert!(error(&gelu).starts_with("`hidden_act` is `gelu`, expected `silu`"));
        for context in ["0", "8", "2047"] {
            let short = CONFIG.replace("40960", context);
            assert!(
                error(&short)
                    .starts_with(&format!("`max_position_embeddings` is {context}, expected at least 2048"))
            );
        }
        assert!(from_config(&CONFIG.replace("40960", "2048")).is_ok());
        let packed = from_config(&with(r#""quantization_config":{"quant_method":"awq","bits":4}"#)).unwrap();
        assert!(packed.aside()[0].contains("`quantization_config` (`awq`)"), "{:?}", packed.aside());
        assert_eq!(from_config(&with("\"quantization_config\":null")).unwrap().packing, None);
    }

    #[test]
    fn other_models_are_refused_by_name() {
        assert!(error(&CONFIG.replace("qwen3", "mamba")).contains("`model_type` is `mamba`"));
        // Whatever their other keys are.
        let nested = r#"{"model_type":"gemma3","text_config":{"hidden_size":2560}}"#;
        assert!(
            error(nested)
                .starts_with("`model_type` is `gemma3`, expected one of: qwen3, qwen2, llama, mistral")
        );
        assert!(error("{}").contains("no `model_type`"));
        assert!(error("[1").contains("no JSON"));
        assert!(
            error(r#"{"model_type":"llama"}"#)
                .contains("of a `llama` model: missing field `num_hidden_layers`")
        );
        let uneven = CONFIG.replace("\"num_key_value_heads\":8", "\"num_key_value_heads\":7");
        assert!(error(&uneven).contains("leave a rest"));
        assert!(error(&CONFIG.replace("9728", "9729")).contains("multiples of 128"));
        assert!(error(&CONFIG.replace(":36", ":0")).contains("size is 0"));
    }

    #[test]
    fn models_are_called_as_people_call_them() {
        let hash = "1cfa9a7208912126459214e8b04321603b3df60c";
        let called = |path: &str, said| named(Path::new(path), said);
        let hub = format!("/cache/hub/models--Qwen--Qwen3-4B/snapshots/{hash}/config.json");
        assert_eq!(called(&hub, Some("other/base")), "Qwen3-4B");
        assert_eq!(called("/hub/models--gpt2/snapshots/main/config.json", None), "gpt2");
        // A model that was trained further says what it began with: its folder knows better.
        assert_eq!(called("/models/mine/config.json", Some("Qwen/Qwen3-4B")), "mine");
        let revision = format!("/copied/{hash}/config.json");
        assert_eq!(called(&revision, Some("Qwen/Qwen3-4B")), "Qwen3-4B");
        assert_eq!(called(&revision, Some("/data/Qwen3-4B/")), "Qwen3-4B");
        assert_eq!(
            (called(&revision, None), called(&revision, Some("./"))),
            ("model".to_owned(), "model".to_owned())
        );
        assert_eq!(called("/config.json", None), "model");
    }

    #[test]
    fn folders_and_caches_of_the_hub_are_read() {
        let root = std::env::temp_dir().join(format!("atr-config-{}", std::process::id()));
        let cache = root.join("models--Qwen--Qwen3-4B");
        let snapshot = cache.join("snapshots/1cfa9a72");
        fs::create_dir_all(&snapshot).unwrap();
        fs::create_dir_all(cache.join("refs")).unwrap();
        fs::write(snapshot.join("config.json"), CONFIG).unwrap();
        fs::write(cache.join("refs/main"), "1cfa9a72\n").unwrap();
        let found = [snapshot.join("config.json"), snapshot, cache].map(|path| read(&path).unwrap());
        let error = read(&root).unwrap_err().to_string();
        fs::remove_dir_all(&root).unwrap();
        assert!(found.iter().all(|shape| Some(shape) == Shape::by_name("qwen3-4b").as_ref()), "{found:?}");
        assert_eq!(error, "no `config.json` in this folder");
    }
}
