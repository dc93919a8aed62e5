"""foil.rewards.accuracy inside TRL's GRPOTrainer: two steps of a tiny random model, plain and conversational prompts.

usage: trl_grpo_reward.py   (needs trl 1.16, transformers, datasets, tokenizers, and foil's wheel in this interpreter)
A wrapper records what the trainer hands to the reward function and what comes back; the model's own completions are noise, so
a second reward call through the trainer's own path (_calculate_rewards) carries completions with known verdicts.
"""
import tempfile

import foil
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM
from trl import GRPOConfig, GRPOTrainer

CHARACTERS = "0123456789+-*/=()\\{}boxedfracanswertis .?:"


def tokenizer() -> PreTrainedTokenizerFast:
    vocabulary = {t: i for i, t in enumerate(["<pad>", "<eos>", "<unk>", *sorted(set(CHARACTERS))])}
    t = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    t.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    fast = PreTrainedTokenizerFast(tokenizer_object=t, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>")
    fast.chat_template = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
    return fast


def main() -> None:
    calls = []

    def accuracy(completions, **columns):
        rewards = foil.rewards.accuracy(completions, **columns)
        calls.append((completions, columns["answer"], rewards))
        return rewards

    for conversational in (False, True):
        tok = tokenizer()
        model = Qwen2ForCausalLM(Qwen2Config(vocab_size=len(tok), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=256, pad_token_id=0, eos_token_id=1))
        questions = ["1+1=?", "2*3=?", "1/2=?", "9-4=?"]
        prompts = [[{"role": "user", "content": q}] for q in questions] if conversational else questions
        data = Dataset.from_dict({"prompt": prompts, "answer": ["2", "6", "\\frac{1}{2}", "5"]})
        with tempfile.TemporaryDirectory() as folder:
            args = GRPOConfig(output_dir=folder, per_device_train_batch_size=4, num_generations=4, max_completion_length=8, max_steps=2, report_to=[], use_cpu=True, logging_steps=1, save_strategy="no")
            trainer = GRPOTrainer(model=model, reward_funcs=accuracy, args=args, train_dataset=data, processing_class=tok)
            trainer.train()
            assert calls, "the trainer never asked for rewards"
            completions, answers, rewards = calls[-1]
            assert len(completions) == len(answers) == len(rewards) == 4
            assert isinstance(completions[0], list if conversational else str), type(completions[0])
            known = ["so it is \\boxed{0.5}", "\\boxed{2}", "the answer is 1/2", "\\boxed{1/2"]
            texts = [[{"role": "assistant", "content": t}] for t in known] if conversational else known
            inputs = [{"prompt": prompts[2], "answer": "\\frac{1}{2}"}] * 4
            table = trainer._calculate_rewards(inputs, [prompts[2]] * 4, texts, [[1]] * 4)
            assert table[:, 0].tolist() == [1.0, 0.0, 1.0, 0.0], table
            print("conversational" if conversational else "plain", "rewards through the trainer:", table[:, 0].tolist(), "| of its own noise:", rewards)
        calls.clear()


if __name__ == "__main__":
    main()
