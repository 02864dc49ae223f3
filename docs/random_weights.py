"""Makes a model folder of the shape of Qwen3-4B without weights, and with a tokenizer of one token a byte.

usage: python3 random_weights.py FOLDER; needs the package `tokenizers`. Then, on a machine with a GPU and vLLM:
    vllm serve FOLDER --load-format dummy --served-model-name random-qwen3-4b
Weights are random: latency and cache behaviour are real, the text is noise.
"""

import json
import pathlib
import sys

from tokenizers import Tokenizer, decoders, models, pre_tokenizers

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)

letters = sorted(pre_tokenizers.ByteLevel.alphabet())
end = len(letters)
tokenizer = Tokenizer(models.BPE(vocab={letter: place for place, letter in enumerate(letters)}, merges=[]))
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
tokenizer.decoder = decoders.ByteLevel()
tokenizer.add_special_tokens(["<end>"])
tokenizer.save(str(folder / "tokenizer.json"))


def write(name, content):
    (folder / name).write_text(json.dumps(content, indent=1) + "\n")


write("tokenizer_config.json", {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "eos_token": "<end>",
    "chat_template": "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant: ",
})
write("config.json", {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "hidden_size": 2560,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "intermediate_size": 9728,
    "vocab_size": 151936,
    "max_position_embeddings": 40960,
    "rope_theta": 1000000,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": True,
    "hidden_act": "silu",
    "attention_bias": False,
    "use_sliding_window": False,
    "torch_dtype": "bfloat16",
    "bos_token_id": None,
    "eos_token_id": end,
})
