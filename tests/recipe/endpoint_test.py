#!/usr/bin/env python3
"""Generation, evaluation, judging and negatives through an OpenAI-compatible server that also misbehaves, through the program itself.

usage: endpoint_test.py FOIL REPOSITORY [MODEL]     MODEL: takes the place of the tiny supervised start that is trained here
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from openai_server import Server  # noqa: E402

foil, repository = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
work = pathlib.Path(tempfile.mkdtemp(prefix="foil-endpoint-test-"))
checks = 0
environment = {k: v for k, v in os.environ.items() if k != "OPENAI_API_KEY"}
QUICK = ["--endpoint-set", "backoff_s=0.02", "--endpoint-set", "backoff_max_s=0.05", "--endpoint-set", "timeout_s=5"]


def check(condition, what):
    global checks
    checks += 1
    if not condition:
        sys.exit(f"FAILED: {what}\n(kept: {work})")


def run(*arguments, **more):
    return subprocess.run([str(foil), *map(str, arguments)], capture_output=True, text=True, timeout=1200, env=environment | more)


def good(*arguments, **more):
    done = run(*arguments, **more)
    check(done.returncode == 0, f"foil {' '.join(map(str, arguments))}:\n{done.stderr}")
    return done


def records(path):
    return [json.loads(line) for line in pathlib.Path(path).read_text().splitlines()]


problems = work / "sums.jsonl"
problems.write_text("".join(json.dumps({"id": f"s{i}", "problem": f"What is {10 + i} plus {20 + 2 * i}?", "answer": str(30 + 3 * i)}) + "\n" for i in range(12)))


def generate(server, output, *more):
    return ["generate", "--endpoint", server.url, "-p", problems, "-o", output, "-n", 4, "--seed", 3, *QUICK, *more]


# Chat, with a key, requests side by side, and faults that pass.
server = Server(key="secret")
faults = {3: "500", 8: "429", 15: "cut", 22: "html", 30: "choices"}
server.fault = lambda number, body: faults.get(number)
done = good(*generate(server, work / "chat.jsonl", "--system", "Be brief."), OPENAI_API_KEY="secret")
samples = records(work / "chat.jsonl")
check(len(samples) == 48 and [s["problem_id"] for s in samples[::4]] == [f"s{i}" for i in range(12)], "48 samples in order")
check(all(s["correct"] == (s["text"].split("#### ")[1] == str(30 + 3 * int(s["problem_id"][1:]))) for s in samples), "verdicts of the samples")
check(0 < sum(s["correct"] for s in samples) < 48 and server.most_at_once > 3, f"right and wrong ones, side by side ({server.most_at_once})")
path, body = server.requests[0]
check(path == "/v1/chat/completions" and body["model"] == "fake-1" and [m["role"] for m in body["messages"]] == ["system", "user"], f"the request: {body}")
check(len(server.requests) == 48 + len(faults), f"{len(server.requests)} requests")
check(not (work / "chat.jsonl.part").exists(), "the part file is left behind")
done = run(*generate(server, work / "nokey.jsonl"))
check(done.returncode == 1 and "HTTP 401: no such key" in done.stderr and "OPENAI_API_KEY" in done.stderr and not (work / "nokey.jsonl").exists(), f"no key: {done.stderr}")
server.close()

# Completions give the same for the same seeds, whatever the number of requests at a time.
server = Server()
good(*generate(server, work / "text.jsonl", "--endpoint-set", "api=completions", "--endpoint-set", "parallel=1", "--prompt", "Q: {problem}\nA:", "-m", "fake-1"))
check(server.requests[0][0] == "/v1/completions" and server.requests[0][1]["prompt"].startswith("Q: What is"), f"completions: {server.requests[0]}")
check([s["text"] for s in records(work / "text.jsonl")] == [s["text"] for s in samples], "chat and completions differ")
done = run(*generate(server, work / "no.jsonl", "--endpoint-set", "api=completions", "--prompt-style", "chat"))
check(done.returncode == 2 and "api: chat" in done.stderr, f"completions without a template: {done.stderr}")

# The server goes away and comes back: what was answered is not asked again.
server.requests.clear()
server.answered = 0
server.fault = lambda number, body: "down" if number == 20 else None
done = run(*generate(server, work / "cut.jsonl", "--endpoint-set", "retries=1"))
check(done.returncode == 1 and "was closed" in done.stderr and not (work / "cut.jsonl").exists(), f"endpoint gone: {done.stderr}")
kept = records(work / "cut.jsonl.part")
check(0 < len(kept) == server.answered < 48, f"{len(kept)} kept of {server.answered} answered")
server.down, server.fault = False, lambda number, body: None
before = len(server.requests)
good(*generate(server, work / "cut.jsonl"))
check(len(server.requests) - before == 48 - len(kept), f"{len(server.requests) - before} asked again")
check([s["text"] for s in records(work / "cut.jsonl")] == [s["text"] for s in samples], "another result after the cut")

# Errors name what is wrong.
done = run(*generate(server, work / "no.jsonl", "-m", "fake-2"))
check(done.returncode == 1 and 'no model "fake-2" there; it has: fake-1' in done.stderr and "did you mean fake-1" in done.stderr, f"wrong model: {done.stderr}")
server.fault = lambda number, body: "html"
done = run(*generate(server, work / "no.jsonl", "--endpoint-set", "retries=1"))
check(done.returncode == 1 and "talks nonsense: not JSON: <html>Welcome to nginx</html>" in done.stderr, f"nonsense: {done.stderr}")
server.fault = lambda number, body: "slow"
done = run(*generate(server, work / "no.jsonl", "--endpoint-set", "timeout_s=0.1", "--endpoint-set", "retries=0"))
check(done.returncode == 1 and "no complete answer within 0.1 s" in done.stderr and "timeout_s" in done.stderr, f"slow: {done.stderr}")
server.fault = lambda number, body: None
done = run(*generate(server, work / "no.jsonl", "--endpoint-set", "paralel=3"))
check(done.returncode == 2 and "paralel" in done.stderr and "parallel" in done.stderr, f"misspelt option: {done.stderr}")
done = run("generate", "-p", problems, "-o", work / "no.jsonl")
check(done.returncode == 2 and "neither --model nor --endpoint" in done.stderr, f"neither: {done.stderr}")
gone = Server()
gone.close()
done = run(*generate(gone, work / "no.jsonl", "--endpoint-set", "retries=1"))
check(done.returncode == 1 and "the endpoint is down: connection refused" in done.stderr and "curl" in done.stderr, f"down: {done.stderr}")
check(not (work / "no.jsonl").exists(), "an error left an output behind")

# Worked examples and named wordings: messages of a chat, or one text.
examples = work / "examples.jsonl"
examples.write_text("".join(json.dumps({"id": f"e{i}", "problem": f"What is {i} + 1?", "solution": f"{i} + 1 = {i + 1}. #### {i + 1}", "answer": str(i + 1)}) + "\n" for i in range(3)))
shots = ["--examples", examples, "--shots", 2, "--prompt", "question_answer"]
server.requests.clear()
good(*generate(server, work / "shots.jsonl", *shots))
messages = server.requests[0][1]["messages"]
check([m["role"] for m in messages][-5:] == ["user", "assistant", "user", "assistant", "user"] and messages[-5]["content"] == "Question: What is 0 + 1?\nAnswer:" and messages[-4]["content"].endswith("#### 1"), f"worked examples: {messages}")
server.requests.clear()
good(*generate(server, work / "shots2.jsonl", *shots, "--endpoint-set", "api=completions", "--prompt-style", "template"))
check(server.requests[0][1]["prompt"].startswith("Question: What is 0 + 1?\nAnswer:\n0 + 1 = 1. #### 1\n\nQuestion: What is 1 + 1?") and server.requests[0][1]["prompt"].endswith("?\nAnswer:"), f"as text: {server.requests[0][1]['prompt']}")
done = run(*generate(server, work / "no.jsonl", "--examples", examples, "--shots", 5))
check(done.returncode == 1 and "5 worked examples are asked for, 3 problems have a solution" in done.stderr, f"too many shots: {done.stderr}")
done = run(*generate(server, work / "no.jsonl", "--shots", 2))
check(done.returncode == 2 and "examples" in done.stderr, f"shots of nothing: {done.stderr}")

# TLS: a certificate that nobody vouches for is refused, one named as ca_file is trusted.
pem = pathlib.Path(__file__).parent / "loopback.pem"  # made for these tests: CN=foil test, 127.0.0.1, until 2126
secure = Server(tls=pem)
done = run(*generate(secure, work / "no.jsonl", "--endpoint-set", "retries=1"))
check(done.returncode == 1 and "certificate is not trusted" in done.stderr and "ca_file" in done.stderr, f"untrusted certificate: {done.stderr}")
for option in (f"ca_file={pem}", "verify_tls=false"):
    good(*generate(secure, work / "tls.jsonl", "--endpoint-set", option))
    check([s["text"] for s in records(work / "tls.jsonl")] == [s["text"] for s in samples], f"{option}: another result over TLS")
    (work / "tls.jsonl").unlink()
done = run(*generate(secure, work / "no.jsonl", "--endpoint-set", f"ca_file={work}/none.pem", "--endpoint-set", "retries=1"))
check(done.returncode != 0 and "none.pem" in done.stderr, f"a ca_file that is not there: {done.stderr}")
secure.close()

# Evaluation.
good("eval", "--endpoint", server.url, "-b", problems, "-o", work / "evals", "--temperature", 1, "-n", 4, *QUICK)
result = json.loads((work / "evals/result.json").read_text())
check(result["policy"] == "fake-1" and server.url in result["model"] and len(records(work / "evals/sums.jsonl")) == 48, f"eval: {result['policy']} {result['model']}")

# The judge: unreadable judgements are asked for again; a judge that never gives one is an error.
asked = []


def clumsy(body, text):
    if "JSON object" not in text:
        return None
    asked.append(text)
    return "I would rather not." if len(asked) <= 5 else None


server.reply = clumsy
score = ["score", "-s", work / "chat.jsonl", "-p", problems, "--kind", "plausible", "--weight-model", 0, "--judge-endpoint", server.url, "--judge-endpoint-set", "backoff_s=0.02"]
good(*score, "-o", work / "scored.jsonl")
scored = records(work / "scored.jsonl")
wrong = [s for s in scored if not s["correct"]]
check(wrong and all(abs(s["scores"]["judge"] - 10 / 12) < 1e-9 for s in wrong if "judge" in s["scores"]) and any("judge" in s["scores"] for s in wrong), f"judge scores: {wrong[0]['scores']}")
check(len(asked) > 5 and all("answer" not in t.split("Problem:")[1].split("Solution:")[0].lower() for t in asked), f"{len(asked)} judge requests")
server.reply = lambda body, text: "No."
done = run(*score, "-o", work / "unjudged.jsonl")
check(done.returncode == 1 and "replies of the judge is a judgement; the last: No." in done.stderr and not (work / "unjudged.jsonl").exists(), f"stubborn judge: {done.stderr}")
server.reply = None

# A recipe: the policy learns, an endpoint judges and writes the negatives; then a local model judges by its score tokens.
demo = ["run", repository / "recipes/demo.yaml", "--profile", "tiny", *(["--set", f"sft.use={pathlib.Path(sys.argv[3]).resolve()}"] if len(sys.argv) > 3 else []), "--set", "reward_model.enabled=false", "--set", "generator.reward.weight_model=0",
        "--set", f"generator.judge.endpoint.url={server.url}", "--set", f"negatives.sampling.endpoint.url={server.url}", "--set", "generator.judge.endpoint.backoff_s=0.02",
        "--set", "negatives.pairs.max_length_ratio=10"]
out = work / "recipe"
good(*demo, "--set", f"output={out}", "--set", "generator.judge.kind=endpoint", "--set", "negatives.sampling.from=endpoint", "--until", "negatives")
made = records(out / "samples/generator.jsonl")
check(any("judge" in s["scores"] for s in made) and any(p["provenance"]["rejected"].startswith("generator") for p in records(out / "pairs/plausible.jsonl")), "negatives of the endpoint were judged and paired")
check(any("plausible" not in r[1].get("prompt", "") and "careful reader" in json.dumps(r[1]) for r in server.requests), "the endpoint was not asked for wrong answers")
check(not (out / "models/generator").exists(), "a generator was trained although an endpoint writes the negatives")
# The same server told to spoil right answers: it gets problem and solution, and needs no local model that follows instructions.
server.requests.clear()
good(*demo, "--set", f"output={out}", "--set", "generator.judge.kind=endpoint", "--set", "negatives.source=corruption", "--set", "negatives.sampling.from=endpoint", "--until", "negatives")
told = [b["messages"][-1]["content"] for _, b in server.requests if "A correct solution:" in json.dumps(b)]
made = records(out / "samples/generator.jsonl")
check(told and all("Rewrite the solution" in t and "{" not in t for t in told) and made and {s["source"] for s in made} == {"corruption"}, f"corruption by an endpoint: {told[:1]}, {made[:1]}")
server.requests.clear()
good(*demo, "--set", f"output={out}", "--set", "generator.judge.kind=endpoint", "--until", "generator")
judged = sum("JSON object" in json.dumps(b) for _, b in server.requests)
check((out / "models/generator/model.safetensors").exists() and judged > 0, "reverse RL with an endpoint as judge")
(work / "rubric.md").write_text("{problem}\n{solution}\n")
good(*demo, "--set", f"output={out}", "--set", "generator.judge.kind=model", "--set", f"generator.judge.rubric={work / 'rubric.md'}", "--until", "negatives")
made = [s["scores"]["judge"] for s in records(out / "samples/generator.jsonl") if "judge" in s["scores"]]
check(made and all(0 <= x <= 1 for x in made) and len(set(made)) > 1, f"the local model's judgements: {made[:5]}")

server.close()
shutil.rmtree(work)
print(f"{checks} passed, 0 failed")
