import threading

import pytest

import foil


def test_verify_says_why():
    verdict = foil.verify("1/2", r"So it is \boxed{0.5}")
    assert verdict.correct and bool(verdict) and verdict.outcome == "correct"
    assert verdict.answer_text == "0.5" and verdict.rule
    assert foil.verify("1/2", r"\boxed{0.6}").outcome == "wrong"


def test_extract():
    found = foil.extract(r"First 3, then \boxed{\frac{1}{2}}.")
    assert found.text == r"\frac{1}{2}" and found.rule == "boxed"
    assert foil.extract("") is None


def test_options():
    assert foil.verify("(1,2)", r"\boxed{(2,1)}").outcome == "wrong"
    assert foil.Options(units_optional=False).units_optional is False
    with pytest.raises(TypeError):
        foil.Options(no_such_option=True)


def test_batch_equals_single_and_checks_lengths():
    golds = [str(i) for i in range(500)]
    texts = [f"so \\boxed{{{i if i % 3 else i + 1}}}" for i in range(500)]
    batch = foil.verify_batch(golds, texts)
    assert [v.correct for v in batch] == [bool(i % 3) for i in range(500)]
    assert [v.outcome for v in batch] == [foil.verify(g, t).outcome for g, t in zip(golds, texts)]
    with pytest.raises(ValueError, match="differ in length: 1 and 2"):
        foil.verify_batch(["1"], ["1", "2"])


def test_works_from_any_thread():
    outcomes = []
    threads = [threading.Thread(target=lambda: outcomes.append(foil.verify("2", r"\boxed{2}").outcome)) for _ in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert outcomes == ["correct"] * 8


def test_batch_releases_the_gil():
    golds = ["(a+b+c+d)^7"] * 200
    texts = [r"\boxed{(d+c+b+a)^7}"] * 200
    ticks = 0
    done = threading.Event()

    def work():
        foil.verify_batch(golds, texts, threads=1)
        done.set()

    worker = threading.Thread(target=work)
    worker.start()
    while not done.wait(0.0005):
        ticks += 1  # only runs while the batch call lets Python go on
    worker.join()
    assert ticks > 5


def test_reward_leaves_out_rows_without_a_readable_gold():
    assert foil.rewards.accuracy([r"\boxed{1}", r"\boxed{1}"], answer=[r"\frac{1}{", "1"]) == [None, 1.0]


def test_reward_plain_and_conversational():
    plain = [r"\boxed{4}", r"\boxed{5}"]
    assert foil.rewards.accuracy(plain, answer=["4", "4"], prompts=["?", "?"]) == [1.0, 0.0]
    talk = [[{"role": "assistant", "content": c}] for c in plain]
    assert foil.rewards.accuracy(completions=talk, solution=["4", "4"]) == [1.0, 0.0]
    with pytest.raises(ValueError, match="needs a dataset column"):
        foil.rewards.accuracy(plain)
