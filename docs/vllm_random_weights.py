"""Starts vLLM on a model of the shape of Qwen3-4B with random weights, asks it once, and ends it.

usage: python3 vllm_random_weights.py FOLDER [--only-folder] [--minutes N] [-- ARGUMENTS OF `vllm serve`]

Makes FOLDER (configuration, and a tokenizer of one token a byte; needs the package `tokenizers`), serves it, waits until the
server is healthy, sends one request of 1,024 tokens and prints what came as JSON: version, seconds to start, seconds to the
answer. The server's own words go to FOLDER/server.log. Exit code 1 where anything of that fails.
Weights are random: latency and cache behaviour are real, the text is noise.
"""

import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.error
import urllib.request

NAME = "random-qwen3-4b"
VOCABULARY = 151_936
ADDRESS = "http://127.0.0.1:8765"


def make_folder(folder):
    """A model folder without weights."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    folder.mkdir(parents=True, exist_ok=True)
    # A token for every byte, and names for all others, so that whatever is sampled has a text.
    tokens = sorted(pre_tokenizers.ByteLevel.alphabet())
    end = len(tokens)
    tokens += ["<end>"] + [f"<{number}>" for number in range(end + 1, VOCABULARY)]
    tokenizer = Tokenizer(models.BPE(vocab={token: number for number, token in enumerate(tokens)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<end>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    template = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant: "
    files = {
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": "<end>",
            "chat_template": template,
        },
        "config.json": {
            "architectures": ["Qwen3ForCausalLM"],
            "model_type": "qwen3",
            "hidden_size": 2560,
            "num_hidden_layers": 36,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "intermediate_size": 9728,
            "vocab_size": VOCABULARY,
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
        },
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=1) + "\n")


def ask(path, body=None, timeout=60):
    """What the server answers; none where it does not."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(ADDRESS + path, data, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.read() or b"{}"
    except (urllib.error.URLError, OSError):
        return None


def prove(server, minutes):
    """Waits for the server and sends it one request."""
    began = time.monotonic()
    while ask("/health") is None:
        if server.poll() is not None:
            raise SystemExit(f"the server ended with exit code {server.returncode}")
        if time.monotonic() - began > 60 * minutes:
            raise SystemExit(f"the server was not healthy within {minutes} minutes")
        time.sleep(0.5)
    healthy = time.monotonic()
    # Tokens instead of text, so that their number is known; as many come back, whatever they are.
    prompt = [number % 256 for number in range(1_024)]
    answer = ask("/v1/completions", {"model": NAME, "prompt": prompt, "max_tokens": 16, "ignore_eos": True}, 600)
    if answer is None:
        raise SystemExit("the server is healthy and does not answer")
    return {
        "weights": "random",
        "version": json.loads(ask("/version") or b"{}").get("version"),
        "start_s": round(healthy - began, 1),
        "answer_s": round(time.monotonic() - healthy, 3),
        "usage": json.loads(answer)["usage"],
    }


def main(arguments):
    if not arguments or arguments[0].startswith("-"):
        raise SystemExit(__doc__)
    folder = pathlib.Path(arguments[0])
    own, served = arguments[1:], []
    if "--" in own:
        cut = own.index("--")
        own, served = own[:cut], own[cut + 1 :]
    make_folder(folder)
    if "--only-folder" in own:
        return
    minutes = float(own[own.index("--minutes") + 1]) if "--minutes" in own else 10.0
    command = ["vllm", "serve", str(folder), "--load-format", "dummy", "--served-model-name", NAME]
    command += ["--host", "127.0.0.1", "--port", ADDRESS.rsplit(":", 1)[1], *served]
    with open(folder / "server.log", "wb") as log:
        offline = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
        try:
            server = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **offline})
        except FileNotFoundError as error:
            raise SystemExit("`vllm` is not there") from error
        try:
            print(json.dumps({"command": " ".join(command), **prove(server, minutes)}, indent=1))
        finally:
            server.terminate()
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()


if __name__ == "__main__":
    main(sys.argv[1:])
